//! Golden values of chains of a thousand steps and of the paths between noise and data, in f64: what bounds and samplers of
//! `models::diffusion` would say of data whose every distribution is known.

use data::rng::Rng;
use models::diffusion::step::{Level, ddim_factors};
use std::f64::consts::{E, FRAC_PI_2, LN_2, TAU};

/// Levels 1 to T of Ho et al. 2020, arXiv:2006.11239, section 4: beta from 1e-4 to 0.02 at T = 1000, and as much noise in all
/// with fewer steps.
fn levels(steps: usize) -> Vec<Level> {
    let scale = 1000.0 / steps as f64;
    let mut kept = 1.0;
    let step = |i: usize| {
        let share = i as f64 / (steps.max(2) - 1) as f64;
        kept *= 1.0 - (scale * (1e-4 + share * (0.02 - 1e-4))).min(0.9);
        Level { angle: f64::acos(f64::sqrt(kept)), alpha: f64::sqrt(kept), sigma: f64::sqrt(1.0 - kept) }
    };
    (0..steps).map(step).collect()
}

/// Of z = alpha x + sigma eps for data of this variance.
fn marginal(l: Level, variance: f64) -> f64 {
    l.alpha * l.alpha * variance + l.sigma * l.sigma
}

/// beta of the step from s to t.
fn beta(s: Level, t: Level) -> f64 {
    1.0 - (t.alpha / s.alpha).powi(2)
}

fn log_normal(x: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * ((x - mean).powi(2) / variance + (TAU * variance).ln())
}

fn normals(n: usize, seed: u64) -> Vec<f64> {
    let mut x = vec![0f32; n];
    Rng::new(seed, 0).fill_normal(&mut x);
    x.into_iter().map(f64::from).collect()
}

/// log p(x, z_1 .. z_T) - log q(z_1 .. z_T | x) of one path: q by the ancestral sampler that knows x, p by Bayes' rule for
/// data N(0, variance).
fn log_ratio(all: &[Level], variance: f64, x: f64, noise: &[f64]) -> f64 {
    let mut t = all[all.len() - 1];
    let mut z = t.alpha * x + t.sigma * noise[0];
    let mut total = log_normal(z, 0.0, marginal(t, variance)) - log_normal(z, t.alpha * x, t.sigma * t.sigma);
    for (&s, e) in all.iter().rev().skip(1).zip(&noise[1..]) {
        let [kept, fresh] = ddim_factors(t, s, 1.0);
        let mean = s.alpha * x + kept * (z - t.alpha * x) / t.sigma;
        let next = mean + fresh * e;
        let gain = t.alpha / s.alpha * marginal(s, variance) / marginal(t, variance);
        let spread = marginal(s, variance) * beta(s, t) / marginal(t, variance);
        total += log_normal(next, gain * z, spread) - log_normal(next, mean, fresh * fresh);
        (z, t) = (next, s);
    }
    let gain = t.alpha * variance / marginal(t, variance);
    total + log_normal(x, gain * z, variance * t.sigma * t.sigma / marginal(t, variance))
}

/// With the true reverse kernels every path of every length says log p(x) (Ho et al. 2020, eq. 5 before the expectation).
#[test]
fn every_path_of_up_to_a_thousand_steps_says_log_p() {
    for (seed, steps) in [1, 2, 3, 10, 30, 100, 300, 1000].into_iter().enumerate() {
        let (all, noise) = (levels(steps), normals(4 * steps, seed as u64));
        let paths = noise.chunks(steps).zip([(0.3, 0.7), (0.05, -0.2), (1.0, 1.5), (0.3, -2.0)]);
        let off = |(noise, (variance, x))| log_ratio(&all, variance, x, noise) - log_normal(x, 0.0, variance);
        let worst = paths.map(off).fold(0.0, |worst: f64, off| worst.max(off.abs()));
        println!("{steps} steps: off by {worst:.1e}");
        assert!(worst < 2e-12, "{steps} steps: off by {worst}");
    }
}

