//! `pofx train`: carries out a recipe; an interrupted run goes on where it stopped.

use crate::datasets::{self, Split};
use crate::model::Host;
use anyhow::{Context, Result, bail};
use data::images::Images;
use engine::{Engine, Loaded};
use indicatif::{ProgressBar, ProgressStyle};
use models::registry::{Recipe, Stage};
use models::trainer::{self, Batch, Trainer};
use models::{Storage, Weights};
use pollster::block_on;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// At most so much work is lost when a run is cut off.
const SAVE_EVERY: Duration = Duration::from_secs(120);

/// Where a run stands. Everything random follows from it and from the recipe's seed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Progress {
    stage: usize,
    /// Finished epochs of the stage.
    epoch: usize,
    /// Finished steps of the epoch.
    batch: usize,
    /// Finished steps of the whole run.
    step: u64,
}

/// How an epoch ended.
enum Outcome {
    Finished,
    /// The user pressed Ctrl-C.
    Stopped,
    /// The loss is not a number any more.
    Diverged,
}

/// Trains a model, or goes on training it. Leaves the last checkpoint `<id>.safetensors` in `folder` and returns the path of
/// what is shipped of it.
pub(crate) fn train(recipe: &Recipe, engine: Engine, folder: &Path) -> Result<PathBuf> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("Ctrl-C can't be caught")?;
    let images = datasets::set(&recipe.data)?.load(Split::Train)?;
    let labels = labels(recipe, &images)?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let path = folder.join(format!("{}.safetensors", recipe.id));
    let specs = recipe.network.specs();
    let subsets: Vec<Vec<usize>> =
        recipe.stages.iter().map(|stage| subset(recipe, stage, &images)).collect::<Result<_>>()?;
    let whole = recipe.stages.iter().zip(&subsets).map(|(stage, of)| stage.epochs * (of.len() / stage.batch)).sum();
    let (mut progress, mut weights) = match std::fs::read(&path) {
        Ok(bytes) => resume(recipe, &bytes).with_context(|| format!("{} can't be resumed", path.display()))?,
        Err(_) => (Progress::default(), Weights::init(&specs, recipe.seed)),
    };
    while let Some(stage) = recipe.stages.get(progress.stage) {
        let loaded = block_on(engine.load(&recipe.network.trainer(stage, recipe.optimiser)))?;
        let trainer = Trainer::new(loaded, &weights)?;
        let read_every = if matches!(engine, Engine::Gpu(_)) { 16 } else { 1 };
        let mut run = StageRun {
            recipe,
            stage,
            images: &images,
            labels: &labels,
            subset: &subsets[progress.stage],
            whole,
            trainer,
            read_every,
            stop: &stop,
            path: &path,
        };
        while progress.epoch < stage.epochs {
            let outcome = run.epoch(&mut progress)?;
            if let Outcome::Diverged = outcome {
                bail!("training diverged at step {}; {} holds the last good state", progress.step, path.display());
            }
            weights = run.save(progress)?;
            if let Outcome::Stopped = outcome {
                eprintln!("Stopped after step {}; the same command goes on from {}.", progress.step, path.display());
                std::process::exit(130);
            }
        }
        progress = Progress { stage: progress.stage + 1, epoch: 0, ..progress };
        save(&path, &weights, progress)?;
    }
    let weights = trainer::shipped(&weights, &specs)?;
    let finished = block_on(recipe.network.finish(&Host { engine: &engine, weights: &weights }, weights.clone()))?;
    let path = folder.join(format!("{}-shipped.safetensors", recipe.id));
    write(&path, &finished.to_bytes_for(&recipe.id, Storage::F32)?)?;
    Ok(path)
}

/// The numbers of the recipe's labels for every image, (n, A).
pub(crate) fn labels(recipe: &Recipe, images: &Images) -> Result<Vec<f32>> {
    let mut of = Vec::new();
    for (a, name) in recipe.labels.iter().enumerate() {
        let attribute = images.attributes.iter().find(|attribute| attribute.name == *name);
        let attribute = attribute.with_context(|| format!("the data set {} has no label '{name}'", recipe.data))?;
        let (known, wanted) = (attribute.values.len(), recipe.network.classes().get(a).copied());
        if wanted != Some(known) {
            bail!("the label '{name}' has {known} values, and the network has {wanted:?} for it");
        }
        of.push(&attribute.of);
    }
    Ok((0..images.len()).flat_map(|i| of.iter().map(move |values| f32::from(values[i]))).collect())
}

