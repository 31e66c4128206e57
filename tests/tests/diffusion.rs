//! Diffusion: samplers at a model that is known, independent normal pixels x ~ N(m, s^2), whose velocity and whose whole way
//! from noise to picture are in closed form.

use conformance::close::{Tolerance, assert_close, widen};
use conformance::reference::evaluate;
use data::rng::{Rng, stream};
use engine::{Engine, Error, Loaded};
use graph::{Graph, Load, Program};
use likelihood::vlb;
use models::control::Value;
use models::diffusion::decoder::Decoder;
use models::diffusion::{Config, Sampler};
use models::nn;
use models::sample::{self, Draw, Frame};
use models::{Family, Settings, unet};
use pollster::block_on;
use std::collections::BTreeMap;
use std::f32::consts::FRAC_PI_2;
use std::ops::ControlFlow;

/// s.
const DEVIATION: f64 = 0.25;
/// Side of the pictures, and their pixels.
const S: usize = 8;
const PIXELS: usize = S * S;

/// m of label 0, of label 1 and of none.
const MEANS: [f64; 3] = [-0.3, 0.3, 0.0];
const NONE: f32 = 2.0;

fn config() -> Config {
    let unet = unet::Config { image_channels: 1, size: S, classes: vec![2], ..unet::Config::default() };
    Config { drop: 0.1, guidance: 2.0, levels: Vec::new(), unet }
}

/// In the place of a network that is asked for, the known model.
struct Normal;

impl Load for Normal {
    type Run = Loaded;

    async fn load(&self, asked: &Program) -> Result<Loaded, Error> {
        let b = asked.shape_of("time").unwrap()[0];
        let g = Graph::new();
        let z = g.input("z", &[b, 1, S, S]);
        let class = g.input("class", &[b, 1]).reshape(&[b, 1, 1, 1]);
        let mean = class.lt(g.scalar(1.5)).select((class - 0.5) * 0.6, g.scalar(0.0));
        let angle = g.input("time", &[b]).reshape(&[b, 1, 1, 1]) * FRAC_PI_2;
        let (alpha, sigma, s2) = (angle.cos(), angle.sin(), (DEVIATION * DEVIATION) as f32);
        let centred = z - alpha * mean;
        // alpha E[eps | z] - sigma E[x | z]
        let v = alpha * sigma * (1.0 - s2) / (alpha.square() * s2 + sigma.square()) * centred - sigma * mean;
        Engine::cpu().load(&Program::new(&[("prediction", v)], &[])).await
    }
}

fn settings(given: &[(&str, Value)]) -> Settings {
    let given: BTreeMap<String, Value> = given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    Settings::new(&config().controls(), [1, S, S], given).unwrap()
}

/// The settings of a sampler without clipping, and others.
fn by(sampler: &str, steps: usize, others: &[(&str, Value)]) -> Settings {
    let mut all = vec![
        ("sampler", Value::Text(sampler.into())),
        ("steps", Value::Number(steps as f64)),
        ("clip", Value::Switch(false)),
        ("guidance", Value::Number(1.0)),
    ];
    all.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
    all.extend(others.iter().cloned());
    settings(&all)
}

