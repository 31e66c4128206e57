//! `pofx ood`: whether log p(x), and what is made of it, tells pictures that are not of a model's data from test images.
//! Nalisnick et al. 2019a (arXiv:1810.09136) found that it may not: what is simple is likely.

use crate::datasets::{self, Split, photograph};
use crate::eval::{REFERENCE_K, ascending, score};
use crate::model::Model;
use anyhow::{Context, Result, bail};
use data::images::Images;
use data::rng::{Rng, stream};
use likelihood::query::scored;
use likelihood::typicality::{Typicality, auroc, complexity_score};
use likelihood::{Estimate, mean_and_error};
use models::registry::{Auroc, Others, Reference};
use serde::Serialize;

/// What `pofx ood --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    estimator: String,
    images: usize,
    test_bits_per_dim: f64,
    test_std_error: f64,
    others: Vec<Told>,
    seconds: f64,
}

/// One set that is not of the data.
#[derive(Serialize)]
struct Told {
    name: String,
    bits_per_dim: f64,
    std_error: f64,
    #[serde(flatten)]
    auroc: Auroc,
}

/// Scores of one set of pictures.
struct Scores {
    nats: Vec<f64>,
    bits: Vec<f64>,
    /// S(x) of Serrà et al. 2020.
    complexity: Vec<f64>,
}

/// Scores the first `n` test images and `n` pictures of every other kind, none with a label, and the card's reference with
/// them added.
pub(crate) fn ood(model: &Model, n: usize) -> Result<(Report, Reference)> {
    let start = std::time::Instant::now();
    let id = &model.recipe.id;
    let reference = model.card.as_ref().and_then(|card| card.reference.clone());
    let mut reference = reference.with_context(|| format!("{id} has no scores of test images to compare with"))?;
    let set = datasets::set(&model.recipe.data)?;
    let test = set.load(Split::Test)?;
    let (held_out, estimator) = scores(model, &test, n)?;
    if estimator != reference.estimator {
        bail!(
            "the card of {id} has scores by {}, and this is {estimator}: run pofx eval {id} --save",
            reference.estimator
        );
    }
    // H is the mean over the card's own scores, as on the page.
    let of_card: Vec<f64> = reference.held_out.iter().copied().map(f64::from).collect();
    let typical = Typicality::fit(&of_card, 1, 0.95)?;
    reference.others.clear();
    let mut told = Vec::new();
    for (name, images) in others(set.name, &test, n)? {
        let (of, _) = scores(model, &images, n)?;
        let surprise = |of: &Scores| of.nats.iter().map(|nats| -nats).collect::<Vec<_>>();
        let distance = |of: &Scores| of.nats.iter().map(|&nats| typical.score(nats)).collect::<Result<Vec<_>, _>>();
        let auroc = Auroc {
            surprise: auroc(&surprise(&held_out), &surprise(&of))?,
            typicality: auroc(&distance(&held_out)?, &distance(&of)?)?,
            complexity: auroc(&held_out.complexity, &of.complexity)?,
        };
        let (bits_per_dim, std_error) = mean_and_error(&of.bits);
        told.push(Told { name: name.clone(), bits_per_dim, std_error, auroc });
        let nats = ascending(&format!("pictures of {name}"), of.nats.into_iter())?;
        reference.others.push(Others { name, nats, auroc });
    }
    let (test_bits_per_dim, test_std_error) = mean_and_error(&held_out.bits);
    let (images, seconds) = (held_out.bits.len(), start.elapsed().as_secs_f64());
    reference.complexity = ascending("test images", held_out.complexity.into_iter())?;
    let (model, data) = (id.clone(), format!("test set of {}", set.name));
    let report = Report { model, data, estimator, images, test_bits_per_dim, test_std_error, others: told, seconds };
    Ok((report, reference))
}

/// Scores of the first `n` images, and how they were made.
fn scores(model: &Model, images: &Images, n: usize) -> Result<(Scores, String)> {
    let none = model.recipe.network.no_labels();
    let estimates = score(model, images, n, &none.repeat(images.len()), REFERENCE_K)?;
    let complexity = |(i, e): (usize, &Estimate)| {
        let levels = scored(&model.recipe.network, images.image(i), data::TEST_SEED, i as u64);
        complexity_score(e.bits_per_dim, &levels)
    };
    let scores = Scores {
        nats: estimates.iter().map(|e| e.nats).collect(),
        bits: estimates.iter().map(|e| e.bits_per_dim).collect(),
        complexity: estimates.iter().enumerate().map(complexity).collect::<Result<_, _>>()?,
    };
    let estimator = estimates.into_iter().next().context("at least one picture is needed")?.estimator;
    Ok((scores, estimator))
}

/// `n` pictures of each kind, of the size of those of `test`: other data sets, noise, flat grey, parts of a photograph.
fn others(of: &str, test: &Images, n: usize) -> Result<Vec<(String, Images)>> {
    let (channels, size, d) = (test.channels, test.size, test.len_of_one());
    let pictures = |pixels| Images { channels, size, pixels, attributes: Vec::new() };
    let mut all = Vec::new();
    for set in datasets::SETS.iter().filter(|set| set.name != of) {
        let images = set.load(Split::Test)?;
        if (images.channels, images.size) == (channels, size) {
            all.push((set.called.to_string(), images));
        }
    }
    let mut u = vec![0f32; n * d];
    Rng::new(data::TEST_SEED, stream::DATA).fill_uniform(&mut u);
    all.push(("uniform noise".into(), pictures(u.into_iter().map(|u| (u * 256.0) as u8).collect())));
    // From black to white in even steps.
    let level = |i: usize| (i * 255 / (n - 1).max(1)) as u8;
    all.push(("flat grey".into(), pictures((0..n).flat_map(|i| std::iter::repeat_n(level(i), d)).collect())));
    all.push(("parts of a photograph".into(), photograph::parts(&datasets::folder("photograph")?, n, channels, size)?));
    Ok(all)
}
