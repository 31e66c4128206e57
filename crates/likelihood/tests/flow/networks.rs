//! The flow of Programs in f32: a Gaussian written as a graph, and a shipped network.

use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::{Graph, Program, Tensor};
use likelihood::flow::{self, Denoiser, FROM, Field, GROUP, Plan, dequantise, log_unit};
use likelihood::iwae::{Error, Progress};
use likelihood::{Effort, Estimate, Kind, vlb};
use models::diffusion::{self, decoder::Decoder};
use models::{Family, Network, Weights, registry};
use pollster::block_on;
use std::f64::consts::TAU;
use std::ops::ControlFlow;
use std::time::Instant;

async fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn noise(seed: u64) -> Rng {
    Rng::new(seed, stream::ESTIMATE)
}

const VARIANCE: f32 = 0.1;
const LEVELS: [u8; 16] = [0, 255, 128, 60, 61, 100, 140, 200, 90, 120, 127, 128, 180, 30, 77, 150];

/// A velocity as a Program for `b` images of 4 x 4 pixels.
fn program(b: usize, velocity: impl for<'g> Fn(Tensor<'g>, Tensor<'g>) -> Tensor<'g>) -> Loaded {
    let g = Graph::new();
    let angle = g.input("time", &[b]).reshape(&[b, 1, 1, 1]) * std::f32::consts::FRAC_PI_2;
    let v = velocity(g.input("z", &[b, 1, 4, 4]), angle);
    block_on(Engine::cpu().load(&Program::new(&[("prediction", v)], &[]))).unwrap()
}

/// The velocity of N(0, 0.1 I).
fn gaussian<'g>(z: Tensor<'g>, angle: Tensor<'g>) -> Tensor<'g> {
    let (alpha, sigma) = (angle.cos(), angle.sin());
    z * (alpha * sigma * (1.0 - VARIANCE) / (alpha.square() * VARIANCE + sigma.square()))
}

/// E_u[log p] of the levels is known: that of the middles of their bins, less half of 1/12 of the squared width over
/// the variance.
#[test]
fn a_gaussian_as_a_program_has_the_bound_of_the_closed_form() {
    let variance = FROM.cos().powi(2) * f64::from(VARIANCE) + FROM.sin().powi(2);
    let width = 2.0 / 255.0f64;
    let squares = LEVELS.iter().map(|&k| (f64::from(k) / 127.5 - 1.0).powi(2) + width * width / 12.0);
    let truth = -0.5 * squares.map(|s| s / variance + (TAU * variance).ln()).sum::<f64>() + log_unit(16);
    let mut progress = Vec::new();
    let watch = async |p: Progress| {
        progress.push(p);
        ControlFlow::Continue(())
    };
    let plan = Plan { tolerance: 1e-5, ..Plan::default() };
    let e = block_on(flow::log_prob(&mut program(64, gaussian), &LEVELS, &[], 50, plan, noise(1), watch)).unwrap();
    println!("{e}: truth {truth:.4}, off by {:.1e}, {} evaluations of the network", e.nats - truth, e.n_evals);
    assert_eq!((e.k, &e.kind, e.n_evals), (52, &Kind::LowerBound, 2 * GROUP * progress.len()));
    // Rounding to f32 adds 1e-3 of its own at most.
    assert!((e.nats - truth).abs() < 3.0 * e.std_error.unwrap() + 1e-3);
    assert!((e.bits_per_dim + e.nats / (16.0 * 2f64.ln())).abs() < 1e-12);
    assert!(progress.windows(2).all(|p| p[0].done <= p[1].done) && progress[0].done == 0);
    let last = progress.last().unwrap();
    assert!(last.total == 5200 && (last.nats - e.nats).abs() < 1.0, "{last:?} {e}");
}

