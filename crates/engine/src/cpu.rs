//! The CPU engine: a Program is planned once, then run step by step on one thread (in a browser) or on all cores.
//!
//! `plan` says what is stored; movements are views, functions of single values run in chains block by block (`pointwise`),
//! matrix products and convolutions share one kernel (`gemm`).

mod aligned;
#[cfg(not(target_arch = "wasm32"))]
mod candle;
mod conv;
mod gather;
mod gemm;
mod layout;
mod math;
mod memory;
mod plan;
mod pointwise;
mod product;
mod reduce;
mod replace;
mod simd;

use crate::Error;
pub use gemm::Tile;
use graph::{NodeId, Program, Run};
use layout::Walk;
use memory::{Buffer, Memory};
use plan::Plan;
use std::sync::Arc;

/// The CPU engine. It has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Cpu {
    /// Makes a Program ready to run.
    pub fn load(&self, program: &Program) -> Loaded {
        self.load_with(program, Tile::best())
    }

    /// [`Cpu::load`] with a kernel that need not be the best one here, so that a test can run each.
    pub fn load_with(&self, program: &Program, tile: Tile) -> Loaded {
        let too_large = too_large(program);
        let plan = if too_large.is_some() { Plan::default() } else { Plan::new(program) };
        Loaded {
            memory: Memory::new(plan.roots.max(program.nodes.len())),
            outputs: vec![None; program.outputs.len()],
            program: program.clone(),
            plan,
            too_large,
            tile,
        }
    }
}

/// The first node with more elements than positions in the tables of a plan can name.
fn too_large(program: &Program) -> Option<NodeId> {
    let fits = |shape: &[usize]| {
        let len = shape.iter().try_fold(1usize, |len, n| len.checked_mul(*n));
        len.is_some_and(|len| u32::try_from(len).is_ok())
    };
    let at = program.nodes.iter().position(|node| !fits(&node.shape))?;
    Some(NodeId(at as u32))
}

/// A Program with its values on the CPU.
pub struct Loaded {
    program: Program,
    plan: Plan,
    /// Between steps: inputs, states, and what is computed once.
    memory: Memory,
    /// In the order of `program.outputs`.
    outputs: Vec<Option<Buffer>>,
    /// A node that no step can compute; then there is no plan.
    too_large: Option<NodeId>,
    tile: Tile,
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
        self.plan.forget(id);
        self.memory.write(id, values).map_err(|e| failed(&self.program, id, e))
    }

    fn step(&mut self) -> Result<(), Error> {
        if let Some(id) = self.too_large {
            return Err(failed(&self.program, id, "more numbers than 32 bits can count".into()));
        }
        for (name, id) in &self.program.inputs {
            if !self.memory.has(*id) {
                return Err(Error::NoValue(name.clone()));
            }
        }
        self.outputs.iter_mut().filter_map(Option::take).for_each(|buffer| self.memory.recycle(buffer));
        for step in &mut self.plan.steps {
            if step.fixed && self.memory.has(step.root) {
                continue;
            }
            let failed = |e| failed(&self.program, step.node, e);
            let out = match step.work.claims() {
                Some(state) => self.memory.claim(state),
                None => self.memory.take(step.len),
            };
            let mut out = out.map_err(failed)?;
            let mut room = self.memory.take(step.work.room()).map_err(failed)?;
            step.work.run(self.tile, &self.memory, &mut room, &mut out);
            self.memory.give(room);
            self.memory.set(step.root, Arc::new(out));
            step.dead.iter().for_each(|root| self.memory.drop_value(*root));
        }
        self.hand_on();
        Ok(())
    }

    async fn read_all(&self, names: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        names.iter().map(|name| self.value(name)).collect()
    }
}

impl Loaded {
    /// Outputs are kept for their readers, states become inputs.
    fn hand_on(&mut self) {
        let root = |id: NodeId| self.plan.places[id.index()].as_ref().map(|place| place.root);
        for (slot, (_, id)) in self.outputs.iter_mut().zip(&self.program.outputs) {
            *slot = root(*id).and_then(|root| self.memory.share(root));
        }
        let next = |(input, next): &(NodeId, NodeId)| Some((*input, self.memory.share(root(*next)?)?));
        let states: Vec<_> = self.program.state.iter().filter_map(next).collect();
        let steps = self.plan.steps.iter().filter(|step| !step.fixed);
        steps.for_each(|step| self.memory.drop_value(step.root));
        states.into_iter().for_each(|(input, buffer)| self.memory.set(input, buffer));
    }

    fn value(&self, name: &str) -> Result<Vec<f32>, Error> {
        let none = || Error::NoValue(name.into());
        if let Some(slot) = self.program.outputs.iter().position(|(n, _)| n == name) {
            let data = self.outputs[slot].as_ref().ok_or_else(none)?;
            let place = self.plan.places[self.program.outputs[slot].1.index()].as_ref().ok_or_else(none)?;
            let mut values = vec![0.0; place.layout.len()];
            Walk::new(&place.layout).read(data, 0, &mut values, &mut Vec::new());
            return Ok(values);
        }
        let id = self.program.input(name).ok_or_else(|| Error::NoSuch(name.into()))?;
        self.memory.has(id).then(|| self.memory.get(id).to_vec()).ok_or_else(none)
    }
}

fn failed(program: &Program, id: NodeId, message: String) -> Error {
    let node = program.node(id);
    Error::Cpu { node: format!("%{} = {} {:?}", id.0, node.op, node.shape), message }
}
