//! The kernels written by hand (dot, conv, reduce) and the pointwise one: their sizes, how the work is cut into
//! workgroups, and at which indices they call the generated functions.

use super::index::{Index, Ix};
use graph::{Node, NodeId, Op, Reduce, Window};
use std::fmt::Write;

/// Threads a workgroup, but for long reductions: two or more of every vendor's SIMD width.
const THREADS: usize = 64;
/// Rows and columns of results that a thread of dot or conv keeps in registers, best first: the more, the fewer loads
/// a multiply-add.
const TILES: [[usize; 2]; 4] = [[8, 8], [8, 4], [4, 8], [4, 4]];

/// A function of the shader that returns one element of an operand.
pub(super) struct Operand {
    pub(super) name: &'static str,
    pub(super) params: &'static [&'static str],
    pub(super) node: NodeId,
    pub(super) index: Index,
}

/// Most elements that one thread adds up.
const LONG: usize = 1024;

/// What a kernel runs, with all sizes known.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Algorithm {
    /// One thread an element.
    Pointwise { len: usize },
    /// `outputs` sums or maxima of `count` elements each.
    Reduce(Reduction),
    /// Batched matrix product.
    Dot(Tiles),
    /// Convolution as a matrix product of (O, taps x C) and (taps x C, positions).
    Conv(Window, Tiles),
}

/// How a reduction is cut: `width` threads an output, `outs` outputs a workgroup.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Reduction {
    outputs: usize,
    count: usize,
    width: usize,
    outs: usize,
    /// Distance of an output's threads in the workgroup: neighbouring threads are to read neighbouring elements.
    step: usize,
    f: Reduce,
}

/// How a product is cut: `batch` matrices of `rows` x `cols`; a workgroup has wy x wx tiles, `split` threads each.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tiles {
    batch: usize,
    rows: usize,
    cols: usize,
    depth: usize,
    tile: [usize; 2],
    split: usize,
    wx: usize,
    wy: usize,
}