/// The numbers of the images that a stage learns from.
fn subset(recipe: &Recipe, stage: &Stage, images: &Images) -> Result<Vec<usize>> {
    if stage.only.is_empty() {
        return Ok((0..images.len()).collect());
    }
    let first =
        recipe.labels.first().and_then(|name| images.attributes.iter().find(|attribute| attribute.name == *name));
    let label = first.context("a stage is for some labels only, and the recipe names no label of the data set")?;
    if let Some(unknown) = stage.only.iter().find(|name| !label.values.contains(name)) {
        bail!("a stage is only for '{unknown}', which is no value of '{}'", label.name);
    }
    let wanted = |&i: &usize| stage.only.contains(&label.values[usize::from(label.of[i])]);
    let subset: Vec<usize> = (0..images.len()).filter(wanted).collect();
    if subset.len() < stage.batch {
        bail!("{} images have the labels of a stage, and a batch takes {}", subset.len(), stage.batch);
    }
    Ok(subset)
}

/// What the steps of one stage need.
struct StageRun<'a> {
    recipe: &'a Recipe,
    stage: &'a Stage,
    images: &'a Images,
    /// (n, A)
    labels: &'a [f32],
    /// The numbers of the images that the stage learns from.
    subset: &'a [usize],
    /// Steps of the whole run.
    whole: usize,
    trainer: Trainer<Loaded>,
    /// The loss is read once in so many steps: a GPU works ahead until somebody asks.
    read_every: usize,
    stop: &'a AtomicBool,
    path: &'a Path,
}

impl StageRun<'_> {
    /// One pass over the training set, or the rest of one.
    fn epoch(&mut self, progress: &mut Progress) -> Result<Outcome> {
        let steps = self.steps();
        // Epochs are numbered through all stages, so that no two see the same order or the same noise.
        let number = self.recipe.stages[..progress.stage].iter().map(|s| s.epochs).sum::<usize>() + progress.epoch;
        let order = trainer::order(self.recipe.seed, number, self.subset.len());
        let order: Vec<usize> = order.into_iter().map(|i| self.subset[i]).collect();
        let bar = progress_bar(self.recipe, progress, self.stage, steps)?;
        let mut mean = Mean::default();
        let mut saved = Instant::now();
        for batch in order.chunks_exact(self.stage.batch).skip(progress.batch) {
            if self.stop.load(Ordering::Relaxed) {
                bar.abandon();
                return Ok(Outcome::Stopped);
            }
            self.step(number, progress, batch)?;
            progress.batch += 1;
            progress.step += 1;
            if progress.batch.is_multiple_of(self.read_every) || progress.batch == steps {
                let report = block_on(self.trainer.report())?;
                if !report.iter().all(|(_, value)| value.is_finite()) {
                    return Ok(Outcome::Diverged);
                }
                mean.add(&report);
                bar.set_message(mean.last());
            }
            if saved.elapsed() > SAVE_EVERY {
                self.save(*progress)?;
                self.log(&bar, progress, &mean);
                saved = Instant::now();
            }
            bar.inc(1);
        }
        bar.abandon_with_message(mean.to_string());
        self.log(&bar, progress, &mean);
        *progress = Progress { epoch: progress.epoch + 1, batch: 0, ..*progress };
        Ok(Outcome::Finished)
    }

    /// Steps of an epoch.
    fn steps(&self) -> usize {
        self.subset.len() / self.stage.batch
    }

    /// A bar is not drawn into a file: a log gets its lines all the same.
    fn log(&self, bar: &ProgressBar, progress: &Progress, mean: &Mean) {
        if bar.is_hidden() {
            let Progress { stage, epoch, batch, .. } = progress;
            let (stage, epoch, steps) = (stage + 1, epoch + 1, self.steps());
            eprintln!("stage {stage} epoch {epoch} step {batch}/{steps}: {mean}, {:.0?}", bar.elapsed());
        }
    }

    /// One step on the images numbered in `batch`.
    fn step(&mut self, epoch: usize, progress: &Progress, batch: &[usize]) -> Result<()> {
        let Recipe { seed, network, optimiser, .. } = self.recipe;
        let augment = self.stage.augment.unwrap_or(self.recipe.augment);
        let draws: Vec<u64> = batch.iter().map(|&i| (epoch * self.images.len() + i) as u64).collect();
        let image = |(&i, &draw): (&usize, &u64)| {
            trainer::augment(self.images.image(i), self.images.size, augment, *seed, draw)
        };
        let images: Vec<Vec<u8>> = batch.iter().zip(&draws).map(image).collect();
        let width = network.classes().len();
        let labels: Vec<f32> = batch.iter().flat_map(|i| &self.labels[i * width..][..width]).copied().collect();
        let (in_stage, step) = (progress.epoch * self.steps() + progress.batch, progress.step + 1);
        let done = in_stage as f64 / (self.stage.epochs * self.steps()) as f64;
        let batch = Batch {
            seed: *seed,
            step,
            done: (progress.step as f64 / self.whole as f64).min(1.0),
            images: &images,
            draws: &draws,
            labels: &labels,
        };
        let inputs = network.inputs(self.stage, &batch);
        let rates = optimiser.rates(self.stage.rate_at(in_stage as u64 + 1, done), step);
        let mut given: Vec<(&str, &[f32])> = inputs.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        given.push(("rates", &rates));
        Ok(block_on(self.trainer.step(&given))?)
    }

    fn save(&self, progress: Progress) -> Result<Weights> {
        let weights = block_on(self.trainer.weights())?;
        save(self.path, &weights, progress)?;
        Ok(weights)
    }
}

