//! What every model of the plane does, whatever its family.

use crate::grid;
use crate::points::{Point, Window};
use graph::{Program, Run};
use likelihood::Kind;
use models::{Control, Weights};

/// What a person wants of a sample or of a density.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct How {
    /// The class that is asked for; none: all together.
    pub class: Option<u8>,
    /// Scale of the noise that samples start from; 1 is the model itself. Densities are always of the model itself.
    pub temperature: f32,
    /// How much a sample follows its class; 1 is p(x | class) itself.
    pub guidance: f32,
    /// Coordinates that are given, in standardised units: samples are drawn from p(x | those).
    pub fixed: [Option<f32>; 2],
}

impl Default for How {
    fn default() -> How {
        How { class: None, temperature: 1.0, guidance: 1.0, fixed: [None, None] }
    }
}

/// log p of some points.
#[derive(Clone, PartialEq, Debug)]
pub struct Density {
    /// Of each, in nats.
    pub nats: Vec<f64>,
    /// Standard errors, where there is Monte Carlo noise.
    pub std_error: Option<Vec<f64>>,
    /// What the numbers are to log p(x).
    pub kind: Kind,
    /// How they were made, in the field's words.
    pub estimator: String,
    /// What they rest on, one plain sentence each.
    pub assumptions: Vec<String>,
    /// Evaluations of the network, for each point.
    pub n_evals: usize,
}

/// What a family's own picture is of.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Look {
    /// The point that is asked about.
    pub probe: Point,
    /// Time of a diffusion, 0 at the data, 1 at the noise.
    pub time: f32,
    /// What is shown of the plane.
    pub window: Window,
    /// Seed of the noise in the picture.
    pub seed: u64,
}

/// A named array of a picture. Names that end in `points` hold positions (.., 2), in `vectors` directions (.., 2).
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// What it is.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row major.
    pub values: Vec<f32>,
}

impl Layer {
    /// Of these values.
    pub fn new(name: &'static str, shape: &[usize], values: Vec<f32>) -> Layer {
        Layer { name, shape: shape.to_vec(), values }
    }
}

/// What a form is made of, as words and as an equation in plain text.
#[derive(Clone, PartialEq, Debug)]
pub struct About {
    /// The parametric form of p(x).
    pub form: [String; 2],
    /// What training minimises.
    pub loss: [String; 2],
    /// How.
    pub optimiser: [String; 2],
}

/// The part of a form that a control belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chip {
    /// The parametric form.
    Form,
    /// The loss.
    Loss,
    /// The optimiser.
    Optimiser,
}

/// Controls by what they belong to; their names are those of the fields of the form's `Config`.
pub type Controls = Vec<(Chip, Control)>;

/// A model of the plane. All points are standardised.
#[expect(async_fn_in_trait, reason = "used with static dispatch, on one thread")]
pub trait Form<R: Run> {
    /// Makes `n` steps of the optimiser, without a readback where there need be none. Step N is the same whether it was
    /// reached in one call or in many.
    async fn steps(&mut self, n: usize) -> Result<(), R::Error>;

    /// Steps made so far.
    fn step(&self) -> u64;

    /// Names and values of what is minimised, at the last step; what is shown first comes first.
    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error>;

    /// log p of each point; with a class log p(x | class).
    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error>;

    /// log p of each point, near enough to tell which is likelier.
    async fn ranks(&mut self, x: &[Point], how: &How) -> Result<Vec<f64>, R::Error> {
        Ok(self.log_density(x, how).await?.nats)
    }

    /// log p at the centres of the n x n cells of a window, row 0 at the top (largest y). May be made in another, faster way than
    /// [`Form::log_density`], to be looked at.
    async fn field(&mut self, window: Window, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let points: Vec<Point> = grid::centres(window, n).collect();
        Ok(self.log_density(&points, how).await?.nats.into_iter().map(|nats| nats as f32).collect())
    }

    /// `n` samples; the same for the same seed.
    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error>;

    /// All parameters and what the optimiser keeps of them.
    async fn weights(&self) -> Result<Weights, R::Error>;

    /// Goes back to weights that [`Form::weights`] gave after `step` steps.
    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error>;

    /// What the family's own picture shows.
    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error>;

    /// The Programs by which it is used; none for one in closed form.
    fn programs(&self) -> Vec<(&'static str, Program)>;
}
