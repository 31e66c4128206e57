//! Where the elements of a value lie in its buffer, and walks over them.

/// A strided view: element (i, j, ..) is at `offset + i stride[0] + j stride[1] + ..` of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) offset: isize,
    pub(super) shape: Vec<usize>,
    /// 0 repeats an element, a negative step goes backwards.
    pub(super) stride: Vec<isize>,
}

impl Layout {
    /// Row major without gaps, from the start of the buffer.
    pub(super) fn dense(shape: &[usize]) -> Layout {
        let mut stride = vec![1isize; shape.len()];
        for axis in (1..shape.len()).rev() {
            stride[axis - 1] = stride[axis] * shape[axis] as isize;
        }
        Layout { offset: 0, shape: shape.to_vec(), stride }
    }

    /// One line of a buffer, repeated along all other axes. Without an axis: one element everywhere.
    pub(super) fn line(shape: &[usize], axis: Option<usize>) -> Layout {
        let stride = (0..shape.len()).map(|a| isize::from(Some(a) == axis)).collect();
        Layout { offset: 0, shape: shape.to_vec(), stride }
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn is_dense(&self) -> bool {
        self.offset == 0 && matches!(self.merged()[..], [] | [(_, 1)])
    }

    pub(super) fn permute(&self, perm: &[usize]) -> Layout {
        let shape = perm.iter().map(|&a| self.shape[a]).collect();
        Layout { offset: self.offset, shape, stride: perm.iter().map(|&a| self.stride[a]).collect() }
    }

    pub(super) fn expand(&self, shape: &[usize]) -> Layout {
        let stride = (0..shape.len()).map(|a| if self.shape[a] == shape[a] { self.stride[a] } else { 0 }).collect();
        Layout { offset: self.offset, shape: shape.to_vec(), stride }
    }

    pub(super) fn slice(&self, start: &[usize], shape: &[usize]) -> Layout {
        let skipped: isize = start.iter().zip(&self.stride).map(|(&n, s)| n as isize * s).sum();
        Layout { offset: self.offset + skipped, shape: shape.to_vec(), stride: self.stride.clone() }
    }

    pub(super) fn flip(&self, axes: &[usize]) -> Layout {
        let mut flipped = self.clone();
        for &a in axes {
            flipped.offset += (self.shape[a] as isize - 1) * self.stride[a];
            flipped.stride[a] = -self.stride[a];
        }
        flipped
    }

    /// The same elements in row-major order under another shape, where strides can say that.
    pub(super) fn reshape(&self, shape: &[usize]) -> Option<Layout> {
        let mut stride = vec![0; shape.len()];
        let merged = self.merged();
        let mut rest = merged.iter().rev();
        let (mut left, mut step) = (1, 0);
        for axis in (0..shape.len()).rev().filter(|&a| shape[a] != 1 && self.len() > 0) {
            if left == 1 {
                (left, step) = *rest.next()?;
            }
            if left % shape[axis] != 0 {
                return None;
            }
            stride[axis] = step;
            step *= shape[axis] as isize;
            left /= shape[axis];
        }
        Some(Layout { offset: self.offset, shape: shape.to_vec(), stride })
    }

    /// (size, stride) of the axes that matter, outer ones first: axes of size 1 are left out, neighbours that go on evenly
    /// are one.
    pub(super) fn merged(&self) -> Vec<(usize, isize)> {
        let mut merged: Vec<(usize, isize)> = Vec::new();
        for (&n, &s) in self.shape.iter().zip(&self.stride).filter(|(n, _)| **n != 1) {
            match merged.last_mut() {
                Some((outer, step)) if *step == s * n as isize => (*outer, *step) = (*outer * n, s),
                _ => merged.push((n, s)),
            }
        }
        merged
    }
}

/// Positions of the elements of some axes, in row-major order, counted from the lowest one; and where that one is.
pub(super) fn table(axes: &[(usize, isize)]) -> (Vec<u32>, isize) {
    let mut table = vec![0isize];
    for &(n, step) in axes {
        table = table.iter().flat_map(|at| (0..n as isize).map(move |i| at + i * step)).collect();
    }
    let lowest = table.iter().copied().min().unwrap_or(0);
    (table.iter().map(|at| (at - lowest) as u32).collect(), lowest)
}

/// Reads any part of a strided value in row-major order.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    offset: isize,
    dims: Vec<(usize, isize)>,
}

