//! Variational auto-encoder for binary images.
//!
//! Kingma & Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114: a latent z ~ N(0, I), a decoder p(x|z) of
//! independent Bernoullis, an encoder q(z|x) = N(mu, diag e^logvar); the bound is
//!     log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))                                     (eq. 3, reparameterised, eq. 10)
//! Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", arXiv:1509.00519: with w = p(x, z) / q(z|x),
//!     log p(x) >= E[log 1/k sum_i w_i] >= the bound above                                   (eq. 8)
//!
//! Names: B images, K importance samples of each, L latents, D = 784 pixels.

use crate::nn::{self, AdamW};
use crate::params::{Params, Spec};
use data::SIDE;
use graph::{Graph, Program, Tensor, Window};
use serde::{Deserialize, Serialize};

/// Number of pixels.
pub const D: usize = SIDE * SIDE;

/// Adam (Kingma & Ba 2014, arXiv:1412.6980): AdamW without decay.
pub const OPTIMISER: AdamW =
    AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, clip: None, average: None };

/// Sizes of the network.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// L, size of z.
    pub latents: usize,
    /// Width of the fully connected layers.
    pub hidden: usize,
    /// Channels of the 14 x 14 and 7 x 7 feature maps.
    pub channels: usize,
}

/// The parts of a bound on log p(x), each (B).
#[derive(Clone, Copy)]
pub struct Elbo<'g> {
    /// E_q[log p(x|z)], one sample.
    pub recon: Tensor<'g>,
    /// KL(q(z|x) || p(z)), in closed form.
    pub kl: Tensor<'g>,
}

/// The logarithms of the factors of an importance weight w = p(x|z) p(z) / q(z|x).
#[derive(Clone, Copy)]
pub struct LogWeight<'g> {
    /// log p(x_d|z) for every pixel d, (B K, D).
    pub pixels: Tensor<'g>,
    /// log p(z), (B K).
    pub prior: Tensor<'g>,
    /// log q(z|x), (B K).
    pub posterior: Tensor<'g>,
}

impl<'g> LogWeight<'g> {
    /// log p(x|z), (B K).
    pub fn recon(&self) -> Tensor<'g> {
        let rows = self.pixels.dim(0);
        self.pixels.sum(&[1]).reshape(&[rows])
    }

    /// log w, (B K).
    pub fn total(&self) -> Tensor<'g> {
        self.recon() + self.prior - self.posterior
    }
}

/// Mean and log variance of q(z|x), (B, L) each, for x (B, D).
pub fn encode<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
    let b = x.dim(0);
    let h = x.reshape(&[b, 1, SIDE, SIDE]);
    let h = nn::conv(p, "encoder.conv1", h, c.channels, 4, Window::new(2, 1)).silu(); // (B, C, 14, 14)
    let h = nn::conv(p, "encoder.conv2", h, c.channels, 4, Window::new(2, 1)).silu(); // (B, C, 7, 7)
    let h = nn::linear(p, "encoder.hidden", h.reshape(&[b, c.channels * 49]), c.hidden).silu(); // (B, hidden)
    let q = nn::linear(p, "encoder.posterior", h, 2 * c.latents); // (B, 2 L)
    (q.narrow(1, 0, c.latents), q.narrow(1, c.latents, c.latents))
}

/// Logits of p(x_d = 1|z), (B, D), for z (B, L).
pub fn decode<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>) -> Tensor<'g> {
    let b = z.dim(0);
    let h = nn::linear(p, "decoder.hidden1", z, c.hidden).silu(); // (B, hidden)
    let h = nn::linear(p, "decoder.hidden2", h, c.channels * 49).silu().reshape(&[b, c.channels, 7, 7]);
    let h = nn::conv(p, "decoder.conv1", h, 2 * c.channels, 3, Window::new(1, 1)).silu(); // (B, 2 C, 7, 7)
    let h = nn::pixel_shuffle(h, 2); // (B, C / 2, 14, 14)
    let h = nn::conv(p, "decoder.conv2", h, 4, 5, Window::new(1, 2)); // (B, 4, 14, 14)
    nn::pixel_shuffle(h, 2).reshape(&[b, D])
}

