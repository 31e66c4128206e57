//! Operands of products as the plan sees them, and the batched matrix product.

use super::gemm::{COLUMNS, Grid, Product, Side, Target, Tile, pack_left, pack_right};
use super::layout::{Layout, table};
use super::memory::Memory;
use graph::NodeId;
use rayon::prelude::*;

/// A stored value as an operand: element (lane, term) is at `base + lanes[lane] + terms[term]`.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) root: NodeId,
    pub(super) base: usize,
    pub(super) lanes: Vec<u32>,
    pub(super) terms: Vec<u32>,
    /// Whether its panels are kept until the value is written again.
    pub(super) kept: bool,
    panels: Vec<f32>,
    packed: bool,
}

impl Operand {
    /// Lanes and terms are (size, stride) of axes, outer ones first.
    pub(super) fn new(root: NodeId, offset: isize, lanes: &[(usize, isize)], terms: &[(usize, isize)]) -> Operand {
        let ((lanes, first), (terms, second)) = (table(lanes), table(terms));
        Operand {
            root,
            base: (offset + first + second) as usize,
            lanes,
            terms,
            kept: false,
            panels: Vec::new(),
            packed: false,
        }
    }

    pub(super) fn grid<'a>(&'a self, memory: &'a Memory) -> Grid<'a> {
        Grid { data: memory.get(self.root).get(self.base..).unwrap_or(&[]), lanes: &self.lanes, terms: &self.terms }
    }

    /// Packs what is kept, and what is used `often` in this step.
    pub(super) fn prepare(&mut self, memory: &Memory, often: bool, pack: impl Fn(Grid<'_>, &mut Vec<f32>)) {
        if !self.kept && often || self.kept && !self.packed {
            let mut panels = std::mem::take(&mut self.panels);
            pack(self.grid(memory), &mut panels);
            (self.panels, self.packed) = (panels, true);
        }
    }

    /// The value was written.
    pub(super) fn forget(&mut self, root: NodeId) {
        if self.root == root {
            self.packed = false;
        }
    }

    pub(super) fn side<'a>(&'a self, memory: &'a Memory) -> Side<'a> {
        match self.packed {
            true => Side::Packed { panels: &self.panels, lanes: self.lanes.len() },
            false => Side::Grid(self.grid(memory)),
        }
    }
}

/// Multiplications that are worth another thread.
const SHARE: usize = 1 << 19;

/// Calls `f` with the parts of `out`, on several threads if `work` multiplications are worth it.
pub(super) fn each_part(out: &mut [f32], part: usize, work: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    if work < SHARE || part >= out.len() || rayon::current_num_threads() == 1 {
        out.chunks_mut(part).enumerate().for_each(|(i, part)| f(i, part));
    } else {
        out.par_chunks_mut(part).enumerate().for_each(|(i, part)| f(i, part));
    }
}

/// Rows that one thread takes of `rows`.
pub(super) fn rows_each(tile: Tile, rows: usize, work: usize) -> usize {
    let threads = if work < SHARE { 1 } else { rayon::current_num_threads() };
    rows.div_ceil(threads).next_multiple_of(tile.rows())
}

/// (..., M, K) x (..., K, N) to (..., M, N), or one product where the right operand is the same for all.
#[derive(Debug)]
pub(super) struct Dot {
    pub(super) left: Operand,
    pub(super) right: Operand,
    /// Where each matrix starts, from that of the first.
    batches: Vec<[usize; 2]>,
}

impl Dot {
    pub(super) fn new(a: (NodeId, &Layout), b: (NodeId, &Layout)) -> Dot {
        let axes =
            |l: &Layout| -> Vec<(usize, isize)> { l.shape.iter().copied().zip(l.stride.iter().copied()).collect() };
        let (left, right) = (axes(a.1), axes(b.1));
        let r = left.len();
        if right[..r - 2].iter().all(|&(n, step)| n == 1 || step == 0) {
            return Dot {
                left: Operand::new(a.0, a.1.offset, &left[..r - 1], &left[r - 1..]),
                right: Operand::new(b.0, b.1.offset, &right[r - 1..], &right[r - 2..r - 1]),
                batches: vec![[0; 2]],
            };
        }
        let ((starts, first), (others, second)) = (table(&left[..r - 2]), table(&right[..r - 2]));
        Dot {
            left: Operand::new(a.0, a.1.offset + first, &left[r - 2..r - 1], &left[r - 1..]),
            right: Operand::new(b.0, b.1.offset + second, &right[r - 1..], &right[r - 2..r - 1]),
            batches: starts.iter().zip(&others).map(|(&a, &b)| [a as usize, b as usize]).collect(),
        }
    }

    /// Whether there is one right operand, whose panels can be kept.
    pub(super) fn is_single(&self) -> bool {
        self.batches.len() == 1
    }

    pub(super) fn run(&mut self, tile: Tile, memory: &Memory, out: &mut [f32]) {
        self.right.prepare(memory, false, |grid, panels| pack_right(tile, grid, panels));
        let (m, n, depth) = (self.left.lanes.len(), self.right.lanes.len(), self.left.terms.len());
        let work = out.len() * depth;
        let each = if self.is_single() { rows_each(tile, m, work) } else { m };
        each_part(out, each * n, work, |part, out| {
            let (batch, row) = if self.is_single() { (0, part * each) } else { (part, 0) };
            let product = Product {
                left: shifted(self.left.side(memory), self.batches[batch][0]),
                rows: row..m.min(row + each),
                right: shifted(self.right.side(memory), self.batches[batch][1]),
                columns: n,
                depth,
                target: Target { data: out, stride: n },
            };
            product.run(tile);
        });
    }
}

/// The operand of another matrix of the batch.
fn shifted(side: Side<'_>, by: usize) -> Side<'_> {
    match side {
        Side::Grid(grid) => Side::Grid(Grid { data: grid.data.get(by..).unwrap_or(&[]), ..grid }),
        packed => packed,
    }
}

/// [`Operand::prepare`] of a left operand that meets `columns` columns in one step.
pub(super) fn prepare_left(operand: &mut Operand, tile: Tile, memory: &Memory, columns: usize) {
    operand.prepare(memory, columns > COLUMNS, |grid, panels| pack_left(tile, grid, panels));
}
