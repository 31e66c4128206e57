// A batched matrix product: its elements, for kernels that share them, and where its results go.

fn left(b: u32, m: u32, k: u32) -> f32 {
    return lhs(b, m, k);
}

fn right(b: u32, k: u32, n: u32) -> f32 {
    return rhs(b, k, n);
}
