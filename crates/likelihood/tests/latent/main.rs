//! Estimators of log p(x) of models with latents, against closed forms, quadrature and each other.

mod networks;
mod oracle;
mod perturbed;

use data::rng::{Rng, stream};
use likelihood::hmc::{Path, energies};
use likelihood::iwae::{Error, Progress, Weights};
use likelihood::laplace::{self, Cover};
use likelihood::latent::{Latent, Normal, Proposal};
use likelihood::{Estimate, Kind, ais, quadrature, variational};
use oracle::{Curve, Linear, Noise, normals};
use pollster::block_on;
use std::ops::ControlFlow;

fn noise(seed: u64) -> Rng {
    Rng::new(seed, stream::ESTIMATE)
}

/// A watch that stops nothing.
async fn never() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

async fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn importance<M: Latent>(model: &mut M, proposal: &Proposal, k: usize, seed: u64) -> Estimate {
    block_on(laplace::importance(model, proposal, k, noise(seed), on)).unwrap()
}

/// The proposal of the modes near `starts` and the prior.
fn refined<M: Latent>(model: &mut M, starts: &[f64]) -> Proposal {
    let cover = Cover::prior(model.latents());
    block_on(laplace::propose(model, starts, cover, async || ControlFlow::Continue(()))).unwrap()
}

/// G2 of our reference values.
fn golden() -> Linear {
    Linear { w: vec![1.0, 2.0, -1.0], variance: 0.5, x: vec![0.3, -0.2, 0.7], latents: 1 }
}

const GOLDEN: f64 = -3.521_107_969_043_329_3;

#[test]
fn an_exact_posterior_gives_weights_without_variance() {
    let mut model = golden();
    assert!((model.log_p() - GOLDEN).abs() < 1e-12);
    let posterior = model.posterior();
    assert!((posterior.mean()[0] + 0.123_076_923_1).abs() < 1e-9);
    for k in [1, 16, 500] {
        let e = importance(&mut model, &Proposal::single("posterior", posterior.clone()), k, 1);
        assert!((e.nats - GOLDEN).abs() < 1e-9 && e.std_error.unwrap_or(0.0) < 1e-9, "{e:?}");
        assert!((e.effective_samples.unwrap() - k as f64).abs() < 1e-6);
        assert_eq!((e.k, e.n_evals, e.kind), (k, k, Kind::LowerBound));
    }
}

#[test]
fn laplace_is_exact_for_a_linear_decoder() {
    let mut model = Linear::random(16, 4, 0.1, 7);
    model.simulate(&mut Rng::new(7, 101));
    let proposal = refined(&mut model, &[0.0; 4]);
    let mode = Proposal::single("mode", proposal.parts[0].1.clone());
    let one = importance(&mut model, &mode, 1, 1);
    let many = importance(&mut model, &mode, 1000, 1);
    println!("error {:.1e} with one sample, ESS {:?}", one.nats - model.log_p(), many.effective_samples);
    assert!((one.nats - model.log_p()).abs() < 1e-4);
    assert!((many.effective_samples.unwrap() - 1000.0).abs() < 1e-3);
    // A twentieth from the prior costs that share of the samples, and nothing else.
    let both = importance(&mut model, &proposal, 1000, 1);
    println!(
        "with the prior {:+.4} ± {:.4}, ESS {:?}",
        both.nats - model.log_p(),
        both.std_error.unwrap(),
        both.effective_samples
    );
    assert!((both.nats - model.log_p()).abs() < 3.0 * both.std_error.unwrap() + 1e-3);
    assert!(both.effective_samples.unwrap() > 900.0);
}

