//! `pofx eval lab`: how near the lab's models come to the true density of data that are simulated.

use ::lab::points::Data;
use ::lab::sets::Set;
use ::lab::{Family, Model};
use anyhow::{Result, anyhow};
use engine::Engine;
use likelihood::mean_and_error;
use pollster::block_on;
use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Data sets that are measured.
const SETS: [Set; 2] = [Set::TwoMoons, Set::EightGaussians];
/// Points to learn from, and points that are asked about; the latter are simulated with another seed.
const POINTS: usize = 4000;
const ASKED: usize = 2000;
const SEED: u64 = 1;

/// What `pofx eval lab --json` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    points: usize,
    asked: usize,
    models: Vec<Row>,
}

/// One model on one data set.
#[derive(Serialize)]
struct Row {
    data: String,
    model: &'static str,
    /// Mean log p of the points that are asked about; of the possible ones where some are impossible.
    nats: f64,
    std_error: f64,
    /// The same of the density that they were drawn from.
    truth_nats: f64,
    /// Mean and standard error of truth_nats - nats, point by point.
    gap: f64,
    gap_std_error: f64,
    /// Share of the points that the model finds impossible.
    impossible: f64,
    kind: String,
    estimator: String,
    steps: u64,
    seconds: f64,
}

/// Steps that each family is given.
fn steps(family: Family) -> usize {
    match family {
        Family::Truth => 1,
        Family::Gaussian => 400,
        Family::Mixture => 300,
        Family::Kernel => 30,
        Family::Vae => 6000,
        Family::Gan => 6000,
        Family::Diffusion => 20_000,
        Family::Transformer => 1500,
    }
}

/// Trains every family on every set, with the settings that the page starts with.
pub(crate) fn eval() -> Result<Report> {
    let mut models = Vec::new();
    for set in SETS {
        let data = Data::of(set.sample(POINTS, SEED), set.title(), Some(set), SEED).map_err(|e| anyhow!("{e}"))?;
        let data = Rc::new(data);
        let asked = set.sample(ASKED, SEED + 1).at;
        let truth: Vec<f64> = asked.iter().map(|&x| set.log_density(x)).collect();
        for family in Family::ALL {
            eprintln!("{} on {} ...", family.title(), set.title());
            models.push(row(family, set, &data, (&asked, &truth))?);
        }
    }
    Ok(Report { points: data_points(), asked: ASKED, models })
}

/// Points that are learned from: the others of a set are held out.
fn data_points() -> usize {
    POINTS * 4 / 5
}

fn row(family: Family, set: Set, data: &Rc<Data>, (asked, truth): (&[[f64; 2]], &[f64])) -> Result<Row> {
    let start = std::time::Instant::now();
    let spec = family.with(BTreeMap::new())?;
    let mut model = block_on(Model::open(&spec, data.clone(), SEED, &Engine::cpu()))?;
    let trained = block_on(model.train(steps(family)))?;
    if let Some(why) = trained.diverged {
        return Err(anyhow!("{} on {}: {why}", family.title(), set.title()));
    }
    let density = block_on(model.log_p(asked, &::lab::form::How::default()))?;
    let pairs = density.nats.iter().zip(truth).filter(|(nats, _)| **nats != f64::NEG_INFINITY);
    let (possible, gaps): (Vec<f64>, Vec<f64>) = pairs.map(|(nats, truth)| (*nats, truth - nats)).unzip();
    let (nats, std_error) = mean_and_error(&possible);
    let (gap, gap_std_error) = mean_and_error(&gaps);
    Ok(Row {
        data: set.title().into(),
        model: family.name(),
        nats,
        std_error,
        truth_nats: mean_and_error(truth).0,
        gap,
        gap_std_error,
        impossible: 1.0 - possible.len() as f64 / asked.len() as f64,
        kind: density.kind.to_string(),
        estimator: density.estimator,
        steps: model.step(),
        seconds: start.elapsed().as_secs_f64(),
    })
}
