//! Golden values and identities of diffusion and flow matching for Gaussian data, where every quantity has a closed form:
//! what `vlb` and `flow` rest on, with the steps of `models::diffusion` and the solver of `runge_kutta`.

use data::rng::Rng;
use likelihood::runge_kutta::{Equation, Limits, solve};
use models::diffusion::step::{Level, Prediction, ddim};
use pollster::block_on;
use std::convert::Infallible;
use std::f64::consts::{FRAC_PI_2, PI, TAU};

/// dy/dt = f(t, y).
struct Slope<F>(F);

impl<F: Fn(f64, &[f64]) -> Vec<f64>> Equation for Slope<F> {
    type Error = Infallible;

    async fn slope(&mut self, t: f64, y: &[f64]) -> Result<Vec<f64>, Infallible> {
        Ok((self.0)(t, y))
    }
}

fn follow(slope: impl Fn(f64, &[f64]) -> Vec<f64>, range: [f64; 2], y: Vec<f64>, tolerance: f64) -> Vec<f64> {
    let limits = Limits { absolute: tolerance, relative: tolerance, max_evals: 100_000 };
    block_on(solve(&mut Slope(slope), range, y, limits)).unwrap().y
}

fn log_normal(x: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * ((x - mean).powi(2) / variance + (TAU * variance).ln())
}

/// Lipman et al. 2023, arXiv:2210.02747: x_t = (1 - t) x_0 + t x_1 with x_1 ~ N(m, s^2) has the velocity below, and
/// log p_1(x) = log N(x_0; 0, I) - integral of div v dt from 0 to 1.
#[test]
fn flow_matching_of_a_gaussian_has_the_golden_value() {
    let (m, s, x) = ([0.5, -0.2, 1.0], [0.4f64, 1.0, 0.05], [0.1, 0.3, 1.02]);
    let factor = |t: f64, s: f64| (t * s * s - (1.0 - t)) / (t * t * s * s + (1.0 - t).powi(2));
    let slope = |t: f64, y: &[f64]| {
        let mut slope: Vec<f64> = (0..3).map(|i| m[i] + factor(t, s[i]) * (y[i] - t * m[i])).collect();
        slope.push(s.iter().map(|&s| factor(t, s)).sum());
        slope
    };
    let errors = [1e-3, 1e-5, 1e-8].map(|tolerance| {
        let end = follow(slope, [1.0, 0.0], [&x[..], &[0.0]].concat(), tolerance);
        let log_p = end[..3].iter().map(|&y| log_normal(y, 0.0, 1.0)).sum::<f64>() + end[3];
        (log_p - 0.450_207_405_8).abs()
    });
    println!("{errors:?}");
    assert!(errors[2] < 1e-6 && errors[2] < errors[1] && errors[1] < errors[0], "{errors:?}");
    let truth: f64 = (0..3).map(|i| log_normal(x[i], m[i], s[i] * s[i])).sum();
    assert!((truth - 0.450_207_405_8).abs() < 1e-10);
}

/// The bound of `vlb` for one value with the best network, and with the exact prior and posterior at its ends, gamma = -8
/// and 8, is log p(x): Kingma et al. 2021, arXiv:2107.00630, eq. 15 with an integrand alpha (v - v^) in place of eps - eps^.
#[test]
fn the_bound_of_the_best_network_is_the_golden_value() {
    let (variance, x) = (0.3, 0.7);
    let golden = -1.133_618_797_7;
    assert!((log_normal(x, 0.0, variance) - golden).abs() < 1e-10);
    let time = |gamma: f64| (gamma / 2.0).exp().atan() / FRAC_PI_2;
    let marginal = |l: Level| l.alpha * l.alpha * variance + l.sigma * l.sigma;
    // v - v^ = (eps - E[eps | z]) / alpha has mean and variance over eps in closed form.
    let integrand = |t: f64| {
        let l = Level::at(t);
        let c = marginal(l);
        let squares = (1.0 - l.sigma * l.sigma / c).powi(2) + (l.sigma * l.alpha * x / c).powi(2);
        0.5 * squares * PI / (l.alpha * l.sigma)
    };
    let (first, last) = (time(-8.0), time(8.0));
    let integral = follow(|t, _| vec![integrand(t)], [first, last], vec![0.0], 1e-11)[0];
    // KL(q(z_1 | x) || p(z_1)) and E_q[log p(x | z_0)].
    let l = Level::at(last);
    let (c, noise) = (marginal(l), l.sigma * l.sigma);
    let prior = 0.5 * (noise / c + (l.alpha * x).powi(2) / c - 1.0 + (c / noise).ln());
    let l = Level::at(first);
    let (c, noise) = (marginal(l), l.sigma * l.sigma);
    let (gain, posterior) = (l.alpha * variance / c, variance * noise / c);
    let off = (gain * l.alpha - 1.0) * x;
    let recon = -0.5 * ((off * off + gain * gain * noise) / posterior + (TAU * posterior).ln());
    let bound = recon - integral - prior;
    println!("{bound:.10}");
    assert!((bound - golden).abs() < 1e-8, "{bound}");
}

/// Ho et al. 2020, arXiv:2006.11239, eq. 5 before the expectation: with the true reverse kernels, log p(x, z_1 .. z_T) - log
/// q(z_1 .. z_T | x) is log p(x) for every path and every T. q(z_s | z_t, x) is a step of `ddim` with eta 1 that knows x.
#[test]
fn every_path_of_the_ancestral_sampler_says_the_same() {
    let (variance, x) = (0.3, 0.7f64);
    let marginal = |l: Level| l.alpha * l.alpha * variance + l.sigma * l.sigma;
    for steps in [1, 2, 10, 100] {
        for seed in 0..4 {
            let mut noise = vec![0f32; steps];
            Rng::new(seed, 0).fill_normal(&mut noise);
            let times: Vec<f64> = (1..=steps).map(|i| i as f64 / steps as f64 * 0.98).collect();
            let mut t = Level::at(times[steps - 1]);
            let mut z = t.alpha * x + t.sigma * f64::from(noise[steps - 1]);
            let mut log_ratio = log_normal(z, 0.0, marginal(t)) - log_normal(z, t.alpha * x, t.sigma * t.sigma);
            for i in (0..steps - 1).rev() {
                let s = Level::at(times[i]);
                let eps = ((z - t.alpha * x) / t.sigma) as f32;
                let known = Prediction { level: t, x: vec![x as f32], eps: vec![eps] };
                let at = |noise: f32| f64::from(ddim(&known, s, 1.0, &[noise])[0]);
                let (mean, deviation) = (at(0.0), 0.5 * (at(1.0) - at(-1.0)));
                let next = at(noise[i]);
                // p(z_s | z_t) of data N(0, variance), by Bayes' rule.
                let along = t.alpha / s.alpha;
                let fresh = t.sigma * t.sigma - along * along * s.sigma * s.sigma;
                let gain = along * marginal(s) / marginal(t);
                let spread = marginal(s) * fresh / marginal(t);
                log_ratio += log_normal(next, gain * z, spread) - log_normal(next, mean, deviation * deviation);
                (z, t) = (next, s);
            }
            let posterior = variance * t.sigma * t.sigma / marginal(t);
            log_ratio += log_normal(x, t.alpha * variance / marginal(t) * z, posterior);
            let off = log_ratio - log_normal(x, 0.0, variance);
            println!("{steps} steps, seed {seed}: off by {off:.1e}");
            // Steps are made in f32, with an error of 1e-7 in each of a deviation of some 0.05.
            assert!(off.abs() < 1e-3, "{steps} steps: off by {off}");
        }
    }
}