/// From a start that is off by standard deviations and has another shape: the bound is log p(x) where q is the posterior.
#[test]
fn the_nearest_gaussian_of_a_linear_decoder_is_its_posterior() {
    let mut model = Linear::random(16, 4, 0.1, 7);
    model.simulate(&mut Rng::new(7, 101));
    let (truth, posterior) = (model.log_p(), model.posterior());
    let start = Normal::diagonal(&posterior.colour(&[3.0, -2.0, 1.0, 0.0]), &[-3.0, 0.0, -1.0, -2.0]);
    let errors = [20, 80, 320].map(|steps| {
        let fit = block_on(variational::fit(&mut model, &start, steps, noise(1), never)).unwrap();
        let q = Proposal::single("q", fit.normal.clone());
        let e = importance(&mut model, &q, 1000, 1);
        println!("{steps} steps: bound {:+.1e}, ESS {:.1}", fit.elbo - truth, e.effective_samples.unwrap());
        assert!(fit.elbo < truth + 1e-9 && fit.n_evals == 8 * steps);
        truth - fit.elbo
    });
    assert!(errors.windows(2).all(|e| e[1] < e[0]) && errors[2] < 1e-3, "{errors:?}");
    let stopped = block_on(variational::fit(&mut model, &start, 20, noise(1), async || ControlFlow::Break(())));
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn few_samples_that_decide_are_said_to() {
    let mut model = Linear::random(16, 4, 0.1, 7);
    model.simulate(&mut Rng::new(7, 101));
    let e = importance(&mut model, &Proposal::single("prior", Normal::standard(4)), 100, 1);
    assert!(
        e.effective_samples.unwrap() < 10.0 && e.assumptions.iter().any(|a| a.contains("(effective sample size")),
        "{e:?}"
    );
}

/// Markov's inequality: P(log p^ > log p + b) < e^-b for unbiased p^.
#[test]
fn single_weights_are_rarely_far_above_the_truth() {
    let mut model = Linear::random(16, 4, 0.1, 3);
    model.simulate(&mut Rng::new(3, 101));
    let (truth, posterior) = (model.log_p(), model.posterior());
    // Off by 0.7 standard deviations in every direction; round, where the posterior is not.
    let mean = posterior.colour(&[0.7; 4]);
    for deviation in [0.12f64, 0.06] {
        let q = Proposal::single("q", Normal::diagonal(&mean, &[2.0 * deviation.ln(); 4]));
        let nats: Vec<f64> = (0..1000).map(|seed| importance(&mut model, &q, 1, seed).nats).collect();
        for b in [1.0f64, 2.0, 3.0] {
            let share = nats.iter().filter(|&&nats| nats > truth + b).count() as f64 / 1000.0;
            println!("deviation {deviation}: {share} above by {b}, {:.3} allowed", (-b).exp());
            assert!(share < (-b).exp());
        }
        let mut all = Weights::default();
        all.push(&nats, &[], None);
        println!("log of the mean of all {:+.3} ± {:.3}", all.log_mean() - truth, all.std_error());
    }
}

#[test]
fn the_energy_error_of_a_trajectory_falls_with_the_square_of_its_step_and_time_runs_back() {
    let mut model = Linear::random(16, 4, 0.1, 5);
    model.simulate(&mut Rng::new(5, 101));
    let start = Proposal::single("prior", Normal::standard(4));
    let z = block_on(async { model.posterior().colour(&[0.5, -1.0, 0.3, 0.8]) }).repeat(8);
    let error = |model: &mut Linear, step: f64, leapfrogs: usize| {
        let mut path = Path { model, start: &start, leapfrogs, n_evals: 0 };
        block_on(async {
            let from = path.at(z.clone()).await.unwrap();
            let mut momentum = normals(32, &mut Rng::new(1, 102));
            let before = energies(&from, &momentum, 0.7);
            let end = path.trajectory(&from, &mut momentum, 0.7, step, &mut never).await.unwrap();
            let after = energies(&end, &momentum, 0.7);
            momentum.iter_mut().for_each(|m| *m = -*m);
            let back = path.trajectory(&end, &mut momentum, 0.7, step, &mut never).await.unwrap();
            let off = back.z.iter().zip(&z).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-4, "{off}");
            before.iter().zip(after).map(|(a, b)| (a - b).abs()).sum::<f64>() / 8.0
        })
    };
    let errors = [(0.02, 10), (0.01, 20), (0.005, 40), (0.0025, 80)].map(|(step, n)| error(&mut model, step, n));
    let ratios: Vec<f64> = errors.windows(2).map(|e| e[0] / e[1]).collect();
    println!("energy errors {errors:?}, ratios {ratios:?}");
    assert!(ratios[1..].iter().all(|r| (3.8..4.2).contains(r)));
}

