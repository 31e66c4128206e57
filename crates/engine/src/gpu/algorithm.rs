//! The kernels written by hand (dot, conv, reductions of rows) and the pointwise one: how much work they are, and at
//! which indices they call the generated functions.

use super::attention::{Attention, Attentions};
use super::index::{Index, Ix};
use super::rows::Rows;
use super::tiles::{Tiles, conv_constants, conv_tiles, dot_tiles, last_axis_is_near};
use graph::{Node, NodeId, Op, Window};
use std::fmt::Write;

/// Threads a workgroup, but for long reductions: two or more of every vendor's SIMD width.
pub(super) const THREADS: usize = 64;

/// What a kernel runs, with all sizes known.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Algorithm {
    /// One thread an element.
    Pointwise { len: usize },
    /// Sums and maxima.
    Rows(Rows),
    /// The batched matrix product of a node.
    Dot(NodeId, Tiles),
    /// Two products with a softmax between them.
    Attention(Attention),
    /// A node's convolution as a matrix product of (O, taps x C) and (taps x C, positions).
    Conv(NodeId, Window, Tiles),
}

/// A function of the shader that returns one element of an operand, or of several as a vector.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) params: &'static [&'static str],
    pub(super) values: Vec<Term>,
    /// It may use the kernel's results of the phases before this one; none of them is there for a product.
    pub(super) phase: Option<usize>,
    /// A value that it is called with, as v, and the index of that value.
    pub(super) given: Option<(NodeId, Index)>,
}

/// One element of an operand.
pub(super) struct Term {
    pub(super) node: NodeId,
    pub(super) index: Index,
    /// Where element `.1` of index tensor `.0` is not `.2`, the term is 0.
    pub(super) only_if: Option<(NodeId, Ix, Ix)>,
}

impl Term {
    pub(super) fn plain(node: NodeId, index: Index) -> Term {
        Term { node, index, only_if: None }
    }
}

/// A function of the shader that gets the kernel's own value, if it is handed one, and writes results.
pub(super) struct Outlet {
    pub(super) name: &'static str,
    pub(super) params: &'static [&'static str],
    /// Whether it is called with the kernel's own value v.
    pub(super) value: bool,
}

impl Algorithm {
    /// The algorithm of a Reduce, ScatterAdd, Dot or Conv node. With fewer than `busy` threads the device would stand
    /// idle: then several threads share the sum of each result.
    pub(super) fn of(nodes: &[Node], attentions: &Attentions, id: NodeId, busy: usize) -> Algorithm {
        if let Some(attention) = attentions.of.get(&id) {
            return Algorithm::Attention(attention.clone());
        }
        match &nodes[id.index()].op {
            Op::Reduce(..) | Op::ScatterAdd(_) => Algorithm::Rows(Rows::of(nodes, id, busy)),
            Op::Dot => Algorithm::Dot(id, dot_tiles(nodes, id, busy)),
            Op::Conv(w) => Algorithm::Conv(id, *w, conv_tiles(nodes, id, w, busy)),
            op => unreachable!("{op} has no algorithm of its own"),
        }
    }

    /// Workgroups needed.
    pub(super) fn groups(&self) -> usize {
        match self {
            Algorithm::Pointwise { len } => len.div_ceil(THREADS),
            Algorithm::Rows(r) => r.groups(),
            Algorithm::Attention(a) => a.groups(),
            Algorithm::Dot(_, t) | Algorithm::Conv(_, _, t) => t.groups(),
        }
    }

    /// Floating point operations, those of fused expressions not counted.
    pub(super) fn flops(&self) -> u64 {
        let n = match self {
            Algorithm::Pointwise { len } => *len,
            Algorithm::Rows(r) => r.flops(),
            Algorithm::Attention(a) => a.flops(),
            Algorithm::Dot(_, t) | Algorithm::Conv(_, _, t) => t.flops(),
        };
        n as u64
    }

