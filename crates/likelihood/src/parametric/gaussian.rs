//! The normal density with any covariance, by L L^T = Sigma: with z = L^-1 (x - mu),
//!     log p(x) = sum_d -z_d^2 / 2 - ln L_dd - ln(2 pi) / 2,
//! where term d is log p(x_d | x_1 .. x_(d-1)).

use super::linear::{cholesky, dot, solve_lower};
use super::{Error, HALF_LN_TAU, Moments, near, one_row};

/// N(x; mu, Sigma).
#[derive(Clone, PartialEq, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// (D, D)
    covariance: Vec<f64>,
    /// L (D, D).
    factor: Vec<f64>,
}

impl Gaussian {
    /// Mean (D) and covariance (D, D).
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Gaussian, Error> {
        let d = mean.len();
        if d == 0 {
            return Err(Error::Empty);
        }
        one_row(&mean, d)?;
        one_row(&covariance, d * d)?;
        let uneven = |i: usize| {
            let (a, b) = (covariance[i], covariance[i % d * d + i / d]);
            (a - b).abs() > 1e-9 * (a.abs() + b.abs())
        };
        if let Some(i) = (0..d * d).find(|&i| uneven(i)) {
            let (i, j) = (i / d, i % d);
            return Err(Error::Parameter(format!("the covariance of {i} and {j} is not that of {j} and {i}")));
        }
        let factor = cholesky(&covariance, d)?;
        Ok(Gaussian { mean, covariance, factor })
    }

    /// Of largest likelihood for rows (N, D), of which there must be more than D.
    pub fn fit(data: &[f64], d: usize) -> Result<Gaussian, Error> {
        let moments = Moments::of(data, d)?;
        if moments.rows <= d {
            return Err(Error::TooFew { rows: moments.rows, needed: d + 1 });
        }
        Gaussian::from_moments(moments)
    }

    /// Of this mean and covariance.
    pub fn from_moments(m: Moments) -> Result<Gaussian, Error> {
        let constant = m.covariance.iter().step_by(m.mean.len() + 1).position(|&v| v == 0.0);
        constant.map_or_else(|| Gaussian::new(m.mean, m.covariance), |at| Err(Error::Constant { at }))
    }

    /// (D).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// (D, D).
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// log p(x).
    pub fn log_prob(&self, x: &[f64]) -> Result<f64, Error> {
        match (self.factor.as_slice(), self.mean.as_slice(), x) {
            // In the plane it is asked for millions of points.
            (&[l11, _, l21, l22], &[m1, m2], &[x1, x2]) if x1.is_finite() && x2.is_finite() => {
                let z1 = (x1 - m1) / l11;
                let z2 = (x2 - m2 - l21 * z1) / l22;
                near(-0.5 * (z1 * z1 + z2 * z2) - (l11 * l22).ln() - 2.0 * HALF_LN_TAU)
            }
            _ => near(self.terms(x)?.iter().sum()),
        }
    }

    /// L (D, D) of Sigma = L L^T.
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// log p(x_d | x_1 .. x_(d-1)) of each value.
    pub fn terms(&self, x: &[f64]) -> Result<Vec<f64>, Error> {
        let d = self.mean.len();
        one_row(x, d)?;
        let centred: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let z = solve_lower(&self.factor, &centred);
        let diagonal = self.factor.iter().step_by(d + 1);
        Ok(z.iter().zip(diagonal).map(|(z, l)| -0.5 * z * z - l.ln() - HALF_LN_TAU).collect())
    }

    /// Trace of Sigma^-1: twice what E\[log p(x + e)\] is below log p(x), for independent noise e of mean 0 and
    /// variance 1.
    pub fn trace_of_precision(&self) -> f64 {
        let d = self.mean.len();
        let column = |i: usize| {
            // Column i of L^-1 starts at row i: the factor below and right of it is all that is needed.
            let corner: Vec<f64> = (i..d).flat_map(|row| self.factor[row * d + i..][..d - i].to_vec()).collect();
            let mut unit = vec![0.0; d - i];
            unit[0] = 1.0;
            let column = solve_lower(&corner, &unit);
            dot(&column, &column)
        };
        (0..d).map(column).sum()
    }

