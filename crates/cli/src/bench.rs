//! `pofx bench`: speed of the trainer and of the page's two questions on the native CPU engine, and the number of GPU
//! dispatches that each Program is planned to.

use crate::logprob::Query;
use crate::model::Model;
use anyhow::Result;
use data::rng::{Rng, stream};
use engine::Engine;
use engine::gpu::{Limits, Plan};
use graph::{Program, Run};
use likelihood::query::Method;
use models::{Weights, vae};
use serde::Serialize;
use std::time::Instant;

/// Timed runs of each kind, after one that is not counted; medians are printed.
const ROUNDS: usize = 9;

/// Importance samples of the page's quick answer.
const QUERY_K: usize = 64;

/// What `pofx bench --json` prints. Times are medians.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    cores: usize,
    train_steps_per_second: f64,
    train_batch: usize,
    sample_16_ms: f64,
    iwae_64_ms: f64,
    gpu_dispatches: Dispatches,
}

/// Dispatches of one step of each Program.
#[derive(Serialize)]
struct Dispatches {
    train: usize,
    sample_16: usize,
    encode: usize,
    iwae_64: usize,
}

/// Measures a model on this machine.
pub(crate) fn bench(model: &Model) -> Result<Report> {
    let (engine, c) = (Engine::cpu(), model.vae()?);
    let stage = &model.recipe.stages[0];
    let mut trainer = model.load(&engine, &vae::trainer(c, stage, model.recipe.optimiser))?;
    let (x, eps) = (binary(stage.batch * vae::D), normal(stage.batch * stage.k * c.latents));
    for (name, values) in moments(&trainer).iter() {
        trainer.write(name, values)?;
    }
    trainer.write("x", &x)?;
    trainer.write("eps", &eps)?;
    trainer.write("rates", &[0.0; 4])?;
    let step = median(|| Ok(trainer.step()?))?;
    let (mut sampler, z) = (model.load(&engine, &vae::sampler(c, 16))?, normal(16 * c.latents));
    let draw = || {
        sampler.write("z", &z)?;
        sampler.step()?;
        pollster::block_on(sampler.read("mean"))?;
        Ok(())
    };
    let levels: Vec<u8> = x[..vae::D].iter().map(|&v| if v > 0.5 { 255 } else { 0 }).collect();
    let mut query = Query::load(model, Method::Own, &engine, QUERY_K, true)?;
    Ok(Report {
        model: model.recipe.id.clone(),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
        train_steps_per_second: 1.0 / step,
        train_batch: stage.batch,
        sample_16_ms: 1e3 * median(draw)?,
        iwae_64_ms: 1e3 * median(|| query.log_prob(&levels, &[], QUERY_K, 0, 0).map(drop))?,
        gpu_dispatches: Dispatches {
            train: dispatches(&vae::trainer(c, stage, model.recipe.optimiser))?,
            sample_16: dispatches(&vae::sampler(c, 16))?,
            encode: dispatches(&vae::encoder(c, 1))?,
            iwae_64: dispatches(&vae::weigher(c, QUERY_K, true))?,
        },
    })
}

/// Planned for the limits that every WebGPU device has.
fn dispatches(program: &Program) -> Result<usize> {
    Ok(Plan::new(program, &Limits::default())?.dispatches())
}

/// Zeros for the optimiser's states.
fn moments(trainer: &impl Run) -> Weights {
    let program = trainer.program();
    let mut zeros = Weights::default();
    for (name, id) in program.inputs.iter().filter(|(name, _)| name.starts_with("m.") || name.starts_with("v.")) {
        let node = program.node(*id);
        zeros.insert(name, &node.shape, vec![0.0; node.len()]);
    }
    zeros
}

fn normal(n: usize) -> Vec<f32> {
    let mut values = vec![0f32; n];
    Rng::new(0, stream::SAMPLE).fill_normal(&mut values);
    values
}

fn binary(n: usize) -> Vec<f32> {
    normal(n).iter().map(|&v| f32::from(v > 1.0)).collect()
}

/// Median time of `f` in seconds.
fn median(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    f()?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        f()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[ROUNDS / 2])
}
