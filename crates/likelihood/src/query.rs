//! The one question for every family: log p(x) of a picture, by the family's own estimator or by another that it has.

use crate::iwae::{self, Error, Progress};
use crate::latent::{self, Decoder};
use crate::{Effort, Estimate, Kind, Place, exact, flow, integral, log_sum_exp, ratio, vlb};
use data::rng::{Rng, stream};
use graph::{Load, Run};
use models::registry::Calibration;
use models::{Network, diffusion, gan, pixel_transformer, vae};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// How the answer is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The family's own estimator: the chain rule, the importance-weighted bound or the variational bound.
    Own,
    /// Importance sampling for models with latents: from Gaussians about the modes of p(z|x), or, for a GAN, from the
    /// Gaussian nearest to it.
    Laplace,
    /// Annealed importance sampling from there.
    Ais,
    /// The integral over the plane, for models with two latents.
    Quadrature,
    /// The probability-flow ODE, for diffusion.
    Flow,
    /// The calibrated logit of the discriminator, for GANs: a ratio of densities, not a density.
    Ratio,
}

impl Method {
    /// All there are.
    pub const ALL: [Method; 6] =
        [Method::Own, Method::Laplace, Method::Ais, Method::Quadrature, Method::Flow, Method::Ratio];

    /// In a word, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Own => "own",
            Method::Laplace => "laplace",
            Method::Ais => "ais",
            Method::Quadrature => "quadrature",
            Method::Flow => "flow",
            Method::Ratio => "ratio",
        }
    }

    /// [`Question::k`] of a quick answer or of a precise one: importance samples, temperatures or paths.
    pub fn samples(self, precise: bool) -> usize {
        let [quick, precise_k] = match self {
            Method::Own | Method::Quadrature => [64, 5000],
            Method::Laplace => [512, 5000],
            Method::Ais => [30, 400],
            Method::Flow => [4, 64],
            Method::Ratio => [1, 1],
        };
        if precise { precise_k } else { quick }
    }

    /// [`Question::runs`] of a quick answer or of a precise one about one picture: of an importance-weighted bound on a VAE, so
    /// many that their spread tells the error; others, which know it from their samples, have one. So has a quick answer of a
    /// GAN, each of whose runs searches for latents anew.
    pub fn runs(self, network: &Network, precise: bool) -> usize {
        match (self, network) {
            (Method::Own | Method::Laplace, Network::Vae(_)) => [32, 16][usize::from(precise)],
            (Method::Ais, Network::Vae(_)) => 8,
            (Method::Laplace | Method::Ais, Network::Gan(_)) if precise => 8,
            _ => 1,
        }
    }

    /// All that a network can be asked by.
    pub fn of(network: &Network) -> &'static [Method] {
        match network {
            Network::Vae(c) if c.latents == 2 => &[Method::Own, Method::Laplace, Method::Ais, Method::Quadrature],
            Network::Vae(_) => &[Method::Own, Method::Laplace, Method::Ais],
            Network::Gan(_) => &[Method::Own, Method::Laplace, Method::Ais, Method::Ratio],
            Network::Diffusion(_) => &[Method::Own, Method::Flow],
            Network::Transformer(_) | Network::Classifier(_) => &[Method::Own],
        }
    }

    /// Whether a network can be asked by it; if not, the names of those that it can be.
    pub fn answers(self, network: &Network) -> Result<(), String> {
        let methods = Method::of(network);
        if methods.contains(&self) {
            return Ok(());
        }
        Err(methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", "))
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The picture, (C, S, S).
    pub levels: &'a [u8],
    /// Numbers of its labels, one past a label's last value for one that is not given.
    pub labels: &'a [f32],
    /// Monte Carlo samples, where the estimator takes some; temperatures of annealed importance sampling; paths of the
    /// probability flow.
    pub k: usize,
    /// How many values of a bound are averaged: each of `k` samples, of some annealed chains, or, of a GAN, of a search of its own.
    pub runs: usize,
    /// Standard error in nats at which fewer samples or runs are enough; of no effect where no error is told.
    pub precision: Option<f64>,
    /// Seed of all noise.
    pub seed: u64,
    /// Number of the picture in a set, which gives it noise of its own.
    pub index: u64,
}

/// A question's answerer for one model, by one of its methods.
pub struct Query<R> {
    programs: Programs<R>,
    /// Number of values of each label.
    classes: Vec<usize>,
}

