//! Gather and scatter-add along one axis. candle's `index_select` refuses an index outside the axis, where the graph
//! has zeros.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};

/// Both directions, along `axis`.
pub(super) enum Indexed {
    /// Entry i of the result is entry `index[i]` of x.
    Gather { axis: usize },
    /// Entry `index[i]` of the result, which has `n`, receives entry i of x.
    ScatterAdd { axis: usize, n: usize },
}

impl CustomOp2 for Indexed {
    fn name(&self) -> &'static str {
        match self {
            Indexed::Gather { .. } => "gather",
            Indexed::ScatterAdd { .. } => "scatter-add",
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, index: &CpuStorage, il: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, index) = (contiguous(x, xl)?, contiguous(index, il)?);
        let (axis, from) = match *self {
            Indexed::Gather { axis } | Indexed::ScatterAdd { axis, .. } => (axis, xl.dims()[axis]),
        };
        let mut shape = xl.dims().to_vec();
        shape[axis] = match *self {
            Indexed::Gather { .. } => index.len(),
            Indexed::ScatterAdd { n, .. } => n,
        };
        let (to, row) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut y = vec![0f32; shape.iter().product()];
        if !y.is_empty() && !x.is_empty() {
            for (y, x) in y.chunks_mut(to * row).zip(x.chunks(from * row)) {
                for (i, &at) in index.iter().enumerate() {
                    match *self {
                        Indexed::Gather { .. } if at >= 0.0 && at < from as f32 => {
                            y[i * row..][..row].copy_from_slice(&x[at as usize * row..][..row]);
                        }
                        Indexed::ScatterAdd { .. } if at >= 0.0 && at < to as f32 => {
                            let (sum, part) = (&mut y[at as usize * row..][..row], &x[i * row..][..row]);
                            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a contiguous tensor is wanted"),
    }
}
