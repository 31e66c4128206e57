//! Training in the worker: the trainer of `models` on whatever engine the model is on.

use crate::failure::Failure;
use crate::model::OpenModel;
use crate::protocol::{Course, Event, Phase, Reply, TrainStep};
use crate::session::{Answer, Lesson, Session};
use crate::sink::{Array, Sink, seconds_left};
use engine::Loaded;
use models::nn::AdamW;
use models::registry::Stage;
use models::trainer::{self, Batch, Trainer};
use models::{Network, Storage, Weights};

/// Seconds between two events.
const EVENT_SECONDS: f64 = 0.1;
/// Seconds of work that a lost device may cost: so often the states are read back.
const CHECKPOINT_SECONDS: f64 = 5.0;
/// More steps than anyone waits for in a tab, and few enough to be numbered exactly.
const MAX_STEPS: u32 = 1_000_000;
/// Largest batch; its activations must fit a small device.
const MAX_BATCH: u32 = 1024;

/// Adam without decay or averages: a short course from weights that are good already.
const OPTIMISER: AdamW =
    AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, clip: None, average: None };

/// How far a run is: enough to go on from on another engine.
struct Checkpoint {
    step: u32,
    states: Weights,
}

impl Session {
    /// Trains a model on images without labels: its own weights further, new ones, or those of a run that was begun before.
    pub(crate) async fn train(
        &mut self,
        handle: u32,
        course: Course,
        lesson: &Lesson,
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        check(&course)?;
        let mut at: Option<Checkpoint> = None;
        let job = async |model: &mut OpenModel| {
            let images = split(&model.card.network, &lesson.images)?;
            let mut checkpoint = match at.take() {
                Some(checkpoint) => checkpoint,
                None => begin(model, &course, lesson.states.as_deref())?,
            };
            let result = run(model, &course, &images, &mut checkpoint, sink).await;
            if checkpoint.step > course.from {
                model.keep(&checkpoint.states)?;
            }
            at = Some(checkpoint);
            result
        };
        self.with_model(handle, sink, job).await?;
        Ok((Reply::Trained, Vec::new()))
    }
}

/// Where a course begins.
fn begin(model: &OpenModel, course: &Course, states: Option<&[u8]>) -> Result<Checkpoint, Failure> {
    let specs = model.card.network.specs();
    let states = match states {
        Some(bytes) => Weights::parse_any(bytes)?,
        None if course.fresh && course.from == 0 => Weights::init(&specs, course.seed),
        None => model.trained.clone().unwrap_or(model.weights.clone()),
    };
    // Moments are checked where they are written; parameters here.
    trainer::shipped(&states, &specs)?;
    Ok(Checkpoint { step: course.from, states })
}

/// One image after the other.
fn split<'a>(network: &Network, images: &'a [u8]) -> Result<Vec<&'a [u8]>, Failure> {
    let [channels, height, width] = network.image();
    let size = channels * height * width;
    if images.is_empty() || !images.len().is_multiple_of(size) {
        let came = images.len();
        let message =
            format!("Images of {channels} x {height} x {width} bytes each are wanted, and {came} bytes came.");
        return Err(Failure::new("bad-request", message));
    }
    Ok(images.chunks_exact(size).collect())
}

fn check(course: &Course) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::new("bad-request", message));
    let Course { steps, from, until, batch, rate, .. } = *course;
    if !(1..=MAX_STEPS).contains(&steps) {
        return wrong(format!("From 1 to {MAX_STEPS} steps can be made, not {steps}."));
    }
    if !(from < until && until <= steps) {
        return wrong(format!("Steps {from} to {until} are no part of a course of {steps}."));
    }
    if !(1..=MAX_BATCH).contains(&batch) {
        return wrong(format!("A step takes from 1 to {MAX_BATCH} images, not {batch}."));
    }
    if !(rate > 0.0 && rate <= 1.0) {
        return wrong(format!("A learning rate is above 0 and at most 1, not {rate}."));
    }
    Ok(())
}

