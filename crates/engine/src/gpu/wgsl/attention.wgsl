// softmax(scores) v for QUERIES queries a workgroup, with THREADS keys at a time. A thread has the scores of one key, and
// later COLS_EACH columns of the result. What was added for the keys before is scaled when a larger score appears.

var<workgroup> queries: array<f32, QUERIES * DEPTH>;
// Scores of the keys at hand, then their weights.
var<workgroup> weights: array<f32, QUERIES * THREADS>;
// Of each query: the largest score so far, the sum of the weights, and the factor for what was added before.
var<workgroup> tops: array<f32, QUERIES>;
var<workgroup> sums: array<f32, QUERIES>;
var<workgroup> factors: array<f32, QUERIES>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let b = group / GROUPS_DOWN;
    let first = group % GROUPS_DOWN * QUERIES;
    for (var e = local; e < QUERIES * DEPTH; e += THREADS) {
        // Queries past the end are the last one, and not stored.
        queries[e] = query(b, min(first + e / DEPTH, ALL_QUERIES - 1u), e % DEPTH);
    }
    var total: array<f32, QUERIES * COLS_EACH>;
    for (var start = 0u; start < ALL_KEYS; start += THREADS) {
        workgroupBarrier();
        score_key(b, first, start, local);
        workgroupBarrier();
        if local < QUERIES {
            weigh(local, start);
        }
        workgroupBarrier();
        let keys = min(THREADS, ALL_KEYS - start);
        for (var c = 0u; c < COLS_EACH; c += 1u) {
            let n = min(c * THREADS + local, COLS - 1u);
            for (var m = 0u; m < QUERIES; m += 1u) {
                total[c * QUERIES + m] *= factors[m];
            }
            for (var s = 0u; s < keys; s += 1u) {
                let v = value(b, start + s, n);
                for (var m = 0u; m < QUERIES; m += 1u) {
                    total[c * QUERIES + m] += weights[m * THREADS + s] * v;
                }
            }
        }
    }
    for (var c = 0u; c < COLS_EACH; c += 1u) {
        let n = c * THREADS + local;
        for (var m = 0u; m < QUERIES; m += 1u) {
            if first + m < ALL_QUERIES && n < COLS {
                store(b, first + m, n, total[c * QUERIES + m] / sums[m]);
            }
        }
    }
}

// The scores of one key with all queries.
fn score_key(b: u32, first: u32, start: u32, local: u32) {
    let s = min(start + local, ALL_KEYS - 1u);
    var products: array<f32, QUERIES>;
    for (var k = 0u; k < DEPTH; k += 1u) {
        let element = key(b, k, s);
        for (var m = 0u; m < QUERIES; m += 1u) {
            products[m] += queries[m * DEPTH + k] * element;
        }
    }
    for (var m = 0u; m < QUERIES; m += 1u) {
        weights[m * THREADS + local] = score(b, min(first + m, ALL_QUERIES - 1u), s, products[m]);
    }
}

// The scores of query m become weights.
fn weigh(m: u32, start: u32) {
    let keys = min(THREADS, ALL_KEYS - start);
    var top = weights[m * THREADS];
    for (var s = 1u; s < keys; s += 1u) {
        top = max(top, weights[m * THREADS + s]);
    }
    var factor = 0.0;
    var sum = 0.0;
    if start > 0u {
        top = max(top, tops[m]);
        factor = exp(tops[m] - top);
        sum = sums[m] * factor;
    }
    for (var s = 0u; s < keys; s += 1u) {
        let weight = exp(weights[m * THREADS + s] - top);
        weights[m * THREADS + s] = weight;
        sum += weight;
    }
    tops[m] = top;
    sums[m] = sum;
    factors[m] = factor;
}
