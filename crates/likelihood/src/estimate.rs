//! The one type in which every answer is given.

use crate::{percentile, typicality};
use models::registry::{Others, Reference};
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
    /// Standard error of `nats` from the Monte Carlo noise: of a bound that is the mean of several runs, about that bound, else
    /// about log p(x). None where there is no noise, and none where so few samples decide that the noise can't be told
    /// (`effective_samples`): then a bound is all that the number is.
    pub std_error: Option<f64>,
    /// What `nats` is to log p(x).
    pub kind: Kind,
    /// -nats / (D ln 2).
    pub bits_per_dim: f64,
    /// How it was made, in the field's words, as "IWAE k=64".
    pub estimator: String,
    /// Number of importance samples, of one run where several are averaged.
    pub k: usize,
    /// Effective sample size of the importance weights, (sum w)^2 / sum w^2; of runs that are averaged, the mean of theirs.
    pub effective_samples: Option<f64>,
    /// The bound's parts, for models with latents.
    pub parts: Option<Parts>,
    /// Surprise of each pixel or token in nats: of models with latents -log p(x_d|z), averaged over the posterior or at its
    /// likeliest z; which, and what it sums to, is said in `assumptions`. Empty where the estimator knows the whole picture only.
    pub terms: Vec<f32>,
    /// Evaluations of the network.
    pub n_evals: usize,
    /// What the number rests on, one plain sentence each.
    pub assumptions: Vec<String>,
    /// Where the number stands among those of other pictures.
    #[serde(default)]
    pub place: Place,
}

/// Where a number stands among those of other pictures, scored in the same way; nothing where there are no such scores.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// Percentage of the model's own samples that are less likely.
    pub own: Option<f64>,
    /// Percentage of held-out data that is less likely.
    pub held_out: Option<f64>,
    /// Percentage of held-out data whose score is nearer to their mean: what is likelier than nearly all of them is no
    /// more like them than what is less likely ([`typicality::percentile_nearer`]).
    pub nearer: Option<f64>,
    /// Bits per dimension less those that a lossless coder takes ([`typicality::complexity_score`]).
    pub complexity_score: Option<f64>,
    /// Percentage of held-out data whose complexity score is lower: high for what is not like the data.
    pub complexity: Option<f64>,
    /// The same percentages as `held_out`, of pictures that are not of the data.
    pub others: Vec<Among>,
}

/// A place among the pictures of a set.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Among {
    /// What the pictures are, as "uniform noise".
    pub name: String,
    /// Percentage of them that is less likely.
    pub percentile: f64,
}

impl Estimate {
    /// Places the number of a picture of these levels among the scores of other pictures, if those were made in the same
    /// way.
    pub fn placed_in(mut self, reference: &Reference, levels: &[u8]) -> Estimate {
        if reference.k != self.k || reference.estimator != self.estimator {
            return self;
        }
        let score = typicality::complexity_score(self.bits_per_dim, levels).ok();
        let among = |of: &Others| Some(Among { name: of.name.clone(), percentile: percentile(&of.nats, self.nats)? });
        self.place = Place {
            own: percentile(&reference.own, self.nats),
            held_out: percentile(&reference.held_out, self.nats),
            nearer: typicality::percentile_nearer(&reference.held_out, self.nats),
            complexity_score: score,
            complexity: score.and_then(|score| percentile(&reference.complexity, score)),
            others: reference.others.iter().filter_map(among).collect(),
        };
        self
    }
}

/// One line, as "log p(x) >= -96.4 nats (lower bound, IWAE k=64, ± 0.3)"; a ratio of densities is called one.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.kind {
            Kind::Exact => "=",
            Kind::LowerBound => "≥",
            Kind::UpperBound => "≤",
            Kind::Stochastic | Kind::DensityRatio => "≈",
            Kind::Undefined(_) => return write!(f, "log p(x) is not defined: {}", self.kind),
        };
        if self.nats == f64::NEG_INFINITY {
            let why = "all that the model could have drawn gives this picture probability 0";
            return write!(f, "log p(x) = -inf nats: impossible under this model, for {why} ({})", self.estimator);
        }
        let what = if self.kind == Kind::DensityRatio { "log p_data(x)/p_G(x)" } else { "log p(x)" };
        write!(f, "{what} {relation} {:.1} nats ({}, {}", self.nats, self.kind, self.estimator)?;
        match (self.std_error, self.effective_samples) {
            (Some(error), _) => write!(f, ", ± {error:.1}")?,
            (None, Some(_)) => f.write_str(", error not known")?,
            (None, None) => {}
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::registry::Auroc;

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
            place: Place::default(),
        };
        assert_eq!(e.to_string(), "log p(x) ≥ -96.4 nats (lower bound, IWAE k=64, ± 0.3)");
        let reference = |k| Reference {
            estimator: "IWAE k=64".into(),
            k,
            held_out: vec![-100.0, -90.0],
            own: vec![-97.0],
            others: vec![Others { name: "noise".into(), nats: vec![-900.0, -800.0, -96.0], auroc: Auroc::default() }],
            complexity: vec![-1.0, 0.5],
        };
        let levels = [0; 784];
        assert_eq!(e.clone().placed_in(&reference(5000), &levels).place, Place::default());
        e = e.placed_in(&reference(64), &levels);
        assert_eq!((e.place.held_out, e.place.own, e.place.nearer), (Some(50.0), Some(100.0), Some(0.0)));
        let among = &e.place.others[0];
        assert_eq!((among.name.as_str(), among.percentile.round()), ("noise", 67.0));
        // A blank picture costs the coder little, so nearly all of the model's bits are left.
        assert!(e.place.complexity_score.is_some_and(|score| (0.0..0.1774).contains(&score)));
        assert_eq!(e.place.complexity, Some(50.0));
        let other = Estimate { estimator: "AIS".into(), place: Place::default(), ..e.clone() };
        assert_eq!(other.placed_in(&reference(64), &levels).place, Place::default());
        let impossible = Estimate { nats: f64::NEG_INFINITY, ..e.clone() };
        assert!(impossible.to_string().starts_with("log p(x) = -inf nats: impossible under this model"));
        e.kind = Kind::Undefined("no density on pixels".into());
        assert_eq!(e.to_string(), "log p(x) is not defined: no density on pixels");
    }
}
