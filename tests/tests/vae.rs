//! The VAE and its trainer against the same model on candle's tape and against a file that PyTorch made: outputs, the
//! bound, every gradient, and the bounds of training steps.

use candle_core::Result;
use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::reference::Reference;
use conformance::run::{self, ADAM, normal, stage, uniform};
use conformance::tape::{self, tensor};
use engine::{Engine, Loaded};
use graph::{Graph, Program, Run};
use models::Weights;
use models::params::{Params, Spec};
use models::vae::{self, Config, D, Pixels};
use std::collections::BTreeMap;

const CONFIG: Config = Config::binary(4, 16, 8);
/// Learning rate of the training steps.
const RATE: f64 = 3e-3;
/// Images in a batch.
const B: usize = 3;
/// Of the CPU engine, in f32, relative to the largest gradient of the tensor.
const F32: f64 = 1e-5;
/// Of the reference, in f64: the constants of a graph are f32.
const F64: f64 = 1e-7;

/// One batch: parameters, images and noise.
struct Case {
    k: usize,
    specs: Vec<Spec>,
    weights: Weights,
    x: Vec<f64>,
    eps: Vec<f64>,
}

impl Case {
    fn new(k: usize) -> Case {
        let specs = vae::specs(&CONFIG);
        let mut weights = Weights::init(&specs, 5);
        // Biases start at 0, where a wrong sign of theirs would not be seen.
        for (i, spec) in specs.iter().enumerate().filter(|(_, s)| s.shape.len() == 1) {
            let values = normal(100 + i as u64, spec.len()).iter().map(|v| 0.1 * v).collect::<Vec<_>>();
            weights.insert(&spec.name, &spec.shape, narrow(&values));
        }
        let x = uniform(6, B * D, 0.0, 1.0).iter().map(|u| f64::from(u8::from(*u < 0.3))).collect();
        Case { k, specs, weights, x, eps: normal(7, B * k * CONFIG.latents) }
    }

    /// The batch in PyTorch's file, with K = 2 samples of each image where `k` is not 1.
    fn golden(file: &Weights, k: usize) -> Case {
        let specs = vae::specs(&CONFIG);
        let mut weights = Weights::default();
        for spec in &specs {
            weights.insert(&spec.name, &spec.shape, file.get(&spec.name).expect("a parameter").to_vec());
        }
        Case { k, specs, weights, x: golden(file, "x"), eps: golden(file, if k == 1 { "eps" } else { "eps_k" }) }
    }

    fn tape(&self) -> Result<tape::Vae> {
        tape::Vae::new(CONFIG, &self.specs, &self.weights)
    }

    fn tape_bound(&self, vae: &tape::Vae) -> Result<candle_core::Tensor> {
        vae.bound(&tensor(&self.x, &[B, D])?, &tensor(&self.eps, &[B * self.k, CONFIG.latents])?, self.k)
    }

    fn cpu(&self) -> Loaded {
        let mut loaded =
            pollster::block_on(Engine::cpu().load(&vae::trainer(&CONFIG, &stage(B, self.k), ADAM))).unwrap();
        self.write(|name, values| loaded.write(name, &narrow(values)).unwrap());
        loaded
    }

    fn reference(&self) -> Reference {
        let mut reference = Reference::new(&vae::trainer(&CONFIG, &stage(B, self.k), ADAM));
        self.write(|name, values| reference.write(name, values));
        reference
    }

    fn write(&self, mut write: impl FnMut(&str, &[f64])) {
        write("x", &self.x);
        write("eps", &self.eps);
        for (name, values) in self.weights.iter() {
            write(name, &widen(values));
            write(&format!("m.{name}"), &vec![0.0; values.len()]);
            write(&format!("v.{name}"), &vec![0.0; values.len()]);
        }
    }
}

fn golden(file: &Weights, name: &str) -> Vec<f64> {
    widen(file.get(name).unwrap_or_else(|| panic!("'{name}' is not in the golden file")))
}

/// After the first step from zero the first moment is (1 - beta1) times the gradient.
fn gradient_of(moment: &[f64]) -> Vec<f64> {
    let share = f64::from(1.0 - ADAM.beta1);
    moment.iter().map(|m| m / share).collect()
}

/// The bound is minus the loss.
fn minus(loss: &[f64]) -> Vec<f64> {
    loss.iter().map(|l| -l).collect()
}

fn bound_of(loaded: &Loaded) -> Vec<f64> {
    minus(&read(loaded, "loss"))
}

fn read(loaded: &Loaded, name: &str) -> Vec<f64> {
    widen(&pollster::block_on(loaded.read(name)).unwrap())
}

