//! How much work an answer is worth: a number of samples, and an error at which fewer are enough.

/// Fewest independent samples whose spread is taken for their error.
const LEAST: usize = 16;
/// Fewest runs of chains, or of searches, which cost so much that there are few. Their error is stated as wide as Student's
/// distribution asks for; of those that stop between 5 and 8 at the error that was asked for, whatever it is, 94 % hold the
/// truth within 1.96 of it, of those that may stop at 3 as few as 91 % (normal runs, and logs of the mean of four weights).
const LEAST_RUNS: usize = 5;

/// A number of samples, or fewer, and how many runs of it are averaged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Effort {
    /// Samples at most.
    pub k: usize,
    /// Runs of k samples at most, for a bound whose error only its repetition can tell ([`crate::iwae`]); others have one.
    pub runs: usize,
    /// Standard error in nats at which the samples or runs so far are enough; none: all are drawn.
    pub precision: Option<f64>,
}

impl From<usize> for Effort {
    fn from(k: usize) -> Effort {
        Effort { k, runs: 1, precision: None }
    }
}

impl Effort {
    /// Whether `done` samples, or runs, with this standard error are enough. The value itself has no say: a run that
    /// stopped where its value is good would be biased.
    pub fn is_met(&self, done: usize, std_error: f64) -> bool {
        self.precision.is_some_and(|precision| done >= LEAST && std_error <= precision)
    }
}

/// How many runs of chains come before the first look at their error, of `runs` in all.
pub(crate) fn first_runs(precision: Option<f64>, runs: usize) -> usize {
    if precision.is_some() { runs.min(LEAST_RUNS) } else { runs }
}

/// Whether so many runs of chains or of searches, whose mean has this standard error, are enough; the value itself has no say.
pub(crate) fn enough_runs(precision: Option<f64>, done: usize, std_error: f64) -> bool {
    precision.is_some_and(|precision| done >= LEAST_RUNS && std_error <= precision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_error_is_believed_of_enough_samples_only() {
        let effort = Effort { k: 100, runs: 1, precision: Some(0.5) };
        assert!(effort.is_met(16, 0.5) && effort.is_met(90, 0.1));
        assert!(!effort.is_met(15, 0.1) && !effort.is_met(90, 0.51) && !effort.is_met(90, f64::NAN));
        assert!(!Effort::from(100).is_met(99, 0.0));
        assert!(enough_runs(Some(0.5), 5, 0.5) && !enough_runs(Some(0.5), 4, 0.1) && !enough_runs(Some(0.5), 8, 0.51));
        assert!(!enough_runs(None, 8, 0.0) && !enough_runs(Some(0.5), 8, f64::NAN));
        assert_eq!([first_runs(None, 8), first_runs(Some(0.1), 8), first_runs(Some(0.1), 1)], [8, 5, 1]);
    }
}
