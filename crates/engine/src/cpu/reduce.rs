//! Sums and maxima over axes, of stored values or of what a chain makes of them.
//!
//! The order of the additions depends on the shape of one result's terms alone, not on how many results there are.

use super::layout::{Layout, table};
use super::math::larger;
use super::memory::Memory;
use super::pointwise::{BLOCK, Chain, Scratch};
use super::simd::{Loops, vectorize};
use graph::{NodeId, Reduce};

/// A reduction of the elements of a chain. They come in rows: the innermost axes that are all reduced, or all kept.
#[derive(Debug)]
pub(super) struct Reduction {
    f: Reduce,
    chain: Chain,
    /// Elements of a row.
    row: usize,
    /// Whether a row becomes one element, or is added to a row of the result.
    within: bool,
    /// Where the result of each row goes.
    to: Vec<u32>,
}

impl Reduction {
    /// Reduces `axes` of a chain's elements of this shape.
    pub(super) fn new(f: Reduce, axes: &[usize], shape: &[usize], chain: Chain) -> Reduction {
        let result: Vec<usize> = (0..shape.len()).map(|a| if axes.contains(&a) { 1 } else { shape[a] }).collect();
        let steps = Layout::dense(&result).stride;
        let wide: Vec<usize> = (0..shape.len()).filter(|&a| shape[a] != 1).collect();
        let within = wide.last().is_some_and(|a| axes.contains(a));
        let inner = wide.iter().rev().take_while(|a| axes.contains(a) == within).count();
        let (outer, inner) = wide.split_at(wide.len() - inner);
        let outer: Vec<_> = outer.iter().map(|&a| (shape[a], if axes.contains(&a) { 0 } else { steps[a] })).collect();
        Reduction { f, chain, row: inner.iter().map(|&a| shape[a]).product(), within, to: table(&outer).0 }
    }

    /// The stored values that are read.
    pub(super) fn roots(&self) -> impl Iterator<Item = NodeId> {
        self.chain.roots()
    }

    pub(super) fn run(&self, memory: &Memory, out: &mut [f32]) {
        vectorize(Rows { reduction: self, memory, out });
    }

    #[inline(always)]
    fn rows(&self, memory: &Memory, out: &mut [f32]) {
        out.fill(self.start());
        if self.row == 0 {
            return;
        }
        let (mut scratch, mut room) = (Scratch::default(), vec![0.0; BLOCK]);
        // Blocks hold whole rows, or parts of one row.
        let block = if self.row > BLOCK { BLOCK } else { BLOCK / self.row * self.row };
        for (first, to) in self.to.chunks(block.div_ceil(self.row)).enumerate() {
            let rows = to.len() * self.row;
            let start = first * block.div_ceil(self.row) * self.row;
            let mut total = self.start();
            for at in (0..rows).step_by(block) {
                let n = block.min(rows - at);
                let values = match self.chain.slice(start + at, n, memory) {
                    Some(values) => values,
                    None => {
                        self.chain.block(start + at, memory, &mut scratch, &mut room[..n]);
                        &room[..n]
                    }
                };
                if !self.within {
                    let within = at % self.row;
                    let width = self.row.min(n);
                    for (row, &to) in values.chunks(width).zip(to) {
                        self.add(row, &mut out[to as usize + within..][..row.len()]);
                    }
                } else if self.row > BLOCK {
                    total = self.combine(total, self.all(values));
                } else {
                    for (row, &to) in values.chunks(self.row).zip(to) {
                        out[to as usize] = self.combine(out[to as usize], self.all(row));
                    }
                }
            }
            if self.within && self.row > BLOCK {
                let slot = &mut out[to[0] as usize];
                *slot = self.combine(*slot, total);
            }
        }
    }

    fn start(&self) -> f32 {
        match self.f {
            Reduce::Sum => 0.0,
            Reduce::Max => f32::NEG_INFINITY,
        }
    }

    #[inline(always)]
    fn combine(&self, a: f32, b: f32) -> f32 {
        match self.f {
            Reduce::Sum => a + b,
            Reduce::Max => larger(a, b),
        }
    }

    #[inline(always)]
    fn all(&self, values: &[f32]) -> f32 {
        match self.f {
            Reduce::Sum => fold(values, 0.0, |a, b| a + b),
            Reduce::Max => fold(values, f32::NEG_INFINITY, larger),
        }
    }

    #[inline(always)]
    fn add(&self, values: &[f32], out: &mut [f32]) {
        match self.f {
            Reduce::Sum => out.iter_mut().zip(values).for_each(|(out, v)| *out += v),
            Reduce::Max => out.iter_mut().zip(values).for_each(|(out, v)| *out = larger(*out, *v)),
        }
    }
}

/// All rows of a reduction.
struct Rows<'a> {
    reduction: &'a Reduction,
    memory: &'a Memory,
    out: &'a mut [f32],
}

impl Loops for Rows<'_> {
    #[inline(always)]
    fn run(self) {
        self.reduction.rows(self.memory, self.out);
    }
}

/// Sixteen results side by side, so that the compiler makes SIMD of them, and then one.
#[inline(always)]
fn fold(values: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [start; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, v)| *sum = f(*sum, *v));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, v)| *sum = f(*sum, *v));
    // Arrays of their own stay in registers.
    let eight: [f32; 8] = std::array::from_fn(|i| f(sums[i], sums[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| f(eight[i], eight[i + 4]));
    f(f(four[0], four[2]), f(four[1], four[3]))
}
