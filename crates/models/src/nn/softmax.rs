//! Softmax and what is made of it.

use graph::Tensor;

/// ln sum exp over one axis, which keeps size 1; the largest term is taken out first.
pub fn log_sum_exp(x: Tensor<'_>, axis: usize) -> Tensor<'_> {
    let top = x.max(&[axis]);
    (x - top).exp().sum(&[axis]).ln() + top
}

/// e^x / sum e^x over one axis; the largest term is taken out first.
pub fn softmax(x: Tensor<'_>, axis: usize) -> Tensor<'_> {
    let e = (x - x.max(&[axis])).exp();
    e / e.sum(&[axis])
}

/// The logarithm of [`softmax`].
pub fn log_softmax(x: Tensor<'_>, axis: usize) -> Tensor<'_> {
    let x = x - x.max(&[axis]);
    x - x.exp().sum(&[axis]).ln()
}