/// On N(0, I), to which a linear decoder of no effect leaves the posterior equal, far from where the chains start.
#[test]
fn transitions_keep_the_moments_of_a_normal() {
    let mut model = Linear { w: vec![0.0; 2], variance: 1.0, x: vec![0.0], latents: 2 };
    let start = Proposal::single("prior", Normal::standard(2));
    let mut path = Path { model: &mut model, start: &start, leapfrogs: 5, n_evals: 0 };
    let mut noise = noise(1);
    let (n, mut moments) = (200, [0f64; 4]);
    let mut points = block_on(path.at(vec![3.0; 2 * n])).unwrap();
    for i in 0..300 {
        block_on(path.transition(&mut points, 0.5, 0.7, &mut noise, &mut never)).unwrap();
        if i >= 100 {
            for (z, w) in points.z.chunks(2).map(|z| (z[0], z[1])) {
                let powers = [z, z * z, z.powi(4), z * w];
                moments.iter_mut().zip(powers).for_each(|(m, v)| *m += v / (200 * n) as f64);
            }
        }
    }
    println!("mean, square, fourth power, product: {moments:?}");
    assert!(moments[0].abs() < 0.02 && (moments[1] - 1.0).abs() < 0.03);
    assert!((moments[2] - 3.0).abs() < 0.2 && moments[3].abs() < 0.02);
}

#[test]
fn annealing_from_the_prior_follows_the_closed_form_at_every_temperature() {
    for seed in [1, 2, 3] {
        let mut model = Linear::random(16, 4, 0.1, seed);
        model.simulate(&mut Rng::new(seed, 101));
        let truth: Vec<f64> = ais::schedule(1000)[1..].iter().map(|&beta| model.log_z(beta)).collect();
        assert!((truth[999] - model.log_p()).abs() < 1e-9);
        let plan = ais::Plan { temperatures: 1000, ..ais::Plan::default() };
        let prior = Proposal::single("prior", Normal::standard(4));
        let mut worst = 0.0f64;
        let watch = async |p: Progress| {
            // The first are of draws that choose the steps.
            if p.done > 0 {
                worst = worst.max((p.nats - truth[p.done - 1]).abs());
            }
            ControlFlow::Continue(())
        };
        let e = block_on(ais::log_prob(&mut model, &prior, plan, noise(seed), watch)).unwrap();
        let error = e.nats - model.log_p();
        println!(
            "seed {seed}: {error:+.4} ± {:.4}, ESS {:.1}, worst on the way {worst:.4}",
            e.std_error.unwrap(),
            e.effective_samples.unwrap()
        );
        assert!(error.abs() < 0.3 && worst < 0.3);
        assert_eq!(e.estimator, "AIS, 1000 temperatures, 4 chains, from the prior");
    }
}

#[test]
fn annealing_from_the_modes_needs_few_temperatures() {
    for seed in [1, 2, 3] {
        let mut model = Linear::random(16, 4, 0.1, seed);
        model.simulate(&mut Rng::new(seed, 101));
        let start = refined(&mut model, &[0.0; 4]);
        let plan = ais::Plan { temperatures: 30, ..ais::Plan::default() };
        let e = block_on(ais::log_prob(&mut model, &start, plan, noise(seed), on)).unwrap();
        let (error, stated) = (e.nats - model.log_p(), e.std_error.unwrap());
        println!("seed {seed}: {error:+.4} ± {stated:.4}");
        assert!(error.abs() < 0.05 && error.abs() < 3.0 * stated);
        assert_eq!(e.estimator, "AIS, 30 temperatures, 4 chains, from the Laplace mixture with the prior");
    }
}

