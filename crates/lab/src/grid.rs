//! A window of the plane as cells.

use crate::points::{Point, Window};

/// Centres of the n x n cells, row by row from the top.
pub fn centres(window: Window, n: usize) -> impl Iterator<Item = Point> {
    let (xs, ys) = (axis(window.x, n), axis(window.y, n));
    (0..n * n).map(move |i| [xs[i % n] as f32, ys[n - 1 - i / n] as f32])
}

/// Centres of n cells from one end to the other.
pub fn axis([from, to]: [f64; 2], n: usize) -> Vec<f64> {
    (0..n).map(|i| from + (to - from) * (i as f64 + 0.5) / n as f64).collect()
}

/// n x n points from -reach to reach, rows from below, (n n, 2).
pub fn mesh(n: usize, reach: f64) -> Vec<f64> {
    let at = |i: usize| reach * (2.0 * i as f64 / (n - 1) as f64 - 1.0);
    (0..n * n).flat_map(|i| [at(i % n), at(i / n)]).collect()
}