/// The Programs that answer.
enum Programs<R> {
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
        decoder: diffusion::decoder::Decoder,
    },
    /// The probability flow.
    Flow {
        /// `models::diffusion::denoiser`.
        denoiser: R,
    },
    /// The integral over the latents of a VAE or, of its pictures with noise, of a GAN.
    Latent {
        /// By which of its methods.
        method: Method,
        /// The VAE, and `models::vae::encoder` of one picture.
        vae: Option<(vae::Config, R)>,
        /// p(x|z).
        decoder: Decoder<R>,
    },
    /// The discriminator.
    Ratio {
        /// `models::gan::discriminator` of one picture.
        discriminator: R,
        /// How its logit is read.
        calibration: Calibration,
        /// The numbers that say that no label is given.
        none: Vec<f32>,
    },
    /// There is no density; the text says why.
    Undefined(&'static str),
}

impl<R: Run> Query<R> {
    /// Loads what a network needs to answer by one of its methods: `batch` Monte Carlo samples are taken at once (of a flow
    /// [`flow::GROUP`], so that a seed has one answer), and searches that have fewer points run on Programs of the sizes `few`, which rise: on a CPU rows that nobody needs cost time, on a
    /// GPU the shaders of another size do. `terms` asks for the surprise of each pixel where the method has it. `calibration` is that of the weights that are loaded.
    pub async fn load(
        network: &Network,
        method: Method,
        calibration: Option<&Calibration>,
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
    ) -> Result<Query<R>, R::Error> {
        let programs = Programs::load(network, method, calibration, host, (batch, few), terms).await?;
        Ok(Query { programs, classes: network.classes().to_vec() })
    }

    /// The answer. `progress` is awaited now and then, and can stop the query.
    pub async fn log_prob(
        &mut self,
        question: &Question<'_>,
        progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Estimate, Error<R::Error>> {
        let mut estimate = self.programs.log_prob(question, progress).await?;
        estimate.assumptions.extend(given(&self.classes, question.labels, &estimate.kind));
        Ok(estimate)
    }
}

impl<R: Run> Programs<R> {
    /// As [`Query::load`].
    async fn load(
        network: &Network,
        method: Method,
        calibration: Option<&Calibration>,
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
    ) -> Result<Programs<R>, R::Error> {
        Ok(match network {
            Network::Gan(c) if method == Method::Ratio => match calibration {
                Some(calibration) => Programs::Ratio {
                    discriminator: host.load(&gan::discriminator(c, 1)).await?,
                    calibration: calibration.clone(),
                    none: network.no_labels(),
                },
                None => Programs::Undefined(
                    "the discriminator of these weights was not compared with the data (`pofx calibrate`), so its logit \
                     is no ratio of densities",
                ),
            },
            Network::Vae(c) if method != Method::Own => Programs::Latent {
                method,
                vae: Some((c.clone(), host.load(&vae::encoder(c, 1)).await?)),
                decoder: Decoder::vae(c, host, (batch, few), terms).await?,
            },
            Network::Gan(c) if method != Method::Own => {
                Programs::Latent { method, vae: None, decoder: Decoder::gan(c, host, (batch, few), terms).await? }
            }
            Network::Vae(c) => Programs::Vae {
                network: c.clone(),
                encoder: host.load(&vae::encoder(c, 1)).await?,
                weigher: host.load(&vae::weigher(c, batch, terms)).await?,
            },
            Network::Transformer(c) => {
                Programs::Transformer { network: c.clone(), scorer: host.load(&pixel_transformer::scorer(c, 1)).await? }
            }
            Network::Gan(_) => Programs::Undefined(
                "a GAN draws pictures on a thin sheet within the space of all pictures, where almost every picture has \
                 no density at all",
            ),
            Network::Diffusion(c) if method == Method::Flow => {
                Programs::Flow { denoiser: host.load(&diffusion::denoiser(&c.unet, 2 * flow::GROUP)).await? }
            }
            Network::Diffusion(c) => {
                let decoder = diffusion::decoder::Decoder::new(&c.levels);
                Programs::Diffusion { denoiser: host.load(&diffusion::denoiser(&c.unet, batch)).await?, decoder }
            }
            Network::Classifier(_) => Programs::Undefined("a classifier says p(label | x), not p(x)"),
        })
    }

