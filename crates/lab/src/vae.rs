//! Variational auto-encoder of points (Kingma & Welling 2013, arXiv:1312.6114): z ~ N(0, I) in the plane, a decoder
//! p(x|z) = N(f(z), s^2 I) with one learned s, an encoder q(z|x) = N(mu, diag e^logvar), and the bound
//!     log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))                                      (eq. 3, reparameterised, eq. 10)
//! or, with k samples (Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519, eq. 8), E[log 1/k sum_i p(x, z_i) / q(z_i|x)].
//! Two latents are few enough for the integral itself, p(x) = integral of N(z; 0, I) N(x; f(z), s^2 I) dz: see `nodes`.

mod network;
mod nodes;

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::grid;
use crate::points::{Point, Window};
use crate::train::{self, Learner, Lesson, Net, Pace};
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use likelihood::Kind;
use models::{Control, Weights};
use network::L;
use nodes::{Nodes, latents};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Rows that networks take at once.
const SIZES: [usize; 2] = [256, 4096];
/// Nodes a side with which the decoder is looked at first, and at most.
const SIDES: [usize; 2] = [65, 257];
/// Largest wanted distance of the images of neighbouring nodes, in s. At twice that, which is what a quarter of the nodes
/// has, the rule is still good for three digits.
const SPACING: f64 = 0.6;
/// Largest difference to a quarter of the nodes at which a density is called exact, in nats.
const EXACT: f64 = 1e-3;
/// Cells a side of the picture of the posterior over \[-4, 4\]^2.
const POSTERIOR: (usize, f64) = (64, 4.0);
/// Points a side of the mesh of latents over \[-3, 3\]^2 whose images are shown.
const DECODED: (usize, f64) = (25, 3.0);
/// Points a side, over \[-5, 5\] standard deviations of q, with which the bound is integrated.
const BOUND: (usize, f64) = (21, 5.0);

/// Sizes, loss and optimiser.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Width of the hidden layers.
    pub width: usize,
    /// Hidden layers of encoder and decoder.
    pub layers: usize,
    /// Weight of the KL (Higgins et al. 2017); 1 is the bound. With several importance samples it is 1.
    pub beta: f64,
    /// Importance samples of the bound.
    pub k: usize,
    /// Learning rate.
    pub rate: f64,
    /// Points of a step.
    pub batch: usize,
    /// Decay of the moving average of the weights.
    pub average: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { width: 64, layers: 3, beta: 1.0, k: 1, rate: 4e-3, batch: 128, average: 0.998 }
    }
}

