//! Which engine a model runs on, and the self-test that an engine must pass first.
//!
//! A GPU driver can be wrong in silence. So a model carries golden inputs with the CPU engine's outputs, and an engine
//! that does not reproduce them is not used.

use crate::failure::Failure;
use crate::model::{Host, OpenModel};
use crate::protocol::{BackendChoice, BackendInfo, BackendName, Event, Phase, Progress};
use crate::session::Session;
use crate::sink::Sink;
use engine::{Engine, Gpu, gpu};
use models::{Weights, golden};
use std::rc::Rc;

/// |a - b| <= ATOL + RTOL max(|a|, |b|) is the agreement that is asked for. Sums over 1,500 products in another order
/// differ by some 1e-5; log weights are sums over 784 pixels and around 100 in size.
const ATOL: f32 = 1e-4;
const RTOL: f32 = 1e-3;

impl Session {
    /// Chooses an engine for a model, moves it there, and checks it.
    pub(crate) async fn place(
        &mut self,
        model: &mut OpenModel,
        choice: BackendChoice,
        sink: &impl Sink,
    ) -> Result<(), Failure> {
        let progress = Progress::of(Phase::SelfTest, 0, 1, 0.0);
        sink.emit(Event::Progress { progress }, Vec::new());
        let why_cpu = match choice {
            BackendChoice::Cpu => "You asked for the CPU.".to_string(),
            BackendChoice::Auto | BackendChoice::Webgpu => match self.place_on_gpu(model, sink).await {
                Ok(()) => return Ok(()),
                Err(why) if choice == BackendChoice::Webgpu => format!("WebGPU was asked for. {why}"),
                Err(why) => why,
            },
        };
        if !sink.tick().await {
            return Err(Failure::stopped());
        }
        let backend = BackendInfo { name: BackendName::Cpu, verified: true, reason: why_cpu };
        model.move_to(Rc::new(Engine::cpu()), backend);
        let wrong = self_test(model, &model.golden, sink).await?;
        match wrong {
            Some(wrong) if !model.own => {
                Err(Failure::new("engine-failed", format!("The CPU engine computes this model wrongly here: {wrong}.")))
            }
            _ => Ok(()),
        }
    }

    /// Err: why not, as a sentence.
    async fn place_on_gpu(&mut self, model: &mut OpenModel, sink: &impl Sink) -> Result<(), String> {
        let gpu = self.open_gpu().await?;
        let expected =
            if model.own { golden_by_cpu(model, sink).await.map_err(|f| f.message)? } else { model.golden.clone() };
        let again = if self.losses > 0 { "The GPU was lost once and taken again. " } else { "" };
        let reason = format!("{again}Its numbers agree with the CPU engine’s on this model’s test vectors.");
        model.move_to(gpu, BackendInfo { name: BackendName::Webgpu, verified: true, reason });
        match self_test(model, &expected, sink).await {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) => Err(format!("This GPU computes the model wrongly ({wrong}), so the CPU does it.")),
            Err(failure) => {
                self.gpu = None;
                Err(failure.message)
            }
        }
    }

    /// The device that all models share.
    pub(crate) async fn open_gpu(&mut self) -> Result<Rc<Engine>, String> {
        if let Some(why) = &self.given_up {
            return Err(why.clone());
        }
        if let Some(gpu) = &self.gpu {
            return Ok(gpu.clone());
        }
        let opened = Gpu::open(gpu::Options::default()).await.map_err(|e| Failure::from(e).message)?;
        let gpu = Rc::new(Engine::Gpu(opened));
        self.gpu = Some(gpu.clone());
        Ok(gpu)
    }
}

/// A golden vector by the CPU engine here: for weights that came without.
async fn golden_by_cpu(model: &mut OpenModel, sink: &impl Sink) -> Result<Weights, Failure> {
    let backend = BackendInfo { name: BackendName::Cpu, verified: true, reason: String::new() };
    model.move_to(Rc::new(Engine::cpu()), backend);
    Ok(golden::compute(&model.card.network, &Host { model, sink }).await?)
}

/// None: the engine agrees with `expected`. Some: where it does not.
async fn self_test(model: &OpenModel, expected: &Weights, sink: &impl Sink) -> Result<Option<String>, Failure> {
    for (name, program) in model.card.network.programs() {
        let mut run = model.load(&program, sink).await?;
        for (output, values) in golden::outputs(name, &mut run, &model.golden).await? {
            if let Some(wrong) = disagreement(&values, expected.get(&output).unwrap_or_default()) {
                return Ok(Some(format!("{output}: {wrong}")));
            }
        }
    }
    Ok(None)
}

/// The first difference that is too large. A NaN is one: the comparison is written so that it fails.
fn disagreement(got: &[f32], expected: &[f32]) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("{} values instead of {}", got.len(), expected.len()));
    }
    let agrees = |a: f32, b: f32| (a - b).abs() <= ATOL + RTOL * a.abs().max(b.abs());
    let (a, b) = got.iter().zip(expected).find(|&(&a, &b)| !agrees(a, b))?;
    Some(format!("{a} instead of {b}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_a_missing_and_a_nan_value_are_disagreements() {
        assert_eq!(disagreement(&[1.0, -95.0], &[1.00001, -95.05]), None);
        assert!(disagreement(&[1.0], &[1.01]).is_some());
        assert!(disagreement(&[f32::NAN], &[1.0]).is_some());
        assert!(disagreement(&[], &[1.0]).is_some());
    }
}
