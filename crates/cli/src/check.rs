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
use likelihood::{Estimate, Kind, footing, mean_and_error};
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
}

/// What `pofx check --json` prints.
#[derive(Default, Serialize)]
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
    bits_per_dim: f64,
    bits_per_dim_std_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<Difference>,
}

/// Mean of paired differences, with the standard error over images.
#[derive(Serialize)]
struct Difference {
    nats: f64,
    std_error: f64,
    /// Not negative, within three standard errors; none where it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
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
    /// Of all images: [`LONGER`] + 1 for each.
    answers: usize,
    /// Answers that state an error; the others are bounds and no more.
    with_error: usize,
    /// Of these, with the standard error over images.
    share: f64,
    std_error: f64,
    /// Share of answers where the longer run is above the interval, and below it.
    above: f64,
    below: f64,
    /// Root mean square of the answers' differences to the longer run, and of their stated errors.
    spread: f64,
    stated: f64,
}

/// Whose intervals, of how many of the first test images, and whether by the precise budget.
pub(crate) struct Covered {
    pub(crate) methods: Vec<Method>,
    pub(crate) images: usize,
    pub(crate) precise: bool,
}

impl Report {
    /// Whether every order and every fall holds.
    pub(crate) fn holds(&self) -> bool {
        let gains = self.order.iter().filter_map(|rung| rung.gain.as_ref());
        gains
            .chain(self.corruption.iter().filter_map(|step| step.fall.as_ref()))
            .all(|difference| difference.holds != Some(false))
    }
}

