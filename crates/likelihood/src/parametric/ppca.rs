//! Probabilistic principal component analysis (Tipping & Bishop 1999, "Probabilistic principal component analysis", eq.
//! 6 to 8): x = W z + mu + e with z ~ N(0, I) of q values and e ~ N(0, sigma^2 I), so x ~ N(mu, C) with C = W W^T +
//! sigma^2 I. With M = W^T W + sigma^2 I, which is only (q, q),
//!     ln|C| = (D - q) ln sigma^2 + ln|M|,  x^T C^-1 x = (x^T x - x^T W M^-1 W^T x) / sigma^2.

use super::linear::{cholesky, dot, eigen, solve_lower, solve_upper};
use super::{Error, Gaussian, HALF_LN_TAU, Moments, near, one_row};

/// The marginal density of a linear Gaussian decoder.
#[derive(Clone, PartialEq, Debug)]
pub struct Ppca {
    mean: Vec<f64>,
    /// W^T (q, D).
    axes: Vec<f64>,
    noise: f64,
    /// Cholesky factor of M (q, q).
    factor: Vec<f64>,
}

impl Ppca {
    /// mu (D), W^T (q, D), and sigma^2.
    pub fn new(mean: Vec<f64>, axes: Vec<f64>, noise: f64) -> Result<Ppca, Error> {
        let d = mean.len();
        one_row(&mean, d)?;
        let q = super::rows(&axes, d)?;
        if !noise.is_finite() || noise <= 0.0 {
            return Err(Error::Parameter(format!("a noise variance of {noise}: it must be a number above 0")));
        }
        let row = |i: usize| &axes[i * d..][..d];
        let m = |i: usize| dot(row(i / q), row(i % q)) + if i / q == i % q { noise } else { 0.0 };
        let factor = cholesky(&(0..q * q).map(m).collect::<Vec<_>>(), q)?;
        Ok(Ppca { mean, axes, noise, factor })
    }

    /// Of largest likelihood for rows (N, D), with `q` latents, fewer than D.
    pub fn fit(data: &[f64], d: usize, q: usize) -> Result<Ppca, Error> {
        Ppca::from_moments(&Moments::of(data, d)?, q)
    }

    /// The q largest eigenvalues of the covariance become axes, the mean of the rest is the noise (eq. 7 and 8, with R
    /// = I).
    pub fn from_moments(m: &Moments, q: usize) -> Result<Ppca, Error> {
        let d = m.mean.len();
        if q == 0 || q >= d {
            return Err(Error::Parameter(format!("{q} latents for {d} values: there must be at least 1, and fewer")));
        }
        let (values, vectors) = eigen(&m.covariance, d);
        let noise = values[q..].iter().sum::<f64>() / (d - q) as f64;
        if noise <= 1e-12 * values[0] {
            return Err(Error::Parameter(format!("{q} latents explain the data without noise: ask for fewer")));
        }
        let scale = |i: usize| (values[i] - noise).max(0.0).sqrt();
        let axes = (0..q * d).map(|i| scale(i / d) * vectors[i]).collect();
        Ppca::new(m.mean.clone(), axes, noise)
    }

    /// log p(x), by the identities in (q, q).
    pub fn log_prob(&self, x: &[f64]) -> Result<f64, Error> {
        let (d, q) = (self.mean.len(), self.latents());
        let (centred, projected) = self.project(x)?;
        let inner = solve_lower(&self.factor, &projected);
        let squares = (dot(&centred, &centred) - dot(&inner, &inner)) / self.noise;
        let half_log_det_m: f64 = self.factor.iter().step_by(q + 1).map(|l| l.ln()).sum();
        let half_log_det = 0.5 * (d as f64 - q as f64) * self.noise.ln() + half_log_det_m;
        near(-0.5 * squares - half_log_det - d as f64 * HALF_LN_TAU)
    }

    /// p(z|x) = N(M^-1 W^T (x - mu), sigma^2 M^-1).
    pub fn posterior(&self, x: &[f64]) -> Result<Gaussian, Error> {
        let q = self.latents();
        let inverse = |b: &[f64]| solve_upper(&self.factor, &solve_lower(&self.factor, b));
        let mean = inverse(&self.project(x)?.1);
        let unit = |i: usize| (0..q).map(|j| if i == j { self.noise } else { 0.0 }).collect::<Vec<_>>();
        Gaussian::new(mean, (0..q).flat_map(|i| inverse(&unit(i))).collect())
    }

    /// N(mu, C), with all of C.
    pub fn to_gaussian(&self) -> Result<Gaussian, Error> {
        let d = self.mean.len();
        let mut covariance = vec![0.0; d * d];
        for axis in self.axes.chunks(d) {
            for (row, a) in covariance.chunks_mut(d).zip(axis) {
                row.iter_mut().zip(axis).for_each(|(c, b)| *c += a * b);
            }
        }
        covariance.iter_mut().step_by(d + 1).for_each(|c| *c += self.noise);
        Gaussian::new(self.mean.clone(), covariance)
    }

