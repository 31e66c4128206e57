//! Matrix products by register tiles (Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
//!
//! Both operands are packed into panels whose elements lie in the order in which a tile needs them. An operand is given by
//! two tables of positions, so that a matrix, its transpose and the patches of a convolution are packed by the same code.
//!
//! Every element is a sum over blocks of [`DEPTH`] terms, each added one after the other: whatever the number of rows and
//! columns, the same row and column give the same bits.
//!
//! In WebAssembly a 4 x 8 tile reaches the multiply-add rate of the machine: 16 registers hold it, and V8 spills a 6 x 8 one
//! at half of the speed. Natively a 6 x 16 tile with fused multiply-add fits the registers of AVX2, and one of 12 x 32
//! those of AVX-512.

use std::cell::Cell;
use std::ops::Range;

/// Terms that are added in registers before they go to memory. The rounding error of a long sum is least where this is
/// near the root of its length; 128 would be 2 % faster.
const DEPTH: usize = 64;
/// Rows of a block of the left operand, which stays in the second cache: a multiple of all tile heights.
const ROWS: usize = 96;
/// Columns of a block of the right operand: a multiple of all tile widths.
pub(super) const COLUMNS: usize = 480;
/// Room behind packed panels: the last copy may write over their end.
const SLACK: usize = 16;

/// Sizes of a tile, and how it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 4 x 8, multiply and add: any machine with 128-bit registers.
    Narrow,
    /// 6 x 16, fused multiply-add: machines with AVX2.
    Wide,
    /// 12 x 32, fused multiply-add: machines with AVX-512. The same bits as [`Tile::Wide`].
    Widest,
    /// candle's own products.
    #[cfg(not(target_arch = "wasm32"))]
    Candle,
}

impl Tile {
    /// The fastest one of this machine, as far as that was measured: in a browser, and with AVX2. Elsewhere candle knows more.
    pub fn best() -> Tile {
        #[cfg(target_arch = "wasm32")]
        let otherwise = Tile::Narrow;
        #[cfg(not(target_arch = "wasm32"))]
        let otherwise = Tile::Candle;
        [Tile::Widest, Tile::Wide].into_iter().find(|tile| wide::has(*tile)).unwrap_or(otherwise)
    }

    pub(super) fn rows(self) -> usize {
        match self {
            Tile::Narrow => 4,
            Tile::Wide => 6,
            Tile::Widest => 12,
            #[cfg(not(target_arch = "wasm32"))]
            Tile::Candle => 1,
        }
    }
}

/// An operand: term k of lane i (a row of the left operand, a column of the right one) is `data[lanes[i] + terms[k]]`.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub(super) data: &'a [f32],
    pub(super) lanes: &'a [u32],
    pub(super) terms: &'a [u32],
}

/// An operand as it is, or packed before by [`pack_left`] or [`pack_right`].
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    Grid(Grid<'a>),
    Packed { panels: &'a [f32], lanes: usize },
}

/// Where the product goes: element (i, j) to `data[i stride + j]`.
pub(super) struct Target<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
}

/// All panels of a left operand.
pub(super) fn pack_left(tile: Tile, grid: Grid<'_>, panels: &mut Vec<f32>) {
    match tile {
        Tile::Narrow => pack_all::<4>(grid, panels),
        Tile::Wide => pack_all::<6>(grid, panels),
        Tile::Widest => pack_all::<12>(grid, panels),
        #[cfg(not(target_arch = "wasm32"))]
        Tile::Candle => super::candle::pack(grid, panels),
    }
}

/// All panels of a right operand.
pub(super) fn pack_right(tile: Tile, grid: Grid<'_>, panels: &mut Vec<f32>) {
    match tile {
        Tile::Narrow => pack_all::<8>(grid, panels),
        Tile::Wide => pack_all::<16>(grid, panels),
        Tile::Widest => pack_all::<32>(grid, panels),
        #[cfg(not(target_arch = "wasm32"))]
        Tile::Candle => super::candle::pack(grid, panels),
    }
}

/// Some rows of a product of `left` and `right`, as sums over `depth` terms.
pub(super) struct Product<'a> {
    pub(super) left: Side<'a>,
    /// Lanes of `left`; the first one is a multiple of the tile's rows, and it is row 0 of the target.
    pub(super) rows: Range<usize>,
    pub(super) right: Side<'a>,
    /// Lanes of `right`.
    pub(super) columns: usize,
    pub(super) depth: usize,
    pub(super) target: Target<'a>,
}

