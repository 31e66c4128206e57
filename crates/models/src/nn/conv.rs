//! Convolutions and changes of resolution. Images are (B, C, H, W).

use crate::params::{Init, Params};
use graph::{Tensor, Window};

/// Convolution with a square kernel of size `k`: (B, C, H, W) to (B, `out`, ..). Parameters `<name>.weight` (out, C, k, k)
/// and `<name>.bias`.
pub fn conv<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize, k: usize, window: Window) -> Tensor<'g> {
    let fan_in = x.dim(1) * k * k;
    conv_with(p, name, x, [out, k], window, Init::Normal { fan_in })
}

/// [`conv`] with other first values of the weight.
pub fn conv_with<'g>(
    p: &Params<'g>,
    name: &str,
    x: Tensor<'g>,
    [out, k]: [usize; 2],
    window: Window,
    init: Init,
) -> Tensor<'g> {
    let weight = p.get(&format!("{name}.weight"), &[out, x.dim(1), k, k], init);
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros);
    x.conv(weight, window) + bias.reshape(&[1, out, 1, 1])
}

/// Transposed convolution, the gradient of a convolution of that stride and padding with respect to its input: (B, C, H, W)
/// to (B, `out`, (H - 1) stride + k - 2 pad, ..). Parameters `<name>.weight` (C, out, k, k) and `<name>.bias`.
pub fn conv_transpose<'g>(
    p: &Params<'g>,
    name: &str,
    x: Tensor<'g>,
    [out, k]: [usize; 2],
    stride: usize,
    pad: usize,
) -> Tensor<'g> {
    let [b, c, h, w] = x.shape()[..] else { panic!("conv_transpose: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    // Each output meets about (k / stride)^2 of the kernel's elements.
    let init = Init::Normal { fan_in: c * (k / stride).max(1).pow(2) };
    let weight = p.get(&format!("{name}.weight"), &[c, out, k, k], init);
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros).reshape(&[1, out, 1, 1]);
    if [h, w] == [1, 1] && pad == 0 {
        // One pixel becomes one kernel: a product of matrices, without the zeros around the pixel.
        return x.reshape(&[b, c]).dot(weight.reshape(&[c, out * k * k])).reshape(&[b, out, k, k]) + bias;
    }
    let around = k as isize - 1 - pad as isize;
    let window = Window { stride: [1; 2], pad: [(around, around); 2], dilation: [1; 2], lhs_dilation: [stride; 2] };
    x.conv(weight.flip(&[2, 3]).permute(&[1, 0, 2, 3]), window) + bias
}

/// Sub-pixel upsampling (Shi et al. 2016, arXiv:1609.05158, eq. 4): (B, C r r, H, W) to (B, C, H r, W r).
pub fn pixel_shuffle(x: Tensor<'_>, r: usize) -> Tensor<'_> {
    let [b, c, h, w] = x.shape()[..] else { panic!("pixel_shuffle: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    let c = c / (r * r);
    x.reshape(&[b, c, r, r, h, w]).permute(&[0, 1, 4, 2, 5, 3]).reshape(&[b, c, h * r, w * r])
}

/// Patches of r x r pixels as channels, which [`pixel_shuffle`] undoes: (B, C, H, W) to (B, C r r, H / r, W / r).
pub fn pixel_unshuffle(x: Tensor<'_>, r: usize) -> Tensor<'_> {
    let [b, c, h, w] = x.shape()[..] else { panic!("pixel_unshuffle: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    let (h, w) = (h / r, w / r);
    x.reshape(&[b, c, h, r, w, r]).permute(&[0, 1, 3, 5, 2, 4]).reshape(&[b, c * r * r, h, w])
}

/// Each pixel r times in both directions: (B, C, H, W) to (B, C, H r, W r).
pub fn upsample_nearest(x: Tensor<'_>, r: usize) -> Tensor<'_> {
    let [b, c, h, w] = x.shape()[..] else { panic!("upsample_nearest: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    x.reshape(&[b, c, h, 1, w, 1]).expand(&[b, c, h, r, w, r]).reshape(&[b, c, h * r, w * r])
}

/// [`upsample_nearest`] by 2, then a 3 x 3 convolution with padding 1: (B, C, H, W) to (B, `out`, 2 H, 2 W). Parameters
/// `<name>.weight` (out, C, 3, 3) and `<name>.bias`.
///
/// It is computed as a transposed convolution of stride 2, whose kernel of 4 x 4 is the 3 x 3 one added to itself at the four
/// places that a pixel is repeated to: four products an output instead of nine.
pub fn upsample_conv<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize) -> Tensor<'g> {
    let c = x.dim(1);
    let weight = p.get(&format!("{name}.weight"), &[out, c, 3, 3], Init::Normal { fan_in: c * 9 });
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros);
    let [a, b, c, d] = [[0, 0], [0, 1], [1, 0], [1, 1]].map(|[i, j]| weight.pad(&[0, 0, i, j], &[out, c, 4, 4]));
    let window = Window { stride: [1; 2], pad: [(2, 2); 2], dilation: [1; 2], lhs_dilation: [2; 2] };
    x.conv(a + b + c + d, window) + bias.reshape(&[1, out, 1, 1])
}

/// Means of squares of r x r pixels: (B, C, H, W) to (B, C, H / r, W / r).
pub fn average_pool(x: Tensor<'_>, r: usize) -> Tensor<'_> {
    let [b, c, h, w] = x.shape()[..] else { panic!("average_pool: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    x.reshape(&[b, c, h / r, r, w / r, r]).mean(&[3, 5]).reshape(&[b, c, h / r, w / r])
}

/// Tensors one behind the other along `axis`.
pub fn concat<'g>(parts: &[Tensor<'g>], axis: usize) -> Tensor<'g> {
    let mut shape = parts[0].shape();
    shape[axis] = parts.iter().map(|t| t.dim(axis)).sum();
    let mut start = vec![0; shape.len()];
    let place = |t: &Tensor<'g>| {
        let padded = t.pad(&start, &shape);
        start[axis] += t.dim(axis);
        padded
    };
    parts.iter().map(place).reduce(|a, b| a + b).expect("concat: at least one tensor")
}
