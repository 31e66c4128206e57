//! [`Program`]: the part of a graph that some outputs need, ready for an engine.

use crate::op::{Node, NodeId, Op};
use crate::tensor::Tensor;
use std::collections::HashMap;

/// A finished computation: nodes in an order in which each can be computed from the ones before it, named inputs,
/// named outputs, and state. A state is an input that takes the value of a node after every run, on the device.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    /// Every node that is needed, and no other.
    pub nodes: Vec<Node>,
    /// Inputs by name, state included, in order of first use.
    pub inputs: Vec<(String, NodeId)>,
    /// Outputs by name, in the order given.
    pub outputs: Vec<(String, NodeId)>,
    /// (input, next): after a run the input holds what `next` was.
    pub state: Vec<(NodeId, NodeId)>,
}

impl Program {
    /// The Program that computes `outputs`, and that replaces each state input (first) by a tensor of its shape (second).
    #[track_caller]
    pub fn new(outputs: &[(&str, Tensor<'_>)], state: &[(Tensor<'_>, Tensor<'_>)]) -> Program {
        let roots: Vec<Tensor<'_>> =
            outputs.iter().map(|o| o.1).chain(state.iter().flat_map(|&(input, next)| [input, next])).collect();
        let (nodes, ids) = reachable(&roots);
        let id_of = |t: Tensor<'_>| ids[&t.id];
        for (input, next) in state {
            assert!(matches!(input.node().op, Op::Input(_)), "state must start at an input, not {input:?}");
            assert!(input.shape() == next.shape(), "state changes shape: {input:?} to {next:?}");
        }
        let inputs = nodes.iter().enumerate().filter_map(|(i, n)| match &n.op {
            Op::Input(name) => Some((name.clone(), NodeId(i as u32))),
            _ => None,
        });
        Program {
            inputs: inputs.collect(),
            outputs: outputs.iter().map(|(name, t)| (name.to_string(), id_of(*t))).collect(),
            state: state.iter().map(|&(input, next)| (id_of(input), id_of(next))).collect(),
            nodes,
        }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The input of that name.
    pub fn input(&self, name: &str) -> Option<NodeId> {
        self.inputs.iter().find(|(n, _)| n == name).map(|&(_, id)| id)
    }

    /// Names and shapes of the inputs that are state.
    pub fn states(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let input = |id: &NodeId| self.inputs.iter().find(|(_, of)| of == id);
        let states = self.state.iter().filter_map(move |(id, _)| input(id));
        states.map(|(name, id)| (name.as_str(), self.node(*id).shape.as_slice()))
    }

    /// The output of that name.
    pub fn output(&self, name: &str) -> Option<NodeId> {
        self.outputs.iter().find(|(n, _)| n == name).map(|&(_, id)| id)
    }

    /// Shape of the output or else the input of that name.
    pub fn shape_of(&self, name: &str) -> Option<&[usize]> {
        self.output(name).or_else(|| self.input(name)).map(|id| self.node(id).shape.as_slice())
    }
}

/// The nodes that `roots` need, renumbered, and the map from old ids to new ones.
fn reachable(roots: &[Tensor<'_>]) -> (Vec<Node>, HashMap<NodeId, NodeId>) {
    let Some(last) = roots.iter().map(|t| t.id).max() else { return Default::default() };
    let graph = roots[0].graph();
    assert!(roots.iter().all(|t| std::ptr::eq(t.graph(), graph)), "a Program is made of one graph, not of several");
    let mut needed = vec![false; last.index() + 1];
    roots.iter().for_each(|t| needed[t.id.index()] = true);
    for id in (0..needed.len()).rev().filter(|&i| roots.iter().any(|t| t.id.index() >= i)) {
        if needed[id] {
            graph.node(NodeId(id as u32)).inputs.iter().for_each(|i| needed[i.index()] = true);
        }
    }
    let mut nodes = Vec::new();
    let mut ids = HashMap::new();
    for id in (0..needed.len()).filter(|&i| needed[i]).map(|i| NodeId(i as u32)) {
        let mut node = graph.node(id);
        node.inputs.iter_mut().for_each(|i| *i = ids[i]);
        ids.insert(id, NodeId(nodes.len() as u32));
        nodes.push(node);
    }
    (nodes, ids)
}

/// A loaded Program, as an engine offers it. Estimators and samplers are written against this, so that they know
/// no engine.
pub trait Run {
    /// What can go wrong on the device.
    type Error: std::error::Error + 'static;

    /// The Program that was loaded.
    fn program(&self) -> &Program;

    /// Sets an input or a state. The length must be that of its shape.
    fn write(&mut self, name: &str, values: &[f32]) -> Result<(), Self::Error>;

    /// Computes all outputs once and moves the state on. Does not wait for the device.
    fn step(&mut self) -> Result<(), Self::Error>;

    /// Waits until the device can take one more step, as a loop of steps should: else steps pile up in front of a slow
    /// one, and nobody can stop them any more. An engine that computes within [`Run::step`] is always ready.
    fn ready(&mut self) -> impl Future<Output = Result<(), Self::Error>> {
        async { Ok(()) }
    }

    /// The values of outputs (of the last step) or of states, each in row-major order. The one place that waits, and it
    /// waits once: in a browser that can take 100 ms.
    fn read_all(&self, names: &[&str]) -> impl Future<Output = Result<Vec<Vec<f32>>, Self::Error>>;

    /// [`Run::read_all`] for one value.
    fn read(&self, name: &str) -> impl Future<Output = Result<Vec<f32>, Self::Error>> {
        async move { Ok(self.read_all(&[name]).await?.swap_remove(0)) }
    }
}

/// What loads Programs: an engine, together with the weights of a model.
pub trait Load {
    /// What it makes of one.
    type Run: Run;

    /// Loads a Program and writes those of its inputs that are weights of the model.
    fn load(&self, program: &Program) -> impl Future<Output = Result<Self::Run, <Self::Run as Run>::Error>>;
}
