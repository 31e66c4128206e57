//! A kernel density, p(x) = 1/N sum_n N(x; x_n, h^2 I) (Rosenblatt 1956, Parzen 1962): a heap of probability on every point. Its
//! only parameter is the bandwidth h. A step of its optimiser is one of golden-section search for the h whose leave-one-out
//! likelihood is largest (Duin 1976); Scott's rule h = N^(-1/6) (1992) needs none.

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::normal::choose;
use crate::points::{Point, Window};
use crate::{exact, grid};
use data::rng::{Rng, stream};
use graph::{Program, Run};
use likelihood::log_sum_exp;
use models::{Control, Weights};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Points over which the leave-one-out likelihood is taken, at most: it looks at every pair.
const MOST_PAIRED: usize = 800;
/// ln h between which is searched.
const RANGE: [f64; 2] = [-4.0, 0.5];

/// How it is learned.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// "leave one out", "Scott's rule" or "by hand".
    pub bandwidth: String,
    /// h by hand, in standard deviations of the data.
    pub h: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { bandwidth: "leave one out".into(), h: 0.2 }
    }
}

/// What can be told it.
pub fn controls() -> Controls {
    let choices = ["leave one out", "Scott's rule", "by hand"];
    let h = "Bandwidth by hand, in standard deviations of the data";
    vec![
        (Chip::Optimiser, Control::choice("bandwidth", &choices, "How the bandwidth is found")),
        (Chip::Form, Control::number("h", [0.005, 2.0], 0.2, h)),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let optimiser = match c.bandwidth.as_str() {
        "Scott's rule" => ["Scott's rule", "h = N^(−1/6)"],
        "by hand" => ["None: the bandwidth is given", "h"],
        _ => ["Golden-section search", "h = argmax Σₙ log p₋ₙ(xₙ)"],
    };
    About {
        form: ["A normal density on every training point", "p(x) = 1/N Σₙ N(x; xₙ, h² I)"].map(String::from),
        loss: ["Negative leave-one-out log-likelihood", "−1/N Σₙ log p₋ₙ(xₙ)"].map(String::from),
        optimiser: optimiser.map(String::from),
    }
}

/// A kernel density while its bandwidth is looked for.
pub struct Kernel {
    config: Config,
    points: Vec<Point>,
    labels: Vec<u8>,
    /// ln h lies between them.
    bracket: [f64; 2],
    step: u64,
}

impl Kernel {
    /// For standardised points and their labels, if there are any.
    pub fn open(config: &Config, train: &[Point], labels: &[u8]) -> Kernel {
        let (points, labels) = (train.to_vec(), labels.to_vec());
        let fixed = match config.bandwidth.as_str() {
            "Scott's rule" => Some(-(train.len() as f64).ln() / 6.0),
            "by hand" => Some(config.h.ln()),
            _ => None,
        };
        Kernel { config: config.clone(), points, labels, bracket: fixed.map_or(RANGE, |h| [h, h]), step: 0 }
    }

    fn bandwidth(&self) -> f64 {
        ((self.bracket[0] + self.bracket[1]) / 2.0).exp()
    }

    /// The points of a class, or all.
    fn of_class(&self, class: Option<u8>) -> Vec<Point> {
        let Some(class) = class else { return self.points.clone() };
        self.points.iter().zip(&self.labels).filter(|(_, label)| **label == class).map(|(x, _)| *x).collect()
    }

    /// Mean over points of log p without the point itself.
    fn leave_one_out(&self, log_h: f64) -> f64 {
        let some: Vec<&Point> = self.points.iter().step_by(self.points.len().div_ceil(MOST_PAIRED)).collect();
        let precision = (-2.0 * log_h).exp();
        let log_p = |i: usize| {
            let others = some.iter().enumerate().filter(|(j, _)| *j != i);
            let terms: Vec<f64> = others.map(|(_, x)| -0.5 * precision * square(some[i], x)).collect();
            log_sum_exp(&terms)
        };
        let n = some.len();
        let mean = (0..n).map(log_p).sum::<f64>() / n as f64;
        mean - (n as f64 - 1.0).ln() - 2.0 * log_h - TAU.ln()
    }

    /// One step of golden-section search: the bracket shrinks to 0.618 of itself around the larger value.
    fn narrow(&mut self) {
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let [from, to] = self.bracket;
        if to - from < 1e-3 {
            return;
        }
        let [left, right] = [to - GOLDEN * (to - from), from + GOLDEN * (to - from)];
        self.bracket = if self.leave_one_out(left) > self.leave_one_out(right) { [from, right] } else { [left, to] };
    }
}

fn square(a: &Point, b: &Point) -> f64 {
    (f64::from(a[0]) - f64::from(b[0])).powi(2) + (f64::from(a[1]) - f64::from(b[1])).powi(2)
}

/// log p of each point of x.
fn log_densities(points: &[Point], h: f64, x: &[Point]) -> Vec<f64> {
    let (precision, all) = ((h * h).recip(), (points.len() as f64).ln() + 2.0 * h.ln() + TAU.ln());
    let mut terms = vec![0.0; points.len()];
    let of = |x: &Point| {
        terms.iter_mut().zip(points).for_each(|(term, p)| *term = -0.5 * precision * square(x, p));
        log_sum_exp(&terms) - all
    };
    x.iter().map(of).collect()
}

impl<R: Run> Form<R> for Kernel {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        for _ in 0..n {
            self.narrow();
            self.step += 1;
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.step
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        Ok(vec![("negative leave-one-out log-likelihood", -self.leave_one_out(self.bandwidth().ln()))])
    }

    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let estimator = format!("closed form, h = {:.3} ({})", self.bandwidth(), self.config.bandwidth);
        Ok(exact(log_densities(&self.of_class(how.class), self.bandwidth(), x), &estimator))
    }

    /// A kernel is a product of one in x and one in y, so a cell takes a product for each point and no exponential. Where
    /// all of them are too small for that, it is asked for by itself.
    async fn field(&mut self, window: Window, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let (points, h) = (self.of_class(how.class), self.bandwidth());
        let kernels = |axis: usize, ends: [f64; 2]| -> Vec<Vec<f64>> {
            let centres = grid::axis(ends, n);
            let of =
                |p: &Point| centres.iter().map(|c| (-0.5 * ((c - f64::from(p[axis])) / h).powi(2)).exp()).collect();
            points.iter().map(of).collect()
        };
        let (across, up) = (kernels(0, window.x), kernels(1, window.y));
        let mut sums = vec![0.0; n * n];
        for (across, up) in across.iter().zip(&up) {
            for (row, u) in sums.chunks_mut(n).zip(up.iter().rev()).filter(|(_, u)| **u > 0.0) {
                row.iter_mut().zip(across).for_each(|(sum, a)| *sum += u * a);
            }
        }
        let all = (points.len() as f64).ln() + 2.0 * h.ln() + TAU.ln();
        let alone = |x: Point| log_densities(&points, h, &[x])[0];
        let cells = sums.iter().zip(grid::centres(window, n));
        Ok(cells.map(|(&s, x)| if s > 1e-280 { s.ln() - all } else { alone(x) } as f32).collect())
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        let (points, h) = (self.of_class(how.class), self.bandwidth());
        let mut noise = Rng::new(seed, stream::SAMPLE);
        let (mut u, mut e) = (vec![0f32; n], vec![0f32; 2 * n]);
        noise.fill_uniform(&mut u);
        noise.fill_normal(&mut e);
        // How well each point explains what is given.
        let apart = |x: &Point| (0..2).filter_map(|i| Some((f64::from(how.fixed[i]? - x[i]) / h).powi(2))).sum::<f64>();
        let log_w: Vec<f64> = points.iter().map(|x| -0.5 * apart(x)).collect();
        let all = log_sum_exp(&log_w);
        let weights: Vec<f64> = log_w.iter().map(|w| (w - all).exp()).collect();
        let t = h as f32 * how.temperature;
        let of = |(u, e): (&f32, &[f32])| {
            let near = points[choose(&weights, f64::from(*u))];
            std::array::from_fn(|i| how.fixed[i].unwrap_or(near[i] + t * e[i]))
        };
        Ok(u.iter().zip(e.chunks(2)).map(of).collect())
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        let mut weights = Weights::default();
        weights.insert("bracket", &[2], self.bracket.map(|v| v as f32).to_vec());
        weights.insert("points", &[self.points.len(), 2], self.points.concat());
        Ok(weights)
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        if let Some(&[from, to]) = weights.get("bracket") {
            self.bracket = [f64::from(from), f64::from(to)];
        }
        self.step = step;
        Ok(())
    }

    async fn picture(&mut self, _look: &Look) -> Result<Vec<Layer>, R::Error> {
        let at = grid::axis(RANGE, 40);
        let curve: Vec<f32> = at.iter().flat_map(|&h| [h.exp() as f32, self.leave_one_out(h) as f32]).collect();
        let h = self.bandwidth() as f32;
        Ok(vec![Layer::new("bandwidth", &[2], vec![h, h]), Layer::new("leave one out", &[40, 2], curve)])
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

    fn kernel(bandwidth: &str) -> Kernel {
        let mut e = vec![0f32; 600];
        Rng::new(8, stream::DATA).fill_normal(&mut e);
        let points: Vec<Point> = e.chunks(2).map(|e| [e[0], e[1]]).collect();
        let labels = points.iter().map(|p| u8::from(p[0] > 0.0)).collect::<Vec<_>>();
        Kernel::open(&Config { bandwidth: bandwidth.into(), h: 0.3 }, &points, &labels)
    }

    #[test]
    fn the_field_is_the_density_also_far_away() {
        let mut p = kernel("by hand");
        let window = Window { x: [-3.0, 40.0], y: [-3.0, 3.0] };
        let field = block_on(Form::<Loaded>::field(&mut p, window, 24, &How::default())).unwrap();
        let points: Vec<Point> = grid::centres(window, 24).collect();
        let truth = block_on(Form::<Loaded>::log_density(&mut p, &points, &How::default())).unwrap().nats;
        for (a, b) in field.iter().zip(truth) {
            assert!((f64::from(*a) - b).abs() < 1e-4 + 1e-6 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn the_search_finds_a_bandwidth_that_no_other_beats() {
        let mut p = kernel("leave one out");
        block_on(Form::<Loaded>::steps(&mut p, 25)).unwrap();
        let best = p.leave_one_out(p.bandwidth().ln());
        for log_h in grid::axis(RANGE, 60) {
            assert!(p.leave_one_out(log_h) <= best + 1e-3);
        }
        assert!((0.1..0.8).contains(&p.bandwidth()), "{}", p.bandwidth());
    }

    #[test]
    fn a_class_has_its_own_points() {
        let mut p = kernel("by hand");
        let how = How { class: Some(1), temperature: 0.0, ..How::default() };
        let drawn = block_on(Form::<Loaded>::sample(&mut p, 200, 1, &how)).unwrap();
        assert!(drawn.iter().all(|x| x[0] > 0.0));
    }
}
