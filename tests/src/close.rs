//! Comparison with a stated tolerance: |a - b| <= atol + rtol max(|a|, |b|), never loosened silently.

/// An absolute and a relative tolerance.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Allowed whatever the size of the values.
    pub atol: f64,
    /// Allowed per unit of the larger value.
    pub rtol: f64,
}

impl Tolerance {
    /// The tolerance with the absolute part `atol` and the relative part `rtol`.
    pub const fn new(atol: f64, rtol: f64) -> Tolerance {
        Tolerance { atol, rtol }
    }

    /// `rtol` of the largest of `expected`: for gradients, whose small elements are differences of large terms.
    pub fn of_largest(rtol: f64, expected: &[f64]) -> Tolerance {
        Tolerance { atol: rtol * expected.iter().fold(0.0, |m: f64, v| m.max(v.abs())), rtol }
    }

    /// Whether the two values agree. Infinities agree with themselves, NaN with NaN.
    pub fn allows(self, a: f64, b: f64) -> bool {
        let bound = self.atol + self.rtol * a.abs().max(b.abs());
        a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && (a - b).abs() <= bound)
    }
}

/// Panics unless all values agree, naming the worst one. Returns the largest error in units of the tolerance.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: Tolerance) -> f64 {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    let mut worst = 0.0f64;
    for (i, (&a, &b)) in got.iter().zip(expected).enumerate() {
        assert!(
            tolerance.allows(a, b),
            "{what}: element {i} of {} is {a:e} and should be {b:e}; they differ by {:e}, {tolerance:?}",
            got.len(),
            (a - b).abs()
        );
        let bound = tolerance.atol + tolerance.rtol * a.abs().max(b.abs());
        if a != b && bound > 0.0 && a.is_finite() {
            worst = worst.max((a - b).abs() / bound);
        }
    }
    worst
}

/// f32 values as f64.
pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// f64 values rounded to f32.
pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}
