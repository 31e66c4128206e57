// Writes a thread's tile. A loop: `store` can be long, and a copy of it for each element is slow to compile.

alias Tile = array<vec4f, TILE_ROWS * TILE_COLS / 4u>;

fn finish(local: u32, b: u32, m: u32, n: u32, result: Tile) {
    var tile = result;
    for (var e = 0u; e < TILE_ROWS * TILE_COLS; e += 1u) {
        put(b, m + e / TILE_COLS, n + e % TILE_COLS * WX, tile[e / 4u][e % 4u]);
    }
}
