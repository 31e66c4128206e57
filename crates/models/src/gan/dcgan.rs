//! Generator of a generative adversarial network: x = G(z) for z ~ N(0, I).
//!
//! Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"
//! (DCGAN), arXiv:1511.06434: transposed convolutions with kernels of 4 x 4, each but the first of stride 2. Its batch norms
//! are folded into the layers before them: while sampling each is one scale and one shift of a channel. Parameters are named
//! as in PyTorch's DCGAN tutorial, where layer i of the network is `main.{3 i}`.
//!
//! Names: B images, L latents, C channels, S pixels a side.

use crate::nn;
use crate::params::{Params, Spec};
use graph::{Graph, Program, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// L, size of z.
    pub latents: usize,
    /// Side of the first feature map, which is doubled by every further layer.
    pub base: usize,
    /// Channels of the feature maps, from the smallest map up.
    pub channels: Vec<usize>,
    /// C, channels of an image.
    pub image_channels: usize,
}

impl Default for Config {
    /// DCGAN's size for colour images of 64 x 64 pixels: 3.6 million parameters.
    fn default() -> Config {
        Config { latents: 100, base: 4, channels: vec![512, 256, 128, 64], image_channels: 3 }
    }
}

impl Config {
    /// S, side of an image.
    pub fn size(&self) -> usize {
        self.base << self.channels.len()
    }
}

/// The network before its last nonlinearity: z (B, L) to (B, C, S, S).
pub fn features<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>) -> Tensor<'g> {
    let mut h = z.reshape(&[z.dim(0), c.latents, 1, 1]);
    for (i, &channels) in c.channels.iter().enumerate() {
        let ([k, stride, pad], name) = (if i == 0 { [c.base, 1, 0] } else { [4, 2, 1] }, format!("main.{}", 3 * i));
        h = nn::conv_transpose(p, &name, h, [channels, k], stride, pad).relu();
    }
    nn::conv_transpose(p, &format!("main.{}", 3 * c.channels.len()), h, [c.image_channels, 4], 2, 1)
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    features(&p, c, g.input("z", &[1, c.latents]));
    p.specs()
}

/// Samples: input `z` (b, L), output `image` (b, C, S, S) in \[-1, 1\].
pub fn generator(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let image = features(&p, c, g.input("z", &[b, c.latents])).tanh();
    Program::new(&[("image", image)], &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_size_is_dcgans() {
        let n: usize = specs(&Config::default()).iter().map(Spec::len).sum();
        assert!((3_500_000..3_600_000).contains(&n), "{n}");
        assert_eq!(generator(&Config::default(), 2).shape_of("image"), Some(&[2, 3, 64, 64][..]));
    }
}
