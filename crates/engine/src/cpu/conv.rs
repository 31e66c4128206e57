//! Convolution as a matrix product. candle's own `conv2d` knows neither spread inputs nor negative padding, and its
//! transposed convolution is many times slower than its matmul.
//!
//! Two forms:
//! - gather: columns of input patches, then one product with the kernel (im2col);
//! - scatter: one product of the kernel with the input, whose rows are then added into the result (col2im).
//!
//! Gather makes C KH KW x OH OW columns and multiplies O C KH KW OH OW times, scatter makes O KH KW x H W rows and
//! multiplies O C KH KW H W times. Scatter is taken where it needs no more of either: for a transposed convolution, and
//! for a last layer with few channels.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use graph::Window;
use rayon::prelude::*;

/// (B, C, H, W) with (O, C, KH, KW) to (B, O, `out[0]`, `out[1]`).
pub(super) fn conv(x: &Tensor, w: &Tensor, window: &Window, out: [usize; 2]) -> Result<Tensor> {
    let (b, c, h, width) = x.dims4()?;
    let (o, _, kh, kw) = w.dims4()?;
    let taps = Taps::new(window, [h, width], [kh, kw], out);
    let (n, n_in) = (out[0] * out[1], h * width);
    if n_in <= n && o * n_in < c * n {
        let kernel = w.permute((0, 2, 3, 1))?.reshape((1, o * kh * kw, c))?.broadcast_as((b, o * kh * kw, c))?;
        let rows = kernel.matmul(&x.reshape((b, c, n_in))?)?; // (B, O KH KW, H W)
        return rows.apply_op1_no_bwd(&Scatter { taps, shape: [b, o, out[0], out[1]] });
    }
    let kernel = w.reshape((o, c * kh * kw))?;
    // Small results (a kernel's gradient is 3 x 3) make thin products a batch: one wide product instead.
    if n < 64 && b > 1 {
        let columns = x.apply_op1_no_bwd(&Gather { taps, batch_first: false })?; // (C KH KW, B n)
        let y = kernel.matmul(&columns)?; // (O, B n)
        return y.reshape((o, b, out[0], out[1]))?.permute((1, 0, 2, 3))?.contiguous();
    }
    let columns = x.apply_op1_no_bwd(&Gather { taps, batch_first: true })?; // (B, C KH KW, n)
    let kernel = kernel.reshape((1, o, c * kh * kw))?.broadcast_as((b, o, c * kh * kw))?;
    kernel.matmul(&columns)?.reshape((b, o, out[0], out[1]))
}

/// For one kernel index along one axis: which result positions meet which input positions. Both are arithmetic
/// progressions: (out + i out_step, input + i in_step) for i < count.
#[derive(Clone, Copy, Default)]
struct Line {
    out: usize,
    out_step: usize,
    input: usize,
    in_step: usize,
    count: usize,
}

/// All pairs of positions of a convolution, by axis and kernel index.
struct Taps {
    rows: Vec<Line>,
    cols: Vec<Line>,
    input: [usize; 2],
    out: [usize; 2],
}

impl Taps {
    fn new(window: &Window, input: [usize; 2], kernel: [usize; 2], out: [usize; 2]) -> Taps {
        let axis = |a: usize| (0..kernel[a]).map(|k| line(window, a, k, input[a], out[a])).collect();
        Taps { rows: axis(0), cols: axis(1), input, out }
    }
}

/// The pairs with out * stride + k * dilation - lo = input * lhs_dilation.
fn line(window: &Window, axis: usize, k: usize, n: usize, out: usize) -> Line {
    let spread = window.lhs_dilation[axis] as isize;
    let start = (k * window.dilation[axis]) as isize - window.pad[axis].0;
    let mut pairs = (0..out).filter_map(|o| {
        let at = (o * window.stride[axis]) as isize + start;
        (at >= 0 && at % spread == 0 && at / spread < n as isize).then_some((o, (at / spread) as usize))
    });
    let Some((o, i)) = pairs.next() else { return Line::default() };
    let Some((o2, i2)) = pairs.next() else { return Line { out: o, out_step: 1, input: i, in_step: 1, count: 1 } };
    Line { out: o, out_step: o2 - o, input: i, in_step: i2 - i, count: 2 + pairs.count() }
}

