// One thread an element: `store` computes and writes it.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let i = (id.y * GRID_X + id.x) * THREADS + local;
    if i < LEN {
        store(i);
    }
}
