//! The density that simulated data were drawn from. Nothing is learned: it is what the other models should become.

use crate::form::{About, Density, Form, How, Layer, Look};
use crate::points::{Point, Scale};
use crate::sets::Set;
use crate::{exact, line};
use graph::{Program, Run};
use models::Weights;

/// In words and equations.
pub fn about(set: Set) -> About {
    let words = |words: &str, equation: &str| [words.to_string(), equation.to_string()];
    About {
        form: words(&format!("The simulator of {} itself", set.title().to_lowercase()), "p(x), known"),
        loss: words("None", "0"),
        optimiser: words("None: nothing is learned", "–"),
    }
}

/// The density of a simulator, in standardised units.
pub struct Truth {
    set: Set,
    scale: Scale,
    step: u64,
}

impl Truth {
    /// That of a set whose data have this scale.
    pub fn new(set: Set, scale: Scale) -> Truth {
        Truth { set, scale, step: 0 }
    }

    fn log_p(&self, x: &[Point]) -> Vec<f64> {
        // From the units of the data to standard deviations.
        x.iter().map(|&x| self.set.log_density(self.scale.undo(x)) - self.scale.log_jacobian()).collect()
    }
}

impl<R: Run> Form<R> for Truth {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        self.step += n as u64;
        Ok(())
    }

    fn step(&self) -> u64 {
        self.step
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        Ok(Vec::new())
    }

    async fn log_density(&mut self, x: &[Point], _how: &How) -> Result<Density, R::Error> {
        Ok(exact(self.log_p(x), "the simulator's own density"))
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        if how.fixed == [None, None] {
            return Ok(self.set.sample(n, seed).at.into_iter().map(|x| self.scale.apply(x)).collect());
        }
        Ok(line::draw(n, seed, how.fixed, |x| self.log_p(x)))
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        Ok(Weights::default())
    }

    async fn restore(&mut self, _weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.step = step;
        Ok(())
    }

    async fn picture(&mut self, _look: &Look) -> Result<Vec<Layer>, R::Error> {
        Ok(Vec::new())
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        Vec::new()
    }
}
