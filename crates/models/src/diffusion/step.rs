//! The steps of samplers, from time t to time s < t, as linear combinations of what the network says.
//!
//! With theta = pi t / 2, alpha = cos theta and sigma = sin theta, the probability-flow ODE (Song et al. 2021, arXiv:2011.13456,
//! eq. 13) of z = alpha x + sigma eps is dz / dtheta = v: the velocity alpha eps - sigma x that the network predicts.

use std::f64::consts::FRAC_PI_2;

/// How much of picture and of noise there is at a time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Level {
    /// theta = pi t / 2.
    pub angle: f64,
    /// Factor of the picture.
    pub alpha: f64,
    /// Standard deviation of the noise.
    pub sigma: f64,
}

impl Level {
    /// Of time `t` in \[0, 1\].
    pub fn at(t: f64) -> Level {
        let angle = FRAC_PI_2 * t;
        Level { angle, alpha: angle.cos(), sigma: angle.sin() }
    }

    /// ln(alpha / sigma), half of the log signal-to-noise ratio.
    fn lambda(self) -> f64 {
        (self.alpha / self.sigma).ln()
    }
}

/// What the network says of z at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// The time.
    pub level: Level,
    /// The picture in it, each value within \[-1, 1\] if that is wanted.
    pub x: Vec<f32>,
    /// The noise in it: z = alpha x + sigma eps.
    pub eps: Vec<f32>,
}

impl Prediction {
    /// From the velocity `v` that the network predicts for `z`. A picture that is put back within its range (Saharia et al.
    /// 2022, arXiv:2205.11487, section 2.3, "static thresholding") changes the noise with it.
    pub fn new(z: &[f32], v: &[f32], level: Level, clip: bool) -> Prediction {
        let Level { alpha, sigma, .. } = level;
        let mut x = sum(&[(alpha, z), (-sigma, v)]);
        if clip && sigma > 0.0 {
            x.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
            let eps = sum(&[(1.0 / sigma, z), (-alpha / sigma, &x)]);
            return Prediction { level, x, eps };
        }
        Prediction { level, x, eps: sum(&[(sigma, z), (alpha, v)]) }
    }

    /// alpha eps - sigma x.
    pub fn velocity(&self) -> Vec<f32> {
        sum(&[(self.level.alpha, &self.eps), (-self.level.sigma, &self.x)])
    }
}

/// The sum of vectors, each times its factor.
pub fn sum(parts: &[(f64, &[f32])]) -> Vec<f32> {
    let mut total = vec![0f32; parts.first().map_or(0, |(_, x)| x.len())];
    for (factor, x) in parts {
        let factor = *factor as f32;
        total.iter_mut().zip(*x).for_each(|(sum, x)| *sum += factor * x);
    }
    total
}

/// DDIM (Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 12 with the deviation of eq. 16). `eta` 0 takes no noise; 1 is the
/// ancestral sampler of DDPM (Ho et al. 2020, arXiv:2006.11239, algorithm 2, with the posterior's variance of eq. 7).
pub fn ddim(p: &Prediction, s: Level, eta: f64, noise: &[f32]) -> Vec<f32> {
    let [kept, fresh] = ddim_factors(p.level, s, eta);
    if fresh > 0.0 {
        sum(&[(s.alpha, &p.x), (kept, &p.eps), (fresh, noise)])
    } else {
        sum(&[(s.alpha, &p.x), (s.sigma, &p.eps)])
    }
}

/// Factors of the noise that [`ddim`] keeps on its way from t to s, and of the noise that it adds.
pub fn ddim_factors(t: Level, s: Level, eta: f64) -> [f64; 2] {
    let fresh = eta * (s.sigma / t.sigma) * (1.0 - (t.alpha / s.alpha).powi(2)).max(0.0).sqrt();
    [(s.sigma * s.sigma - fresh * fresh).max(0.0).sqrt(), fresh]
}

/// Euler's step along the probability-flow ODE, and Heun's for another prediction `end` at where Euler's ends (Karras et al.
/// 2022, arXiv:2206.00364, algorithm 1, lines 5 and 8).
pub fn ode(z: &[f32], p: &Prediction, s: Level, end: Option<&Prediction>) -> Vec<f32> {
    let (by, v) = (s.angle - p.level.angle, p.velocity());
    match end {
        None => sum(&[(1.0, z), (by, &v)]),
        Some(end) => sum(&[(1.0, z), (0.5 * by, &v), (0.5 * by, &end.velocity())]),
    }
}

/// DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2), whose first step, without a prediction `last` of the
/// step before, is of first order.
pub fn dpm_solver_pp_2m(z: &[f32], p: &Prediction, s: Level, last: Option<&Prediction>) -> Vec<f32> {
    let t = p.level;
    let h = s.lambda() - t.lambda();
    let factor = -s.alpha * (-h).exp_m1();
    let ratio = s.sigma / t.sigma;
    match last {
        None => sum(&[(ratio, z), (factor, &p.x)]),
        Some(last) => {
            let r = (t.lambda() - last.level.lambda()) / h;
            let ahead = 0.5 / r;
            sum(&[(ratio, z), (factor * (1.0 + ahead), &p.x), (-factor * ahead, &last.x)])
        }
    }
}

/// Noise put back from time s to time t > s, a draw of q(z_t | z_s).
pub fn back(z: &[f32], s: Level, t: Level, noise: &[f32]) -> Vec<f32> {
    let kept = t.alpha / s.alpha;
    let fresh = (t.sigma * t.sigma - (kept * s.sigma).powi(2)).max(0.0).sqrt();
    sum(&[(kept, z), (fresh, noise)])
}
