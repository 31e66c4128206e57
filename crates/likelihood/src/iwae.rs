//! The importance-weighted bound of Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8:
//!     L_k = E[log 1/k sum_i w_i],  w_i = p(x, z_i) / q(z_i|x),  z_i ~ q(z|x)
//! Jensen's inequality makes L_k a lower bound on log p(x); it does not fall with k, and L_1 is the ELBO.
//!
//! Its error is told by several runs of k: see `runs`.

use crate::runs::Runs;
use crate::{Effort, Estimate, Kind, Place, elbo};
use data::rng::Rng;
use graph::Run;
use std::ops::ControlFlow;

/// Importance weights that come in batches, and what is averaged under them.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    k: usize,
    recon: Vec<f64>,
    /// Largest log weight; the sums below are in units of its exponential.
    top: f64,
    sum: f64,
    squares: f64,
    pixels: Vec<f64>,
}

impl Weights {
    /// Takes in log weights and log p(x|z) of as many samples, and, if wanted, log p(x_d|z) of every pixel (row major).
    pub fn push<T: Copy + Into<f64>>(&mut self, log_w: &[T], recon: &[f32], pixels: Option<&[f32]>) {
        let old_top = if self.is_empty() { f64::NEG_INFINITY } else { self.top };
        self.top = log_w.iter().map(|&w| w.into()).fold(old_top, f64::max);
        let shrink = if old_top == f64::NEG_INFINITY { 0.0 } else { (old_top - self.top).exp() };
        self.sum *= shrink;
        self.squares *= shrink * shrink;
        self.pixels.iter_mut().for_each(|p| *p *= shrink);
        for (i, w) in log_w.iter().map(|&w| w.into()).enumerate() {
            let scaled = if w == f64::NEG_INFINITY { 0.0 } else { (w - self.top).exp() };
            self.sum += scaled;
            self.squares += scaled * scaled;
            if let Some(rows) = pixels {
                let d = rows.len() / log_w.len();
                self.pixels.resize(d, 0.0);
                let row = &rows[i * d..][..d];
                self.pixels.iter_mut().zip(row).for_each(|(sum, &p)| *sum += scaled * f64::from(p));
            }
        }
        self.k += log_w.len();
        self.recon.extend(recon.iter().map(|&r| f64::from(r)));
    }

    /// Number of samples so far.
    pub fn len(&self) -> usize {
        self.k
    }

    /// Whether there is no sample yet.
    pub fn is_empty(&self) -> bool {
        self.k == 0
    }

    /// log 1/k sum w.
    pub fn log_mean(&self) -> f64 {
        if self.sum == 0.0 { f64::NEG_INFINITY } else { self.top + self.sum.ln() - (self.k as f64).ln() }
    }

    /// log p(x|z) of all samples.
    pub fn recon(&self) -> &[f64] {
        &self.recon
    }

    /// (sum w)^2 / sum w^2, between 1 and the number of samples; 0 where every weight is 0.
    pub fn effective_samples(&self) -> f64 {
        if self.sum == 0.0 { 0.0 } else { self.sum * self.sum / self.squares }
    }

    /// Standard error of [`Weights::log_mean`] by the delta method: sd(w) / (sqrt(k) mean(w)); infinite where there is
    /// none to be had, from fewer than two samples or from weights that are all 0.
    pub fn std_error(&self) -> f64 {
        let k = self.k as f64;
        if self.k < 2 || self.sum == 0.0 {
            return f64::INFINITY;
        }
        let deviations = (self.squares - self.sum * self.sum / k).max(0.0);
        (deviations * k / (k - 1.0)).sqrt() / self.sum
    }

    /// -log p(x_d|z) of every pixel, averaged over z under the normalised weights: over the posterior p(z|x).
    pub fn surprise(&self) -> Vec<f32> {
        self.pixels.iter().map(|p| (-p / self.sum) as f32).collect()
    }
}

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Importance samples so far.
    pub done: usize,
    /// Importance samples in all.
    pub total: usize,
    /// The bound so far, in nats.
    pub nats: f64,
    /// Its standard error; infinite where it can't be told yet.
    pub std_error: f64,
}

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] E),
    /// The caller stopped the query.
    #[error("the query was stopped")]
    Stopped,
    /// The network gave a value that is no number.
    #[error("the model gave a value that is not a number; no estimate is shown")]
    NotANumber,
}

