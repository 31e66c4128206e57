//! Learning rates over the course of training. `done` is the finished fraction, from 0 to 1; products combine them.

use std::f64::consts::PI;

/// Linear rise to 1 over the first `n` steps; `t` counts from 1.
pub fn warm_up(t: u64, n: u64) -> f64 {
    if t < n { t as f64 / n as f64 } else { 1.0 }
}

/// Straight line between two rates.
pub fn linear(from: f64, to: f64, done: f64) -> f64 {
    from + (to - from) * done.clamp(0.0, 1.0)
}

/// Half a cosine between two rates (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5, without restarts).
pub fn cosine(from: f64, to: f64, done: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * done.clamp(0.0, 1.0)).cos())
}
