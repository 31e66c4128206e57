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

/// ln of the probability that a logistic variable with this mean and log scale falls into the bin of x, element by
/// element, where \[-1, 1\] is cut into 256 bins around the levels of an 8-bit image and the outermost reach to infinity
/// (Salimans et al. 2017, arXiv:1701.05517, eq. 2).
pub fn discretised_logistic_log_prob<'g>(x: Tensor<'g>, mean: Tensor<'g>, log_scale: Tensor<'g>) -> Tensor<'g> {
    const HALF_BIN: f32 = 1.0 / 255.0;
    let precision = (-log_scale).exp();
    let (upper, lower) = ((x - mean + HALF_BIN) * precision, (x - mean - HALF_BIN) * precision);
    // sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - e^(l - u)): no difference of nearly equal numbers but the
    // last factor, whose logarithm is a series where the bin is narrow.
    let width = 2.0 * HALF_BIN * precision;
    let series = (2.0 * HALF_BIN).ln() - log_scale - 0.5 * width + width.square() * (1.0 / 24.0);
    let exact = (1.0 - (-width).exp().minimum(x.graph().scalar(0.95))).ln();
    let narrow = width.lt(x.graph().scalar(0.1)).select(series, exact);
    let (below, above) = (-(-upper).softplus(), -lower.softplus());
    let edge = x.graph().scalar(1.0 - HALF_BIN);
    let inner = below + above + narrow;
    x.lt(-edge).select(below, edge.lt(x).select(above, inner))
}
