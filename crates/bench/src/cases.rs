//! Small Programs for the referee: every operation, every pattern that the ONNX exporter knows, on odd shapes, with inputs
//! and with what the CPU engine computes.

use anyhow::{Context, Result};
use data::rng::{Rng, stream};
use engine::Cpu;
use graph::{Graph, Program, Run, Tensor, Window, grad};
use models::nn::{self, AdamW};
use models::{Params, Storage, Weights, diffusion, gan::dcgan, transformer, unet};
use pollster::block_on;
use std::path::Path;

/// Writes `<name>.onnx` and `<name>.safetensors` of every case and every workload: tensors `in.<input>` and
/// `out.<output>`.
pub(crate) fn write(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} can't be made", dir.display()))?;
    for (name, program, inputs) in cases() {
        write_case(dir, &name, &program, &inputs, |_| false)?;
    }
    for workload in bench::ids().filter_map(bench::open) {
        let inputs: Vec<(String, Vec<f32>)> =
            workload.program.inputs.iter().map(|(name, _)| (name.clone(), workload.values(name))).collect();
        write_case(dir, &workload.id(), &workload.program, &inputs, |name| workload.weights().any(|w| w == name))?;
    }
    Ok(())
}

fn write_case(
    dir: &Path,
    name: &str,
    program: &Program,
    inputs: &[(String, Vec<f32>)],
    is_weight: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut loaded = Cpu.load(program);
    let mut file = Weights::default();
    let shape = |name: &str| program.shape_of(name).with_context(|| format!("no value {name}")).map(<[usize]>::to_vec);
    for (name, values) in inputs {
        loaded.write(name, values)?;
        if !is_weight(name) {
            file.insert(&format!("in.{name}"), &shape(name)?, values.clone());
        }
    }
    loaded.step()?;
    for (name, _) in &program.outputs {
        file.insert(&format!("out.{name}"), &shape(name)?, block_on(loaded.read(name))?);
    }
    for (name, id) in program.inputs.iter().filter(|(_, id)| program.state.iter().any(|s| s.0 == *id)) {
        let values = block_on(loaded.read(name))?;
        file.insert(&format!("out.{name}.next"), &program.node(*id).shape, values);
    }
    let weights = |wanted: &str| {
        let found = inputs.iter().find(|(name, _)| name == wanted && is_weight(name));
        found.map(|(_, values)| values.as_slice())
    };
    std::fs::write(dir.join(format!("{name}.onnx")), onnx::export(program, name, weights)?)?;
    Ok(std::fs::write(dir.join(format!("{name}.safetensors")), file.to_bytes(Storage::F32)?)?)
}

type Case = (String, Program, Vec<(String, Vec<f32>)>);

/// Name, Program, inputs.
fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |name: &str, build: &dyn for<'g> Fn(&'g Graph) -> Vec<(&'static str, Tensor<'g>)>| {
        let g = Graph::new();
        let program = Program::new(&build(&g), &[]);
        let inputs = inputs(&program);
        all.push((name.to_string(), program, inputs));
    };
    add("pointwise", &pointwise);
    add("broadcasts", &broadcasts);
    add("reductions", &reductions);
    add("movements", &movements);
    add("indices", &indices);
    add("products", &products);
    add("layers", &layers);
    for (i, window) in windows().into_iter().enumerate() {
        add(&format!("conv_{i}"), &move |g| conv(g, window));
    }
    all.extend(networks().into_iter().map(|(name, program)| {
        let inputs = inputs(&program);
        (name.to_string(), program, inputs)
    }));
    all
}

/// Normal values, positive ones for `positive`, and whole numbers, some out of range, for `index`.
fn inputs(program: &Program) -> Vec<(String, Vec<f32>)> {
    let fill = |(at, (name, id)): (usize, &(String, graph::NodeId))| {
        let mut values = vec![0f32; program.node(*id).len()];
        Rng::new(7, stream::SAMPLE).skip((at as u64) << 32).fill_normal(&mut values);
        match name.as_str() {
            "positive" => values.iter_mut().for_each(|v| *v = v.abs() + 0.1),
            "index" | "tokens" | "targets" | "class" => {
                values.iter_mut().for_each(|v| *v = (*v * 3.0).round() + if name == "index" { 0.0 } else { 5.0 });
            }
            "position" => values.fill(3.0),
            _ if name.starts_with("v.") => values.iter_mut().for_each(|v| *v *= *v),
            _ => {}
        }
        (name.clone(), values)
    };
    program.inputs.iter().enumerate().map(fill).collect()
}

type Outputs<'g> = Vec<(&'static str, Tensor<'g>)>;

