//! Models of latents z ~ N(0, I) and a decoder p(x|z), asked for one x at many z: what the estimators of
//!     log p(x) = log int p(x|z) N(z; 0, I) dz
//! in `ais`, `laplace` and `quadrature` run on.
//!
//! Names: n latents, rows of L; an x of D values.

pub(crate) mod proposal;

use crate::iwae::Error;
use crate::runs::Runs;
use crate::{Estimate, Place};
use graph::{Load, Program, Run};
use models::{gan, latent, vae};
use std::f64::consts::{LN_2, TAU};

pub use proposal::{Normal, Proposal};

/// A log density at n latents.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// In nats, (n).
    pub log_p: Vec<f64>,
    /// Its gradient in z, (n, L); empty where it was not asked for.
    pub grad: Vec<f64>,
}

/// p(x|z) of one x.
pub trait Latent {
    /// What can go wrong on the device.
    type Error: std::error::Error + 'static;

    /// L, size of z.
    fn latents(&self) -> usize;

    /// D, number of values of x.
    fn dims(&self) -> usize;

    /// How many latents are best asked for at once.
    fn batch(&self) -> usize;

    /// What makes log p(x) one of discrete data when added to it, in nats: 0, or for a density minus the log of the
    /// number of levels in a unit of volume.
    fn log_unit(&self) -> f64 {
        0.0
    }

    /// What the number rests on, one plain sentence each.
    fn assumptions(&self) -> Vec<String> {
        Vec::new()
    }

    /// log p(x|z) for each z (n, L), and its gradient if wanted.
    fn evaluate(&mut self, z: &[f64], gradient: bool) -> impl Future<Output = Result<Values, Self::Error>>;
}

/// log p(x, z) = log p(x|z) + log N(z; 0, I) for each z (n, L), and its gradient if wanted.
pub async fn joint<M: Latent>(model: &mut M, z: &[f64], gradient: bool) -> Result<Values, M::Error> {
    let mut values = model.evaluate(z, gradient).await?;
    for (log_p, z) in values.log_p.iter_mut().zip(z.chunks(model.latents())) {
        *log_p -= 0.5 * z.iter().map(|z| z * z + TAU.ln()).sum::<f64>();
    }
    values.grad.iter_mut().zip(z).for_each(|(grad, z)| *grad -= z);
    Ok(values)
}

/// A decoder's Programs (`models::latent`) with the weights written.
pub struct Decoder<R> {
    /// log p(x|z).
    density: R,
    /// The same with its gradient, each for so many latents, which rise. A search for modes has few at a time.
    gradient: Vec<(usize, R)>,
    batch: usize,
    log_unit: f64,
    assumptions: Vec<String>,
}

impl<R: Run> Decoder<R> {
    /// That of a VAE; x is as `vae::Config::observe` makes it. Programs are made for `batch` latents, and
    /// those of the gradient for the lower numbers `few`, too, which rise.
    pub async fn vae(
        c: &vae::Config,
        host: &impl Load<Run = R>,
        batch: usize,
        few: &[usize],
    ) -> Result<Decoder<R>, R::Error> {
        let what = match c.likelihood {
            vae::Likelihood::Bernoulli => "The probability of these black and white pixels.",
            vae::Likelihood::DiscretisedLogistic => "The probability of these 8-bit levels.",
        };
        let program = |b, gradient| latent::vae(c, b, gradient);
        Decoder::load(host, batch, few, program, 0.0, vec![what.into()]).await
    }

    /// That of a GAN with Gaussian noise of the variance `c.variance` in every value, on a scale of levels from 0 to 1; x
    /// is as `models::latent::dequantise` makes it. `batch` and `few` as for [`Decoder::vae`].
    pub async fn gan(
        c: &gan::Config,
        host: &impl Load<Run = R>,
        batch: usize,
        few: &[usize],
    ) -> Result<Decoder<R>, R::Error> {
        let variance = c.variance;
        let d = (c.image_channels * c.size() * c.size()) as f64;
        let assumptions = vec![
            format!(
                "The density of G(z) plus Gaussian noise, not of G(z), which has none: sigma = {:.4} on levels from 0 \
                 to 1 (sigma² = {variance}, chosen on validation images). Most of the number is a matter of sigma.",
                variance.sqrt()
            ),
            "Levels are made continuous by uniform noise, (k + u) / 256; in expectation that is not above \
             the log probability of the levels."
                .into(),
        ];
        let program = |b, gradient| latent::gan(c, b, gradient);
        let mut decoder = Decoder::load(host, batch, few, program, -d * 256f64.ln(), assumptions).await?;
        decoder.runs().try_for_each(|run| run.write("variance", &[variance]))?;
        Ok(decoder)
    }

