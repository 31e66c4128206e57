//! How matrix products and convolutions are cut into workgroups and threads.

use super::algorithm::THREADS;
use graph::{Node, NodeId, Op, Window};

/// How a product is cut: `batch` matrices of `rows` x `cols`; a workgroup has wy x wx tiles, `split` threads each.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tiles {
    batch: usize,
    rows: usize,
    cols: usize,
    depth: usize,
    tile: [usize; 2],
    threads: usize,
    split: usize,
    wx: usize,
    wy: usize,
    /// Whether a workgroup's threads share the operands.
    shared: bool,
}

/// Threads of a workgroup that share operands: 16 x 16 tiles.
const SIDE: usize = 16;

impl Tiles {
    /// `max_split` is the most threads that can share a sum.
    fn new([batch, rows, cols, depth]: [usize; 4], max_split: usize, busy: usize) -> Tiles {
        if let Some(side) = shared_tile([batch, rows, cols, depth], busy) {
            let (tile, threads) = ([side; 2], SIDE * SIDE);
            return Tiles { batch, rows, cols, depth, tile, threads, split: 1, wx: SIDE, wy: SIDE, shared: true };
        }
        let tile = tile(batch, rows, cols, busy);
        let (down, across) = (rows.div_ceil(tile[0]), cols.div_ceil(tile[1]));
        let mut split = 1;
        // 32 products a thread at least: the sum of the parts costs about 10.
        while batch * down * across * split < busy && 2 * split <= max_split.min(THREADS) && depth / (2 * split) >= 32 {
            split *= 2;
        }
        // A software adapter runs workgroups, not threads, side by side.
        let few = (batch * down * across).div_ceil(8).next_power_of_two().clamp(8, THREADS);
        let threads = if busy == 0 { few } else { THREADS };
        let lanes = threads / split;
        let wx = lanes.min(16).min(across.next_power_of_two());
        let wy = (lanes / wx).min(down.next_power_of_two());
        Tiles { batch, rows, cols, depth, tile, threads, split, wx: lanes / wy, wy, shared: false }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    pub(super) fn groups(&self) -> usize {
        self.batch * self.groups_down() * self.groups_across()
    }

    pub(super) fn flops(&self) -> usize {
        2 * self.batch * self.rows * self.cols * self.depth
    }

    /// How often elements of the left and of the right operand are evaluated.
    pub(super) fn evaluations(&self) -> [f64; 2] {
        let (products, side) = (self.flops() as f64 / 2.0, if self.shared { SIDE } else { 1 });
        let [down, across] = self.tile.map(|n| (n * side) as f64);
        [products / across, products / down]
    }

    pub(super) fn describe(&self) -> String {
        let [down, across] = self.tile;
        let Tiles { batch, rows, cols, depth, split, .. } = self;
        let how = if self.shared { "shared".into() } else { format!("split {split}") };
        format!(" {batch}x({rows}x{cols}x{depth}), tiles {down}x{across}, {how}")
    }

    /// The shader of a product whose elements and results are those of `parts`: its own kernel, its elements for kernels that
    /// share them, and what writes a result.
    pub(super) fn templates(&self, [own, elements, put]: [&str; 3]) -> Vec<String> {
        let whole = include_str!("wgsl/finish_whole.wgsl");
        let finish = if self.split == 1 { whole } else { include_str!("wgsl/finish_split.wgsl") };
        if self.shared {
            let shared = self.expanded(include_str!("wgsl/shared.wgsl"));
            return vec![shared, elements.into(), finish.into(), put.into()];
        }
        vec![self.expanded(own), finish.into(), put.into()]
    }

    /// Which way the operands of a shared product lie in memory: whether neighbours along the depth are neighbours there.
    pub(super) fn layouts(&self, left: bool, right: bool) -> String {
        if !self.shared {
            return String::new();
        }
        format!("const LEFT_BY_DEPTH = {left};\nconst RIGHT_BY_DEPTH = {right};\n")
    }

    fn groups_down(&self) -> usize {
        self.rows.div_ceil(self.tile[0] * self.wy)
    }

    fn groups_across(&self) -> usize {
        self.cols.div_ceil(self.tile[1] * self.wx)
    }

    /// Repeats the lines of a template for each row ($i) and for each four columns ($j) of the tile.
    fn expanded(&self, template: &str) -> String {
        let mut text = String::new();
        for line in template.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let rows = if code.contains("$i") { self.tile[0] } else { 1 };
            let fours = if code.contains("$j") { self.tile[1] / 4 } else { 1 };
            for (i, j) in (0..rows).flat_map(|i| (0..fours).map(move |j| (i, j))) {
                let one = line.replace("$i", &i.to_string()).replace("$j", &j.to_string());
                text += if code.contains('$') { &one } else { line };
                text.push('\n');
            }
        }
        text
    }

    pub(super) fn constants(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("ROWS", self.rows),
            ("COLS", self.cols),
            ("DEPTH", self.depth),
            ("TILE_ROWS", self.tile[0]),
            ("TILE_COLS", self.tile[1]),
            ("SPLIT", self.split),
            ("WX", self.wx),
            ("WY", self.wy),
            ("GROUPS_DOWN", self.groups_down()),
            ("GROUPS_ACROSS", self.groups_across()),
        ]
    }
}

