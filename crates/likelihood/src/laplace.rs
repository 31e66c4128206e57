//! Importance sampling from Gaussians about the modes of p(z|x): with the precision that log p(x, z) has at a mode
//! (Laplace's approximation), and with a share of a second proposal so wide that it covers what they miss, such as
//! q(z|x) of a VAE's encoder, or the prior.
//!
//! Weights are taken under the whole mixture (Owen & Zhou 2000), so their mean is p(x) in expectation whatever the
//! modes are.

use crate::iwae::{Error, Progress};
use crate::latent::proposal::times_transposed;
use crate::latent::{self, Best, Latent, Normal, Proposal, joint};
use crate::runs::Runs;
use crate::{Effort, Estimate};
use data::rng::Rng;
use std::f64::consts::PI;
use std::ops::ControlFlow;

/// Steps of gradient ascent by Adam (Kingma & Ba 2015, arXiv:1412.6980), and their size at the start, from which it
/// falls to 0 by half a cosine.
const STEPS: usize = 200;
const RATE: f64 = 0.1;
/// Decay rates of the means of gradients and of their squares.
const DECAY: [f64; 2] = [0.9, 0.99];
/// Newton steps at most, each with the best of these shares of its length.
const NEWTON: usize = 5;
const SHARES: [f64; 5] = [1.0, 0.5, 0.25, 0.1, 0.02];
/// A Newton step that gains less, in nats, is the last.
const ENOUGH: f64 = 1e-4;
/// Distance in z over which gradients are compared at first, and in standard deviations later.
const APART: f64 = 1e-2;
const DEVIATIONS: f64 = 0.5;
/// Modes that are kept, if their parts of p(x) are not this many nats below that of the first.
const MODES: usize = 4;
const NEGLIGIBLE: f64 = 7.0;

/// The second proposal, and its share.
#[derive(Clone, Debug)]
pub struct Cover {
    /// What it is, as "encoder".
    pub name: &'static str,
    /// Its part of the samples.
    pub share: f64,
    /// The Gaussian.
    pub normal: Normal,
}

impl Cover {
    /// Half of the samples from q(z|x) of a VAE.
    pub fn encoder(q: Normal) -> Cover {
        Cover { name: "encoder", share: 0.5, normal: q }
    }

    /// A twentieth of the samples from the prior.
    pub fn prior(latents: usize) -> Cover {
        Cover { name: "prior", share: 0.05, normal: Normal::standard(latents) }
    }
}

