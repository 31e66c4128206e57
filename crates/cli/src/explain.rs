//! `pofx explain`: what a GPU does for each of a model's Programs: kernels, shapes, bytes, operations.

use anyhow::Result;
use engine::Engine;
use engine::gpu::{Limits, Plan};
use graph::Program;
use models::registry::Recipe;
use models::vae;

/// The plans as text, for the GPU that is open, or else for the limits that every WebGPU device has.
pub(crate) fn explain(recipe: &Recipe, engine: &Engine) -> Result<String> {
    let limits = match engine {
        Engine::Cpu(_) => Limits::default(),
        Engine::Gpu(gpu) => *gpu.limits(),
    };
    let network = &recipe.network;
    let batch = recipe.stages.first().map_or(1, |stage| stage.batch);
    let programs: [(String, Program); 4] = [
        ("16 samples".into(), vae::sampler(network, 16)),
        ("the encoder".into(), vae::encoder(network, 1)),
        ("64 importance weights".into(), vae::weigher(network, 64, true)),
        (format!("a training step on {batch} images"), vae::trainer(network, batch, 1)),
    ];
    let mut text = String::new();
    for (what, program) in programs {
        text += &format!("{what}: {}\n", Plan::new(&program, &limits)?);
    }
    Ok(text)
}
