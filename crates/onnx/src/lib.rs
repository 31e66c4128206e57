//! Programs as ONNX files, for other runtimes.
//!
//! Every operation has its standard ONNX form (operator set 20). Layers that ONNX or PyTorch's exporter have a name for are
//! written under that name: `Conv` and `ConvTranspose` with their bias, `Gemm`, `LayerNormalization`, group norm as
//! `InstanceNormalization` with scale and shift, `Softmax`, `Gelu`, `Relu`, `ReduceMean`, `Concat`, `Resize`,
//! `DepthToSpace`.
//!
//! Weights are initialisers; all other inputs of the Program are inputs. A state `s` is an input `s` and an output
//! `s.next`, to be fed back; `metadata_props` has `state.s` = `s.next`. All values are f32, indices too.

mod conv;
mod node;
mod patterns;
pub mod proto;
mod writer;

use graph::{NodeId, Op, Program};
use patterns::{Form, Patterns};
use prost::Message;
use proto::*;
use writer::Writer;

/// Why a Program can't be written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A weight has another number of values than its input.
    #[error("the weight '{name}' has {got} values, and the program takes {expected}")]
    Length {
        /// Name of the input.
        name: String,
        /// Number of elements of its shape.
        expected: usize,
        /// Number of values given.
        got: usize,
    },
    /// Two values would have one name.
    #[error("the file would have two values named '{0}'")]
    Name(String),
    /// The format counts bytes in 31 bits.
    #[error("the file would have {0} bytes, and ONNX ends at 2 GiB")]
    Size(usize),
}

/// A Program as an ONNX file named `name`; `weights` has the values of those inputs that are to be part of the file.
pub fn export<'w>(
    program: &Program,
    name: &str,
    weights: impl Fn(&str) -> Option<&'w [f32]>,
) -> Result<Vec<u8>, Error> {
    let model = model(program, name, weights)?;
    let size = model.encoded_len();
    if size > i32::MAX as usize {
        return Err(Error::Size(size));
    }
    Ok(model.encode_to_vec())
}

/// [`export`] before it is bytes.
pub fn model<'w>(
    program: &Program,
    name: &str,
    weights: impl Fn(&str) -> Option<&'w [f32]>,
) -> Result<ModelProto, Error> {
    let states = states(program);
    let outputs = program.outputs.iter().cloned().chain(states.iter().map(|s| s.1.clone()));
    let outputs: Vec<(String, NodeId)> = outputs.collect();
    let mut writer = Writer::new(program, &outputs);
    let mut input = Vec::new();
    for (name, id) in &program.inputs {
        let node = program.node(*id);
        match weights(name) {
            Some(values) if values.len() != node.len() => {
                return Err(Error::Length { name: name.clone(), expected: node.len(), got: values.len() });
            }
            Some(values) => writer.weight(name, &node.shape, values),
            None => input.push(value_info(name, &node.shape)),
        }
    }
    for (id, form) in forms(program).iter().rev() {
        writer.node(*id, form);
    }
    let mut names: Vec<&str> = program.inputs.iter().map(|i| i.0.as_str()).collect();
    let mut output = Vec::new();
    for (name, id) in &outputs {
        if names.contains(&name.as_str()) {
            return Err(Error::Name(name.clone()));
        }
        names.push(name);
        writer.output(name, *id);
        output.push(value_info(name, &program.node(*id).shape));
    }
    let (node, initializer) = writer.finish();
    let key = |(input, (output, _)): (String, (String, NodeId))| StringStringEntryProto {
        key: format!("state.{input}"),
        value: output,
    };
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "p-of-x".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(GraphProto { node, name: name.into(), initializer, input, output }),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: states.into_iter().map(key).collect(),
    })
}

/// (state, (name of its output, node of its next value)).
fn states(program: &Program) -> Vec<(String, (String, NodeId))> {
    let one = |&(input, next): &(NodeId, NodeId)| match &program.node(input).op {
        Op::Input(name) => (name.clone(), (format!("{name}.next"), next)),
        op => unreachable!("a state is an input, not {op}"),
    };
    program.state.iter().map(one).collect()
}

/// The nodes that must be written and their forms, readers first.
fn forms(program: &Program) -> Vec<(NodeId, Form)> {
    let patterns = Patterns::new(program);
    let mut wanted = vec![false; program.nodes.len()];
    let roots = program.outputs.iter().map(|o| o.1).chain(program.state.iter().map(|s| s.1));
    roots.for_each(|id| wanted[id.index()] = true);
    let mut forms = Vec::new();
    for id in (0..program.nodes.len()).rev().map(|i| NodeId(i as u32)) {
        if wanted[id.index()] {
            let form = patterns.form(id);
            form.reads(program, id).iter().for_each(|input| wanted[input.index()] = true);
            forms.push((id, form));
        }
    }
    forms
}

fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim = shape.iter().map(|&n| DimensionProto { dim_value: Some(n as i64) }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}
