//! A plan as text: the first debugging tool, and what snapshot tests compare.

use super::plan::{Kernel, Plan};
use graph::{Node, NodeId};
use std::collections::HashSet;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, temporary) = self.bytes();
        let distinct: HashSet<String> = self.shaders().into_iter().collect();
        let flops: u64 = self.kernels.iter().map(|k| k.algorithm.flops()).sum();
        writeln!(
            f,
            "{} kernels ({} distinct), {} buffers of {all} bytes ({temporary} temporary), {} copies, {flops} flops",
            self.kernels.len(),
            distinct.len(),
            self.buffers.len(),
            self.copies.len(),
        )?;
        self.kernels.iter().enumerate().try_for_each(|(i, kernel)| show(f, i, kernel, &self.nodes))?;
        self.copies.iter().try_for_each(|c| writeln!(f, "copy #{} -> #{} ({} bytes)", c.from, c.to, c.bytes))
    }
}

fn show(f: &mut fmt::Formatter<'_>, at: usize, kernel: &Kernel, nodes: &[Node]) -> fmt::Result {
    writeln!(f, "{at}: {}{}", kernel.algorithm.name(), kernel.algorithm.cut())?;
    let line = |f: &mut fmt::Formatter<'_>, word: &str, id: NodeId, binding: usize| {
        let node = &nodes[id.index()];
        writeln!(f, "   {word} #{} = %{} {} {:?}", kernel.bindings[binding].buffer, id.0, node.op, node.shape)
    };
    kernel.loads.iter().try_for_each(|(id, binding)| line(f, "load ", *id, *binding))?;
    kernel.stores.iter().try_for_each(|(id, _, binding)| line(f, "store", *id, *binding))
}
