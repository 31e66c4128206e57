//! log p(x) of a model with two latents by the trapezoidal rule over the plane, the reference for every other
//! estimator: for a smooth function that dies away, the error of that rule falls faster than any power of the distance
//! between its nodes (Trefethen & Weideman 2014, "The exponentially convergent trapezoidal rule").

use crate::iwae::{Error, Progress};
use crate::latent::{self, Best, Latent};
use crate::{Estimate, Kind, Place, log_sum_exp};
use std::f64::consts::LN_2;
use std::ops::ControlFlow;

/// Half the side of the square about 0 in which z is looked for: the prior has 10^-15 outside.
const REACH: f64 = 8.0;
/// What is this many nats below the largest log p(x, z) does not count.
const NEGLIGIBLE: f64 = 40.0;
/// Times that the view is narrowed down to where log p(x, z) counts.
const ZOOMS: usize = 3;
/// Largest difference to a quarter of the nodes at which the answer is called exact, in nats.
const EXACT: f64 = 1e-3;

/// log p(x) from `n` x `n` nodes where p(x, z) is not negligible, which is found with as many, [`ZOOMS`] times. `progress` is
/// awaited after each batch of the model, with the integral by the last of these looks, and can stop the query. Panics where
/// the model has not two latents, or `n` is below 8.
pub async fn log_prob<M: Latent>(
    model: &mut M,
    n: usize,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<M::Error>> {
    assert!(model.latents() == 2 && n >= 8, "quadrature: {} latents, {n} nodes a side", model.latents());
    let (mut view, mut nats) = ([[-REACH, REACH]; 2], f64::NEG_INFINITY);
    let (mut z, mut log_p) = (Vec::new(), Vec::new());
    for zoom in 0..=ZOOMS {
        let (batch, total, mut done) = (model.batch(), (ZOOMS + 1) * n * n, zoom * n * n);
        let mut watch = async || {
            done = (done + batch).min((zoom + 1) * n * n);
            progress(Progress { done, total, nats, std_error: f64::INFINITY }).await
        };
        z = nodes(view, n);
        log_p = latent::watched(model, &z, false, &mut watch).await?.log_p;
        if log_p.iter().any(|log_p| log_p.is_nan()) {
            return Err(Error::NotANumber);
        }
        nats = log_sum_exp(&log_p) + log_cell(view, n) + model.log_unit();
        if zoom < ZOOMS {
            view = narrowed(view, &log_p, n);
        }
    }
    let fewer: Vec<f64> = (0..n * n).filter(|i| (i / n) % 2 + (i % n) % 2 == 0).map(|i| log_p[i]).collect();
    let error = (log_sum_exp(&fewer) + 4f64.ln() - log_sum_exp(&log_p)).abs();
    let mut best = Best::default();
    best.look(&z, &log_p);
    let terms = best.surprise(model).await?;
    let exact = error < EXACT;
    let mut assumptions = vec![format!(
        "The integral over z by {n} x {n} nodes, for z1 from {:.3} to {:.3} and z2 from {:.3} to {:.3}; a quarter of \
         the nodes gives a number that differs by {error:.1e} nats.",
        view[0][0], view[0][1], view[1][0], view[1][1]
    )];
    assumptions.extend(model.assumptions().into_iter().chain(latent::said_of(&terms)));
    Ok(Estimate {
        nats,
        std_error: (!exact).then_some(error),
        kind: if exact { Kind::Exact } else { Kind::Stochastic },
        bits_per_dim: -nats / (model.dims() as f64 * LN_2),
        estimator: format!("quadrature, {n} x {n} nodes"),
        k: n * n,
        effective_samples: None,
        parts: None,
        n_evals: (ZOOMS + 1) * n * n + usize::from(!terms.is_empty()),
        terms,
        assumptions,
        place: Place::default(),
    })
}

/// Logarithm of the part of the plane that belongs to a node.
fn log_cell(view: [[f64; 2]; 2], n: usize) -> f64 {
    view.iter().map(|[from, to]| ((to - from) / (n - 1) as f64).ln()).sum()
}

/// Nodes (n n, 2) from edge to edge, the second coordinate fastest.
fn nodes(view: [[f64; 2]; 2], n: usize) -> Vec<f64> {
    let at = |axis: usize, i: usize| view[axis][0] + (view[axis][1] - view[axis][0]) * i as f64 / (n - 1) as f64;
    (0..n * n).flat_map(|i| [at(0, i / n), at(1, i % n)]).collect()
}

/// The part of the view that holds all that counts, and a node more on each side.
fn narrowed(view: [[f64; 2]; 2], log_p: &[f64], n: usize) -> [[f64; 2]; 2] {
    let top = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let counts = |&i: &usize| log_p[i] >= top - NEGLIGIBLE;
    [0, 1].map(|axis| {
        let at = |i: usize| if axis == 0 { i / n } else { i % n };
        let first = (0..n * n).filter(counts).map(at).min().unwrap_or(0).saturating_sub(1);
        let last = (0..n * n).filter(counts).map(at).max().map_or(n - 1, |last| (last + 1).min(n - 1));
        let [from, to] = view[axis];
        [first, last].map(|i| from + (to - from) * i as f64 / (n - 1) as f64)
    })
}
