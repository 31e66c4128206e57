//! [`Graph`] and [`Tensor`]: the operators with which models are written.

use crate::op::{Binary, Compare, Node, NodeId, Op, Reduce, Unary, Window};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

/// A growing list of nodes. Equal nodes are stored once, so equal subexpressions are computed once.
#[derive(Default)]
pub struct Graph {
    inner: RefCell<Nodes>,
}

#[derive(Default)]
struct Nodes {
    list: Vec<Node>,
    ids: HashMap<Node, NodeId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// A named input; the same name always means the same input.
    #[track_caller]
    pub fn input(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        let op = Op::Input(name.to_string());
        let clash = self.inner.borrow().list.iter().find(|n| n.op == op && n.shape != shape).map(|n| n.shape.clone());
        if let Some(other) = clash {
            panic!("input '{name}' has shape {other:?} already, not {shape:?}");
        }
        self.push(op, &[], shape.to_vec())
    }

    /// `value` in every element.
    pub fn full(&self, value: f32, shape: &[usize]) -> Tensor<'_> {
        self.push(Op::Const(value.to_bits()), &[], shape.to_vec())
    }

    /// A scalar constant.
    pub fn scalar(&self, value: f32) -> Tensor<'_> {
        self.full(value, &[])
    }

    /// The index along `axis`, as f32.
    #[track_caller]
    pub fn iota(&self, axis: usize, shape: &[usize]) -> Tensor<'_> {
        assert!(axis < shape.len(), "iota: no axis {axis} in {shape:?}");
        self.push(Op::Iota(axis), &[], shape.to_vec())
    }

    pub(crate) fn push(&self, op: Op, inputs: &[Tensor<'_>], shape: Vec<usize>) -> Tensor<'_> {
        let node = Node { op, inputs: inputs.iter().map(|t| t.id).collect(), shape };
        let mut nodes = self.inner.borrow_mut();
        let next = NodeId(nodes.list.len() as u32);
        let id = *nodes.ids.entry(node.clone()).or_insert(next);
        if id == next {
            nodes.list.push(node);
        }
        Tensor { graph: self, id }
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.inner.borrow().list[id.index()].clone()
    }

    pub(crate) fn tensor(&self, id: NodeId) -> Tensor<'_> {
        Tensor { graph: self, id }
    }
}

/// A handle to one node of a graph: cheap to copy, and it has the operators.
///
/// Binary operators broadcast as NumPy does: shapes are aligned at their last axes and axes of size 1 are repeated.
#[derive(Clone, Copy)]
pub struct Tensor<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) id: NodeId,
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node();
        write!(f, "%{} = {:?} {:?}", self.id.0, node.op, node.shape)
    }
}

impl<'g> Tensor<'g> {
    /// The graph this tensor belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Shape, row major.
    pub fn shape(self) -> Vec<usize> {
        self.graph.inner.borrow().list[self.id.index()].shape.clone()
    }

    /// Size of one axis.
    #[track_caller]
    pub fn dim(self, axis: usize) -> usize {
        let shape = self.shape();
        *shape.get(axis).unwrap_or_else(|| panic!("no axis {axis} in {shape:?}"))
    }

    /// Number of axes.
    pub fn rank(self) -> usize {
        self.shape().len()
    }

    pub(crate) fn node(self) -> Node {
        self.graph.node(self.id)
    }

    pub(crate) fn constant(self) -> Option<f32> {
        match self.node().op {
            Op::Const(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    // ---- pointwise ----

    fn unary(self, f: Unary) -> Tensor<'g> {
        self.graph.push(Op::Unary(f), &[self], self.shape())
    }

    /// e^x.
    pub fn exp(self) -> Tensor<'g> {
        self.unary(Unary::Exp)
    }

    /// Natural logarithm.
    pub fn ln(self) -> Tensor<'g> {
        self.unary(Unary::Ln)
    }

