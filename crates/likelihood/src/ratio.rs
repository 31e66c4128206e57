//! log p_data(x) / p_G(x) from a discriminator: where it can't be better, its logit is that (Goodfellow et al. 2014,
//! arXiv:1406.2661, proposition 1), and a discriminator of pairs, which is R3GAN's, has it up to a constant (Jolicoeur-
//! Martineau 2019, arXiv:1807.00734). No trained one is there, so its logit D is calibrated on pictures that it did not
//! learn from: a D + b by logistic regression of real against drawn (Platt 1999, "Probabilistic outputs for support
//! vector machines").

use crate::iwae::Error;
use crate::{Estimate, Kind, Place, mean_and_error, typicality};
use graph::Run;
use models::registry::Calibration;
use std::f64::consts::LN_2;

/// Newton steps at most.
const STEPS: usize = 50;
/// Below this area under the curve the discriminator hardly tells the two apart.
const WEAK: f64 = 0.7;

/// Why there is no calibration.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum Refused {
    /// No pictures of a kind.
    #[error("a ratio is fitted to at least two real and two drawn pictures")]
    Empty,
    /// A logit is NaN or infinite.
    #[error("the discriminator gave a value that is not a number; no ratio is fitted")]
    NotANumber,
    /// All logits are the same.
    #[error("the discriminator says the same of all pictures: it tells nothing")]
    Alike,
    /// Every real picture is on one side of every drawn one.
    #[error("the discriminator tells every real picture from every drawn one: no finite ratio fits")]
    Apart,
}

/// a D + b, in nats.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fit {
    /// a.
    pub scale: f64,
    /// b, for as many real pictures as drawn ones.
    pub offset: f64,
    /// Standard errors of a and b, by the curvature of the likelihood.
    pub std_errors: [f64; 2],
}

/// How well a fit does on pictures that it did not see.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judgement {
    /// Probability that a real picture has the larger ratio of a real and a drawn one; 0.5 says nothing.
    pub auc: f64,
    /// Mean of -ln of the probability of the right answer, where both kinds are alike often: ln 2 = 0.693 says nothing.
    pub log_loss: f64,
    /// Its standard error.
    pub log_loss_std_error: f64,
}