    /// q.
    pub fn latents(&self) -> usize {
        self.axes.len() / self.mean.len()
    }

    /// sigma^2.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// x - mu, and W^T (x - mu).
    fn project(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let d = self.mean.len();
        one_row(x, d)?;
        let centred: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let projected = self.axes.chunks(d).map(|axis| dot(axis, &centred)).collect();
        Ok((centred, projected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::normals;

    #[test]
    fn the_golden_values() {
        let p = Ppca::new(vec![0.0; 3], vec![1.0, 2.0, -1.0], 0.5).unwrap();
        let x = [0.3, -0.2, 0.7];
        assert!((p.log_prob(&x).unwrap() - -3.521_107_969_043_329_3).abs() < 1e-12);
        let z = p.posterior(&x).unwrap();
        assert!((z.mean()[0] - -0.123_076_923_1).abs() < 1e-9 && (z.covariance()[0] - 0.076_923_076_9).abs() < 1e-9);
    }

    #[test]
    fn the_small_identities_are_the_large_gaussian() {
        // Also where there are more latents than values.
        for (d, q) in [(40, 6), (17, 16), (3, 5)] {
            let p = Ppca::new(normals(d, 1), normals(q * d, 2), 0.3).unwrap();
            let full = p.to_gaussian().unwrap();
            for x in normals(20 * d, 3).chunks(d) {
                let (small, large) = (p.log_prob(x).unwrap(), full.log_prob(x).unwrap());
                assert!((small - large).abs() < 1e-9, "{d} {q}: {small} {large}");
            }
        }
    }

    #[test]
    fn joint_minus_posterior_is_the_marginal_at_every_z() {
        let (d, q) = (8, 3);
        let p = Ppca::new(normals(d, 4), normals(q * d, 5), 0.7).unwrap();
        let x = normals(d, 6);
        for z in normals(5 * q, 7).chunks(q) {
            let decoded = |i: usize| p.mean[i] + (0..q).map(|k| p.axes[k * d + i] * z[k]).sum::<f64>();
            let error: f64 = (0..d).map(|i| (x[i] - decoded(i)).powi(2)).sum();
            let given_z = -0.5 * error / 0.7 - 0.5 * d as f64 * 0.7f64.ln() - d as f64 * HALF_LN_TAU;
            let prior = -0.5 * dot(z, z) - q as f64 * HALF_LN_TAU;
            let posterior = p.posterior(&x).unwrap().log_prob(z).unwrap();
            assert!((given_z + prior - posterior - p.log_prob(&x).unwrap()).abs() < 1e-9);
        }
    }

    #[test]
    fn a_fit_keeps_the_largest_variances_and_averages_the_rest() {
        // Variances 9, 4, 1, 0.25 along axes, exactly: each axis is visited at plus and minus its deviation times 2.
        let deviations = [3.0, 2.0, 1.0, 0.5];
        let mut data = Vec::new();
        for (i, deviation) in deviations.iter().enumerate() {
            for sign in [-2.0, 2.0] {
                data.extend((0..4).map(|j| if i == j { sign * deviation } else { 0.0 }));
            }
        }
        let p = Ppca::fit(&data, 4, 2).unwrap();
        assert!((p.noise() - 0.625).abs() < 1e-12);
        let c = p.to_gaussian().unwrap();
        let wanted = [9.0, 4.0, 0.625, 0.625];
        (0..16).for_each(|i| {
            let wanted = if i / 4 == i % 4 { wanted[i / 4] } else { 0.0 };
            assert!((c.covariance()[i] - wanted).abs() < 1e-12, "{i}");
        });
    }

    #[test]
    fn bad_input_is_refused() {
        assert_eq!(Ppca::fit(&[], 3, 1), Err(Error::Empty));
        assert_eq!(Ppca::fit(&[1.0, 2.0], 2, 1), Err(Error::TooFew { rows: 1, needed: 2 }));
        assert_eq!(Ppca::fit(&[1.0, 2.0].repeat(4), 2, 1), Err(Error::Identical));
        let line: Vec<f64> = normals(50, 2).iter().flat_map(|&v| [v, 3.0 * v]).collect();
        for (data, q) in [(&line, 1), (&line, 0), (&line, 2)] {
            assert!(matches!(Ppca::fit(data, 2, q), Err(Error::Parameter(_))), "{q}");
        }
        assert!(Ppca::new(vec![0.0; 2], vec![1.0; 2], 0.0).is_err());
        assert!(Ppca::new(vec![0.0; 2], vec![1.0; 3], 1.0).is_err() && Ppca::new(vec![], vec![], 1.0).is_err());
        let p = Ppca::new(vec![0.0; 2], vec![1.0; 2], 1.0).unwrap();
        assert_eq!(p.log_prob(&[0.0, f64::NAN]), Err(Error::NotANumber { at: 1 }));
        assert_eq!(p.log_prob(&[0.0]), Err(Error::Size { given: 1, wanted: 2 }));
        assert_eq!(p.log_prob(&[1e300, 1e300]), Err(Error::TooFar));
    }
}
