//! What the worker does: opens models, samples, answers, and survives the loss of the GPU.
//!
//! Noise is an input of every Program and depends on the seed alone, so a job that loses its device starts again on
//! another engine and ends with the same pictures and numbers (to rounding).

use crate::failure::Failure;
use crate::lab::Lab;
use crate::model::{Files, OpenModel};
use crate::protocol::{BackendChoice, BackendInfo, Budget, Command, Event, Given, Reply, Scored};
use crate::sink::{Array, Arrays, Sink};
use crate::{ask, draw, fuse};
use data::image::Prepared;
use draw::{Encoded, Job};
use engine::Engine;
use graph::Program;
use likelihood::query::Method;
use models::Settings;
use models::control::Value;
use models::registry::ImageCard;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// At most so many pictures in one command.
const MAX_SAMPLES: u32 = 4096;

/// Pixels of a picture as they came.
pub struct Image {
    /// Four bytes a pixel.
    pub rgba: Vec<u8>,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

/// What travels beside a command.
pub enum Input {
    /// Nothing.
    Nothing,
    /// With `Open`.
    Files(Files),
    /// With `Sample`, `Encode`, `LogProb`, `Posterior` and `Prepare`: pictures and lists of numbers, by the names of controls.
    Beside(Beside),
    /// With `Train`.
    Lesson(Lesson),
}

/// What a model learns from.
pub struct Lesson {
    /// Images of the model's size, (C, S, S) bytes each.
    pub images: Vec<u8>,
    /// Where a run that was begun before stands, a safetensors file.
    pub states: Option<Vec<u8>>,
}

/// Pictures and lists of numbers by the names of controls.
pub type Beside = BTreeMap<String, Item>;

/// A picture as it came, or a list of numbers.
pub enum Item {
    /// A picture of any size.
    Picture(Image),
    /// A latent or a mask.
    Values(Vec<f32>),
}

/// The state of the worker.
#[derive(Default)]
pub struct Session {
    models: Vec<Option<OpenModel>>,
    /// The device all models share.
    pub(crate) gpu: Option<Rc<Engine>>,
    /// Why there will be no GPU any more: it was taken again once, and that is enough.
    pub(crate) given_up: Option<String>,
    pub(crate) losses: u32,
    pub(crate) lab: Lab,
}

pub(crate) type Answer = (Reply, Arrays);

impl Session {
    /// Runs a command; the last event is `Done` or `Error`.
    pub async fn run(&mut self, command: Command, input: Input, sink: &impl Sink) {
        match self.answer(command, input, sink).await {
            Ok((reply, arrays)) => sink.emit(Event::Done { reply }, arrays),
            Err(failure) => sink.emit(failure.into_event(), Vec::new()),
        }
    }

    async fn answer(&mut self, command: Command, input: Input, sink: &impl Sink) -> Result<Answer, Failure> {
        match (command, input) {
            (Command::Open { backend, .. }, Input::Files(files)) => self.open(backend, files, sink).await,
            (Command::Sample { model, n, first, count, seed, settings }, input) => {
                let here = first..first.saturating_add(count);
                self.sample(model, n, here, seed, (settings, input.beside()), sink).await
            }
            (Command::Encode { model, seed, settings }, Input::Beside(beside)) => {
                self.encode(model, seed, (settings, beside), sink).await
            }
            (Command::LogProb { model, estimator, budget, precision, seed, settings }, Input::Beside(beside)) => {
                self.log_prob(model, ((estimator, budget), precision), seed, (settings, beside), sink).await
            }
            (Command::Posterior { model, label, estimator, budget, seed, settings }, Input::Beside(beside)) => {
                let given = (settings, beside);
                self.posterior(model, label.as_deref(), (estimator, budget), seed, given, sink).await
            }
            (Command::Prepare { model }, Input::Beside(beside)) => self.prepare(model, beside),
            (Command::Train { model, course }, Input::Lesson(lesson)) => self.train(model, course, &lesson, sink).await,
            (Command::Export { model }, _) => self.export(model),
            (Command::Close { model }, _) => {
                if let Some(slot) = self.models.get_mut(model as usize) {
                    *slot = None;
                }
                Ok((Reply::Closed, Vec::new()))
            }
            (Command::Lab { command }, input) => self.lab(command, input.beside(), sink).await,
            (Command::Panic { after }, _) => {
                fuse::arm(after);
                Ok((Reply::Armed, Vec::new()))
            }
            (
                Command::Open { .. }
                | Command::Encode { .. }
                | Command::LogProb { .. }
                | Command::Posterior { .. }
                | Command::Prepare { .. }
                | Command::Train { .. },
                _,
            ) => Err(Failure::new("bad-request", "The command came without its files or pictures.")),
        }
    }

