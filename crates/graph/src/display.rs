//! A Program as text, one node a line: the first debugging tool, and what snapshot tests compare.

use crate::op::{NodeId, Op};
use crate::program::Program;
use std::fmt;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, node) in self.nodes.iter().enumerate() {
            write!(f, "%{i} = {}", node.op)?;
            node.inputs.iter().try_for_each(|input| write!(f, " %{}", input.0))?;
            writeln!(f, " : {:?}", node.shape)?;
        }
        for (name, NodeId(id)) in &self.outputs {
            writeln!(f, "output {name} = %{id}")?;
        }
        for (NodeId(input), NodeId(next)) in &self.state {
            writeln!(f, "state %{input} <- %{next}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Input(name) => write!(f, "input '{name}'"),
            Op::Const(bits) => write!(f, "const {:?}", f32::from_bits(*bits)),
            Op::Iota(axis) => write!(f, "iota {axis}"),
            Op::Unary(u) => write!(f, "{}", format!("{u:?}").to_lowercase()),
            Op::Binary(b) => write!(f, "{}", format!("{b:?}").to_lowercase()),
            Op::Compare(c) => write!(f, "{}", format!("{c:?}").to_lowercase()),
            Op::Select => write!(f, "select"),
            Op::Reduce(r, axes) => write!(f, "{} {axes:?}", format!("{r:?}").to_lowercase()),
            Op::Dot => write!(f, "dot"),
            Op::Conv(w) => write!(
                f,
                "conv stride {:?} pad {:?} dilation {:?} lhs {:?}",
                w.stride, w.pad, w.dilation, w.lhs_dilation
            ),
            Op::Reshape => write!(f, "reshape"),
            Op::Permute(perm) => write!(f, "permute {perm:?}"),
            Op::Expand => write!(f, "expand"),
            Op::Slice(start) => write!(f, "slice {start:?}"),
            Op::Pad(start) => write!(f, "pad {start:?}"),
            Op::Flip(axes) => write!(f, "flip {axes:?}"),
            Op::Gather(axis) => write!(f, "gather {axis}"),
            Op::ScatterAdd(axis) => write!(f, "scatter_add {axis}"),
        }
    }
}
