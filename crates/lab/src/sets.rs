//! Data of the plane that are simulated, with the very density that they are drawn from.
//!
//! Two moons are those of scikit-learn's `make_moons` with noise 0.1 and random instead of evenly spaced angles. Rings, spiral,
//! pinwheel, eight Gaussians and checkerboard are toy sets of Grathwohl et al. 2019, "FFJORD", arXiv:1810.01367 (the pinwheel is from Johnson
//! et al. 2016, arXiv:1603.06277), with two changes that give them a density: the spiral has normal noise alone, and an arm
//! of the pinwheel turns with the distance from the centre, not with the first coordinate, so that the turning keeps areas
//! and can be undone. The bimodal line is our own.

use crate::points::Points;
use data::rng::{Rng, stream};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_PI_4, PI, SQRT_2, TAU};
use std::sync::OnceLock;

/// Noise about the moons.
const MOON_SD: f64 = 0.1;
/// Rings and the noise about them.
const RADII: [f64; 4] = [0.75, 1.5, 2.25, 3.0];
const RING_SD: f64 = 0.08;
/// An arm of the spiral goes from the centre to this angle, at a distance of a third of the angle.
const SPIRAL_END: f64 = 3.0 * PI;
const SPIRAL_SD: f64 = 0.1;
/// An arm of the pinwheel before it is turned: along it and across it.
const ARMS: usize = 5;
const ARM_SD: [f64; 2] = [0.3, 0.1];
const TURN: f64 = 0.25;
/// So far out (16 standard deviations) no point is ever drawn; from there on the turning is constant, or it would overflow.
const TURN_END: f64 = 6.0;
/// The circle of the eight Gaussians.
const EIGHT_RADIUS: f64 = 2.0 * SQRT_2;
const EIGHT_SD: f64 = 0.5 / SQRT_2;
/// Half the side of the checkerboard, in squares, and the side of a square.
const HALF_BOARD: f64 = 2.0;
const SQUARE: f64 = 2.0;
/// Share, place and spread of the two modes along the line; noise across it; its slope as cosine and sine.
const MODES: [[f64; 3]; 2] = [[0.6, -1.2, 0.5], [0.4, 1.5, 0.35]];
const ACROSS_SD: f64 = 0.15;
const SLOPE: [f64; 2] = [0.8, 0.6];

/// Nodes of the Gauss-Legendre rule: for a normal density of 9 standard deviations to both sides its error is below 1e-9.
const NODES: usize = 32;
/// What is so many nats below the largest value of an integrand does not count.
const NEGLIGIBLE: f64 = 40.0;
/// Pieces of the spiral, each at most 13 standard deviations long.
const PIECES: usize = 24;

/// A simulated set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Two half circles that interlock.
    TwoMoons,
    /// Four circles, one in the other.
    Rings,
    /// Two arms about one centre.
    Spiral,
    /// Five bent arms.
    Pinwheel,
    /// Eight round clouds on a circle.
    EightGaussians,
    /// Every second square.
    Checkerboard,
    /// A slanted line with two modes.
    BimodalLine,
}