    async fn open(&mut self, choice: BackendChoice, files: Files, sink: &impl Sink) -> Result<Answer, Failure> {
        let card = files.card.clone();
        if let Some(why) = &files.no_webgpu {
            self.given_up = Some(why.clone());
        }
        let mut model = OpenModel::read(files)?;
        self.place(&mut model, choice, sink).await?;
        let (backend, estimators) = (model.backend.clone(), Method::of(&model.card.network).to_vec());
        let free = self.models.iter().position(Option::is_none);
        let handle = free.unwrap_or(self.models.len());
        match self.models.get_mut(handle) {
            Some(slot) => *slot = Some(model),
            None => self.models.push(Some(model)),
        }
        Ok((Reply::Opened { model: handle as u32, card, estimators, backend }, Vec::new()))
    }

    async fn sample(
        &mut self,
        handle: u32,
        n: u32,
        here: Range<u32>,
        seed: u64,
        (given, beside): (Given, Beside),
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        if !(1..=MAX_SAMPLES).contains(&n) {
            return Err(Failure::new(
                "bad-request",
                format!("From 1 to {MAX_SAMPLES} pictures can be drawn, not {n}."),
            ));
        }
        if here.is_empty() || here.end > n {
            return Err(Failure::new("bad-request", format!("Pictures {here:?} are none of {n}.")));
        }
        let job = async |model: &mut OpenModel| {
            let (settings, notices) = settle(model, &given, &beside)?;
            let job = Job { n: n as usize, first: here.start as usize, count: here.len(), seed, settings, notices };
            draw::draw(model, &job, sink).await
        };
        self.with_model(handle, sink, job).await?;
        Ok((Reply::Sampled, Vec::new()))
    }

    async fn encode(
        &mut self,
        handle: u32,
        seed: u64,
        (given, mut beside): (Given, Beside),
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        let picture = take_image(&mut beside)?;
        let job = async |model: &mut OpenModel| {
            let Prepared { levels, notices } =
                model.card.image.prepare(&picture.rgba, picture.width, picture.height)?;
            let (settings, _) = settle(model, &given, &beside)?;
            let values: Vec<f32> = levels.iter().map(|&v| f32::from(v) / 255.0).collect();
            Ok((draw::encode(model, &values, seed, &given, &settings, sink).await?, notices))
        };
        let (Encoded { latent, nearest, distance }, notices) = self.with_model(handle, sink, job).await?;
        let arrays = vec![("latent", Array::F32(latent)), ("nearest", Array::U8(nearest))];
        Ok((Reply::Encoded { distance, notices }, arrays))
    }

    async fn log_prob(
        &mut self,
        handle: u32,
        plan: ((Method, Budget), Option<f64>),
        seed: u64,
        (given, mut beside): (Given, Beside),
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        let picture = take_image(&mut beside)?;
        let job = async |model: &mut OpenModel| {
            let Prepared { levels, notices } =
                model.card.image.prepare(&picture.rgba, picture.width, picture.height)?;
            let (settings, _) = settle(model, &given, &beside)?;
            let asked = ask::log_prob(model, &levels, plan, seed, &settings, sink).await?;
            let ImageCard { channels, size, .. } = model.card.image;
            let (channels, size) = (channels as u32, size as u32);
            Ok((asked, levels, Scored { width: size, height: size, channels, notices, seed }))
        };
        let (mut asked, levels, scored) = self.with_model(handle, sink, job).await?;
        let (channels, pixels) = (scored.channels as usize, (scored.width * scored.height) as usize);
        let arrays = vec![
            ("terms", Array::F32(std::mem::take(&mut asked.estimate.terms))),
            ("levels", Array::U8(draw::channels_last(&levels, channels, pixels))),
            ("pixels", Array::U8(draw::channels_last(&asked.scored, channels, pixels))),
        ];
        Ok((Reply::Estimate { estimate: Box::new(asked.estimate), scored }, arrays))
    }