/// Measures a shipped model on the first test images, none with a label.
pub(crate) fn check(model: &Model, sizes: &Sizes, covered: &Covered) -> Result<Report> {
    let start = std::time::Instant::now();
    let network = &model.recipe.network;
    if let Network::Classifier(_) = network {
        bail!("{} is a judge of samples: it has no p(x)", model.recipe.id);
    }
    for method in &covered.methods {
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
            .methods
            .iter()
            .filter(|_| covered.images > 0)
            .map(|&method| coverage(model, &test, covered, method))
            .collect::<Result<_>>()?,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Answers about some of the images by one estimator.
fn answers(model: &Model, images: &Images, some: Range<usize>, method: Method, k: usize) -> Result<Vec<Estimate>> {
    let which: Vec<_> = (some.start..some.end.min(images.len())).map(|i| (i, data::TEST_SEED)).collect();
    asked(model, images, &which, method, (k, 1))
}

/// Answers by one estimator about images by their numbers, each with a seed.
fn asked(
    model: &Model,
    images: &Images,
    which: &[(usize, u64)],
    method: Method,
    (k, runs): (usize, usize),
) -> Result<Vec<Estimate>> {
    let none = model.recipe.network.no_labels();
    let load = || Query::load(model, method, &Engine::cpu(), k, false);
    let estimates = on_all_cores("asking", which.len(), load, |query, i| {
        let (i, seed) = which[i];
        let index = i as u64;
        query.ask(&Question { levels: images.image(i), labels: &none, k, runs, precision: None, seed, index })
    })?;
    if let Some(Estimate { kind: Kind::Undefined(why), .. }) = estimates.first() {
        bail!("{} has no log p(x) by {}: {why}", model.recipe.id, method.name());
    }
    Ok(estimates)
}

/// Estimators from the loosest to the tightest, a VAE's bounds to the integral where it can be had; and the bound of a diffusion
/// model with its probability flow, another model by the same network, so that neither has to be above the other.
fn order(model: &Model, test: &Images, some: Range<usize>) -> Result<Vec<Rung>> {
    let ask = |method: Method, k: usize| answers(model, test, some.clone(), method, k);
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
    let neither = matches!(model.recipe.network, Network::Diffusion(_));
    Ok(ranked(&rungs, test.len_of_one(), neither))
}

/// Names and values of estimators of the same images of `d` values, and how far each is above the one before it; whether that
/// holds is not asked where `neither` has to be above the other.
fn ranked(rungs: &[(String, Vec<f64>)], d: usize, neither: bool) -> Vec<Rung> {
    let mut before: Option<&[f64]> = None;
    let rung = |(estimator, of): &(String, Vec<f64>)| {
        let (nats, std_error) = mean_and_error(of);
        Rung {
            estimator: estimator.clone(),
            nats,
            std_error,
            bits_per_dim: footing::bits_per_dim(nats, d),
            bits_per_dim_std_error: footing::bits_per_dim(-std_error, d),
            gain: None,
        }
    };
    rungs
        .iter()
        .map(|named| {
            let mut gain = before.replace(&named.1).map(|looser| difference(looser, &named.1));
            if let Some(gain) = gain.as_mut().filter(|_| neither) {
                gain.holds = None;
            }
            Rung { gain, ..rung(named) }
        })
        .collect()
}

/// Mean of b - a.
fn difference(a: &[f64], b: &[f64]) -> Difference {
    let (nats, std_error) = mean_and_error(&a.iter().zip(b).map(|(a, b)| b - a).collect::<Vec<_>>());
    Difference { nats, std_error, holds: Some(nats >= -ALLOWED * std_error) }
}

/// The family's own estimator of pictures of which more and more is noise.
fn corruption(model: &Model, test: &Images, n: usize) -> Result<Vec<Corrupted>> {
    let method = if let Network::Gan(_) = model.recipe.network { Method::Laplace } else { Method::Own };
    let mut before: Option<Vec<f64>> = None;
    let step = |share: f64| {
        let images = noisy(test, n, share);
        let estimates = answers(model, &images, 0..n, method, method.samples(false))?;
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

/// Intervals against what a run of [`LONGER`] times the length says. Each image is asked about [`LONGER`] + 1 times with noise
/// of its own, and each answer is held against the mean of all the others: that is the longer run, and independent of it.
fn coverage(model: &Model, test: &Images, covered: &Covered, method: Method) -> Result<Coverage> {
    let budget = (method.samples(covered.precise), method.runs(&model.recipe.network, covered.precise));
    let test = observed(model, test, covered.images);
    let seeds = (0..=LONGER as u64).map(|s| data::TEST_SEED + s);
    let which: Vec<_> = (0..test.len()).flat_map(|i| seeds.clone().map(move |seed| (i, seed))).collect();
    let answers = asked(model, &test, &which, method, budget)?;
    let estimator = answers.first().map(|e| e.estimator.clone()).unwrap_or_default();
    let answers: Vec<_> = answers.iter().map(|answer| (answer.nats, answer.std_error)).collect();
    Ok(Coverage::of(estimator, &answers, LONGER + 1))
}

impl Coverage {
    /// Of values and stated errors, `each` in a row of every image.
    fn of(estimator: String, answers: &[(f64, Option<f64>)], each: usize) -> Coverage {
        let images = answers.len() / each;
        // An answer without an error is a bound and no interval, yet it is part of the longer run.
        let pairs: Vec<Vec<(f64, f64)>> = answers.chunks(each).map(gains).collect();
        let all = || pairs.iter().flatten();
        let shares = |of: &dyn Fn(&(f64, f64)) -> bool| {
            let share =
                |image: &Vec<(f64, f64)>| image.iter().filter(|pair| of(pair)).count() as f64 / image.len() as f64;
            mean_and_error(&pairs.iter().filter(|image| !image.is_empty()).map(share).collect::<Vec<_>>())
        };
        let root_mean_square = |of: &dyn Fn(&(f64, f64)) -> f64| {
            mean_and_error(&all().map(|pair| of(pair).powi(2)).collect::<Vec<_>>()).0.sqrt()
        };
        let (share, std_error) = shares(&|(gain, error)| gain.abs() <= HALF * error);
        Coverage {
            estimator,
            images,
            answers: answers.len(),
            with_error: all().count(),
            share,
            std_error,
            above: shares(&|(gain, error)| *gain > HALF * error).0,
            below: shares(&|(gain, error)| *gain < -HALF * error).0,
            spread: root_mean_square(&|(gain, _)| *gain),
            stated: root_mean_square(&|(_, error)| *error),
        }
    }
}

/// The mean of all other answers about an image less each that states an error, and that error.
fn gains(image: &[(f64, Option<f64>)]) -> Vec<(f64, f64)> {
    let sum: f64 = image.iter().map(|(nats, _)| nats).sum();
    let others = (image.len() - 1) as f64;
    image.iter().filter_map(|&(nats, error)| Some(((sum - nats) / others - nats, error?))).collect()
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
mod shipped;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_holds_within_three_standard_errors() {
        assert_eq!(difference(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]).holds, Some(true));
        assert_eq!(difference(&[1.0, 2.0, 3.0], &[0.0, 1.1, 1.9]).holds, Some(false));
        // -0.1 with a standard error of 0.06.
        assert_eq!(difference(&[0.0; 4], &[-0.2, 0.0, 0.0, -0.2]).holds, Some(true));
    }

    #[test]
    fn numbers_of_different_models_have_a_difference_and_no_order() {
        let rungs = [("bound".to_string(), vec![-1.0, -2.0, -3.0]), ("flow".to_string(), vec![-3.0, -4.1, -4.9])];
        let [of_one, of_two] = [false, true].map(|neither| ranked(&rungs, 2, neither));
        let gains = [&of_one, &of_two].map(|of| of[1].gain.as_ref().unwrap());
        assert_eq!(gains.map(|gain| (gain.nats, gain.holds)), [(-2.0, Some(false)), (-2.0, None)]);
        assert!(of_one[0].gain.is_none() && (of_one[0].bits_per_dim - 1.0 / std::f64::consts::LN_2).abs() < 1e-12);
        let report = |order| Report { order, ..Report::default() };
        assert!(!report(of_one).holds() && report(of_two).holds());
    }

    #[test]
    fn intervals_of_the_right_width_hold_the_mean_of_the_others() {
        let mut normal = vec![0f32; 51 * 100];
        Rng::new(3, stream::DATA).fill_normal(&mut normal);
        let of = |stated: f64| {
            let answers: Vec<_> = normal.iter().map(|z| (f64::from(*z) - 80.0, Some(stated))).collect();
            Coverage::of("mean".into(), &answers, 51)
        };
        let (right, narrow) = (of(1.0), of(0.5));
        assert_eq!((right.images, right.with_error), (100, 5100));
        assert!((0.93..0.97).contains(&right.share), "{}", right.share);
        assert!((0.64..0.70).contains(&narrow.share), "{}", narrow.share);
        assert!((narrow.share + narrow.above + narrow.below - 1.0).abs() < 1e-9);
        assert!((right.spread / right.stated - 1.0).abs() < 0.05);
        // Without an error there is nothing to hold, but the value counts for the others.
        let pairs = gains(&[(0.0, Some(1.0)), (3.0, None)]);
        assert_eq!(pairs, [(3.0, 1.0)]);
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
