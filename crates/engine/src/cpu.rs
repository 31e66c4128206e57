//! The CPU engine: an interpreter that makes one candle-core call a node and drops every value after its last use.

mod conv;
mod gather;
mod pointwise;

use crate::Error;
use candle_core::{D, DType, Device, Result as Candle, Tensor};
use graph::{Binary, Compare, Node, NodeId, Op, Program, Reduce, Run, Unary};
use gather::Indexed;
use pointwise::Pointwise;

/// The CPU engine. It has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Cpu {
    /// Makes a Program ready to run.
    pub fn load(&self, program: &Program) -> Loaded {
        Loaded {
            inputs: vec![None; program.nodes.len()],
            outputs: vec![None; program.outputs.len()],
            last_use: last_uses(program),
            program: program.clone(),
        }
    }
}

/// A Program with its values on the CPU.
pub struct Loaded {
    program: Program,
    /// By node; only those of inputs are ever set.
    inputs: Vec<Option<Tensor>>,
    /// In the order of `program.outputs`.
    outputs: Vec<Option<Tensor>>,
    /// For each node, the node after which its value is not needed any more.
    last_use: Vec<usize>,
}

impl Run for Loaded {
    type Error = Error;

    fn program(&self) -> &Program {
        &self.program
    }

    fn write(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let id = self.program.input(name).ok_or_else(|| Error::NoSuch(name.into()))?;
        let node = self.program.node(id);
        if node.len() != values.len() {
            return Err(Error::Length { name: name.into(), expected: node.len(), got: values.len() });
        }
        let tensor = Tensor::from_slice(values, node.shape.as_slice(), &Device::Cpu);
        self.inputs[id.index()] = Some(tensor.map_err(|e| self.failed(id, &e))?);
        Ok(())
    }

    fn step(&mut self) -> Result<(), Error> {
        let mut values: Vec<Option<Tensor>> = self.inputs.clone();
        for i in 0..self.program.nodes.len() {
            let id = NodeId(i as u32);
            let node = self.program.node(id);
            if let Op::Input(name) = &node.op {
                if values[i].is_none() {
                    return Err(Error::NoValue(name.clone()));
                }
            } else {
                values[i] = Some(compute(node, &values).map_err(|e| self.failed(id, &e))?);
            }
            for input in &node.inputs {
                if self.last_use[input.index()] == i {
                    values[input.index()] = None;
                }
            }
        }
        for (slot, (_, id)) in self.program.outputs.iter().enumerate() {
            self.outputs[slot] = values[id.index()].clone();
        }
        for (input, next) in &self.program.state {
            self.inputs[input.index()] = values[next.index()].clone();
        }
        Ok(())
    }

    async fn read_all(&self, names: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        names.iter().map(|name| self.value(name)).collect()
    }
}

impl Loaded {
    fn value(&self, name: &str) -> Result<Vec<f32>, Error> {
        let (id, value) = match self.program.outputs.iter().position(|(n, _)| n == name) {
            Some(slot) => (self.program.outputs[slot].1, &self.outputs[slot]),
            None => {
                let id = self.program.input(name).ok_or_else(|| Error::NoSuch(name.into()))?;
                (id, &self.inputs[id.index()])
            }
        };
        let value = value.as_ref().ok_or_else(|| Error::NoValue(name.into()))?;
        value.flatten_all().and_then(|t| t.to_vec1()).map_err(|e| self.failed(id, &e))
    }

    fn failed(&self, id: NodeId, error: &candle_core::Error) -> Error {
        let node = self.program.node(id);
        Error::Cpu { node: format!("%{} = {} {:?}", id.0, node.op, node.shape), message: error.to_string() }
    }
}

/// For each node the index of its last reader; outputs and next states are read after the last node.
fn last_uses(program: &Program) -> Vec<usize> {
    let mut last = vec![0; program.nodes.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|input| last[input.index()] = i);
    }
    let kept = program.outputs.iter().map(|o| o.1).chain(program.state.iter().map(|s| s.1));
    kept.for_each(|id| last[id.index()] = usize::MAX);
    last
}

