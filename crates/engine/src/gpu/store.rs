//! Which nodes are worth a buffer. Everything else is computed inside the kernels that read it.

use super::algorithm::Algorithm;
use super::attention::Attentions;
use super::rows::Rows;
use graph::{Binary, Node, NodeId, Op, Unary};
use std::collections::{BTreeMap, BTreeSet};

/// What a kernel of its own costs, in evaluations of a cheap operation: some 20 microseconds.
const KERNEL: f64 = 20_000.0;
/// What storing and loading an element costs.
const STORE: f64 = 2.0;
/// Most that a node of a row may cost to be computed again for each element of the row.
const ROW: f64 = 6.0;
/// Longest chain of operations in one expression: lowering recurses.
const DEPTH: usize = 64;

/// Whether a node gets a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// It is computed where it is read.
    Inline,
    /// Yes if that costs no kernel: the end of a pointwise chain that starts at a product or reduction.
    Sink,
    /// Yes.
    Store,
}

/// The choices, and for each node the stored nodes whose kernels evaluate it.
pub(super) struct Storage {
    pub(super) choices: Vec<Choice>,
    pub(super) roots: Vec<BTreeSet<NodeId>>,
}

/// Whether the node is computed by an algorithm of its own.
pub(super) fn is_heavy(op: &Op) -> bool {
    matches!(op, Op::Reduce(..) | Op::Dot | Op::Conv(_) | Op::ScatterAdd(_))
}

impl Storage {
    /// `must` has the nodes that are outputs or the next value of a state.
    pub(super) fn choose(nodes: &[Node], must: &[bool], attentions: &Attentions, busy: usize) -> Storage {
        let readers = graph::readers(nodes);
        // What is inside of an attention is its kernel's own business.
        let heavy = |i: usize| is_heavy(&nodes[i].op) && !attentions.inner[i];
        let mut choices: Vec<Choice> =
            (0..nodes.len()).map(|i| if must[i] || heavy(i) { Choice::Store } else { Choice::Inline }).collect();
        for id in (0..nodes.len()).filter(|&i| heavy(i)) {
            if let Some(end) = end_of_chain(nodes, must, &readers, id)
                && choices[end.index()] == Choice::Inline
            {
                choices[end.index()] = Choice::Sink;
            }
        }
        let (weights, depths) = weights(nodes, &choices);
        let rows = of_rows(nodes, busy);
        let mut evaluations: Vec<BTreeMap<NodeId, f64>> = vec![BTreeMap::new(); nodes.len()];
        for i in (0..nodes.len()).rev() {
            let node = &nodes[i];
            let (len, id) = (node.len() as f64, NodeId(i as u32));
            let compute = node.op.is_pointwise() && !attentions.inner[i];
            if compute && choices[i] == Choice::Inline {
                let again = evaluations[i].values().sum::<f64>() - len;
                let saved = again.max(0.0) * (weights[i] - 1.0).max(0.0);
                let worth = saved > KERNEL + STORE * len && !(rows[i] && weights[i] <= ROW);
                if worth || depths[i] > 0 && depths[i].is_multiple_of(DEPTH) {
                    choices[i] = Choice::Store;
                }
            }
            let own = heavy(i).then(|| Algorithm::of(nodes, attentions, id, busy));
            let below = if own.is_some() {
                BTreeMap::from([(id, len)])
            } else if choices[i] == Choice::Inline {
                evaluations[i].clone()
            } else {
                BTreeMap::from([(id, len)])
            };
            for (slot, input) in node.inputs.iter().enumerate() {
                for (&root, &n) in &below {
                    let most = evaluations[input.index()].entry(root).or_default();
                    *most = most.max(own.as_ref().map_or(n, |algorithm| algorithm.evaluations(slot)));
                }
            }
        }
        let roots = evaluations.into_iter().map(|e| e.into_keys().collect()).collect();
        Storage { choices, roots }
    }

    /// Makes a node inline after all.
    pub(super) fn drop(&mut self, id: NodeId) {
        self.choices[id.index()] = Choice::Inline;
        let readers = self.roots[id.index()].clone();
        for roots in &mut self.roots {
            if roots.remove(&id) {
                roots.extend(&readers);
            }
        }
    }
}

/// Whether each node is made of the results of rows, and smaller than the rows: where it is read element by element, that
/// may be in the kernel that reduces them.
fn of_rows(nodes: &[Node], busy: usize) -> Vec<bool> {
    let mut elements: Vec<usize> = vec![0; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        elements[i] = match &node.op {
            Op::Reduce(..) if Rows::of(nodes, NodeId(i as u32), busy).holds_elements(busy) => {
                nodes[node.inputs[0].index()].len()
            }
            op if op.is_pointwise() || matches!(op, Op::Reshape | Op::Permute(_) | Op::Expand) => {
                node.inputs.iter().map(|input| elements[input.index()]).max().unwrap_or(0)
            }
            _ => 0,
        };
        if node.len() >= elements[i] {
            elements[i] = 0;
        }
    }
    elements.into_iter().map(|n| n > 0).collect()
}

/// The last pointwise node of the chain that starts at `id` and has one reader at every link.
fn end_of_chain(nodes: &[Node], must: &[bool], readers: &[Vec<NodeId>], id: usize) -> Option<NodeId> {
    let (mut at, mut end) = (id, None);
    let row = match &nodes[id].op {
        Op::Reduce(..) => nodes[nodes[id].inputs[0].index()].len(),
        _ => 0,
    };
    while let ([next], false) = (readers[at].as_slice(), must[at]) {
        let node = &nodes[next.index()];
        match &node.op {
            op if op.is_pointwise() => end = Some(*next),
            Op::Reshape | Op::Permute(_) => {}
            Op::Expand if node.len() <= row => {}
            _ => break,
        }
        at = next.index();
    }
    end
}

/// For each node the cost of an evaluation, a load being 1, and the length of the longest chain below it.
fn weights(nodes: &[Node], choices: &[Choice]) -> (Vec<f64>, Vec<usize>) {
    let (mut weights, mut depths) = (vec![0f64; nodes.len()], vec![0; nodes.len()]);
    for (i, node) in nodes.iter().enumerate() {
        let seen = |input: &NodeId| if choices[input.index()] == Choice::Inline { weights[input.index()] } else { 1.0 };
        let below: f64 = node.inputs.iter().map(seen).sum();
        let own = match &node.op {
            Op::Input(_) => 1.0,
            Op::Unary(f) => match f {
                Unary::Neg | Unary::Abs => 0.25,
                Unary::Sqrt => 1.0,
                _ => 4.0,
            },
            Op::Binary(Binary::Div) => 1.0,
            Op::Binary(_) | Op::Compare(_) | Op::Select => 0.25,
            _ => 0.0,
        };
        // Shared parts are counted once a path; the bound keeps such sums finite.
        weights[i] = (own + below).min(1e6);
        let deepest = node.inputs.iter().map(|input| depths[input.index()]).max().unwrap_or(0);
        depths[i] = if choices[i] == Choice::Inline { deepest + 1 } else { 0 };
    }
    (weights, depths)
}
