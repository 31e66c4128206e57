//! The one question for every family: log p(x) of a picture, by the family's own estimator or by another that it has.

use crate::iwae::{self, Error, Progress};
use crate::laplace::Cover;
use crate::latent::{self, Decoder, Latent, Normal, Proposal};
use crate::{
    Effort, Estimate, Kind, Place, ais, exact, flow, laplace, log_sum_exp, mean_and_stated_error, quadrature, ratio,
    runs, variational, vlb,
};
use data::rng::{Rng, stream};
use graph::{Load, Run};
use models::registry::Calibration;
use models::{Network, diffusion, gan, pixel_transformer, vae};
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;
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

/// Draws of the prior for a GAN.
pub const DRAWS: usize = 256;
/// The best of them, from which a mode of p(z|x) is climbed.
pub const STARTS: usize = 8;
/// Steps from a Gaussian about the best mode to the one nearest to p(z|x), for a GAN; fewer where an answer is to be quick (up
/// to the k of [`Method::samples`]).
pub const FIT_STEPS: [usize; 2] = [32, 60];
/// Importance samples from the encoder, or from the prior of a GAN: what is said while a better proposal is looked for.
const LOOK: usize = 16;
/// Nodes a side of the quadrature.
const NODES: usize = 100;

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
    /// Standard error in nats at which fewer samples are enough; not for annealed chains, which run together.
    pub precision: Option<f64>,
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
    /// Loads what a network needs to answer by one of its methods: `batch` Monte Carlo samples are taken at once, and searches
    /// that have fewer points run on Programs of the sizes `few`, which rise: on a CPU rows that nobody needs cost time, on a
    /// GPU the shaders of another size do. `terms` asks for the surprise of each pixel where the method has it. `calibration` is that of the weights that are loaded.
    pub async fn load(
        network: &Network,
        method: Method,
        calibration: Option<&Calibration>,
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
    ) -> Result<Query<R>, R::Error> {
        Ok(match network {
            Network::Gan(c) if method == Method::Ratio => match calibration {
                Some(calibration) => Query::Ratio {
                    discriminator: host.load(&gan::discriminator(c, 1)).await?,
                    calibration: calibration.clone(),
                    none: network.no_labels(),
                },
                None => Query::Undefined(
                    "the discriminator of these weights was not compared with the data (`pofx calibrate`), so its logit \
                     is no ratio of densities",
                ),
            },
            Network::Vae(c) if method != Method::Own => Query::Latent {
                method,
                vae: Some((c.clone(), host.load(&vae::encoder(c, 1)).await?)),
                decoder: Decoder::vae(c, host, batch, few).await?,
            },
            Network::Gan(c) if method != Method::Own => {
                Query::Latent { method, vae: None, decoder: Decoder::gan(c, host, batch, few).await? }
            }
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
            Network::Diffusion(c) if method == Method::Flow => {
                Query::Flow { denoiser: host.load(&diffusion::denoiser(&c.unet, batch)).await? }
            }
            Network::Diffusion(c) => {
                let decoder = diffusion::decoder::Decoder::new(&c.levels);
                Query::Diffusion { denoiser: host.load(&diffusion::denoiser(&c.unet, batch)).await?, decoder }
            }
            Network::Classifier(_) => Query::Undefined("a classifier says p(label | x), not p(x)"),
        })
    }

    /// The answer. `progress` is awaited now and then, and can stop the query.
    pub async fn log_prob(
        &mut self,
        question: &Question<'_>,
        progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Estimate, Error<R::Error>> {
        let &Question { levels, labels, k, runs, precision, seed, index } = question;
        let effort = Effort { k, runs, precision };
        match self {
            Query::Vae { network, encoder, weigher } => {
                let x = network.observe(levels, seed, index);
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                iwae::log_prob(encoder, weigher, &x, labels, effort, noise, progress).await
            }
            Query::Transformer { network, scorer } => exact::log_prob(scorer, network, levels, labels).await,
            Query::Diffusion { denoiser, decoder } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                vlb::log_prob(denoiser, decoder, levels, labels, effort, noise, progress).await
            }
            Query::Flow { denoiser } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                flow::log_prob(denoiser, levels, labels, effort, flow::Plan::default(), noise, progress).await
            }
            Query::Latent { method, vae, decoder } => {
                let noise = Rng::new(seed, stream::ESTIMATE).skip(index << 32);
                integrate(*method, vae.as_mut(), decoder, question, noise, progress).await
            }
            Query::Ratio { discriminator, calibration, none } => {
                ratio::log_ratio(discriminator, calibration, levels, none).await
            }
            Query::Undefined(why) => Ok(undefined(why)),
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

/// p(y | x) of each value y of a label from log p(x | y), by Bayes' rule with all values alike before; NaN where no
/// value makes the picture possible.
pub fn posterior(log_p: &[f64]) -> Vec<f64> {
    let all = log_sum_exp(log_p);
    log_p.iter().map(|p| (p - all).exp()).collect()
}

/// The integral over the latents of a picture.
async fn integrate<R: Run>(
    method: Method,
    vae: Option<&mut (vae::Config, R)>,
    decoder: &mut Decoder<R>,
    question: &Question<'_>,
    noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<R::Error>> {
    let &Question { levels, labels, k, runs, precision, seed, index } = question;
    let effort = Effort { k, runs, precision };
    let Some((network, encoder)) = vae else {
        return searched(method, decoder, question, noise, progress).await;
    };
    let x = network.observe(levels, seed, index);
    decoder.observe(&x, labels)?;
    if method == Method::Quadrature {
        return quadrature::log_prob(decoder, NODES).await;
    }
    let [of_look, of_estimate] = [1, 2].map(|part| part_of(&noise, part));
    let q = latent::encoded(encoder, &x, labels).await?;
    let first = look(decoder, Proposal::single("encoder", q.clone()), effort, of_look).await?;
    let mean = q.mean().to_vec();
    let proposal = laplace::propose(decoder, &mean, Cover::encoder(q), async || progress(first).await).await?;
    value(method, decoder, &proposal, effort, of_estimate, progress).await
}

/// A stream of its own of the noise of a question.
fn part_of(noise: &Rng, part: u64) -> Rng {
    noise.clone().skip(part << 30)
}

/// The integral from a proposal.
async fn value<R: Run>(
    method: Method,
    decoder: &mut Decoder<R>,
    proposal: &Proposal,
    effort: Effort,
    noise: Rng,
    progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<R::Error>> {
    if method == Method::Ais {
        return ais::log_prob(decoder, proposal, ais::Plan::of(effort), noise, progress).await;
    }
    laplace::importance(decoder, proposal, effort, noise, progress).await
}

/// The integral over the latents of a GAN, whose posterior has many modes, far apart: another search finds another one. So each
/// run searches for itself, and their spread is the error; one run alone states none.
async fn searched<R: Run>(
    method: Method,
    decoder: &mut Decoder<R>,
    question: &Question<'_>,
    noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<R::Error>> {
    let &Question { levels, labels, k, runs, precision, .. } = question;
    let effort = Effort { k, runs: 1, precision };
    let fit_steps = FIT_STEPS[usize::from(k > method.samples(false))];
    let mut answers: Vec<Estimate> = Vec::new();
    for run in 0..runs {
        let noise = noise.clone().skip((run as u64) << 52);
        let [of_levels, of_starts, of_estimate, of_fit] = [0, 1, 2, 3].map(|part| part_of(&noise, part));
        let before: Vec<f64> = answers.iter().map(|e| e.nats).collect();
        let mut tell = async |so_far: Progress| {
            let (nats, std_error) = match before[..] {
                [] => (so_far.nats, if runs == 1 { so_far.std_error } else { f64::INFINITY }),
                _ => mean_and_stated_error(&before),
            };
            let done = run * so_far.total + so_far.done;
            progress(Progress { done, total: runs * so_far.total, nats, std_error }).await
        };
        decoder.observe(&models::latent::dequantise(levels, of_levels), labels)?;
        let prior = Proposal::single("prior", Normal::standard(decoder.latents()));
        let first = look(decoder, prior, effort, of_starts.clone()).await?;
        let starts = laplace::best_of_prior(decoder, DRAWS, STARTS, of_starts).await?;
        let proposal = variational::propose(decoder, &starts, fit_steps, of_fit, async || tell(first).await).await?;
        answers.push(value(method, decoder, &proposal, effort, of_estimate, tell).await?);
    }
    Ok(of_searches(decoder, answers))
}

/// One answer from those of one or more searches.
fn of_searches<M: Latent>(model: &M, answers: Vec<Estimate>) -> Estimate {
    let nats: Vec<f64> = answers.iter().map(|e| e.nats).collect();
    let n_evals = answers.iter().map(|e| e.n_evals).sum();
    let (n, Some(one)) = (answers.len(), answers.into_iter().next()) else { return undefined("nothing was asked") };
    if n == 1 {
        let mut one = Estimate { std_error: None, ..one };
        one.assumptions
            .insert(1, "One search for latents: another may end many nats away, so no error is told.".into());
        return one;
    }
    let (nats, std_error) = mean_and_stated_error(&nats);
    let mean = runs::mean_of(n, ", each with a search for latents of its own", "above");
    let bound = format!("A lower bound in expectation: {mean}");
    Estimate {
        nats,
        std_error: Some(std_error).filter(|error| error.is_finite()),
        bits_per_dim: -nats / (model.dims() as f64 * LN_2),
        n_evals,
        assumptions: std::iter::once(bound).chain(model.assumptions()).collect(),
        ..one
    }
}

/// A first value, of few importance samples.
async fn look<R: Run>(
    decoder: &mut Decoder<R>,
    proposal: Proposal,
    Effort { k, runs, .. }: Effort,
    noise: Rng,
) -> Result<Progress, Error<R::Error>> {
    let Estimate { nats, .. } =
        laplace::importance(decoder, &proposal, LOOK, noise, async |_| ControlFlow::Continue(())).await?;
    Ok(Progress { done: 0, total: k * runs, nats, std_error: f64::INFINITY })
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
        place: Place::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bayes_rule_neither_underflows_nor_hides_the_impossible() {
        let shares = posterior(&[-1000.0, -1000.0 + 3f64.ln(), f64::NEG_INFINITY]);
        assert!((shares[0] - 0.25).abs() < 1e-12 && (shares[1] - 0.75).abs() < 1e-12 && shares[2] == 0.0);
        assert!(posterior(&[f64::NEG_INFINITY; 2]).iter().all(|p| p.is_nan()));
    }
}
