//! `pofx bdmc`: how far annealed importance sampling is from log p(x), by bidirectional Monte Carlo (Grosse, Ghahramani & Adams
//! 2015, arXiv:1511.02543). Of a picture that the model draws, a latent is known that is an exact draw of p(z|x), so that chains
//! from there bound log p(x) from above. The gap to the bound from below is for such pictures: of others it is no proof.

use crate::eval::on_all_cores;
use crate::logprob::{FEW, batch};
use crate::model::Model;
use anyhow::{Result, bail};
use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::Run;
use likelihood::integral::{DRAWS, FIT_STEPS, STARTS};
use likelihood::laplace::{self, Cover};
use likelihood::latent::{Decoder, Latent, Proposal, encoded};
use likelihood::query::Method;
use likelihood::{Effort, Estimate, ais, footing, mean_and_error, variational};
use models::vae::Likelihood;
use models::{Network, gan, vae};
use serde::Serialize;
use std::ops::ControlFlow;

/// The least uniform number that a pixel is drawn by: that of 0 has no logarithm.
const LEAST: f32 = 1.0 / (1 << 25) as f32;

/// What `pofx bdmc --json` prints. Means are over the draws, errors the standard errors of these means.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    draws: usize,
    estimator: String,
    runs: usize,
    /// Of the bound from below, which is what is said of any picture.
    lower_nats: f64,
    lower_std_error: f64,
    /// Of the bound from above.
    upper_nats: f64,
    upper_std_error: f64,
    /// Of their differences.
    gap_nats: f64,
    gap_std_error: f64,
    gap_bits_per_dim: f64,
    largest_gap_nats: f64,
    seconds: f64,
}

