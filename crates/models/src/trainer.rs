//! Training, the same on every engine, natively and in a browser's worker. A step is a [`Program`](graph::Program) whose
//! states are the parameters and what the optimiser keeps of them, so nothing leaves the device until somebody asks.

use crate::{Weights, vae};
use data::rng::{Rng, stream};
use graph::Run;

/// A train step with its states.
pub struct Trainer<R> {
    run: R,
}

impl<R: Run> Trainer<R> {
    /// Takes a loaded train step and writes its states; those that `weights` lacks, as the moments of a new run, start
    /// at zero.
    pub fn new(run: R, weights: &Weights) -> Result<Trainer<R>, R::Error> {
        let mut trainer = Trainer { run };
        for (name, shape) in trainer.states() {
            match weights.get(&name) {
                Some(values) => trainer.run.write(&name, values)?,
                None => trainer.run.write(&name, &vec![0.0; shape.iter().product()])?,
            }
        }
        Ok(trainer)
    }

    /// One step on these inputs. Waits only for steps that were made some time before.
    pub async fn step(&mut self, inputs: &[(&str, &[f32])]) -> Result<(), R::Error> {
        self.run.ready().await?;
        inputs.iter().try_for_each(|(name, values)| self.run.write(name, values))?;
        self.run.step()
    }

    /// The bound after the last step, in nats an image: waits for the device.
    pub async fn bound(&self) -> Result<f32, R::Error> {
        Ok(self.run.read("bound").await?[0])
    }

    /// All states as they are after the last step: waits for the device.
    pub async fn weights(&self) -> Result<Weights, R::Error> {
        let states = self.states();
        let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
        let mut weights = Weights::default();
        for ((name, shape), values) in states.iter().zip(self.run.read_all(&names).await?) {
            weights.insert(name, shape, values);
        }
        Ok(weights)
    }

    fn states(&self) -> Vec<(String, Vec<usize>)> {
        let program = self.run.program();
        let states = program.state.iter().filter_map(|(input, _)| program.inputs.iter().find(|(_, id)| id == input));
        states.map(|(name, id)| (name.clone(), program.node(*id).shape.clone())).collect()
    }
}

/// The order in which an epoch takes `n` images.
pub fn order(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed, stream::SHUFFLE).skip((epoch as u64) << 32).shuffle(&mut order);
    order
}

/// The inputs `x` and `eps` of step `step` (1, 2, ..) of [`vae::trainer`] with `k` importance samples. Each grey image
/// comes with the number of its draw of black and white, which must be new in every epoch.
pub fn vae_inputs(
    network: &vae::Config,
    k: usize,
    seed: u64,
    step: u64,
    images: &[(u64, &[u8])],
) -> [(&'static str, Vec<f32>); 2] {
    let x = images.iter().flat_map(|(draw, grey)| data::binarise(grey, seed, *draw)).collect();
    let mut eps = vec![0f32; images.len() * k * network.latents];
    Rng::new(seed, stream::TRAIN).skip(step << 32).fill_normal(&mut eps);
    [("x", x), ("eps", eps)]
}
