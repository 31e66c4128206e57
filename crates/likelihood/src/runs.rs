//! Several runs of k importance samples, or of k annealed chains: each gives a value log 1/k sum_i w_i, which in expectation is
//! a lower bound L_k on log p(x) (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8). Weights whose expectation is
//! 1 / p(x) give an upper bound, minus that value (Grosse, Ghahramani & Adams 2015, arXiv:1511.02543).
//!
//! Weights mostly have so heavy a tail that one run of k tells neither the error of log p(x) nor that of L_k. The mean of
//! several runs is an unbiased estimate of L_k, and their spread its error. One run alone states the error of log p(x) by the
//! delta method, where not a few of its weights decide, as wide as Student's distribution asks for of so many effective samples.

use crate::iwae::{Progress, Weights};
use crate::{Effort, Kind, mean_and_stated_error, student};

/// Below this effective sample size of importance weights, or a quarter of them where they are few, a few weights
/// decide.
const MIN_EFFECTIVE_SAMPLES: f64 = 10.0;

/// The runs so far.
pub(crate) struct Runs {
    /// Samples of a run.
    k: usize,
    /// What a weight comes from, in the plural.
    of: &'static str,
    /// Whether the weights have the expectation 1 / p(x), not p(x).
    upper: bool,
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

/// Words for a bound that is the mean of n runs, and on which side of it log p(x) is.
pub(crate) fn mean_of(n: usize, such: &str, side: &str) -> String {
    format!(
        "the mean of {n} runs{such}, with the error of that mean. log p(x) is {side} it by as much as the bound is loose."
    )
}

impl Runs {
    /// None yet of `runs` runs of k samples.
    pub(crate) fn new(k: usize, runs: usize) -> Runs {
        let (current, whole) = (Weights::default(), Weights::default());
        let (of, upper, alone, bounds) = ("samples", false, runs == 1, Vec::new());
        Runs { k, of, upper, alone, bounds, effective: 0.0, current, whole }
    }

    /// Those of annealed chains, `chains` a run, from the log weights of all.
    pub(crate) fn of_chains(log_w: &[f64], chains: usize, upper: bool) -> Runs {
        let mut runs = Runs { of: "chains", upper, ..Runs::new(chains, log_w.len() / chains) };
        log_w.chunks(chains).for_each(|run| runs.push(run, &[], None));
        runs
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
        let (nats, error) = match self.bounds[..] {
            _ if self.alone => {
                (self.whole.log_mean(), self.whole.std_error() * student(self.whole.effective_samples() - 1.0))
            }
            [] => (self.current.log_mean(), f64::INFINITY),
            _ if self.bounds.contains(&f64::NEG_INFINITY) => (f64::NEG_INFINITY, f64::INFINITY),
            _ => mean_and_stated_error(&self.bounds),
        };
        (if self.upper { -nats } else { nats }, error)
    }

    /// What kind of number the bound is.
    pub(crate) fn kind(&self) -> Kind {
        if self.upper { Kind::UpperBound } else { Kind::LowerBound }
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
        let (n, k, of) = (self.ended(), self.k(), self.of);
        let [bound, limit, side] =
            if self.upper { ["An upper", "most", "below"] } else { ["A lower", "least", "above"] };
        let (what, doubt) = if self.alone {
            (format!("log p(x) is at {limit} this, up to the Monte Carlo error."), self.doubt())
        } else {
            let what = mean_of(n, &format!(" of {k} {of}"), side);
            (what, self.few().map(|few| format!("{few}.")))
        };
        std::iter::once(format!("{bound} bound in expectation: {what}")).chain(doubt).collect()
    }

    /// Why a run alone has no error: few of its weights decide.
    fn doubt(&self) -> Option<String> {
        self.few().filter(|_| self.alone).map(|few| format!("{few}, and no error of it can be told."))
    }

    /// What is to be said where few of the weights of a run decide.
    fn few(&self) -> Option<String> {
        let (effective, k, of) = (self.effective_samples(), self.k(), self.of);
        if effective >= MIN_EFFECTIVE_SAMPLES.min(k as f64 / 4.0) {
            return None;
        }
        let decide = match effective {
            e if e < 2.5 => "The weights rest on one or two draws",
            e if e < 5.0 => "The weights rest on a few draws",
            _ => "Few samples decide",
        };
        let side = if self.upper { "below" } else { "above" };
        Some(format!(
            "{decide} (effective sample size {effective:.1} of {k} {of}): the bound is loose here, log p(x) may be many nats \
             {side} it"
        ))
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
        assert!(even.assumptions()[1].ends_with("above it, and no error of it can be told."));
    }

    #[test]
    fn a_bound_that_rests_on_few_draws_says_so() {
        // One weight of 1 and others so small that the effective sample size is the wanted one.
        let said = |effective: f64, k: usize, upper: bool| {
            let others = (k - 1) as f64;
            let mut low = (f64::MIN_POSITIVE, 1.0);
            for _ in 0..200 {
                let w = 0.5 * (low.0 + low.1);
                let size = (1.0 + others * w).powi(2) / (1.0 + others * w * w);
                low = if size < effective { (w, low.1) } else { (low.0, w) };
            }
            let log_w: Vec<f64> = (0..k).map(|i| if i == 0 { 0.0 } else { low.1.ln() }).collect();
            Runs::of_chains(&log_w, k, upper).few().unwrap_or_default()
        };
        let rest = "of 1000 chains): the bound is loose here, log p(x) may be many nats above it";
        assert_eq!(
            said(1.04, 1000, false),
            format!("The weights rest on one or two draws (effective sample size 1.0 {rest}")
        );
        assert_eq!(
            said(4.2, 1000, false),
            format!("The weights rest on a few draws (effective sample size 4.2 {rest}")
        );
        assert!(said(7.0, 64, true).starts_with("Few samples decide") && said(7.0, 64, true).ends_with("below it"));
        assert_eq!((said(10.1, 64, false), said(4.1, 16, false)), (String::new(), String::new()));
    }

    #[test]
    fn chains_of_the_other_direction_bound_from_above() {
        let log_w = [1.0, 1.0, 3.0, 3.0, 5.0, 5.0];
        let [lower, upper] = [false, true].map(|upper| Runs::of_chains(&log_w, 2, upper));
        assert_eq!((lower.bound().0, upper.bound().0, lower.bound().1), (3.0, -3.0, upper.bound().1));
        assert_eq!((lower.kind(), upper.kind()), (Kind::LowerBound, Kind::UpperBound));
        assert!(lower.assumptions()[0].starts_with("A lower bound in expectation: the mean of 3 runs of 2 chains"));
        assert!(upper.assumptions()[0].ends_with("log p(x) is below it by as much as the bound is loose."));
    }
}
