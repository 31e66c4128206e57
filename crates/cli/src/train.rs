//! `pofx train`: carries out a recipe, one checkpoint an epoch; an interrupted run goes on where it stopped.

use crate::mnist::{self, Split};
use anyhow::{Context, Result, bail};
use data::idx::Idx;
use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::Run;
use indicatif::{ProgressBar, ProgressStyle};
use models::nn::Adam;
use models::registry::{Recipe, Stage};
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
    /// Finished steps of the whole run.
    step: u64,
}

/// Trains a model, or goes on training it, and leaves the last checkpoint at the returned path.
pub(crate) fn train(recipe: &Recipe, engine: &Engine, folder: &Path) -> Result<PathBuf> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("Ctrl-C can't be caught")?;
    let images = mnist::images(Split::Train)?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let path = folder.join(format!("{}.safetensors", recipe.id));
    let (mut progress, mut weights) = match std::fs::read(&path) {
        Ok(bytes) => resume(recipe, &bytes).with_context(|| format!("{} can't be resumed", path.display()))?,
        Err(_) => (Progress::default(), Weights::init(&vae::specs(&recipe.network), recipe.seed)),
    };
    while let Some(stage) = recipe.stages.get(progress.stage) {
        let mut loaded = pollster::block_on(engine.load(&vae::trainer(&recipe.network, stage.batch, stage.k)))?;
        write_state(&mut loaded, &weights)?;
        while progress.epoch < stage.epochs {
            let Some(bound) = epoch(recipe, stage, &mut progress, &images, &mut loaded, &stop)? else {
                eprintln!("Stopped. {} has all finished epochs; the same command goes on from there.", path.display());
                std::process::exit(130);
            };
            if !bound.is_finite() {
                bail!("training diverged; {} holds the last good epoch", path.display());
            }
            weights = read_state(&loaded)?;
            save(&path, &weights, progress)?;
        }
        progress = Progress { stage: progress.stage + 1, epoch: 0, ..progress };
        save(&path, &weights, progress)?;
    }
    Ok(path)
}

/// One pass over the training set; the mean bound, or None if the user stopped it.
fn epoch(
    recipe: &Recipe,
    stage: &Stage,
    progress: &mut Progress,
    images: &Idx,
    loaded: &mut Loaded,
    stop: &AtomicBool,
) -> Result<Option<f64>> {
    let steps = images.len() / stage.batch;
    // Epochs are numbered through all stages, so that no two see the same order or the same binarisation.
    let number = recipe.stages[..progress.stage].iter().map(|s| s.epochs).sum::<usize>() + progress.epoch;
    let mut order: Vec<usize> = (0..images.len()).collect();
    Rng::new(recipe.seed, stream::SHUFFLE).skip((number as u64) << 32).shuffle(&mut order);
    let bar = progress_bar(recipe, progress, stage, steps)?;
    let (mut sum, mut recent) = (0.0, 0.0);
    for (i, batch) in order.chunks_exact(stage.batch).enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        progress.step += 1;
        let done = (progress.epoch * steps + i) as f64 / (stage.epochs * steps) as f64;
        step(recipe, stage, number, progress.step, batch, images, loaded, stage.rate_at(done))?;
        let bound = f64::from(pollster::block_on(loaded.read("bound"))?[0]);
        sum += bound;
        recent = if i == 0 { bound } else { 0.98 * recent + 0.02 * bound };
        bar.set_message(format!("{recent:.2}"));
        bar.inc(1);
        if !bound.is_finite() {
            return Ok(Some(bound));
        }
    }
    let mean = sum / steps as f64;
    bar.abandon_with_message(format!("{mean:.3} mean"));
    // A bar is not drawn into a file: a log gets its line an epoch all the same.
    if bar.is_hidden() {
        eprintln!(
            "stage {} epoch {} bound {mean:.3} nats, {:.0?}",
            progress.stage + 1,
            progress.epoch + 1,
            bar.elapsed()
        );
    }
    progress.epoch += 1;
    Ok(Some(mean))
}