/// Runs end as soon as their error is what was asked for, of five or more; what they say has no part in it.
#[test]
fn annealing_takes_as_many_runs_as_its_precision_asks_for() {
    let mut model = Linear::random(16, 4, 0.1, 2);
    model.simulate(&mut Rng::new(2, 101));
    let prior = Proposal::single("prior", Normal::standard(4));
    let mut ask = |precision| {
        let plan = ais::Plan { temperatures: 60, runs: 24, precision, ..ais::Plan::default() };
        let mut means = Vec::new();
        let watch = async |p: Progress| {
            assert!(p.done <= p.total && p.total == 60 * if precision.is_some() { 20 } else { 1 });
            if p.done > 60 && p.done.is_multiple_of(60) {
                means.push((p.nats, p.std_error));
            }
            ControlFlow::Continue(())
        };
        (block_on(ais::log_prob(&mut model, &prior, plan, noise(5), watch)).unwrap(), means)
    };
    // After 5 runs, after 6, and so on.
    let (all, means) = ask(Some(1e-9));
    assert!(means.len() == 19 && all.assumptions[0].contains("the mean of 24 runs"), "{}", means.len());
    for enough in [1e9, means[4].1, means[12].1] {
        let (e, _) = ask(Some(enough));
        let first = means.iter().position(|mean| mean.1 <= enough).unwrap();
        println!("± {enough:.3}: {} runs, {:.3} ± {:.3}", 5 + first, e.nats, e.std_error.unwrap());
        assert!(e.assumptions[0].contains(&format!("the mean of {} runs", 5 + first)));
        assert_eq!((e.nats, e.std_error.unwrap()), means[first]);
    }
    let (together, _) = ask(None);
    assert!(together.assumptions[0].contains("the mean of 24 runs"));
    assert!((together.nats - all.nats).abs() < 3.0 * together.std_error.unwrap().hypot(all.std_error.unwrap()));
}

#[test]
fn bounds_from_both_sides_hold_the_truth_between_them() {
    let (mut model, mut rng) = (Linear::random(16, 4, 0.1, 9), Rng::new(9, 101));
    let plan = ais::Plan { temperatures: 300, chains: 16, runs: 1, ..ais::Plan::default() };
    let prior = Proposal::single("prior", Normal::standard(4));
    let (mut sums, mut far, n) = ([0.0; 3], 0, 128);
    for i in 0..n {
        let z = model.simulate(&mut rng);
        let [lower, upper] = block_on(ais::bdmc(&mut model, &prior, plan, &z, noise(i), on)).unwrap();
        assert_eq!((lower.kind, upper.kind), (Kind::LowerBound, Kind::UpperBound));
        sums.iter_mut().zip([lower.nats, model.log_p(), upper.nats]).for_each(|(s, v)| *s += v / n as f64);
        far += usize::from(lower.nats > model.log_p() + 3.0);
    }
    println!("mean lower, truth, upper: {sums:?}, gap {:.4}", sums[2] - sums[0]);
    assert!(sums[0] <= sums[1] && sums[1] <= sums[2] && sums[2] - sums[0] < 0.3);
    assert!((far as f64) < 0.05 * n as f64);
}

#[test]
fn every_estimator_agrees_with_quadrature_on_a_curved_decoder() {
    let x = |noise| match noise {
        Noise::Gaussian => vec![0.5, -0.1, 0.3, 0.4, 0.0],
        Noise::Bernoulli => vec![1.0, 0.0, 1.0, 1.0, 0.0],
        // Levels of 8 bits.
        Noise::Logistic => [200.0, 90.0, 140.0, 170.0, 128.0].map(|k: f64| k / 127.5 - 1.0).to_vec(),
    };
    for kind in [Noise::Gaussian, Noise::Bernoulli, Noise::Logistic] {
        let mut model = Curve { noise: kind, x: x(kind) };
        let truth = model.quadrature(2000);
        assert!((truth - model.quadrature(4000)).abs() < 1e-8);
        let starts = block_on(laplace::best_of_prior(&mut model, 128, 8, noise(3), never)).unwrap();
        let proposal = refined(&mut model, &starts);
        let laplace = importance(&mut model, &proposal, 5000, 1);
        let plan = ais::Plan { chains: 64, runs: 1, ..ais::Plan::default() };
        let annealed = block_on(ais::log_prob(&mut model, &proposal, plan, noise(1), on)).unwrap();
        let prior = Proposal::single("prior", Normal::standard(1));
        let plan = ais::Plan { temperatures: 300, ..plan };
        let from_prior = block_on(ais::log_prob(&mut model, &prior, plan, noise(2), on)).unwrap();
        for e in [laplace, annealed, from_prior] {
            println!("{kind:?} {truth:.4}: {:+.5} ± {:.5} {}", e.nats - truth, e.std_error.unwrap(), e.estimator);
            assert!((e.nats - truth).abs() < 3.0 * e.std_error.unwrap() && e.std_error.unwrap() < 0.05);
        }
    }
}

