//! The flow as a sampler, and on the scales of real pictures.

use crate::oracle::{Mixture, normals};
use crate::{Velocity, exactly, plan, spread};
use likelihood::flow::FROM;
use likelihood::mean_and_error;
use likelihood::runge_kutta::{Limits, solve};
use pollster::block_on;
use std::f64::consts::{E, FRAC_PI_2, TAU};

/// Drawn by the ODE and then asked for its log p by it, data of variances over six orders say their entropy, on average.
#[test]
fn samples_of_the_flow_are_as_likely_as_its_entropy_says() {
    let (d, n) = (8, 256);
    let mut gaussian = Mixture::rotated(0.2, spread(d), 3);
    let limits = Limits { absolute: 1e-6, relative: 1e-6, max_evals: 5000 };
    let noise = normals(n * d, 12);
    let drawn = block_on(solve(&mut Velocity(&mut gaussian), [FRAC_PI_2, FROM], noise, limits)).unwrap().y;
    let (surprise, error) = mean_and_error(&exactly(&mut gaussian, &drawn, plan(1e-5)).log_p);
    let variances = spread(d).into_iter().map(|v| FROM.cos().powi(2) * v + FROM.sin().powi(2));
    let entropy: f64 = variances.map(|v| 0.5 * (TAU * E * v).ln()).sum();
    println!("mean log p {surprise:.4} ± {error:.4}, entropy {entropy:.4}");
    assert!((surprise + entropy).abs() < 3.0 * error);
}
