//! The shipped networks as models with latents.

use crate::{never, noise, on};
use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::{Load, Program, Run};
use likelihood::iwae::Progress;
use likelihood::laplace::{self, Cover};
use likelihood::latent::{Decoder, Latent, encoded};
use likelihood::query::{Method, Query, Question};
use likelihood::{Effort, Kind, ais, iwae, quadrature, variational};
use models::{Network, Weights, latent, registry, vae};
use pollster::block_on;
use std::ops::ControlFlow;

/// A shipped model on the CPU.
struct Host {
    network: Network,
    weights: Weights,
}

impl Host {
    fn open(id: &str) -> Host {
        let network = registry::recipe(id).unwrap().network;
        let path = format!("{}/../../web/models/{id}/weights.safetensors", env!("CARGO_MANIFEST_DIR"));
        let weights = Weights::parse(&std::fs::read(path).unwrap(), &network.specs()).unwrap();
        Host { network, weights }
    }
}

impl Load for Host {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, engine::Error> {
        let mut loaded = Engine::cpu().load(program).await?;
        self.weights.write_to(&mut loaded)?;
        Ok(loaded)
    }
}

/// A digit 1 as nobody in MNIST wrote it: a slanted stroke with a serif, grey at its edges, (28, 28).
fn stroke() -> Vec<u8> {
    let ink = |n: usize| {
        let (x, y) = ((n % 28) as f64, (n / 28) as f64);
        let off = (x - (17.0 - 0.25 * y)).abs();
        let stem = if (5.0..23.0).contains(&y) { 1.8 - off } else { 0.0 };
        let serif = if (21.0..23.0).contains(&y) && (8.0..16.0).contains(&x) { 1.0 } else { 0.0 };
        (255.0 * stem.max(serif).clamp(0.0, 1.0)) as u8
    };
    (0..784).map(ink).collect()
}

/// Largest error of the gradient at 2 draws of the prior, as a share of its largest value: of its mean along a short
/// way in each direction, against the difference between the ends. A GAN has so many bends that some lie within any
/// way, however short.
fn gradient_error<M: Latent>(model: &mut M) -> f64 {
    const HALF: f64 = 1e-2;
    const NODES: usize = 16;
    let l = model.latents();
    let z = super::normals(2 * l, &mut Rng::new(3, stream::SAMPLE));
    let (mut largest, mut worst) = (0f64, 0f64);
    for (z, i) in z.chunks(l).flat_map(|z| (0..l).map(move |i| (z, i))) {
        let at = |by: f64| z.iter().enumerate().map(move |(j, z)| if i == j { z + HALF * by } else { *z });
        let nodes = (0..NODES).flat_map(|n| at((2 * n + 1) as f64 / NODES as f64 - 1.0)).collect::<Vec<f64>>();
        let grad = block_on(model.evaluate(&nodes, true)).unwrap().grad;
        let mean = grad.iter().skip(i).step_by(l).sum::<f64>() / NODES as f64;
        let ends =
            block_on(model.evaluate(&[-1.0, 1.0].into_iter().flat_map(at).collect::<Vec<f64>>(), false)).unwrap();
        largest = largest.max(mean.abs());
        worst = worst.max((mean - (ends.log_p[1] - ends.log_p[0]) / (2.0 * HALF)).abs());
    }
    worst / largest
}

#[test]
fn gradients_of_the_shipped_decoders_are_those_of_their_differences() {
    let host = Host::open("mnist-vae-2d");
    let Network::Vae(c) = &host.network else { panic!("no VAE") };
    let mut decoder = block_on(Decoder::vae(c, &host, (16, &[1]), false)).unwrap();
    decoder.observe(&c.observe(&stroke(), 1, 0), &[]).unwrap();
    let error = gradient_error(&mut decoder);
    println!("mnist-vae-2d: {error:.1e}");
    assert!(error < 2e-3);

    let host = Host::open("mnist-gan");
    let Network::Gan(c) = &host.network else { panic!("no GAN") };
    let mut decoder = block_on(Decoder::gan(c, &host, (16, &[1]), false)).unwrap();
    decoder.observe(&latent::dequantise(&stroke(), noise(1)), &[1.0]).unwrap();
    let error = gradient_error(&mut decoder);
    println!("mnist-gan: {error:.1e}");
    assert!(error < 2e-3);
}

/// A picture that the VAE of two latents draws, from near the middle of its prior.
fn drawn(c: &vae::Config, host: &Host) -> Vec<u8> {
    let mut run = block_on(host.load(&vae::drawer(c, 1))).unwrap();
    let mut u = vec![0f32; c.pixels()];
    Rng::new(1, stream::PIXELS).fill_uniform(&mut u);
    u.iter_mut().for_each(|u| *u = u.clamp(1e-6, 1.0 - 1e-6));
    run.write("z", &[0.6, -0.4]).unwrap();
    run.write("u", &u).unwrap();
    run.step().unwrap();
    block_on(run.read("image")).unwrap().iter().map(|v| (v * 255.0).round() as u8).collect()
}

