//! The networks against PyTorch: results, losses, every gradient and ten steps of training; and decoding token by token
//! against reading the whole sequence.

use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::compare::gpu;
use conformance::reference::Reference;
use conformance::run::normal;
use engine::{Engine, Loaded};
use graph::{Graph, Program, Run};
use models::diffusion::{self, Network, Target};
use models::nn::{AdamW, schedule};
use models::params::{Params, Spec};
use models::{Weights, dit, gan::dcgan, transformer, unet};
use pollster::block_on;

/// Of the reference, relative to the largest value of the tensor: the file holds f32, and so do the graph's constants.
const F64: f64 = 1e-6;
/// Of the engines, in f32.
const F32: f64 = 1e-5;

/// The epsilon is large enough that a gradient of nothing but rounding, a key's bias, moves no parameter.
const OPTIMISER: AdamW =
    AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weight_decay: 0.1, clip: Some(2.3), average: Some(0.4) };

fn unet_config() -> unet::Config {
    unet::Config {
        image_channels: 2,
        size: 8,
        patch: 1,
        channels: vec![4, 8],
        blocks: 1,
        attention: vec![1],
        heads: 2,
        groups: 2,
        classes: vec![3],
    }
}

const LM: transformer::Config = transformer::Config { vocabulary: 11, context: 8, layers: 2, heads: 2, width: 8 };
/// Sequences of the golden batch, and their tokens.
const LM_BATCH: [usize; 2] = [2, 6];

/// One part of the file that `golden/networks.py` made, which states what is in it.
struct Golden {
    file: Weights,
    part: &'static str,
}

impl Golden {
    fn open(part: &'static str) -> Golden {
        let file = Weights::parse_any(include_bytes!("../golden/networks.safetensors")).unwrap();
        Golden { file, part }
    }

    fn get(&self, name: &str) -> Vec<f64> {
        let name = format!("{}/{name}", self.part);
        widen(self.file.get(&name).unwrap_or_else(|| panic!("'{name}' is not in the golden file")))
    }

    /// The value of an input of a train step at its start.
    fn start(&self, name: &str, len: usize) -> Vec<f64> {
        match name.split_once('.') {
            Some(("m" | "v" | "ema", _)) => vec![0.0; len],
            _ if name == "rates" => vec![0.0; len],
            _ => self.get(name),
        }
    }
}

/// A Program on one of the three that compute: the f64 reference, the CPU engine, the GPU engine.
enum Machine {
    Reference(Reference),
    Engine(Box<Loaded>),
}

