//! `pofx check`: what must hold of the answers of a shipped model, measured on test images: the order of its estimators, the
//! fall of log p(x) as pictures are corrupted, and whether stated intervals contain what a far longer run says.

use crate::datasets::{self, Split};
use crate::eval::on_all_cores;
use crate::logprob::Query;
use crate::model::Model;
use anyhow::{Result, bail};
use data::images::Images;
use data::rng::{Rng, stream};
use engine::Engine;
use likelihood::query::{Method, Question};
use likelihood::{Estimate, Kind, mean_and_error};
use models::Network;
use models::vae::Likelihood;
use serde::Serialize;
use std::ops::Range;

/// Importance samples of the tighter of two bounds.
const TIGHT: usize = 1024;
/// Temperatures of annealed importance sampling.
const TEMPERATURES: usize = 100;
/// Shares of values that become uniform noise.
const CORRUPTED: [f64; 6] = [0.0, 0.05, 0.1, 0.2, 0.4, 0.8];
/// How many times as long the run is that an interval should contain.
const LONGER: usize = 50;
/// Half of a 95 % interval in standard errors.
const HALF: f64 = 1.96;
/// Standard errors that a difference may be on the wrong side.
const ALLOWED: f64 = 3.0;

/// How many test images each part is measured on; 0: it is left out.
pub(crate) struct Sizes {
    /// The first one of the order: a long run can be made in parts.
    pub(crate) first: usize,
    pub(crate) order: usize,
    pub(crate) corruption: usize,
    pub(crate) coverage: usize,
}

/// What `pofx check --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    first_image: usize,
    order_images: usize,
    /// From the loosest to the tightest.
    order: Vec<Rung>,
    corruption_images: usize,
    corruption: Vec<Corrupted>,
    coverage: Vec<Coverage>,
    seconds: f64,
}

/// One estimator, and how far it is above the one before it, image by image.
#[derive(Serialize)]
struct Rung {
    estimator: String,
    nats: f64,
    std_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<Difference>,
}

/// Mean of paired differences, with the standard error over images.
#[derive(Serialize)]
struct Difference {
    nats: f64,
    std_error: f64,
    /// Not negative, within three standard errors.
    holds: bool,
}

/// Pictures of which this share of the values is noise.
#[derive(Serialize)]
struct Corrupted {
    share: f64,
    nats: f64,
    std_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fall: Option<Difference>,
}

/// How often a stated interval contains what a run of [`LONGER`] times the length says.
#[derive(Serialize)]
struct Coverage {
    estimator: String,
    images: usize,
    /// Images whose answer states an error; the others are bounds and no more.
    with_error: usize,
    /// Of these.
    share: f64,
    std_error: f64,
    /// Share of images where the longer run is above the interval, and below it.
    above: f64,
    below: f64,
    /// Mean of the longer run's value less that of the short one.
    gain: f64,
    /// Mean of the stated standard error.
    stated: f64,
}

impl Report {
    /// Whether every order and every fall holds.
    pub(crate) fn holds(&self) -> bool {
        let gains = self.order.iter().filter_map(|rung| rung.gain.as_ref());
        gains.chain(self.corruption.iter().filter_map(|step| step.fall.as_ref())).all(|difference| difference.holds)
    }
}