/// Means of what the steps report.
#[derive(Default)]
struct Mean {
    names: Vec<String>,
    sums: Vec<f64>,
    last: Vec<f32>,
    n: usize,
}

impl Mean {
    fn add(&mut self, report: &[(&str, f32)]) {
        self.names = report.iter().map(|(name, _)| name.to_string()).collect();
        self.last = report.iter().map(|(_, value)| *value).collect();
        self.sums.resize(report.len(), 0.0);
        self.sums.iter_mut().zip(&self.last).for_each(|(sum, value)| *sum += f64::from(*value));
        self.n += 1;
    }

    fn last(&self) -> String {
        self.names.iter().zip(&self.last).map(|(name, v)| format!("{name} {v:.4}")).collect::<Vec<_>>().join(" ")
    }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mean = |(name, sum): (&String, &f64)| format!("{name} {:.4}", sum / self.n as f64);
        write!(f, "mean {}", self.names.iter().zip(&self.sums).map(mean).collect::<Vec<_>>().join(" "))
    }
}

fn progress_bar(recipe: &Recipe, progress: &Progress, stage: &Stage, steps: usize) -> Result<ProgressBar> {
    let style = "{prefix} [{bar:30}] {pos}/{len} {per_sec} ETA {eta} {msg}";
    let bar = ProgressBar::new(steps as u64)
        .with_position(progress.batch as u64)
        .with_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
    let (number, stages) = (progress.stage + 1, recipe.stages.len());
    bar.set_prefix(format!("stage {number}/{stages} epoch {}/{}", progress.epoch + 1, stage.epochs));
    Ok(bar)
}

fn save(path: &Path, weights: &Weights, progress: Progress) -> Result<()> {
    let mut all = weights.clone();
    let place = [progress.stage, progress.epoch, progress.batch, progress.step as usize];
    all.insert("progress", &[4], place.iter().map(|&n| n as f32).collect());
    write(path, &all.to_bytes(Storage::F32)?)
}

/// Writes beside the old file and renames, so that there is a whole one at any time.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("safetensors.part");
    std::fs::write(&part, bytes).with_context(|| format!("{} can't be written", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("{} can't be replaced", path.display()))
}

fn resume(recipe: &Recipe, bytes: &[u8]) -> Result<(Progress, Weights)> {
    let weights = Weights::parse_any(bytes)?;
    let Some([stage, epoch, batch, step]) = weights.get("progress") else {
        bail!("it is no checkpoint of a training run")
    };
    let [stage, epoch, batch] = [*stage, *epoch, *batch].map(|n| n as usize);
    let progress = Progress { stage, epoch, batch, step: *step as u64 };
    weights.only(&recipe.network.specs())?;
    eprintln!("Going on after step {} (stage {}, epoch {}).", progress.step, progress.stage + 1, progress.epoch);
    Ok((progress, weights))
}
