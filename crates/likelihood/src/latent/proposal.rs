//! Mixtures of Gaussians over z, from which importance samples and annealed chains start.

use super::Values;
use crate::log_sum_exp;
use data::rng::Rng;
use std::f64::consts::TAU;

/// Least eigenvalue of a posterior's precision where log p(x|z) is concave in z: that of the prior.
const LEAST_PRECISION: f64 = 1.0;

/// N(mean, F F^T) over L values, with the square root F of the covariance and its inverse, (L, L) each.
#[derive(Clone, Debug)]
pub struct Normal {
    mean: Vec<f64>,
    factor: Vec<f64>,
    inverse: Vec<f64>,
    /// ln det F.
    log_det: f64,
}

impl Normal {
    /// The prior, N(0, I).
    pub fn standard(l: usize) -> Normal {
        Normal::diagonal(&vec![0.0; l], &vec![0.0; l])
    }

    /// N(mean, diag e^logvar).
    pub fn diagonal(mean: &[f64], logvar: &[f64]) -> Normal {
        let l = mean.len();
        let diagonal = |f: &dyn Fn(f64) -> f64| {
            let mut matrix = vec![0.0; l * l];
            logvar.iter().enumerate().for_each(|(i, &v)| matrix[i * (l + 1)] = f(v));
            matrix
        };
        Normal {
            mean: mean.to_vec(),
            factor: diagonal(&|v| (0.5 * v).exp()),
            inverse: diagonal(&|v| (-0.5 * v).exp()),
            log_det: 0.5 * logvar.iter().sum::<f64>(),
        }
    }

    /// By its symmetric precision (L, L), whose eigenvalues are raised to 1 where they are smaller.
    pub fn from_precision(mean: &[f64], precision: &[f64]) -> Normal {
        let l = mean.len();
        let (mut values, vectors) = eigen(precision, l);
        values.iter_mut().for_each(|v| *v = v.max(LEAST_PRECISION));
        // With the precision V diag(e) V^T: F = V diag(e^-1/2), and its inverse is diag(e^1/2) V^T.
        let factor = (0..l * l).map(|i| vectors[i] / values[i % l].sqrt()).collect();
        let inverse = (0..l * l).map(|i| vectors[i % l * l + i / l] * values[i / l].sqrt()).collect();
        let log_det = -0.5 * values.iter().map(|v| v.ln()).sum::<f64>();
        Normal { mean: mean.to_vec(), factor, inverse, log_det }
    }

    /// The same about another mean.
    pub fn about(self, mean: Vec<f64>) -> Normal {
        Normal { mean, ..self }
    }

    /// Mean, (L).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// F, (L, L).
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// ln det F.
    pub fn log_det(&self) -> f64 {
        self.log_det
    }

    /// F^-1 (z - mean), (L): z in standard deviations.
    pub fn whiten(&self, z: &[f64]) -> Vec<f64> {
        let off: Vec<f64> = z.iter().zip(&self.mean).map(|(z, m)| z - m).collect();
        times(&self.inverse, &off)
    }

    /// mean + F u for u (L).
    pub fn colour(&self, u: &[f64]) -> Vec<f64> {
        times(&self.factor, u).iter().zip(&self.mean).map(|(v, m)| v + m).collect()
    }

    /// Covariance times v, (L).
    pub fn covariance_times(&self, v: &[f64]) -> Vec<f64> {
        times(&self.factor, &times_transposed(&self.factor, v))
    }

    /// F^-T M F^-1: what a matrix of second derivatives M (L, L) in standard deviations is in z.
    pub fn unframed(&self, m: &[f64]) -> Vec<f64> {
        let l = self.mean.len();
        let rows: Vec<f64> = m.chunks(l).flat_map(|row| times_transposed(&self.inverse, row)).collect();
        let column =
            |j: usize| times_transposed(&self.inverse, &rows[j..].iter().step_by(l).copied().collect::<Vec<f64>>());
        let columns: Vec<Vec<f64>> = (0..l).map(column).collect();
        (0..l * l).map(|n| columns[n % l][n / l]).collect()
    }

    /// log density at z (L), and its gradient.
    pub fn log_prob(&self, z: &[f64]) -> (f64, Vec<f64>) {
        let u = self.whiten(z);
        let log_p = -0.5 * u.iter().map(|u| u * u + TAU.ln()).sum::<f64>() - self.log_det;
        (log_p, times_transposed(&self.inverse, &u).iter().map(|g| -g).collect())
    }
}

