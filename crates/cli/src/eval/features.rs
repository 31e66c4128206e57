//! Rows of numbers that stand for images, and what is done with all of them.

/// Rows (n, width).
#[derive(Clone, Debug, Default)]
pub(super) struct Features {
    /// Numbers a row.
    pub(super) width: usize,
    /// Row major.
    pub(super) values: Vec<f32>,
}

impl Features {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

/// Squared Euclidean distance, summed in 16 lanes.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0f32; 16];
    for (a, b) in a.iter().zip(b) {
        for i in 0..16 {
            sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// `f` of each row, on all cores.
pub(super) fn in_parallel<T: Send>(x: &Features, f: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let part = x.len().div_ceil(threads).max(1) * x.width;
    let work = |rows: &[f32]| rows.chunks_exact(x.width).map(&f).collect::<Vec<T>>();
    let work = &work;
    std::thread::scope(|scope| {
        let handles: Vec<_> = x.values.chunks(part).map(|rows| scope.spawn(move || work(rows))).collect();
        handles.into_iter().flat_map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use data::rng::{Rng, stream};

    /// Rows of standard normal numbers.
    pub(in crate::eval) fn normal(n: usize, width: usize, seed: u64) -> Features {
        let mut values = vec![0f32; n * width];
        Rng::new(seed, stream::SAMPLE).fill_normal(&mut values);
        Features { width, values }
    }

    #[test]
    fn distances_count_every_number() {
        for n in [1, 15, 16, 33] {
            let (a, b): (Vec<f32>, Vec<f32>) = (0..n).map(|i| (i as f32, i as f32 + 2.0)).unzip();
            assert_eq!(squared_distance(&a, &b), 4.0 * n as f32);
        }
    }

    #[test]
    fn rows_keep_their_order() {
        let x = Features { width: 2, values: (0..14).map(|i| i as f32).collect() };
        assert_eq!(in_parallel(&x, |row| row[0]), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    }
}
