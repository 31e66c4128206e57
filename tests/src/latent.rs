//! Small models with a latent z ~ N(0, I) whose log p(x) is known: by a closed form where the decoder is linear and
//! Gaussian (probabilistic PCA, Tipping & Bishop 1999), else by quadrature over z. They have the inputs and outputs of
//! `models::vae`'s encoder and weigher, so that the estimators can't tell them from a VAE.

use crate::close::narrow;
use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use graph::{Graph, Program, Run, Tensor};
use likelihood::{Estimate, iwae};
use models::nn;
use std::ops::ControlFlow;

/// q(z|x) = N(A^T x + shift, diag e^logvar).
#[derive(Clone, Debug)]
pub struct Proposal {
    /// A, (D, L).
    pub slope: Vec<f64>,
    /// (L).
    pub shift: Vec<f64>,
    /// (L).
    pub logvar: Vec<f64>,
}

impl Proposal {
    /// N(mu, diag sd^2), whatever x is.
    pub fn fixed(d: usize, mu: &[f64], sd: &[f64]) -> Proposal {
        let logvar = sd.iter().map(|s| 2.0 * s.ln()).collect();
        Proposal { slope: vec![0.0; d * mu.len()], shift: mu.to_vec(), logvar }
    }

    /// The same with every standard deviation `factor` times as large.
    pub fn widened(mut self, factor: f64) -> Proposal {
        self.logvar.iter_mut().for_each(|v| *v += 2.0 * factor.ln());
        self
    }

    /// The same with every mean moved by `by` standard deviations.
    pub fn moved(mut self, by: f64) -> Proposal {
        self.shift.iter_mut().zip(&self.logvar).for_each(|(m, v)| *m += by * (v / 2.0).exp());
        self
    }
}

