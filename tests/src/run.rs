//! Inputs for tests, and one run of a Program on the CPU engine.

use data::rng::Rng;
use engine::{Engine, Error, Loaded};
use graph::{Load, Program, Run};
use models::Weights;
use models::nn::AdamW;
use models::registry::Stage;

/// Adam (Kingma & Ba 2014, arXiv:1412.6980).
pub const ADAM: AdamW = AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, clip: None, average: None };

/// Standard normal numbers, the same on every machine; exact in f32.
pub fn normal(seed: u64, n: usize) -> Vec<f64> {
    let mut values = vec![0f32; n];
    Rng::new(seed, 0).fill_normal(&mut values);
    crate::close::widen(&values)
}

/// Numbers between `low` and `high`, the same on every machine; exact in f32.
pub fn uniform(seed: u64, n: usize, low: f32, high: f32) -> Vec<f64> {
    let mut values = vec![0f32; n];
    Rng::new(seed, 0).fill_uniform(&mut values);
    values.iter().map(|u| f64::from(low + (high - low) * u)).collect()
}

/// A part of a training run with steps on `batch` images, of which a VAE takes `k` importance samples each.
pub fn stage(batch: usize, k: usize) -> Stage {
    Stage {
        epochs: 1,
        batch,
        k,
        beta: 1.0,
        rate: 1e-3,
        final_rate: 1e-3,
        warm_up: 0,
        only: Vec::new(),
        contrast: 0.0,
        augment: None,
    }
}

/// The CPU engine with the weights of a model.
pub struct Host(pub Weights);

impl Load for Host {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, Error> {
        let mut loaded = Engine::cpu().load(program).await?;
        self.0.write_to(&mut loaded)?;
        Ok(loaded)
    }
}

/// All outputs of one step on the CPU engine.
pub fn cpu(program: &Program, inputs: &[(&str, &[f64])]) -> Vec<Vec<f64>> {
    let mut loaded = pollster::block_on(Engine::cpu().load(program)).expect("the CPU engine loads every Program");
    for (name, values) in inputs {
        loaded.write(name, &crate::close::narrow(values)).expect("an input");
    }
    loaded.step().expect("one step");
    let read = |(name, _): &(String, _)| pollster::block_on(loaded.read(name)).expect("an output");
    program.outputs.iter().map(read).map(|v| crate::close::widen(&v)).collect()
}
