//! The GAN: its loss and gradients against closed forms and central differences, a training run on a distribution that is
//! known, and what its sampler promises.

use conformance::close::{Tolerance, assert_close, widen};
use conformance::reference::{Reference, evaluate};
use conformance::run::{self, Host};
use data::rng::{Rng, stream};
use engine::{Engine, Error, Loaded};
use graph::{Graph, Program, Run, grad};
use models::control::Value;
use models::gan::{self, Config, Sampler};
use models::nn::AdamW;
use models::registry::Stage;
use models::sample::{self, Draw, Frame};
use models::trainer::{self, Batch, Trainer};
use models::{Settings, Weights};
use pollster::block_on;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const OPTIMISER: AdamW =
    AdamW { beta1: 0.0, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0, clip: None, average: Some(0.99) };

/// Images of 4 x 4 grey pixels with a label of three values.
fn tiny() -> Config {
    Config {
        latents: 3,
        mapping: 6,
        base: 2,
        channels: vec![4, 3],
        critic: vec![3],
        features: 5,
        image_channels: 1,
        classes: vec![3],
        gamma: 0.7,
        final_gamma: 0.1,
        variance: 0.01,
    }
}

/// First values with noise on all that starts at zero, so that no gradient is zero for want of a start.
fn weights(c: &Config, seed: u64) -> Weights {
    let mut weights = Weights::init(&gan::specs(c), seed);
    for (i, spec) in gan::specs(c).iter().enumerate() {
        let noise = run::normal(1000 * seed + i as u64, spec.len());
        let values = weights.get(&spec.name).unwrap().iter().zip(noise).map(|(w, e)| w + 0.3 * e as f32).collect();
        weights.insert(&spec.name, &spec.shape, values);
    }
    weights
}

#[test]
fn the_loss_at_a_linear_discriminator_is_in_closed_form() {
    let g = Graph::new();
    // Four pairs: a graph's constants are f32, and 1 / 4 is exact.
    let (b, w) = (4, g.input("w", &[1, 2, 2, 2]));
    let [real, fake] = ["real", "fake"].map(|name| g.input(name, &[b, 2, 2, 2]));
    let loss = gan::loss(|x| (x * w).sum(&[1, 2, 3]).reshape(&[b]), real, fake);
    let slope = grad(loss.r1 + loss.r2, &[w])[0];
    let outputs = [loss.discriminator, loss.generator, loss.r1, loss.r2, slope];
    let program = Program::new(&["d", "g", "r1", "r2", "slope"].into_iter().zip(outputs).collect::<Vec<_>>(), &[]);

    let (w, real, fake) = (run::normal(1, 8), run::normal(2, 32), run::normal(3, 32));
    let got = evaluate(&program, &[("w", &w), ("real", &real), ("fake", &fake)]);
    let dot = |x: &[f64]| x.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>();
    let margins: Vec<f64> = real.chunks(8).zip(fake.chunks(8)).map(|(x, y)| dot(x) - dot(y)).collect();
    let mean = |sign: f64| margins.iter().map(|m| (sign * m).exp().ln_1p()).sum::<f64>() / b as f64;
    let squares = dot(&w);
    let expected = [mean(-1.0), mean(1.0), squares, squares];
    assert_close("loss", &got[..4].concat(), &expected, Tolerance::new(0.0, 1e-13));
    // d (2 |w|^2) / d w
    let expected: Vec<f64> = w.iter().map(|w| 4.0 * w).collect();
    assert_close("gradient of both penalties", &got[4], &expected, Tolerance::new(0.0, 1e-13));
}

