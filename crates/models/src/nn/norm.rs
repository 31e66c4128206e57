//! Normalisations. The variance is that of the centred values: the mean of squares minus the square of the mean loses all
//! digits where the mean is large.

use crate::params::{Init, Params};
use graph::Tensor;

/// Added to the variance, as PyTorch does.
const EPSILON: f32 = 1e-5;

/// Group normalisation (Wu & He 2018, arXiv:1803.08494): (B, C, ..) with mean 0 and variance 1 over each of `groups`
/// groups of channels, then scaled and shifted by channel. Parameters `<name>.weight` (C) and `<name>.bias` (C).
pub fn group_norm<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, groups: usize) -> Tensor<'g> {
    let shape = x.shape();
    let (b, c) = (shape[0], shape[1]);
    assert!(c.is_multiple_of(groups), "group_norm: {c} channels are not divided by {groups} groups");
    let weight = p.get(&format!("{name}.weight"), &[c], Init::Ones);
    let bias = p.get(&format!("{name}.bias"), &[c], Init::Zeros);
    let size: usize = shape[1..].iter().product();
    let x = x.reshape(&[b, groups, size / groups]);
    let centred = x - x.mean(&[2]);
    let deviation = (centred.square().mean(&[2]) + EPSILON).sqrt(); // (B, groups, 1)
    let scale = weight.reshape(&[1, groups, c / groups]) / deviation; // (B, groups, C / groups)
    let mut channels = vec![1; shape.len()];
    channels[..2].copy_from_slice(&[b, c]);
    // By way of (B, C): the bias's gradient then starts with sums over the same pixels as the scale's, in one pass.
    let shift = bias.broadcast_to(&[b, c]);
    centred.reshape(&shape) * scale.reshape(&channels) + shift.reshape(&channels)
}

/// Layer normalisation (Ba et al. 2016, arXiv:1607.06450) over the last axis: (.., N). Parameters `<name>.weight` (N) and
/// `<name>.bias` (N).
pub fn layer_norm<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>) -> Tensor<'g> {
    let n = x.dim(x.rank() - 1);
    let weight = p.get(&format!("{name}.weight"), &[n], Init::Ones);
    let bias = p.get(&format!("{name}.bias"), &[n], Init::Zeros);
    standardise(x, EPSILON) * weight + bias
}

/// Mean 0 and variance 1 over the last axis, with `epsilon` added to the variance.
pub fn standardise(x: Tensor<'_>, epsilon: f32) -> Tensor<'_> {
    let last = x.rank() - 1;
    let centred = x - x.mean(&[last]);
    centred * (1.0 / (centred.square().mean(&[last]) + epsilon).sqrt())
}

/// Root mean square normalisation (Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4) over the last axis: (.., N). Parameter
/// `<name>.weight` (N).
pub fn rms_norm<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>) -> Tensor<'g> {
    let last = x.rank() - 1;
    let weight = p.get(&format!("{name}.weight"), &[x.dim(last)], Init::Ones);
    x * (1.0 / (x.square().mean(&[last]) + EPSILON).sqrt()) * weight
}
