//! Data whose density is known at every angle.

use data::rng::Rng;
use likelihood::flow::Field;
use likelihood::log_sum_exp;
use std::convert::Infallible;
use std::f64::consts::TAU;

/// A Gaussian of the mixture.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) weight: f64,
    pub(crate) mean: Vec<f64>,
    /// Variances along the rows of `axes`.
    pub(crate) variances: Vec<f64>,
    /// Orthonormal, (D, D).
    pub(crate) axes: Vec<f64>,
}

/// A mixture of Gaussians.
#[derive(Clone, Debug)]
pub(crate) struct Mixture(pub(crate) Vec<Part>);

impl Part {
    /// z - alpha mean along each axis, and the variance of z there.
    fn along(&self, angle: f64, z: &[f64]) -> Vec<(f64, f64)> {
        let (alpha, sigma) = (angle.cos(), angle.sin());
        let off: Vec<f64> = z.iter().zip(&self.mean).map(|(z, m)| z - alpha * m).collect();
        let rows = self.axes.chunks(z.len()).map(|axis| axis.iter().zip(&off).map(|(a, o)| a * o).sum());
        rows.zip(&self.variances).map(|(y, v)| (y, alpha * alpha * v + sigma * sigma)).collect()
    }

    /// log of weight N(z; alpha mean, alpha^2 covariance + sigma^2 I).
    fn log_p(&self, angle: f64, z: &[f64]) -> f64 {
        let terms = self.along(angle, z).into_iter().map(|(y, c)| y * y / c + (TAU * c).ln());
        self.weight.ln() - 0.5 * terms.sum::<f64>()
    }

    /// E[alpha eps - sigma x | z], for eps and x are normal with z.
    fn velocity(&self, angle: f64, z: &[f64]) -> Vec<f64> {
        let (alpha, sigma) = (angle.cos(), angle.sin());
        let mut v: Vec<f64> = self.mean.iter().map(|m| -sigma * m).collect();
        let rows = self.along(angle, z).into_iter().zip(&self.variances).zip(self.axes.chunks(z.len()));
        for (((y, c), variance), axis) in rows {
            let factor = alpha * sigma * (1.0 - variance) / c * y;
            v.iter_mut().zip(axis).for_each(|(v, a)| *v += factor * a);
        }
        v
    }
}

impl Mixture {
    /// One Gaussian of mean `mean` in every value, along random axes.
    pub(crate) fn rotated(mean: f64, variances: Vec<f64>, seed: u64) -> Mixture {
        let d = variances.len();
        Mixture(vec![Part { weight: 1.0, mean: vec![mean; d], axes: rotation(d, seed), variances }])
    }

    /// log p of z at an angle.
    pub(crate) fn log_p(&self, angle: f64, z: &[f64]) -> f64 {
        log_sum_exp(&self.0.iter().map(|part| part.log_p(angle, z)).collect::<Vec<_>>())
    }

    /// `n` draws of the first part at an angle.
    pub(crate) fn draws(&self, n: usize, angle: f64, seed: u64) -> Vec<f64> {
        let (part, d) = (&self.0[0], self.dims());
        let scale = |v: &f64| (angle.cos().powi(2) * v + angle.sin().powi(2)).sqrt();
        let mut all = Vec::new();
        for e in normals(n * d, seed).chunks(d) {
            let mut z: Vec<f64> = part.mean.iter().map(|m| angle.cos() * m).collect();
            for ((e, v), axis) in e.iter().zip(&part.variances).zip(part.axes.chunks(d)) {
                z.iter_mut().zip(axis).for_each(|(z, a)| *z += scale(v) * e * a);
            }
            all.extend(z);
        }
        all
    }
}

impl Field for Mixture {
    type Error = Infallible;

    fn dims(&self) -> usize {
        self.0[0].mean.len()
    }

    async fn velocities(&mut self, angle: f64, z: &[f64]) -> Result<Vec<f64>, Infallible> {
        let of = |z: &[f64]| {
            let log_p = self.log_p(angle, z);
            let mut v = vec![0.0; z.len()];
            for part in &self.0 {
                let share = (part.log_p(angle, z) - log_p).exp();
                v.iter_mut().zip(part.velocity(angle, z)).for_each(|(v, of)| *v += share * of);
            }
            v
        };
        Ok(z.chunks(self.dims()).flat_map(of).collect())
    }

    fn step(&self, sigma: f64) -> f64 {
        1e-3 * sigma
    }
}

/// Random orthonormal rows, (d, d), by the method of Gram and Schmidt.
pub(crate) fn rotation(d: usize, seed: u64) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for row in normals(d * d, seed).chunks(d) {
        let mut row = row.to_vec();
        for _ in 0..2 {
            for other in &rows {
                let dot: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let length = row.iter().map(|a| a * a).sum::<f64>().sqrt();
        rows.push(row.iter().map(|a| a / length).collect());
    }
    rows.concat()
}

pub(crate) fn normals(n: usize, seed: u64) -> Vec<f64> {
    let mut x = vec![0f32; n];
    Rng::new(seed, 100).fill_normal(&mut x);
    x.into_iter().map(f64::from).collect()
}
