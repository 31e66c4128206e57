//! Models whose log p(x) is known without sampling.

use likelihood::latent::{Latent, Normal, Values};
use std::convert::Infallible;
use std::f64::consts::TAU;

/// x = W z + sigma e: probabilistic PCA (Tipping & Bishop 1999).
pub(crate) struct Linear {
    /// (D, L).
    pub(crate) w: Vec<f64>,
    pub(crate) variance: f64,
    pub(crate) x: Vec<f64>,
    pub(crate) latents: usize,
}

impl Linear {
    /// W of independent normal numbers, and no x yet.
    pub(crate) fn random(dims: usize, latents: usize, variance: f64, seed: u64) -> Linear {
        let w = normals(dims * latents, &mut data::rng::Rng::new(seed, 100));
        Linear { w, variance, x: vec![0.0; dims], latents }
    }

    pub(crate) fn mean(&self, z: &[f64]) -> Vec<f64> {
        self.w.chunks(self.latents).map(|row| row.iter().zip(z).map(|(w, z)| w * z).sum()).collect()
    }

    /// Draws z, and x for it.
    pub(crate) fn simulate(&mut self, noise: &mut data::rng::Rng) -> Vec<f64> {
        let z = normals(self.latents, noise);
        let e = normals(self.x.len(), noise);
        self.x = self.mean(&z).iter().zip(e).map(|(m, e)| m + self.variance.sqrt() * e).collect();
        z
    }

    /// log N(x; 0, W W^T + sigma^2 I), the likelihood to the power beta in its place for `log_z`.
    pub(crate) fn log_p(&self) -> f64 {
        let (d, l) = (self.x.len(), self.latents);
        let entry = |i: usize, j: usize| {
            let dot: f64 = (0..l).map(|k| self.w[i * l + k] * self.w[j * l + k]).sum();
            dot + if i == j { self.variance } else { 0.0 }
        };
        let (log_det, squared) = solve(&(0..d * d).map(|n| entry(n / d, n % d)).collect::<Vec<f64>>(), &self.x);
        -0.5 * (d as f64 * TAU.ln() + log_det + squared)
    }

    /// log int p(x|z)^beta p(z) dz.
    pub(crate) fn log_z(&self, beta: f64) -> f64 {
        let d = self.x.len() as f64;
        // p(x|z)^beta is a Gaussian of variance sigma^2 / beta but for its normalisation.
        let flat = Linear { w: self.w.clone(), x: self.x.clone(), variance: self.variance / beta, ..*self };
        flat.log_p() + 0.5 * d * ((TAU * flat.variance).ln() - beta * (TAU * self.variance).ln())
    }

    /// W^T W, (L, L).
    pub(crate) fn gram(&self) -> Vec<f64> {
        let l = self.latents;
        let column = |k: usize| self.w.iter().skip(k).step_by(l);
        (0..l * l).map(|n| column(n / l).zip(column(n % l)).map(|(a, b)| a * b).sum()).collect()
    }

    /// p(z|x).
    pub(crate) fn posterior(&self) -> Normal {
        self.posterior_stretched(1.0)
    }

    /// p(z|x) with its deviations times `by`.
    pub(crate) fn posterior_stretched(&self, by: f64) -> Normal {
        let l = self.latents;
        let unit = |n: usize| if n / l == n % l { 1.0 } else { 0.0 };
        let gram = self.gram();
        let precision = |by: f64| -> Vec<f64> {
            gram.iter().enumerate().map(|(n, g)| (g / self.variance + unit(n)) / (by * by)).collect()
        };
        let pull: Vec<f64> = (0..l)
            .map(|k| self.w.iter().skip(k).step_by(l).zip(&self.x).map(|(w, x)| w * x).sum::<f64>() / self.variance)
            .collect();
        let zero = vec![0.0; l];
        let mean = Normal::from_precision(&zero, &precision(1.0)).covariance_times(&pull);
        Normal::from_precision(&mean, &precision(by))
    }
}

impl Latent for Linear {
    type Error = Infallible;

    fn latents(&self) -> usize {
        self.latents
    }

    fn dims(&self) -> usize {
        self.x.len()
    }

    fn batch(&self) -> usize {
        100
    }

    async fn evaluate(&mut self, z: &[f64], gradient: bool) -> Result<Values, Infallible> {
        let mut all = Values::default();
        for z in z.chunks(self.latents) {
            let off: Vec<f64> = self.x.iter().zip(self.mean(z)).map(|(x, m)| x - m).collect();
            let log_norm = 0.5 * off.len() as f64 * (TAU * self.variance).ln();
            all.log_p.push(-0.5 * off.iter().map(|o| o * o).sum::<f64>() / self.variance - log_norm);
            if gradient {
                let column = |k: usize| self.w.iter().skip(k).step_by(self.latents);
                let pull = |k: usize| column(k).zip(&off).map(|(w, o)| w * o).sum::<f64>() / self.variance;
                all.grad.extend((0..self.latents).map(pull));
            }
        }
        Ok(all)
    }
}

