//! The space of w: its mean for labels, towards which a sample is truncated, and its principal directions.

use super::{Config, map};
use crate::params::Params;
use data::rng::{Rng, stream};
use graph::{Graph, Program, Run};

/// Draws of z over which a mean is taken.
const DRAWS: usize = 256;
/// Labels drawn for the covariance, and draws of z for each: 10,000 of w, as many as GANSpace takes at least.
const GROUPS: usize = 100;

/// Mean of w for the labels of each picture: inputs `z` (DRAWS, L) and, with labels, `class` (b, A), output `mean` (b, M).
pub(super) fn means(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let labels = c.classes.len();
    let z = g.input("z", &[DRAWS, c.latents]).reshape(&[1, DRAWS, c.latents]);
    let z = z.expand(&[b, DRAWS, c.latents]).reshape(&[b * DRAWS, c.latents]);
    let class = g.input("class", &[b, labels]).reshape(&[b, 1, labels]);
    let class = class.expand(&[b, DRAWS, labels]).reshape(&[b * DRAWS, labels]);
    let w = map(&Params::new(&g), c, z, class).reshape(&[b, DRAWS, c.mapping]);
    Program::new(&[("mean", w.mean(&[1]).reshape(&[b, c.mapping]))], &[])
}

/// Covariance of w for given labels, averaged over labels: inputs `z` (N, L) and, with labels, `class` (N, A), which changes
/// every GROUPS rows; output `covariance` (M, M).
pub(super) fn covariance(c: &Config) -> Program {
    let g = Graph::new();
    let n = GROUPS * GROUPS;
    let w = map(&Params::new(&g), c, g.input("z", &[n, c.latents]), g.input("class", &[n, c.classes.len()]));
    let w = w.reshape(&[GROUPS, GROUPS, c.mapping]);
    let centred = (w - w.mean(&[1])).reshape(&[n, c.mapping]);
    let covariance = centred.t().dot(centred) * (1.0 / (n - GROUPS) as f32);
    Program::new(&[("covariance", covariance)], &[])
}

/// Writes `z` of [`means`] or [`covariance`]: the same draws for every question.
pub(super) fn write_noise<R: Run>(c: &Config, run: &mut R) -> Result<(), R::Error> {
    let rows = run.program().shape_of("z").map_or(0, |shape| shape[0]);
    let mut z = vec![0f32; rows * c.latents];
    Rng::new(0, stream::SAMPLE).fill_normal(&mut z);
    run.write("z", &z)
}

/// Writes `class` of [`covariance`], where there are labels: GROUPS draws of them, the same for every question.
pub(super) fn write_groups<R: Run>(c: &Config, run: &mut R) -> Result<(), R::Error> {
    if c.classes.is_empty() {
        return Ok(());
    }
    let mut u = vec![0f32; GROUPS * c.classes.len()];
    Rng::new(0, stream::LABELS).fill_uniform(&mut u);
    let number = |(u, &count): (&f32, &usize)| (u * count as f32).floor();
    let group = |u: &[f32]| u.iter().zip(&c.classes).map(number).collect::<Vec<f32>>().repeat(GROUPS);
    run.write("class", &u.chunks(c.classes.len()).flat_map(group).collect::<Vec<f32>>())
}

/// The `k` directions (k, m) along which the points of a covariance (m, m) vary most, each multiplied by the standard
/// deviation along it. Härkönen, Hertzmann, Lehtinen & Paris, "GANSpace: Discovering interpretable GAN controls",
/// arXiv:2004.02546, section 2.1. The largest entry of a direction is positive.
pub fn principal_directions(covariance: &[f32], m: usize, k: usize) -> Vec<f32> {
    let (variances, vectors) = eigen(covariance, m);
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&i, &j| variances[j].total_cmp(&variances[i]));
    let direction = |&i: &usize| {
        let v: Vec<f64> = (0..m).map(|row| vectors[row * m + i]).collect();
        let top = v.iter().copied().fold(0.0, |top: f64, x| if x.abs() > top.abs() { x } else { top });
        let scale = variances[i].max(0.0).sqrt().copysign(top);
        v.into_iter().map(move |x| (x * scale) as f32)
    };
    order.iter().take(k).flat_map(direction).collect()
}

/// Eigenvalues (m) and, as columns, eigenvectors (m, m) of a symmetric matrix, by Jacobi's method (Golub & Van Loan, Matrix
/// Computations, section 8.5.3), which has no failing case to look after.
fn eigen(matrix: &[f32], m: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut a: Vec<f64> = matrix.iter().map(|&x| f64::from(x)).collect();
    let mut v: Vec<f64> = (0..m * m).map(|i| f64::from(u8::from(i % (m + 1) == 0))).collect();
    let trace: f64 = (0..m).map(|i| a[i * m + i].abs()).sum();
    for _ in 0..SWEEPS {
        for (p, q) in (0..m).flat_map(|p| (p + 1..m).map(move |q| (p, q))) {
            let off = a[p * m + q];
            if off.abs() <= 1e-12 * trace {
                continue;
            }
            let tau = (a[q * m + q] - a[p * m + p]) / (2.0 * off);
            let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
            let cos = (1.0 + t * t).sqrt().recip();
            let turn = [cos, t * cos];
            rotate(&mut a, [p, q], m, m, turn);
            rotate(&mut a, [p * m, q * m], 1, m, turn);
            rotate(&mut v, [p, q], m, m, turn);
        }
    }
    ((0..m).map(|i| a[i * m + i]).collect(), v)
}

/// Turns two rows or columns of `len` entries, which start at `p` and `q` and have `stride` between their entries.
fn rotate(a: &mut [f64], [p, q]: [usize; 2], stride: usize, len: usize, [cos, sin]: [f64; 2]) {
    for at in (0..len).map(|i| i * stride) {
        let (x, y) = (a[p + at], a[q + at]);
        (a[p + at], a[q + at]) = (cos * x - sin * y, sin * x + cos * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on three axes that are no coordinate axes, with standard deviations 3, 2 and 0.5.
    #[test]
    fn directions_are_the_axes_of_an_ellipsoid() {
        let axes = [[2.0, 1.0, 2.0], [-2.0, 2.0, 1.0], [1.0, 2.0, -2.0]].map(|v| v.map(|x: f32| x / 3.0));
        let deviations = [2.0, 3.0, 0.5];
        let entry = |i: usize| (0..3).map(|k| deviations[k] * deviations[k] * axes[k][i / 3] * axes[k][i % 3]).sum();
        let covariance: Vec<f32> = (0..9).map(entry).collect();
        let found = principal_directions(&covariance, 3, 2);
        let wanted = [axes[1].map(|x| 3.0 * x), axes[0].map(|x| 2.0 * x)].concat();
        // Two entries of an axis are as large as each other, so that rounding decides which of them is positive.
        for (found, wanted) in found.chunks(3).zip(wanted.chunks(3)) {
            let dot: f32 = found.iter().zip(wanted).map(|(a, b)| a * b).sum();
            let error = found.iter().zip(wanted).map(|(a, b)| (a - b * dot.signum()).abs()).fold(0.0, f32::max);
            assert!(error < 1e-5, "{found:?} is not {wanted:?}");
        }
    }
}
