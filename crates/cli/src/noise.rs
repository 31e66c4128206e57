//! `pofx noise`: which variance of the noise makes a GAN's pictures likeliest. The images are those of the training set
//! that come last: the noise is one number, and the test set is not to know it.

use crate::datasets;
use crate::eval::on_all_cores;
use crate::model::Model;
use anyhow::{Context, Result, bail};
use engine::{Engine, Loaded};
use likelihood::query::{Method, Query, Question};
use likelihood::{Estimate, footing, mean_and_error};
use models::Network;
use serde::Serialize;
use std::ops::ControlFlow;

/// What is tried: the range in which Wu et al. 2017 (arXiv:1611.04273) found theirs, and somewhat more.
const VARIANCES: [f32; 9] = [0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05, 0.1];
/// Latents that are asked for at once.
const BATCH: usize = 8;

/// What `pofx noise` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    images: usize,
    estimator: String,
    variances: Vec<Row>,
    likeliest: f32,
    seconds: f64,
}

#[derive(Serialize)]
struct Row {
    variance: f32,
    /// Mean of the bound on log p(x) over images, given no label.
    nats: f64,
    /// Over images.
    std_error: f64,
    bits_per_dim: f64,
    /// How far it is below the likeliest, and the standard error of that over images, which is far smaller than those of
    /// both, for the images are the same.
    below: f64,
    below_std_error: f64,
    median_effective_samples: f64,
}

/// The mean of log p(x) at each variance over the last `n` images to learn from.
pub(crate) fn noise(model: &Model, method: Method, n: usize, k: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let Network::Gan(config) = &model.recipe.network else {
        bail!("this is for GANs, and {} is of the family {}", model.recipe.id, model.recipe.network.name());
    };
    let set = datasets::set(&model.recipe.data)?;
    let images = set.validation(n)?;
    let (n, d, none) = (images.len(), images.len_of_one(), model.recipe.network.no_labels());
    let query = |variance: f32| {
        let network = Network::Gan(models::gan::Config { variance, ..config.clone() });
        let engine = Engine::cpu();
        let loaded =
            pollster::block_on(Query::<Loaded>::load(&network, method, None, &model.on(&engine), (BATCH, &[]), false));
        loaded.context("the generator can't be loaded")
    };
    let load = || VARIANCES.into_iter().map(query).collect::<Result<Vec<_>>>();
    let ask = |queries: &mut Vec<Query<Loaded>>, i: usize| -> Result<Estimate> {
        let (image, at) = (i / VARIANCES.len(), i % VARIANCES.len());
        let levels = images.image(image);
        let question =
            Question { levels, labels: &none, k, runs: 1, precision: None, seed: data::TEST_SEED, index: image as u64 };
        let go_on = async |_| ControlFlow::Continue(());
        Ok(pollster::block_on(queries[at].log_prob(&question, go_on))?)
    };
    let estimates = on_all_cores("scoring", n * VARIANCES.len(), load, ask)?;
    let of = |at: usize| estimates.iter().skip(at).step_by(VARIANCES.len());
    let nats: Vec<Vec<f64>> = (0..VARIANCES.len()).map(|at| of(at).map(|e| e.nats).collect()).collect();
    let mean = |at: usize| mean_and_error(&nats[at]).0;
    let best = (0..VARIANCES.len()).max_by(|&a, &b| mean(a).total_cmp(&mean(b))).context("no variance")?;
    let row = |at: usize| {
        let (mean, std_error) = mean_and_error(&nats[at]);
        let apart: Vec<f64> = nats[best].iter().zip(&nats[at]).map(|(best, nats)| best - nats).collect();
        let (below, below_std_error) = mean_and_error(&apart);
        let mut effective: Vec<f64> = of(at).filter_map(|e| e.effective_samples).collect();
        effective.sort_by(f64::total_cmp);
        let median_effective_samples = effective.get(effective.len() / 2).copied().unwrap_or(0.0);
        let bits_per_dim = footing::bits_per_dim(mean, d);
        let variance = VARIANCES[at];
        Row { variance, nats: mean, std_error, bits_per_dim, below, below_std_error, median_effective_samples }
    };
    Ok(Report {
        model: model.recipe.id.clone(),
        data: format!("the last images of the training set of {}, given no label", set.name),
        images: n,
        estimator: estimates.first().map(|e| e.estimator.clone()).unwrap_or_default(),
        variances: (0..VARIANCES.len()).map(row).collect(),
        likeliest: VARIANCES[best],
        seconds: start.elapsed().as_secs_f64(),
    })
}
