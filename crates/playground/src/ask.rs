//! Asking for log p(x), and for p(label | x).

use crate::failure::Failure;
use crate::model::{Host, OpenModel};
use crate::protocol::{Budget, Event, Phase, Posterior, Progress, Share, SoFar};
use crate::sink::{Sink, seconds_left};
use engine::{Engine, Loaded};
use likelihood::query::{self, Method, Query, Question, scored};
use likelihood::{Estimate, Kind, iwae};
use models::{Settings, sample};
use std::ops::ControlFlow;

/// Runs at most for each value of a label.
const RUNS_OF_A_VALUE: usize = 8;

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
    (plan, precision): ((Method, Budget), Option<f64>),
    seed: u64,
    settings: &Settings,
    sink: &impl Sink,
) -> Result<Asked, Failure> {
    if precision.is_some_and(|error| error.is_nan() || error <= 0.0) {
        return Err(Failure::new("bad-request", "The precision is a standard error in nats: it must be above 0."));
    }
    let labels = sample::labels(settings, &model.card.labels, seed, 0..1);
    let none = labels == model.card.network.no_labels();
    let mut query = load(model, plan, sink).await?;
    let (k, runs) = (plan.1.samples(plan.0), plan.1.runs(plan.0, &model.card.network));
    let question = Question { levels, labels: &labels, k, runs, precision, seed, index: 0 };
    let estimate = query.log_prob(&question, teller(sink, sink.seconds(), 0, 1)).await?;
    let scored = scored(&model.card.network, levels, seed, 0);
    model.loaded.query = Some((plan, query));
    let estimate = match &model.card.reference {
        Some(reference) if none && !model.own => estimate.placed_in(reference, &scored),
        _ => estimate,
    };
    Ok(Asked { estimate, scored })
}

/// p(value | x) of each value of a label, of those that are not given.
pub(crate) async fn posterior(
    model: &mut OpenModel,
    levels: &[u8],
    label: Option<&str>,
    plan: (Method, Budget),
    seed: u64,
    settings: &Settings,
    sink: &impl Sink,
) -> Result<Posterior, Failure> {
    let labels = &model.card.labels;
    let Some(a) = labels.iter().position(|l| label.is_none_or(|name| l.name == name)) else {
        let known = labels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "it was trained without labels".into() } else { format!("only: {known}") };
        let message = format!("This model has no label “{}”, {known}.", label.unwrap_or("of any kind"));
        return Err(Failure::new("bad-request", message));
    };
    let label = labels[a].clone();
    let mut given = sample::labels(settings, labels, seed, 0..1);
    let mut query = load(model, plan, sink).await?;
    let (started, mut estimates) = (sink.seconds(), Vec::new());
    for y in 0..label.values.len() {
        given[a] = y as f32;
        let (k, runs) = (plan.1.samples(plan.0), plan.1.runs(plan.0, &model.card.network).min(RUNS_OF_A_VALUE));
        let question = Question { levels, labels: &given, k, runs, precision: None, seed, index: 0 };
        let estimate = query.log_prob(&question, teller(sink, started, y, label.values.len())).await?;
        if let Kind::Undefined(why) = estimate.kind {
            return Err(Failure::new("bad-request", format!("There is no p({} | x) here: {why}.", label.name)));
        }
        // An estimator in one piece has told nothing.
        let told = iwae::Progress { done: 1, total: 1, nats: estimate.nats, std_error: 0.0 };
        if teller(sink, started, y, label.values.len())(told).await.is_break() {
            return Err(Failure::stopped());
        }
        estimates.push(estimate);
    }
    model.loaded.query = Some((plan, query));
    let nats: Vec<f64> = estimates.iter().map(|e| e.nats).collect();
    let shares = query::posterior(&nats);
    if shares.iter().any(|p| p.is_nan()) {
        let message = format!("This picture is impossible under every {} of this model.", label.name);
        return Err(Failure::new("bad-request", message));
    }
    let share = |((value, e), probability): ((String, &Estimate), f64)| Share {
        value,
        probability,
        nats: e.nats,
        std_error: e.std_error,
    };
    let values = label.values.into_iter().zip(&estimates).zip(shares).map(share).collect();
    let Some(Estimate { estimator, kind, .. }) = estimates.into_iter().next() else {
        return Err(Failure::new("bad-request", format!("The label “{}” has no values.", label.name)));
    };
    Ok(Posterior { label: label.name, estimator, kind, values })
}

/// Tells how far the part `part` of `parts` is, and hears whether to go on.
fn teller(
    sink: &impl Sink,
    started: f64,
    part: usize,
    parts: usize,
) -> impl AsyncFn(iwae::Progress) -> ControlFlow<()> + '_ {
    async move |p: iwae::Progress| {
        let (done, total) = (part * p.total + p.done, parts * p.total);
        let left = seconds_left(started, sink.seconds(), done, total);
        let progress = Progress { so_far: so_far(p, parts), ..Progress::of(Phase::LogProb, done, total, left) };
        sink.emit(Event::Progress { progress }, Vec::new());
        if sink.tick().await { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// The running answer of a question in one part, where there is one yet.
fn so_far(p: iwae::Progress, parts: usize) -> Option<SoFar> {
    let there = parts == 1 && p.nats.is_finite();
    there.then_some(SoFar { nats: p.nats, std_error: Some(p.std_error).filter(|e| e.is_finite()) })
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
    let sizes: (usize, &[usize]) = match (&*model.engine, budget) {
        (Engine::Cpu(_), Budget::Fast) => (8, &[1]),
        (Engine::Cpu(_), Budget::Precise) => (10, &[1]),
        (Engine::Gpu(gpu), Budget::Fast) if gpu.adapter().software => (16, &[]),
        (Engine::Gpu(gpu), Budget::Precise) if gpu.adapter().software => (20, &[]),
        (Engine::Gpu(_), Budget::Fast) => (64, &[]),
        (Engine::Gpu(_), Budget::Precise) => (50, &[]),
    };
    // What was fitted to the card's weights says nothing of others.
    let calibration = model.card.calibration.as_ref().filter(|_| !model.own);
    Ok(Query::load(&model.card.network, method, calibration, &Host { model, sink }, sizes, true).await?)
}