/// What a bound loses in bits per value if the steps back have the best mean and this variance.
fn lost(all: &[Level], variance: f64, fixed: impl Fn(Level, Level) -> f64) -> f64 {
    let lost = |pair: &[Level]| {
        let [s, t] = [pair[0], pair[1]];
        let ratio = marginal(s, variance) * beta(s, t) / marginal(t, variance) / fixed(s, t);
        0.5 * (ratio - 1.0 - ratio.ln()) / LN_2
    };
    all.windows(2).map(lost).sum()
}

/// The variance beta of the noise costs a bound next to nothing, the variance of the sampler's own steps two thirds of a bit:
/// what draws well is no p(x) to quote.
#[test]
fn the_variance_of_the_sampler_would_ruin_a_bound() {
    let all = levels(1000);
    for (variance, by_beta, by_sampler) in [(0.05, 0.009, 0.63), (0.3, 0.001, 0.66), (1.0, 0.0, 0.67)] {
        let wide = lost(&all, variance, beta);
        let narrow = lost(&all, variance, |s, t| ddim_factors(t, s, 1.0)[1].powi(2));
        println!("variance {variance}: {wide:.4} bits by beta, {narrow:.4} by the sampler's own");
        assert!((wide - by_beta).abs() < 5e-4 && (narrow - by_sampler).abs() < 5e-3, "{wide} {narrow}");
    }
}

/// The trapezoidal rule with `n` nodes.
fn integral(range: [f64; 2], n: usize, f: impl Fn(f64) -> f64) -> f64 {
    let width = (range[1] - range[0]) / (n - 1) as f64;
    let node = |i: usize| f(range[0] + width * i as f64) * if i == 0 || i == n - 1 { 0.5 } else { 1.0 };
    (0..n).map(node).sum::<f64>() * width
}

/// -log p(x) = D/2 ln(2 pi e) - 1/2 int_0^inf (D / (1 + snr) - mmse(x, snr)) dsnr (Kong et al. 2023, arXiv:2302.03792, eq. 8),
/// with d snr = snr d(log snr). `squares` is mmse(x, snr), the mean of |x - x^|^2 over the noise.
fn log_p_by_denoising(dims: usize, squares: impl Fn(Level) -> f64) -> f64 {
    let d = dims as f64;
    let integrand = |log_snr: f64| {
        let l = Level::at((-0.5 * log_snr).exp().atan() / FRAC_PI_2);
        let snr = (l.alpha / l.sigma).powi(2);
        snr * (d / (1.0 + snr) - squares(l))
    };
    0.5 * integral([-32.0, 42.0], 4000, integrand) - 0.5 * d * (TAU * E).ln()
}

/// Errors of the best denoiser say log p(x), for 784 values whose variances span six orders.
#[test]
fn errors_of_the_best_denoiser_are_log_p_of_a_gaussian() {
    for (dims, allowed) in [(4, 1e-4), (784, 1e-2)] {
        let variances: Vec<f64> = (0..dims).map(|i| 10f64.powf(-5.3 + 6.6 * i as f64 / (dims - 1) as f64)).collect();
        let x: Vec<f64> = normals(dims, 5).iter().zip(&variances).map(|(e, v)| e * v.sqrt()).collect();
        let squares = |l: Level| -> f64 {
            let of = |(x, v): (&f64, &f64)| {
                let c = marginal(l, *v);
                (x * l.sigma * l.sigma / c).powi(2) + (l.alpha * l.sigma * v / c).powi(2)
            };
            x.iter().zip(&variances).map(of).sum()
        };
        let truth: f64 = x.iter().zip(&variances).map(|(&x, &v)| log_normal(x, 0.0, v)).sum();
        let off = log_p_by_denoising(dims, squares) - truth;
        println!("{dims} values: off by {off:.1e} nats");
        assert!(off.abs() < allowed, "{dims} values: off by {off}");
    }
}

