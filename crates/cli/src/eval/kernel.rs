//! Kernel distance between the features of two sets of images (Binkowski et al. 2018, "Demystifying MMD GANs",
//! arXiv:1801.01401, section 4): the squared maximum mean discrepancy under the kernel (x y / F + 1)^3, by the unbiased
//! estimate, which can be a little below 0 for equal distributions.

use super::features::{Features, in_parallel};

/// The estimate from all pairs of rows.
pub(super) fn distance(a: &Features, b: &Features) -> f64 {
    let within = |x: &Features| {
        let n = x.len() as f64;
        let own: f64 = x.rows().map(|r| kernel(r, r)).sum();
        (total(x, x) - own) / (n * (n - 1.0))
    };
    within(a) + within(b) - 2.0 * total(a, b) / (a.len() as f64 * b.len() as f64)
}

/// Sum of the kernel over all pairs.
fn total(a: &Features, b: &Features) -> f64 {
    in_parallel(a, |x| b.rows().map(|y| kernel(x, y)).sum::<f64>()).iter().sum()
}

fn kernel(x: &[f32], y: &[f32]) -> f64 {
    let dot: f32 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    (f64::from(dot) / x.len() as f64 + 1.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::normal;

    #[test]
    fn draws_of_one_distribution_are_near_and_others_are_far() {
        let (a, same) = (normal(1000, 4, 1), normal(1000, 4, 2));
        let mut other = normal(1000, 4, 3);
        other.values.iter_mut().for_each(|v| *v += 1.0);
        // The standard deviation of the estimate between equal sets of this size is below 0.02.
        assert!(distance(&a, &same).abs() < 0.06, "{}", distance(&a, &same));
        assert!(distance(&a, &other) > 1.0, "{}", distance(&a, &other));
    }

    /// In one dimension between points at 0 and at 1: k(0, 0) = 1, k(1, 1) = 8, k(0, 1) = 1.
    #[test]
    fn it_is_that_of_the_closed_form() {
        let points = |v: f32| Features { width: 1, values: vec![v; 5] };
        assert!((distance(&points(0.0), &points(1.0)) - 7.0).abs() < 1e-12);
    }
}
