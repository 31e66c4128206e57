//! Drawing pictures: the way from noise to picture, filling in, changing and walking between pictures, and the way back.

use super::decoder::Decoder;
use super::denoiser::denoiser;
use super::step::{self, Level, Prediction, sum};
use super::{Config, Network};
use crate::control::{Refused, Settings};
use crate::sample::{self, Draw, Error, Frame, loaded, padded, slerp};
use data::rng::{Rng, stream};
use graph::{Load, Run};
use std::f64::consts::FRAC_PI_2;
use std::ops::ControlFlow;

/// Time at which the way from a picture to its noise starts, with so much noise added: two of 256 levels. Levels are points
/// without a density, in which the ODE has no direction.
const ENCODE_FROM: f64 = 0.01;

/// Draws samples in batches of one size; its Programs are loaded when they are first needed.
pub struct Sampler<R> {
    config: Config,
    batch: usize,
    /// The network for a batch.
    many: Option<R>,
    /// The network for one picture.
    one: Option<R>,
}

impl<R: Run> Sampler<R> {
    /// Draws at most `batch` pictures at once.
    pub fn new(c: &Config, batch: usize) -> Sampler<R> {
        Sampler { config: c.clone(), batch, many: None, one: None }
    }

    /// Pictures (count, C, S, S) in \[0, 1\]. `watch` sees z and the predicted picture after every step.
    pub async fn draw(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let settings = draw.settings;
        let (task, mut noise) = (Task::new(settings)?, Noise::new(draw, self.pixels()));
        let mut steps = settings.count("steps").unwrap_or(1);
        let mut from = 1.0;
        let mut z = match task {
            Task::Draw | Task::FillIn { .. } => noise.next(),
            Task::Change(picture) => {
                from = settings.number("strength");
                steps = (steps as f64 * from).round() as usize;
                mixed(&centred(picture).repeat(draw.count), Level::at(from), &noise.next())
            }
            Task::Walk(from, to) => {
                let [from, to] = [self.end(host, from, draw, watch).await?, self.end(host, to, draw, watch).await?];
                noise.next();
                (0..draw.count).flat_map(|i| slerp(&from, &to, draw.along(i))).collect()
            }
            Task::Start(latent) => {
                let vary = settings.number("vary");
                sum(&[((1.0 - vary).sqrt(), &latent.repeat(draw.count)), (vary.sqrt(), &noise.next())])
            }
        };
        let denoiser = Denoiser {
            run: loaded(&mut self.many, host, || denoiser(&self.config.unet, self.batch)).await?,
            none: none(&self.config, draw.count),
            labels: draw.labels.to_vec(),
            guidance: guidance(&self.config, settings),
            clip: settings.on("clip"),
        };
        let decoder = Decoder::new(&self.config.levels);
        let mut way = Way { denoiser, decoder, noise, method: Method::new(settings), last: None, done: 0, steps };
        match task {
            Task::FillIn { picture, mask } => {
                let known = Known::new(picture, mask, draw.count);
                let again = settings.count("resample").unwrap_or(1);
                way.steps = (steps - 1) * again + 1;
                way.fill_in(&mut z, &known, (steps, again), watch).await?;
            }
            _ => way.go(&mut z, from, steps, watch).await?,
        }
        Ok(levels(&z))
    }

    /// The noise (C, S, S) from which the probability-flow ODE leads to the picture (C, S, S): the ODE the other way, by Heun's
    /// method, with the labels' weight as it was learned.
    pub async fn encode(
        &mut self,
        host: &impl Load<Run = R>,
        picture: &[f32],
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let labels = draw.labels[..self.config.unet.classes.len()].to_vec();
        let mut noise = Noise { first: 0, count: 1, ..Noise::new(draw, self.pixels()) };
        let run = loaded(&mut self.one, host, || denoiser(&self.config.unet, 1)).await?;
        let mut denoiser = Denoiser { run, none: none(&self.config, 1), labels, guidance: 1.0, clip: false };
        let steps = draw.settings.count("steps").unwrap_or(1);
        let level = |i: usize| Level::at(ENCODE_FROM + (1.0 - ENCODE_FROM) * i as f64 / steps as f64);
        let mut z = mixed(&centred(picture), level(0), &noise.next());
        for i in 0..steps {
            let p = denoiser.predict(&z, level(i)).await?;
            show(watch, [i, steps], &z, &p.x).await?;
            let end = denoiser.predict(&step::ode(&z, &p, level(i + 1), None), level(i + 1)).await?;
            z = step::ode(&z, &p, level(i + 1), Some(&end));
        }
        Ok(z)
    }