    async fn load(
        host: &impl Load<Run = R>,
        batch: usize,
        few: &[usize],
        program: impl Fn(usize, bool) -> Program,
        log_unit: f64,
        assumptions: Vec<String>,
    ) -> Result<Decoder<R>, R::Error> {
        let density = host.load(&program(batch, false)).await?;
        let mut gradient = Vec::new();
        for &size in few.iter().chain([&batch]) {
            gradient.push((size, host.load(&program(size, true)).await?));
        }
        Ok(Decoder { density, gradient, batch, log_unit, assumptions })
    }

    /// All Programs.
    fn runs(&mut self) -> impl Iterator<Item = &mut R> {
        std::iter::once(&mut self.density).chain(self.gradient.iter_mut().map(|(_, run)| run))
    }

    /// Sets x (D) and the labels `class` (A).
    pub fn observe(&mut self, x: &[f32], class: &[f32]) -> Result<(), R::Error> {
        for run in self.runs() {
            run.write("x", x)?;
            if !class.is_empty() {
                run.write("class", class)?;
            }
        }
        Ok(())
    }

    fn size(&self, input: &str) -> usize {
        self.density.program().shape_of(input).map_or(0, |shape| shape[1])
    }
}

impl<R: Run> Latent for Decoder<R> {
    type Error = R::Error;

    fn latents(&self) -> usize {
        self.size("z")
    }

    fn dims(&self) -> usize {
        self.size("x")
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn log_unit(&self) -> f64 {
        self.log_unit
    }

    fn assumptions(&self) -> Vec<String> {
        self.assumptions.clone()
    }

    async fn evaluate(&mut self, z: &[f64], gradient: bool) -> Result<Values, R::Error> {
        let l = self.latents();
        let wanted = &["log_p", "grad"][..if gradient { 2 } else { 1 }];
        let mut all = Values::default();
        for some in z.chunks(self.batch * l) {
            let n = some.len() / l;
            let (size, run) = match self.gradient.iter_mut().find(|(size, _)| gradient && *size >= n) {
                Some((size, run)) => (*size, run),
                None => (self.batch, &mut self.density),
            };
            let mut rows: Vec<f32> = some.iter().map(|&z| z as f32).collect();
            rows.resize(size * l, 0.0);
            run.ready().await?;
            run.write("z", &rows)?;
            run.step()?;
            let values = run.read_all(wanted).await?;
            all.log_p.extend(values[0][..n].iter().map(|&v| f64::from(v)));
            if let Some(grad) = values.get(1) {
                all.grad.extend(grad[..some.len()].iter().map(|&v| f64::from(v)));
            }
        }
        Ok(all)
    }
}

/// q(z|x) of a VAE for x (D) and labels `class` (A). `encoder` is `models::vae::encoder` of one image with the weights
/// written.
pub async fn encoded<R: Run>(encoder: &mut R, x: &[f32], class: &[f32]) -> Result<Normal, Error<R::Error>> {
    encoder.write("x", x)?;
    if !class.is_empty() {
        encoder.write("class", class)?;
    }
    encoder.step()?;
    let q = encoder.read_all(&["mu", "logvar"]).await?;
    if !q.iter().flatten().all(|v| v.is_finite()) {
        return Err(Error::NotANumber);
    }
    let [mu, logvar] = [&q[0], &q[1]].map(|v| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>());
    Ok(Normal::diagonal(&mu, &logvar))
}

/// The answer of runs that are through.
pub(crate) fn estimate<M: Latent>(model: &M, runs: &Runs, estimator: String, n_evals: usize) -> Estimate {
    let nats = runs.bound().0 + model.log_unit();
    Estimate {
        nats,
        std_error: runs.std_error(),
        kind: runs.kind(),
        bits_per_dim: -nats / (model.dims() as f64 * LN_2),
        estimator,
        k: runs.k(),
        effective_samples: Some(runs.effective_samples()),
        parts: None,
        terms: Vec::new(),
        n_evals,
        assumptions: [runs.assumptions(), model.assumptions()].concat(),
        place: Place::default(),
    }
}