/// The mean gap over `draws` pictures of the model, drawn and asked about without a label, of chains at `temperatures`.
pub(crate) fn bdmc(model: &Model, draws: usize, temperatures: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let network = &model.recipe.network;
    let runs = Method::Ais.runs(network, false);
    let plan = ais::Plan::of(Effort { k: temperatures, runs, precision: None });
    let load = || Simulator::load(model, temperatures);
    let bounds = on_all_cores("annealing", draws, load, |simulator, i| simulator.bounds(i, plan))?;
    let mean_of = |f: &dyn Fn(&[Estimate; 2]) -> f64| mean_and_error(&bounds.iter().map(f).collect::<Vec<_>>());
    let gap = |[lower, upper]: &[Estimate; 2]| upper.nats - lower.nats;
    let (lower_nats, lower_std_error) = mean_of(&|[lower, _]| lower.nats);
    let (upper_nats, upper_std_error) = mean_of(&|[_, upper]| upper.nats);
    let (gap_nats, gap_std_error) = mean_of(&gap);
    let d = network.image().iter().product();
    Ok(Report {
        model: model.recipe.id.clone(),
        data: "pictures that the model draws, given no label".into(),
        draws,
        estimator: bounds.first().map(|[lower, _]| lower.estimator.clone()).unwrap_or_default(),
        runs,
        lower_nats,
        lower_std_error,
        upper_nats,
        upper_std_error,
        gap_nats,
        gap_std_error,
        gap_bits_per_dim: footing::bits_per_dim(-gap_nats, d),
        largest_gap_nats: bounds.iter().map(gap).fold(f64::NEG_INFINITY, f64::max),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// A model that draws a picture together with its latent, and is asked about it.
struct Simulator {
    source: Source,
    decoder: Decoder<Loaded>,
    none: Vec<f32>,
}

/// Programs of one picture.
enum Source {
    Vae { config: vae::Config, drawer: Loaded, encoder: Loaded },
    Gan { config: gan::Config, generator: Loaded },
}

impl Simulator {
    fn load(model: &Model, temperatures: usize) -> Result<Simulator> {
        let (engine, batch) = (Engine::cpu(), batch(temperatures));
        let host = model.on(&engine);
        let load = |program| model.load(&engine, &program);
        let (source, decoder) = match model.recipe.network.clone() {
            Network::Vae(config) => {
                let decoder = pollster::block_on(Decoder::vae(&config, &host, (batch, &FEW), false))?;
                let (drawer, encoder) = (load(vae::drawer(&config, 1))?, load(vae::encoder(&config, 1))?);
                (Source::Vae { config, drawer, encoder }, decoder)
            }
            Network::Gan(config) => {
                let decoder = pollster::block_on(Decoder::gan(&config, &host, (batch, &FEW), false))?;
                let generator = load(gan::generator(&config, 1))?;
                (Source::Gan { config, generator }, decoder)
            }
            other => bail!(
                "this is for VAEs and GANs, which have latents, and {} is of the family {}",
                model.recipe.id,
                other.name()
            ),
        };
        Ok(Simulator { source, decoder, none: model.recipe.network.no_labels() })
    }

    /// The bounds from below and from above on log p of the picture of number `i`.
    fn bounds(&mut self, i: usize, plan: ais::Plan) -> Result<[Estimate; 2]> {
        // Streams of different pictures do not meet, nor do those of the parts of one.
        let noise = |part: u64| Rng::new(data::TEST_SEED, stream::ESTIMATE).skip(((i as u64) << 32) + (part << 30));
        let mut z = vec![0f32; self.decoder.latents()];
        Rng::new(data::TEST_SEED, stream::SAMPLE).skip((i as u64) << 32).fill_normal(&mut z);
        let x = self.draw(&z, Rng::new(data::TEST_SEED, stream::PIXELS).skip((i as u64) << 32))?;
        self.decoder.observe(&x, &self.none)?;
        let z: Vec<f64> = z.into_iter().map(f64::from).collect();
        pollster::block_on(async {
            let proposal = self.proposal(&x, plan.temperatures, [noise(0), noise(1)]).await?;
            let go_on = async |_| ControlFlow::Continue(());
            Ok(ais::bdmc(&mut self.decoder, &proposal, plan, &z, noise(2), go_on).await?)
        })
    }

    /// x (D) from p(x|z), as the decoder observes it.
    fn draw(&mut self, z: &[f32], mut noise: Rng) -> Result<Vec<f32>> {
        let (run, output) = match &mut self.source {
            Source::Vae { config, drawer, .. } => {
                let mut u = vec![0f32; config.pixels()];
                noise.fill_uniform(&mut u);
                u.iter_mut().for_each(|u| *u = u.max(LEAST));
                drawer.write("u", &u)?;
                (drawer, "image")
            }
            Source::Gan { generator, .. } => (generator, "image"),
        };
        run.write("z", z)?;
        if !self.none.is_empty() {
            run.write("class", &self.none)?;
        }
        run.step()?;
        let image = pollster::block_on(run.read(output))?;
        Ok(match &self.source {
            Source::Vae { config, .. } if config.likelihood == Likelihood::Bernoulli => image,
            Source::Vae { config, .. } => {
                let levels: Vec<u8> = image.iter().map(|v| (v * 255.0).round() as u8).collect();
                config.observe(&levels, 0, 0)
            }
            Source::Gan { config, .. } => {
                let mut e = vec![0f32; image.len()];
                noise.fill_normal(&mut e);
                let middle = |g: f32| (127.5 * (g + 1.0) + 0.5) / 256.0;
                image.iter().zip(e).map(|(&g, e)| middle(g) + config.variance.sqrt() * e).collect()
            }
        })
    }

    /// Where the chains start: as for a picture that is asked about (`likelihood::query`).
    async fn proposal(&mut self, x: &[f32], temperatures: usize, [of_starts, of_fit]: [Rng; 2]) -> Result<Proposal> {
        let go_on = async || ControlFlow::Continue(());
        Ok(match &mut self.source {
            Source::Vae { encoder, .. } => {
                let q = encoded(encoder, x, &self.none).await?;
                let mean = q.mean().to_vec();
                laplace::propose(&mut self.decoder, &mean, Cover::encoder(q), go_on).await?
            }
            Source::Gan { .. } => {
                let steps = FIT_STEPS[usize::from(temperatures > Method::Ais.samples(false))];
                let starts = laplace::best_of_prior(&mut self.decoder, DRAWS, STARTS, of_starts, go_on).await?;
                variational::propose(&mut self.decoder, &starts, steps, of_fit, go_on).await?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that is not of its latent, or not of the decoder's noise, has bounds that are tens of nats apart.
    #[test]
    fn bounds_on_drawn_pictures_are_near_each_other() {
        let report = bdmc(&Model::open("mnist-vae-2d", None).unwrap(), 2, 10).unwrap();
        assert!(report.lower_nats <= report.upper_nats && report.gap_nats < 3.0, "{}", report.gap_nats);
        let refused = bdmc(&Model::open("mnist-transformer", None).unwrap(), 2, 10).err().unwrap().to_string();
        assert!(refused.ends_with("mnist-transformer is of the family transformer"), "{refused}");
    }
}
