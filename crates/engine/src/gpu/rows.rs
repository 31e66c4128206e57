//! Sums and maxima over rows: how the work is cut, and which reductions share a kernel.
//!
//! A row is what becomes one result. Reductions of equal rows run together in phases: those of a phase see the results
//! of the phases before, so that a softmax or a normalisation is one kernel.

use super::algorithm::{Function, THREADS, Term};
use super::index::{Index, Ix};
use graph::{Node, NodeId, Op, Reduce};
use std::fmt::Write;

/// Most reductions of a phase: their values are the components of one vector.
const VECTOR: usize = 4;
/// Most reductions of a kernel.
const MOST: usize = 8;
/// Elements that a lone thread adds up before it starts another partial sum: long sums keep their digits.
const CHUNK: usize = 128;

/// `outputs` rows of `count` elements each: `width` threads a row, `outs` rows a workgroup.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rows {
    outputs: usize,
    count: usize,
    width: usize,
    outs: usize,
    /// Distance of a row's threads in the workgroup: neighbouring threads are to read neighbouring elements.
    step: usize,
    /// Shape of the operand, and element r of row o in it; none where a row has no elements of its own.
    operand: Option<(Vec<usize>, Index)>,
    /// The reductions, phase by phase.
    phases: Vec<Vec<(NodeId, Reduce)>>,
    /// Whether the kernel stores results for each element of a row.
    pub(super) elements: bool,
}

impl Rows {
    /// The rows of a Reduce or ScatterAdd node. With fewer than `busy` threads the device would stand idle.
    pub(super) fn of(nodes: &[Node], id: NodeId, busy: usize) -> Rows {
        let node = &nodes[id.index()];
        let x = nodes[node.inputs[0].index()].shape.as_slice();
        match &node.op {
            Op::Reduce(f, axes) => {
                let count: usize = axes.iter().map(|&a| x[a]).product();
                let inner_kept = x.iter().rposition(|&n| n > 1).is_some_and(|last| !axes.contains(&last));
                let outputs = node.len();
                let operand = Some((x.to_vec(), row_index(x, axes, outputs, count)));
                Rows { operand, ..Rows::cut([outputs, count], inner_kept, busy, (id, *f)) }
            }
            Op::ScatterAdd(axis) => Rows::cut([node.len(), x[*axis]], true, busy, (id, Reduce::Sum)),
            op => unreachable!("{op} has no rows"),
        }
    }

    fn cut([outputs, count]: [usize; 2], inner_kept: bool, busy: usize, first: (NodeId, Reduce)) -> Rows {
        let software = busy == 0;
        // What one thread may add up: more is slow, and a tree of threads keeps more digits.
        let long = if software { 16 * 1024 } else { 1024 };
        // A row in one piece is read by neighbouring threads, so that they read neighbouring elements.
        let together = if software || inner_kept { 1 } else { 32 };
        let mut width = 1;
        while width < 256
            && count / (2 * width) >= 16
            && (outputs * width < 16 * busy || count / width > long || width < together)
        {
            width *= 2;
        }
        let outs = match width {
            // A software adapter runs workgroups, not threads, side by side.
            1 if software => outputs.div_ceil(8).next_power_of_two().clamp(4, THREADS),
            1 => THREADS,
            _ => (THREADS / width).max(if inner_kept { 256 / width } else { 1 }),
        };
        let step = if inner_kept { outs } else { 1 };
        Rows { outputs, count, width, outs, step, operand: None, phases: vec![vec![first]], elements: false }
    }

    pub(super) fn groups(&self) -> usize {
        self.outputs.div_ceil(self.outs)
    }

    pub(super) fn threads(&self) -> usize {
        self.width * self.outs
    }

    pub(super) fn flops(&self) -> usize {
        self.outputs * self.count * self.results().count()
    }