async fn go_on(_: Frame<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Pictures `first..first + count` of `n` with that label, drawn in batches of `count`, in \[-1, 1\].
fn drawn(settings: &Settings, label: f32, [first, count, n]: [usize; 3], seed: u64) -> Vec<f64> {
    let draw = Draw { seed, first, count, n, labels: &vec![label; count], settings };
    let pictures = block_on(Sampler::new(&config(), count).draw(&Normal, &draw, &mut go_on)).unwrap();
    assert_eq!(pictures.len(), count * PIXELS);
    widen(&pictures).iter().map(|v| 2.0 * v - 1.0).collect()
}

/// The noise that picture `i` of a seed starts from.
fn noise(seed: u64, i: usize) -> Vec<f64> {
    let mut z = vec![0f32; PIXELS];
    Rng::new(seed, stream::SAMPLE).skip((i as u64) << 32).fill_normal(&mut z);
    widen(&z)
}

/// The ODE keeps the standardised z: noise u leads to m + s u.
fn exact(noise: &[f64], mean: f64) -> Vec<f64> {
    noise.iter().map(|u| mean + DEVIATION * u).collect()
}

fn largest_error(got: &[f64], expected: &[f64]) -> f64 {
    got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn grey(seed: u64) -> Vec<f32> {
    let mut levels = vec![0f32; PIXELS];
    Rng::new(seed, 0).fill_uniform(&mut levels);
    levels.iter().map(|u| (u * 255.0).round() / 255.0).collect()
}

#[test]
fn patches_become_channels_and_pixels_again() {
    let g = Graph::new();
    let x = g.input("x", &[2, 3, 4, 6]);
    let patches = nn::pixel_unshuffle(x, 2);
    assert_eq!(patches.shape(), [2, 12, 2, 3]);
    let program = Program::new(&[("patches", patches), ("again", nn::pixel_shuffle(patches, 2))], &[]);
    let values: Vec<f64> = (0..144).map(f64::from).collect();
    let out = evaluate(&program, &[("x", &values)]);
    assert_eq!(out[1], values);
    // The first patch of the first plane, as the first pixel of four channels.
    assert_eq!([0, 6, 12, 18].map(|i| out[0][i]), [0.0, 1.0, 6.0, 7.0]);
}

#[test]
fn deterministic_samplers_converge_at_their_order() {
    let expected = exact(&noise(3, 0), MEANS[1]);
    // The grid of times is not even in the log signal-to-noise ratio, in which DPM-Solver++ is of second order: it comes near
    // to that only with many steps, from errors that are small already.
    for (sampler, steps, orders) in
        [("euler", 40, 0.8..1.2), ("ddim", 40, 0.8..1.2), ("heun", 40, 1.8..2.2), ("dpm++2m", 160, 1.5..2.2)]
    {
        let error = |steps| largest_error(&drawn(&by(sampler, steps, &[]), 1.0, [0, 1, 1], 3), &expected);
        let (coarse, fine) = (error(steps), error(2 * steps));
        let gain = (coarse / fine).log2();
        println!("{sampler}: {coarse:.2e} with {steps} steps, {fine:.2e} with twice as many, order {gain:.2}");
        assert!(orders.contains(&gain), "{sampler}: {coarse} to {fine}");
    }
    let best = drawn(&by("euler", 1000, &[]), 1.0, [0, 1, 1], 3);
    let two = drawn(&by("dpm++2m", 80, &[]), 1.0, [0, 1, 1], 3);
    assert!(largest_error(&best, &two) < 0.01, "a second-order method of 80 steps is where 1000 steps of Euler are");
}

#[test]
fn stochastic_samplers_have_the_right_mean_and_variance() {
    let n = 32;
    let values = (n * PIXELS) as f64;
    let half = [("eta", Value::Number(0.5))];
    for settings in [by("ddpm", 100, &[]), by("ddim", 100, &half)] {
        for (label, mean) in [(0.0, MEANS[0]), (NONE, MEANS[2])] {
            let x = drawn(&settings, label, [0, n, n], 5);
            let found = x.iter().sum::<f64>() / values;
            let variance = x.iter().map(|v| (v - found).powi(2)).sum::<f64>() / values;
            // Five standard errors of 2048 values, and 2 % of the variance for 100 steps.
            assert!((found - mean).abs() < 5.0 * DEVIATION / values.sqrt(), "{found} for {mean}");
            let ratio = variance / (DEVIATION * DEVIATION);
            assert!((ratio - 1.0).abs() < 5.0 * (2.0 / values).sqrt() + 0.02, "variance {ratio} of what it should be");
        }
    }
}

/// Guidance w moves this model's mean from that of none to w times that of the label; 0 forgets the label.
#[test]
fn guidance_weighs_the_label() {
    for (w, mean) in [(0.0, 0.0), (1.0, 0.3), (2.0, 0.6)] {
        let x = drawn(&by("heun", 100, &[("guidance", Value::Number(w))]), 1.0, [0, 1, 1], 3);
        let expected: Vec<f64> = exact(&noise(3, 0), mean).iter().map(|x| x.clamp(-1.0, 1.0)).collect();
        assert_close("guided", &x, &expected, Tolerance::new(2e-3, 0.0));
    }
    // Without a label guidance has nothing to weigh.
    let x = drawn(&by("heun", 100, &[("guidance", Value::Number(5.0))]), NONE, [0, 1, 1], 3);
    assert_close("unlabelled", &x, &exact(&noise(3, 0), 0.0), Tolerance::new(2e-3, 0.0));
}

#[test]
fn every_sampler_takes_one_step_and_a_thousand() {
    for sampler in ["dpm++2m", "ddim", "ddpm", "euler", "heun"] {
        let one = drawn(&by(sampler, 1, &[]), 0.0, [0, 1, 1], 3);
        // From pure noise the best guess is the mean.
        assert!(one.iter().all(|v| (v - MEANS[0]).abs() < 1e-6), "{sampler}");
    }
    for sampler in ["ddpm", "dpm++2m"] {
        let many = drawn(&by(sampler, 1000, &[]), 0.0, [0, 1, 1], 3);
        assert!(many.iter().all(|v| (v - MEANS[0]).abs() < 5.0 * DEVIATION), "{sampler}");
    }
}

/// A picture keeps its bits whatever is drawn with it, also where noise is drawn at every step.
#[test]
fn a_picture_does_not_depend_on_its_batch() {
    let mask = Value::Array((0..PIXELS).map(|i| (i % 2) as f32).collect());
    let hole = [("image", Value::Array(grey(1))), ("mask", mask)];
    for settings in [by("ddpm", 5, &[]), by("dpm++2m", 5, &[]), by("ddpm", 3, &hole)] {
        let all = drawn(&settings, 1.0, [0, 5, 5], 9);
        assert_eq!(drawn(&settings, 1.0, [2, 2, 5], 9), all[2 * PIXELS..4 * PIXELS]);
        assert_ne!(all[..PIXELS], all[PIXELS..2 * PIXELS]);
    }
}

#[test]
fn filling_in_keeps_the_given_pixels_and_draws_the_others() {
    let (n, given) = (16, grey(1));
    let mask: Vec<f32> = (0..PIXELS).map(|i| f32::from(u8::from(i < PIXELS / 2))).collect();
    for (sampler, resample) in [("dpm++2m", 1.0), ("ddpm", 3.0)] {
        let hole = [
            ("image", Value::Array(given.clone())),
            ("mask", Value::Array(mask.clone())),
            ("resample", Value::Number(resample)),
        ];
        let x = drawn(&by(sampler, 50, &hole), 0.0, [0, n, n], 7);
        let mut filled = Vec::new();
        for picture in x.chunks(PIXELS) {
            let (kept, drawn) = picture.split_at(PIXELS / 2);
            let expected: Vec<f64> = given[..PIXELS / 2].iter().map(|v| 2.0 * f64::from(*v) - 1.0).collect();
            assert_close("kept", kept, &expected, Tolerance::new(2e-7, 0.0));
            filled.extend_from_slice(drawn);
        }
        let mean = filled.iter().sum::<f64>() / filled.len() as f64;
        assert!((mean - MEANS[0]).abs() < 5.0 * DEVIATION / (filled.len() as f64).sqrt(), "{mean}");
    }
}

#[test]
fn a_picture_is_changed_as_much_as_is_asked_for() {
    let start = grey(2);
    let change = |strength: f64| {
        let edit = [("image", Value::Array(start.clone())), ("strength", Value::Number(strength))];
        let x = drawn(&by("dpm++2m", 50, &edit), NONE, [0, 2, 2], 4);
        let expected: Vec<f64> = start.iter().map(|v| 2.0 * f64::from(*v) - 1.0).collect();
        largest_error(&x[..PIXELS], &expected)
    };
    assert!(change(0.0) < 2e-7, "strength 0 leaves a picture as it is");
    assert!(change(0.1) < change(0.5) && change(0.5) < change(1.0));
}

/// z = alpha x + sigma eps at the start of the way back has a standardised value that the ODE keeps; drawn from there, the
/// picture comes back but for that noise, of 0.0157.
#[test]
fn a_picture_is_found_again_in_its_noise() {
    let picture: Vec<f32> = exact(&noise(8, 0), MEANS[1]).iter().map(|v| (0.5 * (v + 1.0)) as f32).collect();
    let settings = by("heun", 100, &[]);
    let draw = Draw { seed: 6, first: 0, count: 1, n: 1, labels: &[1.0], settings: &settings };
    let z = block_on(Sampler::new(&config(), 1).encode(&Normal, &picture, &draw, &mut go_on)).unwrap();
    let (sigma, alpha) = (0.01 * f64::from(FRAC_PI_2)).sin_cos();
    let scale = ((alpha * DEVIATION).powi(2) + sigma * sigma).sqrt();
    let start = noise(8, 0).into_iter().zip(noise(6, 0)).map(|(u, eps)| (alpha * DEVIATION * u + sigma * eps) / scale);
    assert_close("encoded", &widen(&z), &start.collect::<Vec<_>>(), Tolerance::new(3e-3, 0.0));
    let again = drawn(&by("heun", 100, &[("latent", Value::Array(z))]), 1.0, [0, 1, 1], 6);
    let once: Vec<f64> = picture.iter().map(|v| 2.0 * f64::from(*v) - 1.0).collect();
    assert!(largest_error(&again, &once) < 5.0 * sigma);
}

#[test]
fn a_walk_starts_and_ends_at_the_pictures_of_its_seeds() {
    let walk = by("dpm++2m", 10, &[("to_seed", Value::Number(12.0))]);
    let pictures = drawn(&walk, 0.0, [0, 4, 4], 11);
    let plain = by("dpm++2m", 10, &[]);
    let close = Tolerance::new(1e-5, 0.0);
    assert_close("start", &pictures[..PIXELS], &drawn(&plain, 0.0, [0, 1, 1], 11), close);
    assert_close("end", &pictures[3 * PIXELS..], &drawn(&plain, 0.0, [0, 1, 1], 12), close);
    assert!(largest_error(&pictures[PIXELS..2 * PIXELS], &pictures[2 * PIXELS..3 * PIXELS]) > 0.01);
    let latents = [noise(11, 0), noise(12, 0)].map(|z| Value::Array(z.iter().map(|v| *v as f32).collect()));
    let [from, to] = latents;
    let same = by("dpm++2m", 10, &[("latent", from), ("to_latent", to)]);
    assert_eq!(drawn(&same, 0.0, [0, 4, 4], 99), pictures);
}

/// Every step shows z and the predicted picture, and a stop ends the work there.
#[test]
fn a_stop_is_heard_at_every_step() {
    let settings = by("dpm++2m", 10, &[]);
    let draw = Draw { seed: 1, first: 0, count: 2, n: 2, labels: &[0.0, 1.0], settings: &settings };
    let mut seen = Vec::new();
    let mut watch = async |frame: Frame<'_>| {
        assert_eq!(frame.images.len(), 2 * PIXELS);
        assert!(frame.images.iter().chain(frame.predicted.unwrap()).all(|v| (0.0..=1.0).contains(v)));
        seen.push((frame.step, frame.steps));
        if frame.step == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let end = block_on(Sampler::new(&config(), 2).draw(&Normal, &draw, &mut watch));
    assert!(matches!(end, Err(sample::Error::Stopped)));
    assert_eq!(seen, [(0, 10), (1, 10), (2, 10), (3, 10), (4, 10)]);
}

#[test]
fn controls_that_contradict_each_other_are_refused() {
    let refused = |given: &[(&str, Value)], part: &str| {
        let settings = settings(given);
        let draw = Draw { seed: 1, first: 0, count: 1, n: 1, labels: &[0.0], settings: &settings };
        let end = block_on(Sampler::new(&config(), 1).draw(&Normal, &draw, &mut go_on));
        let said = end.unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    };
    let picture = || Value::Array(grey(1));
    refused(&[("mask", picture())], "there is no 'image'");
    refused(&[("to_image", picture())], "walk that starts at 'image'");
    refused(&[("image", picture()), ("latent", picture())], "both say where to start");
    refused(&[("to_latent", picture()), ("to_seed", Value::Number(1.0))], "all end a walk");
    refused(&[("image", picture()), ("mask", picture()), ("to_seed", Value::Number(1.0))], "'mask' fills in");
}

/// log p of levels under the normal distribution, and the bound on it. All that is lost is that p(x | z_0) is not the
/// posterior of the model: with E[log p(x | z_0)] of the posterior, in closed form, the bound is the truth.
#[test]
fn the_bound_is_below_the_truth_and_near_it() {
    let levels: Vec<u8> =
        exact(&noise(5, 0), MEANS[1]).iter().map(|x| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8).collect();
    let log_density = |level: &u8| {
        let u = (f64::from(*level) / 127.5 - 1.0 - MEANS[1]) / DEVIATION;
        -0.5 * u * u - 0.5 * std::f64::consts::TAU.ln() - DEVIATION.ln() + (2.0f64 / 255.0).ln()
    };
    let truth: f64 = levels.iter().map(log_density).sum();
    let c = config();
    let mut denoiser = block_on(Normal.load(&models::diffusion::denoiser(&c.unet, 64))).unwrap();
    let decoder = Decoder::new(&c.levels);
    let mut ask = |k: usize, seed: u64| {
        let go_on = async |_| ControlFlow::Continue(());
        let noise = Rng::new(seed, stream::ESTIMATE);
        block_on(vlb::log_prob(&mut denoiser, &decoder, &levels, &[1.0], k, noise, go_on)).unwrap()
    };
    let e = ask(2048, 1);
    let error = e.std_error.unwrap();
    let (sigma, alpha) = (vlb::FROM * f64::from(FRAC_PI_2)).sin_cos();
    let marginal = (alpha * DEVIATION).powi(2) + sigma * sigma;
    let gain = alpha * DEVIATION * DEVIATION / marginal;
    let posterior = (DEVIATION * sigma).powi(2) / marginal;
    let log_posterior = |level: &u8| {
        let off = (gain * alpha - 1.0) * (f64::from(*level) / 127.5 - 1.0 - MEANS[1]);
        let squares = off * off + (gain * sigma).powi(2);
        -0.5 * squares / posterior - 0.5 * (std::f64::consts::TAU * posterior).ln() + (2.0f64 / 255.0).ln()
    };
    let parts = e.parts.unwrap();
    let tight = levels.iter().map(log_posterior).sum::<f64>() - parts.kl;
    println!("truth {truth:.2}, with the posterior {tight:.2}, bound {:.2} +- {error:.2}, {parts:?}", e.nats);
    assert!((tight - truth).abs() < 4.0 * error);
    assert!(e.nats < truth + 4.0 * error && e.nats > truth - PIXELS as f64);
    assert_eq!((e.terms.len(), e.n_evals), (PIXELS, 2048 + 4 * 64));
    assert!((e.terms.iter().map(|t| f64::from(*t)).sum::<f64>() + e.nats).abs() < 1e-3);
    // The stated error is that of repetitions.
    let many: Vec<f64> = (0..24).map(|seed| ask(64, seed).nats).collect();
    let (mean, of_mean) = likelihood::mean_and_error(&many);
    let stated = ask(64, 0).std_error.unwrap();
    let found = of_mean * (many.len() as f64).sqrt();
    assert!((0.5..2.0).contains(&(stated / found)), "stated {stated}, found {found}");
    assert!((mean - e.nats).abs() < 5.0 * of_mean.hypot(error), "{mean} with few times, {} with many", e.nats);
}
