// Phase $p: one thread a row, in chunks.

var<private> s$p: T$p;

fn chunk$p(o: u32, start: u32) -> T$p {
    var total = elements$p(o, start);
    for (var r = start + 1u; r < min(start + CHUNK, COUNT); r += 1u) {
        total = combine$p(total, elements$p(o, r));
    }
    return total;
}

fn phase$p(o: u32, part: u32, local: u32) {
    s$p = chunk$p(o, 0u);
    for (var start = CHUNK; start < COUNT; start += CHUNK) {
        s$p = combine$p(s$p, chunk$p(o, start));
    }
}
