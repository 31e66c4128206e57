// WIDTH threads a row: they reduce it phase by phase, then one stores what belongs to the row, and all of them what
// belongs to its elements.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    // The threads of one row are STEP apart.
    let part = (local / STEP) % WIDTH;
    let o = group * OUTS + select(local / WIDTH, local % OUTS, STEP > 1u);
    // Threads past the last row work on it again: every thread must reach the barriers.
    reduce(min(o, OUTPUTS - 1u), part, local);
    if o < OUTPUTS {
        if part == 0u {
            store(o);
        }
        for (var r = part; r < ELEMENTS; r += WIDTH) {
            store_element(o, r);
        }
    }
}
