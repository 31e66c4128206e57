// Writes a thread's 4 x 4 tile.

fn finish(local: u32, b: u32, m: u32, n: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f) {
    put_row(b, m, n, r0);
    put_row(b, m + 1u, n, r1);
    put_row(b, m + 2u, n, r2);
    put_row(b, m + 3u, n, r3);
}

fn put_row(b: u32, m: u32, n: u32, row: vec4f) {
    put(b, m, n, row.x);
    put(b, m, n + WX, row.y);
    put(b, m, n + 2u * WX, row.z);
    put(b, m, n + 3u * WX, row.w);
}
