//! Log densities, element by element.

use graph::Tensor;

/// 0.5 ln(2 pi).
pub const HALF_LN_TAU: f32 = 0.918_938_5;

/// log p of binary x under independent Bernoullis with the given logits, element by element: -softplus((1 - 2x) l).
pub fn bernoulli_log_prob<'g>(x: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
    -((1.0 - 2.0 * x) * logits).softplus()
}

/// log N(z; 0, 1), element by element.
pub fn standard_normal_log_prob(z: Tensor<'_>) -> Tensor<'_> {
    z.square() * -0.5 - HALF_LN_TAU
}

/// KL(N(mu, e^logvar) || N(0, 1)), element by element (Kingma & Welling 2013, arXiv:1312.6114, appendix B).
pub fn normal_kl<'g>(mu: Tensor<'g>, logvar: Tensor<'g>) -> Tensor<'g> {
    0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)
}
