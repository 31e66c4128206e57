//! The velocity as a graph, and steps along it.

use super::Config;
use crate::{mlp, train};
use graph::{Graph, Program, Tensor, vjp};
use models::params::{Init, Params};
use models::{Spec, nn};
use std::f32::consts::PI;

/// Waves of the time.
const WAVES: usize = 6;
/// What the network makes of the time.
const TIME: usize = 32;

/// The velocity v of z (B, 2) at times (B) or (1), of classes (B) or (1): (B, 2).
fn velocity<'g>(
    p: &Params<'g>,
    c: &Config,
    z: Tensor<'g>,
    time: Tensor<'g>,
    class: Option<Tensor<'g>>,
    classes: usize,
) -> Tensor<'g> {
    let n = time.dim(0);
    let time = time.reshape(&[n, 1]);
    let angle = time * (time.graph().iota(1, &[n, WAVES]) + 1.0) * PI;
    // The logarithm tells little noise from less.
    let seen = nn::concat(&[angle.cos(), angle.sin(), (time + 0.01).ln() * 0.5], 1);
    let seen = mlp::spread(p, "time", seen, TIME).silu();
    let given = mlp::label(p, "velocity", class, classes, c.width);
    let part = |layer: usize| nn::linear(p, &format!("velocity.time.{layer}"), seen, c.width);
    let first = mlp::spread(p, "velocity.0", z, c.width) + part(0);
    let first = given.map_or(first, |given| first + given).silu();
    let h = (1..c.layers)
        .fold(first, |h, layer| (nn::linear(p, &format!("velocity.{layer}"), h, c.width) + part(layer)).silu());
    nn::linear_with(p, "velocity.out", h, 2, Init::Deviation(0.02))
}

/// All parameters.
pub(super) fn specs(c: &Config, classes: usize) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    velocity(&p, c, g.input("z", &[1, 2]), g.input("time", &[1]), train::class(&g, classes, 1), classes);
    p.specs()
}

/// One step: inputs `z` (b, 2), `wanted` (b, 2), its velocity, `time` (b), `class` (b) and `rates` (4); output `loss`, the mean
/// squared error of the velocity.
pub(super) fn trainer(c: &Config, classes: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let [z, wanted] = ["z", "wanted"].map(|name| g.input(name, &[c.batch, 2]));
    let v = velocity(&p, c, z, g.input("time", &[c.batch]), train::class(&g, classes, c.batch), classes);
    let loss = nn::mean_squared_error(v, wanted);
    let update = train::adamw(c.average).update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss)], &update.states)
}

/// Inputs `z` (n, 2), `time` (1) and `class` (1); output `v` (n, 2).
pub(super) fn field(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let v = velocity(&p, c, g.input("z", &[n, 2]), g.input("time", &[1]), train::class(&g, classes, 1), classes);
    Program::new(&[("v", v)], &[])
}

/// A step of the classical method of Runge and Kutta along dz/dt: state `z` (n, 2); inputs `time` (1), where the step starts,
/// `by` (1), how far it goes, and of data with classes `class` (1) and `guidance` (1), which weighs the class against none (Ho &
/// Salimans 2022, arXiv:2207.12598).
pub(super) fn advance(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let z = g.input("z", &[n, 2]);
    let slope = |z, time| match train::class(&g, classes, 1) {
        None => velocity(&p, c, z, time, None, classes),
        Some(class) => {
            let [of, none] = [class, g.full(classes as f32, &[1])].map(|k| velocity(&p, c, z, time, Some(k), classes));
            none + g.input("guidance", &[1]) * (of - none)
        }
    };
    let next = runge_kutta(c, z, |z, time| (slope(z, time), ())).0;
    Program::new(&[("at", next)], &[(z, next)])
}

/// [`advance`] without guidance, with the integral of the divergence: states `z` (n, 2) and `integral` (n).
pub(super) fn advance_density(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (z, integral) = (g.input("z", &[n, 2]), g.input("integral", &[n]));
    let axis = |i: usize| g.iota(1, &[n, 2]).eq(g.scalar(i as f32));
    let (next, slopes) = runge_kutta(c, z, |z, time| {
        let v = velocity(&p, c, z, time, train::class(&g, classes, 1), classes);
        let part = |i: usize| vjp(v, axis(i), &[z])[0].narrow(1, i, 1);
        (v, (part(0) + part(1)).reshape(&[n]))
    });
    let by = g.input("by", &[1]) * (c.path.speed() / 6.0) as f32;
    let next_integral = integral + by * (slopes[0] + 2.0 * (slopes[1] + slopes[2]) + slopes[3]);
    Program::new(&[("at", next), ("so far", next_integral)], &[(z, next), (integral, next_integral)])
}

/// z a step further on, and what else the four slopes came with.
fn runge_kutta<'g, T>(
    c: &Config,
    z: Tensor<'g>,
    slope: impl Fn(Tensor<'g>, Tensor<'g>) -> (Tensor<'g>, T),
) -> (Tensor<'g>, [T; 4]) {
    let g = z.graph();
    let (time, by) = (g.input("time", &[1]), g.input("by", &[1]));
    let step = by * c.path.speed() as f32;
    let (k1, a) = slope(z, time);
    let (k2, b) = slope(z + 0.5 * step * k1, time + 0.5 * by);
    let (k3, c) = slope(z + 0.5 * step * k2, time + 0.5 * by);
    let (k4, d) = slope(z + step * k3, time + by);
    (z + step * (1.0 / 6.0) * (k1 + 2.0 * (k2 + k3) + k4), [a, b, c, d])
}
