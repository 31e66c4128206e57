// Phase $p: each thread combines every WIDTH-th element, then a tree combines the threads. The tree also keeps long
// sums accurate. Needs COUNT >= WIDTH.

var<private> s$p: T$p;
var<workgroup> parts$p: array<T$p, THREADS>;

fn phase$p(o: u32, part: u32, local: u32) {
    var total = elements$p(o, part);
    for (var r = part + WIDTH; r < COUNT; r += WIDTH) {
        total = combine$p(total, elements$p(o, r));
    }
    parts$p[local] = total;
    workgroupBarrier();
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if part < half {
            parts$p[local] = combine$p(parts$p[local], parts$p[local + half * STEP]);
        }
        workgroupBarrier();
    }
    s$p = parts$p[local - part * STEP];
}
