//! Classifier of images, the judge of samples: whether a sample shows what was asked for, and the features in which sets
//! of samples are compared (Heusel et al. 2017, arXiv:1706.08500, do the same with Inception).
//!
//! A residual network (He et al. 2016, arXiv:1603.05027, in its order of norm, activation and convolution), one softmax
//! for each label of the data set.
//!
//! Names: B images of C channels and S x S pixels, A labels, V values of all labels together, F features.

use crate::nn::{self, AdamW};
use crate::params::{Params, Spec};
use crate::registry::Stage;
use crate::trainer::Batch;
use graph::{Graph, Program, Tensor, Window};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// C, channels of an image.
    pub image_channels: usize,
    /// S, side of an image; it is halved before each level.
    pub size: usize,
    /// Channels of each level.
    pub channels: Vec<usize>,
    /// Groups of each group norm.
    pub groups: usize,
    /// F, number of features.
    pub features: usize,
    /// Number of values of each label.
    pub classes: Vec<usize>,
}

/// Features (B, F) of x (B, C, S, S) in \[-1, 1\].
fn embed<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>) -> Tensor<'g> {
    let mut h = x;
    for (level, &channels) in c.channels.iter().enumerate() {
        let name = |part: &str| format!("levels.{level}.{part}");
        h = nn::conv(p, &name("down"), h, channels, 3, Window::new(2, 1));
        let y = nn::group_norm(p, &name("norm"), h, c.groups).silu();
        h = h + nn::conv(p, &name("conv"), y, channels, 3, Window::new(1, 1));
        h = nn::group_norm(p, &name("norm_out"), h, c.groups).silu();
    }
    let (b, n) = (h.dim(0), h.shape()[1..].iter().product());
    nn::linear(p, "features", h.reshape(&[b, n]), c.features).silu()
}

/// Logits (B, V), those of the labels one behind the other, for features (B, F).
fn heads<'g>(p: &Params<'g>, c: &Config, features: Tensor<'g>) -> Tensor<'g> {
    nn::linear(p, "heads", features, c.classes.iter().sum())
}

fn image<'g>(g: &'g Graph, c: &Config, b: usize) -> Tensor<'g> {
    g.input("x", &[b, c.image_channels, c.size, c.size])
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    heads(&p, c, embed(&p, c, image(&g, c, 1)));
    p.specs()
}

/// The judge: input `x` (b, C, S, S) in \[-1, 1\], outputs `logits` (b, V) and `features` (b, F).
pub fn features(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let features = embed(&p, c, image(&g, c, b));
    Program::new(&[("logits", heads(&p, c, features)), ("features", features)], &[])
}

/// One step on the sum over labels of the cross-entropies, mean over images: inputs `x` (b, C, S, S), `class` (b, A),
/// `rates` (4); outputs `loss` (), in nats, and `accuracy` (), the share of right answers over all labels.
pub fn trainer(c: &Config, stage: &Stage, optimiser: AdamW) -> Program {
    let (b, g) = (stage.batch, Graph::new());
    let p = Params::new(&g);
    let class = g.input("class", &[b, c.classes.len()]);
    let logits = heads(&p, c, embed(&p, c, image(&g, c, b)));
    let (mut loss, mut right, mut start) = (g.scalar(0.0), g.scalar(0.0), 0);
    for (a, &values) in c.classes.iter().enumerate() {
        let (logits, target) = (logits.narrow(1, start, values), class.narrow(1, a, 1));
        loss = loss + nn::cross_entropy(logits, target.reshape(&[b])).sum_all();
        let hit = g.iota(1, &[b, values]).eq(target);
        right = right + (hit * logits.max(&[1]).le(logits)).sum_all();
        start += values;
    }
    let loss = loss * (1.0 / b as f32);
    let accuracy = right * (1.0 / (b * c.classes.len()) as f32);
    let update = optimiser.update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("accuracy", accuracy)], &update.states)
}

/// The inputs of a step of [`trainer`] on a batch.
pub fn inputs(batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
    vec![("x", batch.levels()), ("class", batch.labels.to_vec())]
}
