//! What the networks of the plane have in common: batches of points, a train step with its states, and Programs that use the
//! averaged weights.

use crate::points::Point;
use data::rng::{Rng, stream};
use graph::{Graph, Load, Program, Run, Tensor};
use models::nn::{AdamW, schedule};
use models::trainer::{self, Trainer};
use models::{Spec, Weights};
use std::collections::HashMap;

/// Steps over which the learning rate rises. It is constant after them, since nobody knows when a person will stop; the moving
/// average of the weights does what a falling rate would.
const WARM_UP: u64 = 50;

/// Share of the points whose class is left out, so that the model also knows all classes together.
const DROPPED: f32 = 0.15;

/// What a network learns from.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// Standardised points.
    pub points: &'a [Point],
    /// The class of each; empty where there are none.
    pub labels: &'a [u8],
    /// Number of classes.
    pub classes: usize,
    /// Seed of first weights, order and noise.
    pub seed: u64,
}

/// How it learns.
pub(crate) struct Pace {
    /// Points of a step.
    pub(crate) batch: usize,
    /// Learning rate.
    pub(crate) rate: f64,
    pub(crate) optimiser: AdamW,
}

/// The points of each step, a function of seed and step alone.
struct Batches {
    points: Vec<Point>,
    labels: Vec<u8>,
    classes: usize,
    seed: u64,
    size: usize,
    order: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// Points (b, 2) and labels (b) of a step, counted from 0: one epoch after the other, each in an order of its own. A point
    /// without a label has the number that means none, and so has one where `uniform` (b) is below [`DROPPED`].
    fn take(&mut self, step: u64, uniform: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let none = self.classes as f32;
        let (mut x, mut class) = (Vec::with_capacity(2 * self.size), Vec::with_capacity(self.size));
        for (place, u) in (step * self.size as u64..(step + 1) * self.size as u64).zip(uniform) {
            let i = self.index(place);
            x.extend(self.points[i]);
            class.push(self.labels.get(i).filter(|_| *u >= DROPPED).map_or(none, |label| f32::from(*label)));
        }
        (x, class)
    }

    fn index(&mut self, place: u64) -> usize {
        let n = self.points.len() as u64;
        let epoch = place / n;
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.order = Some((epoch, trainer::order(self.seed, epoch as usize, n as usize)));
        }
        self.order.as_ref().map_or(0, |(_, order)| order[(place % n) as usize])
    }
}

/// A train step that is loaded, with its states, its data and the steps that were made.
pub(crate) struct Learner<R> {
    trainer: Trainer<R>,
    specs: Vec<Spec>,
    batches: Batches,
    optimiser: AdamW,
    rate: f64,
    step: u64,
    /// Whether outputs of a step can be read.
    ran: bool,
    /// Counts changes of the weights, so that users know when theirs are old.
    changes: u64,
    /// The averaged weights as they were after that many changes.
    averaged: Option<(u64, Weights)>,
}

impl<R: Run> Learner<R> {
    /// Starts from first values of the parameters. The step `run` has the inputs `rates` (4) and, of data with classes, `class`
    /// (b) beside its own.
    pub(crate) fn new(run: R, specs: Vec<Spec>, lesson: &Lesson<'_>, pace: Pace) -> Result<Learner<R>, R::Error> {
        let &Lesson { seed, classes, .. } = lesson;
        let Pace { batch: size, rate, optimiser } = pace;
        let (points, labels) = (lesson.points.to_vec(), lesson.labels.to_vec());
        let first = with_averages(Weights::init(&specs, seed), &specs);
        Ok(Learner {
            trainer: Trainer::new(run, &first)?,
            specs,
            batches: Batches { points, labels, classes, seed, size, order: None },
            optimiser,
            rate,
            step: 0,
            ran: false,
            changes: 1,
            averaged: None,
        })
    }

