//! Decoders as densities of one picture given latents z ~ N(0, I), with their gradients in z: what the estimators of
//!     log p(x) = log int p(x|z) N(z; 0, I) dz
//! run on (Wu, Burda, Salakhutdinov & Grosse 2017, "On the quantitative analysis of decoder-based generative models",
//! arXiv:1611.04273).
//!
//! Names: b latents of one image, D values of the image, L latents, A labels.

use crate::params::Params;
use crate::{gan, vae};
use data::rng::Rng;
use graph::{Graph, Program, Tensor, grad};
use std::f32::consts::TAU;

/// What a Program says beside log p(x|z).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Nothing.
    Total,
    /// Its gradient in z, `grad` (b, L).
    Gradient,
    /// Its part of each value of the image, `pixels` (b, D).
    Pixels,
}

/// log p(x|z) of a VAE: inputs `x` (1, D), `z` (b, L) and, with labels, `class` (1, A); outputs `log_p` (b) and what else is
/// wanted.
pub fn vae(c: &vae::Config, b: usize, output: Output) -> Program {
    let g = Graph::new();
    let (p, z, x) = (Params::new(&g), g.input("z", &[b, c.latents]), g.input("x", &[1, c.pixels()]));
    let class = (!c.classes.is_empty()).then(|| class(&g, c.classes.len(), b));
    let pixels = vae::decode(&p, c, z, class).log_prob(x);
    program(pixels.sum(&[1]).reshape(&[b]), pixels, z, output)
}

/// log N(x; G(z), sigma^2 I) of a GAN on the scale of [`dequantise`], where level k is the bin \[k, k + 1) / 256 and G
/// draws its middle: inputs `x` (1, D), `variance` (), sigma^2, `z` (b, L) and, with labels, `class` (1, A); outputs as
/// of [`vae`].
pub fn gan(c: &gan::Config, b: usize, output: Output) -> Program {
    let g = Graph::new();
    let d = c.image_channels * c.size() * c.size();
    let (z, x, variance) = (g.input("z", &[b, c.latents]), g.input("x", &[1, d]), g.input("variance", &[]));
    let image = gan::generate(&Params::new(&g), c, z, class(&g, c.classes.len(), b)).reshape(&[b, d]);
    let mean = (127.5 * (image + 1.0) + 0.5) * (1.0 / 256.0);
    let misfit = (x - mean).square();
    let log_p = -0.5 * (misfit.sum(&[1]).reshape(&[b]) / variance + (variance * TAU).ln() * d as f32);
    let pixels = -0.5 * (misfit / variance + (variance * TAU).ln());
    program(log_p, pixels, z, output)
}

/// Levels k made continuous by uniform noise, (k + u) / 256 in \[0, 1\]: the log density of that, less D ln 256, is in
/// expectation not above the log probability of the levels (Theis, van den Oord & Bethge 2016, arXiv:1511.01844,
/// section 3.1).
pub fn dequantise(levels: &[u8], mut noise: Rng) -> Vec<f32> {
    let mut u = vec![0f32; levels.len()];
    noise.fill_uniform(&mut u);
    levels.iter().zip(u).map(|(&k, u)| (f32::from(k) + u) / 256.0).collect()
}

/// The input `class` (1, A), repeated for b rows.
fn class(g: &Graph, labels: usize, b: usize) -> Tensor<'_> {
    g.input("class", &[1, labels]).expand(&[b, labels])
}

fn program<'g>(log_p: Tensor<'g>, pixels: Tensor<'g>, z: Tensor<'g>, output: Output) -> Program {
    let beside = match output {
        Output::Total => return Program::new(&[("log_p", log_p)], &[]),
        Output::Gradient => ("grad", grad(log_p.sum_all(), &[z])[0]),
        Output::Pixels => ("pixels", pixels),
    };
    Program::new(&[("log_p", log_p), beside], &[])
}
