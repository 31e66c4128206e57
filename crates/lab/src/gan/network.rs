//! The generator, the discriminator and a step of both as graphs.

use super::{Config, Loss};
use crate::{mlp, train};
use graph::{Graph, Program, Tensor, grad};
use models::nn::AdamW;
use models::params::{Init, Params};
use models::{Spec, gan, nn};

/// L, the latents.
pub(super) const L: usize = 2;

/// G(z, y), (B, 2).
fn generate<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>, class: Option<Tensor<'g>>, classes: usize) -> Tensor<'g> {
    let given = mlp::label(p, "generator", class, classes, c.width);
    nn::linear(p, "generator.out", mlp::hidden(p, "generator", z, given, [c.layers, c.width]), 2)
}

/// D(x, y), (B): a logit, larger for points of the data.
fn discriminate<'g>(
    p: &Params<'g>,
    c: &Config,
    x: Tensor<'g>,
    class: Option<Tensor<'g>>,
    classes: usize,
) -> Tensor<'g> {
    let given = mlp::label(p, "discriminator", class, classes, c.width);
    let h = mlp::hidden(p, "discriminator", x, given, [c.layers, c.width]);
    nn::linear_with(p, "discriminator.logit", h, 1, Init::Deviation(0.02)).reshape(&[x.dim(0)])
}

/// All parameters, those of the generator first.
pub(super) fn specs(c: &Config, classes: usize) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    let class = train::class(&g, classes, 1);
    discriminate(&p, c, generate(&p, c, g.input("z", &[1, L]), class, classes), class, classes);
    p.specs()
}

/// Inputs `z` (n, L) and `class` (n); output `x` (n, 2).
pub(super) fn generator(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let x = generate(&Params::new(&g), c, g.input("z", &[n, L]), train::class(&g, classes, n), classes);
    Program::new(&[("x", x)], &[])
}

/// Inputs `x` (n, 2) and `class` (n); outputs `logit` (n) and its gradient `slope` (n, 2).
pub(super) fn discriminator(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let x = g.input("x", &[n, 2]);
    let logit = discriminate(&Params::new(&g), c, x, train::class(&g, classes, n), classes);
    Program::new(&[("logit", logit), ("slope", grad(logit.sum_all(), &[x])[0])], &[])
}

/// What the optimiser of both networks keeps; the generator alone is averaged.
pub(super) fn optimiser(average: f64) -> AdamW {
    AdamW { beta1: 0.0, beta2: 0.99, weight_decay: 0.0, average: Some(average as f32), ..AdamW::default() }
}

/// Mean of ln(1 + e^t) over the batch, ().
fn cost(t: Tensor<'_>) -> Tensor<'_> {
    t.softplus().mean(&[0]).reshape(&[])
}

/// States that change where `moves` () is 1, and stay where it is 0.
fn if_moves<'g>(
    states: Vec<(Tensor<'g>, Tensor<'g>)>,
    moves: Tensor<'g>,
) -> impl Iterator<Item = (Tensor<'g>, Tensor<'g>)> {
    states.into_iter().map(move |(state, next)| (state, state + moves * (next - state)))
}

/// One step: inputs `x` (b, 2), `z` (b, L), `class` (b), which of the networks moves as `turn` (2), 1 or 0, discriminator first, and the
/// rates of each, `discriminator.rates` and `generator.rates` (4); outputs `loss`, the discriminator's, `generator`, its own,
/// and the `penalty` on the slopes of the discriminator, each ().
pub(super) fn trainer(c: &Config, classes: usize) -> Program {
    let g = Graph::new();
    let (theta, psi) = (Params::new(&g), Params::new(&g));
    let (x, z, class) = (g.input("x", &[c.batch, 2]), g.input("z", &[c.batch, L]), train::class(&g, classes, c.batch));
    let fake = generate(&theta, c, z, class, classes);
    let [(real, r1), (drawn, r2)] = [x, fake].map(|x| gan::judge(|x| discriminate(&psi, c, x, class, classes), x));
    let (loss, generator) = match c.loss {
        Loss::Relativistic => (cost(drawn - real), cost(real - drawn)),
        Loss::NonSaturating => (cost(-real) + cost(drawn), cost(-drawn)),
    };
    let penalty = 0.5 * c.gamma as f32 * (r1 + r2);
    let turn = g.input("turn", &[2]);
    let averaged = optimiser(c.average);
    let plain = AdamW { average: None, ..averaged };
    let [theta_moves, psi_moves] = [1, 0].map(|player| turn.narrow(0, player, 1).reshape(&[]));
    let rates = |player: &str| g.input(&format!("{player}.rates"), &[4]);
    let theta = averaged.update(&theta, generator, rates("generator")).states;
    let psi = plain.update(&psi, loss + penalty, rates("discriminator")).states;
    let states: Vec<_> = if_moves(theta, theta_moves).chain(if_moves(psi, psi_moves)).collect();
    Program::new(&[("loss", loss), ("generator", generator), ("penalty", penalty)], &states)
}
