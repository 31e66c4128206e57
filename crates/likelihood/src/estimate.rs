//! The one type in which every answer is given.

use models::registry::Reference;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a number is to log p(x).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// log p(x) itself, up to rounding.
    Exact,
    /// In expectation not above log p(x).
    LowerBound,
    /// In expectation not below log p(x).
    UpperBound,
    /// Neither: an estimate with an error on either side.
    Stochastic,
    /// The logarithm of a ratio of densities, not a density.
    DensityRatio,
    /// The model has no density here; the text says why.
    Undefined(String),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Exact => "exact",
            Kind::LowerBound => "lower bound",
            Kind::UpperBound => "upper bound",
            Kind::Stochastic => "estimate",
            Kind::DensityRatio => "density ratio",
            Kind::Undefined(why) => why,
        })
    }
}

/// The parts of an evidence lower bound, in nats: `elbo = reconstruction - kl`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Parts {
    /// The bound of Kingma & Welling.
    pub elbo: f64,
    /// Its standard error.
    pub elbo_std_error: f64,
    /// E_q[log p(x|z)].
    pub reconstruction: f64,
    /// KL(q(z|x) || p(z)).
    pub kl: f64,
}

/// An answer to "how likely is x?".
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Estimate {
    /// log p(x), or the bound on it; natural logarithm, of a probability of discrete data.
    pub nats: f64,
    /// Standard error of `nats` from the Monte Carlo noise; none where there is no noise.
    pub std_error: Option<f64>,
    /// What `nats` is to log p(x).
    pub kind: Kind,
    /// -nats / (D ln 2).
    pub bits_per_dim: f64,
    /// How it was made, in the field's words, as "IWAE k=64".
    pub estimator: String,
    /// Number of importance samples.
    pub k: usize,
    /// Effective sample size of the importance weights, (sum w)^2 / sum w^2.
    pub effective_samples: Option<f64>,
    /// The bound's parts, for models with latents.
    pub parts: Option<Parts>,
    /// Surprise of each pixel or token in nats, -log p(x_d|z) averaged over the posterior; what it sums to is said in
    /// `assumptions`.
    pub terms: Vec<f32>,
    /// Evaluations of the network.
    pub n_evals: usize,
    /// What the number rests on, one plain sentence each.
    pub assumptions: Vec<String>,
    /// Percentage of the model's own samples that are less likely, scored in the same way.
    pub percentile_own: Option<f64>,
    /// Percentage of held-out data that is less likely, scored in the same way.
    pub percentile_held_out: Option<f64>,
    /// Percentage of held-out data whose score is nearer to their mean: what is likelier than nearly all of them is no
    /// more like them than what is less likely ([`crate::typicality::percentile_nearer`]).
    pub percentile_nearer: Option<f64>,
}

impl Estimate {
    /// Places the number among the scores of other images, if those were made in the same way.
    pub fn placed_in(mut self, reference: &Reference) -> Estimate {
        if reference.k == self.k && reference.estimator == self.estimator {
            self.percentile_own = crate::percentile(&reference.own, self.nats);
            self.percentile_held_out = crate::percentile(&reference.held_out, self.nats);
            self.percentile_nearer = crate::typicality::percentile_nearer(&reference.held_out, self.nats);
        }
        self
    }
}

/// One line, as "log p(x) >= -96.4 nats (lower bound, IWAE k=64, ± 0.3)".
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.kind {
            Kind::Exact => "=",
            Kind::LowerBound => "≥",
            Kind::UpperBound => "≤",
            Kind::Stochastic | Kind::DensityRatio => "≈",
            Kind::Undefined(_) => return write!(f, "log p(x) is not defined: {}", self.kind),
        };
        write!(f, "log p(x) {relation} {:.1} nats ({}, {}", self.nats, self.kind, self.estimator)?;
        if let Some(error) = self.std_error {
            write!(f, ", ± {error:.1}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_what_it_is() {
        let mut e = Estimate {
            nats: -96.42,
            std_error: Some(0.31),
            kind: Kind::LowerBound,
            bits_per_dim: 0.1774,
            estimator: "IWAE k=64".into(),
            k: 64,
            effective_samples: Some(20.0),
            parts: None,
            terms: vec![],
            n_evals: 65,
            assumptions: vec![],
            percentile_own: None,
            percentile_held_out: None,
            percentile_nearer: None,
        };
        assert_eq!(e.to_string(), "log p(x) ≥ -96.4 nats (lower bound, IWAE k=64, ± 0.3)");
        let reference =
            |k| Reference { estimator: "IWAE k=64".into(), k, held_out: vec![-100.0, -90.0], own: vec![-97.0] };
        assert_eq!(e.clone().placed_in(&reference(5000)).percentile_own, None);
        e = e.placed_in(&reference(64));
        assert_eq!((e.percentile_held_out, e.percentile_own), (Some(50.0), Some(100.0)));
        assert_eq!(e.percentile_nearer, Some(0.0));
        let other = Estimate { estimator: "AIS".into(), percentile_own: None, ..e.clone() };
        assert_eq!(other.placed_in(&reference(64)).percentile_own, None);
        e.kind = Kind::Undefined("no density on pixels".into());
        assert_eq!(e.to_string(), "log p(x) is not defined: no density on pixels");
    }
}
