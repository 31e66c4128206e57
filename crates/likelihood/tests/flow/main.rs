//! The likelihood by the probability flow, against closed forms.

mod goldens;
mod networks;
mod oracle;

use data::rng::Rng;
use likelihood::flow::{FROM, Field, Moment, Paths, Plan, Probes, densities};
use likelihood::mean_and_error;
use likelihood::runge_kutta::{Equation, Limits, solve};
use oracle::{Mixture, Part, rotation};
use pollster::block_on;
use std::convert::Infallible;
use std::f64::consts::FRAC_PI_2;
use std::ops::ControlFlow;

fn plan(tolerance: f64) -> Plan {
    Plan { tolerance, ..Plan::default() }
}

fn follow(field: &mut Mixture, x: &[f64], probes: &Probes, plan: Plan) -> Paths {
    block_on(densities(field, x, probes, plan, async |_: Moment| ControlFlow::Continue(()))).unwrap()
}

fn exactly(field: &mut Mixture, x: &[f64], plan: Plan) -> Paths {
    let (n, d) = (x.len() / field.dims(), field.dims());
    follow(field, x, &Probes::exact(n, d), plan)
}

/// Variances from 10^-5.3 to 10^1.3.
fn spread(d: usize) -> Vec<f64> {
    (0..d).map(|i| 10f64.powf(-5.3 + 6.6 * i as f64 / (d - 1) as f64)).collect()
}

/// Two Gaussians in the plane.
fn pair() -> Mixture {
    let part = |weight, mean: [f64; 2], variances: [f64; 2], seed| Part {
        weight,
        mean: mean.to_vec(),
        variances: variances.to_vec(),
        axes: rotation(2, seed),
    };
    Mixture(vec![part(0.3, [-0.8, 0.2], [0.02, 0.15], 1), part(0.7, [0.6, -0.3], [0.05, 0.3], 2)])
}

#[test]
fn a_gaussian_of_many_scales_has_its_density_at_the_start_of_the_path() {
    let gaussian = Mixture::rotated(0.2, spread(8), 3);
    let x = gaussian.draws(8, FROM, 4);
    let worst = |log_p: &[f64], angle: f64| {
        let off = log_p.iter().zip(x.chunks(8)).map(|(p, x)| (p - gaussian.log_p(angle, x)).abs());
        off.fold(0.0, f64::max)
    };
    let truth = [1e-3, 1e-5, 1e-6, 1e-7].map(|tolerance| {
        let paths = exactly(&mut gaussian.clone(), &x, plan(tolerance));
        let (error, of_zero) = (worst(&paths.log_p, FROM), worst(&paths.log_p, 0.0));
        println!("tolerance {tolerance:.0e}: error {error:.1e} nats, {} evaluations", paths.n_evals);
        (error, of_zero)
    });
    assert!(truth[2].0 < 1e-3 && truth[3].0 < truth[2].0 && truth[1].0 < truth[0].0, "{truth:?}");
    // It is not the density without noise.
    assert!(truth[2].1 > 1e-2, "{truth:?}");
}

/// Marginals of a schedule that keeps the variance depend on sigma alone, so the golden values for beta from 0.1 to 20
/// are ours at the same sigma.
#[test]
fn the_golden_values_in_one_dimension() {
    let mut gaussian = Mixture::rotated(0.5, vec![0.16], 1);
    for (t, golden) in [(0.0, -0.502_647_801_3), (1e-5, -0.502_647_175_7), (1e-3, -0.502_579_209_7)] {
        let squared: f64 = -f64::exp_m1(-0.1 * t - 0.5 * 19.9 * t * t);
        let from = squared.sqrt().asin();
        assert!((gaussian.log_p(from, &[0.1]) - golden).abs() < 1e-10, "{t}: {}", gaussian.log_p(from, &[0.1]));
        if t > 0.0 {
            let log_p = exactly(&mut gaussian, &[0.1], Plan { from, ..plan(1e-8) }).log_p[0];
            println!("t = {t:e}: error {:.1e} nats", log_p - golden);
            assert!((log_p - golden).abs() < 1e-6, "{log_p} {golden}");
        }
    }
}