    /// Goes back to states that [`Learner::weights`] gave after `step` steps. Those that are not given start at zero, but for
    /// averages, which start at what they are of.
    pub(crate) fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.trainer.restore(&with_averages(weights.clone(), &self.specs))?;
        (self.step, self.ran, self.changes) = (step, false, self.changes + 1);
        Ok(())
    }

    /// Steps made so far.
    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    /// Number of classes; 0 for data without.
    pub(crate) fn classes(&self) -> usize {
        self.batches.classes
    }

    /// The number that stands for a class, or for none.
    pub(crate) fn class(&self, class: Option<u8>) -> usize {
        class.map_or(self.classes(), |class| usize::from(class).min(self.classes()))
    }

    /// The noise of the next step.
    pub(crate) fn noise(&self) -> Rng {
        Rng::new(self.batches.seed, stream::TRAIN).skip(self.step << 32)
    }

    /// Points (b, 2) and labels (b) of the next step; labels are left out by `uniform` (b).
    pub(crate) fn batch(&mut self, uniform: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.batches.take(self.step, uniform)
    }

    /// Makes a step on these inputs and labels. Waits only for those that were made some time before.
    pub(crate) async fn step(&mut self, inputs: &[(&str, &[f32])], class: &[f32]) -> Result<(), R::Error> {
        let rates = self.rates(self.step + 1);
        let mut inputs = inputs.to_vec();
        inputs.push(("rates", &rates));
        self.step_with(&inputs, class).await
    }

    /// What the optimiser changes from step to step, at the one of this number: 1, 2, ..
    pub(crate) fn rates(&self, step: u64) -> [f32; 4] {
        self.optimiser.rates(self.rate * schedule::warm_up(step, WARM_UP), step)
    }

    /// As [`Learner::step`], with rates among the inputs.
    pub(crate) async fn step_with(&mut self, inputs: &[(&str, &[f32])], class: &[f32]) -> Result<(), R::Error> {
        let mut inputs = inputs.to_vec();
        if self.classes() > 0 {
            inputs.push(("class", class));
        }
        self.trainer.step(&inputs).await?;
        (self.step, self.ran, self.changes) = (self.step + 1, true, self.changes + 1);
        Ok(())
    }

    /// Values of these outputs at the last step; none before the first.
    pub(crate) async fn report(&self, names: &[(&'static str, &str)]) -> Result<Vec<(&'static str, f64)>, R::Error> {
        if !self.ran {
            return Ok(Vec::new());
        }
        let values: HashMap<&str, f32> = self.trainer.report().await?.into_iter().collect();
        Ok(names.iter().filter_map(|(name, output)| Some((*name, f64::from(*values.get(output)?)))).collect())
    }

    /// All states.
    pub(crate) async fn weights(&self) -> Result<Weights, R::Error> {
        self.trainer.weights().await
    }

    /// How often the weights changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The parameters, each by its moving average where it has one.
    pub(crate) async fn averaged(&mut self) -> Result<&Weights, R::Error> {
        if self.averaged.as_ref().is_none_or(|(at, _)| *at != self.changes) {
            let states = self.trainer.weights().await?;
            let mut weights = Weights::default();
            for Spec { name, shape, .. } in &self.specs {
                let values = states.get(&average_of(name)).or_else(|| states.get(name));
                weights.insert(name, shape, values.unwrap_or_default().to_vec());
            }
            self.averaged = Some((self.changes, weights));
        }
        Ok(&self.averaged.get_or_insert_default().1)
    }
}

/// Name of the moving average of a parameter.
fn average_of(name: &str) -> String {
    format!("ema.{name}")
}

/// Averages that are not there are what they are of.
fn with_averages(mut weights: Weights, specs: &[Spec]) -> Weights {
    for Spec { name, shape, .. } in specs {
        if let (None, Some(values)) = (weights.get(&average_of(name)), weights.get(name)) {
            let values = values.to_vec();
            weights.insert(&average_of(name), shape, values);
        }
    }
    weights
}

/// The input `class` (n) of a model of data with classes.
pub(crate) fn class(g: &Graph, classes: usize, n: usize) -> Option<Tensor<'_>> {
    (classes > 0).then(|| g.input("class", &[n]))
}