fn pointwise(g: &Graph) -> Outputs<'_> {
    let [x, y, positive] = ["x", "y", "positive"].map(|name| g.input(name, &[3, 5]));
    vec![
        ("neg", -x),
        ("exp", x.exp()),
        ("ln", positive.ln()),
        ("sqrt", positive.sqrt()),
        ("sin", x.sin()),
        ("cos", x.cos()),
        ("tanh", x.tanh()),
        ("abs", x.abs()),
        ("sigmoid", (x * 20.0).sigmoid()),
        ("softplus", (x * 50.0).softplus()),
        ("relu", x.relu()),
        ("silu", x.silu()),
        ("gelu", nn::gelu(x)),
        ("add", x + y),
        ("sub", x - y),
        ("mul", x * y),
        ("div", x / positive),
        ("max", x.maximum(y)),
        ("min", x.minimum(y)),
        ("lt", x.lt(y)),
        ("le", x.le(x)),
        ("eq", x.eq(y)),
        ("select", x.lt(y).select(x, y)),
        ("choose", x.relu().select(y, x)),
        ("itself", x),
        ("constant", g.full(2.5, &[2, 3])),
        ("iota", g.iota(1, &[2, 3])),
    ]
}

fn broadcasts(g: &Graph) -> Outputs<'_> {
    let row = g.input("row", &[5]);
    let column = g.input("column", &[3, 1]);
    let one = g.input("one", &[1, 1]);
    vec![
        ("outer", row + column),
        ("wide", one.expand(&[3, 5]) * 2.0),
        ("squared", one.expand(&[3, 5]).square()),
        ("positions", g.iota(1, &[3, 5]) + g.iota(0, &[3, 5])),
        ("line", g.iota(1, &[3, 5]) * 0.5),
        ("mask", g.iota(1, &[3, 5]).le(g.iota(0, &[3, 5])).select(row.broadcast_to(&[3, 5]), g.scalar(-1.0))),
        ("rows", row.lt(g.scalar(0.0)).select(one.expand(&[3, 5]), g.scalar(1.0))),
        ("rank", row * 2.0 + g.scalar(1.0)),
    ]
}

fn reductions(g: &Graph) -> Outputs<'_> {
    let x = g.input("x", &[2, 3, 5]);
    vec![
        ("sum", x.sum(&[0, 2])),
        ("max", x.max(&[1])),
        ("mean", x.mean(&[1, 2])),
        ("all", x.sum_all()),
        ("softmax", nn::softmax(x, 1)),
        ("log_softmax", nn::log_softmax(x, 2)),
        ("log_sum_exp", nn::log_sum_exp(x, 2)),
    ]
}

fn movements(g: &Graph) -> Outputs<'_> {
    let x = g.input("x", &[2, 12, 3, 5]);
    let y = g.input("y", &[2, 4, 3, 5]);
    vec![
        ("reshape", x.reshape(&[4, 90])),
        ("permute", x.permute(&[2, 0, 3, 1])),
        ("twice", (x.permute(&[2, 0, 3, 1]) + 1.0).permute(&[1, 0, 3, 2])),
        ("composed", x.permute(&[2, 0, 3, 1]).permute(&[1, 3, 0, 2])),
        ("slice", x.slice(&[0, 1, 1, 2], &[2, 3, 2, 3])),
        ("pad", x.pad(&[0, 1, 2, 0], &[2, 14, 5, 9])),
        ("flip", x.flip(&[1, 3])),
        ("expand", y.narrow(1, 0, 1).expand(&[2, 7, 3, 5])),
        ("concat", nn::concat(&[x, y, y], 1)),
        ("overlap", x.pad(&[0, 0, 0, 0], &[2, 12, 4, 5]) + x.pad(&[0, 0, 1, 0], &[2, 12, 4, 5])),
        ("upsample", nn::upsample_nearest(y, 2)),
        ("pixel_shuffle", nn::pixel_shuffle(x, 2)),
    ]
}

fn indices(g: &Graph) -> Outputs<'_> {
    let (x, index) = (g.input("x", &[4, 5, 3]), g.input("index", &[5]));
    vec![
        ("gather_0", x.gather(0, index)),
        ("gather_1", x.gather(1, index)),
        ("gather_2", x.gather(2, index)),
        ("scatter_add", x.scatter_add(1, index, 4)),
        ("scatter_first", x.permute(&[1, 0, 2]).scatter_add(0, index, 2)),
    ]
}

