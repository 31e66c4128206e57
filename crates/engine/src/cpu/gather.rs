//! Gather and scatter-add along one axis, of dense values.

/// Entry i along the middle axis of (outer, `to`, row) is entry `index[i]` of x (outer, `from`, row); zeros where there is
/// none.
pub(super) fn gather(x: &[f32], index: &[f32], [from, row]: [usize; 2], out: &mut [f32]) {
    out.fill(0.0);
    if out.is_empty() || x.is_empty() {
        return;
    }
    for (out, x) in out.chunks_mut(index.len() * row).zip(x.chunks(from * row)) {
        for (out, &at) in out.chunks_mut(row).zip(index) {
            if at >= 0.0 && at < from as f32 {
                out.copy_from_slice(&x[at as usize * row..][..row]);
            }
        }
    }
}

/// Entry `index[i]` along the middle axis of (outer, `to`, row) receives entry i of x; what has no place is left out.
pub(super) fn scatter_add(x: &[f32], index: &[f32], [to, row]: [usize; 2], out: &mut [f32]) {
    out.fill(0.0);
    if out.is_empty() || x.is_empty() {
        return;
    }
    for (out, x) in out.chunks_mut(to * row).zip(x.chunks(index.len() * row)) {
        for (x, &at) in x.chunks(row).zip(index) {
            if at >= 0.0 && at < to as f32 {
                let sums = &mut out[at as usize * row..][..row];
                sums.iter_mut().zip(x).for_each(|(sum, part)| *sum += part);
            }
        }
    }
}
