//! Golden values on MNIST and Fashion-MNIST, computed once by another program. They take the data sets, which the first run
//! fetches, and a minute:
//!
//!     cargo test -p pofx floors::real -- --ignored

use super::{Report, floors};
use crate::datasets::{self, Split};
use data::rng::{Rng, stream};
use likelihood::flow::{Field, Moment, Plan, Probes, densities};
use likelihood::parametric::Moments;
use nalgebra::DMatrix;
use pollster::block_on;
use std::convert::Infallible;
use std::f64::consts::{E, LN_2, TAU};
use std::ops::ControlFlow;

const D: usize = 784;
/// Header and sum that zlib adds to deflate, in bits per value.
const ZLIB: f64 = 48.0 / D as f64;

fn near(what: &str, got: f64, golden: f64, allowed: f64) {
    println!("{what}: {got:.4}, golden {golden}");
    assert!((got - golden).abs() <= allowed, "{what}: {got} and not {golden}");
}

/// Test bits of each density against golden values, the first of which is exact and the others of one draw of the noise.
fn held_out(report: &Report, golden: [f64; 7]) {
    for (i, (floor, golden)) in report.floors.iter().zip(golden).enumerate() {
        near(&floor.density, floor.test.bits_per_dim, golden, if i == 0 { 1e-4 } else { 2e-3 });
    }
}

#[test]
#[ignore = "reads MNIST and Fashion-MNIST: cargo test -p pofx floors::real -- --ignored"]
fn digits_have_the_golden_figures() {
    let report = floors("mnist", Some("fashion"), &[10, 50, 100, 200]).unwrap();
    held_out(&report, [1.6885, 6.120, 7.652, 7.042, 6.726, 6.440, 5.285]);
    near("zlib", report.deflate_bits_per_dim + ZLIB, 1.94, 0.01);
    // Clothes are told from digits by -log p alone.
    let told = &report.against.unwrap().densities;
    for (i, golden) in [(0, 0.9985), (6, 0.9999), (3, 0.981)] {
        near(&told[i].density, told[i].auroc_nll, golden, 0.005);
    }
    let variances = spectrum();
    // A density of largest likelihood gives what it was fitted to its own entropy.
    let entropy = |v: &f64| 0.5 * (TAU * E * v).ln();
    let own = variances.iter().map(entropy).sum::<f64>() / D as f64 / LN_2 + 7.0;
    near("the full Gaussian on its own data", report.floors[6].train_bits_per_dim, own, 1e-6);
    noise_that_is_left_costs_the_golden_bits(&variances);
    paths_of_digits_have_the_golden_errors(&variances);
}

/// Typicality is about the mean of log p, as Nalisnick et al. define it. About the median the full Gaussian would tell 0.836: its
/// scores have a long tail that pulls the mean.
#[test]
#[ignore = "reads MNIST and Fashion-MNIST: cargo test -p pofx floors::real -- --ignored"]
fn clothes_have_the_golden_figures_and_digits_are_told_from_them() {
    let report = floors("fashion", Some("mnist"), &[10, 50, 100, 200]).unwrap();
    held_out(&report, [4.5657, 7.923, 7.421, 7.054, 6.892, 6.742, 6.464]);
    near("zlib", report.deflate_bits_per_dim + ZLIB, 4.65, 0.01);
    let against = report.against.unwrap();
    // Bits of digits; areas by -log p, by typicality and by -log p less deflate.
    for (i, bits, nll, typicality, complexity) in [
        (0, 2.548, 0.026, Some(0.932), Some(0.906)),
        (3, 8.412, 0.971, None, None),
        (6, 7.054, 0.857, Some(0.718), Some(0.996)),
    ] {
        let told = &against.densities[i];
        near(&told.density, told.other.bits_per_dim, bits, 2e-3);
        near("  -log p", told.auroc_nll, nll, 0.005);
        typicality.into_iter().for_each(|golden| near("  typicality", told.auroc_typicality, golden, 0.01));
        complexity.into_iter().for_each(|golden| near("  complexity", told.auroc_complexity, golden, 0.005));
    }
}

