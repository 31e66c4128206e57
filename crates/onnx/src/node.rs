//! Each operation of the `graph` crate, and each [`Form`], in ONNX's operators.

use crate::patterns::Form;
use crate::proto::INT64;
use crate::writer::{Attr, Writer, signed};
use graph::{Binary, Compare, Node, NodeId, Op, Reduce, Unary};

/// A `Resize` that repeats pixels.
const NEAREST: [(&str, Attr<'static>); 3] = [
    ("coordinate_transformation_mode", Attr::Text("asymmetric")),
    ("mode", Attr::Text("nearest")),
    ("nearest_mode", Attr::Text("floor")),
];

impl Writer<'_> {
    /// Writes a node; those it reads are there.
    pub(crate) fn node(&mut self, id: NodeId, form: &Form) {
        let program = self.program;
        match form {
            Form::Plain => self.plain(id),
            Form::Conv { conv, kernel, bias } => self.conv(id, *conv, *kernel, *bias),
            Form::Gemm { x, w, turned, bias } => {
                let inputs: Vec<String> = [*x, *w].into_iter().chain(*bias).map(|id| self.value(id)).collect();
                self.define(id, "Gemm", &inputs, &[("transB", Attr::Int(i64::from(*turned)))]);
            }
            Form::LayerNorm { x, weight, bias, epsilon } => {
                let inputs = [*x, *weight, *bias].map(|id| self.value(id));
                let attributes = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(*epsilon))];
                self.define(id, "LayerNormalization", &inputs, &attributes);
            }
            Form::GroupNorm { x, weight, bias, groups, epsilon } => {
                self.group_norm(id, [*x, *weight, *bias], *groups, *epsilon);
            }
            Form::Softmax { x, axis } => {
                let x = self.value(*x);
                self.define(id, "Softmax", &[x], &[("axis", Attr::Int(*axis as i64))]);
            }
            Form::Gelu { x } => {
                let x = self.value(*x);
                self.define(id, "Gelu", &[x], &[("approximate", Attr::Text("tanh"))]);
            }
            Form::Relu { x } => {
                let inputs = self.broadcast(&[*x], &program.node(id).shape);
                self.define(id, "Relu", &inputs, &[]);
            }
            Form::Mean { x, axes } => self.reduce(id, "ReduceMean", *x, axes),
            Form::Concat { parts, axis } => {
                let parts: Vec<String> = parts.iter().map(|&id| self.value(id)).collect();
                self.define(id, "Concat", &parts, &[("axis", Attr::Int(*axis as i64))]);
            }
            Form::Upsample { x, factors } => {
                let inputs = self.enlarged(*x, *factors);
                self.define(id, "Resize", &inputs, &NEAREST);
            }
            Form::UpsampledConv { x, kernel, bias } => {
                let inputs = self.enlarged(*x, [2, 2]);
                let x = self.op("Resize", &inputs, &NEAREST);
                let rest = [*kernel].into_iter().chain(*bias).map(|id| self.value(id));
                let operands: Vec<String> = [x].into_iter().chain(rest).collect();
                self.define(id, "Conv", &operands, &[("pads", Attr::Ints(&[1, 1, 1, 1]))]);
            }
            Form::DepthToSpace { x, block } => {
                let x = self.value(*x);
                let attributes = [("blocksize", Attr::Int(*block as i64)), ("mode", Attr::Text("CRD"))];
                self.define(id, "DepthToSpace", &[x], &attributes);
            }
            Form::Transpose { x, perm } => {
                let x = self.value(*x);
                self.define(id, "Transpose", &[x], &[("perm", Attr::Ints(&signed(perm)))]);
            }
        }
    }

    /// Inputs of a `Resize` of images.
    fn enlarged(&mut self, x: NodeId, factors: [usize; 2]) -> [String; 3] {
        let scales = self.floats(&[1.0, 1.0, factors[0] as f32, factors[1] as f32]);
        [self.value(x), String::new(), scales]
    }

    fn plain(&mut self, id: NodeId) {
        let program = self.program;
        let node = program.node(id);
        let shape = &node.shape;
        match &node.op {
            Op::Input(_) => {}
            Op::Const(bits) => {
                let (value, sizes) = (self.scalar(f32::from_bits(*bits)), self.sizes(shape));
                self.define(id, "Expand", &[value, sizes], &[]);
            }
            Op::Iota(axis) => {
                let (line, sizes) = (self.line(*axis, shape).0, self.sizes(shape));
                self.define(id, "Expand", &[line, sizes], &[]);
            }
            Op::Unary(f) => {
                let inputs = [self.value(node.inputs[0])];
                self.define(id, unary(*f), &inputs, &[]);
            }
            Op::Binary(f) => {
                let inputs = self.broadcast(&node.inputs, shape);
                self.define(id, binary(*f), &inputs, &[]);
            }
            Op::Compare(f) => {
                let inputs = self.broadcast(&node.inputs, shape);
                self.define_truth(id, compare(*f), &inputs);
            }
            Op::Select => self.select(id, node),
            Op::Reduce(Reduce::Sum, axes) => self.reduce(id, "ReduceSum", node.inputs[0], axes),
            Op::Reduce(Reduce::Max, axes) => self.reduce(id, "ReduceMax", node.inputs[0], axes),
            Op::Dot => {
                let inputs = [0, 1].map(|i| self.value(node.inputs[i]));
                self.define(id, "MatMul", &inputs, &[]);
            }
            Op::Conv(_) => self.conv(id, id, node.inputs[1], None),
            Op::Reshape => {
                let inputs = [self.value(node.inputs[0]), self.sizes(shape)];
                self.define(id, "Reshape", &inputs, &[]);
            }
            Op::Permute(perm) => {
                let inputs = [self.value(node.inputs[0])];
                self.define(id, "Transpose", &inputs, &[("perm", Attr::Ints(&signed(perm)))]);
            }
            Op::Expand => {
                let inputs = [self.value(node.inputs[0]), self.sizes(shape)];
                self.define(id, "Expand", &inputs, &[]);
            }
            Op::Slice(start) => {
                let end: Vec<usize> = start.iter().zip(shape).map(|(s, n)| s + n).collect();
                let inputs = [self.value(node.inputs[0]), self.sizes(start), self.sizes(&end)];
                self.define(id, "Slice", &inputs, &[]);
            }
            Op::Pad(start) => {
                let inner = &program.node(node.inputs[0]).shape;
                let after = (0..shape.len()).map(|i| shape[i] - start[i] - inner[i]);
                let pads: Vec<usize> = start.iter().copied().chain(after).collect();
                let inputs = [self.value(node.inputs[0]), self.sizes(&pads)];
                self.define(id, "Pad", &inputs, &[]);
            }
            Op::Flip(axes) => {
                let x = self.value(node.inputs[0]);
                let inputs = self.flip(x, axes);
                self.define(id, "Slice", &inputs, &[]);
            }
            Op::Gather(axis) => self.gather(id, node, *axis),
            Op::ScatterAdd(axis) => self.scatter_add(id, node, *axis),
        }
    }

    /// The inputs of a `Slice` that reverses axes: from the last element, past the first, in steps of -1.
    pub(crate) fn flip(&mut self, x: String, axes: &[usize]) -> [String; 5] {
        let all = |value: i64| vec![value; axes.len()];
        let [start, end, step] = [-1, i64::MIN, -1].map(|value| self.ints(&all(value)));
        [x, start, end, self.sizes(axes), step]
    }

    fn reduce(&mut self, id: NodeId, op: &str, x: NodeId, axes: &[usize]) {
        let inputs = [self.value(x), self.sizes(axes)];
        self.define(id, op, &inputs, &[("keepdims", Attr::Int(1))]);
    }

    fn select(&mut self, id: NodeId, node: &Node) {
        let operands = vec![self.truth(node.inputs[0]), self.small(node.inputs[1]), self.small(node.inputs[2])];
        let inputs = self.fitted(operands, &node.shape);
        self.define(id, "Where", &inputs, &[]);
    }

    fn group_norm(&mut self, id: NodeId, [x, weight, bias]: [NodeId; 3], groups: usize, epsilon: f32) {
        let shape = &self.program.node(id).shape;
        let inner = [self.value(x), self.ints(&[0, groups as i64, -1])];
        let inner = self.op("Reshape", &inner, &[]);
        let (ones, zeros) = (self.floats(&vec![1.0; groups]), self.floats(&vec![0.0; groups]));
        let normal = self.op("InstanceNormalization", &[inner, ones, zeros], &[("epsilon", Attr::Float(epsilon))]);
        let sizes = self.sizes(shape);
        let mut y = self.op("Reshape", &[normal, sizes], &[]);
        let mut channels = vec![1; shape.len() - 1];
        channels[0] = shape[1];
        let channels = self.sizes(&channels);
        let [weight, bias] = [weight, bias].map(|id| {
            let vector = self.value(id);
            self.op("Reshape", &[vector, channels.clone()], &[])
        });
        y = self.op("Mul", &[y, weight], &[]);
        self.define(id, "Add", &[y, bias], &[]);
    }

    /// An index outside of the axis is an error in ONNX: it is moved inside, and its entry becomes 0.
    fn gather(&mut self, id: NodeId, node: &Node, axis: usize) {
        let n = self.program.node(node.inputs[0]).shape[axis];
        let (inside, valid) = self.index(node.inputs[1], n);
        let inside = self.op("Cast", &[inside], &[("to", Attr::Int(i64::from(INT64)))]);
        let x = self.value(node.inputs[0]);
        let entries = self.op("Gather", &[x, inside], &[("axis", Attr::Int(axis as i64))]);
        let mut line = vec![1; node.shape.len()];
        line[axis] = node.shape[axis];
        let line = self.sizes(&line);
        let valid = self.op("Reshape", &[valid, line], &[]);
        let zero = self.scalar(0.0);
        self.define(id, "Where", &[valid, entries, zero], &[]);
    }

    /// Rows with an index outside of the axis are added to one row more, which is then left out.
    fn scatter_add(&mut self, id: NodeId, node: &Node, axis: usize) {
        let (n, rank) = (node.shape[axis], node.shape.len());
        let (_, valid) = self.index(node.inputs[1], n);
        let (index, beyond) = (self.value(node.inputs[1]), self.scalar(n as f32));
        let index = self.op("Where", &[valid, index, beyond], &[]);
        let index = self.op("Cast", &[index], &[("to", Attr::Int(i64::from(INT64)))]);
        let column = self.ints(&[-1, 1]);
        let index = self.op("Reshape", &[index, column], &[]);
        let others = (0..rank).filter(|&a| a != axis);
        let first: Vec<usize> = std::iter::once(axis).chain(others.clone()).collect();
        let x = self.value(node.inputs[0]);
        let x = self.op("Transpose", &[x], &[("perm", Attr::Ints(&signed(&first)))]);
        let mut sizes: Vec<usize> = first.iter().map(|&a| node.shape[a]).collect();
        sizes[0] = n + 1;
        let zero = self.scalar(0.0);
        let zeros = self.expanded(zero, &sizes);
        let sums = self.op("ScatterND", &[zeros, index, x], &[("reduction", Attr::Text("add"))]);
        let [from, to, along] = [0, n as i64, 0].map(|v| self.ints(&[v]));
        let sums = self.op("Slice", &[sums, from, to, along], &[]);
        let mut back = vec![0; rank];
        first.iter().enumerate().for_each(|(i, &a)| back[a] = i);
        self.define(id, "Transpose", &[sums], &[("perm", Attr::Ints(&signed(&back)))]);
    }

    /// An index moved into an axis of size `n`, and whether it was there.
    fn index(&mut self, id: NodeId, n: usize) -> (String, String) {
        let index = self.value(id);
        let bounds = [self.scalar(0.0), self.scalar(n.saturating_sub(1) as f32)];
        let inside = self.op("Clip", &[index.clone(), bounds[0].clone(), bounds[1].clone()], &[]);
        (inside.clone(), self.op("Equal", &[index, inside], &[]))
    }
}

fn unary(f: Unary) -> &'static str {
    match f {
        Unary::Neg => "Neg",
        Unary::Exp => "Exp",
        Unary::Ln => "Log",
        Unary::Sqrt => "Sqrt",
        Unary::Sin => "Sin",
        Unary::Cos => "Cos",
        Unary::Tanh => "Tanh",
        Unary::Abs => "Abs",
        Unary::Sigmoid => "Sigmoid",
        Unary::Softplus => "Softplus",
    }
}

fn binary(f: Binary) -> &'static str {
    match f {
        Binary::Add => "Add",
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Max => "Max",
        Binary::Min => "Min",
    }
}

fn compare(f: Compare) -> &'static str {
    match f {
        Compare::Lt => "Less",
        Compare::Le => "LessOrEqual",
        Compare::Eq => "Equal",
    }
}
