// Writes an element of the product.

fn put(b: u32, m: u32, n: u32, v: f32) {
    if m < ROWS && n < COLS {
        store(b, m, n, v);
    }
}
