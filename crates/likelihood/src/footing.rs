//! The one footing on which models of 8-bit data are compared: log P(k) of levels k, in bits per dimension. A density p
//! over real numbers gets there through k + u, u uniform in \[0, 1)^D, for P(k) = E_u\[p(k + u)\] is a probability of
//! levels:
//!     E_u\[log p(k + u)\] <= E\[log 1/M sum_m p(k + u_m)\] <= log P(k),
//! uniform dequantisation (Theis, van den Oord & Bethge 2016, arXiv:1511.01844) and its importance-weighted form (Burda
//! et al. 2016, arXiv:1509.00519, with u as the latent), which rises with M.

use crate::{log_sum_exp, mean_and_error};
use data::rng::Rng;
use std::f64::consts::LN_2;

/// Variance of u / 256: that of the noise where levels are mapped into \[0, 1).
pub const UNIT_VARIANCE: f64 = 1.0 / (12.0 * 65536.0);

/// -nats / (D ln 2).
pub fn bits_per_dim(nats: f64, d: usize) -> f64 {
    -nats / (d as f64 * LN_2)
}

/// Why there is no number.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// The density failed.
    #[error(transparent)]
    Density(#[from] E),
    /// The density, or a parameter, is NaN.
    #[error("a value is not a number; no log p is shown")]
    NotANumber,
    /// No level, or no draw of the noise.
    #[error("there is nothing to add up: give at least one level, one draw and one draw a group")]
    Empty,
    /// Levels without noise.
    #[error(
        "a density over k / 127.5 - 1 says nothing of levels, for it can be as high as one likes: add noise to them first"
    )]
    Rounded,
    /// A scale that is 0 or below, or an alpha that is not between 0 and 1/2.
    #[error("a scale must be above 0, and alpha between 0 and 0.5")]
    Scale,
}

/// An error of this module alone.
pub type Plain = Error<std::convert::Infallible>;

/// What a density is over. Each is a function y of v = k + u in \[0, 256), and p(v) = p(y) |dy/dv|.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale {
    /// y = v.
    Levels,
    /// y = v / 256, which adds 8 bits per dimension.
    Unit,
    /// y = v / 128 - 1, which adds 7.
    Symmetric,
    /// y = (v / 256 - mean) / sd, which adds 8 + log2 sd.
    Standard {
        /// Of the data in \[0, 1).
        mean: f64,
        /// Of the data in \[0, 1).
        sd: f64,
    },
    /// y = ln(s / (1 - s)) with s = alpha + (1 - 2 alpha) v / 256 (after Dinh et al. 2017, arXiv:1605.08803), which
    /// adds 8 and a part that depends on v.
    Logit {
        /// How far s stays from 0 and 1.
        alpha: f64,
    },
    /// k / 127.5 - 1, without noise: no density over these points has a unit, so it is refused.
    Rounded,
}

impl Scale {
    /// y of v = k + u.
    pub fn value(self, v: f64) -> Result<f64, Plain> {
        self.check()?;
        Ok(match self {
            Scale::Levels | Scale::Rounded => v,
            Scale::Unit => v / 256.0,
            Scale::Symmetric => v / 128.0 - 1.0,
            Scale::Standard { mean, sd } => (v / 256.0 - mean) / sd,
            Scale::Logit { alpha } => {
                let s = alpha + (1.0 - 2.0 * alpha) * v / 256.0;
                s.ln() - (-s).ln_1p()
            }
        })
    }

    /// ln |dy/dv|.
    pub fn log_slope(self, v: f64) -> Result<f64, Plain> {
        self.check()?;
        Ok(match self {
            Scale::Levels | Scale::Rounded => 0.0,
            Scale::Unit => -8.0 * LN_2,
            Scale::Symmetric => -7.0 * LN_2,
            Scale::Standard { sd, .. } => -8.0 * LN_2 - sd.ln(),
            Scale::Logit { alpha } => {
                let s = alpha + (1.0 - 2.0 * alpha) * v / 256.0;
                (1.0 - 2.0 * alpha).ln() - 8.0 * LN_2 - s.ln() - (-s).ln_1p()
            }
        })
    }

