//! Improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2): the share of samples that lie
//! among the data, and the share of the data that lies among samples. A set covers the balls around each of its members
//! that reach to its third neighbour.

use super::features::{Features, in_parallel, squared_distance};

const NEIGHBOURS: usize = 3;

/// Precision and recall of `samples` against `data`.
pub(super) fn precision_and_recall(samples: &Features, data: &Features) -> [f64; 2] {
    [covered(samples, data), covered(data, samples)]
}

/// Share of `points` in the balls around `centres`.
fn covered(points: &Features, centres: &Features) -> f64 {
    let radii = radii(centres);
    let inside = in_parallel(points, |p| centres.rows().zip(&radii).any(|(c, r)| squared_distance(p, c) <= *r));
    inside.iter().filter(|i| **i).count() as f64 / points.len() as f64
}

/// Squared distance of each row to its third neighbour; itself is none.
fn radii(x: &Features) -> Vec<f32> {
    in_parallel(x, |row| {
        // The nearest is the row itself.
        let mut nearest = [f32::INFINITY; NEIGHBOURS + 1];
        for other in x.rows() {
            let d = squared_distance(row, other);
            if d < nearest[NEIGHBOURS] {
                nearest[NEIGHBOURS] = d;
                nearest.sort_by(f32::total_cmp);
            }
        }
        nearest[NEIGHBOURS]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::normal;

    #[test]
    fn equal_sets_cover_each_other_and_distant_ones_do_not() {
        let a = normal(200, 4, 1);
        let mut far = normal(200, 4, 2);
        far.values.iter_mut().for_each(|v| *v += 100.0);
        assert_eq!(precision_and_recall(&a, &a), [1.0, 1.0]);
        assert_eq!(precision_and_recall(&a, &far), [0.0, 0.0]);
    }

    /// Samples from one of two modes: all are plausible, half of the data is missed.
    #[test]
    fn a_lost_mode_costs_recall_alone() {
        let row = |from: f32| (0..50).map(move |i| from + i as f32 / 50.0);
        let data = Features { width: 1, values: row(0.0).chain(row(100.0)).collect() };
        let samples = Features { width: 1, values: row(0.0).collect() };
        assert_eq!(precision_and_recall(&samples, &data), [1.0, 0.5]);
    }

    #[test]
    fn a_radius_reaches_the_third_neighbour() {
        let line = Features { width: 1, values: vec![0.0, 1.0, 3.0, 6.0, 10.0] };
        assert_eq!(radii(&line), [36.0, 25.0, 9.0, 25.0, 81.0]);
    }
}