#[allow(clippy::too_many_arguments, reason = "all that one step depends on")]
fn step(
    recipe: &Recipe,
    stage: &Stage,
    epoch: usize,
    step: u64,
    batch: &[usize],
    images: &Idx,
    loaded: &mut Loaded,
    rate: f64,
) -> Result<()> {
    let index = |i: usize| (epoch * images.len() + i) as u64;
    let x: Vec<f32> = batch.iter().flat_map(|&i| data::binarise(images.item(i), recipe.seed, index(i))).collect();
    let mut eps = vec![0f32; stage.batch * stage.k * recipe.network.latents];
    Rng::new(recipe.seed, stream::TRAIN).skip(step << 32).fill_normal(&mut eps);
    loaded.write("x", &x)?;
    loaded.write("eps", &eps)?;
    loaded.write("rate", &[Adam::default().rate(rate, step)])?;
    Ok(loaded.step()?)
}

fn progress_bar(recipe: &Recipe, progress: &Progress, stage: &Stage, steps: usize) -> Result<ProgressBar> {
    let style = "{prefix} [{bar:30}] {pos}/{len} {per_sec} ETA {eta} bound {msg} nats";
    let bar = ProgressBar::new(steps as u64).with_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
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

/// Parameters and moments; moments that the file lacks start at zero.
fn write_state(loaded: &mut Loaded, weights: &Weights) -> Result<()> {
    for (name, len) in state_names(loaded) {
        let zeros = || vec![0.0; len];
        loaded.write(&name, &weights.get(&name).map_or_else(zeros, <[f32]>::to_vec))?;
    }
    Ok(())
}

fn read_state(loaded: &Loaded) -> Result<Weights> {
    let mut weights = Weights::default();
    for (name, _) in state_names(loaded) {
        let shape = loaded.program().shape_of(&name).unwrap_or_default().to_vec();
        weights.insert(&name, &shape, pollster::block_on(loaded.read(&name))?);
    }
    Ok(weights)
}

fn state_names(loaded: &Loaded) -> Vec<(String, usize)> {
    let program = loaded.program();
    let states = program.state.iter().filter_map(|(input, _)| program.inputs.iter().find(|(_, id)| id == input));
    states.map(|(name, id)| (name.clone(), program.node(*id).len())).collect()
}

/// Writes beside the old checkpoint and renames, so that there is a whole one at any time.
fn save(path: &Path, weights: &Weights, progress: Progress) -> Result<()> {
    let mut all = weights.clone();
    let place = [progress.stage as f32, progress.epoch as f32, progress.step as f32];
    all.insert("progress", &[3], place.to_vec());
    let part = path.with_extension("safetensors.part");
    std::fs::write(&part, all.to_bytes(false)?).with_context(|| format!("{} can't be written", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("{} can't be replaced", path.display()))
}

fn resume(recipe: &Recipe, bytes: &[u8]) -> Result<(Progress, Weights)> {
    let weights = Weights::parse_any(bytes)?;
    let Some([stage, epoch, step]) = weights.get("progress") else { bail!("it is no checkpoint of a training run") };
    let progress = Progress { stage: *stage as usize, epoch: *epoch as usize, step: *step as u64 };
    parameters(recipe, &weights)?;
    eprintln!("Going on after step {} (stage {}, epoch {}).", progress.step, progress.stage + 1, progress.epoch);
    Ok((progress, weights))
}

/// The parameters alone, out of a checkpoint.
pub(crate) fn parameters(recipe: &Recipe, checkpoint: &Weights) -> Result<Weights> {
    let mut weights = Weights::default();
    for spec in vae::specs(&recipe.network) {
        let values = checkpoint.get(&spec.name).with_context(|| format!("{} is missing", spec.name))?;
        if values.len() != spec.len() {
            bail!("{} has {} values, not {}: it belongs to another recipe", spec.name, values.len(), spec.len());
        }
        weights.insert(&spec.name, &spec.shape, values.to_vec());
    }
    Ok(weights)
}
