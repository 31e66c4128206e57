//! Training in the worker: the trainer of `models` on whatever engine the model is on.

use crate::failure::Failure;
use crate::model::OpenModel;
use crate::protocol::{Course, Event, Phase, Reply, TrainStep};
use crate::session::{Answer, Session};
use crate::sink::{Array, Sink, seconds_left};
use data::SIDE;
use engine::Loaded;
use models::trainer::{self, Trainer};
use models::{Weights, vae};

/// Seconds between two events.
const EVENT_SECONDS: f64 = 0.1;
/// Seconds of work that a lost device may cost: so often the states are read back.
const CHECKPOINT_SECONDS: f64 = 5.0;
/// More steps than anyone waits for in a tab, and few enough to be numbered exactly.
const MAX_STEPS: u32 = 1_000_000;
/// Largest batch; its activations must fit a small device.
const MAX_BATCH: u32 = 1024;

/// How far a run is: enough to go on from on another engine.
struct Checkpoint {
    step: u32,
    states: Weights,
}

impl Session {
    /// Trains a model's own weights further on grey images of 28 x 28 bytes each.
    pub(crate) async fn train(
        &mut self,
        handle: u32,
        course: Course,
        images: &[u8],
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        check(&course, images)?;
        let images: Vec<&[u8]> = images.chunks_exact(SIDE * SIDE).collect();
        let mut at: Option<Checkpoint> = None;
        let job = async |model: &mut OpenModel| {
            let mut checkpoint = at.take().unwrap_or_else(|| Checkpoint {
                step: 0,
                states: model.trained.clone().unwrap_or(model.weights.clone()),
            });
            let result = run(model, &course, &images, &mut checkpoint, sink).await;
            if checkpoint.step > 0 {
                model.keep(&checkpoint.states)?;
            }
            at = Some(checkpoint);
            result
        };
        self.with_model(handle, sink, job).await?;
        Ok((Reply::Trained, Vec::new()))
    }
}

fn check(course: &Course, images: &[u8]) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::new("bad-request", message));
    let Course { steps, batch, rate, .. } = *course;
    if images.is_empty() || !images.len().is_multiple_of(SIDE * SIDE) {
        return wrong(format!("Images of {SIDE} x {SIDE} bytes each are wanted, and {} bytes came.", images.len()));
    }
    if !(1..=MAX_STEPS).contains(&steps) {
        return wrong(format!("From 1 to {MAX_STEPS} steps can be made, not {steps}."));
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
    let network = model.card.network;
    let batch = course.batch as usize;
    let loaded = model.compile(&vae::trainer(&network, batch, 1), sink).await?;
    let mut trainer = Trainer::new(loaded, &checkpoint.states)?;
    let (first, started) = (checkpoint.step, sink.seconds());
    let (mut told, mut kept) = (started, started);
    for step in first + 1..=course.steps {
        let picked = pick(course.seed, step, batch, images);
        let [x, eps] = trainer::vae_inputs(&network, 1, course.seed, u64::from(step), &picked);
        let rates = vae::OPTIMISER.rates(course.rate, u64::from(step));
        trainer.step(&[(x.0, &x.1), (eps.0, &eps.1), ("rates", &rates)]).await?;
        let (now, last) = (sink.seconds(), step == course.steps);
        if !(last || step == first + 1 || now - told >= EVENT_SECONDS) {
            continue;
        }
        told = now;
        let bound = trainer.bound().await?;
        if !bound.is_finite() {
            return Err(diverged(step, checkpoint));
        }
        let go_on = sink.tick().await;
        let mut arrays = Vec::new();
        if last || !go_on || now - kept >= CHECKPOINT_SECONDS {
            keep(checkpoint, step, &trainer).await?;
            kept = sink.seconds();
            arrays.push(("weights", Array::U8(checkpoint.states.only(&vae::specs(&network))?.to_bytes(false)?)));
        }
        let left = seconds_left(started, sink.seconds(), (step - first) as usize, (course.steps - first) as usize);
        let (done, total) = (f64::from(step), f64::from(course.steps));
        let step = TrainStep { phase: Phase::Train, done, total, bytes: 0.0, seconds_left: left, bound };
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

/// The images of a step, each with the number of its draw: epoch by epoch, each in an order of its own.
fn pick<'a>(seed: u64, step: u32, batch: usize, images: &[&'a [u8]]) -> Vec<(u64, &'a [u8])> {
    let n = images.len();
    let from = (step as usize - 1) * batch;
    let mut orders = (0, Vec::new());
    let image = |at: usize| {
        let epoch = at / n;
        if orders.1.is_empty() || orders.0 != epoch {
            orders = (epoch, trainer::order(seed, epoch, n));
        }
        (at as u64, images[orders.1[at % n]])
    };
    (from..from + batch).map(image).collect()
}