/// Goes on from the checkpoint, which moves along; on an error or a stop it is the last good one.
async fn run(
    model: &OpenModel,
    course: &Course,
    images: &[&[u8]],
    checkpoint: &mut Checkpoint,
    sink: &impl Sink,
) -> Result<(), Failure> {
    let network = &model.card.network;
    let batch = course.batch as usize;
    let stage = Stage {
        epochs: 1,
        batch,
        k: 1,
        beta: 1.0,
        rate: course.rate,
        final_rate: course.rate,
        warm_up: 0,
        only: Vec::new(),
        contrast: 0.0,
        augment: None,
    };
    let loaded = model.compile(&network.trainer(&stage, OPTIMISER), sink).await?;
    let mut trainer = Trainer::new(loaded, &checkpoint.states)?;
    let (first, started) = (checkpoint.step, sink.seconds());
    let (mut told, mut kept) = (started, started);
    for step in first + 1..=course.until {
        let inputs = inputs(network, &stage, course, step, images);
        let rates = OPTIMISER.rates(course.rate, u64::from(step));
        let mut given: Vec<(&str, &[f32])> = inputs.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        given.push(("rates", &rates));
        trainer.step(&given).await?;
        let (now, last) = (sink.seconds(), step == course.until);
        if !(last || step == first + 1 || now - told >= EVENT_SECONDS) {
            continue;
        }
        told = now;
        let loss = trainer.report().await?.first().map_or(f32::NAN, |(_, loss)| *loss);
        if !loss.is_finite() {
            return Err(diverged(step, checkpoint));
        }
        let go_on = sink.tick().await;
        let mut arrays = Vec::new();
        if last || !go_on || now - kept >= CHECKPOINT_SECONDS {
            keep(checkpoint, step, &trainer).await?;
            kept = sink.seconds();
            let shipped = trainer::shipped(&checkpoint.states, &network.specs())?;
            for (name, weights) in [("weights", &shipped), ("states", &checkpoint.states)] {
                arrays.push((name, Array::U8(weights.to_bytes_for(&model.card.id, Storage::F32)?)));
            }
        }
        let left = seconds_left(started, sink.seconds(), (step - first) as usize, (course.until - first) as usize);
        let (done, total) = (f64::from(step), f64::from(course.steps));
        let step = TrainStep { phase: Phase::Train, done, total, bytes: 0.0, seconds_left: left, loss };
        sink.emit(Event::Trained { step }, arrays);
        if !go_on && !last {
            return Err(Failure::stopped());
        }
    }
    Ok(())
}

/// Takes the states as the checkpoint if all are numbers.
async fn keep(checkpoint: &mut Checkpoint, step: u32, trainer: &Trainer<Loaded>) -> Result<(), Failure> {
    let states = trainer.weights().await?;
    if !states.iter().all(|(_, values)| values.iter().all(|v| v.is_finite())) {
        return Err(diverged(step, checkpoint));
    }
    *checkpoint = Checkpoint { step, states };
    Ok(())
}

fn diverged(step: u32, checkpoint: &Checkpoint) -> Failure {
    let what = format!("Training diverged at step {step}: the weights of step {} were kept.", checkpoint.step);
    Failure::new("diverged", what)
}

/// The inputs of a step: images epoch by epoch, each epoch in an order of its own.
fn inputs(
    network: &Network,
    stage: &Stage,
    course: &Course,
    step: u32,
    images: &[&[u8]],
) -> Vec<(&'static str, Vec<f32>)> {
    let (n, batch) = (images.len(), stage.batch);
    let from = (step as usize - 1) * batch;
    let mut orders = (0, Vec::new());
    let image = |at: usize| {
        let epoch = at / n;
        if orders.1.is_empty() || orders.0 != epoch {
            orders = (epoch, trainer::order(course.seed, epoch, n));
        }
        images[orders.1[at % n]].to_vec()
    };
    let images: Vec<Vec<u8>> = (from..from + batch).map(image).collect();
    let draws: Vec<u64> = (from as u64..).take(batch).collect();
    let labels = network.no_labels().repeat(batch);
    let done = f64::from(step - 1) / f64::from(course.steps);
    let batch =
        Batch { seed: course.seed, step: u64::from(step), done, images: &images, draws: &draws, labels: &labels };
    network.inputs(stage, &batch)
}