/// A mixture of Gaussians, with its name and what it has cost.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What it is, as "Laplace mixture".
    pub name: String,
    /// Shares, which add up to 1, and Gaussians, the first of which says how far z moves in which direction.
    pub parts: Vec<(f64, Normal)>,
    /// Evaluations of the network that it took.
    pub n_evals: usize,
}

impl Proposal {
    /// One Gaussian.
    pub fn single(name: &str, normal: Normal) -> Proposal {
        Proposal { name: name.into(), parts: vec![(1.0, normal)], n_evals: 0 }
    }

    /// L.
    pub fn latents(&self) -> usize {
        self.parts[0].1.mean.len()
    }

    /// log density at each z (n, L), with gradients.
    pub fn log_prob(&self, z: &[f64]) -> Values {
        let mut all = Values::default();
        for z in z.chunks(self.latents()) {
            let parts: Vec<(f64, Vec<f64>)> = self.parts.iter().map(|(_, normal)| normal.log_prob(z)).collect();
            let logs: Vec<f64> =
                parts.iter().zip(&self.parts).map(|((log_p, _), (share, _))| log_p + share.ln()).collect();
            let total = log_sum_exp(&logs);
            let of =
                |i: usize| parts.iter().zip(&logs).map(|((_, grad), log)| (log - total).exp() * grad[i]).sum::<f64>();
            all.log_p.push(total);
            all.grad.extend((0..z.len()).map(of));
        }
        all
    }

    /// n draws (n, L) in random order, and the mixture that they are from: each part gives its share, in whole numbers,
    /// and the shares of the result are those (the deterministic mixture of Owen & Zhou 2000, "Safe and effective
    /// importance sampling").
    pub fn draw(&self, n: usize, noise: &mut Rng) -> (Proposal, Vec<f64>) {
        let mut order: Vec<usize> = (0..n).collect();
        noise.shuffle(&mut order);
        let mut counts = vec![0usize; self.parts.len()];
        let mut z = Vec::with_capacity(n * self.latents());
        for i in order {
            let mut rest = (i as f64 + 0.5) / n as f64;
            let within = self.parts.iter().position(|(share, _)| {
                rest -= share;
                rest < 0.0
            });
            let part = within.unwrap_or(self.parts.len() - 1);
            counts[part] += 1;
            z.extend(self.parts[part].1.colour(&normals(self.latents(), noise)));
        }
        let parts = self.parts.iter().zip(counts).filter(|(_, count)| *count > 0);
        let parts = parts.map(|((_, normal), count)| (count as f64 / n as f64, normal.clone())).collect();
        (Proposal { parts, ..self.clone() }, z)
    }
}

/// n standard normal numbers.
pub(crate) fn normals(n: usize, noise: &mut Rng) -> Vec<f64> {
    let mut values = vec![0f32; n];
    noise.fill_normal(&mut values);
    values.into_iter().map(f64::from).collect()
}

/// M v for a square matrix.
pub(crate) fn times(m: &[f64], v: &[f64]) -> Vec<f64> {
    m.chunks(v.len()).map(|row| row.iter().zip(v).map(|(m, v)| m * v).sum()).collect()
}

/// M^T v for a square matrix.
pub(crate) fn times_transposed(m: &[f64], v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    for (row, v) in m.chunks(v.len()).zip(v) {
        out.iter_mut().zip(row).for_each(|(out, m)| *out += m * v);
    }
    out
}

