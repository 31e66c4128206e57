//! p(x) = integral of N(z; 0, I) N(x; f(z), s^2 I) dz by the trapezoidal rule: a mixture of normal densities of one width
//! around the images of the nodes of a grid over z. The rule's error falls faster than any power of the distance of the nodes
//! (Trefethen & Weideman 2014, "The exponentially convergent trapezoidal rule").

use crate::grid;
use crate::points::{Point, Window};
use likelihood::log_sum_exp;
use std::f64::consts::TAU;

/// Half the side of the grid: the prior has 1.4e-5 outside.
const REACH: f64 = 4.5;
/// Nodes farther than this many s count for nothing in a sum, unless all are.
const FAR: f64 = 7.0;
/// The part of a sum that what is farther may have at most.
const LEFT_OUT: f64 = 1e-5;
/// What is farther than this many s leaves no trace in a field.
const FIELD_FAR: f64 = 6.0;
/// Largest number of buckets a side.
const MOST_BUCKETS: usize = 200;

/// Nodes (side side, 2), row by row.
pub(super) fn latents(side: usize) -> Vec<f32> {
    let at = |i: usize| (REACH * (2.0 * i as f64 / (side - 1) as f64 - 1.0)) as f32;
    (0..side * side).flat_map(|i| [at(i % side), at(i / side)]).collect()
}

/// Images of the nodes.
pub(super) struct Nodes {
    side: usize,
    at: Vec<Point>,
    /// Adding up to 1.
    weights: Vec<f64>,
    s: f64,
    /// Numbers of the nodes in squares of the plane, [`FAR`] s or more wide.
    buckets: Vec<Vec<u32>>,
    low: [f64; 2],
    width: f64,
    across: usize,
}

impl Nodes {
    /// Of the images (side side, 2) of [`latents`].
    pub(super) fn new(side: usize, images: &[f32], s: f64) -> Nodes {
        let at: Vec<Point> = images.chunks(2).map(|x| [x[0], x[1]]).collect();
        let z = latents(side);
        let prior = z.chunks(2).map(|z| (-0.5 * f64::from(z[0] * z[0] + z[1] * z[1])).exp());
        let all: f64 = prior.clone().sum();
        let weights = prior.map(|w| w / all).collect();
        Nodes::sorted(side, at, weights, s)
    }

    fn sorted(side: usize, at: Vec<Point>, weights: Vec<f64>, s: f64) -> Nodes {
        let ends = |axis: usize| {
            let of = at.iter().map(|x| f64::from(x[axis])).filter(|v| v.is_finite());
            of.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
        };
        let [x, y] = [ends(0), ends(1)];
        let span = (x[1] - x[0]).max(y[1] - y[0]).max(s);
        let width = (FAR * s).max(span / MOST_BUCKETS as f64);
        let across = (span / width) as usize + 1;
        let mut nodes = Nodes {
            side,
            at,
            weights,
            s,
            buckets: vec![Vec::new(); across * across],
            low: [x[0], y[0]],
            width,
            across,
        };
        for i in 0..nodes.at.len() {
            let [column, row] = nodes.bucket(nodes.at[i]).map(|b| b.clamp(0, across as i64 - 1) as usize);
            nodes.buckets[row * across + column].push(i as u32);
        }
        nodes
    }

    fn bucket(&self, x: Point) -> [i64; 2] {
        [0, 1].map(|axis| ((f64::from(x[axis]) - self.low[axis]) / self.width).floor() as i64)
    }

    /// Every second node in both directions.
    pub(super) fn quarter(&self) -> Nodes {
        let kept: Vec<usize> = (0..self.at.len())
            .filter(|i| (i % self.side).is_multiple_of(2) && (i / self.side).is_multiple_of(2))
            .collect();
        let all: f64 = kept.iter().map(|&i| self.weights[i]).sum();
        let weights = kept.iter().map(|&i| self.weights[i] / all).collect();
        Nodes::sorted(self.side.div_ceil(2), kept.iter().map(|&i| self.at[i]).collect(), weights, self.s)
    }

    /// Nodes a side.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Standard deviation of each.
    pub(super) fn scale(&self) -> f64 {
        self.s
    }

    /// Largest distance between the images of neighbours of some weight, in units of s.
    pub(super) fn spacing(&self) -> f64 {
        let least = 1e-4 * self.weights.iter().copied().fold(0.0, f64::max);
        let distance = |i: usize, j: usize| {
            let counts = self.weights[i].max(self.weights[j]) > least;
            let d = |axis: usize| f64::from(self.at[i][axis] - self.at[j][axis]);
            if counts { d(0).hypot(d(1)) } else { 0.0 }
        };
        let n = self.side;
        let right = (0..n * n).filter(|i| i % n + 1 < n).map(|i| distance(i, i + 1));
        let down = (0..n * (n - 1)).map(|i| distance(i, i + n));
        right.chain(down).fold(0.0, f64::max) / self.s
    }

