//! An open model: its card, its weights, and its Programs on one engine.

use crate::failure::Failure;
use crate::protocol::{BackendInfo, BackendName, Budget, Event, Given, Phase, Progress};
use crate::sink::{Sink, seconds_left};
use engine::{Engine, Loaded};
use graph::{Load, Program};
use likelihood::query::{Method, Query};
use models::registry::sha256;
use models::sampler::Sampler;
use models::{Card, Settings, Weights, trainer};
use std::rc::Rc;

/// The files of a model as they came.
pub struct Files {
    /// `card.json`.
    pub card: String,
    /// A safetensors file.
    pub weights: Vec<u8>,
    /// Inputs and outputs of the self-test, another safetensors file.
    pub golden: Vec<u8>,
    /// Whether `weights` are a person's own instead of the card's.
    pub own: bool,
    /// Why this browser has no WebGPU, where that is so.
    pub no_webgpu: Option<String>,
}

/// A model that can be asked.
pub(crate) struct OpenModel {
    pub(crate) card: Card,
    pub(crate) weights: Weights,
    pub(crate) golden: Weights,
    /// Whether the weights are those of the card, for which alone the golden outputs hold.
    pub(crate) own: bool,
    /// Parameters and moments, once the model was trained here.
    pub(crate) trained: Option<Weights>,
    pub(crate) engine: Rc<Engine>,
    pub(crate) backend: BackendInfo,
    pub(crate) loaded: Programs,
}

/// Programs that have been loaded: each when it is first needed.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) sampler: Option<(usize, Sampler<Loaded>)>,
    pub(crate) query: Option<((Method, Budget), Query<Loaded>)>,
}

impl OpenModel {
    /// Reads and verifies the files; nothing runs yet.
    pub(crate) fn read(files: Files) -> Result<OpenModel, Failure> {
        let card = Card::parse(&files.card)?;
        if !files.own {
            card.weights.verify(&files.weights)?;
        }
        card.golden.verify(&files.golden)?;
        if !card.labels.iter().map(|label| label.values.len()).eq(card.network.classes().iter().copied()) {
            return Err(Failure::new("bad-card", "The model's card names other labels than its network has."));
        }
        Ok(OpenModel {
            weights: Weights::parse(&files.weights, &card.network.specs())?,
            golden: Weights::parse_any(&files.golden)?,
            own: files.own && sha256(&files.weights) != card.weights.sha256,
            card,
            trained: None,
            engine: Rc::new(Engine::cpu()),
            backend: BackendInfo { name: BackendName::Cpu, verified: false, reason: String::new() },
            loaded: Programs::default(),
        })
    }

    pub(crate) fn on_gpu(&self) -> bool {
        matches!(*self.engine, Engine::Gpu(_))
    }

    /// Moves to an engine; the Programs are loaded again when they are needed.
    pub(crate) fn move_to(&mut self, engine: Rc<Engine>, backend: BackendInfo) {
        self.engine = engine;
        self.backend = backend;
        self.loaded = Programs::default();
    }

    /// Takes the parameters out of the states of a train step; Programs that are loaded have the old ones.
    pub(crate) fn keep(&mut self, states: &Weights) -> Result<(), Failure> {
        self.weights = trainer::shipped(states, &self.card.network.specs())?;
        self.trained = Some(states.clone());
        self.own = true;
        self.loaded = Programs::default();
        Ok(())
    }

    /// Takes the sampler for `n` pictures, and its batch size. On one CPU thread small batches come out sooner and leave the
    /// worker time to hear that it should stop, but a transformer reads all of its weights for every pixel, whatever the
    /// batch; a GPU wants everything at once.
    pub(crate) fn sampler(&mut self, n: usize) -> Result<(usize, Sampler<Loaded>), Failure> {
        let most = if self.on_gpu() || self.card.family == "transformer" { 16 } else { 4 };
        let batch = n.clamp(1, most);
        if let Some((_, sampler)) = self.loaded.sampler.take_if(|(b, _)| *b == batch) {
            return Ok((batch, sampler));
        }
        let sampler = Sampler::new(&self.card.network, batch);
        let none = || Failure::new("bad-request", format!("A {} draws no pictures.", self.card.family));
        Ok((batch, sampler.ok_or_else(none)?))
    }

    /// A Program on the model's engine, with the weights written.
    pub(crate) async fn load(&self, program: &Program, sink: &impl Sink) -> Result<Loaded, engine::Error> {
        let mut loaded = self.compile(program, sink).await?;
        self.weights.write_to(&mut loaded)?;
        Ok(loaded)
    }

    /// A Program on the model's engine, with nothing written: tells how many of its shaders are compiled.
    pub(crate) async fn compile(&self, program: &Program, sink: &impl Sink) -> Result<Loaded, engine::Error> {
        let started = sink.seconds();
        let mut tell = |done: usize, total: usize| {
            let seconds_left = seconds_left(started, sink.seconds(), done, total);
            let progress = Progress::of(Phase::Compile, done, total, seconds_left);
            sink.emit(Event::Progress { progress }, Vec::new());
        };
        self.engine.load_with(program, &mut tell).await
    }

    /// Checked values of the model's controls.
    pub(crate) fn settings(&self, given: Given) -> Result<Settings, Failure> {
        Ok(Settings::new(&self.card.controls, self.card.network.image(), given)?)
    }
}

/// A model's engine and weights, with somebody who is told what is compiled.
pub(crate) struct Host<'a, S> {
    pub(crate) model: &'a OpenModel,
    pub(crate) sink: &'a S,
}

impl<S: Sink> Load for Host<'_, S> {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, engine::Error> {
        self.model.load(program, self.sink).await
    }
}
