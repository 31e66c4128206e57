// Convolution as a matrix product, with no matrix made: rows are output channels, columns are output positions, and
// the sum runs over taps of the kernel and channels. Each thread keeps a tile of channels x positions in registers.
//
// An input spread by zeros (SPREAD > 1) meets most taps at a zero. Positions are taken phase by phase: those of one
// phase meet the same taps, and only these are visited.
//
// A line with $i is repeated for each row of the tile, one with $j for each four columns.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let lane = local / SPLIT;
    let part = local % SPLIT;
    let phase = group / (GROUPS_DOWN * GROUPS_ACROSS);
    let first_row = ((group / GROUPS_ACROSS) % GROUPS_DOWN * WY + lane / WX) * TILE_ROWS;
    let first_col = group % GROUPS_ACROSS * WX * TILE_COLS + lane % WX;
    // Rows and columns past the end are taken from the last one, and not stored.
    let o$i = min(first_row + $iu, ROWS - 1u);
    let n$j = min(vec4u(first_col) + (vec4u(0u, 1u, 2u, 3u) + 4u * $ju) * WX, vec4u(COLS - 1u));
    let b$j = n$j / (ACROSS * DOWN);
    let top$j = vec4i(row_of(n$j, phase) * STRIDE_Y) - PAD_Y;
    let left$j = vec4i(column_of(n$j, phase) * STRIDE_X) - PAD_X;
    let ky0 = first_tap(phase / PHASES_X, PHASES_Y, PAD_Y);
    let kx0 = first_tap(phase % PHASES_X, PHASES_X, PAD_X);
    let height = i32(H * SPREAD_Y);
    let width = i32(W * SPREAD_X);
    // A thread without a tile has nothing to add, but must reach the barrier in `finish` where there is one.
    let taps = select(0u, TAPS_Y * TAPS_X, first_row < ROWS && first_col < COLS);
    var t$i_$j = vec4f();
    for (var tap = part % SPLIT_TAPS; tap < taps; tap += SPLIT_TAPS) {
        let ky = ky0 + tap / TAPS_X * PHASES_Y;
        let kx = kx0 + tap % TAPS_X * PHASES_X;
        let sy$j = top$j + i32(ky * DILATION_Y);
        let sx$j = left$j + i32(kx * DILATION_X);
        let y$j = vec4u(clamp(sy$j, vec4i(), vec4i(height - 1))) / SPREAD_Y;
        let x$j = vec4u(clamp(sx$j, vec4i(), vec4i(width - 1))) / SPREAD_X;
        // Clamping and dividing changes what is outside, or between two elements.
        let inside$j = (vec4i(y$j * SPREAD_Y) == sy$j) & (vec4i(x$j * SPREAD_X) == sx$j);
        var some = false;
        some = some || any(inside$j);
        if some && ky < KH && kx < KW {
            for (var c = part / SPLIT_TAPS; c < CHANNELS; c += SPLIT_CHANNELS) {
                let x01_$j = vec2f(image(b$j.x, c, y$j.x, x$j.x), image(b$j.y, c, y$j.y, x$j.y));
                let x23_$j = vec2f(image(b$j.z, c, y$j.z, x$j.z), image(b$j.w, c, y$j.w, x$j.w));
                let row$j = select(vec4f(), vec4f(x01_$j, x23_$j), inside$j);
                let a$i = kernel(o$i, c, ky, kx);
                t$i_$j += a$i * row$j;
            }
        }
    }
    let tile = Tile(
        t$i_$j,
    );
    finish(local, phase, first_row, first_col, tile);
}
