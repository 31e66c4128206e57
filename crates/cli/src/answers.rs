//! `pofx bench --answers`: how long the page's quick answers take natively, by each estimator of a model.

use crate::export;
use crate::logprob::Query;
use crate::model::Model;
use anyhow::Result;
use engine::Engine;
use likelihood::Kind;
use likelihood::query::{Method, Question};
use serde::Serialize;
use std::time::Instant;

/// What `pofx bench --answers --json` prints: a row for each estimator that gives a number.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    engine: String,
    answers: Vec<Answer>,
}

/// Seconds of one estimator about one picture.
#[derive(Serialize)]
struct Answer {
    estimator: String,
    n_evals: usize,
    /// To plan the Programs, compile them and write the weights.
    load_s: f64,
    /// From the question to the last value, the first time.
    first_time_s: f64,
    /// The same, the second time.
    done_s: f64,
    /// From the question to the first value, the second time.
    first_value_s: f64,
}

/// Asks about a stroke of ink, twice by each estimator.
pub(crate) fn answers(model: &Model, engine: &Engine) -> Result<Report> {
    let image = export::image(model)?;
    let (n, size) = (image.channels * image.size * image.size, image.size);
    let ink = |i: usize| {
        (size * 3 / 7..size * 4 / 7).contains(&(i % size)) && (size / 7..size * 6 / 7).contains(&(i / size % size))
    };
    let levels: Vec<u8> = (0..n).map(|i| if ink(i) { 255 } else { 0 }).collect();
    let labels = model.recipe.network.no_labels();
    let mut answers = Vec::new();
    for &method in Method::of(&model.recipe.network) {
        let (k, runs) = (method.samples(false), method.runs(&model.recipe.network, false));
        let start = Instant::now();
        let mut query = Query::load(model, method, engine, k, true)?;
        let load_s = start.elapsed().as_secs_f64();
        let mut timed = |seed: u64| {
            let question = Question { levels: &levels, labels: &labels, k, runs, precision: None, seed, index: 0 };
            let (start, mut first) = (Instant::now(), None);
            let estimate = query.watched(&question, |so_far| {
                if so_far.nats.is_finite() {
                    first.get_or_insert(start.elapsed().as_secs_f64());
                }
            })?;
            let done = start.elapsed().as_secs_f64();
            anyhow::Ok((estimate, first.unwrap_or(done), done))
        };
        let (_, _, first_time_s) = timed(0)?;
        let (estimate, first_value_s, done_s) = timed(1)?;
        if let Kind::Undefined(_) = estimate.kind {
            continue;
        }
        let (estimator, n_evals) = (estimate.estimator, estimate.n_evals);
        answers.push(Answer { estimator, n_evals, load_s, first_time_s, done_s, first_value_s });
    }
    let engine = match engine {
        Engine::Cpu(_) => "cpu".into(),
        Engine::Gpu(gpu) => gpu.adapter().to_string(),
    };
    Ok(Report { model: model.recipe.id.clone(), engine, answers })
}
