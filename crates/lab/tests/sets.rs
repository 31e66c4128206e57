//! The simulated sets: what is drawn, and the density it is said to be drawn from, are the same.

use lab::sets::Set;
use std::f64::consts::{PI, TAU};

/// Cells a side of the fine grid, and of it in a cell of the coarse one.
const FINE: usize = 480;
const IN_COARSE: usize = 20;

/// A square that holds all of a set but a share below 1e-6, whose cells end where the squares of the checkerboard do.
fn half_side(set: Set) -> f64 {
    match set {
        Set::TwoMoons => 3.0,
        Set::Rings | Set::Spiral | Set::BimodalLine => 4.5,
        Set::Pinwheel => 6.0,
        Set::EightGaussians => 5.0,
        Set::Checkerboard => 4.8,
    }
}

/// log p at the centres of the fine grid, and the area of a cell.
fn grid(set: Set) -> (Vec<f64>, f64) {
    let half = half_side(set);
    let width = 2.0 * half / FINE as f64;
    let place = |i: usize| -half + width * (i as f64 + 0.5);
    let log_p = (0..FINE * FINE).map(|i| set.log_density([place(i % FINE), place(i / FINE)])).collect();
    (log_p, width * width)
}

#[test]
fn densities_integrate_to_one_and_samples_have_them() {
    for set in Set::ALL {
        let (log_p, area) = grid(set);
        let p: Vec<f64> = log_p.iter().map(|l| l.exp() * area).collect();
        let mass: f64 = p.iter().sum();
        assert!((mass - 1.0).abs() < 1e-3, "{set:?}: {mass}");
        let drawn = set.sample(20_000, 11).at;
        mean_log_density(set, &drawn, &log_p, &p);
        chi_square(set, &drawn, &p);
    }
}

/// The mean of log p over samples is the integral of p log p.
fn mean_log_density(set: Set, drawn: &[[f64; 2]], log_p: &[f64], p: &[f64]) {
    let expected: f64 = log_p.iter().zip(p).filter(|(_, p)| **p > 0.0).map(|(l, p)| l * p).sum();
    let values: Vec<f64> = drawn.iter().map(|&x| set.log_density(x)).collect();
    let (mean, error) = likelihood::mean_and_error(&values);
    // The checkerboard's density is the same everywhere: its error is 0, and the rule's is rounding.
    assert!((mean - expected).abs() < 4.0 * error + 1e-4, "{set:?}: {mean} +- {error}, expected {expected}");
}

/// Pearson's statistic over the cells of a coarse grid in which at least five points are expected; the rest is one cell.
fn chi_square(set: Set, drawn: &[[f64; 2]], p: &[f64]) {
    let side = FINE / IN_COARSE;
    let mut expected = vec![0.0; side * side];
    let mut seen = vec![0.0; side * side];
    for (i, p) in p.iter().enumerate() {
        expected[i / FINE / IN_COARSE * side + i % FINE / IN_COARSE] += p * drawn.len() as f64;
    }
    let half = half_side(set);
    for x in drawn {
        let [column, row] = x.map(|v| ((v + half) / (2.0 * half) * side as f64) as usize);
        assert!(column < side && row < side, "{set:?}: {x:?} is outside");
        seen[row * side + column] += 1.0;
    }
    let (mut sum, mut cells, mut rest) = (0.0, 0.0, [0.0, 0.0]);
    for (e, s) in expected.iter().zip(&seen) {
        if *e >= 5.0 {
            sum += (s - e) * (s - e) / e;
            cells += 1.0;
        } else {
            rest = [rest[0] + e, rest[1] + s];
        }
    }
    if rest[0] >= 5.0 {
        sum += (rest[1] - rest[0]).powi(2) / rest[0];
    } else {
        assert!(rest[1] < 20.0, "{set:?}: {rest:?}");
    }
    // Beyond four standard deviations of a chi-square variable.
    let limit = cells + 4.0 * f64::sqrt(2.0 * cells);
    assert!(sum < limit, "{set:?}: {sum} over {cells} cells");
}