/// log p(x_d|z) for x (1, D) and z (k, L), as a graph.
pub type Decoder<'a> = dyn for<'g> Fn(&'g Graph, Tensor<'g>, Tensor<'g>) -> Tensor<'g> + 'a;

/// An encoder and a weigher on the CPU engine.
pub struct Model {
    encoder: Loaded,
    weigher: Loaded,
    noise: usize,
}

impl Model {
    /// A model of D pixels that weighs `batch` samples at once; `parameters` are those of the decoder.
    pub fn new(d: usize, batch: usize, q: &Proposal, decoder: &Decoder, parameters: &[(&str, &[f64])]) -> Model {
        let l = q.shift.len();
        let load = |program: &Program| pollster::block_on(Engine::cpu().load(program)).expect("the CPU engine");
        let mut encoder = load(&encoder(d, l));
        for (name, values) in [("slope", &q.slope), ("shift", &q.shift), ("log_variance", &q.logvar)] {
            encoder.write(name, &narrow(values)).expect("an input");
        }
        let mut weigher = load(&weigher(d, l, batch, decoder));
        parameters.iter().for_each(|(name, values)| weigher.write(name, &narrow(values)).expect("a parameter"));
        Model { encoder, weigher, noise: batch * l }
    }

    /// The answer of `likelihood` for `k` samples.
    pub fn estimate(&mut self, x: &[f64], k: usize, seed: u64) -> Estimate {
        let noise = Rng::new(seed, stream::ESTIMATE);
        let go_on = async |_| ControlFlow::Continue(());
        let Model { encoder, weigher, .. } = self;
        pollster::block_on(iwae::log_prob(encoder, weigher, &narrow(x), &[], k, noise, go_on)).expect("an estimate")
    }

    /// The engine's encoder and weigher.
    pub fn parts(&mut self) -> (&mut Loaded, &mut Loaded) {
        (&mut self.encoder, &mut self.weigher)
    }

    /// `batches` batches of log weights.
    pub fn log_weights(&mut self, x: &[f64], batches: usize, seed: u64) -> Vec<f32> {
        let read = |loaded: &Loaded, name: &str| pollster::block_on(loaded.read(name)).expect("an output");
        self.encoder.write("x", &narrow(x)).expect("x");
        self.encoder.step().expect("a step");
        self.weigher.write("x", &narrow(x)).expect("x");
        for name in ["mu", "logvar"] {
            self.weigher.write(name, &read(&self.encoder, name)).expect("q");
        }
        let (mut rng, mut eps) = (Rng::new(seed, stream::ESTIMATE), vec![0f32; self.noise]);
        let mut batch = || {
            rng.fill_normal(&mut eps);
            self.weigher.write("eps", &eps).expect("noise");
            self.weigher.step().expect("a step");
            read(&self.weigher, "log_w")
        };
        (0..batches).flat_map(|_| batch()).collect()
    }
}

fn encoder(d: usize, l: usize) -> Program {
    let g = Graph::new();
    let mu = g.input("x", &[1, d]).dot(g.input("slope", &[d, l])) + g.input("shift", &[1, l]);
    Program::new(&[("mu", mu), ("logvar", g.input("log_variance", &[1, l]))], &[])
}

fn weigher(d: usize, l: usize, k: usize, decoder: &Decoder) -> Program {
    let g = Graph::new();
    let [mu, logvar] = ["mu", "logvar"].map(|name| g.input(name, &[1, l]));
    let eps = g.input("eps", &[k, l]);
    let z = mu + (logvar * 0.5).exp() * eps;
    let pixels = decoder(&g, g.input("x", &[1, d]), z);
    let recon = pixels.sum(&[1]).reshape(&[k]);
    let prior = nn::standard_normal_log_prob(z).sum(&[1]).reshape(&[k]);
    let posterior = (nn::standard_normal_log_prob(eps) - logvar * 0.5).sum(&[1]).reshape(&[k]);
    Program::new(&[("log_w", recon + prior - posterior), ("recon", recon), ("pixels", pixels)], &[])
}

/// Probabilistic PCA: x = W z + noise of variance `variance`, W (D, L).
#[derive(Clone, Debug)]
pub struct Linear {
    /// W, (D, L), row major.
    pub w: Vec<f64>,
    /// L.
    pub latents: usize,
    /// Of the noise.
    pub variance: f64,
}

impl Linear {
    /// A random W whose columns are orthogonal, so that the posterior of z is diagonal.
    pub fn orthogonal(d: usize, latents: usize, variance: f64, seed: u64) -> Linear {
        let mut w = crate::run::normal(seed, d * latents);
        for j in 0..latents {
            for i in 0..j {
                let product = |a: usize, b: usize| (0..d).map(|r| w[r * latents + a] * w[r * latents + b]).sum::<f64>();
                let share = product(i, j) / product(i, i);
                (0..d).for_each(|r| w[r * latents + j] -= share * w[r * latents + i]);
            }
        }
        // What the engine sees: f32.
        w.iter_mut().for_each(|v| *v = f64::from(*v as f32));
        Linear { w, latents, variance }
    }

    /// D.
    pub fn pixels(&self) -> usize {
        self.w.len() / self.latents
    }

    /// W^T W + variance I, the posterior's precision times the variance, (L, L).
    fn m(&self) -> Vec<f64> {
        let l = self.latents;
        let entry = |i: usize, j: usize| {
            let product: f64 = (0..self.pixels()).map(|r| self.w[r * l + i] * self.w[r * l + j]).sum();
            product + if i == j { self.variance } else { 0.0 }
        };
        (0..l * l).map(|at| entry(at / l, at % l)).collect()
    }

    /// The true posterior, if the columns of W are orthogonal; else the best diagonal one.
    pub fn posterior(&self) -> Proposal {
        let (d, l, m) = (self.pixels(), self.latents, self.m());
        let columns: Vec<Vec<f64>> = (0..d).map(|r| solve(&m, l, &self.w[r * l..][..l])).collect();
        let logvar = (0..l).map(|i| (self.variance / m[i * l + i]).ln()).collect();
        Proposal { slope: columns.concat(), shift: vec![0.0; l], logvar }
    }

    /// log N(x; 0, W W^T + variance I).
    pub fn log_prob(&self, x: &[f64]) -> f64 {
        let (d, l) = (self.pixels(), self.latents);
        let entry = |i: usize, j: usize| {
            let product: f64 = (0..l).map(|k| self.w[i * l + k] * self.w[j * l + k]).sum();
            product + if i == j { self.variance } else { 0.0 }
        };
        let c: Vec<f64> = (0..d * d).map(|at| entry(at / d, at % d)).collect();
        let factor = cholesky(&c, d);
        let log_det: f64 = (0..d).map(|i| 2.0 * factor[i * d + i].ln()).sum();
        let quadratic: f64 = solve(&c, d, x).iter().zip(x).map(|(a, b)| a * b).sum();
        -0.5 * (d as f64 * std::f64::consts::TAU.ln() + log_det + quadratic)
    }

    /// W z + noise.
    pub fn sample(&self, seed: u64) -> Vec<f64> {
        let (d, l) = (self.pixels(), self.latents);
        let noise = crate::run::normal(seed, l + d);
        let (z, e) = noise.split_at(l);
        let pixel = |r: usize| (0..l).map(|i| self.w[r * l + i] * z[i]).sum::<f64>() + self.variance.sqrt() * e[r];
        (0..d).map(|r| f64::from(pixel(r) as f32)).collect()
    }

    /// The model with proposal `q`, weighing `batch` samples at once.
    pub fn model(&self, q: &Proposal, batch: usize) -> Model {
        let (d, l, variance) = (self.pixels(), self.latents, self.variance);
        Model::new(d, batch, q, &gaussian(d, l, variance), &[("w", &self.w)])
    }
}

fn gaussian(d: usize, l: usize, variance: f64) -> Box<Decoder<'static>> {
    let log_scale = (-0.5 * (std::f64::consts::TAU * variance).ln()) as f32;
    Box::new(move |g, x, z| (x - z.dot(g.input("w", &[d, l]).t())).square() * (-0.5 / variance) as f32 + log_scale)
}

