//! Whether samples are copies: how near each is to the nearest training image, compared with held-out images. Distances
//! are Euclidean, between levels.

use super::features::{Features, in_parallel, squared_distance};

/// What the comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nearness {
    /// Median distance of a sample to the training set, as a multiple of that of a held-out image.
    pub(super) ratio: f64,
    /// Share of samples that are nearer to the training set than all but the nearest 1 % of held-out images.
    pub(super) closest: f64,
}

/// Compares the distances of `samples` and of `held_out` images to those of `train`.
pub(super) fn nearness(samples: &Features, held_out: &Features, train: &Features) -> Nearness {
    let to_train = |x: &Features| {
        let nearest = |row: &[f32]| train.rows().map(|t| squared_distance(row, t)).fold(f32::INFINITY, f32::min);
        let mut distances: Vec<f64> = in_parallel(x, |row| f64::from(nearest(row)).sqrt());
        distances.sort_by(f64::total_cmp);
        distances
    };
    let (samples, held_out) = (to_train(samples), to_train(held_out));
    let median = |sorted: &[f64]| sorted[sorted.len() / 2];
    let threshold = held_out[held_out.len() / 100];
    let closest = samples.partition_point(|d| *d < threshold) as f64 / samples.len() as f64;
    Nearness { ratio: median(&samples) / median(&held_out), closest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::normal;

    #[test]
    fn copies_are_found_and_fresh_draws_are_not() {
        let (train, held_out, fresh) = (normal(500, 8, 1), normal(300, 8, 2), normal(300, 8, 3));
        let copies = Features { width: 8, values: train.values[..300 * 8].to_vec() };
        assert_eq!(nearness(&copies, &held_out, &train), Nearness { ratio: 0.0, closest: 1.0 });
        let honest = nearness(&fresh, &held_out, &train);
        assert!((honest.ratio - 1.0).abs() < 0.1 && honest.closest < 0.05, "{honest:?}");
    }
}
