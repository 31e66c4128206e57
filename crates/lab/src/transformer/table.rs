//! All that the transformer says: log p of every bin of x1, and of every bin of x2 given each.

use super::REACH;
use crate::points::Point;
use likelihood::log_sum_exp;

/// log p(bin1), (bins), and log p(bin2 | bin1), (bins, bins).
#[derive(Clone, Debug)]
pub(super) struct Table {
    bins: usize,
    first: Vec<f64>,
    second: Vec<f64>,
}

/// Less its log-sum-exp.
fn normalised(row: impl Iterator<Item = f64>) -> Vec<f64> {
    let row: Vec<f64> = row.collect();
    let all = log_sum_exp(&row);
    row.into_iter().map(|v| v - all).collect()
}

impl Table {
    /// Of logits (bins, bins), the first ones alike in all rows.
    pub(super) fn new(bins: usize, first: &[f32], second: &[f32]) -> Table {
        let nats = |row: &[f32]| normalised(row.iter().map(|v| f64::from(*v)));
        Table { bins, first: nats(&first[..bins]), second: second.chunks(bins).flat_map(nats).collect() }
    }

    /// Each token's distribution to the power of `by`.
    pub(super) fn sharpened(&self, by: f64) -> Table {
        self.blend(self, by, 0.0)
    }

    /// Guidance (Ho & Salimans 2022, arXiv:2207.12598): p(token | class)^g p(token)^(1 - g) for each token.
    pub(super) fn guided(&self, all: &Table, guidance: f64) -> Table {
        self.blend(all, guidance, 1.0 - guidance)
    }

    fn blend(&self, other: &Table, a: f64, b: f64) -> Table {
        let row = |x: &[f64], y: &[f64]| normalised(x.iter().zip(y).map(|(x, y)| a * x + b * y));
        let rows = self.second.chunks(self.bins).zip(other.second.chunks(self.bins));
        Table {
            bins: self.bins,
            first: row(&self.first, &other.first),
            second: rows.flat_map(|(x, y)| row(x, y)).collect(),
        }
    }

    /// Width of a bin.
    pub(super) fn width(&self) -> f64 {
        2.0 * REACH / self.bins as f64
    }

    /// The bin of a coordinate, the last one of its end where it lies outside.
    pub(super) fn bin(&self, v: f32) -> usize {
        (((f64::from(v) + REACH) / self.width()).max(0.0) as usize).min(self.bins - 1)
    }

    /// log p(x1 in bin), in nats.
    pub(super) fn first(&self) -> &[f64] {
        &self.first
    }

    /// log p(x2 in bin | x1 in bin `i`).
    pub(super) fn second(&self, i: usize) -> &[f64] {
        &self.second[i * self.bins..][..self.bins]
    }

    /// log p(x1 in bin | x2 in bin `j`), by Bayes' rule.
    pub(super) fn first_given(&self, j: usize) -> Vec<f64> {
        normalised((0..self.bins).map(|i| self.first[i] + self.second(i)[j]))
    }

    /// log p(x), the same all over a cell of two bins; minus infinity where there are no bins.
    pub(super) fn log_density(&self, x: Point) -> f64 {
        if x.iter().any(|v| f64::from(v.abs()) > REACH) {
            return f64::NEG_INFINITY;
        }
        let [i, j] = x.map(|v| self.bin(v));
        self.first[i] + self.second(i)[j] - 2.0 * self.width().ln()
    }

    /// The place in the bins of a row of log probabilities at which their sum is u: within a bin every place is as likely.
    pub(super) fn place(&self, row: &[f64], u: f64) -> f32 {
        let mut left = u;
        for (i, p) in row.iter().map(|l| l.exp()).enumerate() {
            if left < p {
                return ((i as f64 + left / p) * self.width() - REACH) as f32;
            }
            left -= p;
        }
        // What rounding leaves is of the last bin that has any probability.
        let last = row.iter().rposition(|l| l.exp() > 0.0).unwrap_or(0);
        ((last as f64 + 0.5) * self.width() - REACH) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_round_the_joint_is_the_same() {
        let logits: Vec<f32> = (0..64).map(|i| ((i * 37 % 19) as f32 * 0.3).sin() * 3.0).collect();
        let table = Table::new(8, &logits, &logits);
        assert!((log_sum_exp(table.first())).abs() < 1e-12);
        let marginal: Vec<f64> =
            (0..8).map(|j| (0..8).map(|i| (table.first()[i] + table.second(i)[j]).exp()).sum()).collect();
        for i in 0..8 {
            assert!(log_sum_exp(table.second(i)).abs() < 1e-12);
            for (j, p) in marginal.iter().enumerate() {
                let joint = table.first()[i] + table.second(i)[j];
                assert!((table.first_given(j)[i] + p.ln() - joint).abs() < 1e-12);
            }
        }
        let cell = table.width().powi(2);
        let centre = |i: usize| -3.5 + i as f32;
        let mass: f64 = (0..64).map(|i| table.log_density([centre(i % 8), centre(i / 8)]).exp() * cell).sum();
        assert!((mass - 1.0).abs() < 1e-12);
        assert_eq!(table.log_density([4.1, 0.0]), f64::NEG_INFINITY);
        assert!(table.place(table.first(), 0.999_999_9) < 4.0 && table.place(table.first(), 0.0) >= -4.0);
    }
}
