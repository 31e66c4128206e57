//! The VAE of 8-bit images with labels: its likelihood against sums and quadrature, and what its sampler promises.

use conformance::close::{narrow, widen};
use conformance::run::{self, Host};
use data::rng::{Rng, stream};
use engine::{Error, Loaded};
use graph::{Graph, Load, Program};
use likelihood::{Estimate, iwae, log_sum_exp};
use models::control::Value;
use models::params::{Params, Spec};
use models::registry::Stage;
use models::sample::{self, Draw, Frame};
use models::trainer::Batch;
use models::vae::{self, Config, Likelihood, Sampler};
use models::{Settings, Weights};
use pollster::block_on;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Pixels of an image of 8 x 8.
const D: usize = 64;

fn tiny() -> Config {
    Config {
        likelihood: Likelihood::DiscretisedLogistic,
        image_channels: 1,
        size: 8,
        latents: 2,
        hidden: 8,
        channels: 4,
        classes: vec![3],
        kl_warm_up: 0.5,
    }
}

/// First values with noise on those that start at zero; the encoder says about the prior, whatever it sees.
fn weights() -> Weights {
    let specs = vae::specs(&tiny());
    let mut weights = Weights::init(&specs, 5);
    let is = |spec: &&Spec, part: &str| spec.name.ends_with(part);
    for (i, spec) in specs.iter().enumerate().filter(|(_, s)| is(s, "bias") || is(s, "posterior.weight")) {
        let values = run::normal(100 + i as u64, spec.len()).iter().map(|v| 0.05 * v).collect::<Vec<_>>();
        weights.insert(&spec.name, &spec.shape, narrow(&values));
    }
    weights
}

/// log p(x_d|z) of every pixel of each row: `x` (n, D), `z` (n, 2).
fn log_prob_given(x: &[f64], z: &[f64]) -> Vec<f64> {
    let (n, g, c) = (z.len() / 2, Graph::new(), tiny());
    let p = Params::new(&g);
    let class = g.full(1.0, &[n, 1]);
    let pixels = vae::decode(&p, &c, g.input("z", &[n, 2]), Some(class)).log_prob(g.input("x", &[n, D]));
    let program = Program::new(&[("pixels", pixels)], &[]);
    let weights = weights();
    let weights: Vec<(String, Vec<f64>)> = weights.iter().map(|(name, v)| (name.to_string(), widen(v))).collect();
    let mut inputs: Vec<(&str, &[f64])> =
        weights.iter().map(|(n, v)| (n.as_str(), v.as_slice())).filter(|(n, _)| program.input(n).is_some()).collect();
    inputs.extend([("x", x), ("z", z)]);
    run::cpu(&program, &inputs).swap_remove(0)
}

#[test]
fn the_probabilities_of_all_levels_sum_to_one() {
    let x: Vec<f64> = (0..256).flat_map(|level| [f64::from(level as f32 / 127.5 - 1.0); D]).collect();
    for seed in 0..3 {
        let z = run::normal(seed, 2);
        let log_p = log_prob_given(&x, &z.repeat(256));
        let given = [("latent", Value::Array(narrow(&z)))];
        let mean = widen(&draw(0, [0, 1, 1], &given).unwrap());
        for d in 0..D {
            let p: Vec<f64> = (0..256).map(|level| log_p[level * D + d].exp()).collect();
            let sum: f64 = p.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "pixel {d}: {sum}");
            let expected: f64 = p.iter().enumerate().map(|(level, p)| p * level as f64 / 255.0).sum();
            // The mean before levels are rounded is at most half a level away.
            assert!((mean[d] - expected).abs() < 0.5 / 255.0, "pixel {d}: {} {expected}", mean[d]);
        }
    }
}

