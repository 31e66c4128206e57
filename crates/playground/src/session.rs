//! What the worker does: opens models, samples, answers, and survives the loss of the GPU.
//!
//! Noise is an input of every Program and depends on the seed alone, so a job that loses its device starts again on
//! another engine and ends with the same pictures and numbers (to rounding).

use crate::failure::Failure;
use crate::model::{Files, OpenModel};
use crate::protocol::{BackendChoice, BackendInfo, Budget, Command, Event, Phase, Progress, Reply, SampleStep, Scored};
use crate::sink::{Array, Arrays, Sink, seconds_left};
use data::SIDE;
use data::rng::{Rng, stream};
use engine::Engine;
use likelihood::iwae;
use models::vae::D;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

/// At most so many pictures in one command.
const MAX_SAMPLES: u32 = 4096;

/// Pixels of a picture that is to be scored, as they came.
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
    /// With `LogProb`.
    Image(Image),
    /// With `Train`: images of the model's size, (C, S, S) bytes each.
    Images(Vec<u8>),
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
            (Command::Sample { model, n, first, count, seed }, _) => {
                self.sample(model, n, first..first.saturating_add(count), seed, sink).await
            }
            (Command::LogProb { model, budget, seed }, Input::Image(image)) => {
                self.log_prob(model, image, budget, seed, sink).await
            }
            (Command::Train { model, course }, Input::Images(images)) => self.train(model, course, &images, sink).await,
            (Command::Close { model }, _) => {
                if let Some(slot) = self.models.get_mut(model as usize) {
                    *slot = None;
                }
                Ok((Reply::Closed, Vec::new()))
            }
            (Command::Panic, _) => panic(),
            (Command::Open { .. } | Command::LogProb { .. } | Command::Train { .. }, _) => {
                Err(Failure::new("bad-request", "The command came without its files or pictures."))
            }
        }
    }

    async fn open(&mut self, choice: BackendChoice, files: Files, sink: &impl Sink) -> Result<Answer, Failure> {
        let card = files.card.clone();
        if let Some(why) = &files.no_webgpu {
            self.given_up = Some(why.clone());
        }
        let mut model = OpenModel::read(files)?;
        self.place(&mut model, choice, sink).await?;
        let backend = model.backend.clone();
        let free = self.models.iter().position(Option::is_none);
        let handle = free.unwrap_or(self.models.len());
        match self.models.get_mut(handle) {
            Some(slot) => *slot = Some(model),
            None => self.models.push(Some(model)),
        }
        Ok((Reply::Opened { model: handle as u32, card, backend }, Vec::new()))
    }

    async fn sample(
        &mut self,
        handle: u32,
        n: u32,
        here: Range<u32>,
        seed: u64,
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
        let (first, count) = (here.start as usize, here.len());
        self.with_model(handle, sink, async |model| draw(model, first, count, seed, sink).await).await?;
        Ok((Reply::Sampled, Vec::new()))
    }

    async fn log_prob(
        &mut self,
        handle: u32,
        image: Image,
        budget: Budget,
        seed: u64,
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        let prepared = data::image::prepare(&image.rgba, image.width, image.height)?;
        let x = data::binarise(&prepared.grey, seed, 0);
        let job = async |model: &mut OpenModel| {
            let estimate = weigh(model, &x, budget, seed, sink).await?;
            // The card's scores are those of its own weights.
            Ok(match &model.card.reference {
                Some(reference) if !model.own => estimate.placed_in(reference),
                _ => estimate,
            })
        };
        let mut estimate = self.with_model(handle, sink, job).await?;
        let scored = Scored { width: SIDE as u32, height: SIDE as u32, notices: prepared.notices, seed };
        let arrays = vec![
            ("terms", Array::F32(std::mem::take(&mut estimate.terms))),
            ("grey", Array::U8(prepared.grey)),
            ("pixels", Array::U8(x.iter().map(|v| if *v > 0.5 { 255 } else { 0 }).collect())),
        ];
        Ok((Reply::Estimate { estimate: Box::new(estimate), scored }, arrays))
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

    fn take(&mut self, handle: u32) -> Result<OpenModel, Failure> {
        let slot = self.models.get_mut(handle as usize).and_then(Option::take);
        slot.ok_or_else(|| Failure::new("bad-request", "This model was closed."))
    }

    fn put_back(&mut self, handle: u32, model: OpenModel) {
        if let Some(slot) = self.models.get_mut(handle as usize) {
            *slot = Some(model);
        }
    }
}

