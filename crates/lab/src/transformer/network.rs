//! The transformer over two tokens as graphs.

use super::Config;
use crate::train;
use graph::{Graph, Program, Tensor};
use models::Spec;
use models::nn;
use models::params::{Init, Params};
use std::f32::consts::PI;

/// Waves along an axis by which bins are told apart: neighbours are alike from the start, which a table of one row for each
/// bin would have to learn.
const WAVES: usize = 24;
/// First values of matrices.
const INIT: Init = Init::Deviation(0.1);

/// Cosines and sines of bins (B), numbers from 0: (B, 2 WAVES).
fn waves<'g>(c: &Config, bins: Tensor<'g>) -> Tensor<'g> {
    let n = bins.dim(0);
    let place = (bins.reshape(&[n, 1]) + 0.5) * (PI / c.bins as f32);
    let angle = place * (bins.graph().iota(1, &[n, WAVES]) + 1.0);
    nn::concat(&[angle.cos(), angle.sin()], 1)
}

/// A block (norms before attention and before the small network, as in GPT-2) on both tokens: (A, D), one row for each class, since
/// the first token sees nothing else, and (B, D), of the classes `class` (B). With two tokens causal attention is a choice between
/// two values, whose softmax is a sigmoid: small products of matrices, one for each point, would take ten times as long.
fn block<'g>(
    p: &Params<'g>,
    c: &Config,
    layer: usize,
    [start, seen]: [Tensor<'g>; 2],
    class: Option<Tensor<'g>>,
) -> [Tensor<'g>; 2] {
    let (d, part) = (c.width, |part: &str| format!("blocks.{layer}.{part}"));
    let heads = (1..=c.heads).rev().find(|heads| d.is_multiple_of(*heads)).unwrap_or(1);
    let b = seen.dim(0);
    let qkv = |x| nn::linear_with(p, &part("attention.qkv"), nn::layer_norm(p, &part("norm1"), x), 3 * d, INIT);
    let (first, second) = (qkv(start), qkv(seen));
    let at = |x: Tensor<'g>, i: usize| x.narrow(1, i * d, d);
    let split = |x: Tensor<'g>| x.reshape(&[b, heads, d / heads]);
    let of_class = |x: Tensor<'g>| split(class.map_or_else(|| x.expand(&[b, d]), |class| x.gather(0, class)));
    let [q, k1, v1] = [0, 1, 2].map(|i| split(at(second, i)));
    let [k0, v0] = [1, 2].map(|i| of_class(at(first, i)));
    let more = (q * (k1 - k0)).sum(&[2]) * (1.0 / ((d / heads) as f32).sqrt());
    let chosen = (v0 + more.sigmoid() * (v1 - v0)).reshape(&[b, d]);
    let last = Init::Deviation(0.1 / (2.0 * c.layers as f32).sqrt());
    let end = |x: Tensor<'g>, h: Tensor<'g>| {
        let x = x + nn::linear_with(p, &part("attention.out"), h, d, last);
        let h = nn::linear_with(p, &part("mlp.up"), nn::layer_norm(p, &part("norm2"), x), 4 * d, INIT);
        x + nn::linear_with(p, &part("mlp.down"), nn::gelu(h), d, last)
    };
    [end(start, at(first, 2)), end(seen, chosen)]
}

/// Logits of both coordinates, (B, bins) each, for the bins of the first one (B): the second knows the first, and both the
/// class (B).
fn logits<'g>(
    p: &Params<'g>,
    c: &Config,
    first: Tensor<'g>,
    class: Option<Tensor<'g>>,
    classes: usize,
) -> [Tensor<'g>; 2] {
    let (b, d) = (first.dim(0), c.width);
    let start = p.get("start.weight", &[classes + 1, d], Init::Deviation(1.0));
    let seen = nn::linear_with(p, "tokens", waves(c, first), d, Init::Deviation(0.2));
    let h = (0..c.layers).fold([start, seen], |h, layer| block(p, c, layer, h, class));
    let all = waves(c, first.graph().iota(0, &[c.bins]));
    let of = |i: usize| {
        let table = nn::linear_with(p, &format!("head.{i}"), all, d, Init::Deviation(0.05)); // (bins, D)
        nn::layer_norm(p, "norm", h[i]).dot(table.t())
    };
    let start = of(0); // (A, bins)
    [class.map_or_else(|| start.expand(&[b, c.bins]), |class| start.gather(0, class)), of(1)]
}

/// All parameters.
pub(super) fn specs(c: &Config, classes: usize) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    logits(&p, c, g.input("bin", &[1]), train::class(&g, classes, 1), classes);
    p.specs()
}

/// Inputs `bin` (n), of the first coordinate, and `class` (n); outputs `first` and `second` (n, bins), logits.
pub(super) fn table(c: &Config, classes: usize, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let [first, second] = logits(&p, c, g.input("bin", &[n]), train::class(&g, classes, n), classes);
    Program::new(&[("first", first), ("second", second)], &[])
}

/// What the network is to say of places (B, 1), in bins: all in the bin, or spread over its neighbours, (B, bins).
fn targets<'g>(c: &Config, place: Tensor<'g>) -> Tensor<'g> {
    let n = place.dim(0);
    let off = place.graph().iota(1, &[n, c.bins]) + 0.5 - place;
    if c.smoothing < 0.05 {
        // The bin whose middle is within half a bin.
        let end = |v| place.graph().scalar(v);
        return end(-0.5).lt(off) * off.le(end(0.5));
    }
    let scale = -0.5 / (c.smoothing * c.smoothing) as f32;
    nn::softmax(off.square() * scale, 1)
}

/// One step: inputs `place` (b, 2), points in bins from the lower end, `bin` (b), what the second token is told of the
/// first coordinate, `class` (b) and
/// `rates` (4); outputs `loss`, `first` and `second` (), minus the mean log density in nats, in all and of each coordinate.
pub(super) fn trainer(c: &Config, classes: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let place = g.input("place", &[c.batch, 2]);
    let logits = logits(&p, c, g.input("bin", &[c.batch]), train::class(&g, classes, c.batch), classes);
    let [first, second] = [0, 1].map(|i| {
        let wanted = targets(c, place.narrow(1, i, 1));
        let nats = (wanted * nn::log_softmax(logits[i], 1)).sum_all() * (-1.0 / c.batch as f32);
        nats + (super::width(c) as f32).ln()
    });
    let loss = first + second;
    let update = train::adamw(c.average).update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("first", first), ("second", second)], &update.states)
}
