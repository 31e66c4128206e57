//! Functions of one value that candle-core lacks in a form that is stable at both ends: one pass over memory each.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape};

/// A function of one f32.
pub(super) struct Pointwise {
    name: &'static str,
    f: fn(f32) -> f32,
}

impl Pointwise {
    /// 1 / (1 + e^-x): f32's e^-x overflows to infinity for x < -88, and 1/inf is the 0 that is meant.
    pub(super) const SIGMOID: Pointwise = Pointwise { name: "sigmoid", f: |x| 1.0 / (1.0 + (-x).exp()) };

    /// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|).
    pub(super) const SOFTPLUS: Pointwise =
        Pointwise { name: "softplus", f: |x| x.max(0.0) + (1.0 + (-x.abs()).exp()).ln() };
}

impl CustomOp1 for Pointwise {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("{} wants a contiguous tensor", self.name)
        };
        let y = storage.as_slice::<f32>()?[start..end].iter().map(|&v| (self.f)(v)).collect();
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }
}