#[test]
fn a_query_can_be_stopped_and_says_what_failed() {
    let ask = |run: &mut Loaded, plan| block_on(flow::log_prob(run, &LEVELS, &[], 2, plan, noise(1), on));
    let mut count = 0;
    let stop = async |_: Progress| {
        count += 1;
        if count == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let run = &mut program(2, gaussian);
    let stopped = block_on(flow::log_prob(run, &LEVELS, &[], 2, Plan::default(), noise(1), stop));
    assert!(matches!(stopped, Err(Error::Stopped)) && count == 5);
    let nan = ask(&mut program(2, |z, angle| (z * 0.0 + angle * 0.0 - 1.0).ln()), Plan::default());
    assert!(matches!(nan, Err(Error::NotANumber)), "{nan:?}");
    let short = ask(&mut program(2, gaussian), Plan { max_evals: 20, ..Plan::default() }).unwrap();
    assert!(short.nats.is_nan() && short.to_string().contains("20 evaluations"), "{short}");
    // Rows that don't fit in a batch take their turns, and one that has more has the same readings.
    let [one, two, many] = [1, 2, 64].map(|b| ask(&mut program(b, gaussian), Plan::default()).unwrap());
    assert_eq!((&one, &one), (&two, &many));
}

/// A digit 1 as nobody in MNIST wrote it: a slanted stroke with a serif, (28, 28).
fn stroke() -> Vec<u8> {
    let ink = |n: usize| {
        let (x, y) = ((n % 28) as f64, (n / 28) as f64);
        let stem = if (5.0..23.0).contains(&y) { 1.8 - (x - (17.0 - 0.25 * y)).abs() } else { 0.0 };
        let serif = if (21.0..23.0).contains(&y) && (8.0..16.0).contains(&x) { 1.0 } else { 0.0 };
        (255.0 * stem.max(serif).clamp(0.0, 1.0)) as u8
    };
    (0..784).map(ink).collect()
}

/// A 0: a ring, (28, 28).
fn ring() -> Vec<u8> {
    let ink = |n: usize| {
        let (x, y) = ((n % 28) as f64 - 13.5, (n / 28) as f64 - 13.5);
        (255.0 * (2.0 - ((x / 0.75).hypot(y) - 8.0).abs()).clamp(0.0, 1.0)) as u8
    };
    (0..784).map(ink).collect()
}

fn shipped(b: usize) -> (diffusion::Config, Loaded) {
    let Network::Diffusion(c) = registry::recipe("mnist-diffusion").unwrap().network else { panic!("no diffusion") };
    let path = format!("{}/../../web/models/mnist-diffusion/weights.safetensors", env!("CARGO_MANIFEST_DIR"));
    let weights = Weights::parse(&std::fs::read(path).unwrap(), &c.specs()).unwrap();
    let mut run = block_on(Engine::cpu().load(&diffusion::denoiser(&c.unet, b))).unwrap();
    weights.write_to(&mut run).unwrap();
    (c, run)
}

/// Two numbers of two models, of which neither bounds the other: they are printed, and compared with a blind guess of 8
/// bits.
#[test]
fn the_shipped_network_gives_one_number_for_one_seed() {
    let (c, mut run) = shipped(4);
    for (name, levels, class) in [("stroke", stroke(), [1.0]), ("ring", ring(), [0.0])] {
        let begun = Instant::now();
        let e = block_on(flow::log_prob(&mut run, &levels, &class, 2, Plan::default(), noise(1), on)).unwrap();
        println!(
            "{name}: {e}; {:.3} bits/dim, {} evaluations of the network, {:.1?}",
            e.bits_per_dim,
            e.n_evals,
            begun.elapsed()
        );
        println!("{}", e.assumptions[1]);
        let decoder = Decoder::new(&c.levels);
        let bound = vlb::log_prob(&mut run, &decoder, &levels, &class, 64, noise(1), on);
        let bound = block_on(bound).unwrap();
        println!("{name}: {bound}; {:.3} bits/dim", bound.bits_per_dim);
        assert!(e.nats.is_finite() && e.std_error.is_some_and(f64::is_finite) && e.bits_per_dim < 8.0);
        if name == "stroke" {
            // The same but for what is said of half the tolerance.
            let plan = Plan { halved: true, ..Plan::default() };
            let mut again = block_on(flow::log_prob(&mut run, &levels, &class, 2, plan, noise(1), on)).unwrap();
            let said = again.assumptions.pop().unwrap();
            let finer = Plan { tolerance: 5e-5, ..Plan::default() };
            let finer = block_on(flow::log_prob(&mut run, &levels, &class, 2, finer, noise(1), on)).unwrap();
            println!("{said}");
            assert!(said.contains(&format!("moves the number by {:+.2} nats", finer.nats - e.nats)), "{said}");
            assert_eq!(again.n_evals, e.n_evals + finer.n_evals);
            assert_eq!(Estimate { n_evals: e.n_evals, ..again }, e);
        }
    }
}

/// The rule for h: half of it changes the divergence of the network by little.
#[test]
fn the_divergence_of_the_shipped_network_hardly_depends_on_h() {
    let (_, mut run) = shipped(4);
    let mut field = Denoiser::new(&mut run, &[1.0]);
    let x = dequantise(&stroke(), &mut noise(2));
    let mut uniform = vec![0f32; 784];
    noise(3).fill_uniform(&mut uniform);
    let e: Vec<f64> = uniform.iter().map(|&u| if u < 0.5 { -1.0 } else { 1.0 }).collect();
    for angle in [FROM, 2e-3, 0.01, 0.05, 0.2, 1.0] {
        let step = field.step(f64::sin(angle));
        let h = [step, 0.5 * step];
        let moved = |by: f64| x.iter().zip(&e).map(move |(x, e)| angle.cos() * x + by * e).collect::<Vec<f64>>();
        let z = [moved(h[0]), moved(-h[0]), moved(h[1]), moved(-h[1])].concat();
        let v = block_on(field.velocities(angle, &z)).unwrap();
        let along = |i: usize| v[784 * i..][..784].iter().zip(&e).map(|(v, e)| v * e).sum::<f64>();
        let [whole, half] = [(along(0) - along(1)) / (2.0 * h[0]), (along(2) - along(3)) / (2.0 * h[1])];
        println!(
            "angle {angle:.0e}: {whole:.3}, with half of h {half:.3}; times the angle {:+.4}",
            angle * (whole - half)
        );
        // In nats of the integral over a part of the path as long as the angle.
        assert!((angle * (whole - half)).abs() < 1.0);
    }
}

/// The bound ends as soon as its error is what was asked for, and says of how many times it is.
#[test]
fn the_bound_takes_as_many_times_as_its_precision_asks_for() {
    let (c, mut run) = shipped(16);
    let decoder = Decoder::new(&c.levels);
    let mut ask =
        |effort: Effort| block_on(vlb::log_prob(&mut run, &decoder, &stroke(), &[1.0], effort, noise(1), on)).unwrap();
    let first = ask(64.into());
    let error = first.std_error.unwrap();
    let [loose, tight] = [2.0, 1.2].map(|share| ask(Effort { k: 1024, runs: 1, precision: Some(share * error) }));
    println!("{error} {:?}", [&loose, &tight].map(|e| (e.k, e.std_error)));
    assert!(loose.k < tight.k && tight.k < 1024, "{} {}", loose.k, tight.k);
    assert!(loose.std_error.unwrap() <= 2.0 * error && tight.std_error.unwrap() <= 1.2 * error);
    assert_eq!(loose.estimator, format!("variational bound, {} times", loose.k));
}
