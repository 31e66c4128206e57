//! A naive interpreter of Programs in f64: plain loops over indices, written from the documentation of [`graph::Op`] and
//! from nothing else, so that it can judge the engines and the gradient rules.

use graph::{Binary, Compare, Node, NodeId, Op, Program, Reduce, Unary, Window};

/// A loaded Program, as [`graph::Run`] has it, in f64 and without failures: a wrong name or length panics.
pub struct Reference {
    program: Program,
    inputs: Vec<Option<Vec<f64>>>,
    outputs: Vec<Vec<f64>>,
}

impl Reference {
    /// Nothing is written yet.
    pub fn new(program: &Program) -> Reference {
        Reference { inputs: vec![None; program.nodes.len()], outputs: Vec::new(), program: program.clone() }
    }

    /// Sets an input or a state.
    pub fn write(&mut self, name: &str, values: &[f64]) {
        let id = self.program.input(name).unwrap_or_else(|| panic!("no input '{name}'"));
        assert_eq!(self.program.node(id).len(), values.len(), "length of '{name}'");
        self.inputs[id.index()] = Some(values.to_vec());
    }

    /// Computes all outputs once and moves the state on.
    pub fn step(&mut self) {
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.program.nodes.len());
        for (i, node) in self.program.nodes.iter().enumerate() {
            let value = match &node.op {
                Op::Input(name) => self.inputs[i].clone().unwrap_or_else(|| panic!("'{name}' has no value")),
                _ => {
                    let args: Vec<Value> = node.inputs.iter().map(|&id| self.value(id, &values)).collect();
                    compute(node, &args)
                }
            };
            assert_eq!(value.len(), node.len(), "length of {}", node.op);
            values.push(value);
        }
        self.outputs = self.program.outputs.iter().map(|(_, id)| values[id.index()].clone()).collect();
        for (input, next) in &self.program.state {
            self.inputs[input.index()] = Some(values[next.index()].clone());
        }
    }

    /// The value of an output of the last step or of a state.
    pub fn read(&self, name: &str) -> &[f64] {
        match self.program.outputs.iter().position(|(n, _)| n == name) {
            Some(slot) => &self.outputs[slot],
            None => {
                let id = self.program.input(name).unwrap_or_else(|| panic!("no value '{name}'"));
                self.inputs[id.index()].as_ref().unwrap_or_else(|| panic!("'{name}' has no value"))
            }
        }
    }

    fn value<'a>(&'a self, id: NodeId, values: &'a [Vec<f64>]) -> Value<'a> {
        Value { shape: &self.program.node(id).shape, data: &values[id.index()] }
    }
}

/// All outputs of one step of a Program without state.
pub fn evaluate(program: &Program, inputs: &[(&str, &[f64])]) -> Vec<Vec<f64>> {
    let mut reference = Reference::new(program);
    inputs.iter().for_each(|(name, values)| reference.write(name, values));
    reference.step();
    reference.outputs
}

/// An operand: its shape and its elements in row-major order.
struct Value<'a> {
    shape: &'a [usize],
    data: &'a [f64],
}

impl Value<'_> {
    fn at(&self, index: &[usize]) -> f64 {
        self.data[offset(self.shape, index)]
    }
}

fn offset(shape: &[usize], index: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &n)| {
        assert!(i < n, "index {index:?} outside {shape:?}");
        at * n + i
    })
}

/// All indices of a shape in row-major order.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut flat: usize| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = flat % shape[axis];
            flat /= shape[axis];
        }
        index
    })
}