impl Set {
    /// All there are.
    pub const ALL: [Set; 7] = [
        Set::TwoMoons,
        Set::Rings,
        Set::Spiral,
        Set::Pinwheel,
        Set::EightGaussians,
        Set::Checkerboard,
        Set::BimodalLine,
    ];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Set::TwoMoons => "Two moons",
            Set::Rings => "Rings",
            Set::Spiral => "Spiral",
            Set::Pinwheel => "Pinwheel",
            Set::EightGaussians => "Eight Gaussians",
            Set::Checkerboard => "Checkerboard",
            Set::BimodalLine => "Bimodal line",
        }
    }

    /// Names of the parts that a point can come from; none where there are no parts.
    pub fn classes(self) -> Vec<String> {
        let numbered = |what: &str, n: usize| (1..=n).map(|i| format!("{what} {i}")).collect();
        match self {
            Set::TwoMoons => vec!["upper moon".into(), "lower moon".into()],
            Set::Rings => numbered("ring", RADII.len()),
            Set::Spiral => numbered("arm", 2),
            Set::Pinwheel => numbered("arm", ARMS),
            Set::EightGaussians => numbered("Gaussian", 8),
            Set::Checkerboard => Vec::new(),
            Set::BimodalLine => vec!["left mode".into(), "right mode".into()],
        }
    }

    /// `n` points with the part that each comes from; the first of more points are the same.
    pub fn sample(self, n: usize, seed: u64) -> Points {
        let mut rng = Rng::new(seed, stream::DATA);
        let (at, labels): (Vec<_>, Vec<u8>) = (0..n).map(|_| self.draw(&mut rng)).unzip();
        let classes = self.classes();
        let labels = if classes.is_empty() { Vec::new() } else { labels };
        Points { at, labels, classes, axes: ["x1".into(), "x2".into()] }
    }

    fn draw(self, rng: &mut Rng) -> ([f64; 2], u8) {
        let (mut u, mut e) = ([0f32; 3], [0f32; 2]);
        rng.fill_uniform(&mut u);
        rng.fill_normal(&mut e);
        let (u, e) = (u.map(f64::from), e.map(f64::from));
        // u is below 1, so that this is below n.
        let part = |n: usize| (u[0] * n as f64) as usize;
        let near = |centre: [f64; 2], sd: f64| [centre[0] + sd * e[0], centre[1] + sd * e[1]];
        let (x, part) = match self {
            Set::TwoMoons => {
                let [cos, sin] = direction(PI * u[1]);
                let part = part(2);
                (near(if part == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }, MOON_SD), part)
            }
            Set::Rings => {
                let part = part(RADII.len());
                (near(direction(TAU * u[1]).map(|v| RADII[part] * v), RING_SD), part)
            }
            Set::Spiral => {
                let part = part(2);
                let arm = spiral(SPIRAL_END * libm::sqrt(u[1]));
                (near(if part == 0 { arm } else { arm.map(|v| -v) }, SPIRAL_SD), part)
            }
            Set::Pinwheel => {
                let part = part(ARMS);
                let flat = [1.0 + ARM_SD[0] * e[0], ARM_SD[1] * e[1]];
                (turned(flat, -arm_angle(part, flat)).map(|v| 2.0 * v), part)
            }
            Set::EightGaussians => {
                let part = part(8);
                (near(centre(part), EIGHT_SD), part)
            }
            Set::Checkerboard => {
                let column = 2.0 * HALF_BOARD * u[0] - HALF_BOARD;
                let lower = if u[1] < 0.5 { -2.0 } else { 0.0 };
                let row = u[2] + lower + column.floor().rem_euclid(2.0);
                ([SQUARE * column, SQUARE * row], 0)
            }
            Set::BimodalLine => {
                let part = usize::from(u[0] >= MODES[0][0]);
                let [_, place, sd] = MODES[part];
                let (s, across) = (place + sd * e[0], ACROSS_SD * e[1]);
                ([SLOPE[0] * s - SLOPE[1] * across, SLOPE[1] * s + SLOPE[0] * across], part)
            }
        };
        (x, part as u8)
    }

    /// log p(x) in nats.
    pub fn log_density(self, x: [f64; 2]) -> f64 {
        match self {
            Set::TwoMoons => {
                let moons = [x, [1.0 - x[0], 0.5 - x[1]]];
                log_sum_exp(&moons.map(|x| log_arc(x, [0.0, PI], 1.0, MOON_SD))) - 2f64.ln()
            }
            Set::Rings => {
                let rings = RADII.map(|radius| log_arc(x, [-PI, PI], radius, RING_SD));
                log_sum_exp(&rings) - (RADII.len() as f64).ln()
            }
            Set::Spiral => log_spiral(x),
            Set::Pinwheel => log_pinwheel(x),
            Set::EightGaussians => {
                let near = |part| {
                    let centre = centre(part);
                    log_normal(x[0], centre[0], EIGHT_SD) + log_normal(x[1], centre[1], EIGHT_SD)
                };
                log_sum_exp(&[0, 1, 2, 3, 4, 5, 6, 7].map(near)) - 8f64.ln()
            }
            Set::Checkerboard => {
                let at = x.map(|v| v / SQUARE);
                let inside = at.iter().all(|v| (-HALF_BOARD..HALF_BOARD).contains(v));
                let black = (at[0].floor() + at[1].floor()).rem_euclid(2.0) == 0.0;
                // Half of the squares are black.
                let area = (2.0 * HALF_BOARD * SQUARE).powi(2) / 2.0;
                if inside && black { -area.ln() } else { f64::NEG_INFINITY }
            }
            Set::BimodalLine => {
                let s = SLOPE[0] * x[0] + SLOPE[1] * x[1];
                let across = SLOPE[0] * x[1] - SLOPE[1] * x[0];
                let along = MODES.map(|[share, place, sd]| share.ln() + log_normal(s, place, sd));
                log_sum_exp(&along) + log_normal(across, 0.0, ACROSS_SD)
            }
        }
    }
}

fn direction(angle: f64) -> [f64; 2] {
    [libm::cos(angle), libm::sin(angle)]
}

fn centre(part: usize) -> [f64; 2] {
    direction(FRAC_PI_4 * part as f64).map(|v| EIGHT_RADIUS * v)
}

/// The arm at an angle; the other arm is its reflection at 0.
fn spiral(t: f64) -> [f64; 2] {
    let [cos, sin] = direction(t);
    [-cos * t / 3.0, sin * t / 3.0]
}

fn turned(x: [f64; 2], angle: f64) -> [f64; 2] {
    let [cos, sin] = direction(angle);
    [cos * x[0] - sin * x[1], sin * x[0] + cos * x[1]]
}