/// A picture that the GAN draws, with noise. Its 64 latents are too many for few temperatures: that the bounds are far
/// apart is the answer, and that the estimates know it.
#[test]
fn bounds_of_a_gan_hold_its_own_picture_between_them() {
    let host = Host::open("mnist-gan");
    let Network::Gan(c) = &host.network else { panic!("no GAN") };
    let variance = c.variance;
    let z = super::normals(c.latents, &mut Rng::new(5, stream::SAMPLE));
    let mut generator = block_on(host.load(&models::gan::generator(c, 1))).unwrap();
    generator.write("z", &z.iter().map(|&z| z as f32).collect::<Vec<f32>>()).unwrap();
    generator.write("class", &[3.0]).unwrap();
    generator.step().unwrap();
    let image = block_on(generator.read("image")).unwrap();
    let e = super::normals(image.len(), &mut Rng::new(6, stream::PIXELS));
    let x = image.iter().zip(e).map(|(g, e)| (127.5 * (g + 1.0) + 0.5) / 256.0 + variance.sqrt() * e as f32);
    let mut decoder = block_on(Decoder::gan(c, &host, (16, &[1]), false)).unwrap();
    decoder.observe(&x.collect::<Vec<f32>>(), &[3.0]).unwrap();
    let given_z = block_on(decoder.evaluate(&z, false)).unwrap().log_p[0];
    // |e|^2 / 2 has the mean D / 2 = 392 and the standard deviation sqrt(D / 2) = 19.8.
    let expected = -392.0 * (1.0 + (std::f64::consts::TAU * f64::from(variance)).ln());
    assert!((given_z - expected).abs() < 60.0, "{given_z} {expected}");

    let starts = block_on(laplace::best_of_prior(&mut decoder, 128, 4, noise(1), never)).unwrap();
    let proposal = block_on(laplace::propose(&mut decoder, &starts, Cover::prior(c.latents), never)).unwrap();
    let refined = block_on(laplace::importance(&mut decoder, &proposal, 500, noise(1), on)).unwrap();
    let nearest = block_on(variational::propose(&mut decoder, &starts, 32, noise(3), never)).unwrap();
    let nearest = block_on(laplace::importance(&mut decoder, &nearest, 500, noise(1), on)).unwrap();
    let plan = ais::Plan { temperatures: 30, chains: 8, runs: 2, leapfrogs: 5, precision: None };
    let [lower, upper] = block_on(ais::bdmc(&mut decoder, &proposal, plan, &z, noise(2), on)).unwrap();
    for e in [&refined, &nearest, &lower, &upper] {
        println!(
            "{e}, {:.3} bits/dim, ESS {:.1}, {} evaluations",
            e.bits_per_dim,
            e.effective_samples.unwrap(),
            e.n_evals
        );
    }
    assert!(refined.nats < upper.nats && nearest.nats < upper.nats && lower.nats < upper.nats);
    // What holds at a mode is too wide where the mass is.
    assert!(nearest.nats > refined.nats);
    assert!(refined.assumptions.iter().any(|a| a.contains(&format!("sigma = {:.4}", variance.sqrt()))));
    for e in [&refined, &nearest, &lower] {
        let limit = 10f64.min(e.k as f64 / 4.0);
        let warned = e.assumptions.iter().any(|a| a.contains("(effective sample size"));
        assert_eq!(warned, e.effective_samples.unwrap() < limit);
    }
}

/// A search with few points runs on a Program of its size, which says what that of a whole batch says.
#[test]
fn few_latents_are_answered_as_many_are() {
    let host = Host::open("mnist-vae-2d");
    let Network::Vae(c) = &host.network else { panic!("no VAE") };
    let x = c.observe(&stroke(), 1, 0);
    let [small, large] = [vec![1, 4], vec![]].map(|few| {
        let mut decoder = block_on(Decoder::vae(c, &host, (16, &few), false)).unwrap();
        decoder.observe(&x, &[]).unwrap();
        [1, 3, 16, 19].map(|n| {
            let z: Vec<f64> = (0..2 * n).map(|i| (i as f64 * 0.7).sin()).collect();
            let values = block_on(decoder.evaluate(&z, true)).unwrap();
            assert_eq!((values.log_p.len(), values.grad.len()), (n, 2 * n));
            [values.log_p, values.grad].concat()
        })
    });
    for (a, b) in small.iter().flatten().zip(large.iter().flatten()) {
        assert!((a - b).abs() < 1e-5 * b.abs().max(100.0), "{a} {b}");
    }
}

