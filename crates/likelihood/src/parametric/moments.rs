//! Mean and covariance of data: all that a normal density takes from them.

use super::{Error, rows, whole_rows};
use nalgebra::DMatrix;

/// Rows that are multiplied at a time.
const CHUNK: usize = 1024;

/// Mean and covariance of largest likelihood, which divides by N.
#[derive(Clone, PartialEq, Debug)]
pub struct Moments {
    /// N.
    pub rows: usize,
    /// (D).
    pub mean: Vec<f64>,
    /// (D, D).
    pub covariance: Vec<f64>,
}

impl Moments {
    /// Of rows (N, D), of which there must be two that differ.
    pub fn of(data: &[f64], d: usize) -> Result<Moments, Error> {
        rows(data, d)?;
        let moments = Moments::sums(data, d, |v| v)?;
        if moments.covariance.iter().chain(&moments.mean).any(|v| !v.is_finite()) {
            return Err(Error::TooFar);
        }
        if moments.covariance.iter().step_by(d + 1).all(|&v| v == 0.0) {
            return Err(Error::Identical);
        }
        Ok(moments)
    }

    /// Of k + u, where k are levels (N, D) and u is uniform in \[0, 1), in expectation over u: a mean half a level
    /// higher, and a variance 1/12 larger.
    pub fn of_levels(levels: &[u8], d: usize) -> Result<Moments, Error> {
        let mut moments = Moments::sums(levels, d, |level| f64::from(level) + 0.5)?;
        moments.covariance.iter_mut().step_by(d + 1).for_each(|v| *v += 1.0 / 12.0);
        Ok(moments)
    }

    fn sums<T: Copy>(values: &[T], d: usize, number: impl Fn(T) -> f64) -> Result<Moments, Error> {
        let n = whole_rows(values.len(), d)?;
        if n < 2 {
            return Err(Error::TooFew { rows: n, needed: 2 });
        }
        // From the first row on, so that a column that does not change has exactly no variance.
        let first: Vec<f64> = values[..d].iter().map(|&v| number(v)).collect();
        let mut mean = vec![0.0; d];
        for row in values.chunks(d) {
            mean.iter_mut().zip(row.iter().zip(&first)).for_each(|(m, (&v, first))| *m += number(v) - first);
        }
        mean.iter_mut().zip(&first).for_each(|(m, first)| *m = *m / n as f64 + first);
        let mut products = DMatrix::zeros(d, d);
        for some in values.chunks(CHUNK * d) {
            let centred = some.iter().enumerate().map(|(i, &v)| number(v) - mean[i % d]);
            let x = DMatrix::from_iterator(d, some.len() / d, centred);
            products.gemm(1.0 / n as f64, &x, &x.transpose(), 1.0);
        }
        // The product of a matrix and its transpose need not be symmetric to the last bit.
        let at = |i: usize| 0.5 * (products[(i / d, i % d)] + products[(i % d, i / d)]);
        Ok(Moments { rows: n, mean, covariance: (0..d * d).map(at).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_textbook() {
        let m = Moments::of(&[1.0, 10.0, 2.0, 10.0, 6.0, 13.0], 2).unwrap();
        assert_eq!((m.rows, m.mean), (3, vec![3.0, 11.0]));
        let wanted = [14.0 / 3.0, 3.0, 3.0, 2.0];
        assert!(m.covariance.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-14), "{:?}", m.covariance);
        let m = Moments::of_levels(&[0, 7, 10, 7], 2).unwrap();
        assert_eq!(m.mean, [5.5, 7.5]);
        let wanted = [25.0 + 1.0 / 12.0, 0.0, 0.0, 1.0 / 12.0];
        assert!(m.covariance.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-14), "{:?}", m.covariance);
    }

    #[test]
    fn bad_data_are_refused() {
        assert_eq!(Moments::of(&[], 2), Err(Error::Empty));
        assert_eq!(Moments::of(&[1.0], 0), Err(Error::Empty));
        assert_eq!(Moments::of(&[1.0, 2.0, 3.0], 2), Err(Error::Size { given: 3, wanted: 2 }));
        assert_eq!(Moments::of(&[1.0, 2.0], 2), Err(Error::TooFew { rows: 1, needed: 2 }));
        assert_eq!(Moments::of(&[1.0, f64::NAN], 1), Err(Error::NotANumber { at: 1 }));
        assert_eq!(Moments::of(&[0.1; 7], 1), Err(Error::Identical));
        assert_eq!(Moments::of_levels(&[], 1), Err(Error::Empty));
        // A variance of 1e400 has no place in 64 bits.
        assert_eq!(Moments::of(&[1e200, -1e200], 1), Err(Error::TooFar));
    }
}