    /// p of the values at `of`, in that order, whatever the rest is.
    pub fn marginal(&self, of: &[usize]) -> Result<Gaussian, Error> {
        self.places(of)?;
        let mean = of.iter().map(|&i| self.mean[i]).collect();
        Gaussian::new(mean, self.block(of, of))
    }

    /// p of all other values, in their order, given values at some places.
    pub fn conditional(&self, given: &[(usize, f64)]) -> Result<Gaussian, Error> {
        let (b, values): (Vec<usize>, Vec<f64>) = given.iter().copied().unzip();
        self.places(&b)?;
        one_row(&values, b.len())?;
        let a: Vec<usize> = (0..self.mean.len()).filter(|i| !b.contains(i)).collect();
        if a.is_empty() {
            return Err(Error::Parameter("every value is given: leave one out to have its density".into()));
        }
        let factor = cholesky(&self.block(&b, &b), b.len())?;
        let centred: Vec<f64> = b.iter().zip(&values).map(|(&i, v)| v - self.mean[i]).collect();
        let z = solve_lower(&factor, &centred);
        // V = L_b^-1 Sigma_ba, a row for each of a.
        let v: Vec<Vec<f64>> = a.iter().map(|&i| solve_lower(&factor, &self.block(&b, &[i]))).collect();
        let mean = a.iter().zip(&v).map(|(&i, v)| self.mean[i] + dot(v, &z)).collect();
        let mut covariance = self.block(&a, &a);
        for (i, vi) in v.iter().enumerate() {
            for (j, vj) in v.iter().enumerate() {
                covariance[i * a.len() + j] -= dot(vi, vj);
            }
        }
        Gaussian::new(mean, covariance)
    }

    /// Rows and columns of the covariance.
    fn block(&self, rows: &[usize], columns: &[usize]) -> Vec<f64> {
        let d = self.mean.len();
        rows.iter().flat_map(|&i| columns.iter().map(move |&j| self.covariance[i * d + j])).collect()
    }

