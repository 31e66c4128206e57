//! `likelihood` on models whose log p(x) is known. All seeds are fixed: a statistical bound is met or broken by the code,
//! not by chance.

use conformance::latent::{Bernoulli, Linear, Proposal};
use data::rng::{Rng, stream};
use likelihood::{Kind, iwae, log_sum_exp};
use std::ops::ControlFlow;

/// Three pixels, one latent; log p and the ELBO of q = N(0, 1) were computed by hand and by another program.
fn golden() -> (Linear, [f64; 3]) {
    (Linear { w: vec![1.0, 2.0, -1.0], latents: 1, variance: 0.5 }, [0.3, -0.2, 0.7])
}
const GOLDEN_LOG_P: f64 = -3.5211079690433293;
const GOLDEN_ELBO: f64 = -8.3370948287741;

/// What f32 leaves of a sum of a few numbers of size 10.
const ROUNDING: f64 = 5e-6;

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The bound of each group of `k` log weights.
fn bounds(log_w: &[f32], k: usize) -> Vec<f64> {
    let bound = |group: &[f32]| {
        let mut weights = iwae::Weights::default();
        weights.push(group, group, None);
        weights.log_mean()
    };
    log_w.chunks_exact(k).map(bound).collect()
}

#[test]
fn the_closed_forms_agree_with_each_other() {
    let (model, x) = golden();
    assert!((model.log_prob(&x) - GOLDEN_LOG_P).abs() < 1e-13);
    let q = model.posterior();
    let posterior_mean: f64 = q.slope.iter().zip(&x).map(|(a, x)| a * x).sum();
    assert!((posterior_mean + 0.123_076_923_1).abs() < 1e-10 && (q.logvar[0].exp() - 0.076_923_076_9).abs() < 1e-10);
}

#[test]
fn the_elbo_of_the_prior_is_that_of_the_closed_form() {
    let (model, x) = golden();
    let e = model.model(&Proposal::fixed(3, &[0.0], &[1.0]), 1000).estimate(&x, 40_000, 1);
    let parts = e.parts.expect("a VAE has parts");
    assert_eq!(parts.kl, 0.0);
    assert!(parts.elbo_std_error < 0.06);
    let error = (parts.elbo - GOLDEN_ELBO) / parts.elbo_std_error;
    println!("elbo {} +- {}, off by {error:.2} s.e.", parts.elbo, parts.elbo_std_error);
    assert!(error.abs() < 3.0);
}

/// With q the true posterior every weight is p(x): no variance, for any k. This catches nearly every bug of a density.
#[test]
fn the_true_posterior_makes_every_sample_exact() {
    let wide = Linear::orthogonal(16, 3, 0.3, 7);
    let cases = [(golden().0, golden().1.to_vec()), (wide.clone(), wide.sample(8)), (wide.clone(), vec![0.0; 16])];
    for (model, x) in cases {
        let truth = model.log_prob(&x);
        for k in [2, 5, 64, 512] {
            let e = model.model(&model.posterior(), k).estimate(&x, k, 3);
            let tolerance = ROUNDING * truth.abs().max(1.0);
            assert!((e.nats - truth).abs() < tolerance, "k = {k}: {} should be {truth}", e.nats);
            assert!(e.std_error.expect("an error bar") < tolerance);
            assert!((e.effective_samples.expect("weights") - k as f64).abs() < 1e-3 * k as f64);
            let parts = e.parts.expect("parts");
            let off = (parts.elbo - truth).abs() / parts.elbo_std_error;
            assert!(k < 64 || off < 4.0, "k = {k}: ELBO {parts:?}, truth {truth}");
        }
        let single = model.model(&model.posterior(), 1).estimate(&x, 1, 4);
        assert!((single.nats - truth).abs() < ROUNDING * truth.abs().max(1.0));
        assert_eq!(single.std_error, None);
    }
}

