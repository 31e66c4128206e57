//! One entry of a state replaced in place: `select(iota == position, new, state)`, as a cache of keys and values grows.
//! As a function of single values it would read and write all of the state for each entry.

use super::layout::{Layout, copy};
use super::memory::Memory;
use graph::{Compare, Node, NodeId, Op, Program};

/// A state, and the entry of it that changes.
#[derive(Debug)]
pub(super) struct Replace {
    pub(super) state: NodeId,
    /// One number: the index of the entry.
    pub(super) position: NodeId,
    pub(super) new: NodeId,
    /// Where the new values are, for any entry.
    from: Layout,
    axis: usize,
}

/// The nodes of a replacement, before it is known where their values are.
pub(super) struct Found {
    pub(super) state: NodeId,
    pub(super) position: NodeId,
    pub(super) new: NodeId,
    axis: usize,
}

impl Found {
    /// Looks for the pattern at a node that is the next value of a state.
    pub(super) fn at(program: &Program, id: NodeId) -> Option<Found> {
        let node = program.node(id);
        let [condition, new, state] = node.inputs[..] else { return None };
        // In place only where nobody else wants the old value.
        let readers = program.nodes.iter().flat_map(|n| &n.inputs).filter(|i| **i == state).count();
        let ends = program.outputs.iter().map(|o| o.1).chain(program.state.iter().map(|s| s.1));
        let alone = readers == 1 && !ends.into_iter().any(|end| end == state);
        if node.op != Op::Select || !alone || !program.state.contains(&(state, id)) {
            return None;
        }
        let compare = program.node(repeated(program, condition, &[Op::Expand]));
        let [index, position] = compare.inputs[..] else { return None };
        let position = repeated(program, position, &[Op::Expand, Op::Reshape]);
        match (&compare.op, &program.node(index).op) {
            (Op::Compare(Compare::Eq), Op::Iota(axis)) if is_whole(program.node(index), node, *axis) => {
                (program.node(position).len() == 1).then_some(Found { state, position, new, axis: *axis })
            }
            _ => None,
        }
    }
}

/// Whether the index counts all entries of the state along the axis.
fn is_whole(index: &Node, state: &Node, axis: usize) -> bool {
    index.shape.len() == state.shape.len() && index.shape[axis] == state.shape[axis]
}

/// What a value was before some movements.
fn repeated(program: &Program, mut id: NodeId, by: &[Op]) -> NodeId {
    while by.contains(&program.node(id).op) {
        id = program.node(id).inputs[0];
    }
    id
}

impl Replace {
    /// `new` is where the values of all entries are.
    pub(super) fn new(found: &Found, position: NodeId, new: (NodeId, &Layout)) -> Replace {
        Replace { state: found.state, position, new: new.0, from: new.1.clone(), axis: found.axis }
    }

    /// Writes the entry into the state; nothing where there is no such entry.
    pub(super) fn run(&self, memory: &Memory, out: &mut [f32]) {
        let [position] = *memory.get(self.position) else { return };
        let mut shape = self.from.shape.clone();
        if position < 0.0 || position >= shape[self.axis] as f32 || position.fract() != 0.0 {
            return;
        }
        let mut start = vec![0; shape.len()];
        start[self.axis] = position as usize;
        let whole = Layout::dense(&shape);
        shape[self.axis] = 1;
        copy(memory.get(self.new), &self.from.slice(&start, &shape), out, &whole.slice(&start, &shape));
    }
}