    /// Square root.
    pub fn sqrt(self) -> Tensor<'g> {
        self.unary(Unary::Sqrt)
    }

    /// Sine.
    pub fn sin(self) -> Tensor<'g> {
        self.unary(Unary::Sin)
    }

    /// Cosine.
    pub fn cos(self) -> Tensor<'g> {
        self.unary(Unary::Cos)
    }

    /// Hyperbolic tangent.
    pub fn tanh(self) -> Tensor<'g> {
        self.unary(Unary::Tanh)
    }

    /// |x|.
    pub fn abs(self) -> Tensor<'g> {
        self.unary(Unary::Abs)
    }

    /// 1 / (1 + e^-x).
    pub fn sigmoid(self) -> Tensor<'g> {
        self.unary(Unary::Sigmoid)
    }

    /// ln(1 + e^x).
    pub fn softplus(self) -> Tensor<'g> {
        self.unary(Unary::Softplus)
    }

    /// x squared.
    pub fn square(self) -> Tensor<'g> {
        self * self
    }

    #[track_caller]
    pub(crate) fn binary(self, f: Binary, other: Tensor<'g>) -> Tensor<'g> {
        let (a, b) = self.broadcast_with(other);
        match (f, a.constant(), b.constant()) {
            (Binary::Add, Some(0.0), _) | (Binary::Mul, Some(1.0), _) => b,
            (Binary::Add | Binary::Sub, _, Some(0.0)) | (Binary::Mul | Binary::Div, _, Some(1.0)) => a,
            (Binary::Sub, Some(0.0), _) => -b,
            _ => a.graph.push(Op::Binary(f), &[a, b], a.shape()),
        }
    }

    /// The larger of two values, element by element.
    #[track_caller]
    pub fn maximum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Max, other)
    }

    /// The smaller of two values, element by element.
    #[track_caller]
    pub fn minimum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Min, other)
    }

    /// max(x, 0).
    pub fn relu(self) -> Tensor<'g> {
        self.maximum(self.graph.scalar(0.0))
    }

    /// x sigmoid(x).
    pub fn silu(self) -> Tensor<'g> {
        self * self.sigmoid()
    }

    #[track_caller]
    pub(crate) fn compare(self, f: Compare, other: Tensor<'g>) -> Tensor<'g> {
        let (a, b) = self.broadcast_with(other);
        a.graph.push(Op::Compare(f), &[a, b], a.shape())
    }

    /// 1 where self < other, else 0.
    #[track_caller]
    pub fn lt(self, other: Tensor<'g>) -> Tensor<'g> {
        self.compare(Compare::Lt, other)
    }

    /// 1 where self <= other, else 0.
    #[track_caller]
    pub fn le(self, other: Tensor<'g>) -> Tensor<'g> {
        self.compare(Compare::Le, other)
    }

    /// 1 where self = other, else 0.
    #[track_caller]
    pub fn eq(self, other: Tensor<'g>) -> Tensor<'g> {
        self.compare(Compare::Eq, other)
    }

    /// `yes` where self is not 0, else `no`.
    #[track_caller]
    pub fn select(self, yes: Tensor<'g>, no: Tensor<'g>) -> Tensor<'g> {
        let shape = broadcast_shape(&broadcast_shape(&self.shape(), &yes.shape()), &no.shape());
        let parts = [self, yes, no].map(|t| t.broadcast_to(&shape));
        self.graph.push(Op::Select, &parts, shape)
    }

    // ---- reductions ----

    #[track_caller]
    fn reduce(self, f: Reduce, axes: &[usize]) -> Tensor<'g> {
        let mut shape = self.shape();
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        for &a in &axes {
            assert!(a < shape.len(), "reduce: no axis {a} in {shape:?}");
        }
        axes.retain(|&a| shape[a] != 1);
        if axes.is_empty() {
            return self;
        }
        axes.iter().for_each(|&a| shape[a] = 1);
        self.graph.push(Op::Reduce(f, axes), &[self], shape)
    }

    /// Sum over `axes`, which keep size 1.
    #[track_caller]
    pub fn sum(self, axes: &[usize]) -> Tensor<'g> {
        self.reduce(Reduce::Sum, axes)
    }

    /// Largest element over `axes`, which keep size 1.
    #[track_caller]
    pub fn max(self, axes: &[usize]) -> Tensor<'g> {
        self.reduce(Reduce::Max, axes)
    }

    /// Mean over `axes`, which keep size 1.
    #[track_caller]
    pub fn mean(self, axes: &[usize]) -> Tensor<'g> {
        let n: usize = axes.iter().map(|&a| self.dim(a)).product();
        self.sum(axes) * (1.0 / n as f32)
    }

    /// Sum of all elements, a scalar of shape ().
    pub fn sum_all(self) -> Tensor<'g> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.sum(&axes).reshape(&[])
    }

    // ---- products ----

    /// Matrix product (..., M, K) x (..., K, N); batch axes must be equal.
    #[track_caller]
    pub fn dot(self, other: Tensor<'g>) -> Tensor<'g> {
        let (a, b) = (self.shape(), other.shape());
        let r = a.len();
        assert!(
            r >= 2 && b.len() == r && a[..r - 2] == b[..r - 2] && a[r - 1] == b[r - 2],
            "dot: {a:?} and {b:?} do not fit"
        );
        let mut shape = a;
        shape[r - 1] = b[r - 1];
        self.graph.push(Op::Dot, &[self, other], shape)
    }

    /// Two-dimensional cross-correlation of (B, C, H, W) with a kernel (O, C, KH, KW).
    #[track_caller]
    pub fn conv(self, kernel: Tensor<'g>, window: Window) -> Tensor<'g> {
        let (x, w) = (self.shape(), kernel.shape());
        assert!(x.len() == 4 && w.len() == 4 && x[1] == w[1], "conv: {x:?} and {w:?} do not fit");
        let out = [window.out_size(0, x[2], w[2]), window.out_size(1, x[3], w[3])];
        assert!(out[0] > 0 && out[1] > 0, "conv: kernel {w:?} is larger than the padded input {x:?}");
        self.graph.push(Op::Conv(window), &[self, kernel], vec![x[0], w[0], out[0], out[1]])
    }

    // ---- movement ----

    /// Same elements in row-major order under another shape.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Tensor<'g> {
        let node = self.node();
        let size: usize = shape.iter().product();
        assert!(node.len() == size, "reshape: {:?} and {shape:?} differ in size", node.shape);
        if node.shape == shape {
            return self;
        }
        match node.op {
            Op::Reshape => self.graph.tensor(node.inputs[0]).reshape(shape),
            Op::Const(bits) => self.graph.full(f32::from_bits(bits), shape),
            _ => self.graph.push(Op::Reshape, &[self], shape.to_vec()),
        }
    }

    /// Axis i of the result is axis `perm[i]`.
    #[track_caller]
    pub fn permute(self, perm: &[usize]) -> Tensor<'g> {
        let shape = self.shape();
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..shape.len()), "permute: {perm:?} does not fit {shape:?}");
        if perm.windows(2).all(|w| w[0] < w[1]) {
            return self;
        }
        let out = perm.iter().map(|&a| shape[a]).collect();
        self.graph.push(Op::Permute(perm.to_vec()), &[self], out)
    }

    /// Swaps the last two axes.
    #[track_caller]
    pub fn t(self) -> Tensor<'g> {
        let r = self.rank();
        assert!(r >= 2, "t: a matrix is wanted, not {:?}", self.shape());
        let mut perm: Vec<usize> = (0..r).collect();
        perm.swap(r - 2, r - 1);
        self.permute(&perm)
    }

    /// Repeats axes of size 1 up to `shape` of the same rank.
    #[track_caller]
    pub fn expand(self, shape: &[usize]) -> Tensor<'g> {
        let from = self.shape();
        let fits = from.len() == shape.len() && from.iter().zip(shape).all(|(&a, &b)| a == b || a == 1);
        assert!(fits, "expand: {from:?} does not fit {shape:?}");
        if from == shape {
            return self;
        }
        match self.constant() {
            Some(value) => self.graph.full(value, shape),
            None => self.graph.push(Op::Expand, &[self], shape.to_vec()),
        }
    }

    /// Broadcasts to `shape`, adding leading axes where the rank is smaller.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Tensor<'g> {
        let from = self.shape();
        assert!(from.len() <= shape.len(), "broadcast: {from:?} does not fit {shape:?}");
        let mut padded = vec![1; shape.len() - from.len()];
        padded.extend(&from);
        self.reshape(&padded).expand(shape)
    }

    #[track_caller]
    fn broadcast_with(self, other: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
        let shape = broadcast_shape(&self.shape(), &other.shape());
        (self.broadcast_to(&shape), other.broadcast_to(&shape))
    }

    /// The part that starts at `start` and has the size `shape`.
    #[track_caller]
    pub fn slice(self, start: &[usize], shape: &[usize]) -> Tensor<'g> {
        let from = self.shape();
        let fits = start.len() == from.len()
            && shape.len() == from.len()
            && (0..from.len()).all(|i| start[i] + shape[i] <= from[i]);
        assert!(fits, "slice: {start:?} + {shape:?} does not fit {from:?}");
        if from == shape {
            return self;
        }
        self.graph.push(Op::Slice(start.to_vec()), &[self], shape.to_vec())
    }

    /// The part `start..start + len` of one axis.
    #[track_caller]
    pub fn narrow(self, axis: usize, start: usize, len: usize) -> Tensor<'g> {
        let mut shape = self.shape();
        assert!(axis < shape.len(), "narrow: no axis {axis} in {shape:?}");
        let mut begin = vec![0; shape.len()];
        begin[axis] = start;
        shape[axis] = len;
        self.slice(&begin, &shape)
    }

    /// Zeros around self, which starts at `start` of a result of size `shape`.
    #[track_caller]
    pub fn pad(self, start: &[usize], shape: &[usize]) -> Tensor<'g> {
        let from = self.shape();
        let fits = start.len() == from.len()
            && shape.len() == from.len()
            && (0..from.len()).all(|i| start[i] + from[i] <= shape[i]);
        assert!(fits, "pad: {from:?} at {start:?} does not fit {shape:?}");
        if from == shape {
            return self;
        }
        self.graph.push(Op::Pad(start.to_vec()), &[self], shape.to_vec())
    }

    /// Reverses the order along `axes`.
    #[track_caller]
    pub fn flip(self, axes: &[usize]) -> Tensor<'g> {
        let shape = self.shape();
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        assert!(axes.iter().all(|&a| a < shape.len()), "flip: {axes:?} does not fit {shape:?}");
        axes.retain(|&a| shape[a] > 1);
        if axes.is_empty() {
            return self;
        }
        self.graph.push(Op::Flip(axes), &[self], shape)
    }

    /// Entries of one axis by their numbers: entry i of the result is entry `index[i]` of self, or 0 where self has no
    /// such entry. `index` has rank 1 and holds whole numbers: the rows of an embedding, say.
    #[track_caller]
    pub fn gather(self, axis: usize, index: Tensor<'g>) -> Tensor<'g> {
        let mut shape = self.shape();
        assert!(axis < shape.len(), "gather: no axis {axis} in {shape:?}");
        assert!(index.rank() == 1, "gather: an index of rank 1 is wanted, not {:?}", index.shape());
        shape[axis] = index.dim(0);
        self.graph.push(Op::Gather(axis), &[self, index], shape)
    }

    /// What [`Tensor::gather`] undoes: entry j of the result, of which there are `n` along `axis`, is the sum of the
    /// entries i of self with `index[i]` = j. Entries with another index are left out.
    #[track_caller]
    pub fn scatter_add(self, axis: usize, index: Tensor<'g>, n: usize) -> Tensor<'g> {
        let mut shape = self.shape();
        assert!(axis < shape.len(), "scatter_add: no axis {axis} in {shape:?}");
        let fits = index.shape() == [shape[axis]];
        assert!(fits, "scatter_add: index {:?} does not fit axis {axis} of {shape:?}", index.shape());
        shape[axis] = n;
        self.graph.push(Op::ScatterAdd(axis), &[self, index], shape)
    }
}

#[track_caller]
fn broadcast_shape(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => panic!("shapes {a:?} and {b:?} do not broadcast"),
        })
        .collect()
}

/// An operator between tensors, and between a tensor and a number on either side.
macro_rules! operator {
    ($trait:ident, $method:ident, $binary:expr) => {
        impl<'g> std::ops::$trait for Tensor<'g> {
            type Output = Tensor<'g>;
            #[track_caller]
            fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                self.binary($binary, other)
            }
        }
        impl<'g> std::ops::$trait<f32> for Tensor<'g> {
            type Output = Tensor<'g>;
            fn $method(self, other: f32) -> Tensor<'g> {
                self.binary($binary, self.graph.scalar(other))
            }
        }
        impl<'g> std::ops::$trait<Tensor<'g>> for f32 {
            type Output = Tensor<'g>;
            fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                other.graph.scalar(self).binary($binary, other)
            }
        }
    };
}
operator!(Add, add, Binary::Add);
operator!(Sub, sub, Binary::Sub);
operator!(Mul, mul, Binary::Mul);
operator!(Div, div, Binary::Div);

impl<'g> std::ops::Neg for Tensor<'g> {
    type Output = Tensor<'g>;
    fn neg(self) -> Tensor<'g> {
        self.unary(Unary::Neg)
    }
}