    fn check(self) -> Result<(), Plain> {
        match self {
            Scale::Rounded => Err(Error::Rounded),
            Scale::Standard { mean, sd } if mean.is_finite() && sd.is_finite() && sd > 0.0 => Ok(()),
            Scale::Logit { alpha } if alpha > 0.0 && alpha < 0.5 => Ok(()),
            Scale::Standard { .. } | Scale::Logit { .. } => Err(Error::Scale),
            Scale::Levels | Scale::Unit | Scale::Symmetric => Ok(()),
        }
    }
}

/// log p(k + u) at draws of u.
#[derive(Clone, PartialEq, Debug)]
pub struct Dequantised {
    /// In nats, over \[0, 256)^D.
    pub log_p: Vec<f64>,
}

/// log p(k + u) of levels k (D) at some draws of u. `density` is log p of y (D) on that scale.
pub fn dequantise<E: std::error::Error + 'static>(
    k: &[u8],
    scale: Scale,
    draws: usize,
    mut rng: Rng,
    density: impl Fn(&[f64]) -> Result<f64, E>,
) -> Result<Dequantised, Error<E>> {
    if k.is_empty() || draws == 0 {
        return Err(Error::Empty);
    }
    let (mut u, mut log_p) = (vec![0f32; k.len()], Vec::new());
    for _ in 0..draws {
        rng.fill_uniform(&mut u);
        let v: Vec<f64> = k.iter().zip(&u).map(|(&k, &u)| f64::from(k) + f64::from(u)).collect();
        let (mut y, mut log_slope) = (Vec::new(), 0.0);
        for v in v {
            y.push(scale.value(v).map_err(widen)?);
            log_slope += scale.log_slope(v).map_err(widen)?;
        }
        let nats = density(&y)? + log_slope;
        if nats.is_nan() {
            return Err(Error::NotANumber);
        }
        log_p.push(nats);
    }
    Ok(Dequantised { log_p })
}

fn widen<E: std::error::Error + 'static>(error: Plain) -> Error<E> {
    match error {
        Error::Density(never) => match never {},
        Error::NotANumber => Error::NotANumber,
        Error::Empty => Error::Empty,
        Error::Rounded => Error::Rounded,
        Error::Scale => Error::Scale,
    }
}

impl Dequantised {
    /// The lower bound on log P(k) from whole groups of `m` draws, and its standard error, which is 0 for one group;
    /// `m` = 1 is uniform dequantisation.
    pub fn bound(&self, m: usize) -> Result<(f64, f64), Plain> {
        if m == 0 || m > self.log_p.len() {
            return Err(Error::Empty);
        }
        let of = |group: &[f64]| log_sum_exp(group) - (m as f64).ln();
        Ok(mean_and_error(&self.log_p.chunks_exact(m).map(of).collect::<Vec<_>>()))
    }
}

/// How \[-1, 1\] is cut into the bins of 256 levels. The outermost reach to infinity.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Bins {
    /// Equal parts: level k is from k / 128 - 1 to (k + 1) / 128 - 1.
    Equal,
    /// 1/255 to both sides of k / 127.5 - 1 (Salimans et al. 2017, arXiv:1701.05517, eq. 2), as the VAE has them.
    Centred,
}

/// ln of the probability that a logistic variable falls into the bin of level k, without a difference of nearly equal
/// numbers.
pub fn discretised_logistic(k: u8, mean: f64, scale: f64, bins: Bins) -> Result<f64, Plain> {
    if !mean.is_finite() || scale.is_nan() {
        return Err(Error::NotANumber);
    }
    if scale <= 0.0 || scale.is_infinite() {
        return Err(Error::Scale);
    }
    let level = f64::from(k);
    let (from, to) = match bins {
        Bins::Equal => (level / 128.0 - 1.0, (level + 1.0) / 128.0 - 1.0),
        Bins::Centred => ((level - 0.5) / 127.5 - 1.0, (level + 0.5) / 127.5 - 1.0),
    };
    let (lower, upper) = ((from - mean) / scale, (to - mean) / scale);
    // sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - e^(l - u))
    Ok(match k {
        0 => log_sigmoid(upper),
        255 => log_sigmoid(-lower),
        _ => log_sigmoid(upper) + log_sigmoid(-lower) + (-(-(to - from) / scale).exp_m1()).ln(),
    })
}