#[test]
fn quadrature_of_two_latents_is_that_of_the_closed_form() {
    // A narrow posterior far from 0, so that the search has to find it between the first nodes.
    for variance in [1.0, 0.01, 1e-4] {
        let mut model = Linear::random(8, 2, variance, 4);
        model.simulate(&mut Rng::new(4, 101));
        let e = block_on(quadrature::log_prob(&mut model, 100, on)).unwrap();
        println!("variance {variance}: {:+.1e}, {}", e.nats - model.log_p(), e.assumptions[0]);
        assert!((e.nats - model.log_p()).abs() < 1e-8 && e.kind == Kind::Exact);
    }
}

#[test]
fn a_query_can_be_stopped_everywhere_and_nan_is_no_answer() {
    let mut model = golden();
    let stop = async |_: Progress| ControlFlow::Break(());
    let prior = Proposal::single("prior", Normal::standard(1));
    let plan = ais::Plan::default();
    assert!(matches!(block_on(ais::log_prob(&mut model, &prior, plan, noise(1), stop)), Err(Error::Stopped)));
    assert!(matches!(block_on(laplace::importance(&mut model, &prior, 9, noise(1), stop)), Err(Error::Stopped)));
    let search = laplace::log_prob(&mut model, &[0.0], Cover::prior(1), 9, noise(1), stop);
    assert!(matches!(block_on(search), Err(Error::Stopped)));
    // While the steps of annealing are chosen: 16 trajectories of 10 steps at the first of 16 temperatures, 4 at each other.
    let (mut heard, mut shown) = (0, Vec::new());
    let watch = async |so_far: Progress| {
        heard += 1;
        shown.push((so_far.done, so_far.nats));
        if heard == 760 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert!(matches!(block_on(ais::log_prob(&mut model, &prior, plan, noise(1), watch)), Err(Error::Stopped)));
    assert!(heard == 760 && shown.iter().all(|&(done, nats)| done == 0 && nats.is_finite()), "{shown:?}");
    // In each look at the plane, 100 of whose 10,000 nodes are a batch.
    let mut flat = Linear::random(8, 2, 1.0, 4);
    flat.simulate(&mut Rng::new(4, 101));
    for end in [1, 99, 350] {
        let (mut heard, mut last) = (0, f64::NAN);
        let watch = async |so_far: Progress| {
            heard += 1;
            assert_eq!((so_far.done, so_far.total), (100 * heard, 40_000));
            last = so_far.nats;
            if heard == end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(matches!(block_on(quadrature::log_prob(&mut flat, 100, watch)), Err(Error::Stopped)));
        assert_eq!(heard, end);
        assert!(if end < 100 { last == f64::NEG_INFINITY } else { (last - flat.log_p()).abs() < 1e-6 }, "{last}");
    }
    let first = async || ControlFlow::Break(());
    assert!(matches!(block_on(laplace::best_of_prior(&mut model, 9, 1, noise(1), first)), Err(Error::Stopped)));
    model.x[0] = f64::NAN;
    assert!(matches!(block_on(ais::log_prob(&mut model, &prior, plan, noise(1), on)), Err(Error::NotANumber)));
    assert!(matches!(block_on(laplace::importance(&mut model, &prior, 9, noise(1), on)), Err(Error::NotANumber)));
    let search = laplace::log_prob(&mut model, &[0.0], Cover::prior(1), 9, noise(1), on);
    assert!(matches!(block_on(search), Err(Error::NotANumber)));
}
