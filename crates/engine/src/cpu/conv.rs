//! Convolution as a matrix product of the kernel with the patches of the input. The patches are never stored: they are
//! packed from the input, by tables of positions.
//!
//! An input spread with zeros (a transposed convolution) is not spread: result positions that differ by a multiple of
//! `lhs_dilation` meet the same kernel elements, so each such phase is a convolution of its own with a part of the kernel.

use super::gemm::{Grid, Product, Side, Target, Tile};
use super::layout::{Layout, copy, table};
use super::memory::Memory;
use super::product::{Operand, each_part, prepare_left, rows_each};
use graph::{NodeId, Window};
use std::cell::Cell;
use std::ops::Range;

/// Results in an image that are enough for tiles of their own.
const SMALL: usize = 64;

thread_local! {
    /// Results of one phase, before they go to their places.
    static ROOM: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// (B, C, H, W) with (O, C, KH, KW) to (B, O, OH, OW).
#[derive(Debug)]
pub(super) struct Conv {
    x: NodeId,
    /// The input with zeros around it, where a patch reaches over its border: which part goes where.
    bordered: Option<Bordered>,
    pub(super) phases: Vec<Phase>,
    images: usize,
    /// O
    rows: usize,
    /// OH OW
    plane: usize,
}

#[derive(Debug)]
struct Bordered {
    from: Layout,
    to: Layout,
    len: usize,
}

/// A part of the result positions, with the kernel elements that they meet.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) kernel: Operand,
    base: usize,
    /// Patches, by image and position.
    lanes: Vec<u32>,
    /// Elements of a patch, in the order of the kernel's terms.
    terms: Vec<u32>,
    /// Positions of the result, by image and position.
    columns: Vec<u32>,
    /// Results side by side in one line, and the distance between them.
    width: usize,
    step: usize,
}

/// One axis of one phase: results at `first, first + lhs_dilation, ..`, the first patch position of each, and of each
/// kernel element its index and the distance that it adds.
struct Axis {
    first: usize,
    count: usize,
    taps: Vec<(usize, isize)>,
}

/// The phases of one axis with `out` results and `k` kernel elements.
fn phases(window: &Window, axis: usize, k: usize, out: usize) -> Vec<Axis> {
    let spread = window.lhs_dilation[axis];
    let phase = |first: usize| {
        let distance =
            |i: usize| (first * window.stride[axis] + i * window.dilation[axis]) as isize - window.pad[axis].0;
        let hit = |i: &usize| distance(*i).rem_euclid(spread as isize) == 0;
        let taps = (0..k).filter(hit).map(|i| (i, distance(i).div_euclid(spread as isize))).collect();
        Axis { first, count: (out - first).div_ceil(spread), taps }
    };
    (0..spread.min(out)).map(phase).collect()
}

/// Lowest and highest input position that a phase reads.
fn reach(phases: &[Axis], stride: usize) -> (isize, isize) {
    let ends = |p: &Axis| {
        let low = p.taps.iter().map(|t| t.1).min()?;
        let high = p.taps.iter().map(|t| t.1).max()? + ((p.count - 1) * stride) as isize;
        Some((low, high))
    };
    phases.iter().filter_map(ends).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
}

impl Conv {
    pub(super) fn new(x: (NodeId, &Layout), w: (NodeId, &Layout), window: &Window, out: [usize; 2]) -> Conv {
        let axes = [0, 1].map(|a| phases(window, a, w.1.shape[2 + a], out[a]));
        let reach = [0, 1].map(|a| reach(&axes[a], window.stride[a]));
        let inside = (0..2).all(|a| reach[a].0 >= 0 && reach[a].1 < x.1.shape[2 + a] as isize);
        let bordered = (!inside).then(|| Bordered::new(x.1, reach));
        let (layout, origin) = match &bordered {
            Some(b) => (Layout::dense(&b.shape(x.1, reach)), [reach[0].0, reach[1].0]),
            None => (x.1.clone(), [0, 0]),
        };
        let shape = [x.1.shape[0], w.1.shape[0], out[0], out[1]];
        let mut conv =
            Conv { x: x.0, bordered, phases: Vec::new(), images: shape[0], rows: shape[1], plane: out[0] * out[1] };
        for y in &axes[0] {
            conv.phases.extend(axes[1].iter().map(|x| Phase::new([y, x], &layout, origin, w, window, shape)));
        }
        conv
    }

    /// The stored values that are read.
    pub(super) fn roots(&self) -> impl Iterator<Item = NodeId> {
        std::iter::once(self.x).chain(self.phases.iter().map(|p| p.kernel.root))
    }

    /// Elements of the input with its border, which [`Conv::run`] wants room for.
    pub(super) fn room(&self) -> usize {
        self.bordered.as_ref().map_or(0, |b| b.len)
    }

    pub(super) fn run(&mut self, tile: Tile, memory: &Memory, room: &mut [f32], out: &mut [f32]) {
        if out.is_empty() {
            return;
        }
        let data = match &self.bordered {
            Some(b) => {
                room.fill(0.0);
                copy(memory.get(self.x), &b.from, room, &b.to);
                &*room
            }
            None => memory.get(self.x),
        };
        for phase in &mut self.phases {
            prepare_left(&mut phase.kernel, tile, memory, phase.lanes.len());
        }
        let image = self.rows * self.plane;
        let work = out.len() * self.phases.iter().map(|p| p.terms.len()).max().unwrap_or(0);
        let threads = rayon::current_num_threads();
        // Whole images for each thread, or some channels of the only image.
        let by_image = self.images >= threads;
        let images = self.images.div_ceil(threads).max(1);
        let rows = rows_each(tile, self.rows, work);
        if by_image {
            each_part(out, images * image, work, |part, out| {
                let images = part * images..self.images.min((part + 1) * images);
                self.phases
                    .iter()
                    .for_each(|p| p.run(tile, memory, data, [images.clone(), 0..self.rows], self, &mut *out));
            });
        } else {
            for (i, out) in out.chunks_mut(image.max(1)).enumerate() {
                each_part(out, rows * self.plane, work, |part, out| {
                    let rows = part * rows..self.rows.min((part + 1) * rows);
                    self.phases
                        .iter()
                        .for_each(|p| p.run(tile, memory, data, [i..i + 1, rows.clone()], self, &mut *out));
                });
            }
        }
    }
}