#[test]
fn the_bound_and_all_gradients_are_those_of_candles_tape() -> Result<()> {
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    for k in [1, 2] {
        let case = Case::new(k);
        let vae = case.tape()?;
        let bound = case.tape_bound(&vae)?;
        let gradients = vae.gradients(&bound)?;
        let bound = [bound.to_scalar::<f64>()?];
        let (mut cpu, mut reference) = (case.cpu(), case.reference());
        cpu.write("rates", &[0.0; 4]).unwrap();
        cpu.step().unwrap();
        reference.write("rates", &[0.0; 4]);
        reference.step();
        let mut judge = |what: &'static str, name: &str, got: &[f64], expected: &[f64], rtol: f64| {
            let tolerance = Tolerance::of_largest(rtol, expected);
            let error = assert_close(&format!("{what}, k = {k}, {name}"), got, expected, tolerance);
            let slot = worst.entry(what).or_default();
            *slot = slot.max(2.0 * rtol * error);
        };
        judge("reference", "bound", &minus(reference.read("loss")), &bound, F64);
        judge("cpu", "bound", &bound_of(&cpu), &bound, F32);
        assert_eq!(gradients.len(), case.specs.len());
        for (name, gradient) in &gradients {
            let (moment, gradient) = (format!("m.{name}"), tape::values(gradient)?);
            assert!(gradient.iter().any(|v| *v != 0.0), "{name} has no gradient");
            judge("reference", name, &gradient_of(reference.read(&moment)), &gradient, F64);
            judge("cpu", name, &gradient_of(&read(&cpu, &moment)), &gradient, F32);
        }
    }
    println!("worst relative errors: {worst:?}");
    Ok(())
}

/// Each step uses the same batch: the bounds rise, so that a wrong moment, a wrong correction or a wrong sign shows.
#[test]
fn training_steps_follow_candles_tape() -> Result<()> {
    for k in [1, 2] {
        let case = Case::new(k);
        let (vae, mut adam) = (case.tape()?, tape::Adam::new(RATE));
        let (mut cpu, mut reference) = (case.cpu(), case.reference());
        let (mut expected, mut on_cpu, mut in_f64) = (Vec::new(), Vec::new(), Vec::new());
        for t in 1..=5 {
            let bound = case.tape_bound(&vae)?;
            expected.push(bound.to_scalar::<f64>()?);
            adam.step(&vae, &vae.gradients(&bound)?)?;
            let rates = ADAM.rates(RATE, t);
            cpu.write("rates", &rates).unwrap();
            cpu.step().unwrap();
            on_cpu.extend(bound_of(&cpu));
            reference.write("rates", &rates.map(f64::from));
            reference.step();
            in_f64.extend(minus(reference.read("loss")));
        }
        assert!(expected[4] > expected[0] + 20.0, "the bound does not rise: {expected:?}");
        println!("k = {k}: {expected:?}");
        println!("cpu {:e}", assert_close("cpu", &on_cpu, &expected, Tolerance::new(0.0, F32)) * F32);
        println!("f64 {:e}", assert_close("reference", &in_f64, &expected, Tolerance::new(0.0, F64)) * F64);
    }
    Ok(())
}

/// The file was made by `golden/vae.py`, which states what is in it.
fn golden_file() -> Weights {
    Weights::parse_any(include_bytes!("../golden/vae.safetensors")).unwrap()
}

#[test]
fn outputs_are_those_of_pytorch() {
    let file = golden_file();
    let (g, c) = (Graph::new(), CONFIG);
    let (p, x) = (Params::new(&g), g.input("x", &[B, D]));
    let (eps, eps_k) = (g.input("eps", &[B, c.latents]), g.input("eps_k", &[2 * B, c.latents]));
    let (mu, logvar) = vae::encode(&p, &c, x, None);
    let Pixels::Bernoulli { logits } = vae::decode(&p, &c, mu + (logvar * 0.5).exp() * eps, None) else {
        panic!("black and white pixels")
    };
    let elbo = vae::elbo(&p, &c, x, None, eps);
    let log_w = vae::log_weight(&p, &c, x, None, (mu, logvar), eps_k).total();
    let outputs = [("logits", logits), ("recon", elbo.recon), ("kl", elbo.kl), ("log_w", log_w)];
    let program = Program::new(&outputs, &[]);
    let inputs: Vec<(String, Vec<f64>)> =
        program.inputs.iter().map(|(name, _)| (name.clone(), golden(&file, name))).collect();
    let inputs: Vec<(&str, &[f64])> = inputs.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    for ((name, _), got) in outputs.iter().zip(run::cpu(&program, &inputs)) {
        let expected = golden(&file, name);
        let error = assert_close(name, &got, &expected, Tolerance::of_largest(F32, &expected));
        println!("{name}: {:e} of the largest", error * 2.0 * F32);
    }
}

#[test]
fn gradients_are_those_of_pytorch() {
    let file = golden_file();
    let case = Case::golden(&file, 1);
    let mut cpu = case.cpu();
    cpu.write("rates", &[0.0; 4]).unwrap();
    cpu.step().unwrap();
    let mut worst = 0.0f64;
    for spec in &case.specs {
        let expected = golden(&file, &format!("grad.{}", spec.name));
        let got = gradient_of(&read(&cpu, &format!("m.{}", spec.name)));
        worst = worst.max(assert_close(&spec.name, &got, &expected, Tolerance::of_largest(F32, &expected)));
    }
    println!("gradients: {:e} of the largest", worst * 2.0 * F32);
}

#[test]
fn ten_training_steps_are_those_of_pytorch() {
    let file = golden_file();
    for (k, name) in [(1, "bounds"), (2, "bounds_k")] {
        let mut cpu = Case::golden(&file, k).cpu();
        let bounds: Vec<f64> = (1..=10)
            .flat_map(|t| {
                cpu.write("rates", &ADAM.rates(RATE, t)).unwrap();
                cpu.step().unwrap();
                bound_of(&cpu)
            })
            .collect();
        let error = assert_close(name, &bounds, &golden(&file, name), Tolerance::new(0.0, F32));
        println!("{name}: {:e}, {bounds:?}", error * F32);
    }
}