impl Machine {
    fn all(program: &Program) -> [(&'static str, f64, Machine); 3] {
        let cpu = block_on(Engine::cpu().load(program)).unwrap();
        let on_gpu = block_on(gpu().load(program)).unwrap_or_else(|e| panic!("{e}"));
        [
            ("reference", F64, Machine::Reference(Reference::new(program))),
            ("cpu", F32, Machine::Engine(Box::new(cpu))),
            ("gpu", F32, Machine::Engine(Box::new(Loaded::Gpu(Box::new(on_gpu))))),
        ]
    }

    fn write(&mut self, name: &str, values: &[f64]) {
        match self {
            Machine::Reference(r) => r.write(name, values),
            Machine::Engine(e) => e.write(name, &narrow(values)).unwrap(),
        }
    }

    fn step(&mut self) {
        match self {
            Machine::Reference(r) => r.step(),
            Machine::Engine(e) => e.step().unwrap(),
        }
    }

    fn read(&self, name: &str) -> Vec<f64> {
        match self {
            Machine::Reference(r) => r.read(name).to_vec(),
            Machine::Engine(e) => widen(&block_on(e.read(name)).unwrap()),
        }
    }
}

fn judge(what: &str, got: &[f64], expected: &[f64], rtol: f64) -> f64 {
    2.0 * rtol * assert_close(what, got, expected, Tolerance::of_largest(rtol, expected))
}

/// Outputs of a Program without state, all of whose inputs are in the file.
fn outputs_are_pytorchs(part: &'static str, program: &Program) {
    let golden = Golden::open(part);
    for (by, rtol, mut machine) in Machine::all(program) {
        program.inputs.iter().for_each(|(name, _)| machine.write(name, &golden.get(name)));
        machine.step();
        for (name, _) in &program.outputs {
            let error = judge(&format!("{part}, {by}, {name}"), &machine.read(name), &golden.get(name), rtol);
            println!("{part} {by} {name}: {error:.1e}");
        }
    }
}

/// Gradients of the first step, then ten steps on the same batch: losses, norms, and the final parameters and averages.
fn training_is_pytorchs(part: &'static str, program: &Program, specs: &[Spec]) {
    let golden = Golden::open(part);
    for (by, rtol, mut machine) in Machine::all(program) {
        for (name, id) in &program.inputs {
            machine.write(name, &golden.start(name, program.node(*id).len()));
        }
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for t in 1..=10 {
            let rate = 3e-3 * schedule::warm_up(t, 3) * schedule::cosine(1.0, 0.1, (t - 1) as f64 / 10.0);
            machine.write("rates", &OPTIMISER.rates(rate, t).map(f64::from));
            machine.step();
            losses.extend(machine.read("loss"));
            norms.extend(machine.read("gradient_norm"));
            if t == 1 {
                println!("{part} {by} gradients: {:.1e}", gradients_are(&golden, &machine, norms[0], specs, rtol, by));
            }
        }
        let mut worst = judge(&format!("{part}, {by}, losses"), &losses, &golden.get("losses"), rtol);
        worst = worst.max(judge(&format!("{part}, {by}, norms"), &norms, &golden.get("norms"), rtol));
        println!("{part} {by} losses and norms: {worst:.1e}");
        for (prefix, at) in [("final.", ""), ("ema.", "ema.")] {
            let mut worst = 0.0f64;
            for Spec { name, .. } in specs {
                let (got, expected) = (machine.read(&format!("{at}{name}")), golden.get(&format!("{prefix}{name}")));
                worst = worst.max(judge(&format!("{part}, {by}, {prefix}{name}"), &got, &expected, rtol));
            }
            println!("{part} {by} {prefix}: {worst:.1e}");
        }
    }
}

/// After the first step from zero the first moment is (1 - beta1) times the clipped gradient.
fn gradients_are(golden: &Golden, machine: &Machine, norm: f64, specs: &[Spec], rtol: f64, by: &str) -> f64 {
    let clipped = (f64::from(OPTIMISER.clip.unwrap()) / (norm + 1e-6)).min(1.0);
    let share = f64::from(1.0 - OPTIMISER.beta1) * clipped;
    let all: Vec<Vec<f64>> = specs.iter().map(|s| golden.get(&format!("grad.{}", s.name))).collect();
    // Some gradients are 0 but for rounding (a key's bias changes no weight): they are judged by the largest of all.
    let largest = all.iter().flatten().fold(0.0, |m: f64, g| m.max(g.abs()));
    let mut worst = 0.0f64;
    for (spec, expected) in specs.iter().zip(all) {
        let got: Vec<f64> = machine.read(&format!("m.{}", spec.name)).iter().map(|m| m / share).collect();
        let tolerance = Tolerance { atol: rtol * largest * 0.1, rtol };
        worst = worst.max(assert_close(&format!("{by}, grad.{}", spec.name), &got, &expected, tolerance));
    }
    worst * rtol
}

fn diffusion_is_pytorchs(part: &'static str, network: &impl Network) {
    let g = Graph::new();
    let p = Params::new(&g);
    let images = ["x", "noise"].map(|name| g.input(name, &[2, 2, 8, 8]));
    let (time, class) = (g.input("time", &[2]), Some(g.input("class", &[2, 1])));
    let prediction = network.forward(&p, images[0], time, class);
    let noise_loss = diffusion::loss(network, &p, Target::Noise, images, (time, class));
    outputs_are_pytorchs(part, &Program::new(&[("prediction", prediction), ("noise_loss", noise_loss)], &[]));
    let trainer = diffusion::train_step(network, 2, Target::Velocity, OPTIMISER);
    training_is_pytorchs(part, &trainer, &diffusion::specs(network));
}

#[test]
fn the_unet_is_pytorchs() {
    diffusion_is_pytorchs("unet", &unet_config());
}

#[test]
fn the_diffusion_transformer_is_pytorchs() {
    let sizes = dit::Config { image_channels: 2, size: 8, patch: 2, layers: 2, heads: 2, width: 8, classes: vec![3] };
    diffusion_is_pytorchs("dit", &sizes);
}

#[test]
fn the_transformer_is_pytorchs() {
    let [b, t] = LM_BATCH;
    let program = transformer::prefill(&LM, b, t);
    let logits =
        Program { outputs: program.outputs.iter().filter(|(n, _)| n == "logits").cloned().collect(), ..program };
    outputs_are_pytorchs("lm", &logits);
    training_is_pytorchs("lm", &transformer::trainer(&LM, b, t, OPTIMISER), &transformer::specs(&LM));
}

#[test]
fn the_generator_is_pytorchs() {
    let c = dcgan::Config { latents: 5, base: 3, channels: vec![8, 4], image_channels: 2 };
    outputs_are_pytorchs("gan", &dcgan::generator(&c, 3));
}

/// The first tokens at once, the others one by one from the caches: the logits of the golden file at every position. What
/// the caches hold behind the position must not matter.
#[test]
fn decoding_goes_on_where_prefill_ends() {
    let golden = Golden::open("lm");
    let ([b, t], v) = (LM_BATCH, LM.vocabulary);
    let (tokens, logits) = (golden.get("tokens"), golden.get("logits"));
    let column = |i: usize| (0..b).map(|row| tokens[row * t + i]).collect::<Vec<_>>();
    for start in [0, 1, 4] {
        let mut caches: Vec<Vec<Vec<f64>>> = Vec::new();
        if start > 0 {
            let program = transformer::prefill(&LM, b, start);
            for (_, _, mut machine) in Machine::all(&program) {
                transformer::specs(&LM).iter().for_each(|s| machine.write(&s.name, &golden.get(&s.name)));
                let prompt: Vec<f64> = (0..b).flat_map(|row| tokens[row * t..][..start].to_vec()).collect();
                machine.write("tokens", &prompt);
                machine.step();
                caches.push(transformer::caches(&LM).iter().map(|name| machine.read(name)).collect());
            }
        }
        let program = transformer::decode(&LM, b);
        for (i, (by, rtol, mut machine)) in Machine::all(&program).into_iter().enumerate() {
            transformer::specs(&LM).iter().for_each(|s| machine.write(&s.name, &golden.get(&s.name)));
            for (slot, name) in transformer::caches(&LM).iter().enumerate() {
                let garbage = || normal(slot as u64, program.shape_of(name).unwrap().iter().product());
                machine.write(name, &caches.get(i).map_or_else(garbage, |c| c[slot].clone()));
            }
            for position in start..t {
                machine.write("tokens", &column(position));
                machine.write("position", &[position as f64]);
                machine.step();
                let expected: Vec<f64> =
                    (0..b).flat_map(|row| logits[(row * t + position) * v..][..v].to_vec()).collect();
                judge(&format!("{by}, from {start}, position {position}"), &machine.read("logits"), &expected, rtol);
            }
        }
    }
}

/// PyTorch's `LinearLR(start_factor = 1 / 4, total_iters = 3)` and `CosineAnnealingLR(T_max = 4, eta_min = 0.1)` of 1.
#[test]
fn schedules_are_pytorchs() {
    let close = |got: &[f64], expected: &[f64]| assert_close("rates", got, expected, Tolerance::new(1e-15, 1e-15));
    close(&[1, 2, 3, 4, 5].map(|t| schedule::warm_up(t, 4)), &[0.25, 0.5, 0.75, 1.0, 1.0]);
    let half = 0.45 * 0.5f64.sqrt();
    let fall = [0.0, 0.25, 0.5, 0.75, 1.0, 2.0].map(|done| schedule::cosine(1.0, 0.1, done));
    close(&fall, &[1.0, 0.55 + half, 0.55, 0.55 - half, 0.1, 0.1]);
    close(&[0.0, 0.5, 1.0, 2.0].map(|done| schedule::linear(1e-3, 1e-5, done)), &[1e-3, 5.05e-4, 1e-5, 1e-5]);
}