/// Measures a shipped model on the first test images, none with a label.
pub(crate) fn check(model: &Model, sizes: &Sizes, covered: &[Method]) -> Result<Report> {
    let start = std::time::Instant::now();
    let network = &model.recipe.network;
    if let Network::Classifier(_) = network {
        bail!("{} is a judge of samples: it has no p(x)", model.recipe.id);
    }
    for method in covered {
        if let Err(known) = method.answers(network) {
            bail!("{} can't be asked by the estimator {}, only by: {known}", model.recipe.id, method.name());
        }
    }
    let set = datasets::set(&model.recipe.data)?;
    let test = set.load(Split::Test)?;
    Ok(Report {
        model: model.recipe.id.clone(),
        data: format!("test set of {}", set.name),
        first_image: sizes.first,
        order_images: sizes.order,
        order: if sizes.order > 0 { order(model, &test, sizes.first..sizes.first + sizes.order)? } else { Vec::new() },
        corruption_images: sizes.corruption,
        corruption: if sizes.corruption > 0 { corruption(model, &test, sizes.corruption)? } else { Vec::new() },
        coverage: covered
            .iter()
            .filter(|_| sizes.coverage > 0)
            .map(|&method| coverage(model, &test, sizes.coverage, method))
            .collect::<Result<_>>()?,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Answers about some of the images by one estimator.
fn answers(
    model: &Model,
    images: &Images,
    some: Range<usize>,
    method: Method,
    (k, runs): (usize, usize),
    seed: u64,
) -> Result<Vec<Estimate>> {
    let none = model.recipe.network.no_labels();
    let load = || Query::load(model, method, &Engine::cpu(), k, false);
    let some = some.start.min(images.len())..some.end.min(images.len());
    let estimates = on_all_cores("asking", some.len(), load, |query, i| {
        let i = some.start + i;
        let index = i as u64;
        query.ask(&Question { levels: images.image(i), labels: &none, k, runs, precision: None, seed, index })
    })?;
    if let Some(Estimate { kind: Kind::Undefined(why), .. }) = estimates.first() {
        bail!("{} has no log p(x) by {}: {why}", model.recipe.id, method.name());
    }
    Ok(estimates)
}

/// Estimators from the loosest to the tightest: a VAE's bounds to the integral where it can be had, the bound of a diffusion
/// model to its probability flow.
fn order(model: &Model, test: &Images, some: Range<usize>) -> Result<Vec<Rung>> {
    let ask = |method: Method, k: usize| answers(model, test, some.clone(), method, (k, 1), data::TEST_SEED);
    let mut rungs: Vec<(String, Vec<f64>)> = Vec::new();
    let mut add = |estimates: Vec<Estimate>| {
        let name = estimates.first().map(|e| e.estimator.clone()).unwrap_or_default();
        rungs.push((name, estimates.iter().map(|e| e.nats).collect()));
    };
    match &model.recipe.network {
        Network::Vae(c) => {
            let fast = ask(Method::Own, Method::Own.samples(false))?;
            let elbos = fast.iter().filter_map(|e| Some(Estimate { nats: e.parts?.elbo, ..e.clone() }));
            add(elbos.map(|e| Estimate { estimator: "ELBO".into(), ..e }).collect());
            add(fast);
            add(ask(Method::Own, TIGHT)?);
            add(ask(Method::Ais, TEMPERATURES)?);
            if c.latents == 2 {
                add(ask(Method::Quadrature, Method::Quadrature.samples(false))?);
            }
        }
        Network::Gan(_) => {
            add(ask(Method::Laplace, Method::Laplace.samples(false))?);
            add(ask(Method::Ais, TEMPERATURES)?);
        }
        Network::Diffusion(_) => {
            add(ask(Method::Own, Method::Own.samples(false))?);
            add(ask(Method::Flow, Method::Flow.samples(false))?);
        }
        Network::Transformer(_) | Network::Classifier(_) => {}
    }
    let mut before: Option<&[f64]> = None;
    Ok(rungs
        .iter()
        .map(|(estimator, of)| {
            let (nats, std_error) = mean_and_error(of);
            let gain = before.replace(of).map(|looser| difference(looser, of));
            Rung { estimator: estimator.clone(), nats, std_error, gain }
        })
        .collect())
}

/// Mean of b - a.
fn difference(a: &[f64], b: &[f64]) -> Difference {
    let (nats, std_error) = mean_and_error(&a.iter().zip(b).map(|(a, b)| b - a).collect::<Vec<_>>());
    Difference { nats, std_error, holds: nats >= -ALLOWED * std_error }
}

/// The family's own estimator of pictures of which more and more is noise.
fn corruption(model: &Model, test: &Images, n: usize) -> Result<Vec<Corrupted>> {
    let method = if let Network::Gan(_) = model.recipe.network { Method::Laplace } else { Method::Own };
    let mut before: Option<Vec<f64>> = None;
    let step = |share: f64| {
        let images = noisy(test, n, share);
        let estimates = answers(model, &images, 0..n, method, (method.samples(false), 1), data::TEST_SEED)?;
        let of: Vec<f64> = estimates.iter().map(|e| e.nats).collect();
        let (nats, std_error) = mean_and_error(&of);
        let fall = before.as_ref().map(|cleaner| difference(&of, cleaner));
        before = Some(of);
        Ok(Corrupted { share, nats, std_error, fall })
    };
    CORRUPTED.into_iter().map(step).collect()
}

/// The first `n` images with a share of their values replaced by uniform noise; what a smaller share replaces, a larger one
/// replaces by the same.
fn noisy(images: &Images, n: usize, share: f64) -> Images {
    let mut pixels = images.pixels[..n * images.len_of_one()].to_vec();
    let mut u = vec![0f32; 2 * pixels.len()];
    Rng::new(data::TEST_SEED, stream::DATA).fill_uniform(&mut u);
    for (level, u) in pixels.iter_mut().zip(u.chunks(2)) {
        if f64::from(u[0]) < share {
            *level = (u[1] * 256.0) as u8;
        }
    }
    Images { pixels, attributes: Vec::new(), ..*images }
}

/// Intervals at the page's fast budget against answers of [`LONGER`] times its length with noise of their own: of as many times
/// the runs where runs are averaged, which tell the same bound, and of as many times the samples otherwise.
fn coverage(model: &Model, test: &Images, n: usize, method: Method) -> Result<Coverage> {
    let (k, runs) = (method.samples(false), method.runs(&model.recipe.network, false));
    let test = observed(model, test, n);
    let longer = if runs > 1 { (k, LONGER * runs) } else { (LONGER * k, runs) };
    let short = answers(model, &test, 0..n, method, (k, runs), data::TEST_SEED)?;
    let long = answers(model, &test, 0..n, method, longer, data::TEST_SEED + 1)?;
    // An answer without an error is a bound and no interval.
    let pair = |(short, long): (&Estimate, &Estimate)| Some((long.nats - short.nats, short.std_error?));
    let pairs = || short.iter().zip(&long).filter_map(pair);
    let share = |of: &dyn Fn((f64, f64)) -> bool| {
        mean_and_error(&pairs().map(|pair| f64::from(u8::from(of(pair)))).collect::<Vec<_>>())
    };
    let (inside, std_error) = share(&|(gain, error)| gain.abs() <= HALF * error);
    Ok(Coverage {
        estimator: short.first().map(|e| e.estimator.clone()).unwrap_or_default(),
        images: short.len(),
        with_error: pairs().count(),
        share: inside,
        std_error,
        above: share(&|(gain, error)| gain > HALF * error).0,
        below: share(&|(gain, error)| gain < -HALF * error).0,
        gain: mean_and_error(&pairs().map(|(gain, _)| gain).collect::<Vec<_>>()).0,
        stated: mean_and_error(&pairs().map(|(_, error)| error).collect::<Vec<_>>()).0,
    })
}

/// The first `n` images as they are scored: those of a model of black and white are drawn once, and not by each seed anew.
fn observed(model: &Model, images: &Images, n: usize) -> Images {
    let draw = |i: usize| match &model.recipe.network {
        Network::Vae(c) if c.likelihood == Likelihood::Bernoulli => {
            let x = c.observe(images.image(i), data::TEST_SEED, i as u64);
            x.into_iter().map(|v| (255.0 * v) as u8).collect()
        }
        _ => images.image(i).to_vec(),
    };
    let pixels = (0..n.min(images.len())).flat_map(draw).collect();
    Images { pixels, attributes: Vec::new(), ..*images }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_holds_within_three_standard_errors() {
        assert!(difference(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]).holds);
        assert!(!difference(&[1.0, 2.0, 3.0], &[0.0, 1.1, 1.9]).holds);
        // -0.1 with a standard error of 0.06.
        assert!(difference(&[0.0; 4], &[-0.2, 0.0, 0.0, -0.2]).holds);
    }

    #[test]
    fn a_larger_share_of_noise_keeps_that_of_a_smaller_one() {
        let images = Images { channels: 1, size: 28, pixels: vec![7; 2 * 784], attributes: Vec::new() };
        assert_eq!(noisy(&images, 1, 0.0).pixels, vec![7; 784]);
        let (few, many) = (noisy(&images, 1, 0.1), noisy(&images, 1, 0.4));
        let changed = |of: &Images| of.pixels.iter().filter(|&&level| level != 7).count();
        assert!((40..120).contains(&changed(&few)) && (260..370).contains(&changed(&many)));
        assert!(few.pixels.iter().zip(&many.pixels).all(|(a, b)| *a == 7 || a == b));
    }
}
