//! A mixture of normal densities, p(x) = sum_k pi_k N(x; mu_k, Sigma_k), climbed by expectation maximisation (Dempster, Laird &
//! Rubin 1977): each step is one E step, p(k|x), and one M step, moments under it. The likelihood never falls.

use crate::exact;
use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::normal;
use crate::points::Point;
use crate::table::Refusal;
use data::rng::{Rng, stream};
use graph::{Program, Run};
use likelihood::parametric::{self, Em};
use models::{Control, Weights};
use serde::{Deserialize, Serialize};

/// How it is learned.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// K.
    pub components: usize,
    /// Least standard deviation of a component, in standard deviations of the data.
    pub floor: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { components: 8, floor: 0.02 }
    }
}

/// What can be told it.
pub fn controls() -> Controls {
    let floor =
        "Least standard deviation of a component: without one, a component that shrinks onto a point has no end";
    vec![
        (Chip::Form, Control::count("components", [1, 64], Some(8), "Number of normal densities")),
        (Chip::Form, Control::number("floor", [0.001, 1.0], 0.02, floor)),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let words = |words: &str, equation: &str| [words.to_string(), equation.to_string()];
    About {
        form: words(&format!("Mixture of {} normal densities", c.components), "p(x) = Σₖ πₖ N(x; μₖ, Σₖ)"),
        loss: words("Negative log-likelihood", "−1/N Σₙ log Σₖ πₖ N(xₙ; μₖ, Σₖ)"),
        optimiser: words("Expectation maximisation", "rₙₖ = p(k | xₙ);  μₖ = Σₙ rₙₖ xₙ / Σₙ rₙₖ"),
    }
}

/// A mixture while it is learned.
pub struct Mixture {
    floor: f64,
    rows: Vec<f64>,
    density: parametric::Mixture,
    step: u64,
}

impl Mixture {
    /// For standardised points; the centres are chosen by `seed`.
    pub fn open(config: &Config, train: &[Point], seed: u64) -> Result<Mixture, Refusal> {
        let rows: Vec<f64> = train.iter().flatten().map(|&v| f64::from(v)).collect();
        let floor = config.floor * config.floor;
        let em = Em { components: config.components, floor, steps: 0, tolerance: 0.0 };
        let density = parametric::Mixture::start(&rows, 2, &em, &mut Rng::new(seed, stream::INIT));
        Ok(Mixture { floor, rows, density: density.map_err(Refusal::of)?, step: 0 })
    }
}

impl<R: Run> Form<R> for Mixture {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        for _ in 0..n {
            // With a floor under the variances there is always a next one.
            if let Ok((next, _)) = self.density.climb(&self.rows, self.floor) {
                self.density = next;
            }
            self.step += 1;
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.step
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        let all = self.rows.chunks(2).map(|x| self.density.log_prob(x).unwrap_or(f64::NAN));
        Ok(vec![("negative log-likelihood", -all.sum::<f64>() / (self.rows.len() / 2) as f64)])
    }

    async fn log_density(&mut self, x: &[Point], _how: &How) -> Result<Density, R::Error> {
        Ok(exact(normal::log_densities(&self.density, x), "closed form"))
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        Ok(normal::draw(&self.density, n, seed, how))
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        let (mut weights, k) = (Weights::default(), self.density.components().len());
        let components = self.density.components();
        let f32s = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        weights.insert("weights", &[k], f32s(self.density.weights().to_vec()));
        weights.insert("means", &[k, 2], f32s(components.iter().flat_map(|c| c.mean().to_vec()).collect()));
        weights.insert(
            "covariances",
            &[k, 2, 2],
            f32s(components.iter().flat_map(|c| c.covariance().to_vec()).collect()),
        );
        Ok(weights)
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        let f64s = |name| weights.get(name).unwrap_or_default().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (pi, means, covariances) = (f64s("weights"), f64s("means"), f64s("covariances"));
        let components = means.chunks(2).zip(covariances.chunks(4));
        let components =
            components.map(|(m, s)| parametric::Gaussian::new(m.to_vec(), s.to_vec())).collect::<Result<_, _>>();
        let all: f64 = pi.iter().sum();
        let density = components.and_then(|c| parametric::Mixture::new(pi.iter().map(|p| p / all).collect(), c));
        if let Ok(density) = density {
            self.density = density;
        }
        self.step = step;
        Ok(())
    }

    async fn picture(&mut self, _look: &Look) -> Result<Vec<Layer>, R::Error> {
        let each = self.density.weights().iter().zip(self.density.components());
        let row = |(pi, c): (&f64, &parametric::Gaussian)| {
            let (m, s) = (c.mean(), c.covariance());
            [*pi, m[0], m[1], s[0], s[1], s[3]].map(|v| v as f32)
        };
        let values: Vec<f32> = each.flat_map(row).collect();
        Ok(vec![Layer::new("ellipses", &[values.len() / 6, 6], values)])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Loaded;
    use pollster::block_on;

    fn points() -> Vec<Point> {
        let mut e = vec![0f32; 800];
        data::rng::Rng::new(5, stream::DATA).fill_normal(&mut e);
        e.chunks(2).enumerate().map(|(i, e)| [0.2 * e[0] + if i % 2 == 0 { 1.0 } else { -1.0 }, 0.2 * e[1]]).collect()
    }

    #[test]
    fn every_step_climbs_and_finds_both_heaps() {
        let mut p = Mixture::open(&Config { components: 2, floor: 0.02 }, &points(), 1).unwrap();
        let mut before = f64::INFINITY;
        for _ in 0..10 {
            block_on(Form::<Loaded>::steps(&mut p, 1)).unwrap();
            let loss = block_on(Form::<Loaded>::losses(&mut p)).unwrap()[0].1;
            assert!(loss <= before + 1e-12);
            before = loss;
        }
        let mut xs: Vec<f64> = p.density.components().iter().map(|c| c.mean()[0]).collect();
        xs.sort_by(f64::total_cmp);
        assert!((xs[0] + 1.0).abs() < 0.06 && (xs[1] - 1.0).abs() < 0.06, "{xs:?}");
    }

    #[test]
    fn samples_of_a_slice_lie_on_it_and_follow_its_density() {
        let mut p = Mixture::open(&Config { components: 2, floor: 0.02 }, &points(), 1).unwrap();
        block_on(Form::<Loaded>::steps(&mut p, 20)).unwrap();
        let how = How { fixed: [None, Some(0.1)], ..How::default() };
        let drawn = block_on(Form::<Loaded>::sample(&mut p, 2000, 4, &how)).unwrap();
        assert!(drawn.iter().all(|x| x[1] == 0.1));
        let right = drawn.iter().filter(|x| x[0] > 0.0).count() as f64 / 2000.0;
        assert!((right - 0.5).abs() < 0.1, "{right}");
    }
}
