// Batched matrix product. Each thread keeps a 4 x 4 tile of the result in registers and uses no workgroup memory:
// 8 loads for 16 multiply-adds. Where tiles are few, SPLIT threads share the sum of one tile.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let lane = local / SPLIT;
    let b = group / (GROUPS_DOWN * GROUPS_ACROSS);
    let m0 = ((group / GROUPS_ACROSS) % GROUPS_DOWN * WY + lane / WX) * 4u;
    // Columns of a thread are WX apart, so that neighbouring threads read neighbouring elements.
    let n0 = group % GROUPS_ACROSS * WX * 4u + lane % WX;
    // Rows and columns past the end are taken from the last one, and not stored.
    let m = min(vec4u(m0) + vec4u(0u, 1u, 2u, 3u), vec4u(ROWS - 1u));
    let n = min(vec4u(n0) + vec4u(0u, 1u, 2u, 3u) * WX, vec4u(COLS - 1u));
    var r0 = vec4f();
    var r1 = vec4f();
    var r2 = vec4f();
    var r3 = vec4f();
    // A thread without a tile has nothing to add, but must reach the barrier in `finish` where there is one.
    let depth = select(0u, DEPTH, m0 < ROWS && n0 < COLS);
    for (var k = local % SPLIT; k < depth; k += SPLIT) {
        let row = vec4f(rhs(b, k, n.x), rhs(b, k, n.y), rhs(b, k, n.z), rhs(b, k, n.w));
        r0 += lhs(b, m.x, k) * row;
        r1 += lhs(b, m.y, k) * row;
        r2 += lhs(b, m.z, k) * row;
        r3 += lhs(b, m.w, k) * row;
    }
    finish(local, b, m0, n0, r0, r1, r2, r3);
}

fn put(b: u32, m: u32, n: u32, v: f32) {
    if m < ROWS && n < COLS {
        store(b, m, n, v);
    }
}
