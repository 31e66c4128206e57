//! The optimiser.

use crate::params::Params;
use graph::{Tensor, grad};

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