fn estimate(levels: &[u8], k: usize, seed: u64) -> Estimate {
    let (host, c) = (Host(weights()), tiny());
    let [mut encoder, mut weigher] =
        [vae::encoder(&c, 1), vae::weigher(&c, 500, true)].map(|program| block_on(host.load(&program)).unwrap());
    let (x, noise) = (c.observe(levels, 0, 0), Rng::new(seed, stream::ESTIMATE));
    let go_on = async |_| ControlFlow::Continue(());
    block_on(iwae::log_prob(&mut encoder, &mut weigher, &x, &[1.0], k, noise, go_on)).unwrap()
}

/// By the trapezoidal rule on [-6, 6] in both directions, whose error falls exponentially for what falls like a Gaussian.
#[test]
fn the_bounds_and_quadrature_agree() {
    let levels: Vec<u8> = (0..D).map(|d| (d * 37 % 256) as u8).collect();
    let (nodes, step) = (81, 12.0 / 80.0);
    let at = |i: usize| f64::from((i as f64 * step - 6.0) as f32);
    let z: Vec<f64> = (0..nodes * nodes).flat_map(|i| [at(i / nodes), at(i % nodes)]).collect();
    let x = widen(&tiny().observe(&levels, 0, 0)).repeat(nodes * nodes);
    let given = log_prob_given(&x, &z);
    let joint: Vec<f64> = (0..nodes * nodes)
        .map(|i| {
            let prior: f64 = z[2 * i..][..2].iter().map(|z| -0.5 * (z * z + std::f64::consts::TAU.ln())).sum();
            given[i * D..][..D].iter().sum::<f64>() + prior + 2.0 * f64::ln(step)
        })
        .collect();
    let truth = log_sum_exp(&joint);
    for seed in 0..3 {
        let e = estimate(&levels, 20_000, seed);
        let (error, parts) = (e.std_error.unwrap(), e.parts.unwrap());
        assert!(e.effective_samples.unwrap() > 200.0, "{e:?}");
        assert!((e.nats - truth).abs() < 3.0 * error + 1e-3, "{} ± {error}, {truth}", e.nats);
        assert!(parts.elbo < e.nats && parts.elbo < truth, "{} < {}", parts.elbo, e.nats);
        assert!((e.bits_per_dim + e.nats / (D as f64 * std::f64::consts::LN_2)).abs() < 1e-12);
    }
}

#[test]
fn a_tenth_of_the_labels_is_left_out_and_the_kl_comes_slowly() {
    let (c, images) = (tiny(), vec![vec![128; D]; 2000]);
    let inputs_at = |done: f64| {
        let draws: Vec<u64> = (0..2000).collect();
        let batch = Batch { seed: 1, step: 7, done, images: &images, draws: &draws, labels: &[2.0; 2000] };
        vae::inputs(&c, &Stage { beta: 2.0, ..run::stage(2000, 1) }, &batch).into_iter().collect::<BTreeMap<_, _>>()
    };
    let inputs = inputs_at(0.25);
    let left_out = inputs["class"].iter().filter(|v| **v == 3.0).count();
    assert!((140..260).contains(&left_out) && inputs["class"].iter().all(|v| *v == 2.0 || *v == 3.0), "{left_out}");
    assert_eq!((&inputs["kl_weight"], &inputs_at(0.9)["kl_weight"]), (&vec![1.0], &vec![2.0]));
    assert_eq!((inputs["eps"].len(), inputs["x"][0]), (4000, 128.0 / 127.5 - 1.0));
}

/// What is asked of a sampler of batches of 4.
fn draw(seed: u64, [first, count, n]: [usize; 3], given: &[(&str, Value)]) -> Result<Vec<f32>, sample::Error<Error>> {
    draw_labelled(seed, [first, count, n], given, 1.0)
}

fn draw_labelled(
    seed: u64,
    [first, count, n]: [usize; 3],
    given: &[(&str, Value)],
    label: f32,
) -> Result<Vec<f32>, sample::Error<Error>> {
    let given = given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let settings = Settings::new(&vae::controls(&tiny()), [1, 8, 8], given).unwrap();
    let draw = Draw { seed, first, count, n, labels: &vec![label; count], settings: &settings };
    let mut sampler = Sampler::<Loaded>::new(&tiny(), 4);
    let mut go_on = async |_: Frame<'_>| ControlFlow::Continue(());
    block_on(sampler.draw(&Host(weights()), &draw, &mut go_on))
}