/// The bound's parts for x (B, D) and noise eps (B, L).
pub fn elbo<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>, eps: Tensor<'g>) -> Elbo<'g> {
    let b = x.dim(0);
    let (mu, logvar) = encode(p, c, x);
    let z = mu + (logvar * 0.5).exp() * eps;
    let recon = nn::bernoulli_log_prob(x, decode(p, c, z)).sum(&[1]).reshape(&[b]);
    Elbo { recon, kl: nn::normal_kl(mu, logvar).sum(&[1]).reshape(&[b]) }
}

/// K importance weights of each x for noise eps (B K, L); x (B, D) and q's parameters (B, L) are repeated K times.
pub fn log_weight<'g>(
    p: &Params<'g>,
    c: &Config,
    x: Tensor<'g>,
    (mu, logvar): (Tensor<'g>, Tensor<'g>),
    eps: Tensor<'g>,
) -> LogWeight<'g> {
    let (b, rows) = (x.dim(0), eps.dim(0));
    let repeat = |t: Tensor<'g>| {
        let n = t.dim(1);
        t.reshape(&[b, 1, n]).expand(&[b, rows / b, n]).reshape(&[rows, n])
    };
    let z = repeat(mu) + repeat((logvar * 0.5).exp()) * eps;
    let posterior = nn::standard_normal_log_prob(eps) - repeat(logvar) * 0.5;
    LogWeight {
        pixels: nn::bernoulli_log_prob(repeat(x), decode(p, c, z)),
        prior: nn::standard_normal_log_prob(z).sum(&[1]).reshape(&[rows]),
        posterior: posterior.sum(&[1]).reshape(&[rows]),
    }
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    elbo(&p, c, g.input("x", &[1, D]), g.input("eps", &[1, c.latents]));
    p.specs()
}

/// Samples: input `z` (n, L), output `mean` (n, D), the probabilities of the pixels.
pub fn sampler(c: &Config, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let mean = decode(&p, c, g.input("z", &[n, c.latents])).sigmoid();
    Program::new(&[("mean", mean)], &[])
}

/// The encoder: input `x` (n, D), outputs `mu` and `logvar` (n, L).
pub fn encoder(c: &Config, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (mu, logvar) = encode(&p, c, g.input("x", &[n, D]));
    Program::new(&[("mu", mu), ("logvar", logvar)], &[])
}

/// Importance weights of one image: inputs `x` (1, D), `mu` and `logvar` (1, L), `eps` (k, L); outputs `log_w` (k),
/// `recon` (k), and `pixels` (k, D) if wanted.
pub fn weigher(c: &Config, k: usize, pixels: bool) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let [mu, logvar] = ["mu", "logvar"].map(|name| g.input(name, &[1, c.latents]));
    let w = log_weight(&p, c, g.input("x", &[1, D]), (mu, logvar), g.input("eps", &[k, c.latents]));
    let mut outputs = vec![("log_w", w.total()), ("recon", w.recon())];
    if pixels {
        outputs.push(("pixels", w.pixels));
    }
    Program::new(&outputs, &[])
}

/// One step of [`OPTIMISER`] on the mean over `b` images of the bound with `k` importance samples: inputs `x` (b, D), `eps`
/// (b k, L), `rates` (4); output `bound` (), in nats; states: parameters and moments.
///
/// k = 1 takes the KL in closed form (Kingma & Welling's second estimator, eq. 7), k > 1 is Burda et al.'s eq. 8.
pub fn trainer(c: &Config, b: usize, k: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let x = g.input("x", &[b, D]);
    let eps = g.input("eps", &[b * k, c.latents]);
    let bound = if k == 1 {
        let Elbo { recon, kl } = elbo(&p, c, x, eps);
        recon - kl
    } else {
        let log_w = log_weight(&p, c, x, encode(&p, c, x), eps).total().reshape(&[b, k]);
        nn::log_sum_exp(log_w, 1).reshape(&[b]) - (k as f32).ln()
    };
    let bound = bound.mean(&[0]).reshape(&[]);
    let update = OPTIMISER.update(&p, -bound, g.input("rates", &[4]));
    Program::new(&[("bound", bound)], &update.states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_size_has_fewer_than_a_million_parameters() {
        let c = Config { latents: 32, hidden: 256, channels: 32 };
        let n: usize = specs(&c).iter().map(Spec::len).sum();
        assert!((500_000..1_000_000).contains(&n), "{n}");
    }
}
