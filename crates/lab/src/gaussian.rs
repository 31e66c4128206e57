//! The normal density N(x; mu, Sigma), Sigma = L L^T, learned by maximum likelihood: in one step in closed form, where mu and
//! Sigma are the mean and the covariance of the data, or by gradient ascent on the mean log-likelihood
//!     f(mu, L) = -ln |L| - tr(Sigma^-1 A) / 2 - ln 2 pi,    A = S + (m - mu)(m - mu)^T,
//! with m and S the mean and covariance of the data, so that a person sees it climb. L = [[e^a, 0], [b, e^c]]; b = 0 where
//! the two coordinates are to be independent. Steps are Adam's (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::normal;
use crate::points::{Point, Window};
use crate::table::Refusal;
use crate::{exact, grid};
use graph::{Program, Run};
use likelihood::parametric::{self, Mixture, Moments};
use models::{Control, Weights};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// mu1, mu2, a, b, c at the start: beside the data and too wide, so that there is something to climb.
const START: [f32; 5] = [1.4, -1.2, 0.9, 0.0, 0.9];
/// At most so many places of the climb are kept.
const MOST_PLACES: usize = 2000;
/// Cells a side of the landscape.
const LANDSCAPE: usize = 48;

/// How it is learned.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// "full" or "diagonal".
    pub covariance: String,
    /// "gradient ascent" or "closed form".
    pub optimiser: String,
    /// Rate of Adam.
    pub rate: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { covariance: "full".into(), optimiser: "gradient ascent".into(), rate: 0.05 }
    }
}

