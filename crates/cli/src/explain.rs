//! `pofx explain`: what a GPU does for each of a model's Programs: kernels, shapes, bytes, operations.

use anyhow::Result;
use engine::Engine;
use engine::gpu::{Limits, Plan};
use graph::Program;
use models::registry::Recipe;

/// The plans as text, for the GPU that is open, or else for the limits that every WebGPU device has.
pub(crate) fn explain(recipe: &Recipe, engine: &Engine) -> Result<String> {
    let limits = match engine {
        Engine::Cpu(_) => Limits::default(),
        Engine::Gpu(gpu) => *gpu.limits(),
    };
    let mut programs: Vec<(String, Program)> =
        recipe.network.programs().into_iter().map(|(name, program)| (format!("the {name}"), program)).collect();
    if let Some(stage) = recipe.stages.first() {
        let what = format!("a training step on {} images", stage.batch);
        programs.push((what, recipe.network.trainer(stage, recipe.optimiser)));
    }
    let mut text = String::new();
    for (what, program) in programs {
        text += &format!("{what}: {}\n", Plan::new(&program, &limits)?);
    }
    Ok(text)
}
