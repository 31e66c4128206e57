//! Training, the same on every engine, natively and in a browser's worker. A step is a [`Program`](graph::Program) whose
//! states are the parameters and what the optimiser keeps of them, so nothing leaves the device until somebody asks.

use crate::params::{Spec, Weights, WeightsError};
use crate::registry::Augment;
use data::rng::{Rng, stream};
use graph::Run;

/// A train step with its states.
pub struct Trainer<R> {
    run: R,
}

impl<R: Run> Trainer<R> {
    /// Takes a loaded train step and writes its states; those that `weights` lacks, as the moments of a new run, start
    /// at zero.
    pub fn new(run: R, weights: &Weights) -> Result<Trainer<R>, R::Error> {
        let mut trainer = Trainer { run };
        trainer.restore(weights)?;
        Ok(trainer)
    }

    /// Writes all states anew, as [`Trainer::new`] does.
    pub fn restore(&mut self, weights: &Weights) -> Result<(), R::Error> {
        let states: Vec<(String, usize)> =
            self.run.program().states().map(|(name, shape)| (name.to_string(), shape.iter().product())).collect();
        for (name, len) in states {
            match weights.get(&name) {
                Some(values) => self.run.write(&name, values)?,
                None => self.run.write(&name, &vec![0.0; len])?,
            }
        }
        Ok(())
    }

    /// One step on these inputs. Waits only for steps that were made some time before.
    pub async fn step(&mut self, inputs: &[(&str, &[f32])]) -> Result<(), R::Error> {
        self.run.ready().await?;
        inputs.iter().try_for_each(|(name, values)| self.run.write(name, values))?;
        self.run.step()
    }

    /// The numbers that the last step put out, by name, the loss first: waits for the device.
    pub async fn report(&self) -> Result<Vec<(&str, f32)>, R::Error> {
        let names: Vec<&str> = self.run.program().outputs.iter().map(|(name, _)| name.as_str()).collect();
        let values = self.run.read_all(&names).await?;
        Ok(names.into_iter().zip(values.into_iter().map(|v| v[0])).collect())
    }

    /// All states as they are after the last step: waits for the device.
    pub async fn weights(&self) -> Result<Weights, R::Error> {
        let states: Vec<(&str, &[usize])> = self.run.program().states().collect();
        let names: Vec<&str> = states.iter().map(|(name, _)| *name).collect();
        let mut weights = Weights::default();
        for ((name, shape), values) in states.iter().zip(self.run.read_all(&names).await?) {
            weights.insert(name, shape, values);
        }
        Ok(weights)
    }
}

/// The images of a step.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the step in the whole run: 1, 2, ..
    pub step: u64,
    /// Finished fraction of the whole run.
    pub done: f64,
    /// Levels of each image, (C, S, S), augmented.
    pub images: &'a [Vec<u8>],
    /// Number of each draw, new in every epoch.
    pub draws: &'a [u64],
    /// Numbers of the labels, (b, A).
    pub labels: &'a [f32],
}

impl Batch<'_> {
    /// The images as networks see them, (b, C, S, S).
    pub fn levels(&self) -> Vec<f32> {
        self.images.iter().flat_map(|image| data::image::centred(image)).collect()
    }
}

/// Labels (b, A) of `counts` values each after some were replaced by none, one past the last value, so that a model may be
/// asked without them: all labels of an image with probability `all`, and each for itself with probability `one` where there
/// are several. `uniform` holds 1 + A numbers for each image.
pub fn drop_labels(labels: &[f32], counts: &[usize], uniform: &[f32], all: f32, one: f32) -> Vec<f32> {
    let a = counts.len();
    let one = if a > 1 { one } else { 0.0 };
    let rows = labels.chunks_exact(a).zip(uniform.chunks_exact(1 + a));
    rows.flat_map(|(row, u)| {
        let dropped = move |i: usize| u[0] < all || u[1 + i] < one;
        (0..a).map(move |i| if dropped(i) { counts[i] as f32 } else { row[i] })
    })
    .collect()
}

