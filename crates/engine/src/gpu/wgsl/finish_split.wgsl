// Adds the parts of a tile that SPLIT neighbouring threads have, then writes it.

const ELEMENTS = TILE_ROWS * TILE_COLS;
alias Tile = array<vec4f, ELEMENTS / 4u>;
var<workgroup> parts: array<f32, ELEMENTS * THREADS>;

fn finish(local: u32, b: u32, m: u32, n: u32, result: Tile) {
    var tile = result;
    for (var e = 0u; e < ELEMENTS; e += 1u) {
        parts[e * THREADS + local] = tile[e / 4u][e % 4u];
    }
    workgroupBarrier();
    let part = local % SPLIT;
    for (var e = part; e < ELEMENTS; e += SPLIT) {
        var total = 0.0;
        for (var p = 0u; p < SPLIT; p += 1u) {
            total += parts[e * THREADS + local - part + p];
        }
        put(b, m + e / TILE_COLS, n + e % TILE_COLS * WX, total);
    }
}