/// ln 1 / (1 + e^-x).
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::{self, Diagonal, Gaussian, Mixture, Moments};
    use data::rng::stream;

    fn rng() -> Rng {
        Rng::new(3, stream::ESTIMATE)
    }

    /// One normal density over levels, told on every scale that is linear.
    #[test]
    fn the_scale_makes_no_difference() {
        let (mean, sd) = (90.0, 40.0);
        let k = [3, 77, 140, 255];
        let bits = |scale: Scale| {
            let slope = scale.log_slope(0.0).unwrap().exp();
            let p = Diagonal::new(vec![scale.value(mean).unwrap(); 4], vec![(sd * slope).powi(2); 4]).unwrap();
            let drawn = dequantise(&k, scale, 8, rng(), |y| p.log_prob(y)).unwrap();
            bits_per_dim(drawn.bound(1).unwrap().0, 4)
        };
        let levels = bits(Scale::Levels);
        for scale in [Scale::Unit, Scale::Symmetric, Scale::Standard { mean: 0.2860, sd: 0.3530 }] {
            assert!((bits(scale) - levels).abs() < 1e-9, "{scale:?}");
        }
        // What the table adds, on the scale's own number of bits.
        for (scale, added) in [(Scale::Unit, 8.0), (Scale::Symmetric, 7.0)] {
            assert!((bits_per_dim(4.0 * scale.log_slope(9.0).unwrap(), 4) - added).abs() < 1e-12);
        }
        let standard = Scale::Standard { mean: 0.2860, sd: 0.3530 };
        assert!((bits_per_dim(standard.log_slope(9.0).unwrap(), 1) - 8.0 - 0.353f64.log2()).abs() < 1e-12);
    }

    /// A density that is 1 over \[0, 1) is 8 bits, also when it is told as the density of logits.
    #[test]
    fn the_slope_of_the_logit_is_that_of_the_curve() {
        let scale = Scale::Logit { alpha: 0.05 };
        for v in [0.0, 0.3, 128.0, 255.9] {
            let h = 1e-4;
            let numeric = (scale.value(v + h).unwrap() - scale.value(v - h).unwrap()) / (2.0 * h);
            assert!((scale.log_slope(v).unwrap() - numeric.ln()).abs() < 1e-7, "{v}");
        }
        let uniform = |y: &[f64]| -> Result<f64, parametric::Error> {
            let s = 1.0 / (1.0 + (-y[0]).exp());
            Ok((s * (1.0 - s) / 0.9).ln())
        };
        let drawn = dequantise(&[77], scale, 4, rng(), uniform).unwrap();
        assert!((bits_per_dim(drawn.bound(1).unwrap().0, 1) - 8.0).abs() < 1e-9);
    }

    /// log P and E_u log p by Simpson's rule, against the golden values; then the bounds from draws.
    #[test]
    fn the_bounds_rise_towards_the_probability() {
        let one = |mean: f64, sd: f64| Gaussian::new(vec![mean], vec![sd * sd]).unwrap();
        let p = Mixture::new(vec![0.5, 0.5], vec![one(1.2, 0.7), one(3.1, 0.4)]).unwrap();
        let simpson = |k: u8, f: &dyn Fn(f64) -> f64| {
            let n = 2000;
            let weight = |i: usize| if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            let at = |i: usize| p.log_prob(&[f64::from(k) + i as f64 / n as f64]).unwrap();
            (0..=n).map(|i| weight(i) * f(at(i))).sum::<f64>() / (3.0 * n as f64)
        };
        for (k, log_p, uniform) in [(3, -1.218217, -1.449836), (1, -1.408781, -1.423887)] {
            let truth = simpson(k, &f64::exp).ln();
            assert!((truth - log_p).abs() < 5e-7, "{truth}");
            let expected = simpson(k, &|log_p| log_p);
            assert!((expected - uniform).abs() < 5e-7, "{expected}");
            let drawn = dequantise(&[k], Scale::Levels, 65_536, rng(), |y| p.log_prob(y)).unwrap();
            let bounds = [1, 2, 4, 8, 64, 1024].map(|m| drawn.bound(m).unwrap());
            assert!((bounds[0].0 - expected).abs() < 3.0 * bounds[0].1, "{bounds:?}");
            assert!(bounds.windows(2).all(|w| w[0].0 < w[1].0), "{bounds:?}");
            assert!(bounds[5].0 <= truth + 3.0 * bounds[5].1 && truth - bounds[5].0 < 1e-3, "{bounds:?}");
            if k == 3 {
                assert!((bounds[3].0 - -1.2394).abs() < 3.0 * bounds[3].1 + 5e-5, "{bounds:?}");
            }
        }
    }

    /// What is known of a normal density without drawing: the log at the middle of the bin less half the trace over 12.
    #[test]
    fn the_expectation_of_a_gaussian_needs_no_draws() {
        let d = 5;
        let levels: Vec<u8> = parametric::normals(200 * d, 4).iter().map(|v| (100.0 + 2.0 * v) as u8).collect();
        let moments = Moments::of_levels(&levels, d).unwrap();
        let (full, diagonal) = (Gaussian::from_moments(moments.clone()), Diagonal::from_moments(&moments));
        let (full, diagonal) = (full.unwrap(), diagonal.unwrap());
        let middle: Vec<f64> = levels[..d].iter().map(|&k| f64::from(k) + 0.5).collect();
        let (mean, error) =
            dequantise(&levels[..d], Scale::Levels, 20_000, rng(), |y| full.log_prob(y)).unwrap().bound(1).unwrap();
        let expected = full.log_prob(&middle).unwrap() - full.trace_of_precision() / 24.0;
        assert!((mean - expected).abs() < 3.0 * error, "{mean} {expected} {error}");
        let (mean, error) =
            dequantise(&levels[..d], Scale::Levels, 20_000, rng(), |y| diagonal.log_prob(y)).unwrap().bound(1).unwrap();
        let expected = diagonal.log_prob_under_noise(&middle, 1.0 / 12.0).unwrap();
        assert!((mean - expected).abs() < 3.0 * error, "{mean} {expected} {error}");
    }

    #[test]
    fn discretised_logistics_have_the_golden_values_and_sum_to_one() {
        let p = |k, bins| discretised_logistic(k, 0.1, 0.05, bins).unwrap();
        for (k, bins, golden) in [
            (0, Bins::Equal, -21.843750),
            (140, Bins::Equal, -3.243649),
            (255, Bins::Equal, -17.843750),
            (140, Bins::Centred, -3.239575),
        ] {
            assert!((p(k, bins) - golden).abs() < 5e-7, "{k} {bins:?}: {}", p(k, bins));
        }
        for bins in [Bins::Equal, Bins::Centred] {
            for (mean, scale) in [(0.1, 0.05), (-1.3, 1e-3), (0.0, 1e-4), (0.7, 30.0)] {
                let all = (0..=255).map(|k| discretised_logistic(k, mean, scale, bins).unwrap());
                let total: f64 = all.map(f64::exp).sum();
                assert!((total - 1.0).abs() < 1e-12, "{bins:?} {mean} {scale}: {total}");
            }
        }
        assert!(discretised_logistic(128, -1.0, 1e-4, Bins::Equal).unwrap() < -9000.0);
    }

    #[test]
    fn bad_input_is_refused() {
        let density = |y: &[f64]| -> Result<f64, parametric::Error> { Ok(y[0]) };
        let with = |k: &[u8], scale, draws| dequantise(k, scale, draws, rng(), density);
        assert_eq!(with(&[], Scale::Unit, 1), Err(Error::Empty));
        assert_eq!(with(&[1], Scale::Unit, 0), Err(Error::Empty));
        assert_eq!(with(&[1], Scale::Rounded, 1), Err(Error::Rounded));
        for scale in [
            Scale::Standard { mean: 0.0, sd: 0.0 },
            Scale::Standard { mean: f64::NAN, sd: 1.0 },
            Scale::Logit { alpha: 0.5 },
            Scale::Logit { alpha: f64::NAN },
        ] {
            assert_eq!(with(&[1], scale, 1), Err(Error::Scale), "{scale:?}");
        }
        let nan = |_: &[f64]| -> Result<f64, parametric::Error> { Ok(f64::NAN) };
        assert_eq!(dequantise(&[1], Scale::Unit, 1, rng(), nan), Err(Error::NotANumber));
        let failing = |_: &[f64]| Err(parametric::Error::TooFar);
        assert_eq!(dequantise(&[1], Scale::Unit, 1, rng(), failing), Err(Error::Density(parametric::Error::TooFar)));
        let drawn = with(&[1], Scale::Unit, 3).unwrap();
        assert!(drawn.bound(0).is_err() && drawn.bound(4).is_err() && drawn.bound(3).is_ok());
        let logistic = |mean, scale| discretised_logistic(1, mean, scale, Bins::Equal);
        assert_eq!((logistic(0.0, 0.0), logistic(f64::NAN, 1.0)), (Err(Error::Scale), Err(Error::NotANumber)));
    }
}
