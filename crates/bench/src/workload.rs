//! The networks that are measured, each a Program with values for all its inputs.

use data::rng::{Rng, stream};
use graph::{Graph, Node, Op, Program, Window};
use models::nn::{self, AdamW};
use models::{Params, diffusion, gan::dcgan, transformer, unet};
use std::collections::HashMap;

/// A Program, and how its inputs are filled.
pub struct Workload {
    /// What reports call it: `matmul`.
    pub name: &'static str,
    /// Which of several sizes, if there are several.
    pub size: Option<usize>,
    /// What is computed.
    pub program: Program,
    /// The output that all contestants must agree on.
    pub output: &'static str,
    /// Inputs that a user would give; all others are weights or state.
    data: Vec<(&'static str, Fill)>,
}

/// Values of an input.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fill {
    /// Standard normal.
    Normal,
    /// Whole numbers below this one.
    Below(usize),
    /// These, again and again.
    Values([f32; 4]),
}

impl Workload {
    fn new(name: &'static str, program: Program, output: &'static str, data: &[(&'static str, Fill)]) -> Workload {
        Workload { name, size: None, program, output, data: data.to_vec() }
    }

    /// Name and size: `matmul_256`.
    pub fn id(&self) -> String {
        self.size.map_or_else(|| self.name.to_string(), |n| format!("{}_{n}", self.name))
    }

    /// Names of the inputs that change from one inference to the next.
    pub fn data(&self) -> impl Iterator<Item = &'static str> {
        self.data.iter().map(|d| d.0)
    }

    /// Whether the input is state: it takes the value that the Program computed for it.
    pub fn is_state(&self, name: &str) -> bool {
        let id = self.program.input(name);
        self.program.state.iter().any(|s| Some(s.0) == id)
    }

    /// Values of an input, the same on every machine.
    pub fn values(&self, name: &str) -> Vec<f32> {
        let at = self.program.inputs.iter().position(|i| i.0 == name).expect("an input of the Program");
        let shape = &self.program.node(self.program.inputs[at].1).shape;
        let mut values = vec![0f32; shape.iter().product()];
        let fill = self.data.iter().find(|d| d.0 == name).map(|d| d.1);
        let mut rng = Rng::new(1, stream::INIT).skip((at as u64) << 32);
        match fill {
            Some(Fill::Normal) => rng.fill_normal(&mut values),
            Some(Fill::Below(n)) => values.iter_mut().for_each(|v| *v = rng.below(n) as f32),
            Some(Fill::Values(all)) => values.iter_mut().zip(all.iter().cycle()).for_each(|(v, value)| *v = *value),
            // The moments of an optimiser that starts.
            None if name.starts_with("m.") || name.starts_with("v.") => {}
            None if name.starts_with("cache.") => rng.fill_normal(&mut values),
            None => fill_weight(name, shape, &mut rng, &mut values),
        }
        values
    }

    /// Names of the inputs that stay: what a file of the network holds.
    pub fn weights(&self) -> impl Iterator<Item = &str> {
        let names = self.program.inputs.iter().map(|(name, _)| name.as_str());
        names.filter(|name| self.data().all(|data| data != *name) && !self.is_state(name))
    }

    /// The network with its weights as an ONNX file.
    pub fn onnx(&self) -> Result<Vec<u8>, onnx::Error> {
        let weights: HashMap<&str, Vec<f32>> = self.weights().map(|name| (name, self.values(name))).collect();
        onnx::export(&self.program, &self.id(), |name| weights.get(name).map(Vec::as_slice))
    }

    /// Multiplications and additions of all matrix products and convolutions, those with inserted zeros left out.
    pub fn flops(&self) -> u64 {
        self.program.nodes.iter().map(|node| flops(&self.program, node)).sum()
    }
}

/// Random values of a size that keeps activations near 1, also where a model would start with zeros: a layer that adds
/// nothing would hide a wrong answer.
fn fill_weight(name: &str, shape: &[usize], rng: &mut Rng, values: &mut [f32]) {
    rng.fill_normal(values);
    let fan_in: usize = shape.iter().skip(1).product();
    let (scale, offset) = match shape.len() {
        0 | 1 if name.ends_with("weight") => (0.1, 1.0),
        0 | 1 => (0.1, 0.0),
        _ => ((1.0 / fan_in as f32).sqrt(), 0.0),
    };
    values.iter_mut().for_each(|v| *v = *v * scale + offset);
}

fn flops(program: &Program, node: &Node) -> u64 {
    let shape = |i: usize| program.node(node.inputs[i]).shape.as_slice();
    let terms = match &node.op {
        Op::Dot => shape(0)[shape(0).len() - 1] as u64,
        Op::Conv(w) => {
            let spread = (w.lhs_dilation[0] * w.lhs_dilation[1]) as u64;
            (shape(1)[1..].iter().product::<usize>() as u64).div_ceil(spread)
        }
        _ => return 0,
    };
    2 * terms * node.len() as u64
}

/// Id of a workload, and how it is made.
type Entry = (&'static str, fn() -> Workload);

/// All workloads, small to large.
const ALL: [Entry; 10] = [
    ("matmul_256", || matmul(256)),
    ("matmul_512", || matmul(512)),
    ("matmul_1024", || matmul(1024)),
    ("conv", conv),
    ("dcgan", dcgan),
    ("vae", vae),
    ("lm_decode", lm_decode),
    ("lm_prefill", lm_prefill),
    ("unet", unet),
    ("train_unet", train_unet),
];

/// Ids of all workloads.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(id, _)| *id)
}

/// The workload of that id.
pub fn open(id: &str) -> Option<Workload> {
    ALL.iter().find(|(known, _)| *known == id).map(|(_, make)| make())
}

/// x (n, n) times a weight (n, n).
fn matmul(n: usize) -> Workload {
    let g = Graph::new();
    let y = g.input("x", &[n, n]).dot(g.input("weight", &[n, n]));
    let program = Program::new(&[("y", y)], &[]);
    Workload { size: Some(n), ..Workload::new("matmul", program, "y", &[("x", Fill::Normal)]) }
}

/// A convolution as U-Nets have them: 3 x 3, 128 channels, 32 x 32.
fn conv() -> Workload {
    let g = Graph::new();
    let y = nn::conv(&Params::new(&g), "conv", g.input("x", &[1, 128, 32, 32]), 128, 3, Window::new(1, 1));
    Workload::new("conv", Program::new(&[("y", y)], &[]), "y", &[("x", Fill::Normal)])
}

/// DCGAN's generator: one image of 64 x 64.
fn dcgan() -> Workload {
    Workload::new("dcgan", dcgan::generator(&dcgan::Config::default(), 1), "image", &[("z", Fill::Normal)])
}

/// The decoder of a convolutional VAE for 28 x 28 images, batch 16, with transposed convolutions as most have them.
fn vae() -> Workload {
    const B: usize = 16;
    let g = Graph::new();
    let p = Params::new(&g);
    let h = nn::linear(&p, "hidden", g.input("z", &[B, 64]), 64 * 49).relu().reshape(&[B, 64, 7, 7]);
    let h = nn::conv_transpose(&p, "up1", h, [64, 4], 2, 1).relu(); // (B, 64, 14, 14)
    let h = nn::conv_transpose(&p, "up2", h, [32, 4], 2, 1).relu(); // (B, 32, 28, 28)
    let mean = nn::conv(&p, "out", h, 1, 3, Window::new(1, 1)).sigmoid(); // (B, 1, 28, 28)
    Workload::new("vae", Program::new(&[("mean", mean)], &[]), "mean", &[("z", Fill::Normal)])
}

/// The U-Net of the benchmark: 32 x 32, 64-128-128 channels, attention at 8 x 8: 4.4 million parameters.
pub fn unet_config() -> unet::Config {
    unet::Config { attention: vec![2], ..unet::Config::default() }
}

/// One evaluation of the U-Net on one image.
fn unet() -> Workload {
    let data = [("z", Fill::Normal), ("time", Fill::Values([0.3, 0.5, 0.7, 0.9]))];
    Workload::new("unet", diffusion::denoiser(&unet_config(), 1), "prediction", &data)
}

/// One step of AdamW on the U-Net, two images.
fn train_unet() -> Workload {
    let optimiser = AdamW::default();
    // Adam's first step is the rate times the sign of the gradient, also where that is nothing but rounding: so small a
    // rate keeps results comparable.
    let rates = optimiser.rates(1e-5, 1);
    let data = [
        ("x", Fill::Normal),
        ("noise", Fill::Normal),
        ("time", Fill::Values([0.3, 0.5, 0.7, 0.9])),
        ("rates", Fill::Values(rates)),
    ];
    let program = diffusion::train_step(&unet_config(), 2, diffusion::Target::Noise, optimiser);
    Workload::new("train_unet", program, "loss", &data)
}

/// 256 tokens at once through the transformer.
fn lm_prefill() -> Workload {
    let c = transformer::Config::default();
    let program = transformer::prefill(&c, 1, c.context);
    Workload::new("lm_prefill", program, "logits", &[("tokens", Fill::Below(c.vocabulary))])
}

/// One more token, with 200 before it.
fn lm_decode() -> Workload {
    let c = transformer::Config::default();
    let data = [("tokens", Fill::Below(c.vocabulary)), ("position", Fill::Values([200.0; 4]))];
    Workload::new("lm_decode", transformer::decode(&c, 1), "logits", &data)
}