    /// How often elements of input `i` of the kernel's own node are evaluated.
    pub(super) fn evaluations(&self, i: usize) -> f64 {
        match self {
            Algorithm::Pointwise { .. } | Algorithm::Rows(_) => self.flops() as f64,
            Algorithm::Attention(a) => a.evaluations(),
            Algorithm::Dot(_, t) => t.evaluations()[i],
            // The kernel is the left matrix.
            Algorithm::Conv(_, _, t) => t.evaluations()[1 - i],
        }
    }

    /// A word for the printed plan.
    pub(super) fn name(&self) -> String {
        match self {
            Algorithm::Pointwise { .. } => "pointwise".into(),
            Algorithm::Rows(r) => r.name(),
            Algorithm::Attention(_) => "attention".into(),
            Algorithm::Dot(..) => "dot".into(),
            Algorithm::Conv(..) => "conv".into(),
        }
    }

    /// How the work is cut, for the printed plan.
    pub(super) fn cut(&self) -> String {
        match self {
            Algorithm::Pointwise { .. } => String::new(),
            Algorithm::Rows(r) => r.describe(),
            Algorithm::Attention(a) => a.describe(),
            Algorithm::Dot(_, t) | Algorithm::Conv(_, _, t) => t.describe(),
        }
    }

    /// The kernel's own results: a product, or reductions.
    pub(super) fn results(&self) -> Vec<NodeId> {
        match self {
            Algorithm::Pointwise { .. } => Vec::new(),
            Algorithm::Rows(r) => r.results().collect(),
            Algorithm::Attention(a) => vec![a.result],
            Algorithm::Dot(id, _) | Algorithm::Conv(id, ..) => vec![*id],
        }
    }

    /// Whether the own result is known before phase `p`.
    pub(super) fn known(&self, id: NodeId, p: usize) -> bool {
        match self {
            Algorithm::Rows(r) => r.known(id, p),
            _ => self.results().contains(&id),
        }
    }

    /// What an own result is called in the shader.
    pub(super) fn result_name(&self, id: NodeId) -> Option<String> {
        match self {
            Algorithm::Rows(r) => r.result_name(id),
            Algorithm::Attention(a) => a.hands_on(id).then(|| "v".into()),
            _ => self.results().contains(&id).then(|| "v".into()),
        }
    }

    /// Where the kernel has its own result of that shape, or a pointwise kernel any of its results.
    pub(super) fn store_index(&self, shape: &[usize]) -> Index {
        match self {
            Algorithm::Pointwise { len } => Index::Flat(Ix::var("i", *len)),
            Algorithm::Rows(r) => r.store_index(),
            Algorithm::Attention(a) => matrix_index(shape, a.batch(), "m", "n"),
            Algorithm::Dot(_, t) => matrix_index(shape, t.batch(), "m", "n"),
            Algorithm::Conv(..) => image_index(["b", "o", "y", "x"], shape),
        }
    }

    /// Which of the [`outlets`](Algorithm::outlets) writes to this index.
    pub(super) fn outlet_of(&self, ix: &Ix) -> usize {
        usize::from(matches!(self, Algorithm::Rows(_)) && ix.mentions("r"))
    }

    /// The functions that write results.
    pub(super) fn outlets(&self) -> Vec<Outlet> {
        let outlet = |name, params, value| Outlet { name, params, value };
        match self {
            Algorithm::Pointwise { .. } => vec![outlet("store", &["i"], false)],
            Algorithm::Rows(_) => vec![outlet("store", &["o"], false), outlet("store_element", &["o", "r"], false)],
            Algorithm::Attention(_) | Algorithm::Dot(..) => vec![outlet("store", &["b", "m", "n"], true)],
            Algorithm::Conv(..) => vec![outlet("store", &["b", "o", "y", "x"], true)],
        }
    }

