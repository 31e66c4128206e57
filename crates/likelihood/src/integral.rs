//! The integral over the latents of a VAE or, of its pictures with noise, of a GAN, as a question asks for it: which proposal is
//! looked for, from where, and how often.

use crate::effort::enough_runs;
use crate::iwae::{Error, Progress};
use crate::laplace::Cover;
use crate::latent::{self, Decoder, Latent, Normal, Proposal};
use crate::query::{Method, Question, undefined};
use crate::{Effort, Estimate, ais, laplace, mean_and_stated_error, quadrature, runs, variational};
use data::rng::Rng;
use graph::Run;
use models::vae;
use std::f64::consts::LN_2;
use std::ops::ControlFlow;

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

/// log p(x) of a picture by importance samples or annealed chains from the best proposal that is found, or by quadrature.
pub(crate) async fn log_prob<R: Run>(
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
        return quadrature::log_prob(decoder, NODES, progress).await;
    }
    let [of_look, of_estimate] = [1, 2].map(|part| part_of(&noise, part));
    let q = latent::encoded(encoder, &x, labels).await?;
    let first = look(decoder, Proposal::single("encoder", q.clone()), effort, of_look, &mut progress).await?;
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
    let effort = Effort { k, runs: 1, precision: None };
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
        let first = look(decoder, prior, effort, of_starts.clone(), &mut tell).await?;
        let mut watch = async || tell(first).await;
        let starts = laplace::best_of_prior(decoder, DRAWS, STARTS, of_starts, &mut watch).await?;
        let proposal = variational::propose(decoder, &starts, fit_steps, of_fit, watch).await?;
        answers.push(value(method, decoder, &proposal, effort, of_estimate, tell).await?);
        let nats: Vec<f64> = answers.iter().map(|e| e.nats).collect();
        if enough_runs(precision, nats.len(), mean_and_stated_error(&nats).1) {
            break;
        }
    }
    Ok(of_searches(decoder, answers))
}

/// One answer from those of one or more searches.
fn of_searches<M: Latent>(model: &M, answers: Vec<Estimate>) -> Estimate {
    let nats: Vec<f64> = answers.iter().map(|e| e.nats).collect();
    let n_evals = answers.iter().map(|e| e.n_evals).sum();
    let best = answers.iter().max_by(|a, b| a.nats.total_cmp(&b.nats));
    let terms = best.map(|e| e.terms.clone()).unwrap_or_default();
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
        assumptions: std::iter::once(bound).chain(model.assumptions()).chain(latent::said_of(&terms)).collect(),
        terms,
        ..one
    }
}

/// A first value, of few importance samples.
async fn look<R: Run>(
    decoder: &mut Decoder<R>,
    proposal: Proposal,
    Effort { k, runs, .. }: Effort,
    noise: Rng,
    progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Progress, Error<R::Error>> {
    let at = |nats| Progress { done: 0, total: k * runs, nats, std_error: f64::INFINITY };
    let watch = async |so_far: Progress| progress(at(so_far.nats)).await;
    let Estimate { nats, .. } = laplace::importance(decoder, &proposal, LOOK, noise, watch).await?;
    Ok(at(nats))
}
