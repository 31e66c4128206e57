//! Levels that are drawn each for itself, with a table of probabilities for every place.

use super::{Error, size, whole_rows};

/// P(k) = prod_d p_d(k_d), a probability of discrete data.
#[derive(Clone, PartialEq, Debug)]
pub struct Categorical {
    levels: usize,
    /// (D, levels)
    log_p: Vec<f64>,
}

impl Categorical {
    /// Probabilities (D, levels).
    pub fn new(probabilities: &[f64], levels: usize) -> Result<Categorical, Error> {
        if !(2..=256).contains(&levels) {
            return Err(Error::Parameter(format!("{levels} levels: there can be 2 to 256")));
        }
        super::rows(probabilities, levels)?;
        for (at, p) in probabilities.chunks(levels).enumerate() {
            if p.iter().any(|&p| p < 0.0) || (p.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
                return Err(Error::Parameter(format!("the probabilities at {at} do not sum to 1, or one is below 0")));
            }
        }
        Ok(Categorical { levels, log_p: probabilities.iter().map(|p| p.ln()).collect() })
    }

    /// How often each level occurs at each place of rows (N, D), with `smoothing` added to each count; where that is 0,
    /// a level that never occurred is impossible.
    pub fn fit(data: &[u8], d: usize, levels: usize, smoothing: f64) -> Result<Categorical, Error> {
        let n = whole_rows(data.len(), d)?;
        if !smoothing.is_finite() || smoothing < 0.0 {
            return Err(Error::Parameter(format!("a smoothing of {smoothing}: it must be a number, 0 or more")));
        }
        within(data, levels)?;
        let mut counts = vec![0u32; d * levels];
        for row in data.chunks(d) {
            row.iter().enumerate().for_each(|(at, &level)| counts[at * levels + usize::from(level)] += 1);
        }
        let all = n as f64 + smoothing * levels as f64;
        let p: Vec<f64> = counts.iter().map(|&count| (f64::from(count) + smoothing) / all).collect();
        Categorical::new(&p, levels)
    }

    /// log P(k), -inf where a level is impossible.
    pub fn log_prob(&self, k: &[u8]) -> Result<f64, Error> {
        Ok(self.terms(k)?.iter().sum())
    }

    /// log p_d(k_d) of each place.
    pub fn terms(&self, k: &[u8]) -> Result<Vec<f64>, Error> {
        size(k.len(), self.log_p.len() / self.levels)?;
        within(k, self.levels)?;
        Ok(k.iter().zip(self.log_p.chunks(self.levels)).map(|(&level, p)| p[usize::from(level)]).collect())
    }
}

fn within(data: &[u8], levels: usize) -> Result<(), Error> {
    let high = data.iter().position(|&level| usize::from(level) >= levels);
    high.map_or(Ok(()), |at| Err(Error::Level { level: data[at], at, levels }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footing::bits_per_dim;
    use std::f64::consts::LN_2;

    #[test]
    fn noise_has_eight_bits_and_coins_have_one() {
        let noise = Categorical::new(&[1.0 / 256.0; 784 * 256], 256).unwrap();
        let image: Vec<u8> = (0..784).map(|i| (i % 256) as u8).collect();
        assert!((bits_per_dim(noise.log_prob(&image).unwrap(), 784) - 8.0).abs() < 1e-12);
        let coins = Categorical::new(&[0.5; 256], 2).unwrap();
        assert!((coins.log_prob(&[0, 1].repeat(64)).unwrap() + 128.0 * LN_2).abs() < 1e-12);
    }

    #[test]
    fn a_fit_is_counts_with_a_little_added() {
        let p = Categorical::fit(&[0, 3, 0, 2, 1, 3], 2, 4, 0.1).unwrap();
        let terms = p.terms(&[0, 0]).unwrap();
        assert!((terms[0] - (2.1f64 / 3.4).ln()).abs() < 1e-15 && (terms[1] - (0.1f64 / 3.4).ln()).abs() < 1e-15);
        let total: f64 = (0..16).map(|i| p.log_prob(&[i / 4, i % 4]).unwrap().exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
        let unsmoothed = Categorical::fit(&[0, 3], 2, 4, 0.0).unwrap();
        assert_eq!((unsmoothed.log_prob(&[0, 3]), unsmoothed.log_prob(&[0, 2])), (Ok(0.0), Ok(f64::NEG_INFINITY)));
    }

    #[test]
    fn bad_input_is_refused() {
        let fit = |data: &[u8]| Categorical::fit(data, 2, 4, 0.1);
        assert_eq!(fit(&[]), Err(Error::Empty));
        assert_eq!(fit(&[1, 2, 3]), Err(Error::Size { given: 3, wanted: 2 }));
        assert_eq!(fit(&[1, 4]), Err(Error::Level { level: 4, at: 1, levels: 4 }));
        assert!(Categorical::fit(&[1, 2], 2, 4, f64::NAN).is_err() && Categorical::fit(&[1], 1, 257, 0.1).is_err());
        assert!(Categorical::new(&[0.5, 0.6], 2).is_err() && Categorical::new(&[1.5, -0.5], 2).is_err());
        assert_eq!(Categorical::new(&[f64::NAN, 1.0], 2), Err(Error::NotANumber { at: 0 }));
        assert_eq!(fit(&[1, 2]).unwrap().log_prob(&[1]), Err(Error::Size { given: 1, wanted: 2 }));
        assert!(matches!(fit(&[1, 2]).unwrap().log_prob(&[1, 9]), Err(Error::Level { level: 9, at: 1, levels: 4 })));
    }
}
