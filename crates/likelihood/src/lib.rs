//! How likely is x? One answer for all families: an [`Estimate`], a number with its unit, its error and its kind.
//!
//! Sign and unit are the same everywhere: log p in nats, higher is more likely. Sums are made in f64.

pub mod ais;
pub mod effort;
pub mod elbo;
mod estimate;
pub mod exact;
pub mod flow;
pub mod footing;
pub mod hmc;
pub mod integral;
pub mod iwae;
pub mod laplace;
pub mod latent;
pub mod parametric;
pub mod pushforward;
pub mod quadrature;
pub mod query;
pub mod ratio;
pub mod runge_kutta;
mod runs;
pub mod typicality;
pub mod variational;
pub mod vlb;

pub use effort::Effort;
pub use estimate::{Among, Estimate, Kind, Parts, Place};

/// ln sum exp x, with the largest term taken out; -inf for no term and for terms that are all -inf; NaN if one is NaN.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        // `max` passes over NaN, which must not be taken for a probability of 0.
        return if x.iter().any(|v| v.is_nan()) { f64::NAN } else { top };
    }
    top + x.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
}

/// Mean of `x` and the standard error of that mean (0 where there are fewer than two values).
pub fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    if x.len() < 2 {
        return (mean, 0.0);
    }
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Mean of independent readings `x`, and its error so stated that the mean ± 1.96 of it holds what they are readings of with
/// 95 %: the standard error, widened by as much as Student's distribution of n - 1 degrees of freedom is wider than the normal
/// one (Abramowitz & Stegun 1964, 26.7.5), and as skewed readings ask for. Infinite where there are fewer than two.
pub fn mean_and_stated_error(x: &[f64]) -> (f64, f64) {
    let (mean, std_error) = mean_and_error(x);
    if x.len() < 2 {
        return (mean, f64::INFINITY);
    }
    (mean, std_error * (student((x.len() - 1) as f64) + skewed(x, mean)))
}

/// By how much of itself a 95 % interval of the mean must be wider for the skewness g of the readings: (z^4 + 2 z^2 - 3) / 18 g^2 / n,
/// the term of it in the Edgeworth expansion of the Studentized mean (Hall 1992, The Bootstrap and Edgeworth Expansion, section
/// 2.6). That of the kurtosis, a tenth of it, is left out.
fn skewed(x: &[f64], mean: f64) -> f64 {
    let moment = |power: i32| x.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / x.len() as f64;
    let (z2, variance) = (1.96f64.powi(2), moment(2));
    if variance == 0.0 {
        return 0.0;
    }
    (z2 * z2 + 2.0 * z2 - 3.0) / 18.0 * moment(3).powi(2) / variance.powi(3) / x.len() as f64
}

/// How many times as wide as the normal one Student's distribution of `free` degrees of freedom is at 95 %; infinite for none.
pub(crate) fn student(free: f64) -> f64 {
    let (z2, free) = (1.96f64.powi(2), free.max(0.0));
    let terms = [
        (z2 + 1.0) / 4.0,
        ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0,
        (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0,
    ];
    1.0 + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / free)
}

/// The sum (S, S) of the planes of a square image (C, S, S) of one colour or of three.
pub(crate) fn per_pixel(values: &[f64]) -> Vec<f32> {
    let is_square = values.len().isqrt().pow(2) == values.len();
    let plane = if is_square { values.len() } else { values.len() / 3 };
    (0..plane).map(|i| values[i..].iter().step_by(plane).sum::<f64>() as f32).collect()
}

/// Percentage of `sorted` (ascending) that is below `nats`; ties count half.
pub fn percentile(sorted: &[f32], nats: f64) -> Option<f64> {
    if sorted.is_empty() || nats.is_nan() {
        return None;
    }
    let below = sorted.partition_point(|&v| f64::from(v) < nats);
    let up_to = sorted.partition_point(|&v| f64::from(v) <= nats);
    Some(50.0 * (below + up_to) as f64 / sorted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_neither_overflows_nor_underflows() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-12);
        assert!((log_sum_exp(&[-1e5, -1e5 - 1.0]) - (-1e5 + (1.0 + (-1f64).exp()).ln())).abs() < 1e-9);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 3]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 2.0]), 2.0);
    }

    #[test]
    fn planes_of_a_picture_are_added() {
        assert_eq!(per_pixel(&[1.0, 2.0, 3.0, 4.0]), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            per_pixel(&[1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0, 0.5, 0.5, 0.5, 0.5]),
            [11.5, 22.5, 33.5, 44.5]
        );
    }

    #[test]
    fn percentiles_count_what_is_below() {
        let sorted = [-3.0, -2.0, -2.0, -1.0];
        assert_eq!(percentile(&sorted, -10.0), Some(0.0));
        assert_eq!(percentile(&sorted, -2.0), Some(50.0));
        assert_eq!(percentile(&sorted, 0.0), Some(100.0));
        assert_eq!(percentile(&[], 0.0), None);
        assert_eq!(percentile(&sorted, f64::NAN), None);
    }

    #[test]
    fn the_error_of_a_mean_is_that_of_the_textbook() {
        let (mean, error) = mean_and_error(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean, 2.5);
        assert!((error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn few_readings_state_the_error_that_students_distribution_asks_for() {
        // Its 97.5 % points.
        for (free, t) in [(3, 3.182), (7, 2.365), (15, 2.131), (31, 2.040)] {
            let x: Vec<f64> = (0..=free).map(f64::from).collect();
            let ((mean, error), (same, stated)) = (mean_and_error(&x), mean_and_stated_error(&x));
            assert_eq!(mean, same);
            assert!((1.96 * stated / error / t - 1.0).abs() < 0.01, "{free}: {}", 1.96 * stated / error);
        }
        assert_eq!(mean_and_stated_error(&[1.0]), (1.0, f64::INFINITY));
        assert_eq!(mean_and_stated_error(&[1.0, 1.0]), (1.0, 0.0));
    }

    #[test]
    fn the_stated_error_of_skewed_readings_is_wider() {
        let mut uniform = vec![0f32; 16 * 4000];
        data::rng::Rng::new(5, data::rng::stream::DATA).fill_uniform(&mut uniform);
        let exponential: Vec<f64> = uniform.iter().map(|u| -(1.0 - f64::from(*u)).ln()).collect();
        let held = |error: &dyn Fn(&[f64]) -> f64| {
            let holds = |x: &&[f64]| (mean_and_error(x).0 - 1.0).abs() <= 1.96 * error(x);
            exponential.chunks(16).filter(holds).count() as f64 / 4000.0
        };
        let students = held(&|x| mean_and_error(x).1 * student(15.0));
        let stated = held(&|x| mean_and_stated_error(x).1);
        assert!((0.90..0.92).contains(&students) && (0.92..0.94).contains(&stated), "{students}, {stated}");
    }
}
