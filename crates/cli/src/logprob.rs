//! `pofx logprob`: how likely is the picture in this file?

use crate::export;
use crate::model::Model;
use anyhow::{Result, bail};
use data::image::Prepared;
use engine::{Engine, Loaded};
use likelihood::Estimate;
use likelihood::iwae::Progress;
use likelihood::query::{self, Method};
use std::ops::ControlFlow;

/// Importance samples that are weighed at once: a divisor of `k` where there is a large enough one, so that just `k`
/// samples are taken.
pub(crate) fn batch(k: usize) -> usize {
    (32..=64).rev().find(|b| k.is_multiple_of(*b)).unwrap_or(64)
}

/// Points that move together on the CPU: of a climb from the encoder one, of a climb for a GAN, of the chains that choose the
/// steps of annealing and of those of a run alone eight.
pub(crate) const FEW: [usize; 2] = [1, 8];

/// The Programs of a query, loaded.
pub(crate) struct Query(query::Query<Loaded>);

impl Query {
    /// Loads the Programs for `k` Monte Carlo samples; `terms` asks for the surprise of each pixel.
    pub(crate) fn load(model: &Model, method: Method, engine: &Engine, k: usize, terms: bool) -> Result<Query> {
        let host = model.on(engine);
        Ok(Query(pollster::block_on(query::Query::load(
            &model.recipe.network,
            method,
            model.card.as_ref().and_then(|card| card.calibration.as_ref()),
            &host,
            (batch(k), if let Engine::Cpu(_) = engine { &FEW } else { &[] }),
            terms,
        ))?))
    }

    /// log p of a picture of these levels, given the numbers of its labels, by one run of at least `k` Monte Carlo samples;
    /// `index` numbers the images of a set.
    pub(crate) fn log_prob(
        &mut self,
        levels: &[u8],
        labels: &[f32],
        k: usize,
        seed: u64,
        index: u64,
    ) -> Result<Estimate> {
        self.ask(&query::Question { levels, labels, k, runs: 1, precision: None, seed, index })
    }

    /// The answer to a question.
    pub(crate) fn ask(&mut self, question: &query::Question<'_>) -> Result<Estimate> {
        self.watched(question, |_| ())
    }

    /// The answer to a question, told how it goes.
    pub(crate) fn watched(
        &mut self,
        question: &query::Question<'_>,
        mut watch: impl FnMut(Progress),
    ) -> Result<Estimate> {
        let go_on = async |so_far| {
            watch(so_far);
            ControlFlow::Continue(())
        };
        Ok(pollster::block_on(self.0.log_prob(question, go_on))?)
    }
}

/// The estimate for a picture of any size, and what had to be done to it.
pub(crate) fn log_prob(
    model: &Model,
    method: Method,
    engine: &Engine,
    (rgba, width, height): (Vec<u8>, usize, usize),
    (k, precision): (usize, Option<f64>),
    seed: u64,
) -> Result<(Estimate, Vec<String>)> {
    if let Err(known) = method.answers(&model.recipe.network) {
        bail!("{} can't be asked by the estimator {}, only by: {known}", model.recipe.id, method.name());
    }
    let Prepared { levels, mut notices } = export::image(model)?.prepare(&rgba, width, height)?;
    if matches!(&model.recipe.network, models::Network::Vae(c) if c.likelihood == models::vae::Likelihood::Bernoulli) {
        notices.push(format!("Grey levels were binarised at random with seed {seed}, as in training."));
    }
    let none = model.recipe.network.no_labels();
    let question = query::Question {
        levels: &levels,
        labels: &none,
        k,
        runs: method.runs(&model.recipe.network, k > method.samples(false)),
        precision,
        seed,
        index: 0,
    };
    let mut estimate = Query::load(model, method, engine, k, true)?.ask(&question)?;
    if let Some(reference) = model.card.as_ref().and_then(|card| card.reference.as_ref()) {
        estimate = estimate.placed_in(reference, &query::scored(&model.recipe.network, &levels, seed, 0));
    }
    Ok((estimate, notices))
}