    /// The noise at one end of a walk.
    async fn end(
        &mut self,
        host: &impl Load<Run = R>,
        end: End<'_>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        match end {
            End::Latent(z) => Ok(z.to_vec()),
            End::Picture(picture) => self.encode(host, picture, draw, watch).await,
            End::Seed(seed) => {
                let seed = seed.unwrap_or(draw.seed);
                Ok(Noise { seed, first: 0, count: 1, ..Noise::new(draw, self.pixels()) }.next())
            }
        }
    }

    /// Values of a picture.
    fn pixels(&self) -> usize {
        self.config.unet.image().iter().product()
    }
}

/// What the settings ask for.
#[derive(Clone, Copy)]
enum Task<'a> {
    /// Pictures from the seed's noise.
    Draw,
    /// Pictures from this noise.
    Start(&'a [f32]),
    /// A picture to be changed.
    Change(&'a [f32]),
    /// A picture with pixels to be filled in.
    FillIn { picture: &'a [f32], mask: &'a [f32] },
    /// Pictures on the way between two.
    Walk(End<'a>, End<'a>),
}

/// An end of a walk.
#[derive(Clone, Copy)]
enum End<'a> {
    Latent(&'a [f32]),
    Picture(&'a [f32]),
    /// The first picture of a seed; that of the job where none is given.
    Seed(Option<u64>),
}

impl<'a> Task<'a> {
    fn new<E>(s: &'a Settings) -> Result<Task<'a>, Error<E>> {
        let refuse = |why: &str| Err(Error::Setting(Refused(why.into())));
        let (image, mask, latent) = (s.array("image"), s.array("mask"), s.array("latent"));
        let ends = [
            s.array("to_image").map(End::Picture),
            s.array("to_latent").map(End::Latent),
            s.count("to_seed").map(|seed| End::Seed(Some(seed as u64))),
        ];
        let mut ends = ends.into_iter().flatten();
        let (end, second) = (ends.next(), ends.next());
        if second.is_some() {
            return refuse("'to_image', 'to_latent' and 'to_seed' all end a walk: give one of them.");
        }
        if image.is_some() && latent.is_some() {
            return refuse("'image' and 'latent' both say where to start: give one of them.");
        }
        match (image, mask, latent, end) {
            (_, Some(_), _, Some(_)) => refuse("'mask' fills in a picture, and a walk has two: give one of them."),
            (None, Some(_), ..) => refuse("'mask' says which pixels of 'image' to keep, and there is no 'image'."),
            (None, None, None, Some(End::Picture(_))) => {
                refuse("'to_image' ends a walk that starts at 'image': give it too.")
            }
            (Some(picture), Some(mask), _, None) => Ok(Task::FillIn { picture, mask }),
            (Some(picture), None, _, None) => Ok(Task::Change(picture)),
            (None, None, Some(latent), None) => Ok(Task::Start(latent)),
            (Some(picture), None, _, Some(end)) => Ok(Task::Walk(End::Picture(picture), end)),
            (None, None, Some(latent), Some(end)) => Ok(Task::Walk(End::Latent(latent), end)),
            (None, None, None, Some(end)) => Ok(Task::Walk(End::Seed(None), end)),
            (None, None, None, None) => Ok(Task::Draw),
        }
    }
}

/// How a step is taken.
#[derive(Clone, Copy)]
enum Method {
    Ddim { eta: f64 },
    Euler,
    Heun,
    DpmSolverPp2M,
}

impl Method {
    fn new(settings: &Settings) -> Method {
        match settings.choice("sampler") {
            "ddpm" => Method::Ddim { eta: 1.0 },
            "ddim" => Method::Ddim { eta: settings.number("eta") },
            "euler" => Method::Euler,
            "heun" => Method::Heun,
            _ => Method::DpmSolverPp2M,
        }
    }
}

/// Pictures on their way from noise.
struct Way<'a, R> {
    denoiser: Denoiser<'a, R>,
    decoder: Decoder,
    noise: Noise,
    method: Method,
    /// Prediction of the step before, for methods of several steps.
    last: Option<Prediction>,
    /// Finished steps, and steps in all.
    done: usize,
    steps: usize,
}

impl<R: Run> Way<'_, R> {
    /// From time `from` to the picture.
    async fn go(
        &mut self,
        z: &mut Vec<f32>,
        from: f64,
        steps: usize,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error<R::Error>> {
        show(watch, [0, self.steps], z, z).await?;
        for [t, s] in times(from, steps) {
            let p = self.denoiser.predict(z, Level::at(t)).await?;
            *z = self.step(z, &p, s).await?;
            self.finish(z, p, watch).await?;
        }
        Ok(())
    }

    /// From noise to a picture with known pixels: RePaint (Lugmayr et al. 2022, arXiv:2201.09865, algorithm 1). Known pixels
    /// are set at every step, and each step is taken `again` times, with the noise put back in between, so that the two
    /// parts come to fit.
    async fn fill_in(
        &mut self,
        z: &mut Vec<f32>,
        known: &Known,
        (steps, again): (usize, usize),
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error<R::Error>> {
        show(watch, [0, self.steps], z, z).await?;
        for [t, s] in times(1.0, steps) {
            let again = if s > 0.0 { again } else { 1 };
            for round in 1..=again {
                let p = self.denoiser.predict(z, Level::at(t)).await?;
                let drawn = self.step(z, &p, s).await?;
                *z = known.put(&drawn, Level::at(s), &self.noise.next());
                self.finish(z, p, watch).await?;
                if round < again {
                    *z = step::back(z, Level::at(s), Level::at(t), &self.noise.next());
                    self.last = None;
                }
            }
        }
        Ok(())
    }

    /// z at time `s`. At time 0 it is the likeliest picture for the prediction.
    async fn step(&mut self, z: &[f32], p: &Prediction, s: f64) -> Result<Vec<f32>, R::Error> {
        if s == 0.0 {
            return Ok(self.decoder.modes(&p.x));
        }
        let s = Level::at(s);
        Ok(match self.method {
            Method::Ddim { eta } => step::ddim(p, s, eta, &self.noise.next()),
            Method::Euler => step::ode(z, p, s, None),
            Method::Heun => {
                let end = self.denoiser.predict(&step::ode(z, p, s, None), s).await?;
                step::ode(z, p, s, Some(&end))
            }
            Method::DpmSolverPp2M => step::dpm_solver_pp_2m(z, p, s, self.last.as_ref()),
        })
    }

    async fn finish(
        &mut self,
        z: &[f32],
        p: Prediction,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error<R::Error>> {
        self.done += 1;
        show(watch, [self.done, self.steps], z, &p.x).await?;
        self.last = Some(p);
        Ok(())
    }
}

/// Neighbouring times from `from` down to 0.
fn times(from: f64, steps: usize) -> impl Iterator<Item = [f64; 2]> {
    let at = move |i: usize| from * (steps - i) as f64 / steps as f64;
    (0..steps).map(move |i| [at(i), at(i + 1)])
}

/// The network with what it is told of all pictures of a batch.
struct Denoiser<'a, R> {
    run: &'a mut R,
    /// Labels of each picture, (count, A), and those that mean none.
    labels: Vec<f32>,
    none: Vec<f32>,
    guidance: f64,
    clip: bool,
}

impl<R: Run> Denoiser<'_, R> {
    /// What is said of `z` (count, C, S, S). Guidance w takes the velocity without labels plus w times the difference that
    /// labels make (Ho & Salimans 2022, arXiv:2207.12598, eq. 6 with w + 1 for w): two evaluations where w is not 0 or 1.
    async fn predict(&mut self, z: &[f32], level: Level) -> Result<Prediction, R::Error> {
        let w = if self.labels == self.none { 1.0 } else { self.guidance };
        let mut v = self.velocity(z, level, w != 0.0).await?;
        if w != 0.0 && w != 1.0 {
            let without = self.velocity(z, level, false).await?;
            v = sum(&[(1.0 - w, &without), (w, &v)]);
        }
        Ok(Prediction::new(z, &v, level, self.clip))
    }

    /// What the network says with or without the labels.
    async fn velocity(&mut self, z: &[f32], level: Level, labelled: bool) -> Result<Vec<f32>, R::Error> {
        self.run.ready().await?;
        let room = |name: &str| self.run.program().shape_of(name).map_or(0, |shape| shape.iter().product());
        let (batch, values, numbers) = (room("time"), room("z"), room("class"));
        self.run.write("time", &vec![(level.angle / FRAC_PI_2) as f32; batch])?;
        self.run.write("z", &padded(z, values))?;
        if numbers > 0 {
            self.run.write("class", &padded(if labelled { &self.labels } else { &self.none }, numbers))?;
        }
        self.run.step()?;
        let mut v = self.run.read("prediction").await?;
        v.truncate(z.len());
        Ok(v)
    }
}

/// The labels (count, A) that mean none.
fn none(c: &Config, count: usize) -> Vec<f32> {
    c.unet.classes.iter().map(|&n| n as f32).collect::<Vec<_>>().repeat(count)
}

fn guidance(c: &Config, settings: &Settings) -> f64 {
    if c.unet.classes.is_empty() { 1.0 } else { settings.number("guidance") }
}

/// The noise of a batch. That of a picture depends on the seed, on its number and on how often noise was drawn alone.
struct Noise {
    seed: u64,
    first: usize,
    count: usize,
    pixels: usize,
    drawn: u64,
}

impl Noise {
    fn new(draw: &Draw<'_>, pixels: usize) -> Noise {
        Noise { seed: draw.seed, first: draw.first, count: draw.count, pixels, drawn: 0 }
    }

    /// (count, pixels).
    fn next(&mut self) -> Vec<f32> {
        let blocks = self.pixels.div_ceil(4) as u64;
        let mut noise = vec![0f32; self.count * self.pixels];
        for (i, one) in noise.chunks_mut(self.pixels).enumerate() {
            let start = ((self.first + i) as u64) << 32;
            Rng::new(self.seed, stream::SAMPLE).skip(start + self.drawn * blocks).fill_normal(one);
        }
        self.drawn += 1;
        noise
    }
}

/// The pixels that are given, for each picture of a batch.
struct Known {
    x: Vec<f32>,
    /// 1 where they are given, (count, C, S, S).
    mask: Vec<f32>,
}

impl Known {
    /// Of a picture (C, S, S) in \[0, 1\] and a mask (S, S).
    fn new(picture: &[f32], mask: &[f32], count: usize) -> Known {
        let channels = picture.len() / mask.len().max(1);
        Known { x: centred(picture).repeat(count), mask: mask.repeat(channels).repeat(count) }
    }

    /// z at a time with these pixels in it.
    fn put(&self, z: &[f32], level: Level, noise: &[f32]) -> Vec<f32> {
        let given = if level.sigma == 0.0 { self.x.clone() } else { mixed(&self.x, level, noise) };
        z.iter().zip(given).zip(&self.mask).map(|((z, x), m)| m * x + (1.0 - m) * z).collect()
    }
}

/// alpha x + sigma eps.
fn mixed(x: &[f32], level: Level, noise: &[f32]) -> Vec<f32> {
    sum(&[(level.alpha, x), (level.sigma, noise)])
}

/// A picture in \[0, 1\] as the network sees it, in \[-1, 1\].
fn centred(picture: &[f32]) -> Vec<f32> {
    picture.iter().map(|v| 2.0 * v - 1.0).collect()
}

/// What the network sees as a picture in \[0, 1\].
fn levels(x: &[f32]) -> Vec<f32> {
    x.iter().map(|v| (0.5 * (v + 1.0)).clamp(0.0, 1.0)).collect()
}

/// Shows z and the predicted picture after `step` of `steps`, and hears whether to stop.
async fn show<E>(
    watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    [step, steps]: [usize; 2],
    z: &[f32],
    x: &[f32],
) -> Result<(), Error<E>> {
    let (images, predicted) = (levels(z), levels(x));
    sample::show(watch, Frame { step, steps, images: &images, predicted: Some(&predicted) }).await
}