/// With beta1 = 0 the first moment after a step is the gradient that the step took: each network's must be that of its own
/// loss with the other network held constant, the penalties' second derivatives included.
#[test]
fn each_network_follows_the_gradient_of_its_own_loss() {
    let c = tiny();
    let b = 2;
    let program = gan::trainer(&c, &run::stage(b, 1), OPTIMISER);
    let weights = weights(&c, 1);
    let inputs = [
        ("image", run::uniform(2, b * 16, -1.0, 1.0)),
        ("z", run::normal(3, b * c.latents)),
        ("class", vec![1.0, 3.0]),
        ("gamma", vec![f64::from(c.gamma)]),
        ("rates", vec![0.0; 4]),
    ];
    let mut reference = Reference::new(&program);
    let mut losses = |name: &str, values: &[f64]| {
        for (name, _) in &program.inputs {
            reference.write(name, &vec![0.0; program.shape_of(name).unwrap().iter().product()]);
        }
        inputs.iter().for_each(|(name, values)| reference.write(name, values));
        weights.iter().for_each(|(name, values)| reference.write(name, &widen(values)));
        reference.write(name, values);
        reference.step();
        let [d, g, r1, r2] = ["loss", "generator", "r1", "r2"].map(|name| reference.read(name)[0]);
        let own = if name.starts_with("generator") { g } else { d + 0.5 * f64::from(c.gamma) * (r1 + r2) };
        (own, reference.read(&format!("m.{name}")).to_vec())
    };
    const STEP: f64 = 1e-6;
    for spec in gan::specs(&c) {
        let at = widen(weights.get(&spec.name).unwrap());
        let (_, got) = losses(&spec.name, &at);
        let moved = |i: usize, by: f64| at.iter().enumerate().map(|(j, x)| if i == j { x + by } else { *x }).collect();
        let mut loss = |x: Vec<f64>| losses(&spec.name, &x).0;
        let slope = |i: usize| (loss(moved(i, STEP)) - loss(moved(i, -STEP))) / (2.0 * STEP);
        let expected: Vec<f64> = (0..at.len()).map(slope).collect();
        // Central differences with a step of 1e-6 lose ten of sixteen digits of a loss of size 1.
        assert_close(&spec.name, &got, &expected, Tolerance::new(1e-8, 1e-7));
    }
}

/// Pairs of numbers, as images of one pixel with two channels.
#[test]
fn training_finds_the_mean_and_the_deviation_of_a_gaussian() {
    let c = Config {
        latents: 2,
        mapping: 16,
        base: 1,
        channels: vec![16],
        critic: vec![],
        features: 32,
        image_channels: 2,
        classes: vec![],
        gamma: 0.1,
        final_gamma: 0.1,
        variance: 0.01,
    };
    let (b, steps) = (64, 600);
    let stage = Stage { rate: 3e-3, ..run::stage(b, 1) };
    let engine = Engine::cpu();
    let train = block_on(engine.load(&gan::trainer(&c, &stage, OPTIMISER))).unwrap();
    let mut trainer = Trainer::new(train, &Weights::init(&gan::specs(&c), 1)).unwrap();
    let (mean, deviation) = ([0.4, -0.2], [0.25, 0.1]);
    for step in 1..=steps {
        let pair = |e: &[f64]| (0..2).map(|i| ((mean[i] + deviation[i] * e[i] + 1.0) * 127.5).round() as u8).collect();
        let images: Vec<Vec<u8>> = run::normal(step, 2 * b).chunks(2).map(pair).collect();
        let batch = Batch { seed: 1, step, done: 0.0, images: &images, draws: &[], labels: &[] };
        let rates = OPTIMISER.rates(stage.rate * (1.0 - step as f64 / steps as f64), step);
        let inputs = gan::inputs(&c, &stage, &batch);
        let mut inputs: Vec<(&str, &[f32])> = inputs.iter().map(|(name, v)| (*name, v.as_slice())).collect();
        inputs.push(("rates", &rates));
        block_on(trainer.step(&inputs)).unwrap();
    }
    let trained = trainer::shipped(&block_on(trainer.weights()).unwrap(), &gan::specs(&c)).unwrap();
    let n = 2000;
    let mut generator = block_on(engine.load(&gan::generator(&c, n))).unwrap();
    trained.write_to(&mut generator).unwrap();
    let mut z = vec![0f32; n * c.latents];
    Rng::new(2, stream::SAMPLE).fill_normal(&mut z);
    generator.write("z", &z).unwrap();
    generator.step().unwrap();
    let x = widen(&block_on(generator.read("image")).unwrap());
    for i in 0..2 {
        let of: Vec<f64> = x.iter().skip(i).step_by(2).copied().collect();
        let m = of.iter().sum::<f64>() / n as f64;
        let sd = (of.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n as f64).sqrt();
        println!("{m:.3} for {}, {sd:.3} for {}", mean[i], deviation[i]);
        assert!((m - mean[i]).abs() < 0.3 * deviation[i], "mean {m} of {}", mean[i]);
        assert!((0.7..1.4).contains(&(sd / deviation[i])), "deviation {sd} of {}", deviation[i]);
    }
}

