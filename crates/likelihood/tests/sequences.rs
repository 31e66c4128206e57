//! The chain rule where all images can be listed: four black or white pixels by a transformer with noise for weights.

use data::rng::Rng;
use engine::{Engine, Error, Loaded};
use graph::{Load, Program, Run};
use likelihood::mean_and_error;
use models::control::Value;
use models::pixel_transformer::{self as pixels, Colour, Config, Sampler};
use models::sample::{Draw, Frame};
use models::{Family, Settings, Weights};
use pollster::block_on;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Pixels of an image, and images.
const N: usize = 4;
const IMAGES: usize = 1 << N;

fn config() -> Config {
    Config {
        size: 2,
        palette: vec![Colour([0; 3]), Colour([255; 3])],
        patch: 1,
        embedding: 3,
        layers: 2,
        heads: 2,
        width: 8,
        reach: 1,
        local_layers: 1,
        local_width: 6,
        classes: Vec::new(),
        unlabelled: 0.0,
    }
}

/// The model of this seed, on the CPU.
struct Host(Weights);

impl Host {
    fn new(seed: u64) -> Host {
        let specs = pixels::specs(&config());
        let mut weights = Weights::init(&specs, seed);
        for (i, spec) in specs.iter().enumerate() {
            let mut noise = vec![0f32; spec.len()];
            Rng::new(seed, 100 + i as u32).fill_normal(&mut noise);
            let values = weights.get(&spec.name).unwrap().iter().zip(noise).map(|(w, e)| w + 0.5 * e).collect();
            weights.insert(&spec.name, &spec.shape, values);
        }
        Host(weights)
    }

    /// log p of every pixel of every image (IMAGES, N), each given those before it. `place` says which pixel of an image the
    /// model takes for its i-th.
    fn log_p(&self, place: impl Fn(usize) -> usize) -> Vec<[f64; N]> {
        let mut run = block_on(self.load(&pixels::scorer(&config(), IMAGES))).unwrap();
        let token = |n: usize| f32::from(pixel(n / N, place(n % N)));
        run.write("tokens", &(0..IMAGES * N).map(token).collect::<Vec<_>>()).unwrap();
        run.step().unwrap();
        let surprise = block_on(run.read("surprise")).unwrap();
        let row = |terms: &[f32]| {
            let mut row = [0.0; N];
            terms.iter().enumerate().for_each(|(i, &term)| row[place(i)] = -f64::from(term));
            row
        };
        surprise.chunks(N).map(row).collect()
    }
}

impl Load for Host {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, Error> {
        let mut run = Engine::cpu().load(program).await?;
        self.0.write_to(&mut run)?;
        Ok(run)
    }
}

fn pixel(image: usize, i: usize) -> u8 {
    (image >> i & 1) as u8
}

fn sum_of(log_p: impl Iterator<Item = f64>) -> f64 {
    log_p.map(f64::exp).sum()
}

/// Two orders of the pixels are two models of the image. The mean of their probabilities is a third one; a mean of their logits,
/// pixel by pixel, is none, though it has been quoted as a likelihood.
#[test]
fn probabilities_of_two_orders_may_be_averaged_and_logits_may_not() {
    let (forward, backward) = (Host::new(11).log_p(|i| i), Host::new(12).log_p(|i| N - 1 - i));
    let nats = |rows: &[[f64; N]], image: usize| rows[image].iter().sum::<f64>();
    for rows in [&forward, &backward] {
        assert!((sum_of((0..IMAGES).map(|x| nats(rows, x))) - 1.0).abs() < 1e-6);
    }
    let mixed = |x: usize| likelihood::log_sum_exp(&[nats(&forward, x), nats(&backward, x)]) - 2f64.ln();
    let by_probability = sum_of((0..IMAGES).map(mixed));
    assert!((by_probability - 1.0).abs() < 1e-6, "{by_probability}");
    // ln p / (1 - p) of what a pixel shows, whose mean is the log-odds of an "ensemble".
    let odds = |log_p: f64| log_p - (-log_p.exp()).ln_1p();
    let averaged = |x: usize| {
        let term = |i: usize| -(-0.5 * (odds(forward[x][i]) + odds(backward[x][i]))).exp().ln_1p();
        (0..N).map(term).sum::<f64>()
    };
    let by_logit = sum_of((0..IMAGES).map(averaged));
    println!("probabilities sum to {by_probability:.8}, averaged logits to {by_logit:.4}");
    assert!((by_logit - 1.0).abs() > 0.01, "{by_logit}");
}

/// A model's own samples surprise it by its entropy, on average, and occur as often as it says.
#[test]
fn samples_are_as_likely_as_the_model_says() {
    let host = Host::new(11);
    let log_p: Vec<f64> = host.log_p(|i| i).iter().map(|row| row.iter().sum()).collect();
    let n = 4000;
    let guidance = BTreeMap::from([("guidance".to_string(), Value::Number(1.0))]);
    let settings = Settings::new(&config().controls(), config().image(), guidance).unwrap();
    let draw = Draw { seed: 3, first: 0, count: n, n, labels: &[], settings: &settings };
    let go_on = &mut async |_: Frame<'_>| ControlFlow::Continue(());
    let pictures = block_on(Sampler::new(&config(), n).draw(&host, &draw, go_on)).unwrap();
    // Three planes of a grey picture are alike.
    let image = |picture: &[f32]| (0..N).map(|i| usize::from(picture[i] > 0.5) << i).sum::<usize>();
    let drawn: Vec<usize> = pictures.chunks(3 * N).map(image).collect();
    let entropy: f64 = log_p.iter().map(|p| -p.exp() * p).sum();
    let (surprise, error) = mean_and_error(&drawn.iter().map(|&x| -log_p[x]).collect::<Vec<_>>());
    println!("surprise {surprise:.4} ± {error:.4} nats, entropy {entropy:.4}");
    assert!((surprise - entropy).abs() < 3.0 * error);
    // Pearson's statistic; 30.6 is the bound of p = 0.01 with 15 degrees of freedom.
    let squares = (0..IMAGES).map(|x| {
        let expected = n as f64 * log_p[x].exp();
        (drawn.iter().filter(|&&d| d == x).count() as f64 - expected).powi(2) / expected
    });
    let statistic: f64 = squares.sum();
    assert!(statistic < 30.6, "{statistic}");
}