impl Tiles {
    fn new([batch, rows, cols, depth]: [usize; 4], max_split: usize, busy: usize) -> Tiles {
        // A large tile must leave enough threads, and less than a quarter of it may lie past the end.
        let full = |n: usize, tile: usize| tile == 4 || n.next_multiple_of(tile) * 4 <= n * 5;
        let fits = |[down, across]: &[usize; 2]| {
            full(rows, *down) && full(cols, *across) && batch * rows.div_ceil(*down) * cols.div_ceil(*across) >= busy
        };
        let tile = TILES.into_iter().find(fits).unwrap_or([4, 4]);
        let (down, across) = (rows.div_ceil(tile[0]), cols.div_ceil(tile[1]));
        let mut split = 1;
        // 32 products a thread at least: the sum of the parts costs about 10.
        while batch * down * across * split < busy && 2 * split <= max_split.min(THREADS) && depth / (2 * split) >= 32 {
            split *= 2;
        }
        let lanes = THREADS / split;
        let wx = lanes.min(16).min(across.next_power_of_two());
        let wy = (lanes / wx).min(down.next_power_of_two());
        Tiles { batch, rows, cols, depth, tile, split, wx: lanes / wy, wy }
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

    fn constants(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("ROWS", self.rows),
            ("COLS", self.cols),
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

/// The largest power of two that is not larger.
fn power_below(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// Zeros that `lhs_dilation` spreads are skipped by taking output positions of one phase together; that works where
/// the kernel moves and reaches by single steps.
fn phases(w: &Window) -> [usize; 2] {
    [0, 1].map(|i| if w.stride[i] == 1 && w.dilation[i] == 1 { w.lhs_dilation[i] } else { 1 })
}

impl Algorithm {
    /// The algorithm of a Reduce, Dot or Conv node. With fewer than `busy` threads the device would stand idle: then
    /// several threads share the sum of each result.
    pub(super) fn of(nodes: &[Node], id: NodeId, busy: usize) -> Algorithm {
        let node = &nodes[id.index()];
        let input = |i: usize| nodes[node.inputs[i].index()].shape.as_slice();
        match &node.op {
            Op::Reduce(f, axes) => Algorithm::Reduce(Reduction::new(*f, input(0), axes, busy)),
            Op::Dot => {
                let r = node.shape.len();
                let (rows, cols, depth) = (node.shape[r - 2], node.shape[r - 1], input(0)[r - 1]);
                Algorithm::Dot(Tiles::new([node.shape[..r - 2].iter().product(), rows, cols, depth], THREADS, busy))
            }
            Op::Conv(w) => {
                let [py, px] = phases(w);
                let (k, out) = (input(1), &node.shape);
                let taps = k[2].div_ceil(py) * k[3].div_ceil(px);
                let positions = out[0] * out[2].div_ceil(py) * out[3].div_ceil(px);
                let max_split = power_below(taps) * power_below(k[1]);
                Algorithm::Conv(*w, Tiles::new([py * px, out[1], positions, k[1] * taps], max_split, busy))
            }
            op => unreachable!("{op} has no algorithm of its own"),
        }
    }

    /// Workgroups needed.
    pub(super) fn groups(&self) -> usize {
        match self {
            Algorithm::Pointwise { len } => len.div_ceil(THREADS),
            Algorithm::Reduce(r) => r.outputs.div_ceil(r.outs),
            Algorithm::Dot(t) | Algorithm::Conv(_, t) => t.batch * t.groups_down() * t.groups_across(),
        }
    }

    /// Floating point operations, those of fused expressions not counted.
    pub(super) fn flops(&self) -> u64 {
        let n = match self {
            Algorithm::Pointwise { len } => *len,
            Algorithm::Reduce(r) => r.outputs * r.count,
            Algorithm::Dot(t) | Algorithm::Conv(_, t) => 2 * t.batch * t.rows * t.cols * t.depth,
        };
        n as u64
    }

    /// How often an operand of this kernel is evaluated.
    pub(super) fn evaluations(&self) -> f64 {
        match self {
            Algorithm::Pointwise { .. } | Algorithm::Reduce(_) => self.flops() as f64,
            Algorithm::Dot(t) | Algorithm::Conv(_, t) => self.flops() as f64 / (2 * t.tile[0].min(t.tile[1])) as f64,
        }
    }

    /// A word for the printed plan.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Algorithm::Pointwise { .. } => "pointwise",
            Algorithm::Reduce(Reduction { f: Reduce::Sum, .. }) => "sum",
            Algorithm::Reduce(Reduction { f: Reduce::Max, .. }) => "max",
            Algorithm::Dot(_) => "dot",
            Algorithm::Conv(..) => "conv",
        }
    }

    /// How the work is cut, for the printed plan.
    pub(super) fn cut(&self) -> String {
        match self {
            Algorithm::Pointwise { .. } => String::new(),
            Algorithm::Reduce(r) => format!(" {} of {}, {} threads each", r.outputs, r.count, r.width),
            Algorithm::Dot(t) | Algorithm::Conv(_, t) => {
                let [down, across] = t.tile;
                format!(" {}x({}x{}x{}), tiles {down}x{across}, split {}", t.batch, t.rows, t.cols, t.depth, t.split)
            }
        }
    }

    /// The parameters of `store`, before the value.
    pub(super) fn store_params(&self) -> &'static [&'static str] {
        match self {
            Algorithm::Pointwise { .. } => &["i"],
            Algorithm::Reduce(_) => &["o"],
            Algorithm::Dot(_) => &["b", "m", "n"],
            Algorithm::Conv(..) => &["b", "o", "y", "x"],
        }
    }

    /// Where `store` writes the kernel's own result of that shape.
    pub(super) fn store_index(&self, shape: &[usize]) -> Index {
        match self {
            Algorithm::Pointwise { len } => Index::Flat(Ix::var("i", *len)),
            Algorithm::Reduce(r) => Index::Flat(Ix::var("o", r.outputs)),
            Algorithm::Dot(t) => matrix_index(shape, t.batch, "m", "n"),
            Algorithm::Conv(..) => image_index(["b", "o", "y", "x"], shape),
        }
    }

    /// The functions that return elements of the operands of node `id`.
    pub(super) fn operands(&self, nodes: &[Node], id: NodeId) -> Vec<Operand> {
        let node = &nodes[id.index()];
        let shape = |i: usize| nodes[node.inputs[i].index()].shape.as_slice();
        let operand = |i: usize, name, params, index| Operand { name, params, node: node.inputs[i], index };
        match self {
            Algorithm::Pointwise { .. } => Vec::new(),
            Algorithm::Reduce(r) => {
                let Op::Reduce(_, axes) = &node.op else { unreachable!("a reduction belongs to Reduce") };
                vec![operand(0, "operand", &["o", "r"], r.operand_index(shape(0), axes))]
            }
            Algorithm::Dot(t) => vec![
                operand(0, "lhs", &["b", "m", "k"], matrix_index(shape(0), t.batch, "m", "k")),
                operand(1, "rhs", &["b", "k", "n"], matrix_index(shape(1), t.batch, "k", "n")),
            ],
            Algorithm::Conv(..) => vec![
                operand(0, "image", &["b", "c", "y", "x"], image_index(["b", "c", "y", "x"], shape(0))),
                operand(1, "kernel", &["o", "c", "y", "x"], image_index(["o", "c", "y", "x"], shape(1))),
            ],
        }
    }

    /// The hand-written parts of the shader.
    pub(super) fn templates(&self) -> Vec<String> {
        let product = |t: &Tiles, main: &str| {
            let whole = include_str!("wgsl/finish_whole.wgsl");
            let finish = if t.split == 1 { whole } else { include_str!("wgsl/finish_split.wgsl") };
            vec![t.expanded(main), finish.into()]
        };
        match self {
            Algorithm::Pointwise { .. } => vec![include_str!("wgsl/pointwise.wgsl").into()],
            Algorithm::Reduce(r) if r.width == 1 => vec![include_str!("wgsl/reduce_serial.wgsl").into()],
            Algorithm::Reduce(_) => vec![include_str!("wgsl/reduce.wgsl").into()],
            Algorithm::Dot(t) => product(t, include_str!("wgsl/dot.wgsl")),
            Algorithm::Conv(_, t) => product(t, include_str!("wgsl/conv.wgsl")),
        }
    }

    /// The constants that the templates name, for node `id` (none for pointwise kernels).
    pub(super) fn constants(&self, nodes: &[Node], id: Option<NodeId>) -> String {
        let mut values = vec![("THREADS", self.threads()), ("GROUPS", self.groups())];
        let mut text = String::new();
        match self {
            Algorithm::Pointwise { len } => values.push(("LEN", *len)),
            Algorithm::Reduce(r) => {
                values.extend([("OUTPUTS", r.outputs), ("COUNT", r.count), ("WIDTH", r.width)]);
                values.extend([("OUTS", r.outs), ("STEP", r.step)]);
                text += r.combine();
            }
            Algorithm::Dot(t) => {
                values.extend(t.constants());
                values.push(("DEPTH", t.depth));
            }
            Algorithm::Conv(w, t) => {
                values.extend(t.constants());
                values.extend(conv_constants(w, t, nodes, id.expect("a convolution has its node")));
                let [y, x] = w.pad.map(|p| p.0);
                writeln!(text, "const PAD_Y = {y}i;\nconst PAD_X = {x}i;").expect("writing to a String cannot fail");
            }
        }
        values.iter().map(|(name, value)| format!("const {name} = {value}u;\n")).collect::<String>() + &text
    }

    fn threads(&self) -> usize {
        match self {
            Algorithm::Reduce(r) => r.width * r.outs,
            _ => THREADS,
        }
    }
}

impl Reduction {
    fn new(f: Reduce, shape: &[usize], axes: &[usize], busy: usize) -> Reduction {
        let count: usize = axes.iter().map(|&a| shape[a]).product();
        let outputs = shape.iter().product::<usize>() / count;
        let inner_kept = shape.iter().rposition(|&n| n > 1).is_some_and(|last| !axes.contains(&last));
        // A thread has 16 elements at least, and several threads an output only where outputs alone are too few. A
        // long sum takes several in any case: added one by one it would lose digits.
        let mut width = 1;
        while width < 256 && count / (2 * width) >= 16 && (outputs * width < 16 * busy || count / width > LONG) {
            width *= 2;
        }
        let outs = if width == 1 { THREADS } else { (THREADS / width).max(if inner_kept { 256 / width } else { 1 }) };
        Reduction { outputs, count, width, outs, step: if inner_kept { outs } else { 1 }, f }
    }

