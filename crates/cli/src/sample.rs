//! `pofx sample`: a grid of samples as a PNG.

use crate::model::Model;
use crate::picture;
use anyhow::Result;
use data::SIDE;
use data::rng::{Rng, stream};
use engine::Engine;
use graph::Run;
use models::vae;
use std::path::Path;

/// Pixels between the samples, and how many times each sample is enlarged.
const GAP: usize = 2;
const ZOOM: usize = 4;

/// Probabilities of the pixels of `n` samples, (n, D): the decoder at z ~ N(0, I).
pub(crate) fn means(model: &Model, engine: &Engine, n: usize, seed: u64) -> Result<Vec<f32>> {
    let mut z = vec![0f32; n * model.recipe.network.latents];
    Rng::new(seed, stream::SAMPLE).fill_normal(&mut z);
    let mut sampler = model.load(engine, &vae::sampler(&model.recipe.network, n))?;
    sampler.write("z", &z)?;
    sampler.step()?;
    Ok(pollster::block_on(sampler.read("mean"))?)
}

/// Writes `n` samples as near to a square as they fit.
pub(crate) fn sample(model: &Model, engine: &Engine, n: usize, seed: u64, out: &Path) -> Result<()> {
    let means = means(model, engine, n, seed)?;
    let columns = (1..).find(|c| c * c >= n).unwrap_or(1);
    let cell = SIDE + GAP;
    let (width, height) = ((columns * cell + GAP) * ZOOM, (n.div_ceil(columns) * cell + GAP) * ZOOM);
    let mut grey = vec![40u8; width * height];
    for y in 0..height {
        for x in 0..width {
            let (px, py) = ((x / ZOOM).wrapping_sub(GAP), (y / ZOOM).wrapping_sub(GAP));
            let image = py / cell * columns + px / cell;
            let (px, py, inside) = (px % cell, py % cell, px / cell < columns && image < n);
            if inside && px < SIDE && py < SIDE {
                grey[y * width + x] = (means[(image * SIDE + py) * SIDE + px] * 255.0).round() as u8;
            }
        }
    }
    picture::write(out, width, height, &grey)
}
