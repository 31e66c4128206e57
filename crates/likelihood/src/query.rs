//! The one question for every family: log p(x) of a picture, by the family's own estimator.

use crate::iwae::{self, Error, Progress};
use crate::{Estimate, Kind, exact, vlb};
use data::rng::{Rng, stream};
use graph::{Load, Run};
use models::diffusion::decoder::Decoder;
use models::{Network, diffusion, pixel_transformer, vae};
use std::ops::ControlFlow;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The picture, (C, S, S).
    pub levels: &'a [u8],
    /// Numbers of its labels, one past a label's last value for one that is not given.
    pub labels: &'a [f32],
    /// Monte Carlo samples, where the estimator takes some.
    pub k: usize,
    /// Seed of all noise.
    pub seed: u64,
    /// Number of the picture in a set, which gives it noise of its own.
    pub index: u64,
}

/// The Programs that answer for one model.
pub enum Query<R> {
    /// The importance-weighted bound.
    Vae {
        /// The network.
        network: vae::Config,
        /// `models::vae::encoder` of one picture.
        encoder: R,
        /// `models::vae::weigher`.
        weigher: R,
    },
    /// The chain rule.
    Transformer {
        /// The network.
        network: pixel_transformer::Config,
        /// `models::pixel_transformer::scorer` of one picture.
        scorer: R,
    },
    /// The variational bound.
    Diffusion {
        /// `models::diffusion::denoiser`.
        denoiser: R,
        /// That of the network.
        decoder: Decoder,
    },
    /// There is no density; the text says why.
    Undefined(&'static str),
}

impl<R: Run> Query<R> {
    /// Loads what a network needs to answer: `batch` Monte Carlo samples are taken at once, `terms` asks for the surprise of
    /// each pixel.
    pub async fn load(
        network: &Network,
        host: &impl Load<Run = R>,
        batch: usize,
        terms: bool,
    ) -> Result<Query<R>, R::Error> {
        Ok(match network {
            Network::Vae(c) => Query::Vae {
                network: c.clone(),
                encoder: host.load(&vae::encoder(c, 1)).await?,
                weigher: host.load(&vae::weigher(c, batch, terms)).await?,
            },
            Network::Transformer(c) => {
                Query::Transformer { network: c.clone(), scorer: host.load(&pixel_transformer::scorer(c, 1)).await? }
            }
            Network::Gan(_) => Query::Undefined(
                "a GAN draws pictures on a thin sheet within the space of all pictures, where almost every picture has \
                 no density at all",
            ),
            Network::Diffusion(c) => {
                let decoder = Decoder::new(&c.levels);
                Query::Diffusion { denoiser: host.load(&diffusion::denoiser(&c.unet, batch)).await?, decoder }
            }
            Network::Classifier(_) => Query::Undefined("a classifier says p(label | x), not p(x)"),
        })
    }

    /// Levels as the network sees them in this question: binarised at random for a model of black and white.
    pub fn scored(&self, question: &Question<'_>) -> Vec<u8> {
        match self {
            Query::Vae { network, .. } if network.likelihood == vae::Likelihood::Bernoulli => {
                let x = network.observe(question.levels, question.seed, question.index);
                x.iter().map(|&v| if v > 0.5 { 255 } else { 0 }).collect()
            }
            _ => question.levels.to_vec(),
        }
    }

    /// The answer. `progress` is awaited now and then, and can stop the query.
    pub async fn log_prob(
        &mut self,
        question: &Question<'_>,
        progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Estimate, Error<R::Error>> {
        let &Question { levels, labels, k, seed, index } = question;
        match self {
            Query::Vae { network, encoder, weigher } => {
                let x = network.observe(levels, seed, index);
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                iwae::log_prob(encoder, weigher, &x, labels, k, noise, progress).await
            }
            Query::Transformer { network, scorer } => exact::log_prob(scorer, network, levels, labels).await,
            Query::Diffusion { denoiser, decoder } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                vlb::log_prob(denoiser, decoder, levels, labels, k, noise, progress).await
            }
            Query::Undefined(why) => Ok(undefined(why)),
        }
    }
}

/// The honest answer of a model without a density.
fn undefined(why: &str) -> Estimate {
    Estimate {
        nats: f64::NAN,
        std_error: None,
        kind: Kind::Undefined(why.into()),
        bits_per_dim: f64::NAN,
        estimator: "none".into(),
        k: 0,
        effective_samples: None,
        parts: None,
        terms: Vec::new(),
        n_evals: 0,
        assumptions: Vec::new(),
        percentile_own: None,
        percentile_held_out: None,
    }
}