#[test]
fn a_linear_gaussian_vae_is_probabilistic_pca() {
    // Columns that are not orthogonal: no diagonal q is the posterior, as with a real VAE.
    let model = Linear { w: conformance::run::normal(5, 16 * 3), latents: 3, variance: 0.5 };
    let q = model.posterior().widened(1.2);
    let mut vae = model.model(&q, 500);
    let mut worst = 0.0f64;
    for seed in 0..12 {
        let x = model.sample(100 + seed);
        let (e, truth) = (vae.estimate(&x, 4000, seed), model.log_prob(&x));
        let error = e.std_error.expect("an error bar");
        assert!(error < 0.1, "image {seed}: ± {error}");
        assert!((e.nats - truth).abs() < 3.0 * error, "image {seed}: {} ± {error}, truth {truth}", e.nats);
        let parts = e.parts.expect("parts");
        assert!(parts.elbo < e.nats && parts.elbo < truth);
        assert!((parts.elbo - (parts.reconstruction - parts.kl)).abs() < 1e-12);
        assert_eq!((e.kind.clone(), e.k, e.n_evals), (Kind::LowerBound, 4000, 4001));
        assert!((e.bits_per_dim + e.nats / 16.0 / 2f64.ln()).abs() < 1e-12);
        worst = worst.max((e.nats - truth).abs() / error);
    }
    println!("worst error: {worst:.2} s.e.");
}

/// log p - ELBO = KL(q || posterior), which is known for a Gaussian q.
#[test]
fn the_gap_of_the_elbo_is_the_divergence_from_the_posterior() {
    let model = Linear::orthogonal(24, 10, 0.4, 11);
    let x = model.sample(12);
    let truth = model.log_prob(&x);
    let posterior = model.posterior();
    let scale = |s: f64| 10.0 * (0.5 * (s * s - 1.0) - s.ln());
    let cases = [
        ("wider", posterior.clone().widened(1.5), scale(1.5)),
        ("narrower", posterior.clone().widened(0.7), scale(0.7)),
        ("moved", posterior.moved(0.7), 2.45),
    ];
    for (what, q, gap) in cases {
        let e = model.model(&q, 1000).estimate(&x, 20_000, 13);
        let parts = e.parts.expect("parts");
        let off = (truth - parts.elbo - gap) / parts.elbo_std_error;
        println!("{what}: gap {:.4}, should be {gap:.4}: {off:.2} s.e.", truth - parts.elbo);
        assert!(off.abs() < 3.0, "{what}: gap {} ± {}, should be {gap}", truth - parts.elbo, parts.elbo_std_error);
        assert!((e.nats - truth).abs() < 0.25, "{what}: IWAE {} should come near {truth}", e.nats);
    }
}

/// Groups of the same samples: the bound of a group is never below the mean of the bounds of its parts (Jensen), so the
/// means rise with k without noise; and they end at the truth.
#[test]
fn the_bound_rises_with_k_towards_the_truth() {
    let model = Linear::orthogonal(24, 10, 0.4, 21);
    let x = model.sample(22);
    let truth = model.log_prob(&x);
    for q in [model.posterior().widened(1.5), model.posterior().widened(0.7), model.posterior().moved(0.7)] {
        let log_w = model.model(&q, 1000).log_weights(&x, 20, 23);
        let means: Vec<f64> = [1, 5, 50, 500, 5000].iter().map(|&k| mean(&bounds(&log_w, k)) - truth).collect();
        println!("bound - log p: {means:.3?}");
        assert!(means.windows(2).all(|m| m[1] >= m[0] - 1e-9), "{means:?}");
        assert!(means[0] < -0.9 && means[4].abs() < 0.25, "{means:?}");
    }
}

/// P(estimate > log p + b) < e^-b, by Markov's inequality: an estimate of log p does not overshoot by much.
#[test]
fn few_estimates_overshoot() {
    let model = Linear::orthogonal(24, 10, 0.4, 31);
    let x = model.sample(32);
    let truth = model.log_prob(&x);
    for q in [model.posterior().widened(1.5), model.posterior().widened(0.7), model.posterior().moved(1.0)] {
        let log_w = model.model(&q, 1000).log_weights(&x, 4, 33);
        for b in [1.0, 2.0, 3.0] {
            let over = log_w.iter().filter(|&&w| f64::from(w) > truth + b).count() as f64 / log_w.len() as f64;
            assert!(over < (-b).exp(), "{over} overshoot by {b}");
        }
    }
}

