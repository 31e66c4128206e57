//! Asking for log p(x).

use crate::failure::Failure;
use crate::model::OpenModel;
use crate::protocol::{Budget, Event, Phase, Progress};
use crate::sink::{Sink, seconds_left};
use data::rng::{Rng, stream};
use likelihood::{Estimate, iwae};
use models::Settings;
use std::ops::ControlFlow;

/// An answer, and what was scored.
pub(crate) struct Asked {
    pub(crate) estimate: Estimate,
    /// Levels (C, S, S): what the model saw.
    pub(crate) scored: Vec<u8>,
}

/// How likely a picture of these levels is, placed among the card's scores where those were made by the same weights.
pub(crate) async fn log_prob(
    model: &mut OpenModel,
    levels: &[u8],
    budget: Budget,
    seed: u64,
    _settings: &Settings,
    sink: &impl Sink,
) -> Result<Asked, Failure> {
    let x = data::binarise(levels, seed, 0);
    let estimate = weigh(model, &x, budget, seed, sink).await?;
    let estimate = match &model.card.reference {
        Some(reference) if !model.own => estimate.placed_in(reference),
        _ => estimate,
    };
    Ok(Asked { estimate, scored: x.iter().map(|v| if *v > 0.5 { 255 } else { 0 }).collect() })
}

async fn weigh(
    model: &mut OpenModel,
    x: &[f32],
    budget: Budget,
    seed: u64,
    sink: &impl Sink,
) -> Result<Estimate, Failure> {
    let started = sink.seconds();
    let (encoder, weigher) = model.scorers(budget, sink).await?;
    let progress = async |p: iwae::Progress| {
        let progress = Progress {
            phase: Phase::LogProb,
            done: p.done as f64,
            total: p.total as f64,
            bytes: 0.0,
            seconds_left: seconds_left(started, sink.seconds(), p.done, p.total),
        };
        sink.emit(Event::Progress { progress }, Vec::new());
        if sink.tick().await { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let noise = Rng::new(seed, stream::ESTIMATE);
    Ok(iwae::log_prob(encoder, weigher, x, &[], budget.samples(), noise, progress).await?)
}
