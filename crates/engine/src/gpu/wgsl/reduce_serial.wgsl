// One thread an output: for short reductions, and where there are many outputs.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let o = (id.y * GRID_X + id.x) * THREADS + local;
    if o < OUTPUTS {
        var total = operand(o, 0u);
        for (var r = 1u; r < COUNT; r += 1u) {
            total = combine(total, operand(o, r));
        }
        store(o, total);
    }
}
