//! Whether antithetic noise lowers the error of the variational bound's integral (`likelihood::vlb`), at one number of evaluations:
//! `cargo run --release -p likelihood --example antithetic -- mnist-diffusion pictures`, where the file holds the levels of
//! pictures one after the other; what is left over at its start, as the header of an IDX file, is passed over.

use data::rng::Rng;
use engine::{Engine, Loaded};
use graph::Run;
use likelihood::mean_and_error;
use likelihood::vlb::FROM;
use models::diffusion::step::{Level, sum};
use models::{Family, Network, Weights, diffusion, registry};
use pollster::block_on;
use std::error::Error;
use std::f64::consts::PI;

/// Evaluations of one value of the integral, values of each picture, and pictures.
const K: usize = 64;
const VALUES: u64 = 24;
const PICTURES: usize = 20;

/// Which noise the times have: K / 2 parts of their range with two times each and noise of their own; or K / 4 parts with two
/// pairs of times each, whose second has minus the noise of the first, and its time or that on the other side of the part.
#[derive(Clone, Copy)]
enum Noise {
    Independent,
    Pairs,
    MirroredPairs,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(id), Some(file)) = (arguments.next(), arguments.next()) else { return Err("a model and a file".into()) };
    let Network::Diffusion(c) = registry::recipe(&id)?.network else { return Err("no diffusion".into()) };
    let path = format!("{}/../../web/models/{id}/weights.safetensors", env!("CARGO_MANIFEST_DIR"));
    let mut denoiser = block_on(Engine::cpu().load(&diffusion::denoiser(&c.unet, K)))?;
    Weights::parse(&std::fs::read(path)?, &c.specs())?.write_to(&mut denoiser)?;
    let none: Vec<f32> = c.classes().iter().map(|&n| n as f32).collect();
    denoiser.write("class", &none.repeat(K))?;
    let d: usize = denoiser.program().shape_of("z").ok_or("no z")?[1..].iter().product();
    let bytes = std::fs::read(file)?;
    let pictures: Vec<&[u8]> = bytes[bytes.len() % d..].chunks(d).take(PICTURES).collect();
    for (name, kind) in [
        ("independent", Noise::Independent),
        ("pairs at one time", Noise::Pairs),
        ("pairs at mirrored times", Noise::MirroredPairs),
    ] {
        let mut variance = 0.0;
        for levels in &pictures {
            let x: Vec<f32> = data::image::centred(levels).collect();
            let values =
                (0..VALUES).map(|seed| integral(&mut denoiser, &x, kind, seed)).collect::<Result<Vec<f64>, _>>()?;
            variance += mean_and_error(&values).1.powi(2) * VALUES as f64 / pictures.len() as f64;
        }
        println!(
            "{id}, {K} evaluations, {name}: ± {:.2} nats (root mean square of {} pictures)",
            variance.sqrt(),
            pictures.len()
        );
    }
    Ok(())
}

/// The integral of a picture x by K evaluations.
fn integral(denoiser: &mut Loaded, x: &[f32], kind: Noise, seed: u64) -> Result<f64, engine::Error> {
    let (mut noise, mut u, mut eps) = (Rng::new(seed, 0), vec![0f32; K], vec![0f32; K * x.len()]);
    noise.fill_uniform(&mut u);
    noise.fill_normal(&mut eps);
    let row = |i: usize| eps[i * x.len()..][..x.len()].to_vec();
    let turned = |i: usize| row(i).iter().map(|e| -e).collect::<Vec<f32>>();
    let draw = |i: usize| match (kind, i % 2) {
        (Noise::Independent, _) => (((i / 2) as f32 + u[i]) / (K / 2) as f32, row(i)),
        (_, 0) => (((i / 4) as f32 + u[i]) / (K / 4) as f32, row(i)),
        (Noise::Pairs, _) => (((i / 4) as f32 + u[i - 1]) / (K / 4) as f32, turned(i - 1)),
        (Noise::MirroredPairs, _) => (((i / 4) as f32 + 1.0 - u[i - 1]) / (K / 4) as f32, turned(i - 1)),
    };
    let draws: Vec<(f64, Vec<f32>)> = (0..K).map(draw).map(|(at, eps)| (FROM.powf(1.0 - f64::from(at)), eps)).collect();
    let z = draws.iter().flat_map(|(t, eps)| {
        let Level { alpha, sigma, .. } = Level::at(*t);
        sum(&[(alpha, x), (sigma, eps)])
    });
    denoiser.write("z", &z.collect::<Vec<f32>>())?;
    denoiser.write("time", &draws.iter().map(|(t, _)| *t as f32).collect::<Vec<f32>>())?;
    denoiser.step()?;
    let v = block_on(denoiser.read("prediction"))?;
    let term = |((t, eps), predicted): (&(f64, Vec<f32>), &[f32])| {
        let Level { alpha, sigma, .. } = Level::at(*t);
        let v = sum(&[(alpha, eps), (-sigma, x)]);
        let error: f64 = v.iter().zip(predicted).map(|(v, p)| f64::from(v - p).powi(2)).sum();
        0.5 * PI * alpha / sigma * t * -FROM.ln() * error
    };
    Ok(draws.iter().zip(v.chunks(x.len())).map(term).sum::<f64>() / K as f64)
}
