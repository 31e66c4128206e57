//! The judge of a data set: a classifier that this project trained once (`pofx train <data>-classifier`, then `pofx export
//! <data>-classifier --checkpoint checkpoints/<data>-classifier-shipped.safetensors`) and keeps beside its own sources.

use super::crew::on_all_cores;
use super::features::Features;
use crate::model::Model;
use anyhow::{Context, Result, bail};
use data::images::Images;
use engine::Engine;
use graph::Run;
use models::registry;
use models::{Network, Storage, Weights, classifier};
use std::path::{Path, PathBuf};

/// Images that are looked at together.
const BATCH: usize = 100;

/// What a judge sees in images, a row each.
pub(super) struct Seen {
    /// By which sets of images are compared.
    pub(super) features: Features,
    /// The most likely value of each of the judge's labels.
    pub(super) answers: Features,
}

/// A classifier with its weights.
pub(super) struct Judge {
    model: Model,
    config: classifier::Config,
}

impl Judge {
    /// That of a data set; none where there is none.
    pub(super) fn of(data: &str) -> Result<Option<Judge>> {
        let path = path(data);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let recipe = registry::recipe(&format!("{data}-classifier"))?;
        let Network::Classifier(config) = recipe.network.clone() else { bail!("{} is no classifier", recipe.id) };
        let weights = Weights::parse(&bytes, &recipe.network.specs())?;
        Ok(Some(Judge { model: Model { recipe, weights, card: None }, config }))
    }

    /// What it was trained on.
    pub(super) fn recipe(&self) -> &registry::Recipe {
        &self.model.recipe
    }

    /// Looks at all images.
    pub(super) fn look(&self, images: &Images) -> Result<Seen> {
        let load = || self.model.load(&Engine::cpu(), &classifier::features(&self.config, BATCH));
        let look = |run: &mut _, batch: usize| self.batch(run, images, batch);
        let batches = on_all_cores("judging", images.len().div_ceil(BATCH), load, look)?;
        let (features, answers): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        Ok(Seen {
            features: Features { width: self.config.features, values: features.concat() },
            answers: Features { width: self.config.classes.len(), values: answers.concat() },
        })
    }

    fn batch(&self, run: &mut engine::Loaded, images: &Images, batch: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let (one, first) = (images.len_of_one(), batch * BATCH);
        let n = BATCH.min(images.len() - first);
        let mut x: Vec<f32> = data::image::centred(&images.pixels[first * one..][..n * one]).collect();
        x.resize(BATCH * one, 0.0);
        run.write("x", &x)?;
        run.step()?;
        let values = pollster::block_on(run.read_all(&["logits", "features"]))?;
        let answers = values[0].chunks(self.config.classes.iter().sum()).take(n).flat_map(|row| self.answers(row));
        Ok((values[1][..n * self.config.features].to_vec(), answers.collect()))
    }

    /// The most likely value of each label, from the logits of an image.
    fn answers(&self, logits: &[f32]) -> Vec<f32> {
        let mut rest = logits;
        let mut best = |&count: &usize| {
            let (own, others) = rest.split_at(count);
            rest = others;
            own.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0.0, |(value, _)| value as f32)
        };
        self.config.classes.iter().map(&mut best).collect()
    }
}

/// Writes a classifier where the judge of its data set is kept.
pub(crate) fn write(model: &Model) -> Result<PathBuf> {
    let path = path(&model.recipe.data);
    std::fs::write(&path, model.weights.to_bytes(Storage::F16)?)
        .with_context(|| format!("{} can't be written", path.display()))?;
    Ok(path)
}

/// Where a data set's judge is kept: in the source tree that this program was built from.
fn path(data: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("judges/{data}.safetensors"))
}

/// Share of right answers to each label that is asked for: of `asked` (n, labels `names`), where the judge knows it.
pub(super) fn accuracies(judge: &Judge, seen: &Seen, names: &[String], asked: &[f32]) -> Vec<(String, f64)> {
    let known = names.iter().enumerate().filter_map(|(a, name)| {
        let at = judge.recipe().labels.iter().position(|known| known == name)?;
        let asked = asked.chunks(names.len()).map(|labels| labels[a]);
        let right = seen.answers.rows().zip(asked).filter(|(answer, asked)| answer[at] == *asked).count();
        Some((name.clone(), right as f64 / seen.answers.len() as f64))
    });
    known.collect()
}
