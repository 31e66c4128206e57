//! The families behind one face: what a host (page, command line, trainer) needs of a model whatever it is.

use crate::control::Control;
use crate::nn::AdamW;
use crate::params::{Spec, Weights};
use crate::registry::Stage;
use crate::trainer::Batch;
use crate::{classifier, diffusion, gan, pixel_transformer, vae};
use graph::{Load, Program, Run};
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// What every family says of a network of its own.
pub trait Family {
    /// C, S and S of a picture.
    fn image(&self) -> [usize; 3];

    /// Number of values of each label; empty for a model that is not steered by labels.
    fn classes(&self) -> &[usize];

    /// What the model can be told while it draws, but for its labels.
    fn controls(&self) -> Vec<Control>;

    /// All parameters that are shipped, in a fixed order.
    fn specs(&self) -> Vec<Spec>;

    /// A train step: the first output is `loss` (), the others are numbers to be shown; inputs are those of
    /// [`Family::inputs`] and `rates` (4).
    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program;

    /// The inputs of a train step for a batch.
    fn inputs(&self, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)>;

    /// The Programs by which the model is used, each with a short name: what an engine is checked with before it is
    /// trusted, what is exported for other runtimes, what `pofx explain` shows.
    fn programs(&self) -> Vec<(&'static str, Program)>;

    /// What the model is, for its card.
    fn about(&self) -> About;
}

/// A family in the words of the field.
#[derive(Clone, PartialEq, Debug)]
pub struct About {
    /// The form of p(x).
    pub form: &'static str,
    /// What training minimises.
    pub loss: &'static str,
    /// What is done to the data before.
    pub preparation: &'static str,
    /// Papers.
    pub references: &'static [&'static str],
}

/// A network of one of the families.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Network {
    /// Variational auto-encoder.
    Vae(vae::Config),
    /// Generative adversarial network.
    Gan(gan::Config),
    /// Autoregressive transformer over pixels.
    Transformer(pixel_transformer::Config),
    /// Diffusion model.
    Diffusion(diffusion::Config),
    /// Classifier, which judges the samples of the others.
    Classifier(classifier::Config),
}

impl Network {
    /// The number of each label that says it is not given: one past its values.
    pub fn no_labels(&self) -> Vec<f32> {
        self.classes().iter().map(|&count| count as f32).collect()
    }

    /// Name of the family, as in recipes and cards.
    pub fn name(&self) -> &'static str {
        match self {
            Network::Vae(_) => "vae",
            Network::Gan(_) => "gan",
            Network::Transformer(_) => "transformer",
            Network::Diffusion(_) => "diffusion",
            Network::Classifier(_) => "classifier",
        }
    }

    /// What is left to do when training has ended: from the trained values of all shipped parameters to the shipped ones.
    pub async fn finish<L: Load>(&self, _host: &L, trained: Weights) -> Result<Weights, <L::Run as Run>::Error> {
        match self {
            Network::Vae(_)
            | Network::Gan(_)
            | Network::Diffusion(_)
            | Network::Transformer(_)
            | Network::Classifier(_) => Ok(trained),
        }
    }
}

impl Deref for Network {
    type Target = dyn Family + 'static;

    fn deref(&self) -> &Self::Target {
        match self {
            Network::Vae(c) => c,
            Network::Gan(c) => c,
            Network::Transformer(c) => c,
            Network::Diffusion(c) => c,
            Network::Classifier(c) => c,
        }
    }
}

impl Family for vae::Config {
    fn image(&self) -> [usize; 3] {
        [self.image_channels, self.size, self.size]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn controls(&self) -> Vec<Control> {
        vae::controls(self)
    }

    fn specs(&self) -> Vec<Spec> {
        vae::specs(self)
    }

    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program {
        vae::trainer(self, stage, optimiser)
    }

    fn inputs(&self, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
        vae::inputs(self, stage, batch)
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![
            ("sampler", vae::sampler(self, 16)),
            ("encoder", vae::encoder(self, 1)),
            ("weigher", vae::weigher(self, 64, false)),
        ]
    }

    fn about(&self) -> About {
        let (form, preparation) = match self.likelihood {
            vae::Likelihood::Bernoulli => (
                "p(x) = integral of N(z; 0, I) prod_d Bernoulli(x_d; f_d(z)) dz, f a convolutional network",
                "Stochastically binarised: a pixel is 1 with probability grey / 255; drawn afresh each epoch in training, \
                 once (seed 0) for the test set (Burda et al. 2016)",
            ),
            vae::Likelihood::DiscretisedLogistic => (
                "p(x) = integral of N(z; 0, I) prod_d Logistic(x_d; f_d(z)) dz over bins of one of 256 levels, f a \
                 convolutional network; with labels c, f(z, c)",
                "8 bit, as they are",
            ),
        };
        About {
            form,
            loss: "The negative evidence lower bound where k=1, the negative importance-weighted bound where k>1",
            preparation,
            references: &[
                "Kingma & Welling, Auto-Encoding Variational Bayes, arXiv:1312.6114",
                "Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, arXiv:1509.00519",
                "Salimans, Karpathy, Chen & Kingma, PixelCNN++, arXiv:1701.05517",
            ],
        }
    }
}

impl Family for classifier::Config {
    fn image(&self) -> [usize; 3] {
        [self.image_channels, self.size, self.size]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn controls(&self) -> Vec<Control> {
        Vec::new()
    }

    fn specs(&self) -> Vec<Spec> {
        classifier::specs(self)
    }

    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program {
        classifier::trainer(self, stage, optimiser)
    }

    fn inputs(&self, _stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
        classifier::inputs(batch)
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("judge", classifier::features(self, 16))]
    }

    fn about(&self) -> About {
        About {
            form: "p(label | x), a softmax for each label",
            loss: "Cross-entropy, summed over labels",
            preparation: "8 bit, moved by chance",
            references: &["He, Zhang, Ren & Sun, Identity Mappings in Deep Residual Networks, arXiv:1603.05027"],
        }
    }
}
