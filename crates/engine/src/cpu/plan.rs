//! What is stored and what is computed on the way: a Program becomes a list of steps, each of which writes one buffer.
//!
//! Movements are views. A function of single values is part of the step that reads it, as long as there is one such step;
//! read by several, or by a product, it is stored.

use super::conv::Conv;
use super::gather::{gather, scatter_add};
use super::gemm::Tile;
use super::layout::{Layout, copy};
use super::memory::Memory;
use super::pointwise::{Arg, Chain};
use super::product::Dot;
use super::reduce::Reduction;
use super::replace::{Found, Replace};
use graph::{Node, NodeId, Op, Program};
use std::collections::HashMap;

/// The most operations in one chain: longer ones would not stay in the first cache.
const LONGEST_CHAIN: usize = 48;

/// Where a value is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) root: NodeId,
    pub(super) layout: Layout,
}

/// One step, which writes all of one buffer.
#[derive(Debug)]
pub(super) struct Step {
    /// The node whose value this is.
    pub(super) node: NodeId,
    /// The buffer; more than one can belong to a node.
    pub(super) root: NodeId,
    pub(super) len: usize,
    pub(super) work: Work,
    /// Buffers that no later step reads.
    pub(super) dead: Vec<NodeId>,
    /// Needs no input: computed once.
    pub(super) fixed: bool,
}

/// What a step computes.
#[derive(Debug)]
pub(super) enum Work {
    Number(f32),
    /// 0, 1, 2, ..
    Count,
    Chain(Chain),
    Replace(Replace),
    Reduce(Reduction),
    Dot(Box<Dot>),
    Conv(Box<Conv>),
    Pad {
        x: NodeId,
        from: Layout,
        to: Layout,
    },
    Gather {
        x: NodeId,
        index: NodeId,
        sizes: [usize; 2],
    },
    ScatterAdd {
        x: NodeId,
        index: NodeId,
        sizes: [usize; 2],
    },
}

/// All steps in order, and where each stored value is.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) places: Vec<Option<Place>>,
    /// Number of buffers.
    pub(super) roots: usize,
}

impl Plan {
    pub(super) fn new(program: &Program) -> Plan {
        let mut builder = Builder::new(program);
        for i in 0..program.nodes.len() {
            builder.node(NodeId(i as u32));
        }
        for &(_, next) in &program.state {
            builder.dense(next);
        }
        builder.keep_panels();
        builder.find_dead();
        Plan { steps: builder.steps, places: builder.places, roots: builder.lens.len() }
    }

    /// An input was written: what was made of it before is not valid any more.
    pub(super) fn forget(&mut self, root: NodeId) {
        for step in &mut self.steps {
            match &mut step.work {
                Work::Dot(dot) => dot.right.forget(root),
                Work::Conv(conv) => conv.phases.iter_mut().for_each(|phase| phase.kernel.forget(root)),
                _ => {}
            }
        }
    }
}

impl Work {
    /// Buffers that are read.
    fn roots(&self) -> Vec<NodeId> {
        match self {
            Work::Number(_) | Work::Count => Vec::new(),
            Work::Chain(chain) => chain.roots().collect(),
            Work::Replace(replace) => vec![replace.position, replace.new],
            Work::Reduce(reduction) => reduction.roots().collect(),
            Work::Dot(dot) => vec![dot.left.root, dot.right.root],
            Work::Conv(conv) => conv.roots().collect(),
            Work::Pad { x, .. } => vec![*x],
            Work::Gather { x, index, .. } | Work::ScatterAdd { x, index, .. } => vec![*x, *index],
        }
    }

    /// The state whose buffer becomes the result's.
    pub(super) fn claims(&self) -> Option<NodeId> {
        match self {
            Work::Replace(replace) => Some(replace.state),
            _ => None,
        }
    }

    /// Numbers that [`Work::run`] wants room for beside the result.
    pub(super) fn room(&self) -> usize {
        match self {
            Work::Conv(conv) => conv.room(),
            _ => 0,
        }
    }

    pub(super) fn run(&mut self, tile: Tile, memory: &Memory, room: &mut [f32], out: &mut [f32]) {
        match self {
            Work::Number(value) => out.fill(*value),
            Work::Count => out.iter_mut().enumerate().for_each(|(i, v)| *v = i as f32),
            Work::Chain(chain) => chain.run(memory, out),
            Work::Replace(replace) => replace.run(memory, out),
            Work::Reduce(reduction) => reduction.run(memory, out),
            Work::Dot(dot) => dot.run(tile, memory, out),
            Work::Conv(conv) => conv.run(tile, memory, room, out),
            Work::Pad { x, from, to } => {
                out.fill(0.0);
                copy(memory.get(*x), from, out, to);
            }
            Work::Gather { x, index, sizes } => gather(memory.get(*x), memory.get(*index), *sizes, out),
            Work::ScatterAdd { x, index, sizes } => scatter_add(memory.get(*x), memory.get(*index), *sizes, out),
        }
    }
}