    /// Whether these are places in x, each once.
    fn places(&self, at: &[usize]) -> Result<(), Error> {
        let d = self.mean.len();
        let mut seen = vec![false; d];
        if at.is_empty() {
            return Err(Error::Empty);
        }
        for &i in at {
            if i >= d || std::mem::replace(&mut seen[i], true) {
                return Err(Error::Parameter(format!("place {i} is named twice, or is not one of the {d} values")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::normals;

    /// A covariance of random numbers, with its mean.
    fn random(d: usize, seed: u64) -> Gaussian {
        let (mean, g) = (normals(d, seed), normals(d * d, seed + 1));
        let at =
            |i: usize| dot(&g[i / d * d..][..d], &g[i % d * d..][..d]) / d as f64 + f64::from(i / d == i % d) * 0.1;
        Gaussian::new(mean, (0..d * d).map(at).collect()).unwrap()
    }

    #[test]
    fn the_golden_value() {
        let p = Gaussian::new(vec![1.0, -1.0], vec![2.0, 0.6, 0.6, 1.0]).unwrap();
        assert!((p.log_prob(&[0.5, 0.3]).unwrap() - -3.429_737_382_449_351).abs() < 1e-12);
    }

    #[test]
    fn the_plane_is_no_exception() {
        let (p, x) = (random(2, 5), [0.4, -1.3]);
        assert!((p.log_prob(&x).unwrap() - p.terms(&x).unwrap().iter().sum::<f64>()).abs() < 1e-12);
    }

    #[test]
    fn terms_are_those_of_the_chain_rule() {
        let (p, x) = (random(12, 3), normals(12, 9));
        let terms = p.terms(&x).unwrap();
        assert!((terms.iter().sum::<f64>() - p.log_prob(&x).unwrap()).abs() < 1e-9);
        let of_first = |n: usize| p.marginal(&(0..n).collect::<Vec<_>>()).unwrap().log_prob(&x[..n]).unwrap();
        assert!((terms[0] - of_first(1)).abs() < 1e-9);
        (1..12).for_each(|n| assert!((terms[n] - (of_first(n + 1) - of_first(n))).abs() < 1e-9, "{n}"));
    }

    #[test]
    fn a_conditional_is_the_joint_without_the_marginal() {
        let (p, x) = (random(9, 5), normals(9, 11));
        for given in [&[4usize][..], &[8, 0, 3], &[7, 1, 2, 3, 4, 5, 6, 0]] {
            let rest: Vec<f64> = (0..9).filter(|i| !given.contains(i)).map(|i| x[i]).collect();
            let values: Vec<f64> = given.iter().map(|&i| x[i]).collect();
            let pairs: Vec<(usize, f64)> = given.iter().map(|&i| (i, x[i])).collect();
            let conditional = p.conditional(&pairs).unwrap().log_prob(&rest).unwrap();
            let marginal = p.marginal(given).unwrap().log_prob(&values).unwrap();
            assert!((conditional - (p.log_prob(&x).unwrap() - marginal)).abs() < 1e-9, "{given:?}");
        }
    }

    #[test]
    fn the_trace_is_that_of_the_inverse() {
        let p = random(7, 13);
        let inverse = nalgebra::DMatrix::from_row_slice(7, 7, p.covariance()).try_inverse().unwrap();
        assert!((p.trace_of_precision() - inverse.trace()).abs() < 1e-9 * inverse.trace());
    }

    #[test]
    fn a_fit_has_the_moments_of_the_data_and_no_neighbour_is_likelier() {
        let data: Vec<f64> = normals(600, 17).chunks(3).flat_map(|e| [e[0], e[0] + e[1], e[2] - e[1]]).collect();
        let best = Gaussian::fit(&data, 3).unwrap();
        let fit = |p: &Gaussian| data.chunks(3).map(|x| p.log_prob(x).unwrap()).sum::<f64>();
        for (i, j) in [(0, 0), (0, 1), (2, 1), (2, 2)] {
            for step in [-0.02, 0.02] {
                let mut other = best.covariance().to_vec();
                other[i * 3 + j] += step;
                other[j * 3 + i] = other[i * 3 + j];
                let mut mean = best.mean().to_vec();
                assert!(fit(&Gaussian::new(mean.clone(), other).unwrap()) < fit(&best));
                mean[i] += step;
                assert!(fit(&Gaussian::new(mean, best.covariance().to_vec()).unwrap()) < fit(&best));
            }
        }
    }

    #[test]
    fn bad_input_is_refused() {
        let p = random(2, 1);
        assert_eq!(p.log_prob(&[0.0]), Err(Error::Size { given: 1, wanted: 2 }));
        assert_eq!(p.log_prob(&[0.0, f64::NAN]), Err(Error::NotANumber { at: 1 }));
        assert_eq!(p.log_prob(&[1e308, -1e308]), Err(Error::TooFar));
        let fit = Gaussian::fit;
        assert_eq!(fit(&[], 2), Err(Error::Empty));
        assert_eq!(fit(&[1.0, 2.0], 2), Err(Error::TooFew { rows: 1, needed: 2 }));
        assert_eq!(fit(&[1.0, 2.0, 3.0, 5.0], 2), Err(Error::TooFew { rows: 2, needed: 3 }));
        assert_eq!(fit(&[1.0, 2.0].repeat(5), 2), Err(Error::Identical));
        assert_eq!(fit(&[1.0, 2.0, 1.0, 3.0, 1.0, 4.0], 2), Err(Error::Constant { at: 0 }));
        let line: Vec<f64> = normals(50, 2).iter().flat_map(|&v| [v, 3.0 * v + 0.1]).collect();
        assert_eq!(fit(&line, 2), Err(Error::Singular { at: 1 }));
        assert_eq!(Gaussian::new(vec![0.0; 2], vec![1.0, 2.0, 2.0, 1.0]), Err(Error::Singular { at: 1 }));
        assert!(matches!(Gaussian::new(vec![0.0; 2], vec![1.0, 0.5, 0.2, 1.0]), Err(Error::Parameter(_))));
        assert!(p.conditional(&[]).is_err() && p.conditional(&[(0, 1.0), (0, 2.0)]).is_err());
        assert!(p.conditional(&[(2, 1.0)]).is_err() && p.conditional(&[(0, 1.0), (1, 2.0)]).is_err());
        assert_eq!(p.conditional(&[(0, f64::NAN)]), Err(Error::NotANumber { at: 0 }));
    }
}
