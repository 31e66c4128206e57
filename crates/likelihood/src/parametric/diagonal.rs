//! Independent normal values.

use super::{Error, HALF_LN_TAU, Moments, near, one_row, size};

/// log p(x) = -1/2 sum_d [ln(2 pi v_d) + (x_d - m_d)^2 / v_d].
#[derive(Clone, PartialEq, Debug)]
pub struct Diagonal {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Diagonal {
    /// Means and variances (D).
    pub fn new(mean: Vec<f64>, variance: Vec<f64>) -> Result<Diagonal, Error> {
        if mean.is_empty() {
            return Err(Error::Empty);
        }
        size(variance.len(), mean.len())?;
        one_row(&mean, mean.len())?;
        one_row(&variance, mean.len())?;
        if let Some(at) = variance.iter().position(|&v| v <= 0.0) {
            return Err(Error::Constant { at });
        }
        Ok(Diagonal { mean, variance })
    }

    /// Of largest likelihood for rows (N, D).
    pub fn fit(data: &[f64], d: usize) -> Result<Diagonal, Error> {
        Diagonal::from_moments(&Moments::of(data, d)?)
    }

    /// Of these means and variances.
    pub fn from_moments(m: &Moments) -> Result<Diagonal, Error> {
        Diagonal::new(m.mean.clone(), m.covariance.iter().step_by(m.mean.len() + 1).copied().collect())
    }

    /// log p(x).
    pub fn log_prob(&self, x: &[f64]) -> Result<f64, Error> {
        near(self.terms(x)?.iter().sum())
    }

    /// log p(x_d) of each value.
    pub fn terms(&self, x: &[f64]) -> Result<Vec<f64>, Error> {
        one_row(x, self.mean.len())?;
        let of = |((x, m), v): ((&f64, &f64), &f64)| -0.5 * ((x - m).powi(2) / v + v.ln()) - HALF_LN_TAU;
        Ok(x.iter().zip(&self.mean).zip(&self.variance).map(of).collect())
    }

    /// E\[log p(x + e)\] for independent noise e of mean 0 and this variance.
    pub fn log_prob_under_noise(&self, x: &[f64], variance: f64) -> Result<f64, Error> {
        let precision: f64 = self.variance.iter().map(|v| 1.0 / v).sum();
        near(self.log_prob(x)? - 0.5 * variance * precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_its_terms() {
        let p = Diagonal::new(vec![1.0, -2.0], vec![4.0, 0.25]).unwrap();
        let wanted = -(2.0 * std::f64::consts::PI).ln() - 0.5 * (4.0f64.ln() + 0.25f64.ln()) - 0.5 * (1.0 + 4.0);
        assert!((p.log_prob(&[3.0, -1.0]).unwrap() - wanted).abs() < 1e-14);
        let fitted = Diagonal::fit(&[0.0, 1.0, 4.0, 2.0], 2).unwrap();
        assert_eq!(fitted, Diagonal::new(vec![2.0, 1.5], vec![4.0, 0.25]).unwrap());
    }

    #[test]
    fn bad_input_is_refused() {
        let p = Diagonal::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
        assert_eq!(p.log_prob(&[1.0]), Err(Error::Size { given: 1, wanted: 2 }));
        assert_eq!(p.log_prob(&[1.0, f64::INFINITY]), Err(Error::NotANumber { at: 1 }));
        assert_eq!(p.log_prob(&[1e200, 0.0]), Err(Error::TooFar));
        assert_eq!(Diagonal::fit(&[1.0, 5.0, 2.0, 5.0], 2), Err(Error::Constant { at: 1 }));
        assert_eq!(Diagonal::new(vec![0.0], vec![-1.0]), Err(Error::Constant { at: 0 }));
        assert_eq!(Diagonal::new(vec![], vec![]), Err(Error::Empty));
    }
}
