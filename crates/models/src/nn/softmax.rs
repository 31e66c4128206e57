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

/// -log p of class `targets[n]` under the softmax of `logits` (N, V), each in nats: (N). Targets hold whole numbers.
pub fn cross_entropy<'g>(logits: Tensor<'g>, targets: Tensor<'g>) -> Tensor<'g> {
    let [n, v] = logits.shape()[..] else { panic!("cross_entropy: (N, V) is wanted, not {:?}", logits.shape()) };
    let hit = logits.graph().iota(1, &[n, v]).eq(targets.reshape(&[n, 1]));
    let log_p = log_softmax(logits, 1);
    -hit.select(log_p, log_p.graph().scalar(0.0)).sum(&[1]).reshape(&[n])
}
