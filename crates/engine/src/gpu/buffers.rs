//! Which buffer holds which tensor: values that are never needed at the same time share a buffer.

use super::group::Groups;
use graph::{Node, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// One buffer.
pub(super) struct Buffer {
    pub(super) bytes: u64,
    /// It holds neither an input nor an output.
    pub(super) temporary: bool,
    /// The largest node that it holds.
    pub(super) largest: NodeId,
}

/// The buffers, and the one of every stored node.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) list: Vec<Buffer>,
    pub(super) of: HashMap<NodeId, usize>,
    /// Most bytes of temporary values that are needed at the same time: no plan in this order can do with less.
    pub(super) live: u64,
}

/// A temporary value: its kernel, and the last one that reads it.
struct Lifetime {
    node: NodeId,
    bytes: u64,
    from: usize,
    to: usize,
}

impl Buffers {
    /// `half` has the nodes that are f16, `written` what each group in `order` stores; `replaced` the next values that are
    /// written over their state.
    pub(super) fn assign(
        (nodes, half): (&[Node], &[bool]),
        groups: &Groups<'_>,
        order: &[usize],
        written: &[Vec<NodeId>],
        replaced: &HashMap<NodeId, NodeId>,
        outputs: &[(String, NodeId)],
        state: &[(NodeId, NodeId)],
    ) -> Buffers {
        let mut buffers = Buffers::default();
        let bytes = |id: NodeId| bytes(&nodes[id.index()], half[id.index()]);
        let inputs = (0..nodes.len()).filter(|&i| matches!(nodes[i].op, Op::Input(_)));
        for id in inputs.map(|i| NodeId(i as u32)).chain(outputs.iter().map(|o| o.1)) {
            if !buffers.of.contains_key(&id) {
                buffers.add(id, bytes(id), false);
            }
        }
        for (next, state) in replaced {
            buffers.of.insert(*next, buffers.of[state]);
        }
        let mut last: HashMap<NodeId, usize> = HashMap::new();
        for (at, &g) in order.iter().enumerate() {
            last.extend(groups.list[g].reads.iter().map(|&read| (read, at)));
        }
        // The next value of a state that is not replaced in place waits for the copy after the last kernel.
        let kept: HashSet<NodeId> = state.iter().map(|s| s.1).collect();
        let mut lives = Vec::new();
        for (from, &node) in written.iter().enumerate().flat_map(|(at, nodes)| nodes.iter().map(move |id| (at, id))) {
            if !buffers.of.contains_key(&node) {
                let to = if kept.contains(&node) { order.len() } else { last.get(&node).copied().unwrap_or(from) };
                lives.push(Lifetime { node, bytes: bytes(node), from, to });
            }
        }
        buffers.live = most_at_once(&lives, order.len());
        buffers.share(lives);
        buffers
    }

    fn add(&mut self, id: NodeId, bytes: u64, temporary: bool) {
        self.of.insert(id, self.list.len());
        self.list.push(Buffer { bytes, temporary, largest: id });
    }

    /// Large values first: each takes the smallest buffer there is that is free all its life. Results and operands of
    /// one kernel never share a buffer (Pisarchyk & Lee 2020, arXiv:2001.03288, "greedy by size").
    fn share(&mut self, mut lives: Vec<Lifetime>) {
        lives.sort_by_key(|l| (std::cmp::Reverse(l.bytes), l.from));
        let first = self.list.len();
        let mut taken: Vec<Vec<(usize, usize)>> = Vec::new();
        for life in lives {
            let free = |spans: &Vec<(usize, usize)>| spans.iter().all(|&(from, to)| life.to < from || to < life.from);
            // Buffers were made from large to small.
            match taken.iter().rposition(free) {
                Some(at) => {
                    taken[at].push((life.from, life.to));
                    self.of.insert(life.node, first + at);
                }
                None => {
                    taken.push(vec![(life.from, life.to)]);
                    self.add(life.node, life.bytes, true);
                }
            }
        }
    }
}

/// The largest sum of bytes that live at the same kernel.
fn most_at_once(lives: &[Lifetime], kernels: usize) -> u64 {
    let mut change = vec![0i64; kernels + 2];
    for life in lives {
        change[life.from] += life.bytes as i64;
        change[life.to + 1] -= life.bytes as i64;
    }
    let running = change.iter().scan(0, |sum, c| {
        *sum += c;
        Some(*sum)
    });
    running.max().unwrap_or(0) as u64
}

/// Buffers are copied in units of 4 bytes.
fn bytes(node: &Node, half: bool) -> u64 {
    if half { (2 * node.len() as u64).next_multiple_of(4) } else { 4 * node.len() as u64 }
}
