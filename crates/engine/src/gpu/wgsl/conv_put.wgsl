// Positions of a convolution, phase by phase, and where its results go.

const ACROSS = (OW + PHASES_X - 1u) / PHASES_X;
const DOWN = (OH + PHASES_Y - 1u) / PHASES_Y;
const TAPS_X = (KW + PHASES_X - 1u) / PHASES_X;
const TAPS_Y = (KH + PHASES_Y - 1u) / PHASES_Y;

fn row_of(n: vec4u, phase: u32) -> vec4u {
    return n / ACROSS % DOWN * PHASES_Y + phase / PHASES_X;
}

fn column_of(n: vec4u, phase: u32) -> vec4u {
    return n % ACROSS * PHASES_X + phase % PHASES_X;
}

// The first tap that a phase meets.
fn first_tap(phase: u32, phases: u32, pad: i32) -> u32 {
    let p = i32(phases);
    return u32(((pad - i32(phase)) % p + p) % p);
}

fn put(phase: u32, m: u32, n: u32, v: f32) {
    let y = n / ACROSS % DOWN * PHASES_Y + phase / PHASES_X;
    let x = n % ACROSS * PHASES_X + phase % PHASES_X;
    // Sizes that are no multiple of the phases leave positions past the end.
    if m < ROWS && n < COLS && y < OH && x < OW {
        store(n / (ACROSS * DOWN), m, y, x, v);
    }
}
