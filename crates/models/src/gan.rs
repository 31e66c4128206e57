//! Generative adversarial network: x = G(z, y) for z ~ N(0, I) and labels y, and a discriminator D(x, y) that G is trained
//! against.
//!
//! Huang, Gokaslan, Kuleshov & Tompkin, "The GAN is dead; long live the GAN! A modern GAN baseline" (R3GAN),
//! arXiv:2501.05441: no normalisation, leaky ReLUs, and the loss of [`loss`]. Karras, Laine & Aila, "A style-based generator
//! architecture" (StyleGAN), arXiv:1812.04948: a small network maps z to w, which is what truncation and semantic directions
//! change; here w also scales the channels of every feature map. Miyato & Koyama, "cGANs with projection discriminator",
//! arXiv:1802.05637, eq. 3: D = v . f(x) + e(y) . f(x).
//!
//! Each label has one number more than it has values, which means none: a part of the labels is dropped in training, so one
//! network draws from p(x|y) and from p(x).
//!
//! Names: B images of C channels and S x S pixels, A labels, L latents, M entries of w, F features.

pub mod dcgan;
mod invert;
mod sampler;
mod space;
mod train;

use crate::control::Control;
use crate::family::{About, Family};
use crate::nn::{self, AdamW};
use crate::params::{Init, Params, Spec};
use crate::registry::Stage;
use crate::trainer::Batch;
use graph::{Graph, Program, Tensor, Window};
use serde::{Deserialize, Serialize};

pub use sampler::{Sampler, controls};
pub use space::principal_directions;
pub use train::{inputs, judge, loss, trainer};

/// Sizes of both networks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// L, size of z.
    pub latents: usize,
    /// M, size of w and of the layers that map z to it.
    pub mapping: usize,
    /// Side of the generator's first feature map.
    pub base: usize,
    /// Channels of the generator's feature maps, from the smallest up; each has twice the side of the one before it.
    pub channels: Vec<usize>,
    /// Channels of the discriminator's feature maps; each has half the side of the one before it, the first that of the image.
    pub critic: Vec<usize>,
    /// F, features of an image that the discriminator ends in.
    pub features: usize,
    /// C, channels of an image.
    pub image_channels: usize,
    /// Number of values of each label; empty for none.
    #[serde(default)]
    pub classes: Vec<usize>,
    /// Weight of the gradient penalties at the start of training, gamma of R3GAN.
    pub gamma: f32,
    /// The same at the end; between them it falls by half a cosine.
    pub final_gamma: f32,
    /// sigma^2, variance of the Gaussian noise with which p(x) has a density, in every value and on levels in \[0, 1\]: of
    /// a few, the one that makes the last images of the training set likeliest (`pofx noise`), as Wu et al. 2017
    /// (arXiv:1611.04273) choose theirs on validation images. Neither training nor sampling knows it.
    pub variance: f32,
}

impl Config {
    /// S, side of an image.
    pub fn size(&self) -> usize {
        self.base << (self.channels.len() - 1)
    }
}

