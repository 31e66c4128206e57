//! The encoder, the decoder and the bound as graphs.

use super::Config;
use crate::mlp;
use crate::train;
use graph::{Graph, Program, Tensor};
use models::nn;
use models::params::{Init, Params};
use models::{Spec, vae};

/// L, the latents.
pub(super) const L: usize = 2;

/// Least s, in standard deviations of the data: a decoder that draws a line through every point has no likelihood.
const FLOOR: f32 = 0.02;
/// ln s is this many times its parameter, so that it learns at the pace of the rest, and starts at [`START`].
const PACE: f32 = 4.0;
const START: f32 = -1.0;

/// s of the parameter `decoder.log_s`.
pub(super) fn scale(parameter: f32) -> f64 {
    f64::from(FLOOR).hypot(f64::from(PACE * parameter + START).exp())
}

/// Mean and log variance of q(z|x, class), (B, L) each.
fn encode<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>, class: Option<Tensor<'g>>, classes: usize) -> [Tensor<'g>; 2] {
    let given = mlp::label(p, "encoder", class, classes, c.width);
    let h = mlp::hidden(p, "encoder", x, given, [c.layers, c.width]);
    let q = nn::linear_with(p, "encoder.posterior", h, 2 * L, Init::Deviation(0.02));
    [q.narrow(1, 0, L), q.narrow(1, L, L)]
}

/// Mean of p(x|z, class), (B, 2).
fn decode<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>, class: Option<Tensor<'g>>, classes: usize) -> Tensor<'g> {
    let given = mlp::label(p, "decoder", class, classes, c.width);
    nn::linear(p, "decoder.mean", mlp::hidden(p, "decoder", z, given, [c.layers, c.width]), 2)
}

/// s^2, (1).
fn variance<'g>(p: &Params<'g>) -> Tensor<'g> {
    let log_s = p.get("decoder.log_s", &[1], Init::Zeros) * PACE + START;
    (log_s * 2.0).exp() + FLOOR * FLOOR
}

/// log N(x; mean, s^2 I), (B).
fn log_prob<'g>(p: &Params<'g>, x: Tensor<'g>, mean: Tensor<'g>) -> Tensor<'g> {
    let (b, variance) = (x.dim(0), variance(p));
    let misfit = (x - mean).square().sum(&[1]).reshape(&[b]);
    -0.5 * (misfit / variance) - variance.ln() - 2.0 * nn::HALF_LN_TAU
}

/// The parts of the bound on log p(x), each (B): log p(x|z) at z = mu + sd eps, and KL(q(z|x) || p(z)).
fn elbo<'g>(p: &Params<'g>, c: &Config, classes: usize, x: Tensor<'g>, eps: Tensor<'g>) -> vae::Elbo<'g> {
    let b = x.dim(0);
    let class = train::class(x.graph(), classes, b);
    let [mu, logvar] = encode(p, c, x, class, classes);
    let z = mu + (logvar * 0.5).exp() * eps;
    let recon = log_prob(p, x, decode(p, c, z, class, classes));
    vae::Elbo { recon, kl: nn::normal_kl(mu, logvar).sum(&[1]).reshape(&[b]) }
}

/// log p(x, z) - log q(z|x) for k samples of each x, (B, k); eps is (B k, L).
fn log_weight<'g>(p: &Params<'g>, c: &Config, classes: usize, x: Tensor<'g>, eps: Tensor<'g>) -> Tensor<'g> {
    let (b, rows) = (x.dim(0), eps.dim(0));
    let class = train::class(x.graph(), classes, b);
    let repeat = |t: Tensor<'g>| {
        let n = t.dim(1);
        t.reshape(&[b, 1, n]).expand(&[b, rows / b, n]).reshape(&[rows, n])
    };
    let [mu, logvar] = encode(p, c, x, class, classes).map(repeat);
    let z = mu + (logvar * 0.5).exp() * eps;
    let class = class.map(|class| repeat(class.reshape(&[b, 1])).reshape(&[rows]));
    let recon = log_prob(p, repeat(x), decode(p, c, z, class, classes));
    let prior = nn::standard_normal_log_prob(z);
    let posterior = nn::standard_normal_log_prob(eps) - logvar * 0.5;
    (recon + (prior - posterior).sum(&[1]).reshape(&[rows])).reshape(&[b, rows / b])
}

/// All parameters.
pub(super) fn specs(c: &Config, classes: usize) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    elbo(&p, c, classes, g.input("x", &[1, 2]), g.input("eps", &[1, L]));
    p.specs()
}

/// Inputs `z` (n, L) and `class` (n); output `mean` (n, 2).
pub(super) fn decoder(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let mean = decode(&Params::new(&g), c, g.input("z", &[n, L]), train::class(&g, classes, n), classes);
    Program::new(&[("mean", mean)], &[])
}

/// Inputs `x` (n, 2) and `class` (n); outputs `mu` and `logvar` (n, L).
pub(super) fn encoder(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let [mu, logvar] = encode(&Params::new(&g), c, g.input("x", &[n, 2]), train::class(&g, classes, n), classes);
    Program::new(&[("mu", mu), ("logvar", logvar)], &[])
}

/// Over the batch, ().
fn mean(t: Tensor<'_>) -> Tensor<'_> {
    t.mean(&[0]).reshape(&[])
}

/// One step: inputs `x` (b, 2), `class` (b), `eps` (b k, L) and `rates` (4); outputs `loss`, and with one sample `recon` and
/// `kl`, each ().
pub(super) fn trainer(c: &Config, classes: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (x, eps) = (g.input("x", &[c.batch, 2]), g.input("eps", &[c.batch * c.k, L]));
    let (loss, mut outputs) = if c.k == 1 {
        let bound = elbo(&p, c, classes, x, eps);
        let (recon, kl) = (mean(bound.recon), mean(bound.kl));
        (kl * c.beta as f32 - recon, vec![("recon", -recon), ("kl", kl)])
    } else {
        let log_w = log_weight(&p, c, classes, x, eps);
        (-mean(nn::log_sum_exp(log_w, 1).reshape(&[c.batch]) - (c.k as f32).ln()), Vec::new())
    };
    outputs.push(("loss", loss));
    let update = train::adamw(c.average).update(&p, loss, g.input("rates", &[4]));
    Program::new(&outputs, &update.states)
}
