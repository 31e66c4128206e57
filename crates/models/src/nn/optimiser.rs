//! The optimiser, as states of the train step's Program.

use crate::params::Params;
use graph::{Tensor, grad};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101, algorithm 2) as `torch.optim.AdamW` has it, after clipping of the
/// gradients' global norm and with a moving average of the parameters, where those are wanted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the latter, both corrected.
    pub epsilon: f32,
    /// Part of the learning rate by which matrices and kernels shrink; scales and biases do not.
    pub weight_decay: f32,
    /// Largest norm of all gradients together (Pascanu et al. 2012, arXiv:1211.5063, algorithm 1).
    pub clip: Option<f32>,
    /// Decay of the moving average `ema.<name>` of the parameters, which is faster in the first steps.
    pub average: Option<f32>,
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, clip: None, average: None }
    }
}

/// What a train step does with the gradients of a loss.
pub struct Update<'g> {
    /// (input, next) of the parameters, of their moments `m.<name>` and `v.<name>`, and of their average `ema.<name>`.
    pub states: Vec<(Tensor<'g>, Tensor<'g>)>,
    /// Euclidean norm of all gradients together before clipping, ().
    pub gradient_norm: Tensor<'g>,
}

impl AdamW {
    /// The step that lowers `loss`. `rates` (4) holds [`AdamW::rates`] of the step.
    pub fn update<'g>(self, p: &Params<'g>, loss: Tensor<'g>, rates: Tensor<'g>) -> Update<'g> {
        let params = p.tensors();
        let tensors: Vec<Tensor<'g>> = params.iter().map(|(_, t)| *t).collect();
        let grads = grad(loss, &tensors);
        let gradient_norm = norm(&grads).unwrap_or_else(|| loss.graph().scalar(0.0));
        // Like PyTorch's clip_grad_norm_: 1e-6 keeps the quotient finite.
        let scale = self.clip.map(|c| (c / (gradient_norm + 1e-6)).minimum(loss.graph().scalar(1.0)));
        let [rate, correction, decay, fresh] = [0, 1, 2, 3].map(|i| rates.narrow(0, i, 1).reshape(&[]));
        let mut states = Vec::new();
        for ((name, w), dw) in params.into_iter().zip(grads) {
            let state = |kind: &str| loss.graph().input(&format!("{kind}.{name}"), &w.shape());
            let dw = scale.map_or(dw, |s| dw * s);
            let (m, v) = (state("m"), state("v"));
            let m_next = m * self.beta1 + dw * (1.0 - self.beta1);
            let v_next = v * self.beta2 + dw.square() * (1.0 - self.beta2);
            let kept = if self.weight_decay != 0.0 && w.rank() > 1 { w * (1.0 - decay) } else { w };
            let w_next = kept - rate * m_next / (v_next.sqrt() * correction + self.epsilon);
            states.extend([(w, w_next), (m, m_next), (v, v_next)]);
            if self.average.is_some() {
                let ema = state("ema");
                states.push((ema, ema + fresh * (w_next - ema)));
            }
        }
        Update { states, gradient_norm }
    }

    /// What changes from step to step, for learning rate `lr` at step `t` (1, 2, ..): the rate divided by the correction of
    /// the first moment, one by the root of that of the second, the share of weights that decays, and the share of new
    /// parameters in the average. As in diffusers' `EMAModel` the average's decay is 0 at first, so that its start does not
    /// matter, and then at most t / (9 + t).
    pub fn rates(self, lr: f64, t: u64) -> [f32; 4] {
        let (t, correction) = (t as f64, |beta: f32| 1.0 - f64::from(beta).powf(t as f64));
        let kept = if t > 1.0 { f64::from(self.average.unwrap_or(0.0)).min(t / (9.0 + t)) } else { 0.0 };
        let rates = [
            lr / correction(self.beta1),
            correction(self.beta2).sqrt().recip(),
            lr * f64::from(self.weight_decay),
            1.0 - kept,
        ];
        rates.map(|r| r as f32)
    }
}

/// Euclidean norm of all tensors together, (). Squares of tensors of one size are added before they are summed up: most
/// gradients are small, and each sum of its own would be a dispatch.
fn norm<'g>(tensors: &[Tensor<'g>]) -> Option<Tensor<'g>> {
    // As many as a kernel can read under WebGPU's least limit of storage buffers, 8, next to its result.
    const TOGETHER: usize = 7;
    let mut by_size: BTreeMap<usize, Vec<Tensor<'g>>> = BTreeMap::new();
    for t in tensors {
        let n = t.shape().iter().product();
        by_size.entry(n).or_default().push(t.reshape(&[n]).square());
    }
    let add = |some: &[Tensor<'g>]| some.iter().copied().reduce(|a, b| a + b);
    let sums: Vec<Tensor<'g>> =
        by_size.values().flat_map(|all| all.chunks(TOGETHER)).filter_map(add).map(Tensor::sum_all).collect();
    add(&sums).map(Tensor::sqrt)
}
