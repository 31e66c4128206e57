//! Attention as one kernel: softmax(scores of q k) v without the matrix of scores in memory.
//!
//! Dao et al. 2022, "FlashAttention", arXiv:2205.14135, algorithm 1: keys come in strips, and the sums over the keys so far
//! are scaled when a larger score appears. For inference only: the gradient needs the weights, which then are stored.

use super::algorithm::{Function, THREADS, Term, matrix_index};
use graph::{Binary, Node, NodeId, Op, Reduce, Unary};
use std::collections::HashMap;

/// Queries of a workgroup.
const QUERIES: usize = 16;
/// Fewest queries for which it pays: with fewer, most of a workgroup's rows would be empty.
const FEW: usize = 8;
/// Longest vectors: they are kept in registers and workgroup memory.
const LONG: usize = 128;

/// softmax(scores) v with scores made of q k: (.., T, S) weights between T queries and S keys.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Attention {
    /// The product with v, which is the result.
    pub(super) result: NodeId,
    /// The product of q and k, and the scores that pointwise operations make of it.
    product: NodeId,
    scores: NodeId,
    batch: usize,
    queries: usize,
    keys: usize,
    depth: usize,
    cols: usize,
}

/// The attentions of a Program, and the nodes that are inside of one.
#[derive(Default)]
pub(super) struct Attentions {
    pub(super) of: HashMap<NodeId, Attention>,
    pub(super) inner: Vec<bool>,
}

impl Attentions {
    /// All that are worth a kernel of their own. A software adapter, slow at barriers, gets none.
    pub(super) fn find(nodes: &[Node], must: &[bool], busy: usize) -> Attentions {
        let mut found = Attentions { of: HashMap::new(), inner: vec![false; nodes.len()] };
        let readers = graph::readers(nodes);
        for id in (0..nodes.len() as u32).map(NodeId).filter(|_| busy > 0) {
            if let Some((attention, inner)) = Attention::at(nodes, id)
                && inner.iter().all(|i| !must[i.index()])
                && inner.iter().flat_map(|i| &readers[i.index()]).all(|r| inner.contains(r) || *r == id)
            {
                inner.iter().for_each(|i| found.inner[i.index()] = true);
                found.of.insert(id, attention);
            }
        }
        found
    }
}

impl Attention {
    /// The attention that ends in product `id`, and all nodes between its operands and its result.
    fn at(nodes: &[Node], id: NodeId) -> Option<(Attention, Vec<NodeId>)> {
        let node = |id: NodeId| &nodes[id.index()];
        let is = |id: NodeId, op: Op| (node(id).op == op).then(|| node(id).inputs.as_slice());
        let [weights, _] = *is(id, Op::Dot)? else { return None };
        let last = node(weights).shape.len() - 1;
        let [e, sums] = *is(weights, Op::Binary(Binary::Div))? else { return None };
        let [shifted] = *is(e, Op::Unary(Unary::Exp))? else { return None };
        let [scores, tops] = *is(shifted, Op::Binary(Binary::Sub))? else { return None };
        let (sum, top) = (is(sums, Op::Expand)?[0], is(tops, Op::Expand)?[0]);
        if is(sum, Op::Reduce(Reduce::Sum, vec![last]))? != [e]
            || is(top, Op::Reduce(Reduce::Max, vec![last]))? != [scores]
        {
            return None;
        }
        let mut inner = vec![weights, e, sums, shifted, tops, sum, top];
        // Down to the product of q and k: the one input of each operation that leads there.
        let mut product = scores;
        while node(product).op.is_pointwise() {
            inner.push(product);
            let leads = |input: &&NodeId| node(**input).op.is_pointwise() || node(**input).op == Op::Dot;
            let mut next = node(product).inputs.iter().filter(leads);
            product = *next.next().filter(|_| next.next().is_none())?;
        }
        is(product, Op::Dot)?;
        inner.push(product);
        let (shape, out) = (&node(weights).shape, &node(id).shape);
        let attention = Attention {
            result: id,
            product,
            scores,
            batch: shape[..last - 1].iter().product(),
            queries: shape[last - 1],
            keys: shape[last],
            depth: *node(node(product).inputs[0]).shape.last()?,
            cols: *out.last()?,
        };
        let fits = attention.queries >= FEW && attention.depth <= LONG && attention.cols <= LONG;
        (fits && node(product).shape == *shape).then_some((attention, inner))
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    pub(super) fn groups(&self) -> usize {
        self.batch * self.queries.div_ceil(QUERIES)
    }

    pub(super) fn flops(&self) -> usize {
        2 * self.batch * self.queries * self.keys * (self.depth + self.cols)
    }

    /// How often elements of keys, values and scores are evaluated, of which there are most.
    pub(super) fn evaluations(&self) -> f64 {
        (self.groups() * self.keys * self.depth.max(self.cols).max(QUERIES)) as f64
    }

    pub(super) fn describe(&self) -> String {
        let Attention { batch, queries, keys, depth, cols, .. } = self;
        format!(" {batch}x({queries}x{keys}), depth {depth}, columns {cols}")
    }

    /// Whether `id` is what the kernel calls v in one of its functions.
    pub(super) fn hands_on(&self, id: NodeId) -> bool {
        id == self.result || id == self.product
    }

    /// `query(b, m, k)`, `key(b, k, s)`, `score(b, m, s, v)` and `value(b, s, n)` for query m and key s.
    pub(super) fn functions(&self, nodes: &[Node]) -> Vec<Function> {
        let function = |name: &str, params, id: NodeId, [row, col]: [&'static str; 2]| {
            let index = matrix_index(&nodes[id.index()].shape, self.batch, row, col);
            Function { name: name.into(), params, values: vec![Term::plain(id, index)], phase: None, given: None }
        };
        let input = |id: NodeId, i: usize| nodes[id.index()].inputs[i];
        let given = Some((self.product, matrix_index(&nodes[self.product.index()].shape, self.batch, "m", "s")));
        vec![
            function("query", &["b", "m", "k"], input(self.product, 0), ["m", "k"]),
            function("key", &["b", "k", "s"], input(self.product, 1), ["k", "s"]),
            Function { given, ..function("score", &["b", "m", "s"], self.scores, ["m", "s"]) },
            function("value", &["b", "s", "n"], input(self.result, 1), ["s", "n"]),
        ]
    }

    pub(super) fn constants(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("QUERIES", QUERIES),
            ("ALL_QUERIES", self.queries),
            ("ALL_KEYS", self.keys),
            ("DEPTH", self.depth),
            ("COLS", self.cols),
            ("COLS_EACH", self.cols.div_ceil(THREADS)),
            ("GROUPS_DOWN", self.queries.div_ceil(QUERIES)),
        ]
    }
}