impl Product<'_> {
    /// Computes it.
    pub(super) fn run(self, tile: Tile) {
        match tile {
            Tile::Narrow => self.run_as::<4, 8, false>(),
            Tile::Wide => wide::run(self),
            Tile::Widest => wide::run_widest(self),
            #[cfg(not(target_arch = "wasm32"))]
            Tile::Candle => super::candle::run(self),
        }
    }
}

thread_local! {
    /// Panels of one block of both operands.
    static PANELS: Cell<[Vec<f32>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

impl Product<'_> {
    #[inline(always)]
    fn run_as<const MR: usize, const NR: usize, const FMA: bool>(mut self) {
        let n = self.columns;
        if self.depth == 0 {
            return self.target.clear(self.rows.len(), n);
        }
        if let (1, Side::Packed { panels, .. }, Side::Grid(row)) = (self.rows.len(), self.right, self.left) {
            let row = row.part(self.rows, 0..self.depth);
            return thin::<NR, FMA>(row, panels, &mut self.target.data[..n]);
        }
        // Taken, not borrowed in a closure: the code of a closure would not be compiled for AVX2.
        let [mut a, mut b] = PANELS.take();
        for k in (0..self.depth).step_by(DEPTH) {
            let terms = k..self.depth.min(k + DEPTH);
            for j in (0..n).step_by(COLUMNS) {
                let columns = j..n.min(j + COLUMNS);
                let right = block::<NR>(&self.right, columns.clone(), terms.clone(), &mut b);
                for i in self.rows.clone().step_by(ROWS) {
                    let rows = i..self.rows.end.min(i + ROWS);
                    let left = block::<MR>(&self.left, rows.clone(), terms.clone(), &mut a);
                    let part = Part { left, right, terms: terms.len(), first: k == 0 };
                    let placed = rows.start - self.rows.start..rows.end - self.rows.start;
                    part.run::<MR, NR, FMA>(placed, columns.clone(), &mut self.target);
                }
            }
        }
        PANELS.set([a, b]);
    }
}

/// The panels of some lanes and terms: found where they were packed before, or packed now.
#[inline(always)]
fn block<'a, const W: usize>(
    side: &Side<'a>,
    lanes: Range<usize>,
    terms: Range<usize>,
    room: &'a mut Vec<f32>,
) -> &'a [f32] {
    match side {
        // Blocks of terms one after the other, each with all of its panels.
        Side::Packed { panels, lanes: all } => {
            let start = terms.start * all.next_multiple_of(W) + lanes.start * terms.len();
            &panels[start..start + lanes.len().next_multiple_of(W) * terms.len()]
        }
        Side::Grid(grid) => {
            let size = lanes.len().next_multiple_of(W) * terms.len();
            if room.len() < size + SLACK {
                room.resize(size + SLACK, 0.0);
            }
            pack::<W>(&grid.part(lanes, terms), room);
            &room[..size]
        }
    }
}

impl<'a> Grid<'a> {
    fn part(&self, lanes: Range<usize>, terms: Range<usize>) -> Grid<'a> {
        Grid { data: self.data, lanes: &self.lanes[lanes], terms: &self.terms[terms] }
    }
}

fn pack_all<const W: usize>(grid: Grid<'_>, panels: &mut Vec<f32>) {
    let width = grid.lanes.len().next_multiple_of(W);
    panels.resize(width * grid.terms.len() + SLACK, 0.0);
    for k in (0..grid.terms.len()).step_by(DEPTH) {
        let part = grid.part(0..grid.lanes.len(), k..grid.terms.len().min(k + DEPTH));
        pack::<W>(&part, &mut panels[k * width..]);
    }
}