/// A lower bound on log p(x) from `k` importance samples of [`propose`].
pub async fn log_prob<M: Latent>(
    model: &mut M,
    starts: &[f64],
    cover: Cover,
    k: usize,
    noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<M::Error>> {
    let proposal = propose(model, starts, cover, async || {
        progress(Progress { done: 0, total: k, nats: f64::NEG_INFINITY, std_error: f64::INFINITY }).await
    });
    let proposal = proposal.await?;
    importance(model, &proposal, k, noise, progress).await
}

/// A lower bound on log p(x) from importance samples of any proposal. `noise` is where their stream starts.
/// `progress` is awaited after each batch and can stop the query.
pub async fn importance<M: Latent>(
    model: &mut M,
    proposal: &Proposal,
    effort: impl Into<Effort>,
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<M::Error>> {
    let effort = effort.into();
    let (mut runs, mut best) = (Runs::new(effort.k, effort.runs), Best::default());
    'drawing: while runs.ended() < effort.runs {
        let (drawn, z) = proposal.draw(effort.k, &mut noise);
        for some in z.chunks(model.batch() * model.latents()) {
            let joint = joint(model, some, false).await?.log_p;
            best.look(some, &joint);
            let log_w: Vec<f64> = joint.iter().zip(drawn.log_prob(some).log_p).map(|(joint, q)| joint - q).collect();
            runs.push(&log_w, &[], None);
            if runs.bound().0.is_nan() {
                return Err(Error::NotANumber);
            }
            if progress(runs.progress(effort.runs, model.log_unit())).await.is_break() {
                return Err(Error::Stopped);
            }
            if runs.are_enough(effort) {
                break 'drawing;
            }
        }
    }
    let estimator = format!("importance sampling k={}, {}", runs.k(), proposal.name);
    Ok(latent::estimate(model, &runs, &best, estimator, proposal.n_evals + runs.whole().len()).await?)
}

/// The `keep` latents (keep, L) of largest log p(x, z) among `draws` from the prior, the best first. `watch` is awaited after
/// each batch of the model and can stop the search.
pub async fn best_of_prior<M: Latent>(
    model: &mut M,
    draws: usize,
    keep: usize,
    mut noise: Rng,
    mut watch: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Vec<f64>, Error<M::Error>> {
    let l = model.latents();
    let z = Proposal::single("prior", Normal::standard(l)).draw(draws, &mut noise).1;
    let log_p = latent::watched(model, &z, false, &mut watch).await?.log_p;
    let mut order: Vec<usize> = (0..draws).collect();
    order.sort_by(|&i, &j| log_p[j].total_cmp(&log_p[i]));
    Ok(order.iter().take(keep).flat_map(|&i| &z[i * l..][..l]).copied().collect())
}

/// The mixture of the cover with the modes that are reached from `starts` (n, L), in equal parts. `watch` is awaited
/// now and then and can stop the search.
pub async fn propose<M: Latent>(
    model: &mut M,
    starts: &[f64],
    cover: Cover,
    mut watch: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Proposal, Error<M::Error>> {
    let l = model.latents();
    let mut n_evals = 0;
    let ends = ascend(model, starts, &mut n_evals, &mut watch).await?;
    let mut modes: Vec<(f64, Normal)> = Vec::new();
    for z in ends.chunks(l) {
        let near = |(_, mode): &(f64, Normal)| mode.whiten(z).iter().map(|u| u * u).sum::<f64>() < 0.25 * l as f64;
        if modes.len() < MODES && !modes.iter().any(near) {
            let (log_p, normal) = climb(model, z, &mut n_evals, &mut watch).await?;
            if !modes.iter().any(|(_, mode)| same(mode, &normal)) {
                modes.push((log_p + normal.log_det(), normal));
            }
        }
        if watch().await.is_break() {
            return Err(Error::Stopped);
        }
    }
    modes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = modes[0].0;
    modes.retain(|(part, _)| best - part < NEGLIGIBLE);
    let share = (1.0 - cover.share) / modes.len() as f64;
    let mut parts: Vec<(f64, Normal)> = modes.into_iter().map(|(_, normal)| (share, normal)).collect();
    let name = match parts.len() {
        1 => format!("Laplace mixture with the {}", cover.name),
        n => format!("Laplace mixture of {n} modes with the {}", cover.name),
    };
    parts.push((cover.share, cover.normal));
    Ok(Proposal { name, parts, n_evals })
}

/// The Gaussian of the curvature where the best of the ascents from `starts` (n, L) ends, and what it has cost: where a
/// search for a better one begins. `watch` is awaited now and then and can stop it.
pub async fn mode<M: Latent>(
    model: &mut M,
    starts: &[f64],
    mut watch: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<(Normal, usize), Error<M::Error>> {
    let (l, mut n_evals) = (model.latents(), 0);
    let ends = ascend(model, starts, &mut n_evals, &mut watch).await?;
    let small = Normal::diagonal(&ends[..l], &vec![2.0 * (APART / DEVIATIONS).ln(); l]);
    Ok((curvature(model, &small, &mut n_evals, &mut watch).await?, n_evals))
}

/// Whether two Gaussians have one mean, to half a standard deviation.
fn same(a: &Normal, b: &Normal) -> bool {
    a.whiten(b.mean()).iter().map(|u| u * u).sum::<f64>() < 0.25 * b.mean().len() as f64
}

/// Where gradient ascent on log p(x, z) leads from each start, (n, L), the best first.
async fn ascend<M: Latent>(
    model: &mut M,
    starts: &[f64],
    n_evals: &mut usize,
    watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Vec<f64>, Error<M::Error>> {
    let (l, mut z) = (model.latents(), starts.to_vec());
    let [mut mean, mut square] = [vec![0.0; z.len()], vec![0.0; z.len()]];
    for step in 0..STEPS {
        let grad = latent::watched(model, &z, true, watch).await?.grad;
        let rate = 0.5 * RATE * (1.0 + (PI * step as f64 / STEPS as f64).cos());
        let unbias = DECAY.map(|decay| 1.0 - decay.powi(step as i32 + 1));
        for (i, g) in grad.iter().enumerate() {
            mean[i] += (1.0 - DECAY[0]) * (g - mean[i]);
            square[i] += (1.0 - DECAY[1]) * (g * g - square[i]);
            z[i] += rate * mean[i] / unbias[0] / ((square[i] / unbias[1]).sqrt() + 1e-8);
        }
    }
    let log_p = joint(model, &z, false).await?.log_p;
    *n_evals += (STEPS + 1) * log_p.len();
    if log_p.iter().all(|log_p| log_p.is_nan()) {
        return Err(Error::NotANumber);
    }
    let mut order: Vec<usize> = (0..log_p.len()).filter(|&i| !log_p[i].is_nan()).collect();
    order.sort_by(|&i, &j| log_p[j].total_cmp(&log_p[i]));
    Ok(order.iter().flat_map(|&i| &z[i * l..][..l]).copied().collect())
}

/// The mode near z (L) by Newton's method, with log p(x, z) at it and the Gaussian of its precision, the first by
/// differences over [`APART`], others over [`DEVIATIONS`] of the one before.
async fn climb<M: Latent>(
    model: &mut M,
    z: &[f64],
    n_evals: &mut usize,
    watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<(f64, Normal), Error<M::Error>> {
    let l = z.len();
    let small = Normal::diagonal(z, &vec![2.0 * (APART / DEVIATIONS).ln(); l]);
    let mut normal = curvature(model, &small, n_evals, watch).await?;
    let mut step = 1;
    loop {
        if watch().await.is_break() {
            return Err(Error::Stopped);
        }
        let z = normal.mean().to_vec();
        let here = joint(model, &z, true).await?;
        let way = normal.covariance_times(&here.grad);
        let tried: Vec<f64> = SHARES.iter().flat_map(|t| z.iter().zip(&way).map(move |(z, way)| z + t * way)).collect();
        let log_p = joint(model, &tried, false).await?.log_p;
        *n_evals += 1 + SHARES.len();
        let ahead = (0..SHARES.len()).filter(|&i| log_p[i] > here.log_p[0]);
        let best = ahead.max_by(|&i, &j| log_p[i].total_cmp(&log_p[j]));
        let gain = best.map_or(0.0, |i| log_p[i] - here.log_p[0]);
        if let Some(i) = best {
            normal = normal.about(tried[i * l..][..l].to_vec());
        }
        if step >= NEWTON || step > 1 && gain < ENOUGH {
            return Ok((here.log_p[0] + gain, normal));
        }
        normal = curvature(model, &normal, n_evals, watch).await?;
        step += 1;
    }
}

/// The Gaussian about the mean of `frame` whose precision is minus the second derivatives of log p(x, z), by
/// differences of gradients over [`DEVIATIONS`] of the frame to either side: those are neither lost in the rounding of
/// f32 nor left to a few of the bends of a network.
async fn curvature<M: Latent>(
    model: &mut M,
    frame: &Normal,
    n_evals: &mut usize,
    watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Normal, Error<M::Error>> {
    let l = frame.mean().len();
    let unit = |i: usize, length: f64| {
        let mut u = vec![0.0; l];
        u[i] = length;
        u
    };
    let around: Vec<f64> =
        (0..l).flat_map(|i| [DEVIATIONS, -DEVIATIONS].map(|by| frame.colour(&unit(i, by)))).flatten().collect();
    let grad = latent::watched(model, &around, true, watch).await?.grad;
    *n_evals += 2 * l;
    if !grad.iter().all(|g| g.is_finite()) {
        return Err(Error::NotANumber);
    }
    // Rows of the second derivatives in the frame's units.
    let rows: Vec<Vec<f64>> = grad
        .chunks(2 * l)
        .map(|pair| {
            let (ahead, behind) = pair.split_at(l);
            let second = ahead.iter().zip(behind).map(|(a, b)| (b - a) / (2.0 * DEVIATIONS));
            times_transposed(frame.factor(), &second.collect::<Vec<f64>>())
        })
        .collect();
    let symmetric: Vec<f64> = (0..l * l).map(|n| 0.5 * (rows[n / l][n % l] + rows[n % l][n / l])).collect();
    Ok(Normal::from_precision(frame.mean(), &frame.unframed(&symmetric)))
}
