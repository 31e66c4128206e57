//! `pofx sample`: a grid of samples as a PNG.

use crate::model::Model;
use crate::picture;
use anyhow::Result;
use data::SIDE;
use data::images::Images;
use data::rng::{Rng, stream};
use engine::Engine;
use graph::Run;
use models::vae;
use std::path::Path;

/// Probabilities of the pixels of `n` samples, (n, D): the decoder at z ~ N(0, I).
pub(crate) fn means(model: &Model, engine: &Engine, n: usize, seed: u64) -> Result<Vec<f32>> {
    let mut z = vec![0f32; n * model.vae()?.latents];
    Rng::new(seed, stream::SAMPLE).fill_normal(&mut z);
    let mut sampler = model.load(engine, &vae::sampler(model.vae()?, n))?;
    sampler.write("z", &z)?;
    sampler.step()?;
    Ok(pollster::block_on(sampler.read("mean"))?)
}

/// Writes `n` samples as near to a square as they fit.
pub(crate) fn sample(model: &Model, engine: &Engine, n: usize, seed: u64, out: &Path) -> Result<()> {
    let means = means(model, engine, n, seed)?;
    let pixels = means.iter().map(|p| (p * 255.0).round() as u8).collect();
    picture::write_sheet(out, &Images { channels: 1, size: SIDE, pixels, attributes: Vec::new() }, n, 4)
}
