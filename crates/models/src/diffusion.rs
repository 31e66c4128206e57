//! Diffusion models of images: a network that predicts the velocity of Salimans & Ho 2022 (arXiv:2202.00512) under the cosine
//! schedule, learned with classifier-free guidance in mind (Ho & Salimans 2022, arXiv:2207.12598): labels are left out of
//! some of the batch.
//!
//! Names: B images of C channels and S x S pixels, A labels.

pub mod decoder;
pub mod denoiser;
mod sampler;
pub mod step;

pub use denoiser::{Network, Target, denoiser, loss, specs, train_step};
pub use sampler::Sampler;

use crate::control::{Control, Kind};
use crate::family::{About, Family};
use crate::nn::AdamW;
use crate::params::Spec;
use crate::registry::Stage;
use crate::trainer::{self, Batch};
use crate::unet;
use data::rng::{Rng, stream};
use graph::Program;
use serde::{Deserialize, Serialize};

/// What the networks of this family predict.
pub const TARGET: Target = Target::Velocity;

/// Part of the images in which a label among several is left out for itself, so that a model can be asked for some of them.
const DROP_ONE: f32 = 0.2;

/// A model of this family.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Part of the images that the model learns from without any label.
    #[serde(default = "tenth")]
    pub drop: f32,
    /// Weight of the labels where the person who draws gives none.
    #[serde(default = "two")]
    pub guidance: f64,
    /// How often each of the 256 levels occurs in a million values of the training images, as `pofx data <set> --levels` prints
    /// it; none: all alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<u32>,
    /// Sizes of the network.
    pub unet: unet::Config,
}

fn tenth() -> f32 {
    0.1
}

fn two() -> f64 {
    2.0
}

impl Family for Config {
    fn image(&self) -> [usize; 3] {
        self.unet.image()
    }

    fn classes(&self) -> &[usize] {
        &self.unet.classes
    }

    fn controls(&self) -> Vec<Control> {
        controls(self)
    }

    fn specs(&self) -> Vec<Spec> {
        specs(&self.unet)
    }

    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program {
        train_step(&self.unet, stage.batch, TARGET, optimiser)
    }

    fn inputs(&self, _: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
        inputs(self, batch)
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("denoiser", denoiser(&self.unet, 16))]
    }

    fn about(&self) -> About {
        About {
            form: "p(x) = integral of p(x | z_0) p(z_0) dz_0, p(z_0) by reversing z = cos(pi t / 2) x + sin(pi t / 2) eps from \
                   N(0, I) with the noise that a U-Net finds in z",
            loss: "Mean squared error of the velocity v = cos(pi t / 2) eps - sin(pi t / 2) x, times spread evenly",
            preparation: "8 bit, as they are",
            references: &[
                "Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models, arXiv:2006.11239",
                "Salimans & Ho, Progressive Distillation for Fast Sampling of Diffusion Models, arXiv:2202.00512",
                "Kingma, Salimans, Poole & Ho, Variational Diffusion Models, arXiv:2107.00630",
                "Ho & Salimans, Classifier-Free Diffusion Guidance, arXiv:2207.12598",
            ],
        }
    }
}

/// What a model can be told while it draws, but for its labels.
fn controls(c: &Config) -> Vec<Control> {
    let [channels, height, width] = c.image();
    let latent = || Kind::Latent { size: channels * height * width };
    let mut controls = vec![
        Control::count("steps", [1, 1000], Some(20), "Steps from noise to picture"),
        Control::choice("sampler", &["dpm++2m", "ddim", "ddpm", "euler", "heun"], "How a step is taken"),
        Control::number("eta", [0.0, 1.0], 0.0, "Fresh noise in the steps of DDIM: 0 none, 1 as much as DDPM"),
        Control::new("clip", "Keep the predicted picture within its range", Kind::Switch { default: true }),
        Control::new("image", "A picture to start from, to fill in or to walk from", Kind::Picture),
        Control::number("strength", [0.0, 1.0], 0.6, "How much of the picture is drawn anew: 0 nothing, 1 everything"),
        Control::new("mask", "Which pixels of the picture stay (1) and which are filled in (0)", Kind::Mask),
        Control::count("resample", [1, 20], Some(3), "How often each step of filling in is repeated"),
        Control::new("to_image", "A picture to walk to, from the picture in `image`", Kind::Picture),
        Control::new("latent", "The noise to start from", latent()),
        Control::number("vary", [0.0, 1.0], 0.0, "Part of the noise in `latent` that is replaced by the seed's"),
        Control::new("to_latent", "The noise to walk to", latent()),
        Control::count("to_seed", [0, (1 << 53) - 1], None, "A seed whose noise to walk to"),
    ];
    if !c.classes().is_empty() {
        controls.insert(
            0,
            Control::number("guidance", [0.0, 10.0], c.guidance, "Weight of the labels: 0 none, 1 as learned"),
        );
    }
    controls
}

/// The inputs of a train step: images in \[-1, 1\], their noise, times and labels. The times of a batch are evenly spread with
/// one random offset (Kingma et al. 2021, arXiv:2107.00630, appendix I.1), which lowers the variance of the loss.
fn inputs(c: &Config, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
    let (b, labels) = (batch.images.len(), c.classes().len());
    let mut rng = Rng::new(batch.seed, stream::TRAIN).skip(batch.step << 32);
    let mut uniform = vec![0f32; 1 + b * (1 + labels)];
    rng.fill_uniform(&mut uniform);
    let x = batch.levels();
    let mut noise = vec![0f32; x.len()];
    rng.fill_normal(&mut noise);
    let time = (0..b).map(|i| (i as f32 + uniform[0]) / b as f32).collect();
    let mut inputs = vec![("x", x), ("noise", noise), ("time", time)];
    if labels > 0 {
        inputs.push(("class", trainer::drop_labels(batch.labels, c.classes(), &uniform[1..], c.drop, DROP_ONE)));
    }
    inputs
}