impl Walk {
    pub(super) fn new(layout: &Layout) -> Walk {
        let mut dims = layout.merged();
        if dims.is_empty() {
            dims.push((1, 1));
        }
        Walk { offset: layout.offset, dims }
    }

    /// Elements `at ..` of the value; `index` is scratch.
    pub(super) fn read(&self, data: &[f32], mut at: usize, out: &mut [f32], index: &mut Vec<usize>) {
        if out.is_empty() {
            return;
        }
        index.clear();
        index.resize(self.dims.len(), 0);
        for (slot, (n, _)) in index.iter_mut().zip(&self.dims).rev() {
            (*slot, at) = (at % n, at / n);
        }
        let (n, step) = self.dims[self.dims.len() - 1];
        let last = self.dims.len() - 1;
        let mut position = self.offset + index.iter().zip(&self.dims).map(|(&i, (_, s))| i as isize * s).sum::<isize>();
        let mut done = 0;
        while done < out.len() {
            let run = (n - index[last]).min(out.len() - done);
            read_run(data, position, step, &mut out[done..done + run]);
            done += run;
            index[last] += run;
            position += run as isize * step;
            for axis in (1..=last).rev() {
                if index[axis] < self.dims[axis].0 {
                    break;
                }
                position += self.dims[axis - 1].1 - self.dims[axis].0 as isize * self.dims[axis].1;
                index[axis] = 0;
                index[axis - 1] += 1;
            }
        }
    }
}

fn read_run(data: &[f32], at: isize, step: isize, out: &mut [f32]) {
    match step {
        0 => out.fill(data[at as usize]),
        1 => out.copy_from_slice(&data[at as usize..][..out.len()]),
        _ => out.iter_mut().enumerate().for_each(|(i, v)| *v = data[(at + i as isize * step) as usize]),
    }
}

/// Copies a strided value into a strided part of a buffer; both have the same shape.
pub(super) fn copy(data: &[f32], from: &Layout, out: &mut [f32], to: &Layout) {
    if from.len() == 0 {
        return;
    }
    let mut dims: Vec<(usize, isize, isize)> = Vec::new();
    for axis in (0..from.shape.len()).filter(|&a| from.shape[a] != 1) {
        let (n, f, t) = (from.shape[axis], from.stride[axis], to.stride[axis]);
        match dims.last_mut() {
            Some((outer, of, ot)) if *of == f * n as isize && *ot == t * n as isize => {
                (*outer, *of, *ot) = (*outer * n, f, t);
            }
            _ => dims.push((n, f, t)),
        }
    }
    let (run, step, jump) = dims.pop().unwrap_or((1, 1, 1));
    let rows: usize = dims.iter().map(|d| d.0).product();
    let mut index = vec![0; dims.len()];
    let (mut at, mut put) = (from.offset, to.offset);
    for _ in 0..rows {
        if jump == 1 {
            read_run(data, at, step, &mut out[put as usize..][..run]);
        } else {
            for i in 0..run as isize {
                out[(put + i * jump) as usize] = data[(at + i * step) as usize];
            }
        }
        for (i, (n, f, t)) in index.iter_mut().zip(&dims).rev() {
            *i += 1;
            (at, put) = (at + f, put + t);
            if *i < *n {
                break;
            }
            (at, put) = (at - *n as isize * f, put - *n as isize * t);
            *i = 0;
        }
    }
}
