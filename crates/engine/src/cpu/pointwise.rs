//! Functions of one value that candle-core lacks in a form that is stable at both ends: one pass over memory each,
//! without branches, so that the compiler makes SIMD of them. libm's `expf` and `logf` are calls, element by element,
//! and took a third of the time of a likelihood query.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape};

/// A function of one f32.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pointwise {
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)
    Softplus,
}

impl CustomOp1 for Pointwise {
    fn name(&self) -> &'static str {
        match self {
            Pointwise::Sigmoid => "sigmoid",
            Pointwise::Softplus => "softplus",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("{} wants a contiguous tensor", self.name())
        };
        let x = &storage.as_slice::<f32>()?[start..end];
        // The choice is made outside of the loops: a call by pointer can't be vectorised.
        let y = match self {
            Pointwise::Sigmoid => x.iter().map(|&x| 1.0 / (1.0 + exp(-x))).collect(),
            Pointwise::Softplus => x.iter().map(|&x| x.max(0.0) + ln_1p(exp(-x.abs()))).collect(),
        };
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }
}

/// e^x to 2 units in the last place; x is clamped to where the result is a normal number.
///
/// e^x = 2^n e^r with |r| <= ln(2) / 2, and Cephes' polynomial (`expf.c`) for e^r.
#[inline]
fn exp(x: f32) -> f32 {
    // Adding 1.5 2^23 rounds to a whole number, which is then found in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.3);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, of which the first has few bits: n times it is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let power = f32::from_bits((shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23);
    (p * r * r + r + 1.0) * power
}

/// ln(1 + t) for t in [0, 1], to 2 units in the last place: 2 atanh(t / (2 + t)) as a series.
#[inline]
fn ln_1p(t: f32) -> f32 {
    let s = t / (2.0 + t); // at most 1/3: eight terms leave 1e-9
    let q = s * s;
    let p = 1.0 / 15.0;
    let p = p * q + 1.0 / 13.0;
    let p = p * q + 1.0 / 11.0;
    let p = p * q + 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    2.0 * (s + s * q * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(range: std::ops::Range<f32>, f: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64) -> f64 {
        let at = |i: usize| range.start + (range.end - range.start) * i as f32 / 200_000.0;
        let error = |x: f32| (f64::from(f(x)) / truth(f64::from(x)) - 1.0).abs();
        (0..=200_000).map(|i| error(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn exp_and_ln_1p_keep_f32_precision() {
        let ulp = f64::from(f32::EPSILON);
        let e = worst(-87.0..88.0, exp, f64::exp);
        assert!(e < 2.0 * ulp, "exp: {e:e}");
        let l = worst(1e-7..1.0, ln_1p, f64::ln_1p);
        assert!(l < 2.0 * ulp, "ln_1p: {l:e}");
    }

    #[test]
    fn the_ends_are_finite() {
        for x in [-1e30, -200.0, 0.0, 200.0, 1e30] {
            assert!(exp(x).is_finite() && exp(x) >= 0.0);
        }
        assert_eq!((exp(0.0), ln_1p(0.0)), (1.0, 0.0));
    }
}
