//! The variational bound where the best network is known: pixels drawn each for itself from a Gaussian or from a mixture of
//! two, whose velocity is a graph in closed form.

use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::{Graph, Program, Tensor};
use likelihood::{Estimate, log_sum_exp, vlb};
use models::diffusion::decoder::Decoder;
use models::diffusion::step::Level;
use pollster::block_on;
use std::f32::consts::FRAC_PI_2;
use std::f64::consts::TAU;
use std::ops::ControlFlow;

/// Side of the pictures, their pixels, and pictures in a batch.
const S: usize = 4;
const PIXELS: usize = S * S;
const BATCH: usize = 64;
/// Standard errors of a mean that are allowed.
const ALLOWED: f64 = 3.0;

/// Weights, means and deviations.
type Parts = &'static [(f64, f64, f64)];

const GAUSSIAN: Parts = &[(1.0, 0.1, 0.25)];
const MIXTURE: Parts = &[(0.4, -0.5, 0.15), (0.6, 0.3, 0.2)];

/// The best velocity for z at angle phi, and as much noise on top as `wrong` says, in the form of a wave that no
/// data explain.
fn velocity<'g>(parts: Parts, z: Tensor<'g>, angle: Tensor<'g>, wrong: f32) -> Tensor<'g> {
    let (alpha, sigma) = (angle.cos(), angle.sin());
    // log of weight times density, and E[v | z], of each part.
    let of = |&(w, m, s): &(f64, f64, f64)| {
        let (m, s2) = (m as f32, (s * s) as f32);
        let c = alpha.square() * s2 + sigma.square();
        let off = z - alpha * m;
        let log_p = (off.square() / c + c.ln()) * -0.5 + w.ln() as f32;
        (log_p, alpha * sigma * (1.0 - s2) / c * off - sigma * m)
    };
    let all: Vec<_> = parts.iter().map(of).collect();
    let best = match all[..] {
        [(_, v)] => v,
        [(p, v), (q, w)] => {
            let share = (p - q).sigmoid();
            share * v + (1.0 - share) * w
        }
        _ => panic!("one part or two"),
    };
    best + (z * 5.0).sin() * sigma * wrong
}

fn network(parts: Parts, wrong: f32) -> Loaded {
    let g = Graph::new();
    let z = g.input("z", &[BATCH, 1, S, S]);
    let angle = g.input("time", &[BATCH]).reshape(&[BATCH, 1, 1, 1]) * FRAC_PI_2;
    let program = Program::new(&[("prediction", velocity(parts, z, angle, wrong))], &[]);
    block_on(Engine::cpu().load(&program)).unwrap()
}

fn centred(level: u8) -> f64 {
    f64::from(level) / 127.5 - 1.0
}

/// Masses of all levels: the density over the bin of each, normalised.
fn masses(parts: Parts) -> Vec<f64> {
    let density = |x: f64| parts.iter().map(|&(w, m, s)| w / s * (-0.5 * ((x - m) / s).powi(2)).exp()).sum::<f64>();
    // Simpson's rule.
    let mass = |level: u8| {
        let x = centred(level);
        density(x - 1.0 / 255.0) + 4.0 * density(x) + density(x + 1.0 / 255.0)
    };
    let all: Vec<f64> = (0..=255).map(mass).collect();
    all.iter().map(|m| m / all.iter().sum::<f64>()).collect()
}

/// Levels at even steps of the distribution function: a picture as typical as any.
fn picture(masses: &[f64]) -> Vec<u8> {
    let at = |i: usize| {
        let mut left = (i as f64 + 0.5) / PIXELS as f64;
        let level = masses.iter().position(|m| {
            left -= m;
            left < 0.0
        });
        level.unwrap() as u8
    };
    (0..PIXELS).map(at).collect()
}

fn ask(parts: Parts, wrong: f32, levels: &[u8], k: usize, seed: u64) -> Estimate {
    let go_on = async |_| ControlFlow::Continue(());
    let (mut run, noise) = (network(parts, wrong), Rng::new(seed, stream::ESTIMATE));
    block_on(vlb::log_prob(&mut run, &Decoder::new(&[]), levels, &[], k, noise, go_on)).unwrap()
}

