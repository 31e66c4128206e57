//! Several runs of k importance samples: each gives a value log 1/k sum_i w_i, which in expectation is a lower bound L_k on
//! log p(x) (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8).
//!
//! Weights mostly have so heavy a tail that one run of k tells neither the error of log p(x) nor that of L_k. The mean of
//! several runs is an unbiased estimate of L_k, and their spread its error. One run alone states the error of log p(x) by the
//! delta method, where not a few of its weights decide, as wide as Student's distribution asks for of so many effective samples.

use crate::iwae::{Progress, Weights};
use crate::latent::{doubt, few};
use crate::{Effort, mean_and_stated_error, student};

/// The runs so far.
pub(crate) struct Runs {
    /// Samples of a run.
    k: usize,
    /// Whether there is to be one only.
    alone: bool,
    /// log 1/k sum w of those that are through.
    bounds: Vec<f64>,
    /// Sum of their effective sample sizes.
    effective: f64,
    /// The weights of the run that is under way.
    current: Weights,
    /// Those of all runs.
    whole: Weights,
}

impl Runs {
    /// None yet of `runs` runs of k samples.
    pub(crate) fn new(k: usize, runs: usize) -> Runs {
        let (current, whole) = (Weights::default(), Weights::default());
        Runs { k, alone: runs == 1, bounds: Vec::new(), effective: 0.0, current, whole }
    }

    /// Takes in a batch of what [`Weights::push`] takes, which does not reach into the next run.
    pub(crate) fn push<T: Copy + Into<f64>>(&mut self, log_w: &[T], recon: &[f32], pixels: Option<&[f32]>) {
        self.whole.push(log_w, recon, pixels);
        self.current.push(log_w, &[], None);
        if self.current.len() >= self.k {
            self.bounds.push(self.current.log_mean());
            self.effective += self.current.effective_samples();
            self.current = Weights::default();
        }
    }

    /// How many are through.
    pub(crate) fn ended(&self) -> usize {
        self.bounds.len()
    }

    /// The weights of all.
    pub(crate) fn whole(&self) -> &Weights {
        &self.whole
    }

    /// Samples of a run: of one alone, those that it has so far.
    pub(crate) fn k(&self) -> usize {
        if self.alone { self.whole.len() } else { self.k }
    }

    /// The mean of the runs that are through, with its error; of what there is, while the first is under way.
    pub(crate) fn bound(&self) -> (f64, f64) {
        match self.bounds[..] {
            _ if self.alone => {
                (self.whole.log_mean(), self.whole.std_error() * student(self.whole.effective_samples() - 1.0))
            }
            [] => (self.current.log_mean(), f64::INFINITY),
            _ if self.bounds.contains(&f64::NEG_INFINITY) => (f64::NEG_INFINITY, f64::INFINITY),
            _ => mean_and_stated_error(&self.bounds),
        }
    }

    /// The error that is stated, if one is.
    pub(crate) fn std_error(&self) -> Option<f64> {
        Some(self.bound().1).filter(|error| error.is_finite() && self.doubt().is_none())
    }

    /// Effective sample size, the mean of those of the runs.
    pub(crate) fn effective_samples(&self) -> f64 {
        if self.alone { self.whole.effective_samples() } else { self.effective / self.ended() as f64 }
    }

    /// How far it is with `runs` runs, and the bound so far with `log_unit` added to it.
    pub(crate) fn progress(&self, runs: usize, log_unit: f64) -> Progress {
        let (nats, std_error) = self.bound();
        Progress { done: self.whole.len(), total: self.k * runs, nats: nats + log_unit, std_error }
    }

    /// Whether the precision that was asked for is met.
    pub(crate) fn are_enough(&self, effort: Effort) -> bool {
        let done = if self.alone { self.whole.len() } else { self.ended() };
        effort.is_met(done, self.bound().1) && self.doubt().is_none()
    }

    /// What the number is, and what is to be doubted of it.
    pub(crate) fn assumptions(&self) -> Vec<String> {
        let (n, k) = (self.ended(), self.k());
        let (what, doubt) = if self.alone {
            ("log p(x) is at least this, up to the Monte Carlo error.".to_string(), self.doubt())
        } else {
            let doubt = few(self.effective_samples(), k, false).map(|few| format!("{few}."));
            let what = format!(
                "the mean of {n} runs of {k} samples, with the error of that mean. log p(x) is above it by as much as the bound \
                 is loose."
            );
            (what, doubt)
        };
        std::iter::once(format!("A lower bound in expectation: {what}")).chain(doubt).collect()
    }

    /// Why a run alone has no error.
    fn doubt(&self) -> Option<String> {
        if self.alone { doubt(self.whole.effective_samples(), self.whole.len(), false) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_averaged_and_their_spread_is_the_error() {
        let mut runs = Runs::new(4, 32);
        runs.push(&[-3.0, -3.0], &[], None);
        assert_eq!(runs.bound(), (-3.0, f64::INFINITY));
        for level in [-3.0, -1.0, -1.0, -5.0, -5.0] {
            runs.push(&[level; 2], &[], None);
        }
        // Runs of -3, -1 and -5.
        let (nats, error) = runs.bound();
        assert_eq!((nats, error), mean_and_stated_error(&[-3.0, -1.0, -5.0]));
        assert!((nats + 3.0).abs() < 1e-12 && runs.std_error() == Some(error));
        assert!((runs.effective_samples() - 4.0).abs() < 1e-9 && (runs.whole().len(), runs.k()) == (12, 4));
        let progress = runs.progress(32, -10.0);
        assert_eq!((progress.done, progress.total, progress.nats), (12, 128, nats - 10.0));
        runs.push(&[f64::NEG_INFINITY; 4], &[], None);
        assert_eq!((runs.bound(), runs.std_error()), ((f64::NEG_INFINITY, f64::INFINITY), None));
    }

    #[test]
    fn a_run_alone_states_no_error_where_few_of_its_weights_decide() {
        let mut even = Runs::new(64, 1);
        even.push(&[-3.0; 32], &[], None);
        assert_eq!((even.bound(), even.std_error(), even.k()), ((-3.0, 0.0), Some(0.0), 32));
        assert!(even.assumptions()[0].ends_with("up to the Monte Carlo error.") && even.assumptions().len() == 1);
        even.push(&[20.0; 1], &[], None);
        assert_eq!(even.std_error(), None);
        assert!(even.assumptions()[1].ends_with("no error of it can be told."));
    }
}
