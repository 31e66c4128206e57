//! `pofx eval`: how well a model fits the test set, how good its samples are, and the scores with which the page compares an
//! image.

mod coverage;
mod crew;
mod features;
mod frechet;
mod judge;
mod kernel;
mod neighbour;
mod quality;

pub(crate) use crew::on_all_cores;
pub(crate) use judge::write as write_judge;
pub(crate) use quality::drawn;

use crate::datasets::{self, Split};
use crate::logprob::Query;
use crate::model::Model;
use crate::train;
use anyhow::{Context, Result, bail};
use data::images::Images;
use engine::Engine;
use likelihood::query::Method;
use likelihood::{Estimate, Kind, mean_and_error};
use models::control::Value;
use models::registry::{Fit, Metrics, Reference};
use serde::Serialize;

/// Images in each set of reference scores, and importance samples of each score: the page's own budget.
pub(crate) const REFERENCE_IMAGES: usize = 1000;
pub(crate) const REFERENCE_K: usize = 64;

/// What `pofx eval --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    #[serde(flatten)]
    metrics: Metrics,
    seconds: f64,
}

impl Report {
    /// As the card keeps it.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}

/// The figures of the first `n` test images, each with `k` importance samples where the family takes some, and of `samples`
/// samples; where a number is 0, those of the card.
pub(crate) fn eval(model: &Model, n: usize, k: usize, samples: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let id = &model.recipe.id;
    let kept = model.card.as_ref().and_then(|card| card.metrics.clone());
    let command = |images| {
        format!("cargo run --release -p pofx -- eval {id} --images {images} --k {k} --samples {samples} --json")
    };
    let judged = || if samples > 0 { quality::quality(model, samples).map(Some) } else { Ok(None) };
    let metrics = match kept {
        Some(kept) if n == 0 && samples > 0 => {
            Metrics { quality: judged()?, samples_command: Some(command(0)), ..kept }
        }
        _ if n == 0 => bail!("--images 0 keeps the card's figures of the fit: it has none, or no samples are judged"),
        kept => {
            let (fit, quality) = (fit(model, n, k)?, judged()?);
            let command = command(fit.images);
            let old =
                kept.filter(|_| quality.is_none()).and_then(|m| Some((m.command_of_samples().into(), m.quality?)));
            let (samples_command, quality) = old.map_or((None, quality), |(command, old)| (Some(command), Some(old)));
            Metrics { fit, quality, command, samples_command }
        }
    };
    Ok(Report {
        model: id.clone(),
        data: format!("test set of {}", model.recipe.data),
        metrics,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Mean of log p over the first `n` test images, each given its labels. The standard errors are those over images.
fn fit(model: &Model, n: usize, k: usize) -> Result<Fit> {
    let test = datasets::set(&model.recipe.data)?.load(Split::Test)?;
    let estimates = score(model, &test, n, &train::labels(&model.recipe, &test)?, k)?;
    let mean_of = |f: &dyn Fn(&Estimate) -> f64| mean_and_error(&estimates.iter().map(f).collect::<Vec<_>>());
    let defined = !estimates.iter().any(|e| matches!(e.kind, Kind::Undefined(_)));
    if defined {
        finite("test images", estimates.iter().map(|e| e.nats))?;
    }
    let (nats, std_error) = mean_of(&|e| e.nats);
    let exact = matches!(estimates.first(), Some(Estimate { kind: Kind::Exact, .. }));
    let unlabelled = if exact && !model.recipe.network.classes().is_empty() {
        let estimates = score(model, &test, n, &model.recipe.network.no_labels().repeat(test.len()), k)?;
        Some(mean_and_error(&estimates.iter().map(|e| e.nats).collect::<Vec<_>>()).0)
    } else {
        None
    };
    let elbos: Vec<f64> = estimates.iter().filter_map(|e| Some(e.parts?.elbo)).collect();
    Ok(Fit {
        images: estimates.len(),
        kind: estimates.first().map(|e| e.kind.to_string()).unwrap_or_default(),
        estimator: estimates.first().map(|e| e.estimator.clone()).unwrap_or_default(),
        nats: Some(nats).filter(|_| defined),
        std_error: Some(std_error).filter(|_| defined),
        bits_per_dim: Some(mean_of(&|e| e.bits_per_dim).0).filter(|_| defined),
        elbo_nats: (!elbos.is_empty()).then(|| mean_and_error(&elbos).0),
        unlabelled_nats: unlabelled,
    })
}

/// Scores of `n` test images and of `n` samples of the model, each with `k` importance samples and given no label, as the
/// page asks where nothing else is said; none for a family without density. Nor has a sample a label: it is drawn from the
/// p(x) that scores it, and the weight of labels has no say.
pub(crate) fn reference(model: &Model, n: usize, k: usize) -> Result<Option<Reference>> {
    let (network, test) = (&model.recipe.network, datasets::set(&model.recipe.data)?.load(Split::Test)?);
    let none = network.no_labels();
    let scores = |images: &Images| score(model, images, n, &none.repeat(images.len()), k);
    let held_out = scores(&test)?;
    let Some(Estimate { kind, estimator, k, .. }) = held_out.first().cloned() else { return Ok(None) };
    if let Kind::Undefined(_) = kind {
        return Ok(None);
    }
    // A decoder's mean is no image of the data: what is scored is drawn.
    let drawn = [("pixels", Value::Text("drawn".into()))];
    let given = if network.controls().iter().any(|c| c.name == "pixels") { &drawn[..] } else { &[] };
    let own = scores(&quality::drawn(model, n, &none.repeat(n), given)?)?;
    let held_out = ascending("test images", held_out.iter().map(|e| e.nats))?;
    let own = ascending("samples of the model", own.iter().map(|e| e.nats))?;
    Ok(Some(Reference { estimator, k, held_out, own, others: Vec::new(), complexity: Vec::new() }))
}

/// Scores of `what` in order, as a card keeps them.
pub(crate) fn ascending(what: &str, scores: impl Iterator<Item = f64>) -> Result<Vec<f32>> {
    let scores = finite(what, scores)?;
    let mut scores: Vec<f32> = scores.into_iter().map(|s| (s * 100.0).round() as f32 / 100.0).collect();
    scores.sort_by(f32::total_cmp);
    Ok(scores)
}

/// Scores of `what`, of which a card has no place for one that is infinite or no number.
fn finite(what: &str, scores: impl Iterator<Item = f64>) -> Result<Vec<f64>> {
    let scores: Vec<f64> = scores.collect();
    if let Some(i) = scores.iter().position(|s| s.is_nan()) {
        bail!(
            "the score of image {i} of the {what} is no number: are the weights damaged, or has training gone astray?"
        );
    }
    let impossible = scores.iter().filter(|s| s.is_infinite()).count();
    if impossible > 0 {
        bail!(
            "{impossible} of the {} {what} are impossible under this model: there is no mean of log p(x)",
            scores.len()
        );
    }
    Ok(scores)
}

/// Scores of the first `n` images with the labels (n, A).
pub(crate) fn score(model: &Model, images: &Images, n: usize, labels: &[f32], k: usize) -> Result<Vec<Estimate>> {
    let a = model.recipe.network.classes().len();
    let load = || Query::load(model, Method::Own, &Engine::cpu(), k, false);
    on_all_cores("scoring", n.min(images.len()), load, |query, i| {
        let estimate = query.log_prob(images.image(i), &labels[i * a..][..a], k, data::TEST_SEED, i as u64);
        estimate.with_context(|| format!("image {i} can't be scored"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_card_are_in_order_and_finite() {
        let of = |scores: &[f64]| ascending("test images", scores.iter().copied()).map_err(|e| e.to_string());
        assert_eq!(of(&[-1.234, -99.996, 3.0]).unwrap(), [-100.0, -1.23, 3.0]);
        assert!(of(&[-1.0, f64::NAN]).unwrap_err().starts_with("the score of image 1 of the test images is no number"));
        let infinite = [f64::NEG_INFINITY, -1.0, f64::NEG_INFINITY];
        assert!(of(&infinite).unwrap_err().starts_with("2 of the 3 test images are impossible under this model"));
    }
}