/// The side of the tiles of threads that share operands, where that pays: on a real GPU, for products that are long
/// enough to load strips of, and large enough to keep `busy` threads busy with such tiles.
fn shared_tile([batch, rows, cols, depth]: [usize; 4], busy: usize) -> Option<usize> {
    let threads = |side: usize| batch * rows.div_ceil(side * SIDE) * cols.div_ceil(side * SIDE) * SIDE * SIDE;
    let full = |n: usize, side: usize| n.next_multiple_of(side * SIDE) * 4 <= n * 5;
    let fits = |&side: &usize| full(rows, side) && full(cols, side) && threads(side) >= side * busy;
    if busy == 0 || depth < 32 { None } else { [8, 4].into_iter().find(fits) }
}

/// Rows and columns of results that a thread keeps in registers: the more, the fewer loads a multiply-add. But large
/// tiles must leave enough threads, and less than a quarter of them may lie past the end.
fn tile(batch: usize, rows: usize, cols: usize, busy: usize) -> [usize; 2] {
    let downs: &[usize] = match rows {
        1 => &[1],
        2 => &[2],
        _ => &[8, 4],
    };
    let full = |n: usize, tile: usize| tile <= 4 || n.next_multiple_of(tile) * 4 <= n * 5;
    let fits = |&[down, across]: &[usize; 2]| {
        full(rows, down) && full(cols, across) && batch * rows.div_ceil(down) * cols.div_ceil(across) >= busy
    };
    let mut tiles = downs.iter().flat_map(|&down| [[down, 8], [down, 4]]);
    tiles.find(fits).unwrap_or([downs[downs.len() - 1], 4])
}

/// The largest power of two that is not larger.
fn power_below(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// Zeros that `lhs_dilation` spreads are skipped by taking output positions of one phase together; that works where
/// the kernel moves and reaches by single steps.
fn phases(w: &Window) -> [usize; 2] {
    [0, 1].map(|i| if w.stride[i] == 1 && w.dilation[i] == 1 { w.lhs_dilation[i] } else { 1 })
}

/// The product of a Dot node.
pub(super) fn dot_tiles(nodes: &[Node], id: NodeId, busy: usize) -> Tiles {
    let out = nodes[id.index()].shape.as_slice();
    let depth = *nodes[nodes[id.index()].inputs[0].index()].shape.last().expect("a matrix has two axes");
    let r = out.len();
    Tiles::new([out[..r - 2].iter().product(), out[r - 2], out[r - 1], depth], THREADS, busy)
}

/// Whether neighbours along the last axis of a node are neighbours in memory: not those of a transposed matrix.
pub(super) fn last_axis_is_near(nodes: &[Node], id: NodeId) -> bool {
    let node = &nodes[id.index()];
    !matches!(&node.op, Op::Permute(perm) if perm.last() != Some(&(perm.len() - 1)))
}

/// The product that a Conv node becomes.
pub(super) fn conv_tiles(nodes: &[Node], id: NodeId, w: &Window, busy: usize) -> Tiles {
    let node = &nodes[id.index()];
    let [py, px] = phases(w);
    let (k, out) = (&nodes[node.inputs[1].index()].shape, &node.shape);
    let taps = k[2].div_ceil(py) * k[3].div_ceil(px);
    let positions = out[0] * out[2].div_ceil(py) * out[3].div_ceil(px);
    let max_split = power_below(taps) * power_below(k[1]);
    Tiles::new([py * px, out[1], positions, k[1] * taps], max_split, busy)
}

/// The constants of conv.wgsl.
pub(super) fn conv_constants(w: &Window, t: &Tiles, nodes: &[Node], id: NodeId) -> Vec<(&'static str, usize)> {
    let node = &nodes[id.index()];
    let [x, k] = [0, 1].map(|i| nodes[node.inputs[i].index()].shape.as_slice());
    let [py, px] = phases(w);
    let taps = k[2].div_ceil(py) * k[3].div_ceil(px);
    // Taps are split first: neighbouring taps are neighbours in memory, channels are not.
    let split_taps = power_below(taps).min(t.split);
    vec![
        ("CHANNELS", x[1]),
        ("H", x[2]),
        ("W", x[3]),
        ("KH", k[2]),
        ("KW", k[3]),
        ("OH", node.shape[2]),
        ("OW", node.shape[3]),
        ("STRIDE_Y", w.stride[0]),
        ("STRIDE_X", w.stride[1]),
        ("DILATION_Y", w.dilation[0]),
        ("DILATION_X", w.dilation[1]),
        ("SPREAD_Y", w.lhs_dilation[0]),
        ("SPREAD_X", w.lhs_dilation[1]),
        ("PHASES_Y", py),
        ("PHASES_X", px),
        ("SPLIT_TAPS", split_taps),
        ("SPLIT_CHANNELS", t.split / split_taps),
    ]
}
