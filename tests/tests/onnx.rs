//! The ONNX files, as far as they can be judged without another runtime (`tests/referee` has one): that they are whole, that
//! every operation is written, and that layers get the names other runtimes know.

use graph::{Graph, Program, Tensor, Window};
use models::nn::{self, AdamW};
use models::{Params, diffusion, gan::dcgan, transformer, unet};
use onnx::proto::{GraphProto, ModelProto};
use prost::Message;
use std::collections::{BTreeMap, HashSet};

/// Exports with every second input as a weight of ones, decodes, and checks what holds for every file.
fn exported(program: &Program) -> GraphProto {
    let values: Vec<(&str, Vec<f32>)> = program
        .inputs
        .iter()
        .step_by(2)
        .map(|(name, id)| (name.as_str(), vec![1.0; program.node(*id).len()]))
        .collect();
    let weight = |wanted: &str| values.iter().find(|(name, _)| *name == wanted).map(|(_, v)| v.as_slice());
    let bytes = onnx::export(program, "test", weight).unwrap_or_else(|e| panic!("{e}"));
    let model = ModelProto::decode(bytes.as_slice()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(model.opset_import[0].version, onnx::proto::OPSET);
    let graph = model.graph.expect("a graph");
    let mut known: HashSet<&str> = HashSet::new();
    for name in graph.input.iter().map(|i| &i.name).chain(graph.initializer.iter().map(|i| &i.name)) {
        assert!(known.insert(name), "'{name}' is there twice");
    }
    for node in &graph.node {
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            assert!(known.contains(input.as_str()), "{} reads '{input}' before it is computed", node.op_type);
        }
        node.output.iter().for_each(|name| assert!(known.insert(name), "'{name}' is computed twice"));
    }
    for initialiser in &graph.initializer {
        let size = if initialiser.data_type == onnx::proto::FLOAT { 4 } else { 8 };
        let elements = initialiser.dims.iter().product::<i64>() as usize;
        assert_eq!(initialiser.raw_data.len(), size * elements, "bytes of '{}'", initialiser.name);
    }
    for (name, id) in &program.outputs {
        assert!(known.contains(name.as_str()), "'{name}' is not computed");
        assert_eq!(shape(&graph, name), program.node(*id).shape, "shape of '{name}'");
    }
    graph
}

/// Shape of an output.
fn shape(graph: &GraphProto, name: &str) -> Vec<usize> {
    let output = graph.output.iter().find(|o| o.name == name).unwrap_or_else(|| panic!("no output '{name}'"));
    let tensor = output.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).expect("a tensor");
    let dims = &tensor.shape.as_ref().expect("a shape").dim;
    dims.iter().map(|d| d.dim_value.expect("a size") as usize).collect()
}

/// How often each operator occurs.
fn counts(graph: &GraphProto) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    graph.node.iter().for_each(|node| *counts.entry(node.op_type.as_str()).or_default() += 1);
    counts
}

#[track_caller]
fn assert_ops(graph: &GraphProto, expected: &[(&str, usize)]) {
    assert_eq!(counts(graph), expected.iter().copied().collect());
}

fn program<const N: usize>(build: impl for<'g> Fn(&'g Graph, &Params<'g>) -> [Tensor<'g>; N]) -> Program {
    let g = Graph::new();
    let names: Vec<String> = (0..N).map(|i| format!("out{i}")).collect();
    let outputs = build(&g, &Params::new(&g));
    Program::new(&names.iter().map(String::as_str).zip(outputs).collect::<Vec<_>>(), &[])
}

#[test]
fn every_operation_is_written() {
    let p = program(|g, _| {
        let (x, y, i) = (g.input("x", &[2, 3]), g.input("y", &[2, 3]), g.input("i", &[3]));
        let unary = [-x, x.exp(), x.ln(), x.sqrt(), x.sin(), x.cos(), x.tanh(), x.abs(), x.sigmoid(), x.softplus()];
        let binary = [x + y, x - y, x * y, x / y, x.maximum(y), x.minimum(y), x.lt(y), x.le(y), x.eq(y)];
        let other = [x.select(y, x), x.sum(&[1]), x.max(&[0]), x.dot(y.t()), x.reshape(&[6]), x.permute(&[1, 0])];
        let moved = [x.narrow(0, 0, 1), x.pad(&[1, 0], &[3, 3]), x.flip(&[1]), i.reshape(&[1, 3]).expand(&[2, 3])];
        let index = [x.gather(1, i), x.scatter_add(1, i, 4), g.full(2.0, &[2]), g.iota(0, &[2, 2])];
        // One number of each, so that the result has one shape.
        unary
            .into_iter()
            .chain(binary)
            .chain(other)
            .chain(moved)
            .chain(index)
            .map(Tensor::sum_all)
            .enumerate()
            .fold([g.scalar(0.0)], |[sum], (i, t)| [sum + t * (i as f32 + 2.0)])
    });
    let graph = exported(&p);
    let ops: HashSet<&str> = counts(&graph).into_keys().collect();
    let unary = ["Neg", "Exp", "Log", "Sqrt", "Sin", "Cos", "Tanh", "Abs", "Sigmoid", "Softplus"];
    let binary = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Less", "LessOrEqual", "Equal", "Where"];
    let other =
        ["ReduceSum", "ReduceMax", "Gemm", "Reshape", "Transpose", "Slice", "Pad", "Expand", "Gather", "ScatterND"];
    for op in unary.iter().chain(&binary).chain(&other) {
        assert!(ops.contains(op), "no {op} in {ops:?}");
    }
}

