// Functions that would overflow or lose digits if they were written as their definition, or as WGSL's own.

fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + log1p(exp(-abs(x)));
}

// ln(1 + e) for e in [0, 1], as 2 atanh(e / (2 + e)): s is at most 1/3, and the first term left out is below 2e-8.
fn log1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let q = s * s;
    let tail = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0)));
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * tail)));
}

// sin(x + quarters pi / 2). WGSL's own sin may be off by 2^-11, and by anything outside of [-pi, pi]. This is Cephes' sinf:
// x less the nearest multiple of pi / 2, which is taken off in three parts of few digits, then a polynomial.
fn sine(x: f32, quarters: i32) -> f32 {
    let n = round(x * 0.63661975);
    let r = ((x - n * 1.5703125) - n * 4.837513e-4) - n * 7.54979e-8;
    let z = r * r;
    let odd = r + r * z * (-0.16666655 + z * (8.332161e-3 - z * 1.9515296e-4));
    let even = 1.0 - 0.5 * z + z * z * (4.1666646e-2 + z * (-1.3887316e-3 + z * 2.4433157e-5));
    let quarter = i32(n) + quarters;
    let value = select(odd, even, (quarter & 1) == 1);
    return select(value, -value, (quarter & 2) == 2);
}
