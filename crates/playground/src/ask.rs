//! Asking for log p(x).

use crate::failure::Failure;
use crate::model::{Host, OpenModel};
use crate::protocol::{Budget, Event, Phase, Progress};
use crate::sink::{Sink, seconds_left};
use engine::{Engine, Loaded};
use likelihood::query::{Method, Query, Question};
use likelihood::{Estimate, iwae};
use models::{Settings, sample};
use std::ops::ControlFlow;

/// An answer, and what was scored.
pub(crate) struct Asked {
    pub(crate) estimate: Estimate,
    /// Levels (C, S, S) as the model saw them.
    pub(crate) scored: Vec<u8>,
}

/// How likely a picture of these levels is, placed among the card's scores where those were made by the same weights and
/// without labels, too.
pub(crate) async fn log_prob(
    model: &mut OpenModel,
    levels: &[u8],
    plan: (Method, Budget),
    seed: u64,
    settings: &Settings,
    sink: &impl Sink,
) -> Result<Asked, Failure> {
    let labels = sample::labels(settings, &model.card.labels, seed, 0..1);
    let none = labels == model.card.network.no_labels();
    let mut query = load(model, plan, sink).await?;
    let question = Question { levels, labels: &labels, k: plan.1.samples(plan.0), seed, index: 0 };
    let started = sink.seconds();
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
    let estimate = query.log_prob(&question, progress).await?;
    let scored = query.scored(&question);
    model.loaded.query = Some((plan, query));
    let estimate = match &model.card.reference {
        Some(reference) if none && !model.own => estimate.placed_in(reference),
        _ => estimate,
    };
    Ok(Asked { estimate, scored })
}

/// The Programs for an estimator and a budget: those of the last question, or new ones.
async fn load(model: &mut OpenModel, plan: (Method, Budget), sink: &impl Sink) -> Result<Query<Loaded>, Failure> {
    if let Some((_, query)) = model.loaded.query.take_if(|(p, _)| *p == plan) {
        return Ok(query);
    }
    let (method, budget) = plan;
    if let Err(known) = method.answers(&model.card.network) {
        let message = format!("The estimator “{}” can't answer for this model, only: {known}.", method.name());
        return Err(Failure::new("bad-request", message));
    }
    // A batch can't be interrupted, and an abort must be heard within 100 ms: slow engines take small ones. All divide
    // the k of their budget.
    let batch = match (&*model.engine, budget) {
        (Engine::Cpu(_), Budget::Fast) => 8,
        (Engine::Cpu(_), Budget::Precise) => 10,
        (Engine::Gpu(gpu), Budget::Fast) if gpu.adapter().software => 16,
        (Engine::Gpu(gpu), Budget::Precise) if gpu.adapter().software => 20,
        (Engine::Gpu(_), Budget::Fast) => 64,
        (Engine::Gpu(_), Budget::Precise) => 50,
    };
    Ok(Query::load(&model.card.network, method, &Host { model, sink }, batch, true).await?)
}