struct Builder<'p> {
    program: &'p Program,
    /// The step that computes a node on its way, if it is not stored.
    owners: Vec<Option<NodeId>>,
    places: Vec<Option<Place>>,
    steps: Vec<Step>,
    /// Size of each buffer.
    lens: Vec<usize>,
}

impl<'p> Builder<'p> {
    fn new(program: &'p Program) -> Builder<'p> {
        let n = program.nodes.len();
        Builder {
            program,
            owners: owners(program),
            places: vec![None; n],
            steps: Vec::new(),
            lens: program.nodes.iter().map(Node::len).collect(),
        }
    }

    fn node(&mut self, id: NodeId) {
        let node = self.program.node(id);
        let shape = node.shape.as_slice();
        // A node on the way to another has no place; nor has a view of it.
        let hidden = node.inputs.first().is_some_and(|x| self.places[x.index()].is_none());
        if self.owners[id.index()].is_some() && (node.op != Op::Reshape || hidden) {
            return;
        }
        let layout = match &node.op {
            Op::Input(_) => Layout::dense(shape),
            Op::Const(bits) => {
                self.push(id, id, 1, Work::Number(f32::from_bits(*bits)));
                Layout::line(shape, None)
            }
            Op::Iota(axis) => {
                self.push(id, id, shape[*axis], Work::Count);
                Layout::line(shape, Some(*axis))
            }
            Op::Reshape | Op::Permute(_) | Op::Expand | Op::Slice(_) | Op::Flip(_) => {
                let place = self.movement(node);
                self.places[id.index()] = Some(place);
                return;
            }
            _ => {
                let work = self.work(id);
                self.push(id, id, node.len(), work);
                Layout::dense(shape)
            }
        };
        self.places[id.index()] = Some(Place { root: id, layout });
    }

    fn movement(&mut self, node: &Node) -> Place {
        let x = node.inputs[0];
        let Place { root, layout } = self.place(x).clone();
        let layout = match &node.op {
            Op::Permute(perm) => layout.permute(perm),
            Op::Expand => layout.expand(&node.shape),
            Op::Slice(start) => layout.slice(start, &node.shape),
            Op::Flip(axes) => layout.flip(axes),
            _ => match layout.reshape(&node.shape) {
                Some(layout) => layout,
                None => return Place { root: self.dense(x), layout: Layout::dense(&node.shape) },
            },
        };
        Place { root, layout }
    }

    fn work(&mut self, id: NodeId) -> Work {
        let node = self.program.node(id);
        let input = |i: usize| node.inputs[i];
        match &node.op {
            Op::Reduce(f, axes) => {
                let shape = &self.program.node(input(0)).shape;
                Work::Reduce(Reduction::new(*f, axes, shape, self.chain(id, input(0))))
            }
            Op::Dot => Work::Dot(Box::new(Dot::new(self.operand(input(0)), self.operand(input(1))))),
            Op::Conv(window) => {
                let (x, w) = (self.operand(input(0)), self.operand(input(1)));
                Work::Conv(Box::new(Conv::new(x, w, window, [node.shape[2], node.shape[3]])))
            }
            Op::Pad(start) => {
                let Place { root, layout } = self.place(input(0)).clone();
                let to = Layout::dense(&node.shape).slice(start, &layout.shape);
                Work::Pad { x: root, from: layout, to }
            }
            Op::Gather(axis) | Op::ScatterAdd(axis) => {
                let (x, index) = (self.dense(input(0)), self.dense(input(1)));
                let row = node.shape[axis + 1..].iter().product();
                match node.op {
                    Op::Gather(_) => Work::Gather { x, index, sizes: [self.program.node(input(0)).shape[*axis], row] },
                    _ => Work::ScatterAdd { x, index, sizes: [node.shape[*axis], row] },
                }
            }
            _ => match Found::at(self.program, id) {
                // Values on the way to this node alone are not stored.
                Some(found) if self.places[found.new.index()].is_some() => self.replace(&found),
                _ => Work::Chain(self.chain(id, id)),
            },
        }
    }

    fn replace(&mut self, found: &Found) -> Work {
        let position = self.dense(found.position);
        Work::Replace(Replace::new(found, position, self.operand(found.new)))
    }

    fn place(&self, id: NodeId) -> &Place {
        self.places[id.index()].as_ref().expect("what is read by a step is stored")
    }

    fn operand(&self, id: NodeId) -> (NodeId, &Layout) {
        let place = self.place(id);
        (place.root, &place.layout)
    }

    /// The buffer that holds exactly this value, in order; a copy if there is none yet.
    fn dense(&mut self, id: NodeId) -> NodeId {
        let Place { root, layout } = self.place(id).clone();
        if layout.is_dense() && self.lens[root.index()] == layout.len() {
            return root;
        }
        let mut chain = Chain::default();
        let all = chain.leaf(root, &layout);
        let copy = NodeId(self.lens.len() as u32);
        self.lens.push(layout.len());
        self.push(id, copy, layout.len(), Work::Chain(chain.finish(all)));
        self.places[id.index()] = Some(Place { root: copy, layout: Layout::dense(&layout.shape) });
        copy
    }

    /// The chain of all nodes on the way to `kernel`, up to `result`.
    fn chain(&self, kernel: NodeId, result: NodeId) -> Chain {
        let within =
            |id: NodeId| id == kernel || self.owners[id.index()] == Some(kernel) && self.places[id.index()].is_none();
        let mut nodes = Vec::new();
        let mut open = vec![result];
        while let Some(id) = open.pop() {
            if within(id) && !nodes.contains(&id) {
                nodes.push(id);
                open.extend(&self.program.node(id).inputs);
            }
        }
        nodes.sort_unstable();
        let mut chain = Chain::default();
        let mut known: HashMap<NodeId, Arg> = HashMap::new();
        for id in nodes {
            let node = self.program.node(id);
            let args: Vec<Arg> =
                node.inputs.iter().map(|&input| self.argument(input, &mut chain, &mut known)).collect();
            known.insert(id, if node.op == Op::Reshape { args[0] } else { chain.apply(&node.op, &args) });
        }
        let end = self.argument(result, &mut chain, &mut known);
        chain.finish(end)
    }

    fn argument(&self, id: NodeId, chain: &mut Chain, known: &mut HashMap<NodeId, Arg>) -> Arg {
        *known.entry(id).or_insert_with(|| match self.program.node(id).op {
            Op::Const(bits) => Arg::Number(f32::from_bits(bits)),
            _ => {
                let place = self.place(id);
                chain.leaf(place.root, &place.layout)
            }
        })
    }

    fn push(&mut self, node: NodeId, root: NodeId, len: usize, work: Work) {
        self.lens[root.index()] = len;
        let fixed = work.roots().iter().all(|&root| self.is_fixed(root));
        self.steps.push(Step { node, root, len, work, dead: Vec::new(), fixed });
    }

    fn is_fixed(&self, root: NodeId) -> bool {
        self.steps.iter().any(|step| step.root == root && step.fixed)
    }

    /// Weights are packed once.
    fn keep_panels(&mut self) {
        let is_input =
            |root: NodeId| self.program.nodes.get(root.index()).is_some_and(|n| matches!(n.op, Op::Input(_)));
        let stays: Vec<bool> = (0..self.lens.len() as u32)
            .map(|i| {
                is_input(NodeId(i)) && !self.program.state.iter().any(|s| s.0 == NodeId(i)) || self.is_fixed(NodeId(i))
            })
            .collect();
        for step in &mut self.steps {
            match &mut step.work {
                Work::Dot(dot) => dot.right.kept = dot.is_single() && stays[dot.right.root.index()],
                Work::Conv(conv) => {
                    conv.phases.iter_mut().for_each(|phase| phase.kernel.kept = stays[phase.kernel.root.index()]);
                }
                _ => {}
            }
        }
    }

    /// Buffers of inputs, outputs, next states and what is computed once are never free.
    fn find_dead(&mut self) {
        let mut keeps = vec![false; self.lens.len()];
        let ends = self.program.outputs.iter().map(|o| o.1).chain(self.program.state.iter().map(|s| s.1));
        ends.chain(self.program.inputs.iter().map(|i| i.1)).for_each(|id| keeps[self.place(id).root.index()] = true);
        self.steps.iter().filter(|step| step.fixed).for_each(|step| keeps[step.root.index()] = true);
        for step in self.steps.iter_mut().rev() {
            for root in step.work.roots().into_iter().chain([step.root]) {
                if !std::mem::replace(&mut keeps[root.index()], true) {
                    step.dead.push(root);
                }
            }
        }
    }
}

/// For each function of single values the one step that reads it, if it need not be stored.
fn owners(program: &Program) -> Vec<Option<NodeId>> {
    let n = program.nodes.len();
    let readers = graph::readers(&program.nodes);
    let mut wanted = vec![false; n];
    let ends = program.outputs.iter().map(|o| o.1).chain(program.state.iter().map(|s| s.1));
    ends.for_each(|id| wanted[id.index()] = true);
    let mut owners: Vec<Option<NodeId>> = vec![None; n];
    let mut sizes = vec![0; n];
    for i in (0..n).rev().filter(|&i| !wanted[i]) {
        let is_view = program.nodes[i].op == Op::Reshape;
        if !is_view && !program.nodes[i].op.is_pointwise() {
            continue;
        }
        let kernel = |&reader: &NodeId| match &program.node(reader).op {
            Op::Reduce(..) => Some(reader),
            Op::Reshape => owners[reader.index()],
            op if op.is_pointwise() => Some(owners[reader.index()].unwrap_or(reader)),
            _ => None,
        };
        let mut kernels = readers[i].iter().map(kernel);
        let first = kernels.next().flatten();
        if let Some(owner) = first.filter(|owner| kernels.all(|k| k == first) && sizes[owner.index()] < LONGEST_CHAIN) {
            owners[i] = first;
            sizes[owner.index()] += 1;
        }
    }
    owners
}
