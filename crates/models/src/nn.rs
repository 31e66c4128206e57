//! Layers, densities and the optimiser, as functions from tensors to tensors.

use crate::params::{Init, Params};
use graph::{Tensor, Window, grad};

/// Fully connected layer `x W^T + b`: (B, N) to (B, `out`). Parameters `<name>.weight` (out, N) and `<name>.bias`, as
/// PyTorch names them.
pub fn linear<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize) -> Tensor<'g> {
    let n = x.dim(1);
    let weight = p.get(&format!("{name}.weight"), &[out, n], Init::Normal { fan_in: n });
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros);
    x.dot(weight.t()) + bias
}

/// Convolution with a square kernel of size `k`: (B, C, H, W) to (B, `out`, ..). Parameters `<name>.weight` (out, C, k, k)
/// and `<name>.bias`.
pub fn conv<'g>(p: &Params<'g>, name: &str, x: Tensor<'g>, out: usize, k: usize, window: Window) -> Tensor<'g> {
    let c = x.dim(1);
    let weight = p.get(&format!("{name}.weight"), &[out, c, k, k], Init::Normal { fan_in: c * k * k });
    let bias = p.get(&format!("{name}.bias"), &[out], Init::Zeros);
    x.conv(weight, window) + bias.reshape(&[1, out, 1, 1])
}

/// Sub-pixel upsampling (Shi et al. 2016, arXiv:1609.05158, eq. 4): (B, C r r, H, W) to (B, C, H r, W r).
pub fn pixel_shuffle(x: Tensor<'_>, r: usize) -> Tensor<'_> {
    let [b, c, h, w] = x.shape()[..] else { panic!("pixel_shuffle: (B, C, H, W) is wanted, not {:?}", x.shape()) };
    let c = c / (r * r);
    x.reshape(&[b, c, r, r, h, w]).permute(&[0, 1, 4, 2, 5, 3]).reshape(&[b, c, h * r, w * r])
}

/// log p of binary x under independent Bernoullis with the given logits, element by element: -softplus((1 - 2x) l).
pub fn bernoulli_log_prob<'g>(x: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
    -((1.0 - 2.0 * x) * logits).softplus()
}

/// log N(z; 0, 1), element by element.
pub fn standard_normal_log_prob(z: Tensor<'_>) -> Tensor<'_> {
    z.square() * -0.5 - HALF_LN_TAU
}

/// 0.5 ln(2 pi).
pub const HALF_LN_TAU: f32 = 0.918_938_5;

/// KL(N(mu, e^logvar) || N(0, 1)), element by element (Kingma & Welling 2013, arXiv:1312.6114, appendix B).
pub fn normal_kl<'g>(mu: Tensor<'g>, logvar: Tensor<'g>) -> Tensor<'g> {
    0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)
}

/// ln sum exp over one axis, which keeps size 1; the largest term is taken out first.
pub fn log_sum_exp(x: Tensor<'_>, axis: usize) -> Tensor<'_> {
    let top = x.max(&[axis]);
    (x - top).exp().sum(&[axis]).ln() + top
}

/// Adam (Kingma & Ba 2014, arXiv:1412.6980, algorithm 1 in the order of the end of section 2).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the latter.
    pub epsilon: f32,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Adam {
    /// The states (input, next) of all parameters and of their two moments `m.<name>` and `v.<name>` that lower `loss`.
    ///
    /// `rate` is a scalar tensor: the value of [`Adam::rate`].
    pub fn states<'g>(self, p: &Params<'g>, loss: Tensor<'g>, rate: Tensor<'g>) -> Vec<(Tensor<'g>, Tensor<'g>)> {
        let params = p.tensors();
        let tensors: Vec<Tensor<'g>> = params.iter().map(|(_, t)| *t).collect();
        let grads = grad(loss, &tensors);
        let mut states = Vec::new();
        for ((name, w), dw) in params.iter().zip(grads) {
            let m = loss.graph().input(&format!("m.{name}"), &w.shape());
            let v = loss.graph().input(&format!("v.{name}"), &w.shape());
            let m_next = m * self.beta1 + dw * (1.0 - self.beta1);
            let v_next = v * self.beta2 + dw.square() * (1.0 - self.beta2);
            let w_next = *w - rate * m_next / (v_next.sqrt() + self.epsilon);
            states.extend([(*w, w_next), (m, m_next), (v, v_next)]);
        }
        states
    }

    /// The learning rate `lr` with the bias corrections of step `t` (1, 2, ..) folded in.
    pub fn rate(self, lr: f64, t: u64) -> f32 {
        let power = |beta: f32| f64::from(beta).powf(t as f64);
        (lr * (1.0 - power(self.beta2)).sqrt() / (1.0 - power(self.beta1))) as f32
    }
}