impl Fit {
    /// The likeliest a and b for logits of real and of drawn pictures, by Newton's method.
    pub fn new(real: &[f64], drawn: &[f64]) -> Result<Fit, Refused> {
        check(real, drawn)?;
        let ends = |d: &[f64]| {
            (d.iter().copied().fold(f64::INFINITY, f64::min), d.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        };
        let ((low, high), (low_drawn, high_drawn)) = (ends(real), ends(drawn));
        if low.min(low_drawn) == high.max(high_drawn) {
            return Err(Refused::Alike);
        }
        if low >= high_drawn || low_drawn >= high {
            return Err(Refused::Apart);
        }
        // In standard deviations about the mean the steps are well conditioned.
        let all: Vec<f64> = real.iter().chain(drawn).copied().collect();
        let mean = mean_and_error(&all).0;
        let deviation = (all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
        let rows: Vec<(f64, f64)> = all
            .iter()
            .enumerate()
            .map(|(i, d)| ((d - mean) / deviation, f64::from(u8::from(i < real.len()))))
            .collect();
        let [mut a, mut b] = [0.0, 0.0];
        for _ in 0..STEPS {
            let now = Slopes::of(&rows, a, b);
            let [step_a, step_b] = now.newton();
            // The likelihood is concave: a step that is too long is shortened until it gains.
            let ahead = |share: f64| Slopes::of(&rows, a + share * step_a, b + share * step_b).log_p >= now.log_p;
            let share = (0..30).map(|halvings| 0.5f64.powi(halvings)).find(|&share| ahead(share)).unwrap_or(0.0);
            (a, b) = (a + share * step_a, b + share * step_b);
            if share * (step_a.abs() + step_b.abs()) < 1e-12 {
                break;
            }
        }
        let [aa, ab, bb] = Slopes::of(&rows, a, b).covariance();
        // Back to D: a (D - mean) / deviation + b.
        let m = mean / deviation;
        let variance = (bb - 2.0 * m * ab + m * m * aa).max(0.0);
        let unequal = (real.len() as f64 / drawn.len() as f64).ln();
        Ok(Fit {
            scale: a / deviation,
            offset: b - a * m - unequal,
            std_errors: [aa.sqrt() / deviation, variance.sqrt()],
        })
    }

    /// log p_data / p_G where the discriminator says `logit`.
    pub fn nats(&self, logit: f64) -> f64 {
        self.scale * logit + self.offset
    }

    /// Judges by logits of other pictures.
    pub fn judge(&self, real: &[f64], drawn: &[f64]) -> Result<Judgement, Refused> {
        check(real, drawn)?;
        let of = |logits: &[f64]| logits.iter().map(|&d| self.nats(d)).collect::<Vec<f64>>();
        let (real, drawn) = (of(real), of(drawn));
        let auc = typicality::auroc(&drawn, &real).map_err(|_| Refused::NotANumber)?;
        let loss =
            |nats: &[f64], sign: f64| mean_and_error(&nats.iter().map(|r| softplus(sign * r)).collect::<Vec<_>>());
        let ((a, a_error), (b, b_error)) = (loss(&real, -1.0), loss(&drawn, 1.0));
        Ok(Judgement { auc, log_loss: 0.5 * (a + b), log_loss_std_error: 0.5 * a_error.hypot(b_error) })
    }
}

fn check(real: &[f64], drawn: &[f64]) -> Result<(), Refused> {
    if real.len() < 2 || drawn.len() < 2 {
        return Err(Refused::Empty);
    }
    if real.iter().chain(drawn).all(|d| d.is_finite()) { Ok(()) } else { Err(Refused::NotANumber) }
}

/// The log likelihood of a logistic regression with its derivatives in a and b.
struct Slopes {
    log_p: f64,
    gradient: [f64; 2],
    /// Minus the second derivatives: of a a, a b and b b.
    information: [f64; 3],
}

impl Slopes {
    fn of(rows: &[(f64, f64)], a: f64, b: f64) -> Slopes {
        let mut all = Slopes { log_p: 0.0, gradient: [0.0; 2], information: [0.0; 3] };
        for &(d, real) in rows {
            let logit = a * d + b;
            all.log_p -= softplus(if real > 0.5 { -logit } else { logit });
            let p = 1.0 / (1.0 + (-logit).exp());
            let (off, weight) = (real - p, p * (1.0 - p));
            all.gradient = [all.gradient[0] + off * d, all.gradient[1] + off];
            let [aa, ab, bb] = all.information;
            all.information = [aa + weight * d * d, ab + weight * d, bb + weight];
        }
        all
    }

    fn covariance(&self) -> [f64; 3] {
        let [aa, ab, bb] = self.information;
        let det = aa * bb - ab * ab;
        [bb / det, -ab / det, aa / det]
    }

    fn newton(&self) -> [f64; 2] {
        let ([aa, ab, bb], [a, b]) = (self.covariance(), self.gradient);
        [aa * a + ab * b, ab * a + bb * b]
    }
}

/// ln (1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The ratio of a picture of these levels. `discriminator` is `models::gan::discriminator` of one image with the weights
/// written; `class` says that no label is given.
pub async fn log_ratio<R: Run>(
    discriminator: &mut R,
    card: &Calibration,
    levels: &[u8],
    class: &[f32],
) -> Result<Estimate, Error<R::Error>> {
    let logit = logits(discriminator, levels, class).await?[0];
    let nats = card.scale * logit + card.offset;
    if !nats.is_finite() {
        return Err(Error::NotANumber);
    }
    Ok(Estimate {
        nats,
        std_error: None,
        kind: Kind::DensityRatio,
        bits_per_dim: f64::NAN,
        estimator: "calibrated discriminator".into(),
        k: 1,
        effective_samples: None,
        parts: None,
        terms: Vec::new(),
        n_evals: 1,
        assumptions: assumptions(card),
        place: Place::default(),
    })
}

/// What the discriminator says of each picture (b, C, S, S) of a batch of its own size b.
pub async fn logits<R: Run>(discriminator: &mut R, levels: &[u8], class: &[f32]) -> Result<Vec<f64>, R::Error> {
    let image: Vec<f32> = levels.iter().map(|&v| f32::from(v) / 127.5 - 1.0).collect();
    discriminator.write("image", &image)?;
    if !class.is_empty() {
        discriminator.write("class", class)?;
    }
    discriminator.step()?;
    Ok(discriminator.read("logit").await?.iter().map(|&v| f64::from(v)).collect())
}

fn assumptions(card: &Calibration) -> Vec<String> {
    let mut all = vec![
        "The logarithm of p_data(x) / p_G(x), not of p(x): above 0 the picture is likelier among the data than among what \
         the model draws. It has no bits per dimension, and says nothing of other models."
            .to_string(),
        format!(
            "{:.3} D(x) {:+.3}, D the discriminator's logit given no label: logistic regression on one half of {} \
             test images and {} drawn pictures.",
            card.scale, card.offset, card.images, card.samples
        ),
        format!(
            "On the other half it ranks a real picture above a drawn one in {:.1} % of pairs (AUC {:.3}), with a log loss \
             of {:.3} nats a picture; guessing has {LN_2:.3}.",
            100.0 * card.auc,
            card.auc,
            card.log_loss
        ),
        "Far from both the data and the model's pictures the discriminator has learned nothing.".into(),
    ];
    if card.auc < WEAK {
        all.push(
            "An AUC near 0.5 says little: this discriminator hardly tells the model's pictures from the data, because \
             they are good or because it is weak."
                .into(),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::normals;

    /// p = N(0, 1) and q = N(delta, 1): log p / q = -delta x + delta^2 / 2, and x ~ p is the likelier one with the
    /// probability Phi(|delta| / sqrt 2).
    #[test]
    fn two_normals_have_their_ratio() {
        for (delta, n) in [(0.7, 20_000), (-1.3, 20_000), (2.0, 5000)] {
            let real = normals(n, 1);
            let drawn: Vec<f64> = normals(n, 2).iter().map(|x| x + delta).collect();
            let ((real, held_real), (drawn, held_drawn)) = (real.split_at(n / 2), drawn.split_at(n / 2));
            let fit = Fit::new(real, drawn).unwrap();
            let [scale_error, offset_error] = fit.std_errors;
            assert!((fit.scale + delta).abs() < 3.0 * scale_error, "{delta}: {fit:?}");
            assert!((fit.offset - 0.5 * delta * delta).abs() < 3.0 * offset_error, "{delta}: {fit:?}");
            assert!(scale_error < 0.1 && offset_error < 0.1, "{delta}: {fit:?}");
            let judged = fit.judge(held_real, held_drawn).unwrap();
            let phi = 0.5 * libm::erfc(-0.5 * f64::abs(delta));
            // The variance of an AUC of n and n is below auc (1 - auc) / n.
            let error = (phi * (1.0 - phi) / (n / 2) as f64).sqrt();
            assert!((judged.auc - phi).abs() < 3.0 * error, "{delta}: {judged:?} {phi}");
            assert!(judged.log_loss < LN_2);
        }
    }

    /// Three times as many real pictures say nothing of the ratio.
    #[test]
    fn unequal_numbers_do_not_shift_the_ratio() {
        let (real, drawn) = (normals(9000, 3), normals(3000, 4).iter().map(|x| x + 1.0).collect::<Vec<f64>>());
        let fit = Fit::new(&real, &drawn).unwrap();
        assert!((fit.offset - 0.5).abs() < 3.0 * fit.std_errors[1], "{fit:?}");
        // What tells nothing has no ratio, and the loss of a guess.
        let fit = Fit::new(&normals(4000, 5), &normals(4000, 6)).unwrap();
        let judged = fit.judge(&normals(4000, 7), &normals(4000, 8)).unwrap();
        assert!(
            (judged.auc - 0.5).abs() < 0.03 && (judged.log_loss - LN_2).abs() < 3.0 * judged.log_loss_std_error + 1e-3
        );
    }

    #[test]
    fn what_can_not_be_fitted_is_refused() {
        assert_eq!(Fit::new(&[1.0], &[0.0, 1.0]), Err(Refused::Empty));
        assert_eq!(Fit::new(&[1.0, f64::NAN], &[0.0, 1.0]), Err(Refused::NotANumber));
        assert_eq!(Fit::new(&[1.0, 1.0], &[1.0, 1.0]), Err(Refused::Alike));
        assert_eq!(Fit::new(&[2.0, 3.0], &[0.0, 1.0]), Err(Refused::Apart));
        assert_eq!(Fit::new(&[0.0, 1.0], &[2.0, 3.0]), Err(Refused::Apart));
        let fit = Fit::new(&[0.0, 2.0, 3.0], &[1.0, 0.5, -1.0]).unwrap();
        assert_eq!(fit.judge(&[0.0, f64::INFINITY], &[1.0, 2.0]), Err(Refused::NotANumber));
    }

    #[test]
    fn an_answer_says_how_much_it_is_worth() {
        let card = |auc| Calibration {
            scale: 0.5,
            offset: -0.25,
            images: 4000,
            samples: 4000,
            auc,
            log_loss: 0.61,
            command: String::new(),
        };
        let weak = |auc| assumptions(&card(auc)).iter().any(|a| a.starts_with("An AUC near 0.5 says little"));
        assert!(weak(0.55) && !weak(0.93));
        assert!(assumptions(&card(0.93))[1].starts_with("0.500 D(x) -0.250,"));
    }
}