/// Input patches as columns: (B, C KH KW, OH OW), or (C KH KW, B OH OW) if not `batch_first`.
struct Gather {
    taps: Taps,
    batch_first: bool,
}

impl Gather {
    /// Writes the patch elements of one image channel under one kernel position: `row` has OH OW elements.
    fn row(&self, plane: &[f32], stride: (usize, usize), ky: usize, kx: usize, row: &mut [f32]) {
        let (ly, lx) = (self.taps.rows[ky], self.taps.cols[kx]);
        for j in 0..ly.count {
            let line = &mut row[(ly.out + j * ly.out_step) * self.taps.out[1]..][..self.taps.out[1]];
            let from = &plane[(ly.input + j * ly.in_step) * stride.0..];
            if lx.out_step == 1 && lx.in_step == 1 && stride.1 == 1 {
                line[lx.out..lx.out + lx.count].copy_from_slice(&from[lx.input..lx.input + lx.count]);
            } else {
                for i in 0..lx.count {
                    line[lx.out + i * lx.out_step] = from[(lx.input + i * lx.in_step) * stride.1];
                }
            }
        }
    }
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "conv-gather"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, c, _, _) = layout.shape().dims4()?;
        let s = layout.stride();
        let x = &storage.as_slice::<f32>()?[layout.start_offset()..];
        let (kh, kw) = (self.taps.rows.len(), self.taps.cols.len());
        let (k, n) = (c * kh * kw, self.taps.out[0] * self.taps.out[1]);
        let mut columns = vec![0f32; b * k * n];
        let fill = |image: usize, q: usize, row: &mut [f32]| {
            let plane = &x[image * s[0] + q / (kh * kw) * s[1]..];
            self.row(plane, (s[2], s[3]), q / kw % kh, q % kw, row);
        };
        let shape = if self.batch_first {
            columns.par_chunks_mut(k * n).enumerate().for_each(|(image, block)| {
                block.chunks_mut(n).enumerate().for_each(|(q, row)| fill(image, q, row));
            });
            Shape::from((b, k, n))
        } else {
            columns.par_chunks_mut(b * n).enumerate().for_each(|(q, block)| {
                block.chunks_mut(n).enumerate().for_each(|(image, row)| fill(image, q, row));
            });
            Shape::from((k, b * n))
        };
        Ok((CpuStorage::F32(columns), shape))
    }
}

/// Adds rows (B, O KH KW, H W) into the result (B, O, OH, OW).
struct Scatter {
    taps: Taps,
    shape: [usize; 4],
}

impl CustomOp1 for Scatter {
    fn name(&self) -> &'static str {
        "conv-scatter"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let rows = &storage.as_slice::<f32>()?[layout.start_offset()..];
        let (kh, kw) = (self.taps.rows.len(), self.taps.cols.len());
        let (n_in, n_out) = (self.taps.input[0] * self.taps.input[1], self.taps.out[0] * self.taps.out[1]);
        let mut y = vec![0f32; self.shape.iter().product()];
        y.par_chunks_mut(n_out).enumerate().for_each(|(plane, y)| {
            let rows = &rows[plane * kh * kw * n_in..][..kh * kw * n_in];
            for (q, row) in rows.chunks(n_in).enumerate() {
                let (ly, lx) = (self.taps.rows[q / kw], self.taps.cols[q % kw]);
                for j in 0..ly.count {
                    let to = &mut y[(ly.out + j * ly.out_step) * self.taps.out[1]..];
                    let from = &row[(ly.input + j * ly.in_step) * self.taps.input[1]..];
                    if lx.out_step == 1 && lx.in_step == 1 {
                        let to = &mut to[lx.out..lx.out + lx.count];
                        to.iter_mut().zip(&from[lx.input..]).for_each(|(sum, part)| *sum += part);
                    } else {
                        for i in 0..lx.count {
                            to[lx.out + i * lx.out_step] += from[lx.input + i * lx.in_step];
                        }
                    }
                }
            }
        });
        Ok((CpuStorage::F32(y), Shape::from(self.shape.to_vec())))
    }
}
