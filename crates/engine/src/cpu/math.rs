//! Functions of one value without branches or calls, so that the compiler makes SIMD of loops over them. libm's `expf` and
//! `logf` are calls, element by element, and took a third of the time of a likelihood query.

use graph::Unary;

/// `f` of each element.
#[inline(always)]
pub(super) fn unary(f: Unary, x: &[f32], out: &mut [f32]) {
    // The choice is made outside of the loops: a call by pointer can't be vectorised.
    match f {
        Unary::Neg => map(x, out, |x| -x),
        Unary::Exp => map(x, out, exp),
        Unary::Ln => map(x, out, ln),
        Unary::Sqrt => map(x, out, f32::sqrt),
        Unary::Sin => map(x, out, f32::sin),
        Unary::Cos => map(x, out, f32::cos),
        Unary::Tanh => map(x, out, tanh),
        Unary::Abs => map(x, out, f32::abs),
        Unary::Sigmoid => map(x, out, |x| 1.0 / (1.0 + exp_clamped(-x))),
        Unary::Softplus => map(x, out, |x| larger(x, 0.0) + ln_1p(exp_clamped(-x.abs()))),
    }
}

#[inline(always)]
fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
}

/// The larger value; NaN if one of them is.
#[inline(always)]
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller value; NaN if one of them is.
#[inline(always)]
pub(super) fn smaller(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// e^x to 2 units in the last place. Infinite where f32 ends, 0 where its normal numbers end.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let y = exp_clamped(x);
    let y = if x > 88.722_83 { f32::INFINITY } else { y };
    if x < -87.33 { 0.0 } else { y }
}

/// e^x; x is clamped to where the result is a normal number.
///
/// e^x = 2^n e^r with |r| <= ln(2) / 2, and Cephes' polynomial (`expf.c`) for e^r.
#[inline(always)]
fn exp_clamped(x: f32) -> f32 {
    // Adding 1.5 2^23 rounds to a whole number, which is then found in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.33, 88.722_83);
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
    // 2^n as the product of two powers: n can be 128, which is one more than an exponent can be.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    (p * r * r + r + 1.0) * power_of_two(half) * power_of_two(n - half)
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// ln x to 2 units in the last place: -inf at 0, NaN below.
///
/// x = 2^n m with m in [sqrt(1/2), sqrt(2)), and Cephes' polynomial (`logf.c`) for ln(1 + f), f = m - 1.
#[inline(always)]
fn ln(x: f32) -> f32 {
    // Numbers too small to be normal are scaled by 2^23 first.
    let tiny = x < f32::MIN_POSITIVE;
    let bits = (if tiny { x * 8_388_608.0 } else { x }).to_bits();
    // Subtracting the bits of sqrt(1/2) moves the step of the exponent to there.
    let shifted = bits.wrapping_sub(0x3F35_04F3) as i32;
    let n = (shifted >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let f = f32::from_bits((shifted as u32 & 0x007F_FFFF).wrapping_add(0x3F35_04F3)) - 1.0;
    let p = 7.037_683_6e-2_f32;
    let p = p * f - 1.151_461e-1;
    let p = p * f + 1.167_699_9e-1;
    let p = p * f - 1.242_014_1e-1;
    let p = p * f + 1.424_932_3e-1;
    let p = p * f - 1.666_805_8e-1;
    let p = p * f + 2.000_071_4e-1;
    let p = p * f - 2.499_999_4e-1;
    let p = p * f + 3.333_333e-1;
    let q = f * f;
    let y = p * f * q - n * 2.121_944_4e-4 - 0.5 * q;
    let y = f + y + n * 0.693_359_4;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// tanh x to 3 units in the last place: Cephes' polynomial (`tanhf.c`) near 0, where 1 - 2 / (e^2x + 1) would cancel.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let q = x * x;
    let p = -5.704_988_7e-3_f32;
    let p = p * q + 2.063_909e-2;
    let p = p * q - 5.373_971_6e-2;
    let p = p * q + 1.333_144_2e-1;
    let p = p * q - 3.333_328e-1;
    let near = p * q * x + x;
    let a = x.abs();
    let far = 1.0 - 2.0 / (exp_clamped(2.0 * a) + 1.0);
    let far = if x < 0.0 { -far } else { far };
    if a < 0.625 { near } else { far }
}

/// ln(1 + t) for t in [0, 1], to 2 units in the last place: 2 atanh(t / (2 + t)) as a series.
#[inline(always)]
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

    /// The largest relative error over a range.
    fn worst(range: std::ops::Range<f32>, f: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64) -> f64 {
        let at = |i: usize| range.start + (range.end - range.start) * i as f32 / 200_000.0;
        let error = |x: f32| (f64::from(f(x)) / truth(f64::from(x)) - 1.0).abs();
        (0..=200_000).map(|i| error(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn all_keep_f32_precision() {
        let ulp = f64::from(f32::EPSILON);
        let errors = [
            ("exp", worst(-87.3..88.7, exp, f64::exp)),
            ("ln_1p", worst(1e-7..1.0, ln_1p, f64::ln_1p)),
            ("ln above 1", worst(1.001..1e30, ln, f64::ln)),
            ("ln below 1", worst(1e-30..0.999, ln, f64::ln)),
            ("ln near 0", worst(1e-44..1e-38, ln, f64::ln)),
            ("tanh", worst(1e-6..9.0, tanh, f64::tanh)),
            ("tanh below 0", worst(-9.0..-1e-6, tanh, f64::tanh)),
        ];
        for (name, error) in errors {
            assert!(error < 3.0 * ulp, "{name}: {error:e}");
        }
    }

    #[test]
    fn the_ends_are_those_of_ieee() {
        assert_eq!([exp(-1e30), exp(-200.0), exp(0.0), exp(1e30)], [0.0, 0.0, 1.0, f32::INFINITY]);
        assert_eq!([exp(f32::INFINITY), exp(f32::NEG_INFINITY)], [f32::INFINITY, 0.0]);
        assert_eq!(
            [ln(0.0), ln(-0.0), ln(1.0), ln(f32::INFINITY)],
            [f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0, f32::INFINITY]
        );
        assert_eq!([tanh(0.0), tanh(1e30), tanh(-1e30), ln_1p(0.0)], [0.0, 1.0, -1.0, 0.0]);
        let nans =
            [exp(f32::NAN), ln(f32::NAN), ln(-1.0), tanh(f32::NAN), larger(f32::NAN, 0.0), larger(0.0, f32::NAN)];
        assert!(nans.iter().all(|v| v.is_nan()), "{nans:?}");
    }
}
