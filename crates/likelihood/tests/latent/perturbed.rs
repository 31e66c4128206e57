//! Importance samples from a posterior that is off by a known amount, and the density of a map without noise: golden values.

use crate::oracle::{Linear, solve};
use crate::{importance, refined};
use data::rng::Rng;
use likelihood::latent::Proposal;
use likelihood::mean_and_error;
use std::f64::consts::TAU;

const LATENTS: usize = 10;
/// Images, as many as the golden means are of.
const IMAGES: u64 = 64;

/// How a posterior is wrong: its deviations are multiplied, and its mean moves by so many of them along each of them.
struct Wrong {
    stretch: f64,
    shift: f64,
    /// log p(x) less the bound, KL(q || p(z|x)).
    gap: f64,
    /// Means of IWAE-K less log p(x) for K = 5, 50, 500 and 5000.
    errors: [f64; 4],
}

const WRONG: [Wrong; 3] = [
    Wrong { stretch: 1.5, shift: 0.0, gap: 2.1953, errors: [-0.586, -0.109, 0.004, -0.001] },
    Wrong { stretch: 0.7, shift: 0.0, gap: 1.0167, errors: [-0.363, -0.095, -0.039, -0.012] },
    Wrong { stretch: 1.0, shift: 1.0, gap: 5.0, errors: [-2.70, -0.863, -0.226, -0.178] },
];

/// Of weights that depend on nothing but where z is in the posterior, in standard deviations, so that neither W nor the
/// number of pixels matters to them.
fn errors(wrong: &Wrong, k: usize) -> Vec<f64> {
    let mut model = Linear::random(16, LATENTS, 0.1, 11);
    let mut noise = Rng::new(11, 101);
    let error = |seed: u64| {
        model.simulate(&mut noise);
        let q = model.posterior_stretched(wrong.stretch);
        let mean = q.colour(&[wrong.shift; LATENTS]);
        importance(&mut model, &Proposal::single("wrong", q.about(mean)), k, seed).nats - model.log_p()
    };
    (0..IMAGES).map(error).collect()
}

#[test]
fn a_wrong_posterior_costs_the_golden_nats_and_less_with_more_samples() {
    for wrong in &WRONG {
        let ln = wrong.stretch.ln();
        let gap = LATENTS as f64 * (0.5 * (wrong.stretch.powi(2) + wrong.shift.powi(2) - 1.0) - ln);
        assert!((gap - wrong.gap).abs() < 1e-4);
        let (bound, error) = mean_and_error(&errors(wrong, 1));
        println!("deviations x {}, shift {}: bound {bound:+.3} ± {error:.3}", wrong.stretch, wrong.shift);
        assert!((bound + gap).abs() < 3.0 * error, "{bound} ± {error} and not {}", -gap);
        let mut before = bound;
        for (k, golden) in [5, 50, 500, 5000].into_iter().zip(wrong.errors) {
            let (mean, error) = mean_and_error(&errors(wrong, k));
            println!("  k = {k}: {mean:+.4} ± {error:.4}, golden {golden}");
            // Both are means over as many images, each with an error of its own.
            assert!((mean - golden).abs() < 3.0 * 2f64.sqrt() * error, "k = {k}: {mean} ± {error}, golden {golden}");
            // A tighter bound with more samples, up to the noise of the images.
            assert!(mean > before - 3.0 * error, "k = {k}: {mean} after {before}");
            before = mean;
        }
        assert!(before.abs() < 0.25, "{before}");
    }
}

/// G(z) = W z with fewer latents than pixels has the density N(z) / sqrt(det W^T W) on the sheet that it covers. Noise adds
/// the normal density across the sheet: 2 pi sigma^2 to the power of half of the missing dimensions.
#[test]
fn with_ever_less_noise_a_map_has_the_density_of_its_sheet() {
    let (d, l) = (16, 4);
    let off = [1e-2, 1e-4, 1e-6].map(|variance| {
        let mut model = Linear::random(d, l, variance, 7);
        let z = [0.6, -1.1, 0.2, 0.9];
        model.x = model.mean(&z);
        let log_det = solve(&model.gram(), &[0.0; 4]).0;
        let sheet = -0.5 * z.iter().map(|z| z * z + TAU.ln()).sum::<f64>() - 0.5 * log_det;
        let mode = Proposal::single("mode", refined(&mut model, &z).parts[0].1.clone());
        let nats = importance(&mut model, &mode, 1, 1).nats;
        let across = -0.5 * (d - l) as f64 * (TAU * variance).ln();
        println!("variance {variance:e}: {nats:.5}, sheet and noise {:.5}", sheet + across);
        (nats - sheet - across).abs()
    });
    assert!(off[1] < off[0] && off[2] < 1e-4, "{off:?}");
}
