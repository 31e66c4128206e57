//! The Gaussian q(z) nearest to p(z|x), by the natural gradient of
//!     E_q[log p(x, z)] + H[q] <= log p(x):
//! the precision moves to minus the mean of the second derivatives under q, the mean along the covariance times the mean
//! of the gradients (Opper & Archambeau 2009, "The variational Gaussian approximation revisited", eq. 8; Khan & Rue 2023,
//! arXiv:2107.04562, section 4.1). Where a network bends within a posterior, what holds at a mode
//! (Laplace's approximation) does not hold where the mass is, sqrt(L) standard deviations away: Gaussians of a mode are
//! too wide there, and their importance weights say nothing.
//!
//! Means under q are those of 2 L points at mean ± sqrt(L) F o for the axes o of a random turn, which is exact for
//! polynomials of the third degree (the cubature of Arasaratnam & Haykin 2009, "Cubature Kalman filters", section IV).
//! Differences between the two points of an axis give the second derivatives.

use crate::iwae::Error;
use crate::laplace;
use crate::latent::proposal::{normals, times_transposed};
use crate::latent::{self, Latent, Normal, Proposal};
use data::rng::Rng;
use std::f64::consts::{E, PI, TAU};
use std::ops::ControlFlow;

/// The first precision, as a multiple of the start's: too narrow a Gaussian grows steadily, too wide a one sees nothing of
/// the posterior.
const NARROWED: f64 = 10.0;
/// Share of the way that a step goes, at the start and at the end; it falls by half a cosine.
const SHARE: [f64; 2] = [0.2, 0.05];

/// Share of the samples that the prior gives in [`propose`], which bounds the weights.
const PRIOR_SHARE: f64 = 0.05;

/// The Gaussian of [`fit`] about the best mode that is reached from `starts` (n, L), and some of the prior.
pub async fn propose<M: Latent>(
    model: &mut M,
    starts: &[f64],
    steps: usize,
    noise: Rng,
    mut watch: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Proposal, Error<M::Error>> {
    let (mode, n_evals) = laplace::mode(model, starts, &mut watch).await?;
    let fit = fit(model, &mode, steps, noise, watch).await?;
    let prior = Normal::standard(model.latents());
    Ok(Proposal {
        name: "variational Gaussian with the prior".into(),
        parts: vec![(1.0 - PRIOR_SHARE, fit.normal), (PRIOR_SHARE, prior)],
        n_evals: n_evals + fit.n_evals,
    })
}

/// A Gaussian, the bound that it gives, and what it has cost.
#[derive(Clone, Debug)]
pub struct Fit {
    /// q(z).
    pub normal: Normal,
    /// E_q[log p(x, z)] + H[q] by the points of one step, in nats; minus infinity without a step.
    pub elbo: f64,
    /// Evaluations of the network.
    pub n_evals: usize,
}

/// The best Gaussian of `steps` steps from `start`, a Gaussian about a mode. `noise` turns the axes. `watch` is awaited
/// after each batch of the model and can stop the search.
pub async fn fit<M: Latent>(
    model: &mut M,
    start: &Normal,
    steps: usize,
    mut noise: Rng,
    mut watch: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Fit, Error<M::Error>> {
    let l = start.mean().len();
    let narrowed: Vec<f64> = (0..l * l).map(|i| if i % (l + 1) == 0 { NARROWED } else { 0.0 }).collect();
    let mut precision = start.unframed(&narrowed);
    let mut q = Normal::from_precision(start.mean(), &precision);
    let mut best = Fit { normal: q.clone(), elbo: f64::NEG_INFINITY, n_evals: 2 * l * steps };
    for step in 0..steps {
        let done = step as f64 / steps as f64;
        let share = SHARE[1] + 0.5 * (SHARE[0] - SHARE[1]) * (1.0 + (PI * done).cos());
        let seen = look(model, &q, &turn(l, &mut noise), &mut watch).await?;
        if seen.elbo > best.elbo {
            (best.normal, best.elbo) = (q.clone(), seen.elbo);
        }
        precision.iter_mut().zip(seen.precision).for_each(|(p, new)| *p += share * (new - *p));
        let normal = Normal::from_precision(q.mean(), &precision);
        let way = normal.covariance_times(&seen.gradient);
        let mean = q.mean().iter().zip(way).map(|(mean, way)| mean + share * way).collect();
        q = normal.about(mean);
    }
    Ok(best)
}

/// What is seen of log p(x, z) under q.
struct Look {
    elbo: f64,
    /// Mean of the gradients, (L).
    gradient: Vec<f64>,
    /// Minus the mean of the second derivatives, (L, L).
    precision: Vec<f64>,
}

async fn look<M: Latent>(
    model: &mut M,
    q: &Normal,
    axes: &[Vec<f64>],
    watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Look, Error<M::Error>> {
    let l = axes.len();
    let radius = (l as f64).sqrt();
    let at = |axis: &[f64], by: f64| q.colour(&axis.iter().map(|o| by * o).collect::<Vec<f64>>());
    let points: Vec<f64> = axes.iter().flat_map(|o| [radius, -radius].map(|by| at(o, by))).flatten().collect();
    let values = latent::watched(model, &points, true, watch).await?;
    if !values.log_p.iter().chain(&values.grad).all(|v| v.is_finite()) {
        return Err(Error::NotANumber);
    }
    let n = 2 * l;
    let mut gradient = vec![0.0; l];
    // In standard deviations of q.
    let mut second = vec![0.0; l * l];
    for (axis, pair) in axes.iter().zip(values.grad.chunks(n)) {
        let (ahead, behind) = pair.split_at(l);
        gradient.iter_mut().zip(ahead.iter().zip(behind)).for_each(|(mean, (a, b))| *mean += (a + b) / n as f64);
        let slope: Vec<f64> = ahead.iter().zip(behind).map(|(a, b)| (b - a) / (2.0 * radius)).collect();
        let slope = times_transposed(q.factor(), &slope);
        for (i, entry) in second.iter_mut().enumerate() {
            *entry += 0.5 * (axis[i / l] * slope[i % l] + axis[i % l] * slope[i / l]);
        }
    }
    let entropy = 0.5 * l as f64 * (TAU * E).ln() + q.log_det();
    let elbo = values.log_p.iter().sum::<f64>() / n as f64 + entropy;
    Ok(Look { elbo, gradient, precision: q.unframed(&second) })
}

/// L orthogonal axes of length 1 in random directions, by Gram and Schmidt's method on normal draws.
fn turn(l: usize, noise: &mut Rng) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for _ in 0..l {
        let mut axis = normals(l, noise);
        for other in &axes {
            let along = dot(&axis, other);
            axis.iter_mut().zip(other).for_each(|(a, o)| *a -= along * o);
        }
        let length = dot(&axis, &axis).sqrt().max(f64::MIN_POSITIVE);
        axis.iter_mut().for_each(|a| *a /= length);
        axes.push(axis);
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::rng::stream;

    #[test]
    fn a_turn_is_orthogonal() {
        let axes = turn(5, &mut Rng::new(1, stream::ESTIMATE));
        for (i, a) in axes.iter().enumerate() {
            for (j, b) in axes.iter().enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j}: {dot}");
            }
        }
    }
}
