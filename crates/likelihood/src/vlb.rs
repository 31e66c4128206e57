//! The variational bound of a diffusion model in continuous time (Kingma et al. 2021, arXiv:2107.00630, eq. 11, 14 and 15):
//!     -log p(x) <= E[-log p(x | z_0)] + 1/2 int E|eps - eps^(z_t)|^2 (-dlambda/dt) dt + KL(q(z_1 | x) || N(0, I))
//! with lambda = ln(alpha^2 / sigma^2). Under the schedule of `models::diffusion` the last term is 0, -dlambda/dt is
//! pi / (alpha sigma), and eps - eps^ is alpha (v - v^). Times run from [`FROM`] to 1: less noise than that belongs to p(x | z_0).

use crate::iwae::{Error, Progress};
use crate::{Effort, Estimate, Kind, Parts, Place, mean_and_error, per_pixel};
use data::rng::Rng;
use graph::Run;
use models::diffusion::decoder::Decoder;
use models::diffusion::step::{Level, Prediction, sum};
use std::f64::consts::{LN_2, PI};
use std::ops::ControlFlow;

/// Time of z_0. The bound is best between 0.01 and 0.03 on all images that were tried.
pub const FROM: f64 = 0.02;
/// Times for each z_0: the error of both parts of the bound falls with k.
const TIMES_PER_DECODED: usize = 8;
/// So many z_0 have their noise before that of the next times, [`TIMES_PER_DECODED`] as many. It decides which noise an evaluation has, so
/// that the answer of a seed does not depend on how many an engine takes at once.
const GROUP: usize = 64;
/// At first so many z_0 and times take turns, so that there is soon a value of the bound.
const TURN: usize = 8;