/// The same for two Gaussians, whose best denoiser bends, with the mean over the noise by quadrature.
#[test]
fn errors_of_the_best_denoiser_are_log_p_of_a_mixture() {
    let parts = [(0.3, -1.0, 0.25), (0.7, 2.0, 1.0)];
    let guess = |l: Level, z: f64| {
        let weigh = |&(w, m, v): &(f64, f64, f64)| {
            let c = marginal(l, v);
            (w * log_normal(z, l.alpha * m, c).exp(), m + l.alpha * v / c * (z - l.alpha * m))
        };
        let all = parts.iter().map(weigh).fold((1e-300, 0.0), |(p, sum), (w, x)| (p + w, sum + w * x));
        all.1 / all.0
    };
    for x in [0.0, -1.3, 1.7] {
        let truth = parts.iter().map(|&(w, m, v)| w * log_normal(x, m, v).exp()).sum::<f64>().ln();
        let squares = |l: Level| {
            let error = |e: f64| (x - guess(l, l.alpha * x + l.sigma * e)).powi(2) * log_normal(e, 0.0, 1.0).exp();
            integral([-8.0, 8.0], 161, error)
        };
        let off = log_p_by_denoising(1, squares) - truth;
        println!("{x}: off by {off:.1e} nats");
        assert!(off.abs() < 1e-4, "{x}: off by {off}");
        if x == 0.0 {
            assert!((truth - -2.656_574_268_737_182).abs() < 1e-12);
        }
    }
}

/// y at the end of `n` classical Runge-Kutta steps.
fn runge_kutta(f: impl Fn(f64, &[f64]) -> Vec<f64>, [from, to]: [f64; 2], mut y: Vec<f64>, n: usize) -> Vec<f64> {
    let h = (to - from) / n as f64;
    let moved = |y: &[f64], by: f64, slope: &[f64]| y.iter().zip(slope).map(|(y, s)| y + by * s).collect::<Vec<_>>();
    for i in 0..n {
        let t = from + h * i as f64;
        let a = f(t, &y);
        let b = f(t + 0.5 * h, &moved(&y, 0.5 * h, &a));
        let c = f(t + 0.5 * h, &moved(&y, 0.5 * h, &b));
        let d = f(t + h, &moved(&y, h, &c));
        y.iter_mut().enumerate().for_each(|(k, y)| *y += h / 6.0 * (a[k] + 2.0 * b[k] + 2.0 * c[k] + d[k]));
    }
    y
}

/// Flow matching of a Gaussian (Lipman et al. 2023, arXiv:2210.02747) by the method of fourth order: the golden errors, each
/// at most a twelfth of the one before.
#[test]
fn steps_of_fourth_order_have_the_golden_errors() {
    let (m, s, x) = ([0.5, -0.2, 1.0], [0.4f64, 1.0, 0.05], [0.1, 0.3, 1.02]);
    let factor = |t: f64, s: f64| (t * s * s - (1.0 - t)) / (t * t * s * s + (1.0 - t).powi(2));
    let slope = |t: f64, y: &[f64]| {
        let along = (0..3).map(|i| m[i] + factor(t, s[i]) * (y[i] - t * m[i]));
        along.chain([s.iter().map(|&s| factor(t, s)).sum()]).collect()
    };
    let errors = [16, 32, 64, 128].map(|n| {
        let end = runge_kutta(slope, [1.0, 0.0], [&x[..], &[0.0]].concat(), n);
        let log_p = end[..3].iter().map(|&y| log_normal(y, 0.0, 1.0)).sum::<f64>() + end[3];
        (log_p - 0.450_207_405_8).abs()
    });
    println!("{errors:?}");
    for (error, golden) in errors.iter().zip([6.7e-3, 4.1e-4, 1.9e-5, 1.1e-6]) {
        assert!((error / golden - 1.0).abs() < 0.05, "{error} and not {golden}");
    }
    assert!(errors.windows(2).all(|e| e[0] > 12.0 * e[1]), "{errors:?}");
}