#[test]
fn a_tenth_of_the_labels_is_dropped_and_of_several_each_may_stand_alone() {
    let images = vec![vec![128; 16]; 4000];
    let none =
        |c: &Config, row: &[f32]| row.iter().zip(&c.classes).map(|(l, n)| *l == *n as f32).collect::<Vec<bool>>();
    for (classes, all) in [(vec![3], 0.1), (vec![3, 5], 0.1 + 0.9 * 0.09)] {
        let c = Config { classes, ..tiny() };
        let labels = vec![2.0; images.len() * c.classes.len()];
        let batch = Batch { seed: 1, step: 5, done: 0.0, images: &images, draws: &[], labels: &labels };
        let inputs = gan::inputs(&c, &run::stage(images.len(), 1), &batch);
        let class = &inputs.iter().find(|(name, _)| *name == "class").unwrap().1;
        let rows: Vec<Vec<bool>> = class.chunks(c.classes.len()).map(|row| none(&c, row)).collect();
        let share = |of: &dyn Fn(&[bool]) -> bool| rows.iter().filter(|r| of(r)).count() as f64 / rows.len() as f64;
        assert!((share(&|r| r.iter().all(|n| *n)) - all).abs() < 0.02);
        assert!(c.classes.len() == 1 || (share(&|r| r[0] && !r[1]) - 0.9 * 0.3 * 0.7).abs() < 0.03);
    }
}

/// A sampler of [`tiny`] in batches of one size.
struct Studio {
    host: Host,
    sampler: Sampler<Loaded>,
}

const PIXELS: usize = 16;

impl Studio {
    fn new(batch: usize) -> Studio {
        Studio { host: Host(weights(&tiny(), 7)), sampler: Sampler::new(&tiny(), batch) }
    }

    /// Pictures `first..first + count` of `n`, all with label 1.
    fn draw(
        &mut self,
        seed: u64,
        [first, count, n]: [usize; 3],
        given: &[(&str, Value)],
    ) -> Result<Vec<f32>, sample::Error<Error>> {
        let settings = settings(given);
        let draw = Draw { seed, first, count, n, labels: &vec![1.0; count], settings: &settings };
        block_on(self.sampler.draw(&self.host, &draw, &mut go_on))
    }

    fn encode(&mut self, picture: &[f32]) -> Vec<f32> {
        let settings = settings(&[]);
        let draw = Draw { seed: 3, first: 0, count: 1, n: 1, labels: &[1.0], settings: &settings };
        block_on(self.sampler.encode(&self.host, picture, &draw, &mut go_on)).unwrap()
    }
}