fn products(g: &Graph) -> Outputs<'_> {
    let (a, b) = (g.input("a", &[2, 3, 5]), g.input("b", &[2, 5, 4]));
    let (c, w, bias) = (g.input("c", &[3, 5]), g.input("w", &[4, 5]), g.input("bias", &[4]));
    let product = c.dot(w.t());
    vec![
        ("dot", a.dot(b)),
        ("plain", c.dot(c.t())),
        ("turned", product),
        ("linear", (c * 2.0).dot(w.t()) + bias),
        ("bias_first", bias + c.relu().dot(w.t())),
        ("other_bias", c.tanh().dot(w.t()) + g.input("table", &[3, 4])),
    ]
}

fn layers(g: &Graph) -> Outputs<'_> {
    let p = Params::new(g);
    let (x, image) = (g.input("x", &[2, 3, 8]), g.input("image", &[2, 6, 4, 5]));
    let group = nn::group_norm(&p, "group", image, 3);
    let head = g.input("head", &[2, 3, 7, 4]);
    let loss = (nn::layer_norm(&p, "layer", x) * x).sum_all() + (group * image).sum_all();
    let gradients = grad(loss, &[x, image]);
    vec![
        ("layer_norm", nn::layer_norm(&p, "layer", x)),
        ("layer_norm_alone", nn::layer_norm(&p, "layer2", x * 2.0)),
        ("group_norm", group),
        ("group_norm_alone", nn::group_norm(&p, "group2", image * 2.0, 2)),
        ("rms_norm", nn::rms_norm(&p, "rms", x)),
        ("attention", nn::attention(head, head * 2.0, head, Some(nn::causal_mask(g, 7)))),
        ("up", nn::conv_transpose(&p, "up", image, [3, 4], 2, 1)),
        ("up_odd", nn::conv_transpose(&p, "up_odd", image, [3, 3], 2, 1)),
        ("up_pixel", nn::conv_transpose(&p, "up_pixel", image.narrow(2, 0, 1).narrow(3, 0, 1), [3, 4], 2, 0)),
        ("time", nn::time_embedding(g.input("t", &[3]), 6)),
        ("dx", gradients[0]),
        ("dimage", gradients[1]),
    ]
}

/// Strides, uneven and negative padding, dilation of kernel and input, alone and together.
fn windows() -> Vec<Window> {
    let plain = Window::new(1, 1);
    vec![
        plain,
        Window::new(2, 1),
        Window { pad: [(0, 2), (2, 1)], ..plain },
        Window { pad: [(-1, 1), (0, -2)], ..plain },
        Window { dilation: [2, 1], ..Window::new(1, 2) },
        Window { lhs_dilation: [2, 2], pad: [(2, 2), (1, 2)], ..plain },
        Window { lhs_dilation: [2, 3], pad: [(1, 2), (2, 3)], ..plain },
        Window { lhs_dilation: [3, 2], pad: [(3, -1), (-1, 3)], ..plain },
        Window { lhs_dilation: [2, 2], stride: [2, 1], pad: [(1, 1), (0, 3)], ..plain },
        Window { lhs_dilation: [1, 2], dilation: [2, 1], pad: [(2, 0), (1, 0)], ..plain },
    ]
}

/// A convolution and both of its gradients.
fn conv(g: &Graph, window: Window) -> Outputs<'_> {
    let (x, w) = (g.input("x", &[2, 3, 7, 6]), g.input("w", &[4, 3, 3, 2]));
    let y = x.conv(w, window);
    let with_bias = (x * 2.0).conv(w, window) + g.input("bias", &[4]).reshape(&[1, 4, 1, 1]);
    let gradients = grad((y * y.tanh()).sum_all(), &[x, w]);
    vec![("y", y), ("with_bias", with_bias), ("dx", gradients[0]), ("dw", gradients[1])]
}

/// Whole networks, small: inference and a train step of each kind.
fn networks() -> Vec<(&'static str, Program)> {
    let unet = unet::Config {
        image_channels: 2,
        size: 8,
        patch: 1,
        channels: vec![8, 16],
        blocks: 1,
        attention: vec![1],
        heads: 2,
        groups: 4,
        classes: vec![3],
    };
    let gan = dcgan::Config { latents: 5, base: 4, channels: vec![8, 6], image_channels: 3 };
    let lm = transformer::Config { vocabulary: 11, context: 9, layers: 2, heads: 2, width: 12 };
    let optimiser = AdamW { clip: Some(1.0), average: Some(0.99), ..AdamW::default() };
    vec![
        ("tiny_unet", diffusion::denoiser(&unet, 2)),
        ("tiny_unet_step", diffusion::train_step(&unet, 2, diffusion::Target::Velocity, optimiser)),
        ("tiny_dcgan", dcgan::generator(&gan, 2)),
        ("tiny_prefill", transformer::prefill(&lm, 2, 6)),
        ("tiny_decode", transformer::decode(&lm, 2)),
        ("tiny_lm_step", transformer::trainer(&lm, 2, 6, optimiser)),
    ]
}