    /// As [`Query::log_prob`], without what it says of labels.
    async fn log_prob(
        &mut self,
        question: &Question<'_>,
        progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Estimate, Error<R::Error>> {
        let &Question { levels, labels, k, runs, precision, seed, index } = question;
        let effort = Effort { k, runs, precision };
        match self {
            Programs::Vae { network, encoder, weigher } => {
                let x = network.observe(levels, seed, index);
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                let mut bound = iwae::log_prob(encoder, weigher, &x, labels, effort, noise, progress).await?;
                bound.assumptions.push(latent::footing(network).into());
                Ok(bound)
            }
            Programs::Transformer { network, scorer } => exact::log_prob(scorer, network, levels, labels).await,
            Programs::Diffusion { denoiser, decoder } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                vlb::log_prob(denoiser, decoder, levels, labels, effort, noise, progress).await
            }
            Programs::Flow { denoiser } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                let plan = flow::Plan { halved: k > Method::Flow.samples(false), ..flow::Plan::default() };
                flow::log_prob(denoiser, levels, labels, effort, plan, noise, progress).await
            }
            Programs::Latent { method, vae, decoder } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                integral::log_prob(*method, vae.as_mut(), decoder, question, noise, progress).await
            }
            Programs::Ratio { discriminator, calibration, none } => {
                ratio::log_ratio(discriminator, calibration, levels, none).await
            }
            Programs::Undefined(why) => Ok(undefined(why)),
        }
    }
}

/// Levels as the network sees them in a question: binarised at random for a model of black and white.
pub fn scored(network: &Network, levels: &[u8], seed: u64, index: u64) -> Vec<u8> {
    match network {
        Network::Vae(c) if c.likelihood == vae::Likelihood::Bernoulli => {
            c.observe(levels, seed, index).iter().map(|&v| if v > 0.5 { 255 } else { 0 }).collect()
        }
        _ => levels.to_vec(),
    }
}

/// What an answer owes to the labels of a question, where the model has some: all models learn from pictures of which a part has
/// lost its labels, so that they know one p(x) for those without, which p(x | label) do not add up to.
fn given(classes: &[usize], labels: &[f32], kind: &Kind) -> Option<String> {
    let (all, given) = (classes.len(), classes.iter().zip(labels).filter(|(n, v)| **v < **n as f32).count());
    match (kind, given) {
        _ if all == 0 => None,
        (Kind::Undefined(_), _) | (Kind::DensityRatio, 0) => None,
        (Kind::DensityRatio, _) => Some("The labels that were given have no part in the ratio.".into()),
        (_, 0) => Some(
            "No label given: p(x) as the model learned it from pictures whose labels were left out in training, which is no \
             mixture of its p(x | label)."
                .into(),
        ),
        _ if given < all => {
            Some(format!("Given {given} of {all} labels, p(x | labels), as learned from pictures without the others."))
        }
        (_, 1) => Some("Given the label: p(x | label).".into()),
        _ => Some(format!("Given all {all} labels: p(x | labels).")),
    }
}

/// p(y | x) of each value y of a label from log p(x | y), by Bayes' rule with all values alike before; NaN where no
/// value makes the picture possible.
pub fn posterior(log_p: &[f64]) -> Vec<f64> {
    let all = log_sum_exp(log_p);
    log_p.iter().map(|p| (p - all).exp()).collect()
}

/// The honest answer of a model without a density.
pub(crate) fn undefined(why: &str) -> Estimate {
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
        place: Place::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_which_labels_it_was_given() {
        let said = |classes: &[usize], labels: &[f32]| given(classes, labels, &Kind::LowerBound).unwrap_or_default();
        assert_eq!(said(&[], &[]), "");
        assert!(said(&[10], &[10.0]).starts_with("No label given: p(x) as the model learned it"));
        assert_eq!(said(&[10], &[0.0]), "Given the label: p(x | label).");
        assert!(said(&[10, 3], &[9.0, 3.0]).starts_with("Given 1 of 2 labels, p(x | labels)"));
        assert_eq!(said(&[10, 3], &[9.0, 2.0]), "Given all 2 labels: p(x | labels).");
        let ratio = |label: f32| given(&[10], &[label], &Kind::DensityRatio).is_some();
        assert_eq!((ratio(3.0), ratio(10.0)), (true, false));
        assert_eq!(given(&[10], &[10.0], &Kind::Undefined("none".into())), None);
    }

    #[test]
    fn bayes_rule_neither_underflows_nor_hides_the_impossible() {
        let shares = posterior(&[-1000.0, -1000.0 + 3f64.ln(), f64::NEG_INFINITY]);
        assert!((shares[0] - 0.25).abs() < 1e-12 && (shares[1] - 0.75).abs() < 1e-12 && shares[2] == 0.0);
        assert!(posterior(&[f64::NEG_INFINITY; 2]).iter().all(|p| p.is_nan()));
    }
}
