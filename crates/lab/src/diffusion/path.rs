//! Ways from data to noise: z = alpha(t) x + sigma(t) eps for a time t from 0, the data, to 1, the noise, and the velocity
//! dz/dt of a pair of both.

use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// A way from data to noise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// z = cos(phi) x + sin(phi) eps with phi = pi t / 2, and v = dz/dphi (Salimans & Ho 2022, arXiv:2202.00512).
    #[default]
    Cosine,
    /// z = (1 - t) x + t eps, and v = dz/dt (Lipman et al. 2023, arXiv:2210.02747).
    Straight,
}

/// How much of data and of noise there is at a time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Level {
    pub(super) alpha: f64,
    pub(super) sigma: f64,
}

impl Path {
    /// dz/dt over v.
    pub(super) fn speed(self) -> f64 {
        match self {
            Path::Cosine => FRAC_PI_2,
            Path::Straight => 1.0,
        }
    }

    pub(super) fn at(self, t: f64) -> Level {
        match self {
            Path::Cosine => Level { alpha: (FRAC_PI_2 * t).cos(), sigma: (FRAC_PI_2 * t).sin() },
            Path::Straight => Level { alpha: 1.0 - t, sigma: t },
        }
    }

    /// Data and noise that z and its velocity v are made of, one coordinate.
    pub(super) fn parts(self, t: f64, z: f64, v: f64) -> [f64; 2] {
        let Level { alpha, sigma } = self.at(t);
        match self {
            Path::Cosine => [alpha * z - sigma * v, sigma * z + alpha * v],
            Path::Straight => [z - sigma * v, z + alpha * v],
        }
    }
}

/// Times of `steps` steps from one time to another, denser where there is little noise, and their lengths.
pub(super) fn times([from, to]: [f64; 2], steps: usize) -> Vec<[f64; 2]> {
    let at = |i: usize| {
        let share = i as f64 / steps as f64;
        let root = from.sqrt() + (to.sqrt() - from.sqrt()) * share;
        root * root
    };
    (0..steps).map(|i| [at(i), at(i + 1) - at(i)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_that_were_mixed() {
        for path in [Path::Cosine, Path::Straight] {
            for t in [0.0, 0.3, 1.0] {
                let (x, eps, h) = (0.7, -1.2, 1e-6);
                let z = |t: f64| path.at(t).alpha * x + path.at(t).sigma * eps;
                let v = (z(t + h) - z(t - h)) / (2.0 * h) / path.speed();
                let [x_found, eps_found] = path.parts(t, z(t), v);
                assert!((x_found - x).abs() < 1e-8 && (eps_found - eps).abs() < 1e-8, "{path:?} {t}");
            }
        }
        let there = times([0.0, 1.0], 7);
        assert!((there.iter().map(|[_, by]| by).sum::<f64>() - 1.0).abs() < 1e-12 && there[0][0] == 0.0);
        let back = times([1.0, 0.0], 7);
        assert!((there[0][1] + back[6][1]).abs() < 1e-12);
    }
}