async fn go_on(_: Frame<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn settings(given: &[(&str, Value)]) -> Settings {
    let given: BTreeMap<String, Value> = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Settings::new(&gan::controls(&tiny()), [1, 4, 4], given).unwrap()
}

#[test]
fn a_picture_is_the_same_whatever_is_drawn_with_it() {
    let given = [("truncation", Value::Number(0.6)), ("direction_2", Value::Number(1.5))];
    for given in [&[][..], &given] {
        let four = Studio::new(4).draw(5, [0, 4, 4], given).unwrap();
        assert_eq!(four.len(), 4 * PIXELS);
        assert!(four.iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(Studio::new(2).draw(5, [2, 1, 4], given).unwrap(), four[2 * PIXELS..3 * PIXELS]);
        assert_ne!(four[..PIXELS], four[PIXELS..2 * PIXELS]);
    }
}

#[test]
fn truncation_to_nothing_is_the_mean_picture() {
    let none = Studio::new(2).draw(5, [0, 2, 2], &[("truncation", Value::Number(0.0))]).unwrap();
    let other = Studio::new(1).draw(6, [0, 1, 1], &[("truncation", Value::Number(0.0))]).unwrap();
    assert_eq!(none[..PIXELS], none[PIXELS..]);
    assert_eq!(none[..PIXELS], other);
    let whole = Studio::new(1).draw(6, [0, 1, 1], &[]).unwrap();
    let half = Studio::new(1).draw(6, [0, 1, 1], &[("truncation", Value::Number(0.5))]).unwrap();
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    assert!(distance(&half, &other) < distance(&whole, &other) && distance(&half, &other) > 0.0);
}

#[test]
fn a_walk_ends_at_the_pictures_of_its_seeds() {
    let mut studio = Studio::new(3);
    let walk = studio.draw(5, [0, 3, 3], &[("to_seed", Value::Number(9.0))]).unwrap();
    assert_eq!(walk[..PIXELS], studio.draw(5, [0, 1, 1], &[]).unwrap());
    assert_eq!(walk[2 * PIXELS..], studio.draw(9, [0, 1, 1], &[]).unwrap());
    assert!(walk[PIXELS..2 * PIXELS] != walk[..PIXELS] && walk[PIXELS..2 * PIXELS] != walk[2 * PIXELS..]);
}

#[test]
fn a_latent_gives_one_picture_until_it_is_varied() {
    let mut studio = Studio::new(2);
    let z = || ("latent", Value::Array(vec![0.5, -1.0, 2.0]));
    let fixed = studio.draw(5, [0, 2, 2], &[z()]).unwrap();
    assert_eq!(fixed[..PIXELS], fixed[PIXELS..]);
    let varied = studio.draw(5, [0, 2, 2], &[z(), ("vary", Value::Number(0.3))]).unwrap();
    assert_ne!(varied[..PIXELS], varied[PIXELS..]);
    assert_eq!(
        studio.draw(5, [0, 2, 2], &[z(), ("vary", Value::Number(1.0))]).unwrap(),
        studio.draw(5, [0, 2, 2], &[]).unwrap()
    );
}

#[test]
fn inversion_finds_a_picture_of_its_own() {
    let mut studio = Studio::new(1);
    let picture = studio.draw(5, [0, 1, 1], &[]).unwrap();
    let z = studio.encode(&picture);
    let again = studio.draw(8, [0, 1, 1], &[("latent", Value::Array(z.clone()))]).unwrap();
    // With sigma = 0.05 the prior on z moves the best picture of 16 pixels by less than a level of 8 bit on average.
    let error = picture.iter().zip(&again).map(|(a, b)| (a - b).abs()).sum::<f32>() / PIXELS as f32;
    assert!(error < 1.0 / 255.0, "{error}");
    // The control `image` looks for the same z.
    let given = [("image", Value::Array(picture))];
    assert_eq!(Studio::new(1).draw(3, [0, 1, 1], &given).unwrap(), again);
}

#[test]
fn contradictions_and_stops_are_heard() {
    let mut studio = Studio::new(1);
    let z = || Value::Array(vec![0.0; 3]);
    let refused = studio.draw(5, [0, 1, 1], &[("latent", z()), ("image", Value::Array(vec![0.0; 16]))]).unwrap_err();
    assert!(refused.to_string().contains("give one of them"), "{refused}");
    let refused = studio.draw(5, [0, 1, 1], &[("to_latent", z()), ("to_seed", Value::Number(1.0))]).unwrap_err();
    assert!(refused.to_string().contains("give one of them"), "{refused}");
    let settings = settings(&[]);
    let draw = Draw { seed: 3, first: 0, count: 1, n: 1, labels: &[1.0], settings: &settings };
    let mut seen = 0;
    let mut stop = async |_: Frame<'_>| {
        seen += 1;
        ControlFlow::Break(())
    };
    let stopped = block_on(studio.sampler.encode(&studio.host, &[0.5; 16], &draw, &mut stop));
    assert!(matches!(stopped, Err(sample::Error::Stopped)));
    assert_eq!(seen, 1);
}