/// Panels of W lanes: the W elements of each term side by side, anything where lanes are missing. What lies up to [`SLACK`]
/// elements behind the panels is lost.
#[inline(always)]
fn pack<const W: usize>(grid: &Grid<'_>, out: &mut [f32]) {
    let Some(&far) = grid.terms.iter().max() else { return };
    let even_terms = consecutive(grid.terms);
    for (i, lanes) in grid.lanes.chunks(W).enumerate() {
        let panel = &mut out[i * W * grid.terms.len()..];
        if lanes.len() == W && consecutive(lanes) {
            let data = &grid.data[lanes[0] as usize..];
            for (slot, &k) in panel.as_chunks_mut::<W>().0.iter_mut().zip(grid.terms) {
                slot.copy_from_slice(&data[k as usize..k as usize + W]);
            }
            continue;
        }
        let longest = lanes.chunk_by(|a, b| *b == a + 1).map(<[u32]>::len).max().unwrap_or(0);
        // Copies read behind their lanes, too.
        let end = lanes.iter().max().map_or(0, |at| (at + far) as usize);
        match longest {
            2..=4 if end + 4 <= grid.data.len() => pack_runs::<W, 4>(grid, lanes, panel),
            5..=8 if W > 4 && end + 8 <= grid.data.len() => pack_runs::<W, 8>(grid, lanes, panel),
            9.. if W > 8 && end + 16 <= grid.data.len() => pack_runs::<W, 16>(grid, lanes, panel),
            _ if even_terms => pack_rows::<W>(grid, lanes, panel),
            _ => {
                for (lane, &at) in lanes.iter().enumerate() {
                    let data = &grid.data[at as usize..];
                    let slots = panel.as_chunks_mut::<W>().0.iter_mut();
                    slots.zip(grid.terms).for_each(|(slot, &k)| slot[lane] = data[k as usize]);
                }
            }
        }
    }
}

/// One panel of lanes that lie in runs of neighbours, as the pixels of a line: P are copied at once, and those too many are
/// written over by the next run, or the next term.
#[inline(always)]
fn pack_runs<const W: usize, const P: usize>(grid: &Grid<'_>, lanes: &[u32], panel: &mut [f32]) {
    let mut pieces = [(0, 0); W];
    let mut n = 0;
    let mut slot = 0;
    for run in lanes.chunk_by(|a, b| *b == a + 1) {
        for piece in run.chunks(P) {
            pieces[n] = (slot, piece[0] as usize);
            n += 1;
            slot += piece.len();
        }
    }
    for (i, &k) in grid.terms.iter().enumerate() {
        for &(slot, at) in &pieces[..n] {
            let values = &grid.data[at + k as usize..][..P];
            panel[i * W + slot..][..P].copy_from_slice(values);
        }
    }
}

/// One panel of lanes each of which has its terms side by side, as the rows of a matrix.
#[inline(always)]
fn pack_rows<const W: usize>(grid: &Grid<'_>, lanes: &[u32], panel: &mut [f32]) {
    let n = grid.terms.len();
    for (lane, &at) in lanes.iter().enumerate() {
        let row = &grid.data[(at + grid.terms[0]) as usize..][..n];
        panel.as_chunks_mut::<W>().0.iter_mut().zip(row).for_each(|(slot, v)| slot[lane] = *v);
    }
}

fn consecutive(positions: &[u32]) -> bool {
    positions.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// Packed blocks of both operands.
struct Part<'a> {
    left: &'a [f32],
    right: &'a [f32],
    terms: usize,
    /// Whether these are the first terms: they replace what is in memory.
    first: bool,
}

impl Part<'_> {
    #[inline(always)]
    fn run<const MR: usize, const NR: usize, const FMA: bool>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        target: &mut Target<'_>,
    ) {
        let mut edge = [[0f32; NR]; MR];
        for (j, b) in columns.clone().step_by(NR).zip(self.right.chunks(NR * self.terms)) {
            let wide = NR.min(columns.end - j);
            for (i, a) in rows.clone().step_by(MR).zip(self.left.chunks(MR * self.terms)) {
                let high = MR.min(rows.end - i);
                let at = i * target.stride + j;
                if wide == NR && high == MR {
                    multiply::<MR, NR, FMA>(a, b, &mut target.data[at..], target.stride, self.first);
                } else {
                    multiply::<MR, NR, FMA>(a, b, edge.as_flattened_mut(), NR, true);
                    for (row, values) in edge[..high].iter().enumerate() {
                        add(&values[..wide], &mut target.data[at + row * target.stride..][..wide], self.first);
                    }
                }
            }
        }
    }
}

impl Target<'_> {
    /// Sums of no terms.
    pub(super) fn clear(&mut self, rows: usize, columns: usize) {
        (0..rows).for_each(|row| self.data[row * self.stride..][..columns].fill(0.0));
    }
}

/// Adds sums to those of the terms before, or replaces what is there by the first ones.
#[inline(always)]
fn add(sums: &[f32], out: &mut [f32], first: bool) {
    for (v, sum) in out.iter_mut().zip(sums) {
        *v = if first { *sum } else { *v + sum };
    }
}

