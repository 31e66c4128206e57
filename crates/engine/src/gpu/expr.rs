//! What a kernel computes at one index: nodes lowered to a list of scalar steps, equal steps kept once.

use super::algorithm::Term;
use super::index::{Index, Ix};
use graph::{Compare, Node, NodeId, Op};
use std::collections::HashMap;

/// One scalar step; operands are positions in the list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Item {
    /// An element of a stored tensor.
    Load(NodeId, Ix),
    /// A result of the kernel's own algorithm.
    Own(NodeId),
    /// Bits of an f32.
    Const(u32),
    /// An index as a number.
    Number(Ix),
    /// A pointwise operation.
    Op(Op, Vec<usize>),
    /// The operand as an index; the bound where it is not in 0..bound.
    Pick(usize, usize),
    /// The operand where every index is below its bound, else 0.
    Within(Vec<(Ix, usize)>, usize),
}

/// How a kernel gets the value of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// Read from a buffer.
    Load,
    /// It is what the algorithm computes at this very index.
    Own,
    /// Compute it here.
    Inline,
    /// Not available at this index.
    Refuse,
}

/// Lowers nodes; `source` decides for each node and index where its value comes from.
pub(super) struct Expr<'a> {
    nodes: &'a [Node],
    source: &'a dyn Fn(NodeId, &Ix) -> Source,
    pub(super) items: Vec<Item>,
    ids: HashMap<Item, usize>,
    memo: HashMap<(NodeId, Index), usize>,
    /// Whether some value was not available.
    pub(super) refused: bool,
}

impl<'a> Expr<'a> {
    pub(super) fn new(nodes: &'a [Node], source: &'a dyn Fn(NodeId, &Ix) -> Source) -> Expr<'a> {
        Expr { nodes, source, items: Vec::new(), ids: HashMap::new(), memo: HashMap::new(), refused: false }
    }

    fn item(&mut self, item: Item) -> usize {
        if let Some(&id) = self.ids.get(&item) {
            return id;
        }
        self.items.push(item.clone());
        self.ids.insert(item, self.items.len() - 1);
        self.items.len() - 1
    }

    /// The loads, in the order in which they were met.
    pub(super) fn loads(&self) -> impl Iterator<Item = (NodeId, &Ix)> {
        self.items.iter().filter_map(|item| match item {
            Item::Load(id, ix) => Some((*id, ix)),
            _ => None,
        })
    }

    /// The value of `id` at `index`.
    pub(super) fn value(&mut self, id: NodeId, index: &Index) -> usize {
        let key = (id, index.clone());
        if let Some(&known) = self.memo.get(&key) {
            return known;
        }
        let node = &self.nodes[id.index()];
        let flat = index.flat(&node.shape);
        let item = match (self.source)(id, &flat) {
            Source::Load => self.item(Item::Load(id, flat)),
            Source::Own => self.item(Item::Own(id)),
            Source::Inline => self.computed(node, index),
            Source::Refuse => {
                self.refused = true;
                self.item(Item::Const(0))
            }
        };
        self.memo.insert(key, item);
        item
    }

    /// The value of a term.
    pub(super) fn term(&mut self, term: &Term) -> usize {
        let value = self.value(term.node, &term.index);
        let Some((index, at, entry)) = &term.only_if else { return value };
        let found = self.value(*index, &Index::Flat(at.clone()));
        let wanted = self.item(Item::Number(entry.clone()));
        let hit = self.item(Item::Op(Op::Compare(Compare::Eq), vec![found, wanted]));
        let zero = self.item(Item::Const(0));
        self.item(Item::Op(Op::Select, vec![hit, value, zero]))
    }

    fn computed(&mut self, node: &Node, index: &Index) -> usize {
        match &node.op {
            Op::Const(bits) => self.item(Item::Const(*bits)),
            Op::Iota(axis) => self.item(Item::Number(index.axes(&node.shape)[*axis].clone())),
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select => {
                let args = node.inputs.iter().map(|&input| self.value(input, index)).collect();
                self.item(Item::Op(node.op.clone(), args))
            }
            Op::Input(_) | Op::Reduce(..) | Op::Dot | Op::Conv(_) | Op::ScatterAdd(_) => {
                unreachable!("{} is always stored or a kernel's own value", node.op)
            }
            _ => self.moved(node, index),
        }
    }

    /// A movement operation: the value of its input at another index.
    fn moved(&mut self, node: &Node, index: &Index) -> usize {
        let input = node.inputs[0];
        let from = &self.nodes[input.index()].shape;
        let axes = || index.axes(&node.shape);
        let mut bounds = Vec::new();
        let inner = match &node.op {
            Op::Reshape => Index::Flat(index.flat(&node.shape)),
            Op::Permute(perm) => {
                let mut inner = vec![Ix::default(); perm.len()];
                perm.iter().zip(axes()).for_each(|(&p, ix)| inner[p] = ix);
                Index::Axes(inner)
            }
            Op::Expand => {
                let keep = |(ix, &n): (Ix, &usize)| if n == 1 { Ix::default() } else { ix };
                Index::Axes(axes().into_iter().zip(from).map(keep).collect())
            }
            Op::Slice(start) => Index::Axes(axes().iter().zip(start).map(|(ix, &s)| ix.plus(s as i64)).collect()),
            Op::Pad(start) => {
                let inner: Vec<Ix> = axes().iter().zip(start).map(|(ix, &s)| ix.plus(-(s as i64))).collect();
                // Where nothing is inside, a load would have an index that no compiler lets pass.
                if inner.iter().zip(from).any(|(ix, &n)| ix.range().1 < 0 || ix.range().0 >= n as i64) {
                    return self.item(Item::Const(0));
                }
                let outside = |(ix, n): &(&Ix, &usize)| ix.range().0 < 0 || ix.range().1 >= **n as i64;
                bounds.extend(inner.iter().zip(from).filter(outside).map(|(ix, &n)| (ix.clone(), n)));
                Index::Axes(inner)
            }
            Op::Flip(flipped) => {
                let mut inner = axes();
                flipped.iter().for_each(|&a| inner[a] = inner[a].times(-1).plus(from[a] as i64 - 1));
                Index::Axes(inner)
            }
            Op::Gather(axis) => {
                let (mut inner, n) = (axes(), from[*axis]);
                let entry = self.value(node.inputs[1], &Index::Flat(inner[*axis].clone()));
                inner[*axis] = Ix::step(self.item(Item::Pick(entry, n)), n + 1);
                bounds.push((inner[*axis].clone(), n));
                Index::Axes(inner)
            }
            op => unreachable!("{op} moves nothing"),
        };
        let value = self.value(input, &inner);
        if bounds.is_empty() { value } else { self.item(Item::Within(bounds, value)) }
    }
}
