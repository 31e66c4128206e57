//! The benchmark's half in the browser: a workload for every contestant, and our engines as two of them.

use crate::workload::{self, Workload};
use engine::gpu::Options;
use engine::{Engine, Gpu, Loaded};
use graph::Run;
use models::Weights;
use std::fmt::Display;
use std::hint::black_box;
use wasm_bindgen::prelude::*;

/// A panic's text appears in the console.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

fn thrown(error: impl Display) -> JsError {
    JsError::new(&error.to_string())
}

/// Ids of all workloads.
#[wasm_bindgen]
pub fn workloads() -> Vec<String> {
    workload::ids().map(String::from).collect()
}

/// Multiply-adds on vectors in registers: `rounds` times 12 of 4 lanes, so 96 floating point operations a round.
#[wasm_bindgen]
pub fn multiply_adds(rounds: u32) -> f32 {
    use std::arch::wasm32::{f32x4, f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat};
    // The compiler must not know the numbers, or it computes the result itself.
    let (factor, term) = (f32x4_splat(black_box(0.999)), f32x4_splat(black_box(1e-3)));
    let mut sums: [_; 12] = std::array::from_fn(|i| f32x4(i as f32, 1.0, 2.0, 3.0));
    for _ in 0..rounds {
        sums.iter_mut().for_each(|sum| *sum = f32x4_add(f32x4_mul(*sum, factor), term));
    }
    let all = sums.into_iter().reduce(|a, b| f32x4_add(a, b)).unwrap_or(term);
    f32x4_extract_lane::<0>(all) + f32x4_extract_lane::<3>(all)
}

/// A workload with its values, the same for every contestant.
#[wasm_bindgen]
pub struct Case {
    workload: Workload,
}

#[wasm_bindgen]
impl Case {
    /// The workload of that id.
    #[wasm_bindgen(constructor)]
    pub fn new(id: &str) -> Result<Case, JsError> {
        workload::open(id).map(|workload| Case { workload }).ok_or_else(|| thrown(format!("there is no workload {id}")))
    }

    /// Its name without the size.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.workload.name.into()
    }

    /// Its size, if there are several.
    #[wasm_bindgen(getter)]
    pub fn size(&self) -> Option<u32> {
        self.workload.size.map(|n| n as u32)
    }

    /// Multiplications and additions.
    #[wasm_bindgen(getter)]
    pub fn flops(&self) -> f64 {
        self.workload.flops() as f64
    }

    /// The output to compare.
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> String {
        self.workload.output.into()
    }

    /// Names of inputs that are no weights: data and states.
    pub fn inputs(&self) -> Vec<String> {
        self.workload.data().map(String::from).chain(self.states()).collect()
    }

    /// Names of states: output `<name>.next` is the next value of input `<name>`.
    pub fn states(&self) -> Vec<String> {
        self.tensors().into_iter().filter(|name| self.workload.is_state(name)).collect()
    }

    /// Names of all inputs and weights.
    pub fn tensors(&self) -> Vec<String> {
        self.workload.program.inputs.iter().map(|i| i.0.clone()).collect()
    }

    /// Shape of an input or weight.
    pub fn shape(&self, name: &str) -> Vec<u32> {
        self.workload.program.shape_of(name).unwrap_or_default().iter().map(|&n| n as u32).collect()
    }

    /// Values of an input or weight.
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.workload.values(name)
    }

    /// The network with its weights as an ONNX file.
    pub fn onnx(&self) -> Result<Vec<u8>, JsError> {
        self.workload.onnx().map_err(thrown)
    }

    /// The network on an engine of ours, `cpu` or `webgpu`. `weights` is a safetensors file; without it they are made.
    pub async fn load(&self, engine: &str, weights: Option<Vec<u8>>) -> Result<Runner, JsError> {
        let engine = match engine {
            "cpu" => Engine::cpu(),
            _ => Engine::Gpu(Gpu::open(Options::default()).await.map_err(thrown)?),
        };
        let mut loaded = engine.load(&self.workload.program).await.map_err(thrown)?;
        let given = weights.map(|bytes| Weights::parse_any(&bytes)).transpose().map_err(thrown)?;
        for name in self.tensors() {
            match given.as_ref().and_then(|file| file.get(&name)) {
                Some(values) => loaded.write(&name, values),
                None => loaded.write(&name, &self.values(&name)),
            }
            .map_err(thrown)?;
        }
        let data = self.workload.data().map(|name| (name, self.values(name))).collect();
        Ok(Runner { loaded, data, output: self.workload.output })
    }
}

/// A loaded workload.
#[wasm_bindgen]
pub struct Runner {
    loaded: Loaded,
    data: Vec<(&'static str, Vec<f32>)>,
    output: &'static str,
}

#[wasm_bindgen]
impl Runner {
    /// One inference: data in, answer out.
    pub async fn run(&mut self) -> Result<Vec<f32>, JsError> {
        for (name, values) in &self.data {
            self.loaded.write(name, values).map_err(thrown)?;
        }
        self.loaded.step().map_err(thrown)?;
        self.loaded.read(self.output).await.map_err(thrown)
    }

    /// Dispatches of a step, on a GPU.
    #[wasm_bindgen(getter)]
    pub fn dispatches(&self) -> Option<u32> {
        match &self.loaded {
            Loaded::Cpu(_) => None,
            Loaded::Gpu(loaded) => Some(loaded.plan().dispatches() as u32),
        }
    }

    /// Bytes of all buffers, on a GPU.
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> Option<f64> {
        match &self.loaded {
            Loaded::Cpu(_) => None,
            Loaded::Gpu(loaded) => Some(loaded.plan().memory().total() as f64),
        }
    }
}
