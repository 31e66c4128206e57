//! U-Net, the network of diffusion models of images.
//!
//! Ronneberger, Fischer & Brox, "U-Net", arXiv:1505.04597, in the form of Ho, Jain & Abbeel, "Denoising Diffusion
//! Probabilistic Models", arXiv:2006.11239, appendix B: residual blocks of group norm, SiLU and 3 x 3 convolution, which
//! the time enters between the two convolutions; self-attention where the image is small; each block of the way up reads
//! a result of the way down. Parameters are named as in `UNet2DModel` of diffusers, but for two kinds that are one matrix
//! here, one product instead of many small ones: queries, keys and values of an attention (`to_qkv`), and what all blocks
//! make of the time (`time_emb_proj`, in the order of the blocks).
//!
//! Names: B images of C channels and S x S pixels, E = 4 channels\[0\] the width of the embedding of time and class.

use crate::diffusion::denoiser::Network;
use crate::nn;
use crate::params::{Init, Params};
use graph::{Tensor, Window};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// C, channels of an image.
    pub image_channels: usize,
    /// S, side of an image.
    pub size: usize,
    /// P, side of a patch: P x P pixels of the image are channels of one pixel of the network, which is that much smaller.
    #[serde(default = "one")]
    pub patch: usize,
    /// Channels of each level, from the largest down.
    pub channels: Vec<usize>,
    /// Residual blocks of a level on the way down, after which the sides are halved; the way up has one more.
    pub blocks: usize,
    /// Levels with attention after each block; the middle always has one.
    pub attention: Vec<usize>,
    /// Heads of each attention.
    pub heads: usize,
    /// Groups of each group norm.
    pub groups: usize,
    /// Number of values of each label; none for a model without labels.
    #[serde(default)]
    pub classes: Vec<usize>,
}

fn one() -> usize {
    1
}

impl Default for Config {
    /// 4.2 million parameters for colour images of 32 x 32 pixels.
    fn default() -> Config {
        Config {
            image_channels: 3,
            size: 32,
            patch: 1,
            channels: vec![64, 128, 128],
            blocks: 1,
            attention: vec![],
            heads: 4,
            groups: 32,
            classes: vec![],
        }
    }
}

impl Network for Config {
    fn image(&self) -> [usize; 3] {
        [self.image_channels, self.size, self.size]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn forward<'g>(&self, p: &Params<'g>, z: Tensor<'g>, time: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
        let mut shifts = shifts(p, self, embed(p, self, time, class)).into_iter();
        let mut shift = || shifts.next().expect("a shift for each residual block");
        let x = if self.patch == 1 { z } else { nn::pixel_unshuffle(z, self.patch) };
        let mut h = nn::conv(p, "conv_in", x, self.channels[0], 3, Window::new(1, 1));
        let mut skips = vec![h];
        for (level, &channels) in self.channels.iter().enumerate() {
            let name = format!("down_blocks.{level}");
            for i in 0..self.blocks {
                h = block(p, self, &name, [level, i], h, shift());
                skips.push(h);
            }
            if level + 1 < self.channels.len() {
                h = nn::conv(p, &format!("{name}.downsamplers.0.conv"), h, channels, 3, Window::new(2, 1));
                skips.push(h);
            }
        }
        h = residual(p, self, "mid_block.resnets.0", h, shift());
        h = attention(p, self, "mid_block.attentions.0", h);
        h = residual(p, self, "mid_block.resnets.1", h, shift());
        for (step, (level, &channels)) in self.channels.iter().enumerate().rev().enumerate() {
            let name = format!("up_blocks.{step}");
            for i in 0..=self.blocks {
                let skip = skips.pop().expect("the way down leaves a skip for each block");
                h = block(p, self, &name, [level, i], nn::concat(&[h, skip], 1), shift());
            }
            if level > 0 {
                h = nn::upsample_conv(p, &format!("{name}.upsamplers.0.conv"), h, channels);
            }
        }
        let h = nn::group_norm(p, "conv_norm_out", h, self.groups).silu();
        let out = self.image_channels * self.patch * self.patch;
        let h = nn::conv_with(p, "conv_out", h, [out, 3], Window::new(1, 1), Init::Zeros);
        if self.patch == 1 { h } else { nn::pixel_shuffle(h, self.patch) }
    }
}