#[test]
fn a_picture_is_the_same_whatever_is_drawn_with_it() {
    for given in [&[][..], &[("pixels", Value::Text("drawn".into()))]] {
        let four = draw(5, [0, 4, 4], given).unwrap();
        assert_eq!(four.len(), 4 * D);
        assert!(four.iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(draw(5, [2, 1, 4], given).unwrap(), four[2 * D..3 * D]);
        assert_ne!(four[..D], four[D..2 * D]);
        assert_ne!(draw(6, [0, 1, 1], given).unwrap(), four[..D]);
        assert_ne!(draw_labelled(5, [0, 1, 1], given, 0.0).unwrap(), four[..D]);
    }
    let drawn = draw(5, [0, 4, 4], &[("pixels", Value::Text("drawn".into()))]).unwrap();
    assert!(drawn.iter().all(|v| (v * 255.0 - (v * 255.0).round()).abs() < 1e-4), "drawn pixels are levels");
}

#[test]
fn a_walk_starts_at_one_point_and_ends_at_the_other() {
    let seed = |seed: u64| draw(seed, [0, 1, 1], &[]).unwrap();
    let walk = draw(5, [0, 3, 3], &[("to_seed", Value::Number(9.0))]).unwrap();
    assert_eq!((&walk[..D], &walk[2 * D..]), (&seed(5)[..], &seed(9)[..]));
    let pictures = [0.2, 0.9].map(|v| Value::Array(vec![v; D]));
    let alone = pictures.clone().map(|picture| draw(5, [0, 1, 1], &[("image", picture)]).unwrap());
    let [from, to] = pictures;
    let between = draw(5, [0, 3, 3], &[("image", from), ("to_image", to)]).unwrap();
    assert_eq!([&between[..D], &between[2 * D..]], [&alone[0][..], &alone[1][..]]);
    assert_ne!(between[D..2 * D], between[..D]);
}

#[test]
fn a_latent_is_drawn_as_it_is_and_varied_only_where_asked() {
    let latent = || ("latent", Value::Array(vec![0.5, -1.0]));
    let same = draw(5, [0, 2, 2], &[latent()]).unwrap();
    assert_eq!(same[..D], same[D..]);
    let varied = draw(5, [0, 2, 2], &[latent(), ("vary", Value::Number(0.3))]).unwrap();
    assert_ne!(varied[..D], varied[D..]);
    let cold = [("temperature", Value::Number(0.0))];
    let origin = draw(5, [0, 1, 1], &[("latent", Value::Array(vec![0.0; 2]))]).unwrap();
    assert_eq!(draw(8, [0, 1, 1], &cold).unwrap(), origin);
}

#[test]
fn contradictions_and_stops_end_a_job() {
    let picture = Value::Array(vec![0.5; D]);
    let both = [("image", picture.clone()), ("latent", Value::Array(vec![0.0; 2]))];
    assert!(matches!(draw(5, [0, 1, 1], &both), Err(sample::Error::Setting(_))));
    assert!(matches!(draw(5, [0, 1, 1], &[("to_image", picture)]), Err(sample::Error::Setting(_))));
    let settings = Settings::new(&vae::controls(&tiny()), [1, 8, 8], BTreeMap::new()).unwrap();
    let draw = Draw { seed: 1, first: 0, count: 1, n: 1, labels: &[1.0], settings: &settings };
    let mut stop = async |_: Frame<'_>| ControlFlow::Break(());
    let mut sampler = Sampler::<Loaded>::new(&tiny(), 4);
    assert!(matches!(block_on(sampler.draw(&Host(weights()), &draw, &mut stop)), Err(sample::Error::Stopped)));
}
