// A convolution as a matrix product of (O, taps x C) and (taps x C, positions): its elements.

fn tap_of(phase: u32, k: u32) -> vec2u {
    let tap = k / CHANNELS;
    let first = vec2u(first_tap(phase / PHASES_X, PHASES_Y, PAD_Y), first_tap(phase % PHASES_X, PHASES_X, PAD_X));
    return first + vec2u(tap / TAPS_X, tap % TAPS_X) * vec2u(PHASES_Y, PHASES_X);
}

fn left(phase: u32, m: u32, k: u32) -> f32 {
    let tap = tap_of(phase, k);
    if tap.x >= KH || tap.y >= KW {
        return 0.0;
    }
    return kernel(m, k % CHANNELS, tap.x, tap.y);
}

fn right(phase: u32, k: u32, n: u32) -> f32 {
    let tap = tap_of(phase, k) * vec2u(DILATION_Y, DILATION_X);
    let row = n / ACROSS % DOWN * PHASES_Y + phase / PHASES_X;
    let column = n % ACROSS * PHASES_X + phase % PHASES_X;
    let spread = vec2i(vec2u(row, column) * vec2u(STRIDE_Y, STRIDE_X) + tap) - vec2i(PAD_Y, PAD_X);
    let at = vec2u(spread) / vec2u(SPREAD_Y, SPREAD_X);
    // Outside, or between two elements.
    if any(spread < vec2i()) || any(at >= vec2u(H, W)) || any(vec2i(at * vec2u(SPREAD_Y, SPREAD_X)) != spread) {
        return 0.0;
    }
    return image(n / (ACROSS * DOWN), k % CHANNELS, at.x, at.y);
}