/// One tile, added to MR rows of `out`.
#[inline(always)]
fn multiply<const MR: usize, const NR: usize, const FMA: bool>(
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    stride: usize,
    first: bool,
) {
    let mut sum = [[0f32; NR]; MR];
    for (a, b) in a.as_chunks::<MR>().0.iter().zip(b.as_chunks::<NR>().0) {
        for i in 0..MR {
            for j in 0..NR {
                sum[i][j] = multiply_add::<FMA>(a[i], b[j], sum[i][j]);
            }
        }
    }
    for (i, sum) in sum.into_iter().enumerate() {
        for (v, sum) in out[i * stride..i * stride + NR].iter_mut().zip(sum) {
            *v = if first { sum } else { *v + sum };
        }
    }
}

/// One row times packed panels, four at a time: each weight is read once, in the order of memory, and the additions of
/// one panel need not wait for those of another.
#[inline(always)]
fn thin<const NR: usize, const FMA: bool>(row: Grid<'_>, panels: &[f32], out: &mut [f32]) {
    let n = out.len();
    let data = &row.data[row.lanes[0] as usize..];
    let mut rest = panels;
    for (block, terms) in row.terms.chunks(DEPTH).enumerate() {
        let values: Vec<f32> = terms.iter().map(|&k| data[k as usize]).collect();
        let size = NR * terms.len();
        let (now, later) = rest.split_at(n.next_multiple_of(NR) * terms.len());
        for (group, panels) in now.chunks(4 * size).enumerate() {
            let out = &mut out[group * 4 * NR..n.min((group + 1) * 4 * NR)];
            if panels.len() == 4 * size {
                add(four_panels::<NR, FMA>(&values, panels).as_flattened(), out, block == 0);
            } else {
                for (out, panel) in out.chunks_mut(NR).zip(panels.chunks(size)) {
                    add(&panel_sums::<NR, FMA>(&values, panel), out, block == 0);
                }
            }
        }
        rest = later;
    }
}

#[inline(always)]
fn four_panels<const NR: usize, const FMA: bool>(values: &[f32], panels: &[f32]) -> [[f32; NR]; 4] {
    let [mut a, mut b, mut c, mut d] = [[0f32; NR]; 4];
    let panel = |i: usize| panels[i * NR * values.len()..(i + 1) * NR * values.len()].as_chunks::<NR>().0;
    let (p, q, r, s) = (panel(0), panel(1), panel(2), panel(3));
    for ((((v, p), q), r), s) in values.iter().zip(p).zip(q).zip(r).zip(s) {
        for i in 0..NR {
            a[i] = multiply_add::<FMA>(*v, p[i], a[i]);
            b[i] = multiply_add::<FMA>(*v, q[i], b[i]);
            c[i] = multiply_add::<FMA>(*v, r[i], c[i]);
            d[i] = multiply_add::<FMA>(*v, s[i], d[i]);
        }
    }
    [a, b, c, d]
}

#[inline(always)]
fn panel_sums<const NR: usize, const FMA: bool>(values: &[f32], panel: &[f32]) -> [f32; NR] {
    let mut sums = [0f32; NR];
    for (v, weights) in values.iter().zip(panel.as_chunks::<NR>().0) {
        for i in 0..NR {
            sums[i] = multiply_add::<FMA>(*v, weights[i], sums[i]);
        }
    }
    sums
}

#[inline(always)]
fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { c + a * b }
}

/// Code compiled for AVX2 and for AVX-512, where the machine has them.
#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{Product, Tile};
    use pulp::x86::{V3, V4};

    pub(super) fn has(tile: Tile) -> bool {
        match tile {
            Tile::Wide => V3::try_new().is_some(),
            Tile::Widest => V4::try_new().is_some(),
            _ => false,
        }
    }

    pub(super) fn run(product: Product<'_>) {
        match V3::try_new() {
            Some(features) => features.vectorize(Whole::<6, 16>(product)),
            None => product.run_as::<6, 16, true>(),
        }
    }

    pub(super) fn run_widest(product: Product<'_>) {
        match V4::try_new() {
            Some(features) => features.vectorize(Whole::<12, 32>(product)),
            None => product.run_as::<12, 32, true>(),
        }
    }

    struct Whole<'a, const MR: usize, const NR: usize>(Product<'a>);

    impl<const MR: usize, const NR: usize> pulp::NullaryFnOnce for Whole<'_, MR, NR> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run_as::<MR, NR, true>();
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use super::{Product, Tile};

    pub(super) fn has(_: Tile) -> bool {
        false
    }

    /// Slow, and right: only tests ask for it here.
    pub(super) fn run(product: Product<'_>) {
        product.run_as::<6, 16, true>();
    }

    pub(super) fn run_widest(product: Product<'_>) {
        product.run_as::<12, 32, true>();
    }
}
