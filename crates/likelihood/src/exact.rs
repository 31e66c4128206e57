//! The chain rule: log p(x) = sum_i log p(x_i | x_1 .. x_(i-1)), all terms from one evaluation of an autoregressive model.

use crate::iwae::Error;
use crate::{Estimate, Kind, Place, log_sum_exp};
use graph::Run;
use models::pixel_transformer::Config;
use std::ops::ControlFlow;

/// log p(x) of images, as many as the Program takes or fewer: `levels` of each, (C, S, S), and its labels in `class` (n, A),
/// one past a label's last value for one that is not given. `scorer` is `models::pixel_transformer::scorer` with the weights
/// written.
pub async fn log_probs<R: Run>(
    scorer: &mut R,
    c: &Config,
    levels: &[&[u8]],
    class: &[f32],
) -> Result<Vec<f64>, Error<R::Error>> {
    let tokens: Vec<f32> = levels.iter().flat_map(|levels| c.tokens(levels)).map(f32::from).collect();
    let terms = surprise(scorer, &tokens, class).await?;
    Ok(terms.chunks(c.size * c.size).map(total).collect())
}

/// log p(x), or log p(x | labels), of an image (C, S, S) with the surprise of every pixel. `scorer` is for one image.
pub async fn log_prob<R: Run>(
    scorer: &mut R,
    c: &Config,
    levels: &[u8],
    class: &[f32],
) -> Result<Estimate, Error<R::Error>> {
    let tokens = c.tokens(levels);
    let terms = surprise(scorer, &tokens.iter().copied().map(f32::from).collect::<Vec<_>>(), class).await?;
    let nats = total(&terms);
    let mut assumptions = vec![
        if c.palette.is_empty() {
            "The probability of these 256 grey levels, pixel by pixel.".to_string()
        } else {
            format!("The probability of these colours among the {} of the palette, pixel by pixel.", c.palette.len())
        },
        "The surprises of the pixels sum to -log p(x).".into(),
    ];
    let (n, plane) = (tokens.len(), c.picture(&tokens));
    let shown: Vec<u8> = plane.iter().map(|v| (v * 255.0).round() as u8).collect();
    let other = (0..n).filter(|i| (0..c.channels()).any(|k| shown[k * n + i] != levels[k * n + i])).count();
    if other > 0 {
        assumptions.push(format!("{other} of {n} pixels were not in the palette and became the nearest colour."));
    }
    Ok(Estimate {
        nats,
        std_error: None,
        kind: Kind::Exact,
        bits_per_dim: -nats / (n as f64 * std::f64::consts::LN_2),
        estimator: "chain rule".into(),
        k: 1,
        effective_samples: None,
        parts: None,
        terms,
        n_evals: 1,
        assumptions,
        place: Place::default(),
    })
}

/// log p(rest | first) of an image (C, S, S): of all but its first `known` pixels given those, in the order of the model
/// ([`Config::order`]). By the chain rule that is log p(x) less log p(first), and the terms of the rest are its surprises;
/// those of the first are 0. Otherwise as [`log_prob`]. Panics where there are no more than `known` pixels.
pub async fn log_prob_of_rest<R: Run>(
    scorer: &mut R,
    c: &Config,
    levels: &[u8],
    class: &[f32],
    known: usize,
) -> Result<Estimate, Error<R::Error>> {
    let n = c.size * c.size;
    assert!(known < n, "{known} of {n} pixels given");
    let mut e = log_prob(scorer, c, levels, class).await?;
    c.order().take(known).for_each(|at| e.terms[at] = 0.0);
    e.nats = total(&e.terms);
    e.bits_per_dim = -e.nats / ((n - known) as f64 * std::f64::consts::LN_2);
    e.assumptions.push(format!(
        "Given the first {known} of {n} pixels, in patches of {} x {}: log p(rest | first), in bits over the rest.",
        c.patch, c.patch
    ));
    Ok(e)
}

/// p(value | x) for each value of label number `label`, by Bayes' rule with all values equally likely before; other labels
/// are as in `class` (A). `scorer` is for one image. `progress` gets finished and all evaluations, and can stop the query.
pub async fn label_posterior<R: Run>(
    scorer: &mut R,
    c: &Config,
    levels: &[u8],
    (class, label): (&[f32], usize),
    mut progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Vec<f64>, Error<R::Error>> {
    let tokens: Vec<f32> = c.tokens(levels).into_iter().map(f32::from).collect();
    let (mut class, mut nats) = (class.to_vec(), Vec::new());
    for value in 0..c.classes[label] {
        class[label] = value as f32;
        nats.push(total(&surprise(scorer, &tokens, &class).await?));
        if progress(value + 1, c.classes[label]).await.is_break() {
            return Err(Error::Stopped);
        }
    }
    let all = log_sum_exp(&nats);
    Ok(nats.into_iter().map(|nats| (nats - all).exp()).collect())
}

/// log p of an image from the surprises of its pixels.
fn total(terms: &[f32]) -> f64 {
    -terms.iter().map(|&t| f64::from(t)).sum::<f64>()
}

/// Surprises of the pixels of images `tokens` (n, S, S), where n is at most the Program's number.
async fn surprise<R: Run>(scorer: &mut R, tokens: &[f32], class: &[f32]) -> Result<Vec<f32>, Error<R::Error>> {
    for (name, values) in [("tokens", tokens), ("class", class)] {
        if let Some(id) = scorer.program().input(name) {
            let mut values = values.to_vec();
            values.resize(scorer.program().node(id).len(), 0.0);
            scorer.write(name, &values)?;
        }
    }
    scorer.step()?;
    let mut terms = scorer.read("surprise").await?;
    terms.truncate(tokens.len());
    if !terms.iter().all(|t| t.is_finite()) {
        return Err(Error::NotANumber);
    }
    Ok(terms)
}