/// Leaky ReLU with slope 0.2, as both papers have it: its second derivative is zero, which makes the penalties cheap.
fn leaky_relu(x: Tensor<'_>) -> Tensor<'_> {
    x.maximum(x * 0.2)
}

/// w (B, M) for z (B, L) and labels (B, A).
fn map<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>, class: Tensor<'g>) -> Tensor<'g> {
    let m = c.mapping;
    let mut h = nn::linear(p, "generator.mapping.1", z, m);
    if !c.classes.is_empty() {
        h = h + nn::label_embedding(p, "generator.label", class, &c.classes, m, Init::Deviation(1.0));
    }
    leaky_relu(nn::linear(p, "generator.mapping.2", leaky_relu(h), m))
}

/// Image (B, C, S, S) in \[-1, 1\] for w (B, M).
fn synthesise<'g>(p: &Params<'g>, c: &Config, w: Tensor<'g>) -> Tensor<'g> {
    let (b, side) = (w.dim(0), c.base);
    let first = nn::linear(p, "generator.first", w, c.channels[0] * side * side);
    let mut h = leaky_relu(first).reshape(&[b, c.channels[0], side, side]);
    for (i, &channels) in c.channels.iter().enumerate().skip(1) {
        let style = nn::linear_with(p, &format!("generator.style.{i}"), w, c.channels[i - 1], Init::Zeros) + 1.0;
        h = h * style.reshape(&[b, c.channels[i - 1], 1, 1]);
        h = leaky_relu(nn::upsample_conv(p, &format!("generator.up.{i}"), h, channels));
    }
    nn::conv(p, "generator.image", h, c.image_channels, 3, Window::new(1, 1)).tanh()
}

/// The generator G(z, y): z (B, L) and labels (B, A) to an image (B, C, S, S) in \[-1, 1\].
pub fn generate<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>, class: Tensor<'g>) -> Tensor<'g> {
    synthesise(p, c, map(p, c, z, class))
}

/// The discriminator D(x, y): image (B, C, S, S) in \[-1, 1\] and labels (B, A) to a logit (B), larger for real images.
pub fn discriminate<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>, class: Tensor<'g>) -> Tensor<'g> {
    let b = x.dim(0);
    let mut h = x;
    for (i, &channels) in c.critic.iter().enumerate() {
        h = leaky_relu(nn::conv(p, &format!("discriminator.down.{i}"), h, channels, 4, Window::new(2, 1)));
    }
    let n = h.shape()[1..].iter().product();
    let f = leaky_relu(nn::linear(p, "discriminator.features", h.reshape(&[b, n]), c.features)); // (B, F)
    let small = Init::Deviation((c.features as f32).sqrt().recip());
    let mut logit = nn::linear_with(p, "discriminator.logit", f, 1, small).reshape(&[b]);
    if !c.classes.is_empty() {
        let e = nn::label_embedding(p, "discriminator.label", class, &c.classes, c.features, small);
        logit = logit + (e * f).sum(&[1]).reshape(&[b]);
    }
    logit
}

/// The inputs `z` (b, L), `image` (b, C, S, S) and `class` (b, A).
#[derive(Clone, Copy)]
struct Inputs<'g> {
    z: Tensor<'g>,
    image: Tensor<'g>,
    class: Tensor<'g>,
}

impl<'g> Inputs<'g> {
    fn new(g: &'g Graph, c: &Config, b: usize) -> Inputs<'g> {
        Inputs {
            z: g.input("z", &[b, c.latents]),
            image: g.input("image", &[b, c.image_channels, c.size(), c.size()]),
            class: g.input("class", &[b, c.classes.len()]),
        }
    }
}

/// All parameters, those of the generator first.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let (p, x) = (Params::new(&g), Inputs::new(&g, c, 1));
    generate(&p, c, x.z, x.class);
    discriminate(&p, c, x.image, x.class);
    p.specs()
}

/// Samples: inputs `z` (b, L) and, with labels, `class` (b, A), output `image` (b, C, S, S) in \[-1, 1\].
pub fn generator(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let x = Inputs::new(&g, c, b);
    Program::new(&[("image", generate(&Params::new(&g), c, x.z, x.class))], &[])
}

/// How real images are: inputs `image` (b, C, S, S) in \[-1, 1\] and, with labels, `class` (b, A), output `logit` (b).
pub fn discriminator(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let x = Inputs::new(&g, c, b);
    Program::new(&[("logit", discriminate(&Params::new(&g), c, x.image, x.class))], &[])
}

impl Family for Config {
    fn image(&self) -> [usize; 3] {
        [self.image_channels, self.size(), self.size()]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn controls(&self) -> Vec<Control> {
        controls(self)
    }

    fn specs(&self) -> Vec<Spec> {
        specs(self)
    }

    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program {
        trainer(self, stage, optimiser)
    }

    fn inputs(&self, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
        inputs(self, stage, batch)
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("generator", generator(self, 16)), ("discriminator", discriminator(self, 16))]
    }

    fn about(&self) -> About {
        About {
            form: "x = G(z, c) for z ~ N(0, I), G a convolutional network: p(x) has no density",
            loss: "Relativistic pairing loss with zero-centred gradient penalties on real and generated images (R3GAN)",
            preparation: "8 bit, as they are; a tenth of the labels dropped in training",
            references: &[
                "Huang, Gokaslan, Kuleshov & Tompkin, The GAN is dead; long live the GAN! A modern GAN baseline, \
                 arXiv:2501.05441",
                "Karras, Laine & Aila, A style-based generator architecture for generative adversarial networks, \
                 arXiv:1812.04948",
                "Miyato & Koyama, cGANs with projection discriminator, arXiv:1802.05637",
                "Härkönen, Hertzmann, Lehtinen & Paris, GANSpace: Discovering interpretable GAN controls, \
                 arXiv:2004.02546",
            ],
        }
    }
}