    pub(super) fn name(&self) -> String {
        let word = |(_, f): &(NodeId, Reduce)| if *f == Reduce::Sum { "sum" } else { "max" };
        let phase = |p: &Vec<(NodeId, Reduce)>| p.iter().map(word).collect::<Vec<_>>().join("+");
        self.phases.iter().map(phase).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn describe(&self) -> String {
        let elements = if self.elements { ", then elements" } else { "" };
        format!(" {} of {}, {} threads each{elements}", self.outputs, self.count, self.width)
    }

    pub(super) fn results(&self) -> impl Iterator<Item = NodeId> {
        self.phases.iter().flatten().map(|r| r.0)
    }

    /// How the shader calls the result `id`.
    pub(super) fn result_name(&self, id: NodeId) -> Option<String> {
        let (p, phase) = self.phases.iter().enumerate().find(|(_, phase)| phase.iter().any(|r| r.0 == id))?;
        let at = phase.iter().position(|r| r.0 == id)?;
        Some(if phase.len() == 1 { format!("s{p}") } else { format!("s{p}.{}", &"xyzw"[at..at + 1]) })
    }

    /// Whether the result is known before phase `p`.
    pub(super) fn known(&self, id: NodeId, p: usize) -> bool {
        self.phases[..p.min(self.phases.len())].iter().flatten().any(|r| r.0 == id)
    }

    /// Index of element r of row o in a tensor of `shape`, if such a tensor can have rows of this kind.
    pub(super) fn element(&self, shape: &[usize]) -> Option<Index> {
        let (own, index) = self.operand.as_ref()?;
        (shape.iter().product::<usize>() == self.outputs * self.count)
            .then(|| if own == shape { index.clone() } else { Index::Flat(index.flat(own)) })
    }

    /// Whether the kernel may also compute results for each element: not where a row is too long for its threads, and
    /// the device would stand idle meanwhile.
    pub(super) fn holds_elements(&self, busy: usize) -> bool {
        let long = if busy == 0 { 16 * 1024 } else { 64 };
        self.operand.is_some() && (self.count / self.width <= long || self.outputs * self.width >= 16 * busy.max(4))
    }

    /// These rows with the reductions of `other` added to phase `p`, if its rows are the same ones.
    pub(super) fn with(&self, other: &Rows, p: usize) -> Option<Rows> {
        let (a, b) = (self.operand.as_ref()?, other.operand.as_ref()?);
        let same = self.outputs == other.outputs && self.count == other.count && a.1.flat(&a.0) == b.1.flat(&b.0);
        let mut rows = self.clone();
        if p == rows.phases.len() {
            rows.phases.push(Vec::new());
        }
        rows.phases[p].extend(other.phases.iter().flatten());
        (same && rows.phases[p].len() <= VECTOR && rows.results().count() <= MOST).then_some(rows)
    }

    pub(super) fn phases(&self) -> usize {
        self.phases.len()
    }

    /// The functions that return the elements which each phase reduces.
    pub(super) fn functions(&self, nodes: &[Node]) -> Vec<Function> {
        let function = |(p, phase): (usize, &Vec<(NodeId, Reduce)>)| Function {
            name: format!("elements{p}"),
            params: &["o", "r"],
            values: phase.iter().map(|r| self.term(nodes, r.0)).collect(),
            phase: Some(p),
            given: None,
        };
        self.phases.iter().enumerate().map(function).collect()
    }

    /// What reduction `id` takes from element r of row o.
    fn term(&self, nodes: &[Node], id: NodeId) -> Term {
        let node = &nodes[id.index()];
        let x = nodes[node.inputs[0].index()].shape.as_slice();
        match &node.op {
            Op::Reduce(_, axes) => Term::plain(node.inputs[0], row_index(x, axes, self.outputs, self.count)),
            Op::ScatterAdd(axis) => {
                let mut from = Index::Flat(Ix::var("o", self.outputs)).axes(&node.shape);
                let entry = std::mem::replace(&mut from[*axis], Ix::var("r", self.count));
                let index = (node.inputs[1], Ix::var("r", self.count));
                Term { node: node.inputs[0], index: Index::Axes(from), only_if: Some((index.0, index.1, entry)) }
            }
            op => unreachable!("{op} has no rows"),
        }
    }

    pub(super) fn store_index(&self) -> Index {
        Index::Flat(Ix::var("o", self.outputs))
    }

    pub(super) fn constants(&self) -> Vec<(&'static str, usize)> {
        let elements = if self.elements { self.count } else { 0 };
        vec![
            ("OUTPUTS", self.outputs),
            ("COUNT", self.count),
            ("ELEMENTS", elements),
            ("WIDTH", self.width),
            ("OUTS", self.outs),
            ("STEP", self.step),
            ("CHUNK", CHUNK),
        ]
    }

    pub(super) fn templates(&self) -> Vec<String> {
        let serial = include_str!("wgsl/rows_serial.wgsl");
        let phase = if self.width == 1 { serial } else { include_str!("wgsl/rows_tree.wgsl") };
        let mut calls = String::from("fn reduce(o: u32, part: u32, local: u32) {\n");
        let mut texts = vec![include_str!("wgsl/rows.wgsl").to_string()];
        for (p, reductions) in self.phases.iter().enumerate() {
            writeln!(calls, "    phase{p}(o, part, local);").expect("writing to a String cannot fail");
            texts.push(combine(p, reductions) + &phase.replace("$p", &p.to_string()));
        }
        texts.push(calls + "}\n");
        texts
    }
}

/// The function that combines two values of phase `p`, and the type of these values.
fn combine(p: usize, reductions: &[(NodeId, Reduce)]) -> String {
    let one = |f: &Reduce, at: &str| match f {
        Reduce::Sum => format!("a{at} + b{at}"),
        Reduce::Max => format!("max(a{at}, b{at})"),
    };
    let ty = vector(reductions.len());
    let value = match reductions {
        [(_, f)] => one(f, ""),
        _ => {
            let parts = reductions.iter().zip([".x", ".y", ".z", ".w"]).map(|((_, f), at)| one(f, at));
            format!("{ty}({})", parts.collect::<Vec<_>>().join(", "))
        }
    };
    format!("alias T{p} = {ty};\n\nfn combine{p}(a: T{p}, b: T{p}) -> T{p} {{\n    return {value};\n}}\n\n")
}

/// The type of that many values.
pub(super) fn vector(n: usize) -> &'static str {
    ["f32", "vec2f", "vec3f", "vec4f"][n - 1]
}

/// Element r of row o of a tensor whose `axes` are reduced.
fn row_index(shape: &[usize], axes: &[usize], outputs: usize, count: usize) -> Index {
    let reduced: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
    let mut kept = shape.to_vec();
    axes.iter().for_each(|&a| kept[a] = 1);
    let mut index = Index::Flat(Ix::var("o", outputs)).axes(&kept);
    let inner = Index::Flat(Ix::var("r", count)).axes(&reduced);
    axes.iter().zip(inner).for_each(|(&a, ix)| index[a] = ix);
    Index::Axes(index)
}