/// The bound L_k on log p(x) of a VAE, with its parts and the surprise of every pixel.
///
/// `encoder` and `weigher` are `models::vae`'s Programs of those names with the weights written, the encoder for one
/// image; k of `effort` is rounded up to whole batches of the weigher, and each of its runs takes as many. `x` holds D
/// values, as `models::vae::Config::observe` makes them, and `class` a number for each label. `noise` is where the stream
/// of the importance samples starts. `progress` is awaited after each batch and can stop the query.
pub async fn log_prob<R: Run>(
    encoder: &mut R,
    weigher: &mut R,
    x: &[f32],
    class: &[f32],
    effort: impl Into<Effort>,
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<R::Error>> {
    encoder.write("x", x)?;
    if !class.is_empty() {
        encoder.write("class", class)?;
        weigher.write("class", class)?;
    }
    encoder.step()?;
    let q = encoder.read_all(&["mu", "logvar"]).await?;
    let (mu, logvar) = (&q[0], &q[1]);
    weigher.write("x", x)?;
    weigher.write("mu", mu)?;
    weigher.write("logvar", logvar)?;
    let size = |name: &str| weigher.program().shape_of(name).map_or(0, |s| s.iter().product::<usize>());
    let (batch, mut eps) = (size("log_w"), vec![0f32; size("eps")]);
    let with_pixels = weigher.program().output("pixels").is_some();
    let wanted = &["log_w", "recon", "pixels"][..if with_pixels { 3 } else { 2 }];
    let effort = effort.into();
    let k = effort.k.div_ceil(batch) * batch;
    let mut runs = Runs::new(k, effort.runs);
    while runs.ended() < effort.runs {
        noise.fill_normal(&mut eps);
        weigher.write("eps", &eps)?;
        weigher.step()?;
        let values = weigher.read_all(wanted).await?;
        runs.push(&values[0], &values[1], values.get(2).map(Vec::as_slice));
        if runs.bound().0.is_nan() {
            return Err(Error::NotANumber);
        }
        if progress(runs.progress(effort.runs, 0.0)).await.is_break() {
            return Err(Error::Stopped);
        }
        if runs.are_enough(effort) {
            break;
        }
    }
    Ok(estimate(&runs, elbo::normal_kl(mu, logvar), x.len()))
}

fn estimate(runs: &Runs, kl: f64, d: usize) -> Estimate {
    let (nats, k, whole) = (runs.bound().0, runs.k(), runs.whole());
    let mut assumptions = runs.assumptions();
    assumptions.push(
        "The surprise of the pixels is -log p(x_d|z) averaged over the posterior of z; it sums to the reconstruction \
         term, the rest of -log p(x) is what it costs to name z."
            .to_string(),
    );
    Estimate {
        nats,
        std_error: runs.std_error(),
        kind: Kind::LowerBound,
        bits_per_dim: -nats / (d as f64 * std::f64::consts::LN_2),
        estimator: format!("IWAE k={k}"),
        k,
        effective_samples: Some(runs.effective_samples()),
        parts: Some(elbo::parts(whole.recon(), kl)),
        terms: whole.surprise(),
        n_evals: whole.len() + 1,
        assumptions,
        place: Place::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up_to_the_whole() {
        let log_w: Vec<f32> = (0..12).map(|i| -100.0 + (i * 7 % 5) as f32).collect();
        let recon: Vec<f32> = log_w.iter().map(|w| w + 20.0).collect();
        let pixels: Vec<f32> = (0..36).map(|i| -(i as f32) / 10.0).collect();
        let mut whole = Weights::default();
        whole.push(&log_w, &recon, Some(&pixels));
        let mut parts = Weights::default();
        for i in 0..4 {
            parts.push(&log_w[3 * i..][..3], &recon[3 * i..][..3], Some(&pixels[9 * i..][..9]));
        }
        assert!((whole.log_mean() - parts.log_mean()).abs() < 1e-12);
        assert!((whole.effective_samples() - parts.effective_samples()).abs() < 1e-9);
        let direct = |d: usize| {
            let w: Vec<f64> = log_w.iter().map(|&w| f64::from(w + 100.0).exp()).collect();
            -(0..12).map(|i| w[i] * f64::from(pixels[3 * i + d])).sum::<f64>() / w.iter().sum::<f64>()
        };
        for d in 0..3 {
            assert!((f64::from(whole.surprise()[d]) - direct(d)).abs() < 1e-5);
            assert!((whole.surprise()[d] - parts.surprise()[d]).abs() < 1e-5);
        }
    }

    #[test]
    fn equal_weights_are_exact_and_one_large_weight_is_not() {
        let mut w = Weights::default();
        w.push(&[-50.0; 64], &[-40.0; 64], None);
        assert_eq!((w.log_mean(), w.std_error()), (-50.0, 0.0));
        assert!((w.effective_samples() - 64.0).abs() < 1e-9);
        w.push(&[50.0], &[0.0], None);
        assert!((w.effective_samples() - 1.0).abs() < 1e-9);
        assert!((w.log_mean() - (50.0 - 65f64.ln())).abs() < 1e-9);
    }

    #[test]
    fn impossible_images_are_minus_infinity_not_nan() {
        let mut w = Weights::default();
        w.push(&[f32::NEG_INFINITY; 4], &[f32::NEG_INFINITY; 4], None);
        assert_eq!(w.log_mean(), f64::NEG_INFINITY);
    }
}
