//! Losses. Binary cross-entropy with logits is [`bernoulli_log_prob`](super::bernoulli_log_prob) with another sign.

use super::log_softmax;
use graph::Tensor;

/// -log p of class `targets[n]` under the softmax of `logits` (N, V), each in nats: (N). Targets are whole numbers;
/// one that is no class costs nothing, so that -1 or PyTorch's -100 leave a row out.
pub fn cross_entropy<'g>(logits: Tensor<'g>, targets: Tensor<'g>) -> Tensor<'g> {
    let [n, v] = logits.shape()[..] else { panic!("cross_entropy: (N, V) is wanted, not {:?}", logits.shape()) };
    let hit = logits.graph().iota(1, &[n, v]).eq(targets.reshape(&[n, 1]));
    let log_p = log_softmax(logits, 1);
    -hit.select(log_p, log_p.graph().scalar(0.0)).sum(&[1]).reshape(&[n])
}

/// Mean of the squared difference over all elements: ().
pub fn mean_squared_error<'g>(a: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
    let squares = (a - b).square();
    let n: usize = squares.shape().iter().product();
    squares.sum_all() * (1.0 / n as f32)
}
