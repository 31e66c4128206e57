//! `pofx eval`: the bounds on the test set, and the scores with which the page compares an image.

use crate::datasets::{self, Split};
use crate::logprob::Query;
use crate::model::Model;
use crate::sample;
use anyhow::{Result, anyhow};
use data::rng::{Rng, stream};
use engine::Engine;
use indicatif::{ProgressBar, ProgressStyle};
use likelihood::{Estimate, mean_and_error};
use models::registry::{Metrics, Reference};
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Images in each set of reference scores, and importance samples of each score: the page's own budget.
pub(crate) const REFERENCE_IMAGES: usize = 1000;
pub(crate) const REFERENCE_K: usize = 64;

/// What `pofx eval --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    images: usize,
    elbo_nats: f64,
    elbo_std_error: f64,
    iwae_nats: f64,
    iwae_std_error: f64,
    iwae_k: usize,
    seconds: f64,
}

impl Report {
    /// As the card keeps it.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            images: self.images,
            elbo_nats: self.elbo_nats,
            iwae_nats: self.iwae_nats,
            iwae_k: self.iwae_k,
            iwae_std_error: self.iwae_std_error,
            command: format!("cargo run --release -p pofx -- eval {} --k {} --json", self.model, self.iwae_k),
        }
    }
}

/// Mean bounds on the first `n` test images. The standard errors are those over images.
pub(crate) fn eval(model: &Model, n: usize, k: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let images = test_images(model, n)?;
    let estimates = score(model, &images, k)?;
    let (elbo_nats, elbo_std_error) = mean_of(&estimates, |e| e.parts.map_or(f64::NAN, |p| p.elbo));
    let (iwae_nats, iwae_std_error) = mean_of(&estimates, |e| e.nats);
    Ok(Report {
        model: model.recipe.id.clone(),
        data: "MNIST test set, stochastically binarised once (seed 0)".into(),
        images: images.len(),
        elbo_nats,
        elbo_std_error,
        iwae_nats,
        iwae_std_error,
        iwae_k: estimates.first().map_or(k, |e| e.k),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Scores of `n` test images and of `n` samples of the model, each with `k` importance samples.
pub(crate) fn reference(model: &Model, n: usize, k: usize) -> Result<Reference> {
    let means = sample::means(model, &Engine::cpu(), n, 0)?;
    let mut u = vec![0f32; means.len()];
    Rng::new(0, stream::PIXELS).fill_uniform(&mut u);
    let pixels: Vec<f32> = means.iter().zip(u).map(|(&p, u)| f32::from(u < p)).collect();
    let own: Vec<Vec<f32>> = pixels.chunks(models::vae::D).map(<[f32]>::to_vec).collect();
    let ascending = |images: &[Vec<f32>]| -> Result<Vec<f32>> {
        let mut nats: Vec<f32> =
            score(model, images, k)?.iter().map(|e| (e.nats * 100.0).round() as f32 / 100.0).collect();
        nats.sort_by(f32::total_cmp);
        Ok(nats)
    };
    Ok(Reference {
        estimator: format!("IWAE k={k}"),
        k,
        held_out: ascending(&test_images(model, n)?)?,
        own: ascending(&own)?,
    })
}

fn test_images(model: &Model, n: usize) -> Result<Vec<Vec<f32>>> {
    let images = datasets::set(&model.recipe.data)?.load(Split::Test)?;
    let n = n.min(images.len());
    Ok((0..n).map(|i| data::binarise(images.image(i), data::TEST_SEED, i as u64)).collect())
}

fn mean_of(estimates: &[Estimate], f: impl Fn(&Estimate) -> f64) -> (f64, f64) {
    mean_and_error(&estimates.iter().map(f).collect::<Vec<_>>())
}

/// Scores images on all cores: each thread takes the next image and has Programs of its own.
fn score(model: &Model, images: &[Vec<f32>], k: usize) -> Result<Vec<Estimate>> {
    let style = "scoring [{bar:30}] {pos}/{len} images {per_sec} ETA {eta}";
    let bar = ProgressBar::new(images.len() as u64).with_style(ProgressStyle::with_template(style)?);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Estimate)>> {
        let mut query = Query::load(model, &Engine::cpu(), k, false)?;
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(x) = images.get(i) else { return Ok(done) };
            done.push((i, query.log_prob(x, k, data::TEST_SEED, i as u64)?));
            bar.inc(1);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let parts = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .map(|h| h.join().map_err(|_| anyhow!("a scoring thread failed"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    bar.finish_and_clear();
    let mut all: Vec<(usize, Estimate)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, e)| e).collect())
}
