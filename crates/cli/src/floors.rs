//! `pofx floors`: what densities in closed form reach on a data set. A model that is not above them has learned less
//! than a table of counts or a covariance.

use crate::datasets::{self, Set, Split};
use anyhow::{Context, Result, bail};
use data::images::Images;
use likelihood::footing::bits_per_dim;
use likelihood::mean_and_error;
use likelihood::parametric::{Categorical, Diagonal, Gaussian, Moments, Ppca};
use likelihood::typicality::{Typicality, auroc, coded_bits_per_dim};
use serde::Serialize;

/// Added to the count of each level at each pixel.
const SMOOTHING: f64 = 0.1;
/// Part of the held-out images that is to be called typical.
const TYPICAL: f64 = 0.95;

/// What `pofx floors --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    data: &'static str,
    split: &'static str,
    dims: usize,
    train_images: usize,
    test_images: usize,
    /// Mean of what deflate takes for a test image.
    deflate_bits_per_dim: f64,
    floors: Vec<Floor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
    seconds: f64,
}

/// What a density gives the test images.
#[derive(Serialize)]
struct Floor {
    density: String,
    /// What the number is to log P(k) of the levels.
    kind: &'static str,
    #[serde(flatten)]
    test: Score,
    train_bits_per_dim: f64,
}

/// Mean of log p over images, with the standard error over them.
#[derive(Serialize)]
struct Score {
    nats: f64,
    std_error: f64,
    bits_per_dim: f64,
    bits_std_error: f64,
}

/// How the test images of another set are told from those of this one, by densities that know this one alone.
#[derive(Serialize)]
struct Against {
    data: &'static str,
    images: usize,
    deflate_bits_per_dim: f64,
    densities: Vec<Told>,
}

/// How a density tells them. Each area is the probability that one of the other set scores higher.
#[derive(Serialize)]
struct Told {
    density: String,
    #[serde(flatten)]
    other: Score,
    /// By -log p.
    auroc_nll: f64,
    /// By typicality, whose entropy and threshold come from every second test image; the others are compared.
    auroc_typicality: f64,
    /// Part of the other set that is called typical, where 0.95 of the held-out images are.
    called_typical: f64,
    /// By -log2 p less the bits of deflate.
    auroc_complexity: f64,
}

/// A density of levels.
enum Density {
    Categorical(Categorical),
    Diagonal(Diagonal),
    Gaussian { p: Gaussian, trace: f64 },
}

impl Density {
    fn gaussian(p: Gaussian) -> Density {
        Density::Gaussian { trace: p.trace_of_precision(), p }
    }

    /// log P(k), or E_u\[log p(k + u)\], which is below it; for normal densities in closed form.
    fn log_prob(&self, levels: &[u8]) -> Result<f64> {
        let middle = || levels.iter().map(|&k| f64::from(k) + 0.5).collect::<Vec<_>>();
        Ok(match self {
            Density::Categorical(p) => p.log_prob(levels)?,
            Density::Diagonal(p) => p.log_prob_under_noise(&middle(), 1.0 / 12.0)?,
            Density::Gaussian { p, trace } => p.log_prob(&middle())? - trace / 24.0,
        })
    }

    fn kind(&self) -> &'static str {
        if let Density::Categorical(_) = self { "exact" } else { "lower bound" }
    }

    fn score(&self, images: &Images) -> Result<Vec<f64>> {
        (0..images.len()).map(|i| self.log_prob(images.image(i))).collect()
    }
}

