// Batched matrix product. Each thread keeps a tile of the result in registers and uses no workgroup memory: an 8 x 8
// tile takes 16 loads for 64 multiply-adds. Where tiles are few, SPLIT threads share the sum of one tile.
//
// A line with $i is repeated for each row of the tile, one with $j for each four columns.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let lane = local / SPLIT;
    let b = group / (GROUPS_DOWN * GROUPS_ACROSS);
    let first_row = ((group / GROUPS_ACROSS) % GROUPS_DOWN * WY + lane / WX) * TILE_ROWS;
    // Columns of a thread are WX apart, so that neighbouring threads read neighbouring elements.
    let first_col = group % GROUPS_ACROSS * WX * TILE_COLS + lane % WX;
    // Rows and columns past the end are taken from the last one, and not stored.
    let m$i = min(first_row + $iu, ROWS - 1u);
    let n$j = min(vec4u(first_col) + (vec4u(0u, 1u, 2u, 3u) + 4u * $ju) * WX, vec4u(COLS - 1u));
    // A thread without a tile has nothing to add, but must reach the barrier in `finish` where there is one.
    let depth = select(0u, DEPTH, first_row < ROWS && first_col < COLS);
    var t$i_$j = vec4f();
    for (var k = local % SPLIT; k < depth; k += SPLIT) {
        let row$j = vec4f(rhs(b, k, n$j.x), rhs(b, k, n$j.y), rhs(b, k, n$j.z), rhs(b, k, n$j.w));
        let a$i = lhs(b, m$i, k);
        t$i_$j += a$i * row$j;
    }
    let tile = Tile(
        t$i_$j,
    );
    finish(local, b, first_row, first_col, tile);
}
