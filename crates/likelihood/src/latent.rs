//! Models of latents z ~ N(0, I) and a decoder p(x|z), asked for one x at many z: what the estimators of
//!     log p(x) = log int p(x|z) N(z; 0, I) dz
//! in `ais`, `laplace` and `quadrature` run on.
//!
//! Names: n latents, rows of L; an x of D values.

pub(crate) mod proposal;

use crate::iwae::Error;
use crate::runs::Runs;
use crate::{Estimate, Place, per_pixel};
use graph::{Load, Program, Run};
use models::latent::Output;
use models::{gan, latent, vae};
use std::f64::consts::{LN_2, TAU};
use std::ops::ControlFlow;

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

    /// -log p(x_d|z) of every pixel at one z (L), in the unit of discrete data; empty where the model does not tell it.
    fn surprise(&mut self, _z: &[f64]) -> impl Future<Output = Result<Vec<f32>, Self::Error>> {
        async { Ok(Vec::new()) }
    }
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

/// [`joint`] in batches of the model's size; `watch` is awaited after each and can stop it.
pub(crate) async fn watched<M: Latent>(
    model: &mut M,
    z: &[f64],
    gradient: bool,
    watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Values, Error<M::Error>> {
    let mut all = Values::default();
    for some in z.chunks(model.batch() * model.latents()) {
        let part = joint(model, some, gradient).await?;
        all.log_p.extend(part.log_p);
        all.grad.extend(part.grad);
        if watch().await.is_break() {
            return Err(Error::Stopped);
        }
    }
    Ok(all)
}

/// The likeliest latent so far: log p(x, z) and z (L). None while all are impossible.
#[derive(Default)]
pub(crate) struct Best(Option<(f64, Vec<f64>)>);

impl Best {
    /// Looks at latents z (n, L) with their log p(x, z).
    pub(crate) fn look(&mut self, z: &[f64], log_p: &[f64]) {
        for (z, &log_p) in z.chunks(z.len() / log_p.len()).zip(log_p) {
            if log_p > self.0.as_ref().map_or(f64::NEG_INFINITY, |best| best.0) {
                self.0 = Some((log_p, z.to_vec()));
            }
        }
    }

    /// -log p(x_d|z) of every pixel there.
    pub(crate) async fn surprise<M: Latent>(&self, model: &mut M) -> Result<Vec<f32>, M::Error> {
        match &self.0 {
            Some((_, z)) => model.surprise(z).await,
            None => Ok(Vec::new()),
        }
    }
}

/// What the numbers of a VAE are probabilities of.
pub(crate) fn footing(c: &vae::Config) -> &'static str {
    match c.likelihood {
        vae::Likelihood::Bernoulli => "The probability of these black and white pixels, not a density.",
        vae::Likelihood::DiscretisedLogistic => "The probability of these 8-bit levels, not a density.",
    }
}

/// A decoder's Programs (`models::latent`) with the weights written.
pub struct Decoder<R> {
    /// log p(x|z), and that of each value of x where it is wanted.
    density: R,
    /// The same with its gradient, each for so many latents, which rise. A search for modes has few at a time.
    gradient: Vec<(usize, R)>,
    batch: usize,
    log_unit: f64,
    assumptions: Vec<String>,
}

impl<R: Run> Decoder<R> {
    /// That of a VAE; x is as `vae::Config::observe` makes it. Programs are made for `batch` latents, and
    /// those of the gradient for the lower numbers `few`, too, which rise. `terms` asks for the surprise of each pixel.
    pub async fn vae(
        c: &vae::Config,
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
    ) -> Result<Decoder<R>, R::Error> {
        let program = |b, output| latent::vae(c, b, output);
        Decoder::load(host, (batch, few), terms, program, 0.0, vec![footing(c).into()]).await
    }