/// Draws a change of an image (C, S, S) that leaves it what it is.
pub fn augment(image: &[u8], size: usize, how: Augment, seed: u64, draw: u64) -> Vec<u8> {
    if how == Augment::default() {
        return image.to_vec();
    }
    let mut u = [0f32; 3];
    Rng::new(seed, stream::AUGMENT).skip(draw).fill_uniform(&mut u);
    let flip = how.flip && u[0] < 0.5;
    let span = (2 * how.shift + 1) as f32;
    let [dx, dy] = [u[1], u[2]].map(|u| (u * span) as isize - how.shift as isize);
    let last = size as isize - 1;
    let moved = |at: usize, by: isize| (at as isize + by).clamp(0, last) as usize;
    let mut out = Vec::with_capacity(image.len());
    for plane in image.chunks(size * size) {
        for y in 0..size {
            let row = &plane[moved(y, dy) * size..][..size];
            out.extend((0..size).map(|x| row[moved(if flip { size - 1 - x } else { x }, dx)]));
        }
    }
    out
}

/// The shipped parameters among the states of a train step: each one's moving average, where the optimiser keeps one.
pub fn shipped(states: &Weights, specs: &[Spec]) -> Result<Weights, WeightsError> {
    let mut weights = states.only(specs)?;
    for spec in specs {
        if let Some(average) = states.get(&format!("ema.{}", spec.name)) {
            weights.insert(&spec.name, &spec.shape, average.to_vec());
        }
    }
    Ok(weights)
}

/// The order in which an epoch takes `n` images.
pub fn order(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed, stream::SHUFFLE).skip((epoch as u64) << 32).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_dropped_alone_and_together() {
        let n = 4000;
        let mut uniform = vec![0f32; 3 * n];
        Rng::new(1, 0).fill_uniform(&mut uniform);
        let kept = drop_labels(&[3.0, 2.0].repeat(n), &[7, 5], &uniform, 0.1, 0.2);
        let rows = || kept.chunks_exact(2);
        assert!(rows().all(|r| [3.0, 7.0].contains(&r[0]) && [2.0, 5.0].contains(&r[1])));
        let part = |row: [f32; 2]| rows().filter(|r| **r == row).count() as f32 / n as f32;
        // 0.1 + 0.9 0.2^2, 0.9 0.2 0.8 and 0.9 0.8^2, each with a standard deviation below 0.008.
        assert!((part([7.0, 5.0]) - 0.136).abs() < 0.03);
        assert!((part([7.0, 2.0]) - 0.144).abs() < 0.03);
        assert!((part([3.0, 2.0]) - 0.576).abs() < 0.03);
        let alone = drop_labels(&vec![3.0; n], &[7], &uniform[..2 * n], 0.1, 0.2);
        assert!((alone.iter().filter(|v| **v == 7.0).count() as f32 / n as f32 - 0.1).abs() < 0.02);
    }

    #[test]
    fn augmentation_moves_and_mirrors_and_depends_on_the_draw_alone() {
        let image: Vec<u8> = (0..32).collect();
        let how = Augment { flip: true, shift: 1 };
        assert_eq!(augment(&image, 4, Augment::default(), 1, 0), image);
        assert_eq!(augment(&image, 4, how, 1, 5), augment(&image, 4, how, 1, 5));
        let flipped: Vec<u8> = image.chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
        let (mut same, mut mirrored) = (0, 0);
        for draw in 0..180 {
            let out = augment(&image, 4, how, 1, draw);
            assert_eq!(out.len(), image.len());
            same += usize::from(out == image);
            mirrored += usize::from(out == flipped);
        }
        // Each of 2 x 3 x 3 changes is drawn 10 times of 180.
        assert!((3..20).contains(&same) && (3..20).contains(&mirrored), "{same} {mirrored}");
    }
}
