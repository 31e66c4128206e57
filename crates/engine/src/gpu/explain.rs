//! A plan as text: the first debugging tool, and what snapshot tests compare.

use super::plan::{Kernel, Plan};
use graph::{Node, NodeId};
use std::collections::HashSet;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distinct: HashSet<String> = self.shaders().into_iter().collect();
        let memory = self.memory();
        writeln!(
            f,
            "{} kernels ({} distinct), {} copies, {} flops",
            self.kernels.len(),
            distinct.len(),
            self.copies.len(),
            self.flops()
        )?;
        writeln!(
            f,
            "{} buffers: {} bytes of inputs and outputs, {} temporary of which {} live at once: {:.3} of the least",
            self.buffers.len(),
            memory.named,
            memory.temporary,
            memory.live,
            memory.ratio(),
        )?;
        self.kernels.iter().enumerate().try_for_each(|(i, kernel)| show(f, i, kernel, &self.nodes))?;
        self.copies.iter().try_for_each(|c| writeln!(f, "copy #{} -> #{} ({} bytes)", c.from, c.to, c.bytes))
    }
}

fn show(f: &mut fmt::Formatter<'_>, at: usize, kernel: &Kernel, nodes: &[Node]) -> fmt::Result {
    let algorithm = &kernel.algorithm;
    let (bytes, flops) = (kernel.bytes(), algorithm.flops());
    writeln!(f, "{at}: {}{}; {bytes} bytes, {flops} flops", algorithm.name(), algorithm.cut())?;
    let line = |f: &mut fmt::Formatter<'_>, word: &str, id: NodeId, binding: usize| {
        let node = &nodes[id.index()];
        writeln!(f, "   {word} #{} = %{} {} {:?}", kernel.bindings[binding].buffer, id.0, node.op, node.shape)
    };
    kernel.loads.iter().try_for_each(|(id, binding)| line(f, "load ", *id, *binding))?;
    kernel.stores.iter().try_for_each(|(id, _, binding)| line(f, "store", *id, *binding))
}
