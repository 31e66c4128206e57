//! Fréchet distance between normal distributions that are fitted to the features of two sets of images (Heusel et al.
//! 2017, "GANs trained by a two time-scale update rule", arXiv:1706.08500, eq. 6).

use super::features::Features;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).
pub(super) fn distance(a: &Features, b: &Features) -> f64 {
    let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(a), moments(b));
    // (C_a C_b)^(1/2) has the trace of (S C_b S)^(1/2), where S is the root of C_a: that matrix is symmetric.
    let root = root(&cov_a);
    let mixed = SymmetricEigen::new(&root * &cov_b * &root).eigenvalues;
    let mixed: f64 = mixed.iter().map(|l| l.max(0.0).sqrt()).sum();
    (mean_a - mean_b).norm_squared() + cov_a.trace() + cov_b.trace() - 2.0 * mixed
}

/// Mean (F) and covariance (F, F) of rows.
fn moments(x: &Features) -> (DVector<f64>, DMatrix<f64>) {
    let n = x.len() as f64;
    let mut mean = DVector::zeros(x.width);
    for row in x.rows() {
        mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v) / n);
    }
    let mut cov = DMatrix::zeros(x.width, x.width);
    for row in x.rows() {
        let centred = DVector::from_iterator(x.width, row.iter().map(|&v| f64::from(v))) - &mean;
        cov.syger(1.0 / (n - 1.0), &centred, &centred, 1.0);
    }
    cov.fill_upper_triangle_with_lower_triangle();
    (mean, cov)
}

/// The symmetric root of a covariance.
fn root(cov: &DMatrix<f64>) -> DMatrix<f64> {
    let mut eigen = SymmetricEigen::new(cov.clone());
    eigen.eigenvalues.iter_mut().for_each(|l| *l = l.max(0.0).sqrt());
    eigen.recompose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::normal;

    /// Between N(0, I) and N(m, s^2 I) it is |m|^2 + F (1 - s)^2.
    #[test]
    fn it_is_that_of_the_closed_form() {
        let (n, f) = (20_000, 3);
        let a = normal(n, f, 1);
        let mut b = normal(n, f, 2);
        b.values.iter_mut().for_each(|v| *v = 0.5 + 2.0 * *v);
        assert!(distance(&a, &a).abs() < 1e-9);
        let expected = 3.0 * 0.25 + 3.0;
        // Means and deviations of 20,000 draws are right to about 1 %.
        assert!((distance(&a, &b) - expected).abs() < 0.12, "{}", distance(&a, &b));
    }

    /// Covariances that do not commute: C_a = diag(1, 4) and C_b with the same eigenvalues turned by 45 degrees, where
    /// tr (C_a C_b)^(1/2) = sqrt(tr C_a C_b + 2 sqrt(det C_a C_b)) = sqrt(12.5 + 8).
    #[test]
    fn covariances_may_be_turned() {
        let half = std::f32::consts::FRAC_1_SQRT_2;
        // Four points whose covariance, with n - 1 = 3, is diag(1, 4).
        let (x, y) = (1.5f32.sqrt(), 6f32.sqrt());
        let points = [[x, 0.0], [-x, 0.0], [0.0, y], [0.0, -y]];
        let a = Features { width: 2, values: points.concat() };
        let turned = points.map(|[x, y]| [half * (x - y), half * (x + y)]);
        let b = Features { width: 2, values: turned.concat() };
        let expected = 10.0 - 2.0 * 20.5f64.sqrt();
        assert!((distance(&a, &b) - expected).abs() < 1e-5, "{}", distance(&a, &b));
    }
}