/// L with L L^T = `a` (n, n).
fn cholesky(a: &[f64], n: usize) -> Vec<f64> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let rest = a[i * n + j] - (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum::<f64>();
            factor[i * n + j] = if i == j { rest.sqrt() } else { rest / factor[j * n + j] };
        }
    }
    factor
}

/// a^-1 b for a positive definite `a` (n, n).
fn solve(a: &[f64], n: usize, b: &[f64]) -> Vec<f64> {
    let factor = cholesky(a, n);
    let mut x = b.to_vec();
    for i in 0..n {
        x[i] = (x[i] - (0..i).map(|k| factor[i * n + k] * x[k]).sum::<f64>()) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        x[i] = (x[i] - (i + 1..n).map(|k| factor[k * n + i] * x[k]).sum::<f64>()) / factor[i * n + i];
    }
    x
}

/// A decoder of independent Bernoullis with logits tanh(z A) B + c: A (L, H), B (H, D), c (D).
#[derive(Clone, Debug)]
pub struct Bernoulli {
    latents: usize,
    hidden: usize,
    pixels: usize,
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Bernoulli {
    /// Random parameters.
    pub fn new(latents: usize, hidden: usize, pixels: usize, seed: u64) -> Bernoulli {
        let normal = |i: u64, n| crate::run::normal(seed + i, n);
        let (a, b, c) = (normal(0, latents * hidden), normal(1, hidden * pixels), normal(2, pixels));
        Bernoulli { latents, hidden, pixels, a, b, c }
    }

    /// log p(x_d|z) of every pixel, in f64 and without the graph.
    pub fn log_prob_given(&self, x: &[f64], z: &[f64]) -> Vec<f64> {
        let h: Vec<f64> = (0..self.hidden)
            .map(|j| z.iter().enumerate().map(|(i, z)| z * self.a[i * self.hidden + j]).sum::<f64>().tanh())
            .collect();
        let logit =
            |d: usize| h.iter().enumerate().map(|(j, h)| h * self.b[j * self.pixels + d]).sum::<f64>() + self.c[d];
        // ln sigmoid(l) for a 1, ln sigmoid(-l) for a 0.
        x.iter().enumerate().map(|(d, x)| -(-(2.0 * x - 1.0) * logit(d)).exp().ln_1p()).collect()
    }

    /// log p(x) and the posterior mean of log p(x_d|z), by the trapezoidal rule with `nodes` nodes an axis on [-9, 9]:
    /// for a function that falls like a Gaussian its error falls exponentially in the number of nodes.
    pub fn quadrature(&self, x: &[f64], nodes: usize) -> (f64, Vec<f64>) {
        let step = 18.0 / (nodes - 1) as f64;
        let (mut total, mut terms) = (0.0, vec![0.0; x.len()]);
        for index in crate::reference::indices(&vec![nodes; self.latents]) {
            let z: Vec<f64> = index.iter().map(|&i| i as f64 * step - 9.0).collect();
            let given = self.log_prob_given(x, &z);
            let prior: f64 = z.iter().map(|z| -0.5 * (z * z + std::f64::consts::TAU.ln())).sum();
            let weight = (given.iter().sum::<f64>() + prior).exp() * step.powi(self.latents as i32);
            total += weight;
            terms.iter_mut().zip(given).for_each(|(sum, log_p)| *sum += weight * log_p);
        }
        terms.iter_mut().for_each(|t| *t /= total);
        (total.ln(), terms)
    }

    /// The model with proposal `q`, weighing `batch` samples at once.
    pub fn model(&self, q: &Proposal, batch: usize) -> Model {
        let (l, h, d) = (self.latents, self.hidden, self.pixels);
        let parameters: [(&str, &[f64]); 3] = [("a", &self.a), ("b", &self.b), ("c", &self.c)];
        Model::new(d, batch, q, &bernoulli([l, h, d]), &parameters)
    }
}

fn bernoulli([l, h, d]: [usize; 3]) -> Box<Decoder<'static>> {
    Box::new(move |g, x, z| {
        let logits = z.dot(g.input("a", &[l, h])).tanh().dot(g.input("b", &[h, d])) + g.input("c", &[1, d]);
        nn::bernoulli_log_prob(x, logits)
    })
}
