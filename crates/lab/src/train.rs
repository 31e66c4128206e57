//! What the networks of the plane have in common: batches of points, a train step with its states, and Programs that use the
//! averaged weights.

use crate::points::Point;
use graph::{Load, Program, Run};
use models::nn::{AdamW, schedule};
use models::{Spec, Weights, trainer};
use std::collections::HashMap;

/// Steps over which the learning rate rises. It is constant after them, since nobody knows when a person will stop; the moving
/// average of the weights does what a falling rate would.
const WARM_UP: u64 = 50;

/// The points of each step, a function of seed and step alone.
pub(crate) struct Batches {
    points: Vec<Point>,
    labels: Vec<u8>,
    classes: usize,
    seed: u64,
    size: usize,
    order: Option<(u64, Vec<usize>)>,
}

impl Batches {
    pub(crate) fn new(points: &[Point], labels: &[u8], classes: usize, seed: u64, size: usize) -> Batches {
        Batches { points: points.to_vec(), labels: labels.to_vec(), classes, seed, size, order: None }
    }

    /// Points (b, 2) and labels (b) of a step, counted from 0: one epoch after the other, each in an order of its own. A point
    /// without a label has the number that means none.
    pub(crate) fn take(&mut self, step: u64) -> (Vec<f32>, Vec<f32>) {
        let (mut x, mut class) = (Vec::with_capacity(2 * self.size), Vec::with_capacity(self.size));
        for place in step * self.size as u64..(step + 1) * self.size as u64 {
            let i = self.index(place);
            x.extend(self.points[i]);
            class.push(self.labels.get(i).map_or(self.classes as f32, |label| f32::from(*label)));
        }
        (x, class)
    }

    /// [`Batches::take`] with labels left out where `uniform` (b) is below `drop`, so that the model also learns all classes
    /// together.
    pub(crate) fn take_dropping(&mut self, step: u64, uniform: &[f32], drop: f32) -> (Vec<f32>, Vec<f32>) {
        let none = self.classes as f32;
        let (x, class) = self.take(step);
        (x, class.iter().zip(uniform).map(|(class, u)| if *u < drop { none } else { *class }).collect())
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

/// The learning rate of a step, counted from 1.
pub(crate) fn rate(rate: f64, step: u64) -> f64 {
    rate * schedule::warm_up(step, WARM_UP)
}

/// A train step that is loaded, with its states.
pub(crate) struct Learner<R> {
    run: R,
    specs: Vec<Spec>,
    /// Whether outputs of a step can be read.
    ran: bool,
    /// Counts changes of the weights, so that users know when theirs are old.
    changes: u64,
    /// The averaged weights as they were after that many changes.
    averaged: Option<(u64, Weights)>,
}

impl<R: Run> Learner<R> {
    /// Starts from first values of the parameters.
    pub(crate) fn new(run: R, specs: Vec<Spec>, seed: u64) -> Result<Learner<R>, R::Error> {
        let first = Weights::init(&specs, seed);
        let mut learner = Learner { run, specs, ran: false, changes: 0, averaged: None };
        learner.restore(&first)?;
        Ok(learner)
    }

    /// Writes all states. Those that are not given start at zero, but for averages, which start at what they are of.
    pub(crate) fn restore(&mut self, weights: &Weights) -> Result<(), R::Error> {
        let states: Vec<(String, usize)> =
            self.run.program().states().map(|(name, shape)| (name.to_string(), shape.iter().product())).collect();
        for (name, len) in states {
            let of = name.strip_prefix("ema.").unwrap_or(&name);
            match weights.get(&name).or_else(|| weights.get(of)) {
                Some(values) => self.run.write(&name, values)?,
                None => self.run.write(&name, &vec![0.0; len])?,
            }
        }
        (self.ran, self.changes) = (false, self.changes + 1);
        Ok(())
    }

    /// Makes a step. Waits only for those that were made some time before.
    pub(crate) async fn step(&mut self, inputs: &[(&str, &[f32])]) -> Result<(), R::Error> {
        self.run.ready().await?;
        inputs.iter().try_for_each(|(name, values)| self.run.write(name, values))?;
        self.run.step()?;
        (self.ran, self.changes) = (true, self.changes + 1);
        Ok(())
    }

    /// Values of these outputs at the last step; none before the first.
    pub(crate) async fn report(&self, names: &[(&'static str, &str)]) -> Result<Vec<(&'static str, f64)>, R::Error> {
        if !self.ran {
            return Ok(Vec::new());
        }
        let outputs: Vec<&str> = names.iter().map(|(_, output)| *output).collect();
        let values = self.run.read_all(&outputs).await?;
        Ok(names.iter().zip(values).map(|((name, _), value)| (*name, f64::from(value[0]))).collect())
    }

    /// All states.
    pub(crate) async fn weights(&self) -> Result<Weights, R::Error> {
        let states: Vec<(&str, &[usize])> = self.run.program().states().collect();
        let names: Vec<&str> = states.iter().map(|(name, _)| *name).collect();
        let mut weights = Weights::default();
        for ((name, shape), values) in states.iter().zip(self.run.read_all(&names).await?) {
            weights.insert(name, shape, values);
        }
        Ok(weights)
    }

    /// How often the weights changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The parameters, each by its moving average where there is one.
    pub(crate) async fn averaged(&mut self) -> Result<&Weights, R::Error> {
        if self.averaged.as_ref().is_none_or(|(at, _)| *at != self.changes) {
            let average = |name: &str| format!("ema.{name}");
            let has = |name: &String| self.run.program().input(name).is_some();
            let names: Vec<String> =
                self.specs.iter().map(|s| Some(average(&s.name)).filter(has).unwrap_or(s.name.clone())).collect();
            let values = self.run.read_all(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            let mut weights = Weights::default();
            for (spec, values) in self.specs.iter().zip(values) {
                weights.insert(&spec.name, &spec.shape, values);
            }
            self.averaged = Some((self.changes, weights));
        }
        Ok(&self.averaged.get_or_insert_default().1)
    }
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