/// Variances of the training digits with the noise of their levels along their axes, on a scale of 2 / 256 a level.
fn spectrum() -> Vec<f64> {
    let train = datasets::set("mnist").unwrap().load(Split::Train).unwrap();
    let moments = Moments::of_levels(&train.pixels, D).unwrap();
    let covariance = DMatrix::from_vec(D, D, moments.covariance);
    covariance.symmetric_eigenvalues().iter().map(|v| v / 128f64.powi(2)).collect()
}

/// Independent values of these variances.
struct Axes(Vec<f64>);

impl Axes {
    /// Variance at an angle.
    fn at(angle: f64, variance: f64) -> f64 {
        angle.cos().powi(2) * variance + angle.sin().powi(2)
    }
}

impl Field for Axes {
    type Error = Infallible;

    fn dims(&self) -> usize {
        self.0.len()
    }

    async fn velocities(&mut self, angle: f64, z: &[f64]) -> Result<Vec<f64>, Infallible> {
        let factors: Vec<f64> =
            self.0.iter().map(|&v| angle.cos() * angle.sin() * (1.0 - v) / Axes::at(angle, v)).collect();
        Ok(z.iter().zip(factors.iter().cycle()).map(|(z, f)| f * z).collect())
    }
}

/// What it costs to stop with noise left, in bits per value of the data: published settings for drawing are none for p(x).
fn noise_that_is_left_costs_the_golden_bits(variances: &[f64]) {
    let lost = |alpha: f64, noise: f64| {
        let of = |&v: &f64| {
            let with = alpha * alpha * v + noise;
            0.5 * ((with / v).ln() + v / with - 1.0)
        };
        variances.iter().map(of).sum::<f64>() / D as f64 / LN_2
    };
    for (deviation, golden) in [(0.002, 0.0122), (0.001, 0.0013), (5e-4, 1e-4)] {
        near(&format!("noise of {deviation} on data"), lost(1.0, deviation * deviation), golden, 3e-4);
    }
    // Song et al. 2021: beta from 0.1 to 20.
    for (t, golden) in [(1e-3, 0.223), (1e-5, 0.0013)] {
        let squared: f64 = -f64::exp_m1(-0.1 * t - 0.5 * 19.9 * t * t);
        near(&format!("time {t:e}"), lost((1.0 - squared).sqrt(), squared), golden, 2e-3);
    }
    let from = Plan::default().from;
    near("where the flow starts", lost(from.cos(), from.sin().powi(2)), 1e-4, 2e-5);
}

/// The solver on the scales of real digits: errors of log p no larger than the golden solver's, with about as few evaluations
/// as its 68, 116 and 224.
fn paths_of_digits_have_the_golden_errors(variances: &[f64]) {
    let mut axes = Axes(variances.to_vec());
    let (n, from) = (4, Plan::default().from);
    let mut noise = vec![0f32; n * D];
    Rng::new(1, stream::DATA).fill_normal(&mut noise);
    let at = |i: usize| f64::from(noise[i]) * Axes::at(from, axes.0[i % D]).sqrt();
    let x: Vec<f64> = (0..n * D).map(at).collect();
    let truth = |x: &[f64]| -> f64 {
        let of = |(x, &v): (&f64, &f64)| x * x / Axes::at(from, v) + (TAU * Axes::at(from, v)).ln();
        -0.5 * x.iter().zip(&axes.0).map(of).sum::<f64>()
    };
    let truth: Vec<f64> = x.chunks(D).map(truth).collect();
    for (tolerance, golden, evaluations) in [(3e-4, 0.69, 68), (1e-5, 0.029, 116), (1e-7, 7e-4, 230)] {
        // One probe of signs is exact where no value depends on another.
        let probes = Probes::rademacher(n, 1, D, &mut Rng::new(2, stream::ESTIMATE));
        let go_on = async |_: Moment| ControlFlow::Continue(());
        let plan = Plan { tolerance, ..Plan::default() };
        let paths = block_on(densities(&mut axes, &x, &probes, plan, go_on)).unwrap();
        let error = paths.log_p.iter().zip(&truth).map(|(p, truth)| (p - truth).abs()).sum::<f64>() / n as f64;
        println!("tolerance {tolerance:e}: {error:.1e} nats, {} evaluations", paths.n_evals);
        assert!(
            error <= golden && paths.n_evals <= evaluations,
            "{error} of {golden}, {} of {evaluations}",
            paths.n_evals
        );
    }
}