/// Recovery can only be tried on a real panic.
#[expect(clippy::panic, reason = "it is what the command asks for")]
fn panic() -> Result<Answer, Failure> {
    panic!("a panic was asked for")
}

/// Draws pictures `first..first + n` of a seed, in as many steps as the engine likes.
async fn draw(model: &mut OpenModel, first: usize, n: usize, seed: u64, sink: &impl Sink) -> Result<(), Failure> {
    let started = sink.seconds();
    let latents = model.vae()?.latents;
    let mut means: Vec<f32> = Vec::with_capacity(n * D);
    let mut images: Vec<u8> = Vec::with_capacity(n * D);
    while images.len() < n * D {
        let done = images.len() / D;
        let (batch, sampler) = model.sampler(n, sink).await?;
        let mut z = vec![0f32; batch * latents];
        for (i, z) in z.chunks_exact_mut(latents).enumerate() {
            noise_of(seed, stream::SAMPLE, first + done + i, latents).fill_normal(z);
        }
        let new = OpenModel::step(sampler, &[("z", &z)], "mean").await?;
        let new = new.get(..batch.min(n - done) * D).unwrap_or(&new);
        if !new.iter().all(|p| p.is_finite()) {
            let failure = Failure::new("not-a-number", "The model drew pixels that are not numbers.");
            return Err(Failure { blames_gpu: true, ..failure });
        }
        for (i, mean) in new.chunks_exact(D).enumerate() {
            let mut u = vec![0f32; D];
            noise_of(seed, stream::PIXELS, first + done + i, D).fill_uniform(&mut u);
            images.extend(mean.iter().zip(u).map(|(&p, u)| if u < p { 255 } else { 0 }));
        }
        means.extend_from_slice(new);
        let done = images.len() / D;
        let step = SampleStep {
            phase: Phase::Sample,
            done: done as f64,
            total: n as f64,
            bytes: 0.0,
            seconds_left: seconds_left(started, sink.seconds(), done, n),
            width: SIDE as u32,
            height: SIDE as u32,
        };
        // The arrays always have room for all pictures: a step can be shown without knowing the others.
        let mut padded = (images.clone(), means.clone());
        padded.0.resize(n * D, 0);
        padded.1.resize(n * D, 0.0);
        sink.emit(Event::Sampled { step }, vec![("images", Array::U8(padded.0)), ("means", Array::F32(padded.1))]);
        if !sink.tick().await {
            return Err(Failure::stopped());
        }
    }
    Ok(())
}

/// The noise of picture `index`: always the same, whichever pictures are drawn with it.
fn noise_of(seed: u64, stream: u32, index: usize, values: usize) -> Rng {
    Rng::new(seed, stream).skip((index * values.div_ceil(4)) as u64)
}

async fn weigh(
    model: &mut OpenModel,
    x: &[f32],
    budget: Budget,
    seed: u64,
    sink: &impl Sink,
) -> Result<likelihood::Estimate, Failure> {
    let started = sink.seconds();
    let (encoder, weigher) = model.scorers(budget, sink).await?;
    let progress = async |p: iwae::Progress| {
        let progress = Progress {
            phase: Phase::LogProb,
            done: p.done as f64,
            total: p.total as f64,
            bytes: 0.0,
            seconds_left: seconds_left(started, sink.seconds(), p.done, p.total),
        };
        sink.emit(Event::Progress { progress }, Vec::new());
        if sink.tick().await { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let noise = Rng::new(seed, stream::ESTIMATE);
    Ok(iwae::log_prob(encoder, weigher, x, budget.samples(), noise, progress).await?)
}
