//! The buffers of a loaded Program. A buffer that nobody reads any more is used again.

use super::aligned::Aligned;
use graph::NodeId;
use std::collections::HashMap;
use std::sync::Arc;

/// Elements of one stored value.
pub(super) type Buffer = Arc<Aligned>;

/// The stored values by node, and free buffers by size.
#[derive(Default)]
pub(super) struct Memory {
    buffers: Vec<Option<Buffer>>,
    free: HashMap<usize, Vec<Aligned>>,
}

impl Memory {
    /// No value for any of `nodes` nodes.
    pub(super) fn new(nodes: usize) -> Memory {
        Memory { buffers: vec![None; nodes], free: HashMap::new() }
    }

    pub(super) fn has(&self, root: NodeId) -> bool {
        self.buffers[root.index()].is_some()
    }

    /// The elements of a stored value; the plan computes each before it is read.
    pub(super) fn get(&self, root: NodeId) -> &[f32] {
        self.buffers[root.index()].as_ref().map_or(&[], |buffer| buffer)
    }

    /// A value to keep or to give to another node.
    pub(super) fn share(&self, root: NodeId) -> Option<Buffer> {
        self.buffers[root.index()].clone()
    }

    pub(super) fn set(&mut self, root: NodeId, buffer: Buffer) {
        if let Some(old) = self.buffers[root.index()].replace(buffer) {
            self.recycle(old);
        }
    }

    /// Takes a value away; its buffer is free if nobody else holds it.
    pub(super) fn drop_value(&mut self, root: NodeId) {
        if let Some(buffer) = self.buffers[root.index()].take() {
            self.recycle(buffer);
        }
    }

    /// Takes a value away as a buffer to be changed; its elements are copied only if somebody else holds it.
    pub(super) fn claim(&mut self, root: NodeId) -> Result<Aligned, String> {
        match self.buffers[root.index()].take().map(Arc::try_unwrap) {
            Some(Ok(values)) => Ok(values),
            Some(Err(shared)) => {
                let mut values = self.take(shared.len())?;
                values.copy_from_slice(&shared);
                Ok(values)
            }
            None => self.take(0),
        }
    }

    /// Takes back what [`Memory::share`] gave.
    pub(super) fn recycle(&mut self, buffer: Buffer) {
        if let Ok(values) = Arc::try_unwrap(buffer) {
            self.give(values);
        }
    }

    /// Takes back a buffer that was never a value.
    pub(super) fn give(&mut self, values: Aligned) {
        self.free.entry(values.len()).or_default().push(values);
    }

    /// A buffer whose elements are still to be written; why there is none.
    pub(super) fn take(&mut self, len: usize) -> Result<Aligned, String> {
        if let Some(values) = self.free.get_mut(&len).and_then(Vec::pop) {
            return Ok(values);
        }
        Aligned::zeros(len).map_err(|_| format!("there is no memory for {len} numbers"))
    }

    /// Replaces the elements of a value in place where nobody else holds it.
    pub(super) fn write(&mut self, root: NodeId, values: &[f32]) -> Result<(), String> {
        match self.buffers[root.index()].as_mut().and_then(Arc::get_mut) {
            Some(buffer) => buffer.copy_from_slice(values),
            None => {
                let mut buffer = self.take(values.len())?;
                buffer.copy_from_slice(values);
                self.set(root, Arc::new(buffer));
            }
        }
        Ok(())
    }
}
