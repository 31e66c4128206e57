//! `pofx train`: carries out a recipe, one checkpoint an epoch; an interrupted run goes on where it stopped.

use crate::datasets::{self, Split};
use anyhow::{Context, Result, bail};
use data::images::Images;
use engine::{Engine, Loaded};
use indicatif::{ProgressBar, ProgressStyle};
use models::registry::{Recipe, Stage};
use models::trainer::{self, Trainer};
use models::{Weights, vae};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// The bound is not a number any more.
    Diverged,
}

/// Trains a model, or goes on training it, and leaves the last checkpoint at the returned path.
pub(crate) fn train(recipe: &Recipe, engine: &Engine, folder: &Path) -> Result<PathBuf> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("Ctrl-C can't be caught")?;
    let images = datasets::set(&recipe.data)?.load(Split::Train)?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let path = folder.join(format!("{}.safetensors", recipe.id));
    let (mut progress, mut weights) = match std::fs::read(&path) {
        Ok(bytes) => resume(recipe, &bytes).with_context(|| format!("{} can't be resumed", path.display()))?,
        Err(_) => (Progress::default(), Weights::init(&vae::specs(&recipe.network), recipe.seed)),
    };
    while let Some(stage) = recipe.stages.get(progress.stage) {
        let loaded = pollster::block_on(engine.load(&vae::trainer(&recipe.network, stage.batch, stage.k)))?;
        let trainer = Trainer::new(loaded, &weights)?;
        let read_every = if matches!(engine, Engine::Gpu(_)) { 16 } else { 1 };
        let mut run = StageRun { recipe, stage, images: &images, trainer, read_every, stop: &stop };
        while progress.epoch < stage.epochs {
            let outcome = run.epoch(&mut progress)?;
            if let Outcome::Diverged = outcome {
                bail!("training diverged at step {}; {} holds the last good epoch", progress.step, path.display());
            }
            weights = pollster::block_on(run.trainer.weights())?;
            save(&path, &weights, progress)?;
            if let Outcome::Stopped = outcome {
                eprintln!("Stopped after step {}; the same command goes on from {}.", progress.step, path.display());
                std::process::exit(130);
            }
        }
        progress = Progress { stage: progress.stage + 1, epoch: 0, ..progress };
        save(&path, &weights, progress)?;
    }
    Ok(path)
}

/// What the steps of one stage need.
struct StageRun<'a> {
    recipe: &'a Recipe,
    stage: &'a Stage,
    images: &'a Images,
    trainer: Trainer<Loaded>,
    /// The bound is read once in so many steps: a GPU works ahead until somebody asks.
    read_every: usize,
    stop: &'a AtomicBool,
}

impl StageRun<'_> {
    /// One pass over the training set, or the rest of one.
    fn epoch(&mut self, progress: &mut Progress) -> Result<Outcome> {
        let steps = self.images.len() / self.stage.batch;
        // Epochs are numbered through all stages, so that no two see the same order or the same binarisation.
        let number = self.recipe.stages[..progress.stage].iter().map(|s| s.epochs).sum::<usize>() + progress.epoch;
        let order = trainer::order(self.recipe.seed, number, self.images.len());
        let bar = progress_bar(self.recipe, progress, self.stage, steps)?;
        let (mut sum, mut read) = (0.0, 0);
        for batch in order.chunks_exact(self.stage.batch).skip(progress.batch) {
            if self.stop.load(Ordering::Relaxed) {
                bar.abandon();
                return Ok(Outcome::Stopped);
            }
            let done = (progress.epoch * steps + progress.batch) as f64 / (self.stage.epochs * steps) as f64;
            self.step(number, progress.step + 1, batch, self.stage.rate_at(done))?;
            progress.batch += 1;
            progress.step += 1;
            if progress.batch.is_multiple_of(self.read_every) || progress.batch == steps {
                let bound = f64::from(pollster::block_on(self.trainer.bound())?);
                if !bound.is_finite() {
                    return Ok(Outcome::Diverged);
                }
                (sum, read) = (sum + bound, read + 1);
                bar.set_message(format!("{bound:.2}"));
            }
            bar.inc(1);
        }
        let mean = sum / f64::from(read);
        bar.abandon_with_message(format!("{mean:.3} mean"));
        // A bar is not drawn into a file: a log gets its line an epoch all the same.
        if bar.is_hidden() {
            let (stage, epoch) = (progress.stage + 1, progress.epoch + 1);
            eprintln!("stage {stage} epoch {epoch} bound {mean:.3} nats, {:.0?}", bar.elapsed());
        }
        *progress = Progress { epoch: progress.epoch + 1, batch: 0, ..*progress };
        Ok(Outcome::Finished)
    }

    /// One step on the images of `batch`.
    fn step(&mut self, epoch: usize, step: u64, batch: &[usize], rate: f64) -> Result<()> {
        let draw = |i: usize| (epoch * self.images.len() + i) as u64;
        let images: Vec<(u64, &[u8])> = batch.iter().map(|&i| (draw(i), self.images.image(i))).collect();
        let [x, eps] = trainer::vae_inputs(&self.recipe.network, self.stage.k, self.recipe.seed, step, &images);
        let rates = vae::OPTIMISER.rates(rate, step);
        Ok(pollster::block_on(self.trainer.step(&[(x.0, &x.1), (eps.0, &eps.1), ("rates", &rates)]))?)
    }
}

fn progress_bar(recipe: &Recipe, progress: &Progress, stage: &Stage, steps: usize) -> Result<ProgressBar> {
    let style = "{prefix} [{bar:30}] {pos}/{len} {per_sec} ETA {eta} bound {msg} nats";
    let bar = ProgressBar::new(steps as u64)
        .with_position(progress.batch as u64)
        .with_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
    bar.set_prefix(format!(
        "stage {}/{} (k={}) epoch {}/{}",
        progress.stage + 1,
        recipe.stages.len(),
        stage.k,
        progress.epoch + 1,
        stage.epochs
    ));
    Ok(bar)
}

/// Writes beside the old checkpoint and renames, so that there is a whole one at any time.
fn save(path: &Path, weights: &Weights, progress: Progress) -> Result<()> {
    let mut all = weights.clone();
    let place = [progress.stage, progress.epoch, progress.batch, progress.step as usize];
    all.insert("progress", &[4], place.iter().map(|&n| n as f32).collect());
    let part = path.with_extension("safetensors.part");
    std::fs::write(&part, all.to_bytes(false)?).with_context(|| format!("{} can't be written", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("{} can't be replaced", path.display()))
}

fn resume(recipe: &Recipe, bytes: &[u8]) -> Result<(Progress, Weights)> {
    let weights = Weights::parse_any(bytes)?;
    let Some([stage, epoch, batch, step]) = weights.get("progress") else {
        bail!("it is no checkpoint of a training run")
    };
    let [stage, epoch, batch] = [*stage, *epoch, *batch].map(|n| n as usize);
    let progress = Progress { stage, epoch, batch, step: *step as u64 };
    weights.only(&vae::specs(&recipe.network))?;
    eprintln!("Going on after step {} (stage {}, epoch {}).", progress.step, progress.stage + 1, progress.epoch);
    Ok((progress, weights))
}