#[test]
fn estimates_of_a_vae_of_two_latents_agree_with_quadrature() {
    let host = Host::open("mnist-vae-2d");
    let Network::Vae(c) = &host.network else { panic!("no VAE") };
    let mut decoder = block_on(Decoder::vae(c, &host, (100, &[]), false)).unwrap();
    let mut encoder = block_on(host.load(&vae::encoder(c, 1))).unwrap();
    let mut weigher = block_on(host.load(&vae::weigher(c, 100, false))).unwrap();
    for (name, levels) in [("drawn", drawn(c, &host)), ("stroke", stroke())] {
        let x = c.observe(&levels, 1, 0);
        decoder.observe(&x, &[]).unwrap();
        let truth = block_on(quadrature::log_prob(&mut decoder, 60, on)).unwrap();
        println!("{name}: {} {:.4} {:?}", truth.estimator, truth.nats, truth.assumptions);
        assert_eq!(truth.kind, Kind::Exact);
        let q = block_on(encoded(&mut encoder, &x, &[])).unwrap();
        let start = q.mean().to_vec();
        let proposal = block_on(laplace::propose(&mut decoder, &start, Cover::encoder(q), never)).unwrap();
        let plan = ais::Plan { temperatures: 30, chains: 50, runs: 1, leapfrogs: 5, precision: None };
        let estimates = [
            block_on(iwae::log_prob(&mut encoder, &mut weigher, &x, &[], 2000, noise(1), on)).unwrap(),
            block_on(laplace::importance(&mut decoder, &proposal, 1000, noise(1), on)).unwrap(),
            block_on(ais::log_prob(&mut decoder, &proposal, plan, noise(1), on)).unwrap(),
        ];
        for e in estimates {
            let error = e.nats - truth.nats;
            println!("  {error:+.4} ± {:?}, ESS {:.1}, {}", e.std_error, e.effective_samples.unwrap(), e.estimator);
            if name == "stroke" && e.estimator.starts_with("IWAE") {
                // The encoder does not know this picture: a bound that says itself how loose it is, and states no error.
                assert!(error < 0.0 && e.assumptions.iter().any(|a| a.contains("(effective sample size")));
                assert_eq!(e.std_error, None);
            } else {
                assert!(error.abs() < 3.0 * e.std_error.unwrap());
            }
        }
        // Runs have an error of their own: of the bound, which is below.
        let [few, many] = [32, 320].map(|runs| {
            let effort = Effort { k: 100, runs, precision: None };
            let e =
                block_on(iwae::log_prob(&mut encoder, &mut weigher, &x, &[], effort, noise(runs as u64), on)).unwrap();
            assert_eq!((e.k, e.n_evals, e.estimator.as_str()), (100, 100 * runs + 1, "IWAE k=100"));
            println!("  {:+.4} ± {:?}, {runs} runs", e.nats - truth.nats, e.std_error);
            assert!(e.nats < truth.nats);
            (e.nats, e.std_error.unwrap())
        });
        assert!((few.0 - many.0).abs() < 3.0 * few.1.hypot(many.1) && many.1 < 0.6 * few.1, "{few:?} {many:?}");
    }
}

/// An answer ends as soon as its error is what was asked for; a looser one takes fewer samples.
#[test]
fn an_answer_takes_as_many_samples_as_its_precision_asks_for() {
    let host = Host::open("mnist-vae-2d");
    let Network::Vae(c) = &host.network else { panic!("no VAE") };
    let levels = drawn(c, &host);
    let of = [(Method::Own, (50, 10_000), [0.3, 0.02]), (Method::Laplace, (40_000, 1), [0.2, 0.015])];
    for (method, (k, runs), [far, near]) in of {
        let mut query = block_on(Query::load(&host.network, method, None, &host, (50, &[]), false)).unwrap();
        let mut ask = |precision| {
            let question = Question { levels: &levels, labels: &[], k, runs, precision, seed: 1, index: 0 };
            block_on(query.log_prob(&question, on)).unwrap()
        };
        let [loose, tight] = [far, near].map(|precision| ask(Some(precision)));
        println!("{method:?} {:?}", [&loose, &tight].map(|e| (e.n_evals, e.std_error)));
        assert!(loose.n_evals < tight.n_evals && tight.n_evals < k * runs, "{} {}", loose.n_evals, tight.n_evals);
        assert!(loose.std_error.unwrap() <= far && tight.std_error.unwrap() <= near);
        assert!(tight.estimator.contains(&format!("k={}", tight.k)));
        assert!(loose.assumptions.iter().any(|a| a == "The probability of these 8-bit levels, not a density."));
    }
}