    /// That of a GAN with Gaussian noise of the variance `c.variance` in every value, on a scale of levels from 0 to 1; x
    /// is as `models::latent::dequantise` makes it. `batch`, `few` and `terms` as for [`Decoder::vae`].
    pub async fn gan(
        c: &gan::Config,
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
    ) -> Result<Decoder<R>, R::Error> {
        let variance = c.variance;
        let d = (c.image_channels * c.size() * c.size()) as f64;
        let assumptions = vec![
            format!(
                "The density of G(z) plus Gaussian noise, not of G(z), which has none: sigma = {:.4} on levels from 0 \
                 to 1 (sigma² = {variance}, of a few the likeliest for the last pictures of the training set, which training saw, \
                 too). Most of the number is a matter of sigma.",
                variance.sqrt()
            ),
            "Levels are made continuous by uniform noise, (k + u) / 256; in expectation that is not above \
             the log probability of the levels."
                .into(),
        ];
        let program = |b, output| latent::gan(c, b, output);
        let mut decoder = Decoder::load(host, (batch, few), terms, program, -d * 256f64.ln(), assumptions).await?;
        decoder.runs().try_for_each(|run| run.write("variance", &[variance]))?;
        Ok(decoder)
    }

    async fn load(
        host: &impl Load<Run = R>,
        (batch, few): (usize, &[usize]),
        terms: bool,
        program: impl Fn(usize, Output) -> Program,
        log_unit: f64,
        assumptions: Vec<String>,
    ) -> Result<Decoder<R>, R::Error> {
        let density = host.load(&program(batch, if terms { Output::Pixels } else { Output::Total })).await?;
        let mut gradient = Vec::new();
        for &size in few.iter().chain([&batch]) {
            gradient.push((size, host.load(&program(size, Output::Gradient)).await?));
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
            let values = ask(run, size * l, some, wanted).await?;
            all.log_p.extend(values[0][..n].iter().map(|&v| f64::from(v)));
            if let Some(grad) = values.get(1) {
                all.grad.extend(grad[..some.len()].iter().map(|&v| f64::from(v)));
            }
        }
        Ok(all)
    }

    async fn surprise(&mut self, z: &[f64]) -> Result<Vec<f32>, R::Error> {
        if self.density.program().output("pixels").is_none() {
            return Ok(Vec::new());
        }
        let (rows, d) = (self.batch * self.latents(), self.dims());
        let values = ask(&mut self.density, rows, z, &["pixels"]).await?;
        let unit = self.log_unit / d as f64;
        Ok(per_pixel(&values[0][..d].iter().map(|&v| -f64::from(v) - unit).collect::<Vec<f64>>()))
    }
}

/// What a Program says of latents z in the first of its rows, of `size` numbers in all.
async fn ask<R: Run>(run: &mut R, size: usize, z: &[f64], wanted: &[&str]) -> Result<Vec<Vec<f32>>, R::Error> {
    let mut rows: Vec<f32> = z.iter().map(|&z| z as f32).collect();
    rows.resize(size, 0.0);
    run.ready().await?;
    run.write("z", &rows)?;
    run.step()?;
    run.read_all(wanted).await
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

/// What is said of the surprise of pixels, where there is one.
pub(crate) fn said_of(terms: &[f32]) -> Option<String> {
    let sum: f64 = terms.iter().map(|&term| f64::from(term)).sum();
    (!terms.is_empty()).then(|| {
        format!(
            "The surprise of the pixels is -log p(x_d|z) at the likeliest latent z that was met, not at all of them: it sums to \
             {sum:.1} nats, -log p(x|z) there, and is no share of -log p(x), which also has what it costs to name z."
        )
    })
}

/// The answer of runs that are through, with the surprise of each pixel at the likeliest latent.
pub(crate) async fn estimate<M: Latent>(
    model: &mut M,
    runs: &Runs,
    best: &Best,
    estimator: String,
    n_evals: usize,
) -> Result<Estimate, M::Error> {
    let nats = runs.bound().0 + model.log_unit();
    let terms = best.surprise(model).await?;
    Ok(Estimate {
        nats,
        std_error: runs.std_error(),
        kind: runs.kind(),
        bits_per_dim: -nats / (model.dims() as f64 * LN_2),
        estimator,
        k: runs.k(),
        effective_samples: Some(runs.effective_samples()),
        parts: None,
        n_evals: n_evals + usize::from(!terms.is_empty()),
        assumptions: runs.assumptions().into_iter().chain(model.assumptions()).chain(said_of(&terms)).collect(),
        terms,
        place: Place::default(),
    })
}