    async fn posterior(
        &mut self,
        handle: u32,
        label: Option<&str>,
        plan: (Method, Budget),
        seed: u64,
        (given, mut beside): (Given, Beside),
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        let picture = take_image(&mut beside)?;
        let job = async |model: &mut OpenModel| {
            let Prepared { levels, notices } =
                model.card.image.prepare(&picture.rgba, picture.width, picture.height)?;
            let (settings, _) = settle(model, &given, &beside)?;
            let posterior = ask::posterior(model, &levels, label, plan, seed, &settings, sink).await?;
            Ok(Reply::Posterior { posterior, notices })
        };
        Ok((self.with_model(handle, sink, job).await?, Vec::new()))
    }

    fn prepare(&self, handle: u32, mut beside: Beside) -> Result<Answer, Failure> {
        let Image { rgba, width, height } = take_image(&mut beside)?;
        let Prepared { levels, notices } = self.model(handle)?.card.image.prepare(&rgba, width, height)?;
        Ok((Reply::Prepared { notices }, vec![("levels", Array::U8(levels))]))
    }

    /// Writes the Programs of a model as ONNX.
    fn export(&self, handle: u32) -> Result<Answer, Failure> {
        let model = self.model(handle)?;
        let file = |(name, program): (&'static str, Program)| {
            let bytes = onnx::export(&program, &format!("{}-{name}", model.card.id), |name| model.weights.get(name))?;
            Ok((name, Array::U8(bytes)))
        };
        Ok((Reply::Exported, model.card.network.programs().into_iter().map(file).collect::<Result<_, Failure>>()?))
    }

    /// Moves a model off a device that failed: to a new device the first time one is lost, else to the CPU.
    async fn leave_gpu(&mut self, model: &mut OpenModel, why: Failure, sink: &impl Sink) -> Result<(), Failure> {
        self.gpu = None;
        self.losses += 1;
        if why.code != "device-lost" || self.losses > 1 {
            self.given_up = Some(why.message);
        }
        self.place(model, BackendChoice::Auto, sink).await?;
        let backend =
            BackendInfo { reason: format!("{} The job went on here.", model.backend.reason), ..model.backend.clone() };
        model.backend = backend.clone();
        sink.emit(Event::Backend { backend }, Vec::new());
        Ok(())
    }

    /// Runs a job on an open model, and again on the next engine if the GPU fails it.
    pub(crate) async fn with_model<T>(
        &mut self,
        handle: u32,
        sink: &impl Sink,
        mut job: impl AsyncFnMut(&mut OpenModel) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut model = self.take(handle)?;
        let result = loop {
            match job(&mut model).await {
                Err(failure) if failure.blames_gpu && model.on_gpu() => {
                    if let Err(failure) = self.leave_gpu(&mut model, failure, sink).await {
                        break Err(failure);
                    }
                }
                result => break result,
            }
        };
        self.put_back(handle, model);
        result
    }

    fn model(&self, handle: u32) -> Result<&OpenModel, Failure> {
        self.models.get(handle as usize).and_then(Option::as_ref).ok_or_else(closed)
    }

    fn take(&mut self, handle: u32) -> Result<OpenModel, Failure> {
        self.models.get_mut(handle as usize).and_then(Option::take).ok_or_else(closed)
    }

    fn put_back(&mut self, handle: u32, model: OpenModel) {
        if let Some(slot) = self.models.get_mut(handle as usize) {
            *slot = Some(model);
        }
    }
}

fn closed() -> Failure {
    Failure::new("bad-request", "This model was closed.")
}

impl Input {
    fn beside(self) -> Beside {
        match self {
            Input::Beside(beside) => beside,
            _ => Beside::new(),
        }
    }
}

/// The picture that a question is about.
fn take_image(beside: &mut Beside) -> Result<Image, Failure> {
    match beside.remove("image") {
        Some(Item::Picture(image)) => Ok(image),
        _ => Err(Failure::new("bad-request", "The command came without its files or pictures.")),
    }
}

/// Checked values of a model's controls, and what was done to pictures among them.
fn settle(model: &OpenModel, given: &Given, beside: &Beside) -> Result<(Settings, Vec<String>), Failure> {
    let (mut all, mut notices) = (given.clone(), Vec::new());
    for (name, item) in beside {
        let values = match item {
            Item::Values(values) => values.clone(),
            Item::Picture(image) => {
                let prepared = model.card.image.prepare(&image.rgba, image.width, image.height)?;
                notices.extend(prepared.notices);
                prepared.levels.iter().map(|&v| f32::from(v) / 255.0).collect()
            }
        };
        all.insert(name.clone(), Value::Array(values));
    }
    Ok((model.settings(all)?, notices))
}