/// By how much a point of an arm of the pinwheel is turned: no turn about the centre changes its distance from there.
fn arm_angle(arm: usize, x: [f64; 2]) -> f64 {
    TAU * arm as f64 / ARMS as f64 + TURN * libm::exp(libm::hypot(x[0], x[1]).min(TURN_END))
}

fn log_pinwheel(x: [f64; 2]) -> f64 {
    let half = x.map(|v| 0.5 * v);
    let arm = |arm| {
        let flat = turned(half, arm_angle(arm, half));
        log_normal(flat[0], 1.0, ARM_SD[0]) + log_normal(flat[1], 0.0, ARM_SD[1])
    };
    // Doubling both coordinates makes areas four times as large.
    log_sum_exp(&[0, 1, 2, 3, 4].map(arm)) - (4.0 * ARMS as f64).ln()
}

fn log_normal(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * TAU.ln()
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY { top } else { top + terms.iter().map(|t| (t - top).exp()).sum::<f64>().ln() }
}

/// log p(x) of an angle that is uniform between two on a circle about 0, with normal noise. With r the distance of x from 0 and d its
/// angle from a point of the circle of radius R,
///     |x - c|^2 = (r - R)^2 + 4 r R sin^2(d / 2),
/// whose second part is integrated over those angles that are not negligible beside the nearest.
fn log_arc(x: [f64; 2], [from, to]: [f64; 2], radius: f64, sd: f64) -> f64 {
    let (r, at) = (x[0].hypot(x[1]), x[1].atan2(x[0]));
    let sharpness = 2.0 * r * radius / (sd * sd);
    let turns = [at - TAU, at, at + TAU];
    let nearest = turns.iter().map(|at| (at - at.clamp(from, to)).abs()).fold(PI, f64::min);
    let least = (0.5 * nearest).sin().powi(2);
    let reach = 2.0 * (least + NEGLIGIBLE / sharpness).sqrt().min(1.0).asin();
    let integral = |at: &f64| {
        let (a, b) = ((at - reach).max(from), (at + reach).min(to));
        let value = |t: f64| (-sharpness * ((0.5 * (t - at)).sin().powi(2) - least)).exp();
        if a < b {
            nodes().iter().map(|[t, w]| 0.5 * (b - a) * w * value(a + 0.5 * (b - a) * (1.0 + t))).sum()
        } else {
            0.0
        }
    };
    // Very far away the angles that count are closer together than numbers of 64 bits.
    let sum = turns.iter().map(integral).sum::<f64>().max(f64::MIN_POSITIVE);
    -0.5 * ((r - radius) / sd).powi(2) - sharpness * least - (TAU * sd * sd * (to - from)).ln() + sum.ln()
}

/// log p(x) of both arms: t has density 2 t / T^2, which is that of a square root.
fn log_spiral(x: [f64; 2]) -> f64 {
    static ARM: OnceLock<Vec<[f64; 3]>> = OnceLock::new();
    let width = SPIRAL_END / PIECES as f64;
    let arm = ARM.get_or_init(|| {
        let of = |i: usize| {
            let [node, weight] = nodes()[i % NODES];
            let t = width * ((i / NODES) as f64 + 0.5 * (1.0 + node));
            let [x, y] = spiral(t);
            [x, y, 0.5 * width * weight * 2.0 * t / SPIRAL_END.powi(2)]
        };
        (0..PIECES * NODES).map(of).collect()
    });
    let distances =
        |sign: f64| arm.iter().map(move |c| ((x[0] - sign * c[0]).powi(2) + (x[1] - sign * c[1]).powi(2), c[2]));
    let least = distances(1.0).chain(distances(-1.0)).map(|(d, _)| d).fold(f64::INFINITY, f64::min);
    let steep = 0.5 / (SPIRAL_SD * SPIRAL_SD);
    let counts = distances(1.0).chain(distances(-1.0)).filter(|(d, _)| steep * (d - least) < NEGLIGIBLE);
    let sum: f64 = counts.map(|(d, w)| w * (-steep * (d - least)).exp()).sum();
    sum.ln() - steep * least - (2.0 * TAU * SPIRAL_SD * SPIRAL_SD).ln()
}

/// Places in [-1, 1] and weights of the Gauss-Legendre rule, by Newton's method on the Legendre polynomial.
fn nodes() -> &'static [[f64; 2]; NODES] {
    static RULE: OnceLock<[[f64; 2]; NODES]> = OnceLock::new();
    RULE.get_or_init(|| {
        std::array::from_fn(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (NODES as f64 + 0.5)).cos();
            let mut slope = 1.0;
            // From this start six steps are more than enough for 64 bits.
            for _ in 0..6 {
                let (mut before, mut p) = (1.0, x);
                for k in 2..=NODES {
                    let k = k as f64;
                    (before, p) = (p, ((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k);
                }
                slope = NODES as f64 * (x * p - before) / (x * x - 1.0);
                x -= p / slope;
            }
            [x, 2.0 / ((1.0 - x * x) * slope * slope)]
        })
    })
}