/// What is said of each pixel adds up to what is said of the picture, given the latent.
#[test]
fn surprises_of_pixels_add_up_to_that_of_the_picture_given_a_latent() {
    let agree = |terms: &[f32], nats: f64| {
        let sum: f64 = terms.iter().map(|&t| f64::from(t)).sum();
        println!("{} surprises, {sum:.3} and {:.3}", terms.len(), -nats);
        assert!(terms.len() == 784 && (sum + nats).abs() < 1e-4 * nats.abs(), "{sum} {nats}");
    };
    let host = Host::open("mnist-gan");
    let Network::Gan(c) = &host.network else { panic!("no GAN") };
    let mut decoder = block_on(Decoder::gan(c, &host, (2, &[]), true)).unwrap();
    decoder.observe(&latent::dequantise(&stroke(), noise(1)), &[1.0]).unwrap();
    let z = super::normals(c.latents, &mut Rng::new(3, stream::SAMPLE));
    let given_z = block_on(decoder.evaluate(&z, false)).unwrap().log_p[0] + decoder.log_unit();
    agree(&block_on(decoder.surprise(&z)).unwrap(), given_z);

    // An answer has those of the likeliest latent that it met: for a posterior of one mode the same by any way.
    let host = Host::open("mnist-vae-2d");
    let Network::Vae(c) = &host.network else { panic!("no VAE") };
    let levels = drawn(c, &host);
    let mut sums = Vec::new();
    for (method, k, terms) in [
        (Method::Laplace, 200, true),
        (Method::Ais, 12, true),
        (Method::Quadrature, 0, true),
        (Method::Laplace, 50, false),
    ] {
        let mut query = block_on(Query::load(&host.network, method, None, &host, (50, &[]), terms)).unwrap();
        let question = Question { levels: &levels, labels: &[], k, runs: 1, precision: None, seed: 1, index: 0 };
        let e = block_on(query.log_prob(&question, on)).unwrap();
        let said = e.assumptions.iter().find(|a| a.starts_with("The surprise of the pixels is -log p(x_d|z)"));
        assert_eq!((said.is_some(), e.terms.len()), (terms, if terms { 784 } else { 0 }), "{:?}", e.assumptions);
        let sum: f64 = e.terms.iter().map(|&t| f64::from(t)).sum();
        assert!(said.is_none_or(|said| said.contains(&format!("sums to {sum:.1} nats"))), "{said:?}");
        sums.push(sum);
    }
    println!("{sums:?}");
    assert!(sums[..3].iter().all(|sum| (sum - sums[2]).abs() < 2.0), "{sums:?}");
}

/// One search says nothing of the modes that another would have found; several say by their spread what one is worth.
#[test]
fn an_answer_of_a_gan_tells_an_error_of_several_searches_only() {
    let host = Host::open("mnist-gan");
    let levels = stroke();
    let mut query = block_on(Query::load(&host.network, Method::Laplace, None, &host, (64, &[8]), false)).unwrap();
    let none = host.network.no_labels();
    let mut ask = |runs, precision, index| {
        let question = Question { levels: &levels, labels: &none, k: 64, runs, precision, seed: 1, index };
        let (mut shown, mut done) = (Vec::new(), 0);
        let watch = async |so_far: Progress| {
            assert!(so_far.done >= done && so_far.done <= so_far.total && so_far.total == 64 * runs);
            done = so_far.done;
            shown.push((so_far.nats, so_far.std_error));
            ControlFlow::Continue(())
        };
        (block_on(query.log_prob(&question, watch)).unwrap(), shown)
    };
    let alone = [0, 1].map(|index| ask(1, None, index).0);
    for e in &alone {
        println!("{:.1}: {:?}", e.nats, e.assumptions);
        assert_eq!((e.std_error, e.kind.clone()), (None, Kind::LowerBound));
        for said in ["so no error is told", "No label given", "the last pictures of the training set"] {
            assert!(e.assumptions.iter().any(|a| a.contains(said)), "{said}");
        }
    }
    // Whatever error is enough: that of five searches at least, for fewer might be near each other by chance.
    let (e, shown) = ask(8, Some(1e9), 0);
    println!("{:.1} ± {:?}: {:?}", e.nats, e.std_error, e.assumptions);
    assert!(e.assumptions[0].contains("5 runs, each with a search for latents of its own"));
    assert!(e.std_error.unwrap() > 0.0 && e.n_evals == 5 * alone[0].n_evals);
    // The first run is the one alone.
    assert!(shown.iter().any(|&(nats, _)| nats == alone[0].nats));
    let [Some(first), Some(last)] = [shown.first(), shown.last()] else { panic!("nothing was shown") };
    assert!(first.1.is_infinite() && last.1.is_finite());
}