/// The bound for an image, with the surprise of every pixel. `denoiser` is `models::diffusion::denoiser` with the weights
/// written and `decoder` that of its model; `levels` (C, S, S) and the labels `class` (A) are those of the image. `k` evaluations,
/// rounded up to a multiple of [`GROUP`], are spent on the integral, and one in [`TIMES_PER_DECODED`] more on p(x | z_0). `noise` is where the stream of noise
/// starts. `progress` is awaited after each batch and can stop the query.
pub async fn log_prob<R: Run>(
    denoiser: &mut R,
    decoder: &Decoder,
    levels: &[u8],
    class: &[f32],
    effort: impl Into<Effort>,
    noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<R::Error>> {
    let batch = denoiser.program().shape_of("time").map_or(1, |shape| shape[0]);
    let effort = effort.into();
    let total = effort.k.div_ceil(GROUP).max(1) * GROUP;
    let mut bound = Bound::new(levels, class, batch);
    let times = Times::new(total, &mut noise.clone().skip(GROUP as u64 * blocks(levels.len())));
    for some in times.order(noise, levels.len()).chunks_mut(batch) {
        bound.evaluate(denoiser, (decoder, levels), some).await?;
        // The first ones may all be z_0.
        if bound.integral.is_empty() {
            continue;
        }
        let (nats, std_error) = bound.so_far();
        if nats.is_nan() {
            return Err(Error::NotANumber);
        }
        let done = bound.integral.len();
        if progress(Progress { done, total, nats, std_error }).await.is_break() {
            return Err(Error::Stopped);
        }
        if effort.is_met(done, std_error) {
            break;
        }
    }
    Ok(bound.estimate(&times))
}

/// Blocks of a stream that the noise of one evaluation takes.
fn blocks(d: usize) -> u64 {
    d.div_ceil(4) as u64
}

/// What the network is asked about, and where the stream of its noise starts.
struct Asked {
    /// That of z_0, [`FROM`], where it is for p(x | z_0).
    time: f64,
    decoded: bool,
    noise: Rng,
}

/// Times of the integral. ln t is spread evenly between ln [`FROM`] and 0, about as lambda is: two draws in each of equal
/// parts, whose differences tell the error.
struct Times {
    /// In random order, so that the mean of the first ones is not far off.
    drawn: Vec<f64>,
    /// Part of each.
    part: Vec<usize>,
    /// Blocks of the stream that they were made of.
    blocks: u64,
}

impl Times {
    fn new(n: usize, noise: &mut Rng) -> Times {
        let mut u = vec![0f32; n];
        noise.fill_uniform(&mut u);
        let mut order: Vec<usize> = (0..n).collect();
        noise.shuffle(&mut order);
        let parts = n.div_ceil(2) as f64;
        let at = |&i: &usize| FROM.powf(1.0 - ((i / 2) as f64 + f64::from(u[i])) / parts);
        // A block for four uniform numbers, and one for each number below another.
        let blocks = blocks(n) + (n - 1) as u64;
        Times { drawn: order.iter().map(at).collect(), part: order.iter().map(|i| i / 2).collect(), blocks }
    }

    /// All that the network is asked about, whose noise starts where `noise` does and is of `d` numbers each. Between the noise of the
    /// first z_0 and that of the first times are the numbers that the times are made of.
    fn order(&self, noise: Rng, d: usize) -> Vec<Asked> {
        let mut all = Vec::new();
        let mut at = 0;
        let mut next = |time: f64, decoded: bool| {
            at += 1;
            Asked {
                time,
                decoded,
                noise: noise.clone().skip((at - 1) * blocks(d) + if at > GROUP as u64 { self.blocks } else { 0 }),
            }
        };
        for times in self.drawn.chunks(GROUP * TIMES_PER_DECODED) {
            let mut decoded: Vec<Asked> = (0..GROUP).map(|_| next(FROM, true)).collect();
            let mut times: Vec<Asked> = times.iter().map(|&t| next(t, false)).collect();
            while !decoded.is_empty() {
                all.extend(decoded.drain(..TURN));
                all.extend(times.drain(..TURN));
            }
            all.append(&mut times);
        }
        all
    }

    /// Standard error of the mean of `values` at these times.
    fn std_error(&self, values: &[f64]) -> f64 {
        let mut pairs: Vec<Vec<f64>> = vec![Vec::new(); self.part.iter().max().map_or(0, |p| p + 1)];
        self.part.iter().zip(values).for_each(|(&part, &value)| pairs[part].push(value));
        let variance = |pair: &Vec<f64>| if let [a, b] = pair[..] { (a - b).powi(2) / 4.0 } else { 0.0 };
        pairs.iter().map(variance).sum::<f64>().sqrt() / pairs.len() as f64
    }
}

/// The terms of the bound for one image, as they come in.
struct Bound {
    /// (C, S, S) in \[-1, 1\].
    x: Vec<f32>,
    class: Vec<f32>,
    batch: usize,
    /// log p(x | z_0) of each z_0.
    recon: Vec<f64>,
    /// What each time says of the integral.
    integral: Vec<f64>,
    /// Sums over z_0, and over times, of the surprise of each value.
    recon_terms: Vec<f64>,
    integral_terms: Vec<f64>,
}

impl Bound {
    fn new(levels: &[u8], class: &[f32], batch: usize) -> Bound {
        let d = levels.len();
        Bound {
            x: data::image::centred(levels).collect(),
            class: class.repeat(batch),
            batch,
            recon: Vec::new(),
            integral: Vec::new(),
            recon_terms: vec![0.0; d],
            integral_terms: vec![0.0; d],
        }
    }

    /// Adds what the network says of the image, as it is asked.
    async fn evaluate<R: Run>(
        &mut self,
        denoiser: &mut R,
        (decoder, levels): (&Decoder, &[u8]),
        asked: &mut [Asked],
    ) -> Result<(), Error<R::Error>> {
        let d = self.x.len();
        let mut eps = vec![0f32; asked.len() * d];
        asked.iter_mut().zip(eps.chunks_mut(d)).for_each(|(asked, eps)| asked.noise.fill_normal(eps));
        let mixed = asked.iter().zip(eps.chunks(d)).map(|(asked, eps)| {
            let Level { alpha, sigma, .. } = Level::at(asked.time);
            sum(&[(alpha, &self.x), (sigma, eps)])
        });
        let mut z = mixed.collect::<Vec<_>>().concat();
        let mut times: Vec<f32> = asked.iter().map(|asked| asked.time as f32).collect();
        // Rows that nobody asks for.
        z.resize(self.batch * d, 0.0);
        times.resize(self.batch, FROM as f32);
        denoiser.ready().await?;
        denoiser.write("z", &z)?;
        denoiser.write("time", &times)?;
        if !self.class.is_empty() {
            denoiser.write("class", &self.class)?;
        }
        denoiser.step()?;
        let v = denoiser.read("prediction").await?;
        for (((asked, z), eps), v) in asked.iter().zip(z.chunks(d)).zip(eps.chunks(d)).zip(v.chunks(d)) {
            let level = Level::at(asked.time);
            if asked.decoded {
                let predicted = Prediction::new(z, v, level, true).x;
                let terms = levels.iter().zip(&predicted).map(|(&level, &x)| -decoder.log_prob(level, x));
                self.recon.push(-add(terms, &mut self.recon_terms));
                continue;
            }
            let Level { alpha, sigma, .. } = level;
            // t is drawn from the density 1 / (t ln(1 / FROM)).
            let weight = 0.5 * PI * alpha / sigma * asked.time * -FROM.ln();
            let truth = sum(&[(alpha, eps), (-sigma, &self.x)]);
            let terms = truth.iter().zip(v).map(|(truth, v)| weight * f64::from(truth - v).powi(2));
            self.integral.push(add(terms, &mut self.integral_terms));
        }
        Ok(())
    }

    /// The bound by the times so far, and its error as if they were independent.
    fn so_far(&self) -> (f64, f64) {
        let ((recon, recon_error), (integral, error)) = (mean_and_error(&self.recon), mean_and_error(&self.integral));
        (recon - integral, recon_error.hypot(error))
    }

    fn estimate(&self, times: &Times) -> Estimate {
        let ((recon, recon_error), (integral, _)) = (mean_and_error(&self.recon), mean_and_error(&self.integral));
        let (nats, k) = (recon - integral, self.integral.len());
        // Times that ended early are not two of each part.
        let all = k == times.drawn.len();
        let std_error = if all { recon_error.hypot(times.std_error(&self.integral)) } else { self.so_far().1 };
        Estimate {
            nats,
            std_error: Some(std_error),
            kind: Kind::LowerBound,
            bits_per_dim: -nats / (self.x.len() as f64 * LN_2),
            estimator: format!("variational bound, {k} times"),
            k,
            effective_samples: None,
            parts: Some(Parts { elbo: nats, elbo_std_error: std_error, reconstruction: recon, kl: integral }),
            terms: self.surprise(),
            n_evals: k + self.recon.len(),
            assumptions: vec![
                "A lower bound in expectation: log p(x) is at least this, up to the Monte Carlo error.".into(),
                "The probability of these 8-bit levels, with steps of vanishing size between noise and picture.".into(),
                "The surprises of the pixels are their parts of the bound and sum to it; colours of a pixel are added."
                    .into(),
            ],
            place: Place::default(),
        }
    }

    /// The part of each pixel in the bound, (S, S).
    fn surprise(&self) -> Vec<f32> {
        let (zeros, times) = (self.recon.len() as f64, self.integral.len() as f64);
        let terms = self.recon_terms.iter().zip(&self.integral_terms).map(|(r, i)| r / zeros + i / times);
        per_pixel(&terms.collect::<Vec<f64>>())
    }
}

/// Adds `terms` to `sums` one by one, and returns their sum.
fn add(terms: impl Iterator<Item = f64>, sums: &mut [f64]) -> f64 {
    let each = sums.iter_mut().zip(terms).map(|(sum, term)| {
        *sum += term;
        term
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fill_the_range_and_their_error_is_that_of_pairs() {
        let times = Times::new(64, &mut Rng::new(1, 0));
        let mut sorted = times.drawn.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted[0] >= FROM && sorted[63] < 1.0);
        for (i, pair) in sorted.chunks(2).enumerate() {
            let edge = |i: usize| FROM.powf(1.0 - i as f64 / 32.0);
            assert!(pair.iter().all(|t| (edge(i) * (1.0 - 1e-9)..=edge(i + 1)).contains(t)));
        }
        let values: Vec<f64> = times.drawn.iter().map(|t| t.ln()).collect();
        // Uniform within a part of width w: a standard deviation of w / sqrt(12), over sqrt(64).
        let expected = -FROM.ln() / 32.0 / 12f64.sqrt() / 8.0;
        let error = times.std_error(&values);
        assert!((error / expected - 1.0).abs() < 0.3, "{error} {expected}");
    }
}
