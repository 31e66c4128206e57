//! Quality of samples: compared with the test set by the features of a judge, and with the training set by their levels.

use super::crew::on_all_cores;
use super::features::Features;
use super::judge::{Judge, accuracies};
use super::{coverage, frechet, kernel, neighbour};
use crate::datasets::{self, Split};
use crate::model::Model;
use crate::sample::draw_batch;
use crate::train;
use anyhow::{Context, Result};
use data::images::Images;
use engine::Engine;
use models::registry::Quality;
use models::sample::Draw;
use models::sampler::Sampler;
use models::{Settings, control::Value};
use std::collections::BTreeMap;

/// Samples that are drawn together.
const BATCH: usize = 20;
/// Samples and held-out images whose nearest training image is looked for.
const NEAREST: usize = 1000;
/// Seed of the samples.
const SEED: u64 = 0;

/// Samples of a model, each with the labels of one of the test images, in their order and from the first one again.
fn samples(model: &Model, n: usize, test: &Images) -> Result<(Images, Vec<f32>)> {
    let labels = train::labels(&model.recipe, test)?;
    let asked: Vec<f32> = labels.into_iter().cycle().take(n * model.recipe.network.classes().len()).collect();
    Ok((drawn(model, n, &asked, &[])?, asked))
}

/// Samples of a model with the labels `asked` (n, A).
pub(crate) fn drawn(model: &Model, n: usize, asked: &[f32], given: &[(&str, Value)]) -> Result<Images> {
    let network = &model.recipe.network;
    let given: BTreeMap<String, Value> = given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let settings = Settings::new(&network.controls(), network.image(), given)?;
    let engine = Engine::cpu();
    let draw = |sampler: &mut Sampler<_>, batch: usize| {
        let first = batch * BATCH;
        let count = BATCH.min(n - first);
        let labels = &asked[first * network.classes().len()..][..count * network.classes().len()];
        let draw = Draw { seed: SEED, first, count, n, labels, settings: &settings };
        draw_batch(model, &engine, sampler, &draw)
    };
    let start = || Sampler::new(network, BATCH).with_context(|| format!("{} draws nothing", model.recipe.id));
    let pixels = on_all_cores("drawing", n.div_ceil(BATCH), start, draw)?.concat();
    let [channels, size, _] = network.image();
    Ok(Images { channels, size, pixels, attributes: Vec::new() })
}

/// The figures of `n` samples.
pub(super) fn quality(model: &Model, n: usize) -> Result<Quality> {
    let set = datasets::set(&model.recipe.data)?;
    let test = set.load(Split::Test)?;
    let (images, asked) = samples(model, n, &test)?;
    let train = set.load(Split::Train)?;
    let near = neighbour::nearness(&levels(&images, NEAREST), &levels(&test, NEAREST), &levels(&train, train.len()));
    let mut quality = Quality {
        samples: n,
        nearest_neighbour_ratio: near.ratio,
        nearest_neighbour_share: near.closest,
        ..Quality::default()
    };
    if let Some(judge) = Judge::of(set.name)? {
        let (of_samples, of_test) = (judge.look(&images)?, judge.look(&test)?);
        let (a, b) = (&of_samples.features, &of_test.features);
        quality.frechet_distance = Some(frechet::distance(a, b));
        quality.kernel_distance = Some(kernel::distance(a, b));
        let [precision, recall] = coverage::precision_and_recall(a, b);
        (quality.precision, quality.recall) = (Some(precision), Some(recall));
        let names = &model.recipe.labels;
        let right = accuracies(&judge, &of_samples, names, &asked);
        quality.class_accuracy = mean(&right);
        quality.label_accuracies = right.into_iter().collect();
        let truth = train::labels(judge.recipe(), &test)?;
        quality.judge_accuracy = mean(&accuracies(&judge, &of_test, &judge.recipe().labels, &truth));
    }
    Ok(quality)
}

fn mean(shares: &[(String, f64)]) -> Option<f64> {
    (!shares.is_empty()).then(|| shares.iter().map(|(_, share)| share).sum::<f64>() / shares.len() as f64)
}

/// The first `n` images as rows of numbers from 0 to 1.
fn levels(images: &Images, n: usize) -> Features {
    let width = images.len_of_one();
    let values = images.pixels.iter().take(n * width).map(|&l| f32::from(l) / 255.0).collect();
    Features { width, values }
}
