// Writes a thread's 4 x 4 tile. A loop: `store` can be long, and 16 copies of it make a shader slow to compile.

fn finish(local: u32, b: u32, m: u32, n: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f) {
    var tile = array<vec4f, 4>(r0, r1, r2, r3);
    for (var e = 0u; e < 16u; e += 1u) {
        put(b, m + e / 4u, n + e % 4u * WX, tile[e / 4u][e % 4u]);
    }
}