fn compute(node: &Node, args: &[Value]) -> Vec<f64> {
    let pointwise = |f: &dyn Fn(usize) -> f64| (0..node.len()).map(f).collect();
    let element = |f: &dyn Fn(Vec<usize>) -> f64| indices(&node.shape).map(f).collect();
    match &node.op {
        Op::Input(name) => panic!("input '{name}' is not computed"),
        Op::Const(bits) => vec![f64::from(f32::from_bits(*bits)); node.len()],
        Op::Iota(axis) => element(&|i| i[*axis] as f64),
        Op::Unary(f) => pointwise(&|i| unary(*f, args[0].data[i])),
        Op::Binary(f) => pointwise(&|i| binary(*f, args[0].data[i], args[1].data[i])),
        Op::Compare(f) => pointwise(&|i| f64::from(u8::from(compare(*f, args[0].data[i], args[1].data[i])))),
        Op::Select => pointwise(&|i| args[if args[0].data[i] != 0.0 { 1 } else { 2 }].data[i]),
        Op::Reduce(f, axes) => reduce(*f, axes, &args[0], &node.shape),
        Op::Dot => element(&|i| dot(&args[0], &args[1], &i)),
        Op::Conv(window) => element(&|i| conv(&args[0], &args[1], window, &i)),
        Op::Reshape => args[0].data.to_vec(),
        Op::Permute(perm) => element(&|i| {
            let mut from = vec![0; i.len()];
            perm.iter().zip(&i).for_each(|(&axis, &at)| from[axis] = at);
            args[0].at(&from)
        }),
        Op::Expand => element(&|i| {
            let from: Vec<usize> = i.iter().zip(args[0].shape).map(|(&at, &n)| if n == 1 { 0 } else { at }).collect();
            args[0].at(&from)
        }),
        Op::Slice(start) => element(&|i| {
            let from: Vec<usize> = i.iter().zip(start).map(|(at, begin)| at + begin).collect();
            args[0].at(&from)
        }),
        Op::Pad(start) => element(&|i| {
            let inside = (0..i.len()).all(|a| i[a] >= start[a] && i[a] < start[a] + args[0].shape[a]);
            let from = || -> Vec<usize> { i.iter().zip(start).map(|(at, begin)| at - begin).collect() };
            if inside { args[0].at(&from()) } else { 0.0 }
        }),
        Op::Flip(axes) => element(&|mut i| {
            axes.iter().for_each(|&a| i[a] = node.shape[a] - 1 - i[a]);
            args[0].at(&i)
        }),
        Op::Gather(axis) => element(&|mut i| match args[1].data[i[*axis]] {
            entry if entry >= 0.0 && entry < args[0].shape[*axis] as f64 => {
                i[*axis] = entry as usize;
                args[0].at(&i)
            }
            _ => 0.0,
        }),
        Op::ScatterAdd(axis) => element(&|i| {
            let hits = (0..args[1].data.len()).filter(|&k| args[1].data[k] == i[*axis] as f64);
            hits.map(|k| args[0].at(&[&i[..*axis], &[k], &i[axis + 1..]].concat())).sum()
        }),
    }
}

fn unary(f: Unary, x: f64) -> f64 {
    match f {
        Unary::Neg => -x,
        Unary::Exp => x.exp(),
        Unary::Ln => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Abs => x.abs(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
    }
}

fn binary(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
    }
}

fn compare(f: Compare, a: f64, b: f64) -> bool {
    match f {
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Eq => a == b,
    }
}

fn reduce(f: Reduce, axes: &[usize], x: &Value, shape: &[usize]) -> Vec<f64> {
    let (start, combine): (f64, fn(f64, f64) -> f64) = match f {
        Reduce::Sum => (0.0, |a, b| a + b),
        Reduce::Max => (f64::NEG_INFINITY, f64::max),
    };
    let mut out = vec![start; shape.iter().product()];
    for (mut index, &value) in indices(x.shape).zip(x.data) {
        axes.iter().for_each(|&a| index[a] = 0);
        let slot = &mut out[offset(shape, &index)];
        *slot = combine(*slot, value);
    }
    out
}

/// One element of the batched matrix product.
fn dot(a: &Value, b: &Value, index: &[usize]) -> f64 {
    let (batch, [row, column]) = index.split_at(index.len() - 2) else { panic!("dot: {index:?}") };
    let at = |m: &Value, i: usize, j: usize| m.at(&[batch, &[i, j]].concat());
    (0..b.shape[batch.len()]).map(|k| at(a, *row, k) * at(b, k, *column)).sum()
}

/// One element of the convolution: the spread and padded input is never made, but asked for its elements.
fn conv(x: &Value, w: &Value, window: &Window, index: &[usize]) -> f64 {
    let &[b, o, oy, ox] = index else { panic!("conv: {index:?}") };
    let position = |axis: usize, out: usize, k: usize| -> Option<usize> {
        let at = (out * window.stride[axis] + k * window.dilation[axis]) as isize - window.pad[axis].0;
        let spread = window.lhs_dilation[axis] as isize;
        let real = at >= 0 && at % spread == 0 && at / spread < x.shape[2 + axis] as isize;
        real.then_some((at / spread) as usize)
    };
    let mut sum = 0.0;
    for c in 0..w.shape[1] {
        for ky in 0..w.shape[2] {
            for kx in 0..w.shape[3] {
                if let (Some(y), Some(x_at)) = (position(0, oy, ky), position(1, ox, kx)) {
                    sum += x.at(&[b, c, y, x_at]) * w.at(&[o, c, ky, kx]);
                }
            }
        }
    }
    sum
}
