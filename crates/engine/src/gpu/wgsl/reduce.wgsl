// WIDTH threads an output: each combines every WIDTH-th element, then a tree combines the threads. The tree also keeps
// long sums accurate. Needs COUNT >= WIDTH.

var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    // The threads of one output are STEP apart.
    let part = (local / STEP) % WIDTH;
    let o = group * OUTS + select(local / WIDTH, local % OUTS, STEP > 1u);
    // Threads past the last output work on it again: every thread must reach the barriers.
    let at = min(o, OUTPUTS - 1u);
    var total = operand(at, part);
    for (var r = part + WIDTH; r < COUNT; r += WIDTH) {
        total = combine(total, operand(at, r));
    }
    parts[local] = total;
    workgroupBarrier();
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if part < half {
            parts[local] = combine(parts[local], parts[local + half * STEP]);
        }
        workgroupBarrier();
    }
    if part == 0u && o < OUTPUTS {
        store(o, parts[local]);
    }
}
