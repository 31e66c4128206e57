//! [`Writer`]: collects operators and constants, and knows which value has which name.

use crate::proto::*;
use graph::{NodeId, Op, Program};
use std::collections::HashMap;

/// The value of an attribute.
pub(crate) enum Attr<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
}

/// An ONNX graph that grows.
pub(crate) struct Writer<'p> {
    pub(crate) program: &'p Program,
    nodes: Vec<NodeProto>,
    initialisers: Vec<TensorProto>,
    /// Names that values are to get, as outputs.
    wanted: HashMap<NodeId, String>,
    /// Names of values in f32.
    names: HashMap<NodeId, String>,
    /// Names of comparisons as truth values.
    truths: HashMap<NodeId, String>,
    /// Constants that exist.
    constants: HashMap<Vec<u8>, String>,
}

/// A name that no input of a model has, and that the printed Program has for the same node.
fn name_of(id: NodeId) -> String {
    format!("%{}", id.0)
}

impl<'p> Writer<'p> {
    /// Nothing is written yet but the names of inputs and of `outputs`.
    pub(crate) fn new(program: &'p Program, outputs: &[(String, NodeId)]) -> Writer<'p> {
        let by_id = |list: &[(String, NodeId)]| list.iter().rev().map(|(name, id)| (*id, name.clone())).collect();
        let (nodes, initialisers, truths, constants) = Default::default();
        let (wanted, names) = (by_id(outputs), by_id(&program.inputs));
        Writer { program, nodes, initialisers, wanted, names, truths, constants }
    }

    /// A weight under its own name.
    pub(crate) fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.initialisers.push(tensor(name, FLOAT, shape, floats(values)));
    }