/// How x is spread around its mean or logit m.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Noise {
    /// N(m, 0.3^2).
    Gaussian,
    /// 1 with probability sigmoid(m).
    Bernoulli,
    /// A logistic variable of scale 0.1 in bins of 2 / 255.
    Logistic,
}

impl Noise {
    fn log_p(self, x: f64, m: f64) -> f64 {
        let sigmoid = |u: f64| 1.0 / (1.0 + (-u).exp());
        match self {
            Noise::Gaussian => -0.5 * ((x - m) / 0.3).powi(2) - 0.5 * (TAU * 0.09).ln(),
            Noise::Bernoulli => -((1.0 - 2.0 * x) * m).exp().ln_1p(),
            Noise::Logistic => {
                let at = |edge: f64| sigmoid((x + edge / 255.0 - m) / 0.1);
                (at(1.0) - at(-1.0)).ln()
            }
        }
    }

    /// d log p / d m.
    fn slope(self, x: f64, m: f64) -> f64 {
        let sigmoid = |u: f64| 1.0 / (1.0 + (-u).exp());
        match self {
            Noise::Gaussian => (x - m) / 0.09,
            Noise::Bernoulli => x - sigmoid(m),
            // With s(u) - s(l) for the probability: -(s'(u) - s'(l)) / (s(u) - s(l)) = (s(u) + s(l) - 1) in units of
            // the scale.
            Noise::Logistic => {
                let at = |edge: f64| sigmoid((x + edge / 255.0 - m) / 0.1);
                (at(1.0) + at(-1.0) - 1.0) / 0.1
            }
        }
    }
}

/// m_d = a_d tanh(b_d z + c_d) of one latent.
pub(crate) struct Curve {
    pub(crate) noise: Noise,
    pub(crate) x: Vec<f64>,
}

impl Curve {
    /// (m, dm/dz) of value `d`.
    fn at(d: usize, z: f64) -> (f64, f64) {
        let [a, b, c] = [0.8 - 0.2 * d as f64, 1.5 + 0.3 * d as f64, 0.4 * d as f64 - 0.6];
        let tanh = (b * z + c).tanh();
        (a * tanh, a * b * (1.0 - tanh * tanh))
    }

    /// log p(x) by the trapezoidal rule with `n` nodes.
    pub(crate) fn quadrature(&self, n: usize) -> f64 {
        let width = 24.0 / (n - 1) as f64;
        let terms: Vec<f64> = (0..n)
            .map(|i| {
                let z = -12.0 + width * i as f64;
                let terms = self.x.iter().enumerate().map(|(d, &x)| self.noise.log_p(x, Curve::at(d, z).0));
                terms.sum::<f64>() - 0.5 * (z * z + TAU.ln()) + width.ln()
            })
            .collect();
        likelihood::log_sum_exp(&terms)
    }
}

impl Latent for Curve {
    type Error = Infallible;

    fn latents(&self) -> usize {
        1
    }

    fn dims(&self) -> usize {
        self.x.len()
    }

    fn batch(&self) -> usize {
        100
    }

    async fn evaluate(&mut self, z: &[f64], _: bool) -> Result<Values, Infallible> {
        let sum = |f: &dyn Fn(f64, f64, f64) -> f64| -> Vec<f64> {
            let of = |z: &f64| {
                let terms = self.x.iter().enumerate().map(|(d, &x)| {
                    let (m, slope) = Curve::at(d, *z);
                    f(x, m, slope)
                });
                terms.sum()
            };
            z.iter().map(of).collect()
        };
        let log_p = sum(&|x, m, _| self.noise.log_p(x, m));
        Ok(Values { log_p, grad: sum(&|x, m, slope| self.noise.slope(x, m) * slope) })
    }
}

pub(crate) fn normals(n: usize, noise: &mut data::rng::Rng) -> Vec<f64> {
    let mut values = vec![0f32; n];
    noise.fill_normal(&mut values);
    values.into_iter().map(f64::from).collect()
}

/// ln det A and b^T A^-1 b of a positive definite A (n, n), by Cholesky.
pub(crate) fn solve(a: &[f64], b: &[f64]) -> (f64, f64) {
    let n = b.len();
    let (mut c, mut y) = (vec![0.0; n * n], vec![0.0; n]);
    for i in 0..n {
        for j in 0..=i {
            let rest = a[i * n + j] - (0..j).map(|k| c[i * n + k] * c[j * n + k]).sum::<f64>();
            c[i * n + j] = if i == j { rest.sqrt() } else { rest / c[j * n + j] };
        }
        y[i] = (b[i] - (0..i).map(|k| c[i * n + k] * y[k]).sum::<f64>()) / c[i * n + i];
    }
    ((0..n).map(|i| 2.0 * c[i * n + i].ln()).sum(), y.iter().map(|y| y * y).sum())
}
