// Convolution as a matrix product, with no matrix made: rows are output channels, columns are output positions, and
// the sum runs over taps of the kernel and channels. Each thread keeps 4 channels x 4 positions in registers.
//
// An input spread by zeros (SPREAD > 1) meets most taps at a zero. Positions are taken phase by phase: those of one
// phase meet the same taps, and only these are visited.

fn position(n: u32, phase: u32) -> vec3u {
    let across = (OW + PHASES_X - 1u) / PHASES_X;
    let down = (OH + PHASES_Y - 1u) / PHASES_Y;
    let y = n / across % down * PHASES_Y + phase / PHASES_X;
    let x = n % across * PHASES_X + phase % PHASES_X;
    return vec3u(n / (across * down), y, x);
}

// The first tap that a phase meets.
fn first_tap(phase: u32, phases: u32, pad: i32) -> u32 {
    let p = i32(phases);
    return u32(((pad - i32(phase)) % p + p) % p);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let lane = local / SPLIT;
    let part = local % SPLIT;
    let phase = group / (GROUPS_DOWN * GROUPS_ACROSS);
    let m0 = ((group / GROUPS_ACROSS) % GROUPS_DOWN * WY + lane / WX) * 4u;
    let n0 = group % GROUPS_ACROSS * WX * 4u + lane % WX;
    // Rows and columns past the end are taken from the last one, and not stored.
    let o = min(vec4u(m0) + vec4u(0u, 1u, 2u, 3u), vec4u(ROWS - 1u));
    let n = min(vec4u(n0) + vec4u(0u, 1u, 2u, 3u) * WX, vec4u(COLS - 1u));
    let p0 = position(n.x, phase);
    let p1 = position(n.y, phase);
    let p2 = position(n.z, phase);
    let p3 = position(n.w, phase);
    let top = vec4i(vec4u(p0.y, p1.y, p2.y, p3.y) * STRIDE_Y) - PAD_Y;
    let left = vec4i(vec4u(p0.z, p1.z, p2.z, p3.z) * STRIDE_X) - PAD_X;
    let ky0 = first_tap(phase / PHASES_X, PHASES_Y, PAD_Y);
    let kx0 = first_tap(phase % PHASES_X, PHASES_X, PAD_X);
    let height = i32(H * SPREAD_Y);
    let width = i32(W * SPREAD_X);
    let taps_x = (KW + PHASES_X - 1u) / PHASES_X;
    let taps_y = (KH + PHASES_Y - 1u) / PHASES_Y;
    // A thread without a tile has nothing to add, but must reach the barrier in `finish` where there is one.
    let taps = select(0u, taps_y * taps_x, m0 < ROWS && n0 < COLS);
    var r0 = vec4f();
    var r1 = vec4f();
    var r2 = vec4f();
    var r3 = vec4f();
    for (var tap = part % SPLIT_TAPS; tap < taps; tap += SPLIT_TAPS) {
        let ky = ky0 + tap / taps_x * PHASES_Y;
        let kx = kx0 + tap % taps_x * PHASES_X;
        let sy = top + i32(ky * DILATION_Y);
        let sx = left + i32(kx * DILATION_X);
        var inside = (sy >= vec4i()) & (sx >= vec4i()) & (sy < vec4i(height)) & (sx < vec4i(width));
        let y = vec4u(clamp(sy, vec4i(), vec4i(height - 1))) / SPREAD_Y;
        let x = vec4u(clamp(sx, vec4i(), vec4i(width - 1))) / SPREAD_X;
        if SPREAD_Y > 1u || SPREAD_X > 1u {
            inside &= (vec4i(y * SPREAD_Y) == sy) & (vec4i(x * SPREAD_X) == sx);
        }
        if ky < KH && kx < KW && any(inside) {
            for (var c = part / SPLIT_TAPS; c < CHANNELS; c += SPLIT_CHANNELS) {
                let all = vec4f(
                    image(p0.x, c, y.x, x.x),
                    image(p1.x, c, y.y, x.y),
                    image(p2.x, c, y.z, x.z),
                    image(p3.x, c, y.w, x.w)
                );
                let row = select(vec4f(), all, inside);
                r0 += kernel(o.x, c, ky, kx) * row;
                r1 += kernel(o.y, c, ky, kx) * row;
                r2 += kernel(o.z, c, ky, kx) * row;
                r3 += kernel(o.w, c, ky, kx) * row;
            }
        }
    }
    finish(local, phase, m0, n0, r0, r1, r2, r3);
}

fn put(phase: u32, m: u32, n: u32, v: f32) {
    let p = position(n, phase);
    // Sizes that are no multiple of the phases leave positions past the end.
    if m < ROWS && n < COLS && p.y < OH && p.z < OW {
        store(p.x, m, p.y, p.z, v);
    }
}