    /// Adds an operator whose result is the value of `id`.
    pub(crate) fn define(&mut self, id: NodeId, op: &str, inputs: &[String], attributes: &[(&str, Attr<'_>)]) {
        let output = self.wanted.get(&id).cloned().unwrap_or_else(|| name_of(id));
        self.push(op, inputs, output.clone(), attributes);
        self.names.insert(id, output);
    }

    /// Adds a comparison, whose value is wanted as truth and maybe as a number.
    pub(crate) fn define_truth(&mut self, id: NodeId, op: &str, inputs: &[String]) {
        let output = format!("{}.true", name_of(id));
        self.push(op, inputs, output.clone(), &[]);
        self.truths.insert(id, output);
    }

    /// Adds an operator on the way to another; returns the name of its result.
    pub(crate) fn op(&mut self, op: &str, inputs: &[String], attributes: &[(&str, Attr<'_>)]) -> String {
        let output = format!("%.{}", self.nodes.len());
        self.push(op, inputs, output.clone(), attributes);
        output
    }

    fn push(&mut self, op: &str, inputs: &[String], output: String, attributes: &[(&str, Attr<'_>)]) {
        let attribute = attributes.iter().map(|(name, value)| attribute(name, value)).collect();
        self.nodes.push(NodeProto { input: inputs.to_vec(), output: vec![output], op_type: op.into(), attribute });
    }

    /// The value of a node as numbers.
    pub(crate) fn value(&mut self, id: NodeId) -> String {
        if let (None, Some(truth)) = (self.names.get(&id), self.truths.get(&id).cloned()) {
            self.define(id, "Cast", &[truth], &[("to", Attr::Int(i64::from(FLOAT)))]);
        }
        self.names.get(&id).unwrap_or_else(|| unreachable!("%{} is written before its readers", id.0)).clone()
    }

    /// Where a value is not 0, with its shape.
    pub(crate) fn truth(&mut self, id: NodeId) -> (String, Vec<usize>) {
        let node = self.program.node(id);
        match (&node.op, self.truths.get(&id)) {
            (Op::Expand, _) => self.truth(node.inputs[0]),
            (_, Some(truth)) => (truth.clone(), node.shape.clone()),
            _ => {
                let (value, shape) = self.small(id);
                (self.op("Cast", &[value], &[("to", Attr::Int(i64::from(BOOL)))]), shape)
            }
        }
    }

    /// The operands of an operator that broadcasts as NumPy does: repetitions and constants are left to it.
    pub(crate) fn broadcast(&mut self, ids: &[NodeId], shape: &[usize]) -> Vec<String> {
        let small = ids.iter().map(|&id| self.small(id)).collect();
        self.fitted(small, shape)
    }

    /// Names of operands that broadcast to `shape`: the last one is repeated where they don't by themselves.
    pub(crate) fn fitted(&mut self, small: Vec<(String, Vec<usize>)>, shape: &[usize]) -> Vec<String> {
        let has = |s: &[usize], axis: usize| s.get((s.len() + axis).wrapping_sub(shape.len())) == Some(&shape[axis]);
        let fits = (0..shape.len()).all(|axis| shape[axis] == 1 || small.iter().any(|(_, s)| has(s, axis)));
        let ranks = small.iter().any(|(_, s)| s.len() == shape.len());
        let mut names: Vec<String> = small.into_iter().map(|s| s.0).collect();
        if let (false, Some(last)) = (fits && ranks, names.last_mut()) {
            *last = self.expanded(std::mem::take(last), shape);
        }
        names
    }

    /// A value or what it repeats, with its shape.
    pub(crate) fn small(&mut self, id: NodeId) -> (String, Vec<usize>) {
        let node = self.program.node(id);
        match &node.op {
            Op::Const(bits) => (self.scalar(f32::from_bits(*bits)), Vec::new()),
            Op::Iota(axis) => self.line(*axis, &node.shape),
            Op::Expand => self.small(node.inputs[0]),
            _ => (self.value(id), node.shape.clone()),
        }
    }

    /// 0, 1, 2, .. along one axis, of size 1 along all others.
    pub(crate) fn line(&mut self, axis: usize, shape: &[usize]) -> (String, Vec<usize>) {
        let mut line = vec![1; shape.len()];
        line[axis] = shape[axis];
        let values: Vec<f32> = (0..shape[axis]).map(|i| i as f32).collect();
        (self.constant(FLOAT, &line, floats(&values)), line)
    }

    /// A value repeated to `shape`.
    pub(crate) fn expanded(&mut self, name: String, shape: &[usize]) -> String {
        let shape = self.sizes(shape);
        self.op("Expand", &[name, shape], &[])
    }

    pub(crate) fn scalar(&mut self, value: f32) -> String {
        self.constant(FLOAT, &[], floats(&[value]))
    }

    /// A vector of f32.
    pub(crate) fn floats(&mut self, values: &[f32]) -> String {
        self.constant(FLOAT, &[values.len()], floats(values))
    }

    /// A vector of whole numbers.
    pub(crate) fn ints(&mut self, values: &[i64]) -> String {
        self.constant(INT64, &[values.len()], values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A shape, or some axes.
    pub(crate) fn sizes(&mut self, values: &[usize]) -> String {
        let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
        self.ints(&values)
    }

    fn constant(&mut self, data_type: i32, shape: &[usize], data: Vec<u8>) -> String {
        let mut key = vec![data_type as u8, shape.len() as u8];
        shape.iter().for_each(|n| key.extend(n.to_le_bytes()));
        key.extend(&data);
        let next = format!("%c{}", self.constants.len());
        let name = self.constants.entry(key).or_insert_with(|| next.clone()).clone();
        if name == next {
            self.initialisers.push(tensor(&name, data_type, shape, data));
        }
        name
    }

    /// Gives a value the name of an output, if it was not written under that name.
    pub(crate) fn output(&mut self, name: &str, id: NodeId) {
        let value = self.value(id);
        if value != name {
            self.push("Identity", &[value], name.into(), &[]);
        }
    }

    /// Operators and initialisers.
    pub(crate) fn finish(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes, self.initialisers)
    }
}

/// As ONNX counts.
pub(crate) fn signed(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&v| v as i64).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn tensor(name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) -> TensorProto {
    TensorProto { dims: signed(shape), data_type, name: name.into(), raw_data }
}

fn attribute(name: &str, value: &Attr<'_>) -> AttributeProto {
    let empty = AttributeProto { name: name.into(), ..Default::default() };
    match value {
        Attr::Float(f) => AttributeProto { f: *f, r#type: 1, ..empty },
        Attr::Int(i) => AttributeProto { i: *i, r#type: 2, ..empty },
        Attr::Text(s) => AttributeProto { s: s.as_bytes().to_vec(), r#type: 3, ..empty },
        Attr::Ints(ints) => AttributeProto { ints: ints.to_vec(), r#type: 7, ..empty },
    }
}