    /// log p(x).
    pub(super) fn log_density(&self, x: Point) -> f64 {
        let unit = (TAU * self.s * self.s).ln();
        let [column, row] = self.bucket(x);
        let inside = |b: &i64| (0..self.across as i64).contains(b);
        let near = (row - 1..=row + 1).filter(inside).flat_map(|row| {
            let columns = (column - 1..=column + 1).filter(inside);
            columns.flat_map(move |column| &self.buckets[row as usize * self.across + column as usize])
        });
        let most = FAR * FAR;
        let sum: f64 = near
            .map(|&i| (self.weights[i as usize], self.squares(i as usize, x)))
            .filter(|(_, squares)| *squares < most)
            .map(|(weight, squares)| weight * (-0.5 * squares).exp())
            .sum();
        if sum * LEFT_OUT > (-0.5 * most).exp() {
            return sum.ln() - unit;
        }
        let terms: Vec<f64> = (0..self.at.len()).map(|i| self.weights[i].ln() - 0.5 * self.squares(i, x)).collect();
        log_sum_exp(&terms) - unit
    }

    /// |x - f|^2 / s^2.
    fn squares(&self, i: usize, x: Point) -> f64 {
        let d = |axis: usize| f64::from(x[axis] - self.at[i][axis]);
        (d(0) * d(0) + d(1) * d(1)) / (self.s * self.s)
    }

    /// log p at the centres of the n x n cells of a window; minus infinity farther than 6 s from all nodes.
    pub(super) fn field(&self, window: Window, n: usize) -> Vec<f32> {
        let (xs, ys) = (grid::axis(window.x, n), grid::axis(window.y, n));
        let mut sums = vec![0f32; n * n];
        let mut row = vec![0f32; n];
        for (at, weight) in self.at.iter().zip(&self.weights) {
            let (columns, rows) = (self.reached(&xs, window.x, at[0]), self.reached(&ys, window.y, at[1]));
            let kernel = |center: f64, at: f32| (-0.5 * ((center - f64::from(at)) / self.s).powi(2)).exp();
            row[columns.clone()].iter_mut().zip(&xs[columns.clone()]).for_each(|(r, x)| *r = kernel(*x, at[0]) as f32);
            for j in rows {
                let by = (weight * kernel(ys[j], at[1])) as f32;
                let line = &mut sums[(n - 1 - j) * n..][columns.clone()];
                line.iter_mut().zip(&row[columns.clone()]).for_each(|(sum, r)| *sum += by * r);
            }
        }
        let unit = (TAU * self.s * self.s).ln() as f32;
        sums.into_iter().map(|sum| sum.ln() - unit).collect()
    }

    /// The cells that a node reaches.
    fn reached(&self, centres: &[f64], [from, to]: [f64; 2], at: f32) -> std::ops::Range<usize> {
        let (n, width) = (centres.len(), (to - from) / centres.len() as f64);
        let end = |v: f64| (((v - from) / width).max(0.0) as usize).min(n);
        let (at, reach) = (f64::from(at), FIELD_FAR * self.s);
        end(at - reach)..end(at + reach + width)
    }

    /// The images with the running sums of their weights, each times N(given; f, s^2) of the coordinate that is given.
    pub(super) fn given(&self, axis: usize, value: f32) -> Vec<(Point, f64)> {
        let squares = |at: &Point| (f64::from(value - at[axis]) / self.s).powi(2);
        let nearest = self.at.iter().map(squares).fold(f64::INFINITY, f64::min);
        let mut sum = 0.0;
        let weights = self.at.iter().zip(&self.weights).map(|(at, weight)| {
            sum += weight * (-0.5 * (squares(at) - nearest)).exp();
            (*at, sum)
        });
        weights.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f(z) = A z: p is normal with the covariance A A^T + s^2 I.
    fn linear(side: usize) -> Nodes {
        let images: Vec<f32> =
            latents(side).chunks(2).flat_map(|z| [0.8 * z[0] + 0.3 * z[1], 0.5 * z[1] - 0.2 * z[0]]).collect();
        Nodes::new(side, &images, 0.2)
    }

    fn truth(x: Point) -> f64 {
        let (xx, xy, yy) = (0.64 + 0.09 + 0.04, -0.16 + 0.15, 0.25 + 0.04 + 0.04);
        let det: f64 = xx * yy - xy * xy;
        let [x, y] = x.map(f64::from);
        -0.5 * (yy * x * x - 2.0 * xy * x * y + xx * y * y) / det - 0.5 * det.ln() - TAU.ln()
    }

    #[test]
    fn a_linear_decoder_has_the_density_of_the_textbook() {
        let nodes = linear(65);
        for x in [[0.0, 0.0], [0.5, -0.3], [-1.3, 0.7], [2.0, 1.0], [2.6, -1.4]] {
            let found = nodes.log_density(x);
            assert!((found - truth(x)).abs() < 2e-4, "{x:?}: {found} {}", truth(x));
        }
        // Far from all nodes the whole sum is made.
        assert!(nodes.log_density([30.0, 0.0]) < -100.0);
    }

    #[test]
    fn the_field_is_that_of_the_points_and_integrates_to_one() {
        let (nodes, n) = (linear(65), 60);
        let window = Window { x: [-4.0, 4.0], y: [-3.0, 3.0] };
        let field = nodes.field(window, n);
        let mut sum = 0.0;
        for (x, log_p) in grid::centres(window, n).zip(&field) {
            if *log_p > -10.0 {
                assert!((f64::from(*log_p) - nodes.log_density(x)).abs() < 1e-3, "{x:?}");
            }
            sum += f64::from(*log_p).exp() * 48.0 / (n * n) as f64;
        }
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }
}