/// What can be told it.
pub fn controls() -> Controls {
    let covariance = "Whether the two coordinates may depend on each other";
    let optimiser = "Climb step by step, or jump to the top";
    vec![
        (Chip::Form, Control::choice("covariance", &["full", "diagonal"], covariance)),
        (Chip::Optimiser, Control::choice("optimiser", &["gradient ascent", "closed form"], optimiser)),
        (Chip::Optimiser, Control::number("rate", [0.001, 1.0], 0.05, "Learning rate of Adam")),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let form = match c.covariance.as_str() {
        "diagonal" => ["Two independent normal coordinates", "p(x) = N(x₁; μ₁, σ₁²) N(x₂; μ₂, σ₂²)"],
        _ => ["One normal density with any covariance", "p(x) = N(x; μ, Σ)"],
    };
    let optimiser = match c.optimiser.as_str() {
        "closed form" => ["Maximum likelihood in closed form", "μ = mean of x, Σ = mean of (x − μ)(x − μ)ᵀ"],
        _ => ["Gradient ascent with Adam", "θ ← θ + η m̂ / (√v̂ + ε)"],
    };
    let loss = ["Negative log-likelihood", "−1/N Σₙ log p(xₙ)"];
    About { form: form.map(String::from), loss: loss.map(String::from), optimiser: optimiser.map(String::from) }
}

/// N(x; mu, Sigma) while it is learned.
pub struct Gaussian {
    config: Config,
    moments: Moments,
    /// mu1, mu2, a, b, c, then Adam's first and second moments of them; rounded to f32 after each step.
    state: [f32; 15],
    step: u64,
    /// mu1, mu2, a, c after each step.
    climb: Vec<[f32; 4]>,
}

impl Gaussian {
    /// For standardised points.
    pub fn open(config: &Config, train: &[Point]) -> Result<Gaussian, Refusal> {
        let rows: Vec<f64> = train.iter().flatten().map(|&v| f64::from(v)).collect();
        let moments = Moments::of(&rows, 2).map_err(Refusal::of)?;
        // Refuses data on a line, of which a full covariance has an infinite density.
        parametric::Gaussian::from_moments(moments.clone()).map_err(Refusal::of)?;
        let mut state = [0.0; 15];
        state[..5].copy_from_slice(&START);
        Ok(Gaussian { config: config.clone(), moments, state, step: 0, climb: vec![place(&state)] })
    }

    fn diagonal(&self) -> bool {
        self.config.covariance == "diagonal"
    }

    /// The density of the parameters at hand.
    fn density(&self) -> Mixture {
        let [m1, m2, a, b, c] = self.parameters();
        let (l11, l22) = (a.exp(), c.exp());
        let covariance = vec![l11 * l11, l11 * b, l11 * b, b * b + l22 * l22];
        let one = parametric::Gaussian::new(vec![m1, m2], covariance);
        let one = one.or_else(|_| parametric::Gaussian::new(vec![0.0; 2], vec![1.0, 0.0, 0.0, 1.0]));
        one.and_then(|one| Mixture::new(vec![1.0], vec![one])).unwrap_or_else(|e| unreachable!("{e}"))
    }

    fn parameters(&self) -> [f64; 5] {
        std::array::from_fn(|i| f64::from(self.state[i]))
    }

    /// The top, where the moments are those of the data.
    fn solve(&mut self) {
        let (m, s) = (&self.moments.mean, &self.moments.covariance);
        let b = if self.diagonal() { 0.0 } else { s[1] / s[0].sqrt() };
        let top = [m[0], m[1], s[0].ln() / 2.0, b, (s[3] - b * b).ln() / 2.0];
        top.iter().zip(&mut self.state).for_each(|(top, at)| *at = *top as f32);
    }

    /// A step of Adam.
    fn climb(&mut self) {
        let gradient = gradient(&self.parameters(), &self.moments);
        let t = self.step as f64;
        let (p, rest) = self.state.split_at_mut(5);
        let (m, v) = rest.split_at_mut(5);
        for (i, g) in gradient.into_iter().enumerate() {
            if i == 3 && self.config.covariance == "diagonal" {
                continue;
            }
            m[i] = (0.9 * f64::from(m[i]) + 0.1 * g) as f32;
            v[i] = (0.999 * f64::from(v[i]) + 0.001 * g * g) as f32;
            let (m, v) = (f64::from(m[i]) / (1.0 - 0.9f64.powf(t)), f64::from(v[i]) / (1.0 - 0.999f64.powf(t)));
            p[i] += (self.config.rate * m / (v.sqrt() + 1e-8)) as f32;
        }
    }

    /// f of one coordinate over its mean and log standard deviation, and the range of both: row 0 has the largest log sd.
    fn landscape(&self, axis: usize) -> (Vec<f32>, [f64; 4]) {
        let (m, s) = (self.moments.mean[axis], self.moments.covariance[3 * axis]);
        let range = [m - 2.5, m + 2.5, s.ln() / 2.0 - 1.2, s.ln() / 2.0 + 1.6];
        let window = Window { x: [range[0], range[1]], y: [range[2], range[3]] };
        let value = |[mu, a]: Point| {
            let (mu, a) = (f64::from(mu), f64::from(a));
            (-a - 0.5 * (s + (m - mu).powi(2)) * (-2.0 * a).exp() - 0.5 * TAU.ln()) as f32
        };
        (grid::centres(window, LANDSCAPE).map(value).collect(), range)
    }
}

/// mu1, mu2, a, c.
fn place(state: &[f32; 15]) -> [f32; 4] {
    [state[0], state[1], state[2], state[4]]
}

/// f at (mu1, mu2, a, b, c).
fn mean_log_p(&[m1, m2, a, b, c]: &[f64; 5], moments: &Moments) -> f64 {
    let [a11, a12, a22] = about_mean(m1, m2, moments);
    let (l11, l22) = (a.exp(), c.exp());
    let first = a11 / (l11 * l11);
    let second = (a22 - 2.0 * b * a12 / l11 + b * b * first) / (l22 * l22);
    -a - c - 0.5 * (first + second) - TAU.ln()
}

/// A.
fn about_mean(m1: f64, m2: f64, moments: &Moments) -> [f64; 3] {
    let (d1, d2) = (moments.mean[0] - m1, moments.mean[1] - m2);
    let s = &moments.covariance;
    [s[0] + d1 * d1, s[1] + d1 * d2, s[3] + d2 * d2]
}

/// Of f by each parameter.
fn gradient(at: &[f64; 5], moments: &Moments) -> [f64; 5] {
    let &[m1, m2, a, b, c] = at;
    let [a11, a12, a22] = about_mean(m1, m2, moments);
    let (l11, l22) = (a.exp(), c.exp());
    let precision = (l22 * l22).recip();
    let first = a11 / (l11 * l11);
    let second = (a22 - 2.0 * b * a12 / l11 + b * b * first) * precision;
    let across = (b * a12 / l11 - b * b * first) * precision;
    // Sigma^-1 (m - mu) by two triangular solves.
    let (d1, d2) = (moments.mean[0] - m1, moments.mean[1] - m2);
    let z2 = (d2 - b * d1 / l11) * precision;
    let z1 = (d1 / l11 - b * z2) / l11;
    [z1, z2, -1.0 + first - across, (a12 / l11 - b * first) * precision, -1.0 + second]
}

impl<R: Run> Form<R> for Gaussian {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        for _ in 0..n {
            self.step += 1;
            if self.config.optimiser == "closed form" {
                self.solve()
            } else {
                self.climb()
            }
            if self.climb.len() < MOST_PLACES {
                self.climb.push(place(&self.state));
            }
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.step
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        Ok(vec![("negative log-likelihood", -mean_log_p(&self.parameters(), &self.moments))])
    }

    async fn log_density(&mut self, x: &[Point], _how: &How) -> Result<Density, R::Error> {
        Ok(exact(normal::log_densities(&self.density(), x), "closed form"))
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        Ok(normal::draw(&self.density(), n, seed, how))
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        let mut weights = Weights::default();
        let [parameters, m, v] = [0, 5, 10].map(|from| self.state[from..][..5].to_vec());
        for (name, values) in [("mean_and_factor", parameters), ("m.mean_and_factor", m), ("v.mean_and_factor", v)] {
            weights.insert(name, &[5], values);
        }
        Ok(weights)
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        let parts = ["mean_and_factor", "m.mean_and_factor", "v.mean_and_factor"].map(|name| weights.get(name));
        for (to, from) in self.state.chunks_mut(5).zip(parts) {
            to.copy_from_slice(from.unwrap_or(&[0.0; 5]));
        }
        self.climb.truncate(step as usize + 1);
        self.step = step;
        Ok(())
    }

    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error> {
        let axis = usize::from(look.time >= 0.5);
        let (landscape, range) = self.landscape(axis);
        let climb: Vec<f32> = self.climb.iter().flat_map(|at| [at[axis], at[2 + axis]]).collect();
        Ok(vec![
            Layer::new("landscape", &[LANDSCAPE, LANDSCAPE], landscape),
            Layer::new("landscape range", &[4], range.map(|v| v as f32).to_vec()),
            Layer::new("climb", &[self.climb.len(), 2], climb),
        ])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    fn points() -> Vec<Point> {
        let mut e = vec![0f32; 400];
        data::rng::Rng::new(3, data::rng::stream::DATA).fill_normal(&mut e);
        e.chunks(2).map(|e| [e[0], 0.6 * e[0] + 0.8 * e[1]]).collect()
    }

    #[test]
    fn the_gradient_is_that_of_its_differences() {
        let p = Gaussian::open(&Config::default(), &points()).unwrap();
        let at = [0.3, -0.2, 0.4, 0.25, -0.3];
        let h = 1e-5;
        for (i, g) in gradient(&at, &p.moments).into_iter().enumerate() {
            let [mut up, mut down] = [at, at];
            up[i] += h;
            down[i] -= h;
            let slope = (mean_log_p(&up, &p.moments) - mean_log_p(&down, &p.moments)) / (2.0 * h);
            assert!((g - slope).abs() < 1e-8, "{i}: {g} {slope}");
        }
    }

    #[test]
    fn both_ways_lead_to_the_top() {
        for covariance in ["full", "diagonal"] {
            let open = |optimiser: &str| {
                let config = Config { covariance: covariance.into(), optimiser: optimiser.into(), rate: 0.05 };
                Gaussian::open(&config, &points()).unwrap()
            };
            let (mut climbed, mut solved) = (open("gradient ascent"), open("closed form"));
            block_on(Form::<engine::Loaded>::steps(&mut climbed, 1500)).unwrap();
            block_on(Form::<engine::Loaded>::steps(&mut solved, 1)).unwrap();
            for (a, b) in climbed.parameters().into_iter().zip(solved.parameters()) {
                assert!((a - b).abs() < 2e-3, "{covariance}: {a} {b}");
            }
            let [climbed, solved] = [&climbed, &solved].map(|p| mean_log_p(&p.parameters(), &p.moments));
            assert!(climbed <= solved + 1e-6, "{covariance}");
        }
    }

    #[test]
    fn a_line_has_no_covariance() {
        let line: Vec<Point> = (0..50).map(|i| [i as f32, 2.0 * i as f32]).collect();
        assert!(Gaussian::open(&Config::default(), &line).is_err());
    }
}
