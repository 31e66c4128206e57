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
