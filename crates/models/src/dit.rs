//! Diffusion transformer: a transformer over patches in the place of a U-Net.
//!
//! Peebles & Xie, "Scalable Diffusion Models with Transformers" (DiT), arXiv:2212.09748, with adaLN-Zero blocks (section 3.2):
//! time and class give each norm its scale and shift, and each branch a gate that starts at 0. Parameters are named as in
//! the authors' code; the sines of the time stand before its cosines here.
//!
//! Names: B images of C channels and S x S pixels, P side of a patch, T = (S / P)^2 patches, D width.

use crate::diffusion::denoiser::Network;
use crate::nn;
use crate::params::{Init, Params};
use graph::{Graph, Tensor, Window};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// C, channels of an image.
    pub image_channels: usize,
    /// S, side of an image.
    pub size: usize,
    /// P, side of a patch.
    pub patch: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// D, width of the residual stream.
    pub width: usize,
    /// Number of values of each label; none for a model without labels.
    pub classes: Vec<usize>,
}

impl Default for Config {
    /// Half the depth of the paper's DiT-S/2, for colour images of 32 x 32 pixels: 16.6 million parameters.
    fn default() -> Config {
        Config { image_channels: 3, size: 32, patch: 2, layers: 6, heads: 6, width: 384, classes: vec![] }
    }
}

/// Width of the sinusoidal embedding of the time.
const FREQUENCIES: usize = 256;
/// Added to the variances of the norms.
const EPSILON: f32 = 1e-6;

impl Network for Config {
    fn image(&self) -> [usize; 3] {
        [self.image_channels, self.size, self.size]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn forward<'g>(&self, p: &Params<'g>, z: Tensor<'g>, time: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
        let (b, d, side) = (z.dim(0), self.width, self.size / self.patch);
        let x = nn::conv(p, "x_embedder.proj", z, d, self.patch, Window::new(self.patch, 0)); // (B, D, S / P, S / P)
        let x = x.reshape(&[b, d, side * side]).permute(&[0, 2, 1]); // (B, T, D)
        let mut x = x + positions(z.graph(), side, d);
        let condition = embed(p, self, time, class).silu();
        for i in 0..self.layers {
            x = block(p, self, &format!("blocks.{i}"), x, condition);
        }
        let [shift, scale] = modulation(p, "final_layer", condition, d);
        let x = modulate(x, shift, scale);
        let pixels = self.patch * self.patch * self.image_channels;
        let x = nn::linear_with(p, "final_layer.linear", x, pixels, Init::Zeros); // (B, T, P P C)
        let patches = [b, side, side, self.patch, self.patch, self.image_channels];
        x.reshape(&patches).permute(&[0, 5, 1, 3, 2, 4]).reshape(&z.shape())
    }
}

/// Fixed embedding of the places of side x side patches, (T, D): the first half tells the column, the second the row.
fn positions(g: &Graph, side: usize, d: usize) -> Tensor<'_> {
    let [column, row] =
        [1, 0].map(|axis| nn::time_embedding(g.iota(axis, &[side, side]).reshape(&[side * side]), d / 2));
    nn::concat(&[column, row], 1)
}

/// The embedding of time, plus that of the class: (B, D).
fn embed<'g>(p: &Params<'g>, c: &Config, time: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
    let e = nn::time_embedding(time * 1000.0, FREQUENCIES);
    let e = nn::linear_with(p, "t_embedder.mlp.0", e, c.width, Init::Deviation(0.02)).silu();
    let e = nn::linear_with(p, "t_embedder.mlp.2", e, c.width, Init::Deviation(0.02));
    let labels =
        |k| nn::label_embedding(p, "y_embedder.embedding_table", k, &c.classes, c.width, Init::Deviation(0.02));
    class.map_or(e, |k| e + labels(k))
}

/// N shifts, scales and gates for `condition` (B, D): each (B, 1, D).
fn modulation<'g, const N: usize>(p: &Params<'g>, name: &str, condition: Tensor<'g>, d: usize) -> [Tensor<'g>; N] {
    let all = nn::linear_with(p, &format!("{name}.adaLN_modulation.1"), condition, N * d, Init::Zeros);
    std::array::from_fn(|i| all.narrow(1, i * d, d).reshape(&[condition.dim(0), 1, d]))
}

/// Normalised over the last axis, then scaled and shifted: (B, T, D).
fn modulate<'g>(x: Tensor<'g>, shift: Tensor<'g>, scale: Tensor<'g>) -> Tensor<'g> {
    nn::standardise(x, EPSILON) * (scale + 1.0) + shift
}

/// Attention and a two-layer network, each with the condition's shift, scale and gate: (B, T, D).
fn block<'g>(p: &Params<'g>, c: &Config, name: &str, x: Tensor<'g>, condition: Tensor<'g>) -> Tensor<'g> {
    let (d, part) = (c.width, |part: &str| format!("{name}.{part}"));
    let [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(p, name, condition, d);
    let qkv = nn::linear_with(p, &part("attn.qkv"), modulate(x, shift1, scale1), 3 * d, xavier(d, 3 * d));
    let [q, k, v] = [0, 1, 2].map(|i| nn::split_heads(qkv.narrow(2, i * d, d), c.heads));
    let h = nn::merge_heads(nn::attention(q, k, v, None));
    let x = x + gate1 * nn::linear_with(p, &part("attn.proj"), h, d, xavier(d, d));
    let h = nn::linear_with(p, &part("mlp.fc1"), modulate(x, shift2, scale2), 4 * d, xavier(d, 4 * d));
    x + gate2 * nn::linear_with(p, &part("mlp.fc2"), nn::gelu(h), d, xavier(4 * d, d))
}

/// Variance 2 / (inputs + outputs) (Glorot & Bengio 2010, eq. 12), as the authors start the blocks.
fn xavier(inputs: usize, outputs: usize) -> Init {
    Init::Deviation((2.0 / (inputs + outputs) as f32).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion;
    use crate::params::Spec;

    #[test]
    fn the_default_size_has_seventeen_million_parameters() {
        let n: usize = diffusion::specs(&Config::default()).iter().map(Spec::len).sum();
        assert!((16_500_000..16_700_000).contains(&n), "{n}");
    }
}