/// 200 repeats of a well-behaved case: the truth lies where the error bar says.
#[test]
fn the_error_bar_covers_the_truth() {
    let model = Linear::orthogonal(12, 4, 0.4, 41);
    let x = model.sample(42);
    let truth = model.log_prob(&x);
    let mut vae = model.model(&model.posterior().widened(1.3), 256);
    let off: Vec<f64> = (0..200)
        .map(|seed| {
            let e = vae.estimate(&x, 256, 1000 + seed);
            (e.nats - truth) / e.std_error.expect("an error bar")
        })
        .collect();
    let within = |n: f64| off.iter().filter(|o| o.abs() < n).count();
    println!("within 1, 2, 3 s.e.: {}, {}, {} of 200; mean {:.3}", within(1.0), within(2.0), within(3.0), mean(&off));
    assert!(within(2.0) >= 180 && within(3.0) >= 194);
    // Not too wide either: 68 % lie within one, give or take three binomial standard deviations of 3.3 %.
    assert!((117..=156).contains(&within(1.0)));
}

/// For q = N(0, s^2) and the posterior N(0, 1), E[w^2] / E[w]^2 = s^2 / sqrt(2 s^2 - 1) a latent.
#[test]
fn effective_samples_and_error_are_those_of_the_closed_form() {
    for (latents, s) in [(1, 1.5), (1, 0.9), (3, 1.3)] {
        let model = Linear::orthogonal(8, latents, 0.5, 51);
        let (x, k) = (model.sample(52), 40_000);
        let e = model.model(&model.posterior().widened(s), 2000).estimate(&x, k, 53);
        let second = (s * s / (2.0 * s * s - 1.0f64).sqrt()).powi(latents as i32);
        let (share, error) = (e.effective_samples.expect("weights") / k as f64, e.std_error.expect("an error bar"));
        let expected = ((second - 1.0) / k as f64).sqrt();
        println!("ESS share {share:.4} should be {:.4}; s.e. {error:.6} should be {expected:.6}", 1.0 / second);
        assert!((share * second - 1.0).abs() < 0.02);
        assert!((error / expected - 1.0).abs() < 0.05);
    }
}

/// A decoder that is not linear: the truth is an integral over z, and sums to 1 over all images.
#[test]
fn quadrature_is_a_distribution() {
    for (latents, nodes) in [(1, 2001), (2, 121)] {
        let model = Bernoulli::new(latents, 4, 8, 61);
        let image = |bits: u32| (0..8).map(|d| f64::from(bits >> d & 1)).collect::<Vec<_>>();
        let total: f64 = (0..256).map(|bits| model.quadrature(&image(bits), nodes).0.exp()).sum();
        assert!((total - 1.0).abs() < 1e-10, "{latents} latents: sums to {total}");
        let finer = model.quadrature(&image(77), 2 * nodes - 1).0;
        assert!((model.quadrature(&image(77), nodes).0 - finer).abs() < 1e-8);
    }
}

#[test]
fn a_bernoulli_vae_agrees_with_quadrature() {
    for (latents, nodes) in [(1, 2001), (2, 241)] {
        let model = Bernoulli::new(latents, 5, 20, 71);
        let mut vae = model.model(&Proposal::fixed(20, &vec![0.1; latents], &vec![0.9; latents]), 2000);
        for seed in 0..3 {
            let x: Vec<f64> = conformance::run::uniform(72 + seed, 20, 0.0, 1.0).iter().map(|u| u.round()).collect();
            let (truth, terms) = model.quadrature(&x, nodes);
            let e = vae.estimate(&x, 40_000, seed);
            let error = e.std_error.expect("an error bar");
            println!("{latents} latents: {:.4} ± {error:.4}, truth {truth:.4}", e.nats);
            assert!(error < 0.05 && (e.nats - truth).abs() < 3.0 * error);
            let parts = e.parts.expect("parts");
            assert!(parts.elbo + 3.0 * parts.elbo_std_error < truth);
            // The surprise of each pixel is averaged over the posterior, and so are they all.
            assert_eq!(e.terms.len(), 20);
            for (got, expected) in e.terms.iter().zip(&terms) {
                assert!((f64::from(*got) + expected).abs() < 0.05, "{got} should be {}", -expected);
            }
        }
    }
}