#[test]
fn probes_are_right_on_average_and_have_the_variance_of_the_closed_form() {
    let (d, n) = (8, 4096);
    let mut gaussian = Mixture::rotated(0.2, spread(d), 3);
    let x = gaussian.draws(1, FROM, 4);
    let probes = Probes::rademacher(n, 1, d, &mut Rng::new(8, 0));
    let readings = follow(&mut gaussian, &x.repeat(n), &probes, plan(1e-5)).log_p;
    let (mean, error) = mean_and_error(&readings);
    let truth = gaussian.log_p(FROM, &x);
    // A is the integral of dv/dz: -1/2 ln of the variances at the start.
    let part = &gaussian.0[0];
    let at_start = |v: f64| -0.5 * (FROM.cos().powi(2) * v + FROM.sin().powi(2)).ln();
    let a = |i: usize, j: usize| {
        let terms = part.variances.iter().enumerate();
        terms.map(|(k, &v)| at_start(v) * part.axes[k * d + i] * part.axes[k * d + j]).sum::<f64>()
    };
    let off: f64 = (0..d * d).filter(|n| n % (d + 1) != 0).map(|n| a(n / d, n % d).powi(2)).sum();
    let ratio = error * error * n as f64 / (2.0 * off);
    println!(
        "mean off by {:.2} standard errors of {error:.3}; variance {ratio:.3} of the closed form",
        (mean - truth) / error
    );
    assert!((mean - truth).abs() < 3.0 * error && (ratio - 1.0).abs() < 0.1);
}

#[test]
fn probes_find_a_gaussian_of_64_dimensions() {
    let mut gaussian = Mixture::rotated(-0.1, spread(64), 5);
    let x = gaussian.draws(1, FROM, 6);
    let probes = Probes::rademacher(64, 1, 64, &mut Rng::new(9, 0));
    let paths = follow(&mut gaussian, &x.repeat(64), &probes, plan(1e-5));
    let ((mean, error), truth) = (mean_and_error(&paths.log_p), gaussian.log_p(FROM, &x));
    println!("{mean:.2} ± {error:.2}, truth {truth:.2}; {} evaluations", paths.n_evals);
    assert!((mean - truth).abs() < 3.0 * error);
}

#[test]
fn a_mixture_has_its_density_and_sums_to_one() {
    let mut pair = pair();
    let points = [0.5, -0.4, -0.8, 0.2, 0.0, 0.0, -1.4, 0.9, 1.5, -1.2, -0.1, 0.4];
    let paths = exactly(&mut pair, &points, plan(1e-6));
    for (x, log_p) in points.chunks(2).zip(&paths.log_p) {
        let truth = pair.log_p(FROM, x);
        println!("{x:?}: {log_p:.6}, off by {:.1e}", log_p - truth);
        assert!((log_p - truth).abs() < 1e-3);
    }
    let (side, width) = (81, 0.1);
    let at = |i: usize| width * (i as f64 - 0.5 * (side - 1) as f64);
    let grid: Vec<f64> = (0..side * side).flat_map(|n| [at(n / side), at(n % side)]).collect();
    let mass: f64 = exactly(&mut pair, &grid, plan(1e-5)).log_p.iter().map(|p| p.exp()).sum::<f64>() * width * width;
    println!("sums to {mass:.6}");
    assert!((mass - 1.0).abs() < 1e-3);
}

/// dz/dphi = v alone.
struct Velocity<'a>(&'a mut Mixture);

impl Equation for Velocity<'_> {
    type Error = Infallible;

    async fn slope(&mut self, angle: f64, z: &[f64]) -> Result<Vec<f64>, Infallible> {
        self.0.velocities(angle, z).await
    }
}

#[test]
fn the_way_to_noise_and_back_ends_where_it_began() {
    for (mut field, x) in [
        (Mixture::rotated(0.2, spread(8), 3), Mixture::rotated(0.2, spread(8), 3).draws(4, FROM, 4)),
        (pair(), vec![0.5, -0.4, -0.8, 0.2, 0.0, 0.0, -1.4, 0.9]),
    ] {
        let noise = exactly(&mut field, &x, plan(1e-6)).noise;
        let limits = Limits { absolute: 1e-6, relative: 1e-6, max_evals: 5000 };
        let back = block_on(solve(&mut Velocity(&mut field), [FRAC_PI_2, FROM], noise, limits)).unwrap().y;
        let worst = x.iter().zip(&back).map(|(x, back)| (x - back).abs()).fold(0.0, f64::max);
        println!("off by {worst:.1e}");
        assert!(worst < 1e-3);
    }
}