/// Eigenvalues (l) and, as columns, eigenvectors (l, l) of a symmetric matrix, by Jacobi's method (Golub & Van Loan,
/// Matrix Computations, section 8.5.3), which has no failing case to look after.
fn eigen(matrix: &[f64], l: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut a = matrix.to_vec();
    let mut v: Vec<f64> = (0..l * l).map(|i| f64::from(u8::from(i % (l + 1) == 0))).collect();
    let scale: f64 = a.iter().map(|a| a.abs()).fold(0.0, f64::max);
    for _ in 0..SWEEPS {
        for (p, q) in (0..l).flat_map(|p| (p + 1..l).map(move |q| (p, q))) {
            let off = a[p * l + q];
            if off.abs() <= 1e-15 * scale {
                continue;
            }
            let tau = (a[q * l + q] - a[p * l + p]) / (2.0 * off);
            let t = 1f64.copysign(tau) / (tau.abs() + (1.0 + tau * tau).sqrt());
            let cos = (1.0 + t * t).sqrt().recip();
            let turn = |x: &mut [f64], at: [usize; 2], stride: usize| {
                for i in (0..l).map(|i| i * stride) {
                    let (b, c) = (x[at[0] + i], x[at[1] + i]);
                    (x[at[0] + i], x[at[1] + i]) = (cos * b - t * cos * c, t * cos * b + cos * c);
                }
            };
            turn(&mut a, [p, q], l);
            turn(&mut a, [p * l, q * l], 1);
            turn(&mut v, [p, q], l);
        }
    }
    ((0..l).map(|i| a[i * (l + 1)]).collect(), v)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A precision with eigenvalues 1/4 (raised to 1), 4 and 9 along axes that are no coordinate axes.
    fn tilted() -> Normal {
        let axes = [[2.0, 1.0, 2.0], [-2.0, 2.0, 1.0], [1.0, 2.0, -2.0]].map(|v| v.map(|x: f64| x / 3.0));
        let entry = |i: usize| (0..3).map(|k| [0.25, 4.0, 9.0][k] * axes[k][i / 3] * axes[k][i % 3]).sum();
        Normal::from_precision(&[1.0, -1.0, 0.5], &(0..9).map(entry).collect::<Vec<f64>>())
    }

    #[test]
    fn a_precision_gives_its_normal() {
        let normal = tilted();
        assert!((normal.log_det() + 0.5 * 36f64.ln()).abs() < 1e-12);
        let z: Vec<f64> = [2.0, 1.0, 2.0].iter().zip(normal.mean()).map(|(v, m)| v + m).collect();
        // 3 standard deviations along the first axis, along which the precision is 1.
        let (log_p, grad) = normal.log_prob(&z);
        assert!((log_p - (-0.5 * (9.0 + 3.0 * TAU.ln()) + 0.5 * 36f64.ln())).abs() < 1e-12);
        assert!(grad.iter().zip([2.0, 1.0, 2.0]).all(|(g, v)| (g + v).abs() < 1e-12));
        let back = normal.colour(&normal.whiten(&z));
        assert!(back.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-12));
        // I in standard deviations is the precision.
        let precision = normal.unframed(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let along = times(&precision, &[-2.0, 2.0, 1.0]);
        assert!(along.iter().zip([-8.0, 8.0, 4.0]).all(|(a, b)| (a - b).abs() < 1e-12));
        let moved = normal.covariance_times(&[-2.0, 2.0, 1.0]);
        assert!(moved.iter().zip([-0.5, 0.5, 0.25]).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn the_gradient_of_a_mixture_is_that_of_its_differences() {
        let parts = vec![(0.3, tilted()), (0.7, Normal::diagonal(&[0.0, 0.5, 1.0], &[0.2, -1.0, 0.0]))];
        let mixture = Proposal { name: String::new(), parts, n_evals: 0 };
        let z = [0.4, 0.1, 0.7];
        let grad = mixture.log_prob(&z).grad;
        for i in 0..3 {
            let at = |h: f64| {
                let mut z = z;
                z[i] += h;
                mixture.log_prob(&z).log_p[0]
            };
            assert!((grad[i] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-8);
        }
    }

    #[test]
    fn draws_have_the_shares_and_the_moments_of_the_parts() {
        let parts = vec![(0.25, tilted()), (0.75, Normal::diagonal(&[100.0; 3], &[0.0; 3]))];
        let mixture = Proposal { name: String::new(), parts, n_evals: 0 };
        let (drawn, z) = mixture.draw(40_000, &mut Rng::new(1, 0));
        assert_eq!(drawn.parts.iter().map(|p| p.0).collect::<Vec<f64>>(), [0.25, 0.75]);
        let near: Vec<&[f64]> = z.chunks(3).filter(|z| z[0] < 50.0).collect();
        assert_eq!(near.len(), 10_000);
        let normal = tilted();
        for axis in 0..3 {
            let u: Vec<f64> = near.iter().map(|z| normal.whiten(z)[axis]).collect();
            let mean = u.iter().sum::<f64>() / 1e4;
            let variance = u.iter().map(|u| u * u).sum::<f64>() / 1e4;
            assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.06, "{mean} {variance}");
        }
        // A part with too small a share for one draw is no part of what was drawn.
        assert_eq!(mixture.draw(1, &mut Rng::new(1, 0)).0.parts.len(), 1);
    }
}