/// Mean over z_0 of what the decoder of the model loses to the true posterior of the level, in nats: all that the
/// bound of the best network loses. By the trapezoidal rule over the noise.
fn lost(parts: Parts, masses: &[f64], levels: &[u8]) -> f64 {
    let (l, decoder) = (Level::at(vlb::FROM), Decoder::new(&[]));
    let of = |level: u8, e: f64| {
        let z = l.alpha * centred(level) + l.sigma * e;
        let joint = |k: u8| masses[usize::from(k)].ln() - 0.5 * ((z - l.alpha * centred(k)) / l.sigma).powi(2);
        let all: Vec<f64> = (0..=255).map(joint).collect();
        let weigh = |&(w, m, s): &(f64, f64, f64)| {
            let c = (l.alpha * s).powi(2) + l.sigma * l.sigma;
            let off = z - l.alpha * m;
            (w / c.sqrt() * (-0.5 * off * off / c).exp(), m + l.alpha * s * s / c * off)
        };
        let (p, sum) = parts.iter().map(weigh).fold((0.0, 0.0), |(p, sum), (w, x)| (p + w, sum + w * x));
        joint(level) - log_sum_exp(&all) - decoder.log_prob(level, (sum / p).clamp(-1.0, 1.0) as f32)
    };
    let nodes: Vec<f64> = (-24..=24).map(|i| f64::from(i) / 4.0).collect();
    let weight = |e: f64| 0.25 * (-0.5 * e * e).exp() / TAU.sqrt();
    levels.iter().map(|&level| nodes.iter().map(|&e| weight(e) * of(level, e)).sum::<f64>()).sum()
}

#[test]
fn the_bound_is_below_the_truth_by_what_its_decoder_loses() {
    for parts in [GAUSSIAN, MIXTURE] {
        let masses = masses(parts);
        let levels = picture(&masses);
        let truth: f64 = levels.iter().map(|&level| masses[usize::from(level)].ln()).sum();
        let lost = lost(parts, &masses, &levels);
        let e = ask(parts, 0.0, &levels, 65_536, 1);
        let error = e.std_error.unwrap();
        println!("truth {truth:.3}, bound {:.3} ± {error:.3}, of which {lost:.3} is the decoder's", e.nats);
        assert!(lost > 0.0 && e.nats <= truth + ALLOWED * error, "{e}");
        // Levels are 2 / 255 apart where the velocity is that of a continuous density.
        assert!((truth - lost - e.nats).abs() < ALLOWED * error + 0.02, "{truth} {lost} {e}");
    }
}

/// What a network is off by costs the bound its square, down to the gap of the best one; more times bring no more than a
/// smaller error.
#[test]
fn the_gap_shrinks_as_the_network_comes_near_the_best() {
    for parts in [GAUSSIAN, MIXTURE] {
        let masses = masses(parts);
        let levels = picture(&masses);
        let truth: f64 = levels.iter().map(|&level| masses[usize::from(level)].ln()).sum();
        // The same noise, so that the gaps differ by the network alone.
        let gaps = [0.4, 0.2, 0.1, 0.0].map(|wrong| truth - ask(parts, wrong, &levels, 2048, 2).nats);
        println!("{gaps:?}");
        assert!(gaps.windows(2).all(|g| g[1] < g[0]), "{gaps:?}");
        let excess = [gaps[0] - gaps[3], gaps[1] - gaps[3]];
        assert!((excess[0] / excess[1] - 4.0).abs() < 1.0, "{excess:?}");
        let errors = [256, 1024, 4096].map(|k| ask(parts, 0.0, &levels, k, 3).std_error.unwrap());
        println!("{errors:?}");
        assert!(errors.windows(2).all(|e| e[1] < 0.7 * e[0]), "{errors:?}");
    }
}
