//! Samples along a line of the plane, p(x1 | x2) or p(x2 | x1), from the density on it: the inverse of its distribution function.

use crate::points::Point;
use data::rng::{Rng, stream};

/// The line goes from -REACH to REACH standard deviations, in so many cells.
const REACH: f64 = 6.0;
const CELLS: usize = 2400;

/// `n` points whose given coordinates are those of `fixed`.
pub fn draw(n: usize, seed: u64, fixed: [Option<f32>; 2], log_p: impl Fn(&[Point]) -> Vec<f64>) -> Vec<Point> {
    let free = match fixed {
        [Some(x), Some(y)] => return vec![[x, y]; n],
        [None, _] => 0,
        [Some(_), None] => 1,
    };
    let width = 2.0 * REACH / CELLS as f64;
    let at = |t: f64| std::array::from_fn(|i| if i == free { t as f32 } else { fixed[i].unwrap_or_default() });
    let points: Vec<Point> = (0..CELLS).map(|i| at(-REACH + (i as f64 + 0.5) * width)).collect();
    let log_p = log_p(&points);
    let top = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Where the whole line is impossible every place is as good.
    let weights: Vec<f64> = log_p.iter().map(|l| if top.is_finite() { (l - top).exp() } else { 1.0 }).collect();
    let all: f64 = weights.iter().sum();
    let mut u = vec![0f32; n];
    Rng::new(seed, stream::SAMPLE).fill_uniform(&mut u);
    let place = |u: &f32| {
        let mut left = f64::from(*u) * all;
        for (i, w) in weights.iter().enumerate() {
            if left < *w {
                return -REACH + (i as f64 + left / w) * width;
            }
            left -= w;
        }
        REACH
    };
    u.iter().map(|u| at(place(u))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_line_has_its_moments() {
        let log_p = |x: &[Point]| x.iter().map(|x| -0.5 * f64::from(x[1] - 1.0).powi(2) / 0.25).collect();
        let drawn = draw(4000, 3, [Some(0.5), None], log_p);
        assert!(drawn.iter().all(|x| x[0] == 0.5));
        let ys: Vec<f64> = drawn.iter().map(|x| f64::from(x[1])).collect();
        let (mean, error) = likelihood::mean_and_error(&ys);
        assert!((mean - 1.0).abs() < 4.0 * error, "{mean}");
        let sd = error * 4000f64.sqrt();
        assert!((sd - 0.5).abs() < 0.02, "{sd}");
    }
}