#[test]
fn log_sum_exp_is_stable_at_every_size() {
    for shift in [0.0, 1e4, -1e4, 1e300, -1e300] {
        assert_eq!(log_sum_exp(&[shift]), shift);
        let two = log_sum_exp(&[shift, shift]);
        assert!((two - (shift + 2f64.ln())).abs() <= shift.abs() * f64::EPSILON + 1e-15);
    }
    let infinite = f64::NEG_INFINITY;
    assert_eq!(log_sum_exp(&[]), infinite);
    assert_eq!(log_sum_exp(&[infinite, infinite]), infinite);
    assert_eq!(log_sum_exp(&[infinite, -3.0]), -3.0);
    // A million equal terms: sums are made in f64.
    assert!((log_sum_exp(&vec![-500.0; 1_000_000]) - (-500.0 + 1e6f64.ln())).abs() < 1e-10);
    // What is no number is never passed off as a probability of 0.
    assert!(log_sum_exp(&[f64::NAN]).is_nan());
    assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan() && log_sum_exp(&[1.0, f64::NAN]).is_nan());
}

/// Weights that span thousands of nats, in any order, and some that are impossible.
#[test]
fn weights_of_every_size_are_averaged() {
    let log_w = [-4000.0, f32::NEG_INFINITY, -90.0, 300.0, 299.0, f32::NEG_INFINITY];
    let expected = 300.0 + (1.0 + (-1f64).exp()).ln() - 6f64.ln();
    for turn in 0..log_w.len() {
        let mut turned = log_w;
        turned.rotate_left(turn);
        let mut weights = iwae::Weights::default();
        for (i, w) in turned.iter().enumerate() {
            weights.push(&[*w], &[0.0], Some(&[-(i as f32)]));
        }
        assert!((weights.log_mean() - expected).abs() < 1e-12);
        let w = (-1f64).exp();
        assert!((weights.effective_samples() - (1.0 + w).powi(2) / (1.0 + w * w)).abs() < 1e-9);
        assert!(weights.std_error().is_finite() && weights.surprise()[0].is_finite());
    }
}

/// Weights that are all 0 make log p(x) = -inf, with no error bar and no sample that counts; nothing is NaN.
#[test]
fn impossible_is_not_unknown() {
    let mut weights = iwae::Weights::default();
    weights.push(&[f32::NEG_INFINITY; 3], &[f32::NEG_INFINITY; 3], None);
    assert_eq!((weights.log_mean(), weights.effective_samples()), (f64::NEG_INFINITY, 0.0));
    assert_eq!(weights.std_error(), f64::INFINITY);
    weights.push(&[-5.0], &[-5.0], None);
    assert!((weights.log_mean() - (-5.0 - 4f64.ln())).abs() < 1e-12);
    assert_eq!(weights.effective_samples(), 1.0);
}

#[test]
fn a_query_repeats_stops_and_refuses_nan() {
    let (model, x) = golden();
    let mut vae = model.model(&Proposal::fixed(3, &[0.0], &[0.5]), 10);
    assert_eq!(vae.estimate(&x, 100, 5), vae.estimate(&x, 100, 5));
    assert_ne!(vae.estimate(&x, 100, 5).nats, vae.estimate(&x, 100, 6).nats);
    // Rounded up to whole batches.
    assert_eq!(vae.estimate(&x, 95, 5), vae.estimate(&x, 100, 5));

    let (encoder, weigher) = vae.parts();
    let mut seen = Vec::new();
    let mut query = |x: &[f32], stop_at: usize| {
        let progress = async |p: iwae::Progress| {
            seen.push((p.done, p.total));
            if p.done >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let noise = Rng::new(5, stream::ESTIMATE);
        pollster::block_on(iwae::log_prob(encoder, weigher, x, &[], 100, noise, progress))
    };
    let stopped = query(&[0.3, -0.2, 0.7], 30);
    assert!(matches!(stopped, Err(iwae::Error::Stopped)));
    let refused = query(&[0.3, f32::NAN, 0.7], 1000);
    assert!(matches!(refused, Err(iwae::Error::NotANumber)), "{refused:?}");
    assert_eq!(seen[..3], [(10, 100), (20, 100), (30, 100)]);
}