#[test]
fn quadrature_is_right_to_a_millionth() {
    let n = 40_000;
    let middle = |i: usize| (i as f64 + 0.5) / n as f64;
    let normal = |x: [f64; 2], c: [f64; 2], sd: f64| {
        (-0.5 * ((x[0] - c[0]).powi(2) + (x[1] - c[1]).powi(2)) / (sd * sd)).exp() / (TAU * sd * sd)
    };
    let mean = |f: &dyn Fn(f64) -> f64| (0..n).map(|i| f(middle(i))).sum::<f64>() / n as f64;
    let brute = |set: Set, x: [f64; 2]| match set {
        Set::TwoMoons => mean(&|u| {
            let (sin, cos) = (PI * u).sin_cos();
            0.5 * (normal(x, [cos, sin], 0.1) + normal(x, [1.0 - cos, 0.5 - sin], 0.1))
        }),
        Set::Rings => mean(&|u| {
            let (sin, cos) = (TAU * u).sin_cos();
            [0.75, 1.5, 2.25, 3.0].map(|r| 0.25 * normal(x, [r * cos, r * sin], 0.08)).iter().sum()
        }),
        // Substituting u = v^2 makes the integrand smooth at the centre.
        _ => mean(&|v| {
            let t = 3.0 * PI * v;
            let arm = [-t.cos() * t / 3.0, t.sin() * t / 3.0];
            v * (normal(x, arm, 0.1) + normal(x, arm.map(|v| -v), 0.1))
        }),
    };
    let mut checked = 0;
    for set in [Set::TwoMoons, Set::Rings, Set::Spiral] {
        let edges =
            [[0.0, 0.0], [1.0, 0.0], [-1.0, -0.05], [0.5, 0.25], [1.0, 0.5], [0.0, 0.5], [-0.3, -0.1], [2.9, 1.3]];
        for x in set.sample(60, 5).at.into_iter().chain(edges) {
            let (exact, ours) = (brute(set, x), set.log_density(x).exp());
            if exact > 1e-9 {
                assert!((ours / exact - 1.0).abs() < 1e-6, "{set:?} at {x:?}: {ours}, not {exact}");
                checked += 1;
            }
        }
    }
    assert!(checked > 180, "{checked}");
}

#[test]
fn known_values_hold() {
    // At a centre only its own Gaussian counts: 1 / (8 tau sd^2), sd^2 = 1/8. The neighbours add 2 e^-(d^2 / 2 sd^2).
    let at_centre = Set::EightGaussians.log_density([8f64.sqrt(), 0.0]);
    let neighbours = 2.0 * (-4.0 * 8.0 * (2.0 - 2f64.sqrt())).exp();
    assert!((at_centre - ((1.0 + neighbours) / TAU).ln()).abs() < 1e-9, "{at_centre}");
    assert_eq!(Set::Checkerboard.log_density([0.5, 0.5]), -(32f64.ln()));
    assert_eq!(Set::Checkerboard.log_density([0.5, -0.5]), f64::NEG_INFINITY);
    assert_eq!(Set::Checkerboard.log_density([4.5, 0.5]), f64::NEG_INFINITY);
    // The middle of the innermost ring is at its distance from all of it.
    let middle = Set::Rings.log_density([0.0, 0.0]);
    let expected = -0.5 * (0.75f64 / 0.08).powi(2) - (4.0 * TAU * 0.08 * 0.08).ln();
    assert!((middle - expected).abs() < 1e-9, "{middle} {expected}");
}

#[test]
fn far_away_is_unlikely_but_possible() {
    for set in Set::ALL.into_iter().filter(|set| *set != Set::Checkerboard) {
        let mut before = f64::INFINITY;
        for far in [10.0, 1e3, 1e6, 1e12, 1e40] {
            for x in [[far, 0.0], [0.0, -far], [-far, far], [far, 0.5 * far]] {
                let log_p = set.log_density(x);
                assert!(log_p.is_finite() && log_p < -20.0, "{set:?} at {x:?}: {log_p}");
            }
            let log_p = set.log_density([far, far]);
            assert!(log_p < before, "{set:?}");
            before = log_p;
        }
    }
}

#[test]
fn samples_are_the_same_for_a_seed_and_know_their_part() {
    for set in Set::ALL {
        let (some, more) = (set.sample(50, 3), set.sample(400, 3));
        assert_eq!(some.at[..], more.at[..50]);
        assert_ne!(some.at, set.sample(50, 4).at);
        assert_eq!(more.classes, set.classes());
        let parts: std::collections::BTreeSet<u8> = more.labels.iter().copied().collect();
        assert_eq!(parts.len(), more.classes.len(), "{set:?}");
        assert_eq!(more.labels.len(), if more.classes.is_empty() { 0 } else { 400 });
        let name = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<Set>(&name).unwrap(), set);
    }
    assert_eq!(serde_json::to_string(&Set::EightGaussians).unwrap(), "\"eight-gaussians\"");
    let moons = Set::TwoMoons.sample(300, 1);
    let mean = |part: u8| {
        let of: Vec<f64> = moons.at.iter().zip(&moons.labels).filter(|(_, l)| **l == part).map(|(x, _)| x[1]).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(0) > 0.4 && mean(1) < 0.1);
}
