// Adds the parts of a 4 x 4 tile that SPLIT neighbouring threads have, then writes it.

var<workgroup> parts: array<f32, 16u * THREADS>;

fn finish(local: u32, b: u32, m: u32, n: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f) {
    keep(local, 0u, r0);
    keep(local, 4u, r1);
    keep(local, 8u, r2);
    keep(local, 12u, r3);
    workgroupBarrier();
    let part = local % SPLIT;
    for (var e = part; e < 16u; e += SPLIT) {
        var total = 0.0;
        for (var p = 0u; p < SPLIT; p += 1u) {
            total += parts[e * THREADS + local - part + p];
        }
        put(b, m + e / 4u, n + e % 4u * WX, total);
    }
}

fn keep(local: u32, first: u32, row: vec4f) {
    parts[first * THREADS + local] = row.x;
    parts[(first + 1u) * THREADS + local] = row.y;
    parts[(first + 2u) * THREADS + local] = row.z;
    parts[(first + 3u) * THREADS + local] = row.w;
}