/// The embedding of time, plus that of the class: (B, E).
fn embed<'g>(p: &Params<'g>, c: &Config, time: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
    let width = 4 * c.channels[0];
    let e = nn::time_embedding(time * 1000.0, c.channels[0]);
    let e = nn::linear(p, "time_embedding.linear_1", e, width).silu();
    let e = nn::linear(p, "time_embedding.linear_2", e, width);
    let labels = |k| nn::label_embedding(p, "class_embedding", k, &c.classes, width, Init::Deviation(1.0));
    class.map_or(e, |k| e + labels(k))
}

/// What each residual block adds to its channels, from the embedding (B, E): (B, channels of the block), in the order of
/// [`Network::forward`].
fn shifts<'g>(p: &Params<'g>, c: &Config, e: Tensor<'g>) -> Vec<Tensor<'g>> {
    let level = |blocks: usize| move |&channels: &usize| std::iter::repeat_n(channels, blocks);
    let down = c.channels.iter().flat_map(level(c.blocks));
    let middle = c.channels.last().into_iter().flat_map(level(2));
    let up = c.channels.iter().rev().flat_map(level(c.blocks + 1));
    let widths: Vec<usize> = down.chain(middle).chain(up).collect();
    let all = nn::linear(p, "time_emb_proj", e.silu(), widths.iter().sum());
    let mut start = 0;
    let part = |width| {
        start += width;
        all.narrow(1, start - width, width)
    };
    widths.into_iter().map(part).collect()
}

/// Residual block `i` of a level, and its attention if the level has some.
fn block<'g>(
    p: &Params<'g>,
    c: &Config,
    name: &str,
    [level, i]: [usize; 2],
    x: Tensor<'g>,
    shift: Tensor<'g>,
) -> Tensor<'g> {
    let h = residual(p, c, &format!("{name}.resnets.{i}"), x, shift);
    if c.attention.contains(&level) { attention(p, c, &format!("{name}.attentions.{i}"), h) } else { h }
}

/// Residual block: (B, N, H, W) to (B, M, H, W), for a shift (B, M). It starts as the identity, or as its shortcut.
fn residual<'g>(p: &Params<'g>, c: &Config, name: &str, x: Tensor<'g>, shift: Tensor<'g>) -> Tensor<'g> {
    let (out, part) = (shift.dim(1), |part: &str| format!("{name}.{part}"));
    let h = nn::group_norm(p, &part("norm1"), x, c.groups).silu();
    let h = nn::conv(p, &part("conv1"), h, out, 3, Window::new(1, 1));
    let h = h + shift.reshape(&[x.dim(0), out, 1, 1]);
    let h = nn::group_norm(p, &part("norm2"), h, c.groups).silu();
    let h = nn::conv_with(p, &part("conv2"), h, [out, 3], Window::new(1, 1), Init::Zeros);
    let same = x.dim(1) == out;
    h + if same { x } else { nn::conv(p, &part("conv_shortcut"), x, out, 1, Window::new(1, 0)) }
}

/// Self-attention between the pixels of each image, added to its input: (B, N, H, W). It starts as the identity.
fn attention<'g>(p: &Params<'g>, c: &Config, name: &str, x: Tensor<'g>) -> Tensor<'g> {
    let [b, n, h, w] = x.shape()[..] else { panic!("attention: (B, N, H, W) is wanted, not {:?}", x.shape()) };
    let y = nn::group_norm(p, &format!("{name}.group_norm"), x, c.groups);
    let y = y.reshape(&[b, n, h * w]).permute(&[0, 2, 1]); // (B, H W, N)
    let init = Init::Deviation((n as f32).recip().sqrt());
    let qkv = nn::linear_with(p, &format!("{name}.to_qkv"), y, 3 * n, init); // (B, H W, 3 N)
    let [q, k, v] = [0, 1, 2].map(|i| nn::split_heads(qkv.narrow(2, i * n, n), c.heads));
    let y = nn::merge_heads(nn::attention(q, k, v, None)); // (B, H W, N)
    let y = nn::linear_with(p, &format!("{name}.to_out.0"), y, n, Init::Zeros);
    x + y.permute(&[0, 2, 1]).reshape(&[b, n, h, w])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Spec;

    #[test]
    fn the_default_size_has_four_million_parameters() {
        let n: usize = crate::diffusion::specs(&Config::default()).iter().map(Spec::len).sum();
        assert!((4_100_000..4_300_000).contains(&n), "{n}");
    }
}
