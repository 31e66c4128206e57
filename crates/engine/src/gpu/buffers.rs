//! Which buffer holds which tensor: buffers of values that are not needed any more are used again.

use super::group::Groups;
use graph::{Node, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// One buffer.
pub(super) struct Buffer {
    pub(super) bytes: u64,
    /// It holds neither an input nor an output.
    pub(super) temporary: bool,
}

/// The buffers, and the one of every stored node.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) list: Vec<Buffer>,
    /// The largest node that each buffer holds.
    pub(super) largest: Vec<NodeId>,
    pub(super) of: HashMap<NodeId, usize>,
}

impl Buffers {
    /// `written` has what each group in `order` stores; `replaced` the next values that are written over their state.
    pub(super) fn assign(
        nodes: &[Node],
        groups: &Groups<'_>,
        order: &[usize],
        written: &[Vec<NodeId>],
        replaced: &HashMap<NodeId, NodeId>,
        outputs: &[(String, NodeId)],
        state: &[(NodeId, NodeId)],
    ) -> Buffers {
        let mut buffers = Buffers::default();
        let inputs = (0..nodes.len()).filter(|&i| matches!(nodes[i].op, Op::Input(_)));
        for id in inputs.map(|i| NodeId(i as u32)).chain(outputs.iter().map(|o| o.1)) {
            if !buffers.of.contains_key(&id) {
                buffers.add(nodes, id, false);
            }
        }
        for (next, state) in replaced {
            buffers.of.insert(*next, buffers.of[state]);
        }
        let mut last_use: HashMap<NodeId, usize> = HashMap::new();
        for (at, &g) in order.iter().enumerate() {
            last_use.extend(groups.list[g].reads.iter().map(|&read| (read, at)));
        }
        // The next value of a state that is not replaced in place waits for the copy after the last kernel.
        let kept: HashSet<NodeId> = state.iter().map(|s| s.1).collect();
        let mut free: Vec<usize> = Vec::new();
        for (at, (&g, written)) in order.iter().zip(written).enumerate() {
            // Results get their buffers before operands give theirs back: no kernel reads and writes one buffer.
            for &id in written {
                if !buffers.of.contains_key(&id) {
                    buffers.take(nodes, id, &mut free);
                }
            }
            for read in &groups.list[g].reads {
                let of = buffers.of[read];
                if last_use[read] == at && !kept.contains(read) && buffers.list[of].temporary {
                    free.push(of);
                }
            }
        }
        buffers
    }

    fn add(&mut self, nodes: &[Node], id: NodeId, temporary: bool) {
        self.of.insert(id, self.list.len());
        self.list.push(Buffer { bytes: bytes(nodes, id), temporary });
        self.largest.push(id);
    }

    /// The smallest free buffer that is large enough, or the largest one made larger, or a new one.
    fn take(&mut self, nodes: &[Node], id: NodeId, free: &mut Vec<usize>) {
        let need = bytes(nodes, id);
        let size = |&at: &usize| self.list[free[at]].bytes;
        let fitting = (0..free.len()).filter(|at| size(at) >= need).min_by_key(size);
        let Some(at) = fitting.or_else(|| (0..free.len()).max_by_key(size)) else {
            return self.add(nodes, id, true);
        };
        let of = free.swap_remove(at);
        if self.list[of].bytes < need {
            self.list[of].bytes = need;
            self.largest[of] = id;
        }
        self.of.insert(id, of);
    }
}

fn bytes(nodes: &[Node], id: NodeId) -> u64 {
    4 * nodes[id.index()].len() as u64
}