/// The floors of a data set, also of probabilistic PCA with each of these numbers of latents; and how they tell the
/// test images of another set.
pub(crate) fn floors(name: &str, against: Option<&str>, latents: &[usize]) -> Result<Report> {
    let start = std::time::Instant::now();
    let set = datasets::set(name)?;
    let other = against.map(datasets::set).transpose()?;
    let (train, test) = (set.load(Split::Train)?, set.load(Split::Test)?);
    let outside = other.map(|set| set.load(Split::Test)).transpose()?;
    let d = test.len_of_one();
    if let Some(outside) = outside.as_ref().filter(|o| (o.channels, o.size) != (test.channels, test.size)) {
        let shape = |i: &Images| format!("{} x {} x {}", i.channels, i.size, i.size);
        bail!("--against needs images of one shape: {} here, {} there", shape(&test), shape(outside));
    }
    let (mut floors, mut densities) = (Vec::new(), Vec::new());
    for (density, p) in fit(&train, latents)? {
        let scores = p.score(&test).with_context(|| format!("{density} can't score the test set"))?;
        let (kind, train) = (p.kind(), mean_and_error(&p.score(&train)?).0);
        let train_bits_per_dim = bits_per_dim(train, d);
        floors.push(Floor { density: density.clone(), kind, test: summary(&scores, d), train_bits_per_dim });
        if let Some(outside) = &outside {
            densities.push(told(density, (&test, &scores), (outside, &p.score(outside)?))?);
        }
    }
    let against = |(set, outside): (&Set, &Images)| -> Result<Against> {
        let deflate_bits_per_dim = mean_and_error(&coded(outside)?).0;
        Ok(Against { data: set.name, images: outside.len(), deflate_bits_per_dim, densities })
    };
    Ok(Report {
        data: set.name,
        split: set.split,
        dims: d,
        train_images: train.len(),
        test_images: test.len(),
        deflate_bits_per_dim: mean_and_error(&coded(&test)?).0,
        floors,
        against: other.zip(outside.as_ref()).map(against).transpose()?,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The densities of largest likelihood, with their names.
fn fit(train: &Images, latents: &[usize]) -> Result<Vec<(String, Density)>> {
    let d = train.len_of_one();
    let moments = Moments::of_levels(&train.pixels, d)?;
    let categorical = Categorical::fit(&train.pixels, d, 256, SMOOTHING)?;
    let mut all = vec![
        ("independent categorical".to_string(), Density::Categorical(categorical)),
        ("diagonal Gaussian, dequantised".to_string(), Density::Diagonal(Diagonal::from_moments(&moments)?)),
    ];
    for &q in latents {
        let p = Ppca::from_moments(&moments, q)?.to_gaussian()?;
        all.push((format!("PPCA q={q}, dequantised"), Density::gaussian(p)));
    }
    let full = Gaussian::from_moments(moments)?;
    all.push(("full Gaussian, dequantised".to_string(), Density::gaussian(full)));
    Ok(all)
}

fn summary(nats: &[f64], d: usize) -> Score {
    let (mean, std_error) = mean_and_error(nats);
    Score { nats: mean, std_error, bits_per_dim: bits_per_dim(mean, d), bits_std_error: -bits_per_dim(std_error, d) }
}

/// Images with their scores, of this set and of the other.
fn told(density: String, (test, inside): (&Images, &[f64]), (other, outside): (&Images, &[f64])) -> Result<Told> {
    let d = test.len_of_one();
    let half = |odd: usize| inside.iter().skip(odd).step_by(2).copied().collect::<Vec<_>>();
    let typical = Typicality::fit(&half(0), d, TYPICAL)?;
    let distance = |nats: &[f64]| nats.iter().map(|&nats| typical.score(nats)).collect::<Result<Vec<_>, _>>();
    let called = outside.iter().map(|&nats| typical.is_typical(nats)).collect::<Result<Vec<_>, _>>()?;
    let surprise = |nats: &[f64]| nats.iter().map(|nats| -nats).collect::<Vec<_>>();
    let excess = |images: &Images, nats: &[f64]| -> Result<Vec<f64>> {
        Ok(coded(images)?.iter().zip(nats).map(|(coded, &nats)| bits_per_dim(nats, d) - coded).collect())
    };
    Ok(Told {
        density,
        other: summary(outside, d),
        auroc_nll: auroc(&surprise(inside), &surprise(outside))?,
        auroc_typicality: auroc(&distance(&half(1))?, &distance(outside)?)?,
        called_typical: called.iter().filter(|&&t| t).count() as f64 / called.len() as f64,
        auroc_complexity: auroc(&excess(test, inside)?, &excess(other, outside)?)?,
    })
}

/// Bits per value of each image under deflate.
fn coded(images: &Images) -> Result<Vec<f64>> {
    (0..images.len()).map(|i| Ok(coded_bits_per_dim(images.image(i))?)).collect()
}

#[cfg(test)]
mod real;

#[cfg(test)]
mod tests {
    use super::*;
    use data::rng::{Rng, stream};

    /// Images of 2 x 2 whose pixels are all one of 8 levels, each as likely: 3 bits in all that only the full
    /// covariance sees.
    fn flat(n: usize, seed: u64) -> Images {
        let mut rng = Rng::new(seed, stream::DATA);
        let pixels = (0..n).flat_map(|_| [100 + rng.below(8) as u8; 4]).collect();
        Images { channels: 1, size: 2, pixels, attributes: Vec::new() }
    }

    #[test]
    fn floors_are_those_of_the_closed_form() {
        let (train, test) = (flat(20_000, 1), flat(5000, 2));
        let scores: Vec<(String, Score)> = fit(&train, &[1])
            .unwrap()
            .into_iter()
            .map(|(name, p)| (name, summary(&p.score(&test).unwrap(), 4)))
            .collect();
        let bits = |i: usize| scores[i].1.bits_per_dim;
        // A pixel: ln 8; a normal density of its variance, 63/12 + 1/12.
        assert!((bits(0) - 3.0).abs() < 0.01, "{}", bits(0));
        let entropy = |v: f64| 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * v).log2();
        assert!((bits(1) - entropy(64.0 / 12.0)).abs() < 0.01, "{}", bits(1));
        // Variance 4 * 63/12 + 1/12 along the diagonal, 1/12 across it, which probabilistic PCA has as well.
        let full = (entropy(253.0 / 12.0) + 3.0 * entropy(1.0 / 12.0)) / 4.0;
        assert!((bits(3) - full).abs() < 0.01 && (bits(2) - bits(3)).abs() < 1e-6, "{} {}", bits(2), bits(3));
        assert!(scores.iter().all(|(_, s)| s.nats < 0.0 && s.std_error >= 0.0));
        assert!((scores[0].1.bits_std_error * 4.0 * std::f64::consts::LN_2 - scores[0].1.std_error).abs() < 1e-12);
    }

    #[test]
    fn other_images_are_told_by_every_score() {
        let (test, train) = (flat(400, 3), flat(2000, 4));
        let mut other = flat(300, 5);
        other.pixels.iter_mut().enumerate().for_each(|(i, level)| *level = level.wrapping_add((i * 37 % 90) as u8));
        for (name, p) in fit(&train, &[]).unwrap() {
            let (inside, outside) = (p.score(&test).unwrap(), p.score(&other).unwrap());
            let told = told(name.clone(), (&test, &inside), (&other, &outside)).unwrap();
            assert!(told.auroc_nll > 0.99 && told.auroc_typicality > 0.99, "{name}");
            assert!(told.auroc_complexity > 0.99 && told.called_typical < 0.05, "{name}");
        }
    }
}