/// What can be told it before it learns.
pub fn controls() -> Controls {
    let d = Config::default();
    let beta = "Weight of the KL: below 1 the latents say more, above 1 less. 1 is the bound";
    let count = |name: &str, range, default: usize, help: &str| Control::count(name, range, Some(default as u64), help);
    vec![
        (Chip::Form, count("width", [4, 256], d.width, "Width of the hidden layers")),
        (Chip::Form, count("layers", [1, 4], d.layers, "Hidden layers of encoder and decoder")),
        (Chip::Loss, Control::number("beta", [0.0, 10.0], d.beta, beta)),
        (Chip::Loss, count("k", [1, 64], d.k, "Importance samples of the bound: more make it tighter")),
        (Chip::Optimiser, Control::number("rate", [1e-5, 0.1], d.rate, "Learning rate")),
        (Chip::Optimiser, count("batch", [8, 1024], d.batch, "Points of a step")),
        (Chip::Optimiser, Control::number("average", [0.0, 0.9999], d.average, "Decay of the average of the weights")),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let form = "A latent z in the plane, a decoder network f and one learned noise s";
    let bound = match (c.k, c.beta) {
        (1, 1.0) => ["Minus the evidence lower bound (ELBO)", "−E_q[log p(x|z)] + KL(q(z|x) ‖ N(0, I)) ≥ −log p(x)"],
        (1, _) => ["Minus the bound, with the KL weighed by β", "−E_q[log p(x|z)] + β KL(q(z|x) ‖ N(0, I))"],
        _ => ["Minus the bound by k importance samples (IWAE)", "−E[log 1/k Σᵢ p(x, zᵢ) / q(zᵢ|x)] ≥ −log p(x)"],
    };
    About {
        form: [form.into(), "p(x) = ∫ N(z; 0, I) N(x; f(z), s² I) dz,  q(z|x) = N(μ(x), diag σ²(x))".into()],
        loss: bound.map(String::from),
        optimiser: train::about_optimiser("z = μ + σ ε, ε ~ N(0, I);  ", c.rate, c.batch),
    }
}

/// A VAE while it is learned.
pub struct Vae<R> {
    config: Config,
    learner: Learner<R>,
    decoder: Net<R>,
    encoder: Net<R>,
    /// What the density was last made of: at which weights, of which class.
    nodes: Option<((u64, usize), Nodes, Nodes)>,
}

impl<R: Run> Vae<R> {
    /// One that has learned nothing.
    pub async fn open<H: Load<Run = R>>(config: &Config, lesson: &Lesson<'_>, host: &H) -> Result<Vae<R>, R::Error> {
        let (c, classes) = (config.clone(), lesson.classes);
        let run = host.load(&network::trainer(&c, classes)).await?;
        let pace = Pace { batch: c.batch, rate: c.rate, optimiser: train::adamw(c.average) };
        Ok(Vae {
            learner: Learner::new(run, network::specs(&c, classes), lesson, pace)?,
            decoder: Net::load(host, &SIZES, |n| network::decoder(&c, classes, n)).await?,
            encoder: Net::load(host, &[1], |n| network::encoder(&c, classes, n)).await?,
            nodes: None,
            config: c,
        })
    }

    /// f of latents (n, L), all of one class.
    async fn decode(&mut self, z: &[f32], class: usize) -> Result<Vec<f32>, R::Error> {
        self.decoder.refresh(&mut self.learner).await?;
        let n = z.len() / L;
        let labels = vec![class as f32; n];
        let mut out = self.decoder.map(n, &[("z", L, z), ("class", 1, &labels)], &["mean"]).await?;
        Ok(out.remove("mean").unwrap_or_default())
    }

    /// s.
    async fn scale(&mut self) -> Result<f64, R::Error> {
        let weights = self.learner.averaged().await?;
        Ok(network::scale(weights.get("decoder.log_s").map_or(0.0, |v| v[0])))
    }

    /// The nodes of the quadrature, as dense as the decoder needs, and a quarter of them.
    async fn nodes(&mut self, class: usize) -> Result<(&Nodes, &Nodes), R::Error> {
        let key = (self.learner.changes(), class);
        let made = match self.nodes.take().filter(|(of, ..)| *of == key) {
            Some(made) => made,
            None => {
                let s = self.scale().await?;
                let first = Nodes::new(SIDES[0], &self.decode(&latents(SIDES[0]), class).await?, s);
                let wanted = ((SIDES[0] - 1) as f64 * first.spacing() / SPACING / 4.0).ceil() as usize * 4 + 1;
                let side = wanted.clamp(SIDES[0], SIDES[1]);
                let dense = side > SIDES[0];
                let nodes = if dense { Nodes::new(side, &self.decode(&latents(side), class).await?, s) } else { first };
                let quarter = nodes.quarter();
                (key, nodes, quarter)
            }
        };
        let (_, nodes, quarter) = self.nodes.insert(made);
        Ok((nodes, quarter))
    }

    /// Mean and standard deviations of q(z|x).
    async fn posterior(&mut self, x: Point) -> Result<([f64; 2], [f64; 2]), R::Error> {
        self.encoder.refresh(&mut self.learner).await?;
        let class = [self.learner.classes() as f32];
        let out = self.encoder.map(1, &[("x", 2, &x), ("class", 1, &class)], &["mu", "logvar"]).await?;
        let of = |name: &str, i: usize| f64::from(out[name][i]);
        Ok(([of("mu", 0), of("mu", 1)], [0, 1].map(|i| (0.5 * of("logvar", i)).exp())))
    }

    /// log N(x; f(z), s^2 I) at each z.
    async fn log_likelihoods(&mut self, x: Point, z: &[f32]) -> Result<Vec<f64>, R::Error> {
        let s = self.scale().await?;
        let images = self.decode(z, self.learner.classes()).await?;
        let log_p = |f: &[f32]| {
            let d = [0, 1].map(|i| f64::from(x[i] - f[i]));
            -0.5 * (d[0] * d[0] + d[1] * d[1]) / (s * s) - (TAU * s * s).ln()
        };
        Ok(images.chunks(2).map(log_p).collect())
    }

    /// E_q[log p(x|z)] - KL(q || p), by the trapezoidal rule over q.
    async fn elbo(&mut self, x: Point, mu: [f64; 2], sd: [f64; 2]) -> Result<f64, R::Error> {
        let mesh = grid::mesh(BOUND.0, BOUND.1);
        let z: Vec<f32> = mesh.chunks(2).flat_map(|e| [0, 1].map(|i| (mu[i] + sd[i] * e[i]) as f32)).collect();
        let weights: Vec<f64> = mesh.chunks(2).map(|e| (-0.5 * (e[0] * e[0] + e[1] * e[1])).exp()).collect();
        let log_p = self.log_likelihoods(x, &z).await?;
        let recon = log_p.iter().zip(&weights).map(|(l, w)| l * w).sum::<f64>() / weights.iter().sum::<f64>();
        let kl = |i: usize| 0.5 * (mu[i] * mu[i] + sd[i] * sd[i] - 1.0) - sd[i].ln();
        Ok(recon - kl(0) - kl(1))
    }
}

impl<R: Run> Form<R> for Vae<R> {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        for _ in 0..n {
            let mut noise = self.learner.noise();
            let (mut u, mut eps) = (vec![0f32; self.config.batch], vec![0f32; self.config.batch * self.config.k * L]);
            noise.fill_uniform(&mut u);
            noise.fill_normal(&mut eps);
            let (x, class) = self.learner.batch(&u);
            self.learner.step(&[("x", &x), ("eps", &eps)], &class).await?;
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.learner.steps()
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        let parts = [("loss", "loss"), ("reconstruction", "recon"), ("KL", "kl")];
        self.learner.report(if self.config.k == 1 { &parts } else { &parts[..1] }).await
    }

    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let class = self.learner.class(how.class);
        let (nodes, quarter) = self.nodes(class).await?;
        let nats: Vec<f64> = x.iter().map(|x| nodes.log_density(*x)).collect();
        let errors: Vec<f64> = x.iter().zip(&nats).map(|(x, nats)| (quarter.log_density(*x) - nats).abs()).collect();
        let worst = errors.iter().copied().fold(0.0, f64::max);
        let (exact, side, s) = (worst < EXACT, nodes.side(), nodes.scale());
        Ok(Density {
            nats,
            std_error: (!exact).then_some(errors),
            kind: if exact { Kind::Exact } else { Kind::Stochastic },
            estimator: format!("quadrature over z, {side} x {side} nodes"),
            assumptions: vec![format!(
                "The integral over z by {side} x {side} nodes from -4.5 to 4.5; a quarter of them gives numbers that differ \
                 by up to {worst:.1e} nats. The decoder's noise s is {s:.3} standard deviations of the data."
            )],
            n_evals: side * side,
        })
    }

    async fn field(&mut self, window: Window, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let class = self.learner.class(how.class);
        let (nodes, quarter) = self.nodes(class).await?;
        // A quarter of the nodes is as good to the eye.
        let seen = if quarter.spacing() < 2.0 { quarter } else { nodes };
        Ok(seen.field(window, n))
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        let class = self.learner.class(how.class);
        let mut noise = Rng::new(seed, stream::SAMPLE);
        let (mut z, mut e) = (vec![0f32; L * n], vec![0f32; 2 * n]);
        noise.fill_normal(&mut z);
        noise.fill_normal(&mut e);
        let s = self.scale().await? as f32 * how.temperature;
        let means: Vec<Point> = match how.fixed {
            [Some(x), Some(y)] => return Ok(vec![[x, y]; n]),
            [None, None] => {
                z.iter_mut().for_each(|z| *z *= how.temperature);
                self.decode(&z, class).await?.chunks(2).map(|f| [f[0], f[1]]).collect()
            }
            [given, other] => {
                let axis = usize::from(given.is_none());
                let nodes = self.nodes(class).await?.0.given(axis, given.or(other).unwrap_or_default());
                let all = nodes.last().map_or(0.0, |(_, sum)| *sum);
                let mut u = vec![0f32; n];
                noise.fill_uniform(&mut u);
                let chosen = |u: &f32| nodes.partition_point(|(_, sum)| *sum <= f64::from(*u) * all);
                u.iter().map(|u| nodes[chosen(u).min(nodes.len() - 1)].0).collect()
            }
        };
        let drawn = means.iter().zip(e.chunks(2));
        Ok(drawn.map(|(f, e)| [0, 1].map(|i| how.fixed[i].unwrap_or(f[i] + s * e[i]))).collect())
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        self.learner.weights().await
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.learner.restore(weights, step)
    }

    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error> {
        let (mu, sd) = self.posterior(look.probe).await?;
        let elbo = self.elbo(look.probe, mu, sd).await?;
        let log_p = self.nodes(self.learner.classes()).await?.0.log_density(look.probe);
        let (m, reach) = POSTERIOR;
        let view = Window { x: [-reach, reach], y: [-reach, reach] };
        let z: Vec<f32> = grid::centres(view, m).flatten().collect();
        let likelihoods = self.log_likelihoods(look.probe, &z).await?;
        let prior = |z: &[f32]| -0.5 * f64::from(z[0] * z[0] + z[1] * z[1]) - TAU.ln();
        let posterior = z.chunks(2).zip(likelihoods).map(|(z, l)| (l + prior(z) - log_p) as f32).collect();
        let latents: Vec<f32> = grid::mesh(DECODED.0, DECODED.1).into_iter().map(|z| z as f32).collect();
        let decoded = self.decode(&latents, self.learner.classes()).await?;
        let f32s = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Ok(vec![
            Layer::new("posterior", &[m, m], posterior),
            Layer::new("q", &[5], f32s(&[mu[0], mu[1], sd[0], sd[1], 0.0])),
            Layer::new("bound", &[3], f32s(&[elbo, log_p, log_p - elbo])),
            Layer::new("decoded points", &[DECODED.0, DECODED.0, 2], decoded),
        ])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![
            ("decoder", network::decoder(&self.config, self.learner.classes(), SIZES[0])),
            ("encoder", network::encoder(&self.config, self.learner.classes(), SIZES[0])),
        ]
    }
}