    /// The functions that return elements of the operands.
    pub(super) fn functions(&self, nodes: &[Node]) -> Vec<Function> {
        let operand = |id: NodeId, i: usize, name: &str, params, index: &dyn Fn(&[usize]) -> Index| {
            let input = nodes[id.index()].inputs[i];
            let values = vec![Term::plain(input, index(&nodes[input.index()].shape))];
            Function { name: name.into(), params, values, phase: None, given: None }
        };
        match self {
            Algorithm::Pointwise { .. } => Vec::new(),
            Algorithm::Rows(r) => r.functions(nodes),
            Algorithm::Attention(a) => a.functions(nodes),
            Algorithm::Dot(id, t) => vec![
                operand(*id, 0, "lhs", &["b", "m", "k"], &|shape| matrix_index(shape, t.batch(), "m", "k")),
                operand(*id, 1, "rhs", &["b", "k", "n"], &|shape| matrix_index(shape, t.batch(), "k", "n")),
            ],
            Algorithm::Conv(id, ..) => vec![
                operand(*id, 0, "image", &["b", "c", "y", "x"], &|shape| image_index(["b", "c", "y", "x"], shape)),
                operand(*id, 1, "kernel", &["o", "c", "y", "x"], &|shape| image_index(["o", "c", "y", "x"], shape)),
            ],
        }
    }

    /// The hand-written parts of the shader.
    pub(super) fn templates(&self) -> Vec<String> {
        match self {
            Algorithm::Pointwise { .. } => vec![include_str!("wgsl/pointwise.wgsl").into()],
            Algorithm::Rows(r) => r.templates(),
            Algorithm::Attention(_) => vec![include_str!("wgsl/attention.wgsl").into()],
            Algorithm::Dot(_, t) => t.templates([
                include_str!("wgsl/dot.wgsl"),
                include_str!("wgsl/dot_elements.wgsl"),
                include_str!("wgsl/dot_put.wgsl"),
            ]),
            Algorithm::Conv(_, _, t) => t.templates([
                include_str!("wgsl/conv.wgsl"),
                include_str!("wgsl/conv_elements.wgsl"),
                include_str!("wgsl/conv_put.wgsl"),
            ]),
        }
    }

    /// The constants that the templates name.
    pub(super) fn constants(&self, nodes: &[Node]) -> String {
        let mut values = vec![("THREADS", self.threads()), ("GROUPS", self.groups())];
        let mut text = String::new();
        match self {
            Algorithm::Pointwise { len } => values.push(("LEN", *len)),
            Algorithm::Rows(r) => values.extend(r.constants()),
            Algorithm::Attention(a) => values.extend(a.constants()),
            Algorithm::Dot(id, t) => {
                values.extend(t.constants());
                let [a, b] = [0, 1].map(|i| last_axis_is_near(nodes, nodes[id.index()].inputs[i]));
                text += &t.layouts(a, !b);
            }
            Algorithm::Conv(id, w, t) => {
                values.extend(t.constants());
                values.extend(conv_constants(w, t, nodes, *id));
                text += &t.layouts(true, false);
                let [y, x] = w.pad.map(|p| p.0);
                writeln!(text, "const PAD_Y = {y}i;\nconst PAD_X = {x}i;").expect("writing to a String cannot fail");
            }
        }
        values.iter().map(|(name, value)| format!("const {name} = {value}u;\n")).collect::<String>() + &text
    }

    fn threads(&self) -> usize {
        match self {
            Algorithm::Pointwise { .. } | Algorithm::Attention(_) => THREADS,
            Algorithm::Rows(r) => r.threads(),
            Algorithm::Dot(_, t) | Algorithm::Conv(_, _, t) => t.threads(),
        }
    }
}

/// The index of a batched matrix whose last axes are `row` and `col` and whose batch axes are one variable b.
pub(super) fn matrix_index(shape: &[usize], batch: usize, row: &'static str, col: &'static str) -> Index {
    let r = shape.len();
    let mut axes = Index::Flat(Ix::var("b", batch)).axes(&shape[..r - 2]);
    axes.extend([Ix::var(row, shape[r - 2]), Ix::var(col, shape[r - 1])]);
    Index::Axes(axes)
}

fn image_index(names: [&'static str; 4], shape: &[usize]) -> Index {
    Index::Axes(names.iter().zip(shape).map(|(name, &n)| Ix::var(name, n)).collect())
}
