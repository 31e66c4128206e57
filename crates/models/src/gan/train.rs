//! Training: the relativistic loss with gradient penalties, and both networks' steps as one Program.

use super::{Config, Inputs, discriminate, generate};
use crate::nn::{AdamW, schedule};
use crate::params::Params;
use crate::registry::Stage;
use crate::trainer::{self, Batch};
use data::rng::{Rng, stream};
use graph::{Graph, Program, Tensor, grad};

/// Share of images that lose all their labels.
const DROP_ALL: f32 = 0.1;
/// Share of labels that are lost one by one, where there are several: each may be asked for alone.
const DROP_ONE: f32 = 0.3;

/// The parts of R3GAN's loss, each ().
#[derive(Clone, Copy)]
pub struct Loss<'g> {
    /// E\[softplus(D(G(z)) - D(x))\], which the discriminator lowers (arXiv:2501.05441, eq. 2).
    pub discriminator: Tensor<'g>,
    /// E\[softplus(D(x) - D(G(z)))\], which the generator lowers.
    pub generator: Tensor<'g>,
    /// R1 = E\[|grad_x D(x)|^2\] at real images (eq. 3).
    pub r1: Tensor<'g>,
    /// R2, the same at generated images (eq. 4).
    pub r2: Tensor<'g>,
}

/// The logits (B) of a discriminator `d` at x (B, ..), and E\[|grad_x D(x)|^2\], ().
pub fn judge<'g>(d: impl Fn(Tensor<'g>) -> Tensor<'g>, x: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
    let logit = d(x);
    // D sees each row alone, so the gradient of the sum holds that of every row.
    let slope = grad(logit.sum_all(), &[x])[0];
    (logit, slope.square().sum_all() * (1.0 / x.dim(0) as f32))
}

/// The loss of a discriminator `d` at real and generated images (B, ..), in pairs.
pub fn loss<'g>(d: impl Fn(Tensor<'g>) -> Tensor<'g>, real: Tensor<'g>, fake: Tensor<'g>) -> Loss<'g> {
    let [(at_real, r1), (at_fake, r2)] = [real, fake].map(|x| judge(&d, x));
    let margin = at_real - at_fake;
    let mean = |t: Tensor<'g>| t.mean(&[0]).reshape(&[]);
    Loss { discriminator: mean((-margin).softplus()), generator: mean(margin.softplus()), r1, r2 }
}

/// A train step of both networks from the same images: inputs are those of [`inputs`] and `rates` (4), see
/// [`AdamW::rates`]; outputs are the discriminator's `loss`, and `generator`, `r1`, `r2` as in [`Loss`]. The generator alone
/// is averaged.
pub fn trainer(c: &Config, stage: &Stage, optimiser: AdamW) -> Program {
    let g = Graph::new();
    let (theta, psi) = (Params::new(&g), Params::new(&g));
    let x = Inputs::new(&g, c, stage.batch);
    let fake = generate(&theta, c, x.z, x.class);
    let loss = loss(|image| discriminate(&psi, c, image, x.class), x.image, fake);
    let penalised = loss.discriminator + 0.5 * g.input("gamma", &[]) * (loss.r1 + loss.r2);
    let rates = g.input("rates", &[4]);
    let mut states = optimiser.update(&theta, loss.generator, rates).states;
    states.extend(AdamW { average: None, ..optimiser }.update(&psi, penalised, rates).states);
    let outputs = [("loss", loss.discriminator), ("generator", loss.generator), ("r1", loss.r1), ("r2", loss.r2)];
    Program::new(&outputs, &states)
}

/// The inputs of a step of [`trainer`] on a batch: real images, noise, the labels of both, some of them
/// dropped, and the weight of the penalties.
pub fn inputs(c: &Config, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
    let noise = Rng::new(batch.seed, stream::TRAIN).skip(batch.step << 32);
    let mut z = vec![0f32; stage.batch * c.latents];
    noise.clone().fill_normal(&mut z);
    let gamma = schedule::cosine(f64::from(c.gamma), f64::from(c.final_gamma), batch.done);
    let mut inputs = vec![("image", batch.levels()), ("z", z), ("gamma", vec![gamma as f32])];
    if !c.classes.is_empty() {
        let mut chance = noise.skip(1 << 31);
        let mut uniform = vec![0f32; stage.batch * (1 + c.classes.len())];
        uniform.chunks_mut(1 + c.classes.len()).for_each(|row| chance.fill_uniform(row));
        inputs.push(("class", trainer::drop_labels(batch.labels, &c.classes, &uniform, DROP_ALL, DROP_ONE)));
    }
    inputs
}