fn compute(node: &Node, values: &[Option<Tensor>]) -> Candle<Tensor> {
    let input = |i: usize| -> Candle<&Tensor> {
        let id = node.inputs[i];
        values[id.index()].as_ref().ok_or_else(|| candle_core::Error::Msg(format!("%{} was dropped too early", id.0)))
    };
    let shape = node.shape.as_slice();
    match &node.op {
        Op::Input(name) => candle_core::bail!("input '{name}' is not computed"),
        Op::Const(bits) => Tensor::new(f32::from_bits(*bits), &Device::Cpu)?.broadcast_as(shape),
        Op::Iota(axis) => {
            let mut line = vec![1; shape.len()];
            line[*axis] = shape[*axis];
            Tensor::arange(0u32, shape[*axis] as u32, &Device::Cpu)?
                .to_dtype(DType::F32)?
                .reshape(line)?
                .broadcast_as(shape)
        }
        Op::Unary(f) => unary(*f, input(0)?),
        Op::Binary(f) => binary(*f, input(0)?, input(1)?),
        Op::Compare(f) => {
            let (a, b) = (input(0)?, input(1)?);
            match f {
                Compare::Lt => a.lt(b)?,
                Compare::Le => a.le(b)?,
                Compare::Eq => a.eq(b)?,
            }
            .to_dtype(DType::F32)
        }
        Op::Select => input(0)?.ne(0f32)?.where_cond(input(1)?, input(2)?),
        Op::Reduce(f, axes) => reduce(*f, axes, input(0)?),
        Op::Dot => dot(input(0)?, input(1)?),
        Op::Conv(window) => conv::conv(input(0)?, input(1)?, window, [shape[2], shape[3]]),
        Op::Reshape => input(0)?.reshape(shape),
        Op::Permute(perm) => input(0)?.permute(perm.as_slice()),
        Op::Expand => input(0)?.broadcast_as(shape),
        Op::Slice(start) => {
            let mut x = input(0)?.clone();
            for (axis, &begin) in start.iter().enumerate() {
                x = x.narrow(axis, begin, shape[axis])?;
            }
            Ok(x)
        }
        Op::Pad(start) => {
            let mut x = input(0)?.clone();
            for (axis, &before) in start.iter().enumerate() {
                x = x.pad_with_zeros(axis, before, shape[axis] - before - x.dim(axis)?)?;
            }
            Ok(x)
        }
        Op::Flip(axes) => input(0)?.contiguous()?.flip(axes),
        Op::Gather(axis) => indexed(input(0)?, input(1)?, &Indexed::Gather { axis: *axis }),
        Op::ScatterAdd(axis) => indexed(input(0)?, input(1)?, &Indexed::ScatterAdd { axis: *axis, n: shape[*axis] }),
    }
}

fn indexed(x: &Tensor, index: &Tensor, f: &Indexed) -> Candle<Tensor> {
    x.contiguous()?.apply_op2_no_bwd(&index.contiguous()?, f)
}

fn unary(f: Unary, x: &Tensor) -> Candle<Tensor> {
    match f {
        Unary::Neg => x.neg(),
        Unary::Exp => x.exp(),
        Unary::Ln => x.log(),
        Unary::Sqrt => x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Abs => x.abs(),
        Unary::Sigmoid => x.contiguous()?.apply_op1_no_bwd(&Pointwise::Sigmoid),
        Unary::Softplus => x.contiguous()?.apply_op1_no_bwd(&Pointwise::Softplus),
    }
}

fn binary(f: Binary, a: &Tensor, b: &Tensor) -> Candle<Tensor> {
    match f {
        Binary::Add => a.add(b),
        Binary::Sub => a.sub(b),
        Binary::Mul => a.mul(b),
        Binary::Div => a.div(b),
        Binary::Max => a.maximum(b),
        Binary::Min => a.minimum(b),
    }
}

/// candle sums contiguous trailing axes with SIMD and walks other axes element by element: the trailing ones go first.
fn reduce(f: Reduce, axes: &[usize], x: &Tensor) -> Candle<Tensor> {
    let rank = x.rank();
    let trailing = (0..rank).rev().take_while(|a| axes.contains(a)).count();
    let (last, other): (Vec<usize>, Vec<usize>) = axes.iter().partition(|&&a| a >= rank - trailing);
    let mut y = x.contiguous()?;
    for part in [last, other].into_iter().filter(|part| !part.is_empty()) {
        y = match f {
            Reduce::Sum => y.sum_keepdim(part)?,
            Reduce::Max => part.iter().try_fold(y, |y, &axis| y.max_keepdim(axis))?,
        };
    }
    Ok(y)
}

/// candle's matmul takes matrices whose rows or columns are contiguous; anything else is copied first.
fn dot(a: &Tensor, b: &Tensor) -> Candle<Tensor> {
    let dense = |t: &Tensor| -> Candle<Tensor> {
        let stride = t.stride();
        let r = stride.len();
        let (rows, cols) = (t.dim(D::Minus2)?, t.dim(D::Minus1)?);
        let plain = stride[r - 1] == 1 && stride[r - 2] >= cols || stride[r - 2] == 1 && stride[r - 1] >= rows;
        if plain && r <= 3 { Ok(t.clone()) } else { t.contiguous() }
    };
    dense(a)?.matmul(&dense(b)?)
}