impl Bordered {
    /// The part of the input within reach, in a buffer that has all of the reach.
    fn new(x: &Layout, reach: [(isize, isize); 2]) -> Bordered {
        let mut start = vec![0; 4];
        let mut put = vec![0; 4];
        let mut size = x.shape.clone();
        for (a, (low, high)) in reach.into_iter().enumerate() {
            start[2 + a] = low.max(0) as usize;
            put[2 + a] = (-low).max(0) as usize;
            size[2 + a] = ((high + 1).min(x.shape[2 + a] as isize) - low.max(0)).max(0) as usize;
        }
        let whole = Layout::dense(&[x.shape[0], x.shape[1], length(reach[0]), length(reach[1])]);
        Bordered { from: x.slice(&start, &size), to: whole.slice(&put, &size), len: whole.len() }
    }

    fn shape(&self, x: &Layout, reach: [(isize, isize); 2]) -> [usize; 4] {
        [x.shape[0], x.shape[1], length(reach[0]), length(reach[1])]
    }
}

fn length((low, high): (isize, isize)) -> usize {
    (high - low + 1) as usize
}

impl Phase {
    fn new(
        axes: [&Axis; 2],
        x: &Layout,
        origin: [isize; 2],
        (root, w): (NodeId, &Layout),
        window: &Window,
        [images, rows, height, width]: [usize; 4],
    ) -> Phase {
        let step = |a: usize| x.stride[2 + a] * window.stride[a] as isize;
        let lanes = [(images, x.stride[0]), (axes[0].count, step(0)), (axes[1].count, step(1))];
        let (lanes, first) = table(&lanes);
        let spread = window.lhs_dilation.map(|s| s as isize);
        let columns = [
            (images, (rows * height * width) as isize),
            (axes[0].count, spread[0] * width as isize),
            (axes[1].count, spread[1]),
        ];
        let start = axes[0].first * width + axes[1].first;
        let columns = table(&columns).0.iter().map(|at| at + start as u32).collect();
        // Of each term (channel, kernel row, kernel column): its distance in the input, its place in the kernel.
        let mut distances = Vec::new();
        let mut places = Vec::new();
        for c in 0..w.shape[1] as isize {
            for &(ky, y) in &axes[0].taps {
                for &(kx, at) in &axes[1].taps {
                    let in_x = [c, y - origin[0], at - origin[1]];
                    distances.push((0..3).map(|i| in_x[i] * x.stride[1 + i]).sum::<isize>());
                    let in_w = [c, ky as isize, kx as isize];
                    places.push((0..3).map(|i| in_w[i] * w.stride[1 + i]).sum::<isize>());
                }
            }
        }
        let (terms, second) = from_lowest(&distances);
        let (places, third) = from_lowest(&places);
        let mut kernel = Operand::new(root, w.offset + third, &[(rows, w.stride[0])], &[]);
        kernel.terms = places;
        let base = (x.offset + first + second) as usize;
        Phase { kernel, base, lanes, terms, columns, width: axes[1].count, step: window.lhs_dilation[1] }
    }

    /// The results of some images and some channels; `out` starts with the first of them.
    fn run(
        &self,
        tile: Tile,
        memory: &Memory,
        data: &[f32],
        [images, rows]: [Range<usize>; 2],
        conv: &Conv,
        out: &mut [f32],
    ) {
        let positions = self.lanes.len() / conv.images;
        let patches = |images: Range<usize>, target: Target<'_>| {
            let lanes = &self.lanes[images.start * positions..images.end * positions];
            let data = data.get(self.base..).unwrap_or(&[]);
            let right = Side::Grid(Grid { data, lanes, terms: &self.terms });
            let (left, columns, depth) = (self.kernel.side(memory), lanes.len(), self.terms.len());
            Product { left, rows: rows.clone(), right, columns, depth, target }.run(tile);
        };
        let one = conv.rows * conv.plane;
        if conv.phases.len() == 1 && (conv.images == 1 || conv.plane >= SMALL) {
            for (i, image) in images.clone().enumerate() {
                patches(image..image + 1, Target { data: &mut out[i * one..], stride: conv.plane });
            }
            return;
        }
        // Results that do not lie side by side, or images so small that tiles should span several of them.
        let columns = images.len() * positions;
        let mut room = ROOM.take();
        room.resize(room.len().max(rows.len() * columns), 0.0);
        patches(images.clone(), Target { data: &mut room, stride: columns });
        for (row, values) in room.chunks(columns).take(rows.len()).enumerate() {
            let starts = self.columns[images.start * positions..].iter().step_by(self.width);
            for (line, start) in values.chunks(self.width).zip(starts) {
                let start = row * conv.plane + *start as usize - images.start * one;
                out[start..].iter_mut().step_by(self.step).zip(line).for_each(|(out, v)| *out = *v);
            }
        }
        ROOM.set(room);
    }
}

fn from_lowest(positions: &[isize]) -> (Vec<u32>, isize) {
    let lowest = positions.iter().copied().min().unwrap_or(0);
    (positions.iter().map(|at| (at - lowest) as u32).collect(), lowest)
}
