//! The little linear algebra of normal densities. Matrices are row major.

use super::Error;
use nalgebra::{DMatrix, SymmetricEigen};

/// A pivot that is less than this part of its variance is rounding.
const LEAST_PIVOT: f64 = 1e-12;

/// L (D, D), lower triangular, with L L^T = `a`.
pub(super) fn cholesky(a: &[f64], d: usize) -> Result<Vec<f64>, Error> {
    let mut l = vec![0.0; d * d];
    for i in 0..d {
        let (above, row) = l.split_at_mut(i * d);
        for j in 0..i {
            let other = &above[j * d..][..=j];
            row[j] = (a[i * d + j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let variance = a[i * d + i];
        let pivot = variance - dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= LEAST_PIVOT * variance {
            return Err(Error::Singular { at: i });
        }
        row[i] = pivot.sqrt();
    }
    Ok(l)
}

/// L^-1 b.
pub(super) fn solve_lower(l: &[f64], b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let mut z = vec![0.0; d];
    for i in 0..d {
        let row = &l[i * d..][..=i];
        z[i] = (b[i] - dot(&row[..i], &z[..i])) / row[i];
    }
    z
}

/// L^-T b.
pub(super) fn solve_upper(l: &[f64], b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let mut z = b.to_vec();
    for i in (0..d).rev() {
        z[i] /= l[i * d + i];
        let zi = z[i];
        z[..i].iter_mut().zip(&l[i * d..]).for_each(|(z, l)| *z -= l * zi);
    }
    z
}

/// Sum of the products, in eight sums that run beside each other.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (a, b))| *s += a * b);
    }
    sums.iter().sum::<f64>() + rest
}

/// Eigenvalues of a symmetric matrix, largest first, with their vectors (D, D), one a row.
pub(super) fn eigen(a: &[f64], d: usize) -> (Vec<f64>, Vec<f64>) {
    let e = SymmetricEigen::new(DMatrix::from_row_slice(d, d, a));
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| e.eigenvalues[j].total_cmp(&e.eigenvalues[i]));
    let vectors = order.iter().flat_map(|&i| e.eigenvectors.column(i).iter().copied().collect::<Vec<_>>()).collect();
    (order.iter().map(|&i| e.eigenvalues[i]).collect(), vectors)
}

/// The covariance of largest likelihood among those without eigenvalue below `floor`: the one given, with its
/// eigenvalues raised to it.
pub(super) fn floored(a: &[f64], d: usize, floor: f64) -> Vec<f64> {
    let (values, vectors) = eigen(a, d);
    let mut out = a.to_vec();
    for (value, v) in values.iter().zip(vectors.chunks(d)).filter(|(value, _)| **value < floor) {
        for i in 0..d {
            for j in 0..d {
                out[i * d + j] += (floor - value) * v[i] * v[j];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::normals;

    #[test]
    fn factors_and_solutions_multiply_back() {
        let d = 19;
        let g = normals(d * d, 1);
        let a: Vec<f64> = (0..d * d).map(|i| dot(&g[i / d * d..][..d], &g[i % d * d..][..d])).collect();
        let l = cholesky(&a, d).unwrap();
        let worst = (0..d * d).map(|i| (dot(&l[i / d * d..][..d], &l[i % d * d..][..d]) - a[i]).abs());
        assert!(worst.fold(0.0, f64::max) < 1e-12 * a[0]);
        let b = normals(d, 2);
        let x = solve_upper(&l, &solve_lower(&l, &b));
        (0..d).for_each(|i| assert!((dot(&a[i * d..][..d], &x) - b[i]).abs() < 1e-8, "{i}"));
        let (values, vectors) = eigen(&a, d);
        assert!(values.is_sorted_by(|a, b| a >= b));
        for (value, v) in values.iter().zip(vectors.chunks(d)) {
            (0..d).for_each(|i| assert!((dot(&a[i * d..][..d], v) - value * v[i]).abs() < 1e-10));
        }
    }

    #[test]
    fn a_floor_raises_what_is_below_it_alone() {
        // Eigenvalues 3 along (1, 1) and 1 along (1, -1).
        let out = floored(&[2.0, 1.0, 1.0, 2.0], 2, 2.0);
        let wanted = [2.5, 0.5, 0.5, 2.5];
        assert!(out.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{out:?}");
        assert_eq!(floored(&wanted, 2, 0.5), wanted);
    }
}
