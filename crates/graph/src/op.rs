//! The operations. Each is here because it can't be composed from the others at a bearable cost.

/// Index of a node in its graph or Program. Inputs always have smaller ids than the node that reads them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The id as an index into a slice of nodes.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation with its inputs and the shape of its result.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what, in the order that [`Op`] states.
    pub inputs: Vec<NodeId>,
    /// Shape of the result, row major.
    pub shape: Vec<usize>,
}

impl Node {
    /// Number of elements of the result.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the result has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a node computes. The shape of the result is kept by the [`Node`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// A named input, written before a run, or state that a run replaces.
    Input(String),
    /// One value everywhere; the bits of an f32, so that nodes can be compared and hashed.
    Const(u32),
    /// The index along one axis: 0, 1, 2, ...
    Iota(usize),
    /// A function of one value. Inputs: x.
    Unary(Unary),
    /// A function of two values of the same shape. Inputs: a, b.
    Binary(Binary),
    /// 1 where the comparison holds, else 0. Inputs: a, b of the same shape.
    Compare(Compare),
    /// b where a is not 0, else c. Inputs: a, b, c of the same shape.
    Select,
    /// Reduces the axes in the list (ascending) to size 1; the rank stays. Inputs: x.
    Reduce(Reduce, Vec<usize>),
    /// Batched matrix product (..., M, K) x (..., K, N) -> (..., M, N), batch axes equal. Inputs: a, b.
    Dot,
    /// Two-dimensional cross-correlation (B, C, H, W) x (O, C, KH, KW) -> (B, O, OH, OW). Inputs: x, w.
    Conv(Window),
    /// Same elements in row-major order under another shape. Inputs: x.
    Reshape,
    /// Result axis i is input axis `perm[i]`. Inputs: x.
    Permute(Vec<usize>),
    /// Repeats axes of size 1; the rank stays. Inputs: x.
    Expand,
    /// The part of the result's size that starts at the given index of each axis. Inputs: x.
    Slice(Vec<usize>),
    /// Zeros around x, which starts at the given index of each axis of the result. Inputs: x.
    Pad(Vec<usize>),
    /// Reverses the order along the axes in the list (ascending). Inputs: x.
    Flip(Vec<usize>),
    /// The entry `index[i]` of one axis of x at entry i of the result; 0 where x has no such entry. Inputs: x, index of
    /// rank 1, whole numbers.
    Gather(usize),
    /// The sum of all entries i of one axis of x with `index[i]` = j at entry j of the result, whose size along that
    /// axis is free; other entries are left out. Inputs: x, index of rank 1, whole numbers.
    ScatterAdd(usize),
}

impl Op {
    /// Whether each element of the result is a function of the elements at its own index.
    pub fn is_pointwise(&self) -> bool {
        matches!(self, Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select)
    }
}

/// The nodes that read each node, in order; a node that reads another twice counts once.
pub fn readers(nodes: &[Node]) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); nodes.len()];
    for (id, node) in (0..).map(NodeId).zip(nodes) {
        for input in &node.inputs {
            let of_input: &mut Vec<NodeId> = &mut readers[input.index()];
            if of_input.last() != Some(&id) {
                of_input.push(id);
            }
        }
    }
    readers
}

/// Functions of one value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unary {
    /// -x
    Neg,
    /// e^x
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Hyperbolic tangent.
    Tanh,
    /// |x|
    Abs,
    /// 1 / (1 + e^-x), without overflow at either end.
    Sigmoid,
    /// ln(1 + e^x), without overflow at either end.
    Softplus,
}

/// Functions of two values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a b
    Mul,
    /// a / b
    Div,
    /// The larger one. WGSL leaves open what comes of a NaN, so Programs must not rely on it.
    Max,
    /// The smaller one; the same is open.
    Min,
}

/// Comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compare {
    /// a < b
    Lt,
    /// a <= b
    Le,
    /// a = b
    Eq,
}

/// Reductions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduce {
    /// Sum of the elements.
    Sum,
    /// Largest element; what comes of a NaN is open here too.
    Max,
}

/// How a convolution's kernel moves over its input; index 0 is the vertical axis, 1 the horizontal one.
///
/// `lhs_dilation` spreads the input with zeros between its elements, as XLA has it: with it, both gradients of a
/// convolution are convolutions, and a transposed convolution needs no operation of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// Step of the kernel over the (spread, padded) input.
    pub stride: [usize; 2],
    /// Zeros before and after the spread input; a negative number crops.
    pub pad: [(isize, isize); 2],
    /// Distance between neighbouring kernel elements.
    pub dilation: [usize; 2],
    /// Distance between neighbouring input elements.
    pub lhs_dilation: [usize; 2],
}

impl Window {
    /// Kernel moved by `stride`, `pad` zeros on every side, no dilation.
    pub fn new(stride: usize, pad: usize) -> Window {
        let p = pad as isize;
        Window { stride: [stride; 2], pad: [(p, p); 2], dilation: [1; 2], lhs_dilation: [1; 2] }
    }

    /// Size of the result along `axis` (0 or 1) for an input of size `n` and a kernel of size `k`; 0 where none fits.
    pub fn out_size(&self, axis: usize, n: usize, k: usize) -> usize {
        let (lo, hi) = self.pad[axis];
        let room = self.spread(axis, n) + lo + hi - self.reach(axis, k);
        if room < 0 { 0 } else { room as usize / self.stride[axis] + 1 }
    }

    /// Size along `axis` of an input of size `n` after `lhs_dilation`.
    pub(crate) fn spread(&self, axis: usize, n: usize) -> isize {
        (n as isize - 1) * self.lhs_dilation[axis] as isize + 1
    }

    /// Size along `axis` of a kernel of size `k` after `dilation`.
    pub(crate) fn reach(&self, axis: usize, k: usize) -> isize {
        (k as isize - 1) * self.dilation[axis] as isize + 1
    }
}