    fn operand_index(&self, shape: &[usize], axes: &[usize]) -> Index {
        let reduced: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
        let mut kept = shape.to_vec();
        axes.iter().for_each(|&a| kept[a] = 1);
        let mut index = Index::Flat(Ix::var("o", self.outputs)).axes(&kept);
        let inner = Index::Flat(Ix::var("r", self.count)).axes(&reduced);
        axes.iter().zip(inner).for_each(|(&a, ix)| index[a] = ix);
        Index::Axes(index)
    }

    fn combine(&self) -> &'static str {
        match self.f {
            Reduce::Sum => "fn combine(a: f32, b: f32) -> f32 { return a + b; }\n",
            Reduce::Max => "fn combine(a: f32, b: f32) -> f32 { return max(a, b); }\n",
        }
    }
}

/// The index of a batched matrix whose last axes are `row` and `col` and whose batch axes are one variable b.
fn matrix_index(shape: &[usize], batch: usize, row: &'static str, col: &'static str) -> Index {
    let r = shape.len();
    let mut axes = Index::Flat(Ix::var("b", batch)).axes(&shape[..r - 2]);
    axes.extend([Ix::var(row, shape[r - 2]), Ix::var(col, shape[r - 1])]);
    Index::Axes(axes)
}

fn image_index(names: [&'static str; 4], shape: &[usize]) -> Index {
    Index::Axes(names.iter().zip(shape).map(|(name, &n)| Ix::var(name, n)).collect())
}

fn conv_constants(w: &Window, t: &Tiles, nodes: &[Node], id: NodeId) -> Vec<(&'static str, usize)> {
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
