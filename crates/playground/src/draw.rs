//! Drawing from p(x): whatever the family, in batches that suit the engine, each shown as it grows.

use crate::failure::Failure;
use crate::model::{Host, OpenModel};
use crate::protocol::{Event, Given, Phase, Progress, SampleStep};
use crate::sink::{Array, Sink, seconds_left};
use models::Settings;
use models::control::Value;
use models::sample::{self, Draw, Frame};
use std::ops::ControlFlow;

/// Seconds between two pictures of a job that are sent; the last one always is.
const EVENT_SECONDS: f64 = 0.05;

/// What is to be drawn here.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Pictures of the whole job.
    pub(crate) n: usize,
    /// Number of the first one to draw here.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    /// What was done to the pictures that were given.
    pub(crate) notices: Vec<String>,
}

/// The pictures of a job so far.
struct Pictures<'a> {
    notices: &'a [String],
    channels: usize,
    size: usize,
    count: usize,
    /// (count, H, W, C)
    images: Vec<u8>,
    predicted: Option<Vec<u8>>,
    /// (done, C, H, W) in \[0, 1\]
    values: Vec<f32>,
}

/// Draws all pictures of a job.
pub(crate) async fn draw(model: &mut OpenModel, job: &Job, sink: &impl Sink) -> Result<(), Failure> {
    let (started, mut told) = (sink.seconds(), f64::NEG_INFINITY);
    let [channels, size, _] = model.card.network.image();
    let len = channels * size * size;
    let images = vec![0; job.count * len];
    let mut pictures = Pictures {
        notices: &job.notices,
        channels,
        size,
        count: job.count,
        images,
        predicted: None,
        values: Vec::new(),
    };
    let (batch, mut sampler) = model.sampler(job.count)?;
    while pictures.done() < job.count {
        let done = pictures.done();
        let here = batch.min(job.count - done);
        let first = job.first + done;
        let labels = sample::labels(&job.settings, &model.card.labels, job.seed, first..first + here);
        let part = Draw { seed: job.seed, first, count: here, n: job.n, labels: &labels, settings: &job.settings };
        let mut watch = async |frame: Frame<'_>| {
            let now = sink.seconds();
            if now - told >= EVENT_SECONDS {
                told = now;
                pictures.show(done, frame.images, frame.predicted);
                sink.emit(pictures.event(started, now, &frame, done, here), pictures.arrays());
            }
            if sink.tick().await { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let values = sampler.draw(&Host { model, sink }, &part, &mut watch).await?;
        finite(&values)?;
        pictures.show(done, &values, None);
        pictures.values.extend(values);
        told = sink.seconds();
        let frame = Frame { step: 1, steps: 1, images: &[], predicted: None };
        let event = pictures.event(started, told, &frame, pictures.done(), 0);
        let mut arrays = pictures.arrays();
        let last = pictures.done() == job.count;
        if last {
            arrays.push(("values", Array::F32(pictures.values.clone())));
        }
        sink.emit(event, arrays);
        if !last && !sink.tick().await {
            return Err(Failure::stopped());
        }
    }
    model.loaded.sampler = Some((batch, sampler));
    Ok(())
}

/// Where a picture is in the latent space.
pub(crate) struct Encoded {
    pub(crate) latent: Vec<f32>,
    /// What the model draws from there, (H, W, C).
    pub(crate) nearest: Vec<u8>,
    /// Between that and the picture, on levels from 0 to 1.
    pub(crate) distance: f64,
}

/// The latent of a picture (C, S, S) in \[0, 1\], and the picture that the same controls draw from it.
pub(crate) async fn encode(
    model: &mut OpenModel,
    picture: &[f32],
    seed: u64,
    given: &Given,
    settings: &Settings,
    sink: &impl Sink,
) -> Result<Encoded, Failure> {
    let (batch, mut sampler) = model.sampler(1)?;
    let labels = sample::labels(settings, &model.card.labels, seed, 0..1);
    let draw = Draw { seed, first: 0, count: 1, n: 1, labels: &labels, settings };
    let mut watch = watch(Phase::Encode, sink);
    let latent = sampler.encode(&Host { model, sink }, picture, &draw, &mut watch).await?;
    let settings = from_latent(model, given, &latent)?;
    let draw = Draw { settings: &settings, ..draw };
    let mut watch = self::watch(Phase::Sample, sink);
    let values = sampler.draw(&Host { model, sink }, &draw, &mut watch).await?;
    finite(&values)?;
    model.loaded.sampler = Some((batch, sampler));
    let mut nearest = vec![0; values.len()];
    let channels = model.card.image.channels;
    interleave(&values, channels, values.len() / channels, &mut nearest);
    Ok(Encoded { latent, nearest, distance: sample::distance(picture, &values) })
}

/// The controls that were given, but for those that change a latent or bring another picture, and this latent.
fn from_latent(model: &OpenModel, given: &Given, latent: &[f32]) -> Result<Settings, Failure> {
    let mut given = given.clone();
    given.retain(|name, value| !matches!(value, Value::Array(_)) && name != "vary" && name != "to_seed");
    given.insert("latent".into(), Value::Array(latent.to_vec()));
    model.settings(given)
}

/// Tells how far one picture is, and hears a stop.
fn watch(phase: Phase, sink: &impl Sink) -> impl AsyncFnMut(Frame<'_>) -> ControlFlow<()> {
    let started = sink.seconds();
    async move |frame: Frame<'_>| {
        let (done, total) = (frame.step, frame.steps);
        let seconds_left = seconds_left(started, sink.seconds(), done, total);
        let progress = Progress::of(phase, done, total, seconds_left);
        sink.emit(Event::Progress { progress }, Vec::new());
        if sink.tick().await { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Refuses pixels that are not numbers: it may be the GPU's doing.
fn finite(values: &[f32]) -> Result<(), Failure> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    let failure = Failure::new("not-a-number", "The model drew pixels that are not numbers.");
    Err(Failure { blames_gpu: true, ..failure })
}

impl Pictures<'_> {
    /// Pictures that are finished.
    fn done(&self) -> usize {
        self.values.len() / (self.channels * self.size * self.size)
    }

    /// Puts pictures (n, C, S, S) to their places from number `at` on.
    fn show(&mut self, at: usize, images: &[f32], predicted: Option<&[f32]>) {
        let (channels, pixels) = (self.channels, self.size * self.size);
        let start = at * channels * pixels;
        interleave(images, channels, pixels, &mut self.images[start..][..images.len()]);
        if let Some(values) = predicted {
            let images = self.images.len();
            let all = self.predicted.get_or_insert_with(|| vec![0; images]);
            interleave(values, channels, pixels, &mut all[start..][..values.len()]);
        } else if let Some(all) = &mut self.predicted {
            interleave(images, channels, pixels, &mut all[start..][..images.len()]);
        }
    }

    fn arrays(&self) -> Vec<(&'static str, Array)> {
        let images = ("images", Array::U8(self.images.clone()));
        let predicted = self.predicted.clone().map(|p| ("predicted", Array::U8(p)));
        std::iter::once(images).chain(predicted).collect()
    }

    /// `done` pictures are finished, and `here` more are at the frame's step.
    fn event(&self, started: f64, now: f64, frame: &Frame<'_>, done: usize, here: usize) -> Event {
        let part = 1000 * frame.step / frame.steps.max(1);
        let step = SampleStep {
            phase: Phase::Sample,
            done: done as f64,
            total: self.count as f64,
            bytes: 0.0,
            seconds_left: seconds_left(started, now, 1000 * done + here * part, 1000 * self.count),
            width: self.size as u32,
            height: self.size as u32,
            channels: self.channels as u32,
            step: frame.step as u32,
            steps: frame.steps as u32,
            notices: self.notices.to_vec(),
        };
        Event::Sampled { step }
    }
}

/// Pictures of `pixels` pixels, (n, C, S, S) in \[0, 1\], as bytes (n, S, S, C).
pub(crate) fn interleave(values: &[f32], channels: usize, pixels: usize, out: &mut [u8]) {
    let len = channels * pixels;
    for (values, out) in values.chunks_exact(len).zip(out.chunks_exact_mut(len)) {
        for (i, level) in out.iter_mut().enumerate() {
            *level = (values[i % channels * pixels + i / channels] * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// Levels of one picture (C, S, S) as (S, S, C).
pub(crate) fn channels_last(levels: &[u8], channels: usize, pixels: usize) -> Vec<u8> {
    (0..levels.len()).map(|i| levels[i % channels * pixels + i / channels]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let mut out = [0; 12];
        interleave(&[0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0], 3, 2, &mut out);
        assert_eq!(out, [0, 102, 204, 51, 153, 255, 0, 0, 255, 0, 255, 255]);
    }
}