/// A Program over rows that are independent of each other, loaded for some numbers of rows, with the averaged weights.
pub(crate) struct Net<R> {
    /// By number of rows, ascending.
    runs: Vec<(usize, R)>,
    /// Of which weights.
    changes: Option<u64>,
}

impl<R: Run> Net<R> {
    /// Loads `program` for each of `sizes`, ascending.
    pub(crate) async fn load<L: Load<Run = R>>(
        host: &L,
        sizes: &[usize],
        program: impl Fn(usize) -> Program,
    ) -> Result<Net<R>, R::Error> {
        let mut runs = Vec::new();
        for &rows in sizes {
            runs.push((rows, host.load(&program(rows)).await?));
        }
        Ok(Net { runs, changes: None })
    }

    /// Writes the weights of a learner, if they changed.
    pub(crate) async fn refresh(&mut self, learner: &mut Learner<R>) -> Result<(), R::Error> {
        if self.changes != Some(learner.changes()) {
            let weights = learner.averaged().await?;
            self.runs.iter_mut().try_for_each(|(_, run)| weights.write_to(run))?;
            self.changes = Some(learner.changes());
        }
        Ok(())
    }

    /// Writes inputs that are the same for all rows; those that the Program has not are passed over.
    pub(crate) fn share(&mut self, inputs: &[(&str, &[f32])]) -> Result<(), R::Error> {
        for (_, run) in &mut self.runs {
            for (name, values) in
                inputs.iter().filter(|(name, _)| run.program().input(name).is_some()).collect::<Vec<_>>()
            {
                run.write(name, values)?;
            }
        }
        Ok(())
    }

    /// The smallest one that takes `left` rows, or the largest.
    pub(crate) fn for_rows(&mut self, left: usize) -> &mut (usize, R) {
        let last = self.runs.len() - 1;
        let fits = self.runs.iter().position(|(rows, _)| *rows >= left).unwrap_or(last);
        &mut self.runs[fits]
    }

    /// Outputs, each (n, ..), for rows of inputs (name, numbers in a row, values).
    pub(crate) async fn map<'o>(
        &mut self,
        n: usize,
        inputs: &[(&str, usize, &[f32])],
        outputs: &[&'o str],
    ) -> Result<HashMap<&'o str, Vec<f32>>, R::Error> {
        let mut all: HashMap<&'o str, Vec<f32>> = outputs.iter().map(|name| (*name, Vec::new())).collect();
        let mut done = 0;
        while done < n {
            let (size, run) = self.for_rows(n - done);
            let rows = (n - done).min(*size);
            run.ready().await?;
            for (name, width, values) in inputs {
                if run.program().input(name).is_some() {
                    run.write(name, &padded(&values[done * width..(done + rows) * width], *size * width))?;
                }
            }
            run.step()?;
            for (name, values) in outputs.iter().zip(run.read_all(outputs).await?) {
                let width = values.len() / *size;
                all.entry(name).or_default().extend(&values[..rows * width]);
            }
            done += rows;
        }
        Ok(all)
    }
}

/// With zeros behind.
pub(crate) fn padded(values: &[f32], len: usize) -> Vec<f32> {
    let mut values = values.to_vec();
    values.resize(len, 0.0);
    values
}

/// The optimiser of all of them.
pub(crate) fn adamw(average: f64) -> AdamW {
    AdamW { average: Some(average as f32), ..AdamW::default() }
}

/// [`adamw`] in words and as an equation; `before` is what is drawn first.
pub(crate) fn about_optimiser(before: &str, rate: f64, batch: usize) -> [String; 2] {
    let words = format!("AdamW on {batch} points a step, with a moving average of the weights");
    [words, format!("{before}θ ← θ − {rate} m̂ / (√v̂ + 1e−8)")]
}
