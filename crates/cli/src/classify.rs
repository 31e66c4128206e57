//! `pofx classify`: a generative model as a classifier by Bayes' rule, p(y | x) = p(x | y) p(y) / sum over y' of
//! p(x | y') p(y'), with all values y of a label alike before x is seen. Other labels are not given.

use crate::datasets::{self, Split};
use crate::eval::score;
use crate::export;
use crate::model::Model;
use anyhow::{Context, Result, bail};
use data::images::Images;
use likelihood::query::posterior;
use likelihood::{Estimate, Kind, mean_and_error};
use models::registry::{ImageCard, Label};
use serde::Serialize;

/// What is asked: which label, with how many Monte Carlo samples of each log p(x | y).
pub(crate) struct Question<'a> {
    /// Name of the label; the first one of the model where none is given.
    pub(crate) label: Option<&'a str>,
    /// Samples, where the family takes some.
    pub(crate) k: usize,
}

/// What is said of one picture.
#[derive(Serialize)]
pub(crate) struct Answer {
    model: String,
    label: String,
    estimator: String,
    /// What each `nats` is to log p(x | y); p(y | x) is exact only where they all are.
    kind: String,
    /// The likeliest first.
    values: Vec<Share>,
    notices: Vec<String>,
}

#[derive(Serialize)]
struct Share {
    value: String,
    /// p(y | x).
    probability: f64,
    /// log p(x | y).
    nats: f64,
    std_error: Option<f64>,
}

/// How often the likeliest value is the true one.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    label: String,
    data: String,
    images: usize,
    estimator: String,
    kind: String,
    accuracy: f64,
    std_error: f64,
    /// Mean of -log p(y | x) of the true value.
    log_loss_nats: f64,
    log_loss_std_error: f64,
    seconds: f64,
}

/// p(y | x) for a picture of any size.
pub(crate) fn classify(
    model: &Model,
    question: &Question<'_>,
    (rgba, width, height): (Vec<u8>, usize, usize),
) -> Result<Answer> {
    let (a, label) = label(model, question.label)?;
    let image = export::image(model)?;
    let prepared = image.prepare(&rgba, width, height)?;
    let ImageCard { channels, size, .. } = image;
    let picture = Images { channels, size, pixels: prepared.levels, attributes: Vec::new() };
    let estimates: Vec<Estimate> =
        under_each(model, &picture, 1, a, label.values.len(), question.k)?.into_iter().flatten().collect();
    let shares = posterior(&estimates.iter().map(|e| e.nats).collect::<Vec<_>>());
    let mut values: Vec<Share> = label
        .values
        .into_iter()
        .zip(&estimates)
        .zip(shares)
        .map(|((value, e), probability)| Share { value, probability, nats: e.nats, std_error: e.std_error })
        .collect();
    values.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    Ok(Answer {
        model: model.recipe.id.clone(),
        label: label.name,
        estimator: estimates[0].estimator.clone(),
        kind: estimates[0].kind.to_string(),
        values,
        notices: prepared.notices,
    })
}

/// How good that is on the first `n` test images.
pub(crate) fn accuracy(model: &Model, question: &Question<'_>, n: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let (a, label) = label(model, question.label)?;
    let set = datasets::set(&model.recipe.data)?;
    let test = set.load(Split::Test)?;
    let truth = &test.attributes.iter().find(|t| t.name == label.name).context("the data lacks the label")?.of;
    let n = n.min(test.len());
    let under = under_each(model, &test, n, a, label.values.len(), question.k)?;
    let (mut right, mut losses) = (Vec::new(), Vec::new());
    for (i, &truth) in truth[..n].iter().enumerate() {
        let nats: Vec<f64> = under.iter().map(|of| of[i].nats).collect();
        let shares = posterior(&nats);
        let best = (0..nats.len()).max_by(|&y, &z| nats[y].total_cmp(&nats[z]));
        right.push(f64::from(u8::from(best == Some(usize::from(truth)))));
        losses.push(-shares[usize::from(truth)].max(f64::MIN_POSITIVE).ln());
    }
    let ((accuracy, std_error), (log_loss_nats, log_loss_std_error)) =
        (mean_and_error(&right), mean_and_error(&losses));
    let first = under.first().and_then(|of| of.first()).context("--images needs at least one")?;
    Ok(Report {
        model: model.recipe.id.clone(),
        label: label.name,
        data: format!("test set of {}", set.name),
        images: n,
        estimator: first.estimator.clone(),
        kind: first.kind.to_string(),
        accuracy,
        std_error,
        log_loss_nats,
        log_loss_std_error,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The label that is asked for, and which of the model's it is.
fn label(model: &Model, name: Option<&str>) -> Result<(usize, Label)> {
    let labels = export::labels(model)?;
    let known = || labels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    if labels.is_empty() {
        bail!("{} was trained without labels, so it has no p(x | y)", model.recipe.id);
    }
    let found = labels.iter().position(|l| name.is_none_or(|name| l.name == name));
    let a = found.with_context(|| format!("there is no label '{}'; there is: {}", name.unwrap_or(""), known()))?;
    Ok((a, labels[a].clone()))
}

/// Estimates of log p(x | y) of the first `n` images under each of the values of label `a`, all with the same noise.
pub(crate) fn under_each(
    model: &Model,
    images: &Images,
    n: usize,
    a: usize,
    values: usize,
    k: usize,
) -> Result<Vec<Vec<Estimate>>> {
    let none = model.recipe.network.no_labels();
    let mut all = Vec::new();
    for y in 0..values {
        let mut given = none.clone();
        given[a] = y as f32;
        let estimates = score(model, images, n, &given.repeat(images.len()), k)?;
        if let Some(Kind::Undefined(why)) = estimates.first().map(|e| &e.kind) {
            bail!("{} has no p(x | y): {why}", model.recipe.id);
        }
        all.push(estimates);
    }
    Ok(all)
}
