//! The VAE's trainer against the same model on candle's tape: the bound, every gradient, and the bounds of training steps.

use candle_core::Result;
use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::reference::Reference;
use conformance::run::{normal, uniform};
use conformance::tape::{self, tensor};
use engine::{Engine, Loaded};
use graph::Run;
use models::Weights;
use models::nn::Adam;
use models::params::Spec;
use models::vae::{self, Config, D};
use std::collections::BTreeMap;

const CONFIG: Config = Config { latents: 4, hidden: 16, channels: 8 };
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

    fn tape(&self) -> Result<tape::Vae> {
        tape::Vae::new(CONFIG, &self.specs, &self.weights)
    }

    fn tape_bound(&self, vae: &tape::Vae) -> Result<candle_core::Tensor> {
        vae.bound(&tensor(&self.x, &[B, D])?, &tensor(&self.eps, &[B * self.k, CONFIG.latents])?, self.k)
    }

    fn cpu(&self) -> Loaded {
        let mut loaded = pollster::block_on(Engine::cpu().load(&vae::trainer(&CONFIG, B, self.k))).unwrap();
        self.write(|name, values| loaded.write(name, &narrow(values)).unwrap());
        loaded
    }

    fn reference(&self) -> Reference {
        let mut reference = Reference::new(&vae::trainer(&CONFIG, B, self.k));
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

/// After the first step from zero the first moment is (1 - beta1) times the gradient.
fn gradient_of(moment: &[f64]) -> Vec<f64> {
    let scale = 1.0 - f64::from(1.0 - Adam::default().beta1);
    moment.iter().map(|m| m / (1.0 - scale)).collect()
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
        cpu.write("rate", &[0.0]).unwrap();
        cpu.step().unwrap();
        reference.write("rate", &[0.0]);
        reference.step();
        let mut judge = |what: &'static str, name: &str, got: &[f64], expected: &[f64], rtol: f64| {
            let tolerance = Tolerance::of_largest(rtol, expected);
            let error = assert_close(&format!("{what}, k = {k}, {name}"), got, expected, tolerance);
            let slot = worst.entry(what).or_default();
            *slot = slot.max(2.0 * rtol * error);
        };
        judge("reference", "bound", reference.read("bound"), &bound, F64);
        judge("cpu", "bound", &read(&cpu, "bound"), &bound, F32);
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
    const RATE: f64 = 3e-3;
    for k in [1, 2] {
        let case = Case::new(k);
        let (vae, mut adam) = (case.tape()?, tape::Adam::new(RATE));
        let (mut cpu, mut reference) = (case.cpu(), case.reference());
        let (mut expected, mut on_cpu, mut in_f64) = (Vec::new(), Vec::new(), Vec::new());
        for t in 1..=5 {
            let bound = case.tape_bound(&vae)?;
            expected.push(bound.to_scalar::<f64>()?);
            adam.step(&vae, &vae.gradients(&bound)?)?;
            let rate = Adam::default().rate(RATE, t);
            cpu.write("rate", &[rate]).unwrap();
            cpu.step().unwrap();
            on_cpu.extend(read(&cpu, "bound"));
            reference.write("rate", &[f64::from(rate)]);
            reference.step();
            in_f64.extend(reference.read("bound"));
        }
        assert!(expected[4] > expected[0] + 20.0, "the bound does not rise: {expected:?}");
        println!("k = {k}: {expected:?}");
        println!("cpu {:e}", assert_close("cpu", &on_cpu, &expected, Tolerance::new(0.0, F32)) * F32);
        println!("f64 {:e}", assert_close("reference", &in_f64, &expected, Tolerance::new(0.0, F64)) * F64);
    }
    Ok(())
}