#[test]
fn convolutions_are_written_with_their_bias() {
    let p = program(|g, p| {
        let x = g.input("x", &[2, 3, 8, 8]);
        [nn::conv(p, "conv", x, 4, 3, Window::new(2, 1)), nn::conv_transpose(p, "up", x, [4, 4], 2, 1)]
    });
    let graph = exported(&p);
    assert_ops(&graph, &[("Conv", 1), ("ConvTranspose", 1)]);
    assert!(graph.node.iter().all(|node| node.input.len() == 3), "{:?}", graph.node);
    assert!(graph.node.iter().any(|node| node.input[1] == "up.weight"), "PyTorch's own kernel: {:?}", graph.node);
}

#[test]
fn a_window_that_onnx_lacks_is_spread_and_cropped_first() {
    let window = |lhs, stride, pad| Window { lhs_dilation: lhs, stride, pad, dilation: [1; 2] };
    let conv = |w| program(move |g, _| [g.input("x", &[1, 2, 5, 5]).conv(g.input("w", &[3, 2, 3, 3]), w)]);
    let spread = exported(&conv(window([2, 2], [2, 1], [(1, 1); 2])));
    assert_ops(&spread, &[("Reshape", 2), ("Pad", 1), ("Conv", 1)]);
    let cropped = exported(&conv(window([1, 1], [1, 1], [(-1, 0), (0, 0)])));
    assert_ops(&cropped, &[("Slice", 1), ("Conv", 1)]);
}

#[test]
fn layers_keep_their_names() {
    let p = program(|g, p| {
        let (x, image) = (g.input("x", &[2, 3, 8]), g.input("image", &[2, 4, 6, 6]));
        [
            nn::layer_norm(p, "layer", x),
            nn::softmax(x, 1),
            nn::gelu(x),
            x.relu(),
            x.mean(&[1]),
            nn::concat(&[x, x.exp()], 1),
            nn::upsample_nearest(image, 2),
            nn::pixel_shuffle(image, 2),
            nn::linear(p, "linear", x.reshape(&[6, 8]), 5),
        ]
    });
    let layers =
        ["LayerNormalization", "Softmax", "Gelu", "Relu", "ReduceMean", "Concat", "Resize", "DepthToSpace", "Gemm"];
    let more = [("Exp", 1), ("Reshape", 1)];
    assert_ops(&exported(&p), &layers.iter().map(|op| (*op, 1)).chain(more).collect::<Vec<_>>());
}

#[test]
fn group_norm_is_written_as_pytorch_writes_it() {
    for b in [1, 3] {
        let p = program(move |g, p| [nn::group_norm(p, "norm", g.input("x", &[b, 4, 3, 3]), 2)]);
        let expected = [("InstanceNormalization", 1), ("Reshape", 4), ("Mul", 1), ("Add", 1)];
        assert_ops(&exported(&p), &expected);
    }
}

#[test]
fn a_value_with_other_readers_is_computed_once() {
    let p = program(|g, _| {
        let x = g.input("x", &[3, 4]);
        let e = (x - x.max(&[1])).exp();
        [e / e.sum(&[1]), e]
    });
    assert_ops(&exported(&p), &[("ReduceMax", 1), ("Sub", 1), ("Exp", 1), ("ReduceSum", 1), ("Div", 1)]);
}

#[test]
fn networks_and_their_training_steps_are_whole() {
    let unet_config = unet::Config {
        size: 8,
        channels: vec![8, 16],
        attention: vec![1],
        heads: 2,
        groups: 4,
        classes: vec![3],
        ..unet::Config::default()
    };
    let lm = transformer::Config { vocabulary: 11, context: 9, layers: 2, heads: 2, width: 12 };
    let gan = dcgan::Config { latents: 5, base: 4, channels: vec![8, 6], image_channels: 3 };
    let unet = exported(&diffusion::denoiser(&unet_config, 2));
    let unet = counts(&unet);
    let norms =
        diffusion::specs(&unet_config).iter().filter(|s| s.name.contains("norm") && s.name.ends_with("weight")).count();
    assert_eq!(unet["InstanceNormalization"], norms);
    assert!(!unet.contains_key("Sqrt") && !unet.contains_key("ReduceMax") && !unet.contains_key("Pad"), "{unet:?}");
    exported(&diffusion::train_step(&unet_config, 2, diffusion::Target::Noise, AdamW::default()));
    exported(&dcgan::generator(&gan, 2));
    let prefill = exported(&transformer::prefill(&lm, 2, 6));
    let prefill = counts(&prefill);
    assert_eq!((prefill["LayerNormalization"], prefill["Softmax"], prefill["Gelu"]), (5, 2, 2));
}

#[test]
fn a_state_is_an_input_and_an_output() {
    let lm = transformer::Config { vocabulary: 11, context: 9, layers: 1, heads: 2, width: 12 };
    let model = onnx::model(&transformer::decode(&lm, 1), "decode", |_| None).unwrap();
    let pairs: Vec<(&str, &str)> = model.metadata_props.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(pairs, [("state.cache.k.0", "cache.k.0.next"), ("state.cache.v.0", "cache.v.0.next")]);
    let graph = model.graph.unwrap();
    assert_eq!(shape(&graph, "cache.k.0.next"), [1, 2, 9, 6]);
}

#[test]
fn what_can_not_be_written_is_said() {
    let p = program(|g, _| [g.input("x", &[2, 3]) + 1.0]);
    let error = onnx::export(&p, "p", |_| Some(&[1.0][..])).unwrap_err();
    assert_eq!(error.to_string(), "the weight 'x' has 1 values, and the program takes 6");
    let g = Graph::new();
    let x = g.input("x", &[2]);
    let clash = Program::new(&[("x", x + 1.0)], &[]);
    assert_eq!(onnx::export(&clash, "p", |_| None).unwrap_err(), onnx::Error::Name("x".into()));
}
