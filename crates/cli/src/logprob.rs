//! `pofx logprob`: how likely is the picture in this file?

use crate::model::Model;
use anyhow::Result;
use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use likelihood::{Estimate, iwae};
use models::vae;
use std::ops::ControlFlow;

/// Importance samples that are weighed at once: a divisor of `k` where there is a large enough one, so that just `k`
/// samples are taken.
pub(crate) fn batch(k: usize) -> usize {
    (32..=64).rev().find(|b| k.is_multiple_of(*b)).unwrap_or(64)
}

/// The Programs of a query, loaded.
pub(crate) struct Query {
    network: vae::Config,
    encoder: Loaded,
    weigher: Loaded,
}

impl Query {
    /// Loads the Programs for `k` importance samples; `pixels` asks for the surprise of each pixel.
    pub(crate) fn load(model: &Model, engine: &Engine, k: usize, pixels: bool) -> Result<Query> {
        let c = model.vae()?;
        Ok(Query {
            network: c.clone(),
            encoder: model.load(engine, &vae::encoder(c, 1))?,
            weigher: model.load(engine, &vae::weigher(c, batch(k), pixels))?,
        })
    }

    /// The bound with at least `k` importance samples on an image of these levels, given the numbers of its labels; `index`
    /// numbers the images of a set.
    pub(crate) fn log_prob(
        &mut self,
        levels: &[u8],
        labels: &[f32],
        k: usize,
        seed: u64,
        index: u64,
    ) -> Result<Estimate> {
        let x = self.network.observe(levels, seed, index);
        let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
        let go_on = async |_| ControlFlow::Continue(());
        Ok(pollster::block_on(iwae::log_prob(&mut self.encoder, &mut self.weigher, &x, labels, k, noise, go_on))?)
    }
}

/// The estimate for a picture of any size, and what had to be done to it.
pub(crate) fn log_prob(
    model: &Model,
    engine: &Engine,
    (rgba, width, height): (Vec<u8>, usize, usize),
    k: usize,
    seed: u64,
) -> Result<(Estimate, Vec<String>)> {
    let data::image::Prepared { levels, mut notices } = data::image::prepare(&rgba, width, height)?;
    if model.vae()?.likelihood == vae::Likelihood::Bernoulli {
        notices.push(format!("Grey levels were binarised at random with seed {seed}, as in training."));
    }
    let none: Vec<f32> = model.recipe.network.classes().iter().map(|&n| n as f32).collect();
    let mut estimate = Query::load(model, engine, k, true)?.log_prob(&levels, &none, k, seed, 0)?;
    if let Some(reference) = model.card.as_ref().and_then(|card| card.reference.as_ref()) {
        estimate = estimate.placed_in(reference);
    }
    Ok((estimate, notices))
}
