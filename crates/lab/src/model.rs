//! A form with its data: trained, asked and shown in the units of the data.

use crate::family::Spec;
use crate::form::{Density, Form, How, Layer, Look};
use crate::gan::Player;
use crate::gaussian::Gaussian;
use crate::kernel::Kernel;
use crate::mixture::Mixture;
use crate::points::{Data, Point, Scale, Window};
use crate::table::Refusal;
use crate::train::Lesson;
use crate::truth::Truth;
use crate::{diffusion, gan, transformer, vae};
use graph::{Load, Program, Run};
use likelihood::{Kind, mean_and_error};
use models::Weights;
use serde::Serialize;
use std::rc::Rc;

/// Held-out points that are scored, at most.
const MOST_HELD_OUT: usize = 500;
/// Samples of the model itself with which a point is compared.
const OWN: usize = 200;
/// Step of the differences that make the score, in standard deviations of the data.
const STEP: f32 = 2e-3;
/// So many steps may be lost when a model diverges.
const KEEP_EVERY: u64 = 200;

/// A model on an engine.
enum Any<R> {
    Truth(Truth),
    Gaussian(Gaussian),
    Mixture(Mixture),
    Kernel(Kernel),
    Vae(vae::Vae<R>),
    Gan(gan::Gan<R>),
    Diffusion(diffusion::Diffusion<R>),
    Transformer(transformer::Transformer<R>),
}

/// The same for the form of whatever family.
macro_rules! each {
    ($any:expr, $form:ident => $do:expr) => {
        match $any {
            Any::Truth($form) => $do,
            Any::Gaussian($form) => $do,
            Any::Mixture($form) => $do,
            Any::Kernel($form) => $do,
            Any::Vae($form) => $do,
            Any::Gan($form) => $do,
            Any::Diffusion($form) => $do,
            Any::Transformer($form) => $do,
        }
    };
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E: std::error::Error + 'static> {
    /// These data can't be learned by it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine failed.
    #[error(transparent)]
    Engine(E),
}

/// Steps one after the other by the same networks; only a GAN has two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Moves {
    /// Which of them.
    pub player: Player,
    /// How many steps.
    pub steps: u64,
}

/// What came of some steps.
#[derive(Clone, PartialEq, Debug)]
pub struct Trained {
    /// All steps since the start: the same again lead here again.
    pub moves: Vec<Moves>,
    /// Names and values of what is minimised.
    pub losses: Vec<(&'static str, f64)>,
    /// Why the model was put back to an earlier step, as a sentence.
    pub diverged: Option<String>,
}

/// log p of the held-out points.
#[derive(Clone, PartialEq, Debug)]
pub struct HeldOut {
    /// Mean in nats, in the units of the data; of the possible points alone where some are impossible.
    pub nats: f64,
    /// Its standard error over points; none of fewer than two.
    pub std_error: Option<f64>,
    /// What each log p is.
    pub kind: Kind,
    /// How it was made.
    pub estimator: String,
    /// Points that were asked about.
    pub points: usize,
    /// Those of them that the model finds impossible (log p = -inf).
    pub impossible: usize,
}

/// An answer about one point.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    /// log p in the units of the data.
    pub nats: f64,
    /// Standard error, where there is Monte Carlo noise.
    pub std_error: Option<f64>,
    /// What the number is.
    pub kind: Kind,
    /// How it was made.
    pub estimator: String,
    /// What it rests on.
    pub assumptions: Vec<String>,
    /// Evaluations of the network.
    pub n_evals: usize,
    /// Percentage of the model's own samples that are less likely.
    pub own: f64,
    /// Gradient of log p, per unit of the data; none where log p is not finite nearby.
    pub score: Option<[f64; 2]>,
}

/// A form, its data, and the last state in which all was well.
pub struct Model<R> {
    form: Any<R>,
    spec: Spec,
    data: Rc<Data>,
    moves: Vec<Moves>,
    kept: Option<(u64, Weights)>,
    /// Ranks of own samples, ascending, how they were asked for, and at which step.
    own: Option<(u64, How, Vec<f64>)>,
}

impl<R: Run> Model<R> {
    /// A model that has learned nothing.
    pub async fn open<L: Load<Run = R>>(
        spec: &Spec,
        data: Rc<Data>,
        seed: u64,
        host: &L,
    ) -> Result<Model<R>, OpenError<R::Error>> {
        let (train, labels, classes) = (data.train_std(), &data.train.labels, data.train.classes.len());
        let lesson = Lesson { points: &train, labels, classes, seed };
        let form = match spec {
            Spec::Truth => {
                let no = || Refusal("These data came without their simulator: their true density is not known.".into());
                Any::Truth(Truth::new(data.truth.ok_or_else(no)?, data.scale))
            }
            Spec::Gaussian(c) => Any::Gaussian(Gaussian::open(c, &train)?),
            Spec::Mixture(c) => Any::Mixture(Mixture::open(c, &train, seed)?),
            Spec::Kernel(c) => Any::Kernel(Kernel::open(c, &train, labels)),
            Spec::Vae(c) => Any::Vae(vae::Vae::open(c, &lesson, host).await.map_err(OpenError::Engine)?),
            Spec::Gan(c) => Any::Gan(gan::Gan::open(c, &lesson, host).await.map_err(OpenError::Engine)?),
            Spec::Diffusion(c) => {
                Any::Diffusion(diffusion::Diffusion::open(c, &lesson, host).await.map_err(OpenError::Engine)?)
            }
            Spec::Transformer(c) => {
                Any::Transformer(transformer::Transformer::open(c, &lesson, host).await.map_err(OpenError::Engine)?)
            }
        };
        Ok(Model { form, spec: spec.clone(), data, moves: Vec::new(), kept: None, own: None })
    }

    /// What it is.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What it learns from.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Steps made.
    pub fn step(&self) -> u64 {
        each!(&self.form, form => Form::<R>::step(form))
    }

    /// Makes `n` steps. A model whose loss or whose weights are no numbers any more goes back to where they were.
    pub async fn train(&mut self, n: usize) -> Result<Trained, R::Error> {
        self.play(n, Player::Both).await
    }

    /// [`Model::train`] by one network of a GAN; other families have one alone.
    pub async fn play(&mut self, n: usize, player: Player) -> Result<Trained, R::Error> {
        if self.kept.is_none() {
            self.keep().await?;
        }
        match &mut self.form {
            Any::Gan(gan) => gan.play(n, player).await?,
            form => each!(form, form => Form::<R>::steps(form, n).await?),
        }
        self.moved(n as u64, player);
        let mut losses = self.losses().await?;
        let mut diverged = None;
        let stale = self.kept.as_ref().is_none_or(|(step, _)| self.step() >= step + KEEP_EVERY);
        if !losses.iter().all(|(_, loss)| loss.is_finite()) || (stale && !self.keep().await?) {
            diverged = Some(self.go_back().await?);
            losses = self.losses().await?;
        }
        Ok(Trained { moves: self.moves.clone(), losses, diverged })
    }

    /// All steps since the start.
    pub fn moves(&self) -> &[Moves] {
        &self.moves
    }

    fn moved(&mut self, steps: u64, player: Player) {
        match self.moves.last_mut() {
            Some(last) if last.player == player => last.steps += steps,
            _ => self.moves.push(Moves { player, steps }),
        }
    }

    /// Names and values of what is minimised, at the last step.
    pub async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        each!(&mut self.form, form => Form::<R>::losses(form).await)
    }

    /// Takes the present state for the one to go back to if all of it is finite, and says whether it is.
    async fn keep(&mut self) -> Result<bool, R::Error> {
        let weights = self.weights().await?;
        let finite = weights.iter().all(|(_, values)| values.iter().all(|v| v.is_finite()));
        if finite {
            self.kept = Some((self.step(), weights));
        }
        Ok(finite)
    }

    async fn go_back(&mut self) -> Result<String, R::Error> {
        let at = self.step();
        self.own = None;
        if let Some((step, weights)) = &self.kept {
            each!(&mut self.form, form => Form::<R>::restore(form, weights, *step).await?);
            let mut left = *step;
            for moves in &mut self.moves {
                moves.steps = moves.steps.min(left);
                left -= moves.steps;
            }
            self.moves.retain(|moves| moves.steps > 0);
        }
        Ok(format!(
            "Training diverged by step {at}: a number grew without end. The model is as it was after step {}; a smaller \
             learning rate may help.",
            self.step()
        ))
    }

    /// All parameters and what the optimiser keeps of them.
    pub async fn weights(&self) -> Result<Weights, R::Error> {
        each!(&self.form, form => Form::<R>::weights(form).await)
    }

    /// The Programs by which it is used.
    pub fn programs(&self) -> Vec<(&'static str, Program)> {
        each!(&self.form, form => Form::<R>::programs(form))
    }

    /// log p of standardised points, in the units of the data.
    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let mut density = each!(&mut self.form, form => Form::<R>::log_density(form, x, how).await?);
        let unit = self.data.scale.log_jacobian();
        density.nats.iter_mut().for_each(|nats| *nats += unit);
        Ok(density)
    }

    /// log p of points, in the units of the data.
    pub async fn log_p(&mut self, x: &[[f64; 2]], how: &How) -> Result<Density, R::Error> {
        let points: Vec<Point> = x.iter().map(|x| self.data.scale.apply(*x)).collect();
        self.log_density(&points, how).await
    }

    /// log p of points that it did not learn from.
    pub async fn held_out(&mut self) -> Result<HeldOut, R::Error> {
        let mut points = self.data.held_out_std();
        points.truncate(MOST_HELD_OUT);
        let Density { nats, kind, estimator, .. } = self.log_density(&points, &How::default()).await?;
        let possible: Vec<f64> = nats.iter().copied().filter(|nats| *nats != f64::NEG_INFINITY).collect();
        let (mean, std_error) = mean_and_error(&possible);
        let nats = if possible.is_empty() { f64::NEG_INFINITY } else { mean };
        let std_error = (possible.len() > 1).then_some(std_error);
        let impossible = points.len() - possible.len();
        Ok(HeldOut { nats, std_error, kind, estimator, points: points.len(), impossible })
    }

    /// log p at the centres of the cells of the window of the data, row by row from the top.
    pub async fn field(&mut self, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let window = self.window();
        let mut field = each!(&mut self.form, form => Form::<R>::field(form, window, n, how).await?);
        let unit = self.data.scale.log_jacobian() as f32;
        field.iter_mut().for_each(|nats| *nats += unit);
        Ok(field)
    }

    /// What is shown, in standard deviations.
    fn window(&self) -> Window {
        self.data.scale.window(self.data.window())
    }

    /// Draws, in the units of the data.
    pub async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<[f64; 2]>, R::Error> {
        let drawn = each!(&mut self.form, form => Form::<R>::sample(form, n, seed, how).await?);
        Ok(drawn.into_iter().map(|x| self.data.scale.undo(x)).collect())
    }

    /// log p of a point with its gradient, and its place among the model's own samples.
    pub async fn probe(&mut self, x: [f64; 2], how: &How) -> Result<Probe, R::Error> {
        let how = How { temperature: 1.0, guidance: 1.0, fixed: [None, None], ..*how };
        let u = self.data.scale.apply(x);
        let beside = |axis: usize, by: f32| std::array::from_fn(|i| if i == axis { u[i] + by } else { u[i] });
        let points = [u, beside(0, STEP), beside(0, -STEP), beside(1, STEP), beside(1, -STEP)];
        let density = self.log_density(&points, &how).await?;
        let slope = |axis: usize| {
            let (up, down) = (density.nats[1 + 2 * axis], density.nats[2 + 2 * axis]);
            // The points are where f32 has them, not exactly one step away.
            let run = f64::from(points[1 + 2 * axis][axis]) - f64::from(points[2 + 2 * axis][axis]);
            (up - down) / run / self.data.scale.sd[axis]
        };
        let score = Some([slope(0), slope(1)]).filter(|s| s.iter().all(|v| v.is_finite()));
        let nats = density.nats[0];
        let rank = each!(&mut self.form, form => Form::<R>::ranks(form, &[u], &how).await?)[0];
        let own = self.own(&how).await?;
        let below = own.partition_point(|&of| of < rank);
        Ok(Probe {
            nats,
            std_error: density.std_error.map(|errors| errors[0]),
            kind: density.kind,
            estimator: density.estimator,
            assumptions: density.assumptions,
            n_evals: density.n_evals,
            own: 100.0 * below as f64 / own.len() as f64,
            score,
        })
    }

    /// Ranks of own samples, ascending; made anew when the model has learned more.
    async fn own(&mut self, how: &How) -> Result<&[f64], R::Error> {
        let step = self.step();
        let fresh = |(at, of, _): &(u64, How, Vec<f64>)| of == how && step == *at;
        if !self.own.as_ref().is_some_and(fresh) {
            let drawn = each!(&mut self.form, form => Form::<R>::sample(form, OWN, 0, how).await?);
            let mut ranks = each!(&mut self.form, form => Form::<R>::ranks(form, &drawn, how).await?);
            ranks.sort_by(f64::total_cmp);
            self.own = Some((step, *how, ranks));
        }
        Ok(self.own.as_ref().map_or(&[], |(_, _, ranks)| ranks))
    }

    /// What the family's own picture shows, in the units of the data.
    pub async fn picture(&mut self, probe: [f64; 2], time: f32, seed: u64) -> Result<Vec<Layer>, R::Error> {
        let look = Look { probe: self.data.scale.apply(probe), time, window: self.window(), seed };
        let layers = each!(&mut self.form, form => Form::<R>::picture(form, &look).await?);
        let axis = usize::from(time >= 0.5);
        Ok(layers.into_iter().map(|layer| in_units(layer, &self.data.scale, axis)).collect())
    }
}

/// A layer in the units of the data; `axis` is the coordinate that a picture of one is of.
fn in_units(mut layer: Layer, scale: &Scale, axis: usize) -> Layer {
    let (mean, sd, unit) = (scale.mean, scale.sd, scale.log_jacobian());
    let values = &mut layer.values;
    let to = |v: &mut f32, f: &dyn Fn(f64) -> f64| *v = f(f64::from(*v)) as f32;
    match layer.name {
        name if name.ends_with("points") => {
            values.iter_mut().enumerate().for_each(|(i, v)| to(v, &|v| mean[i % 2] + sd[i % 2] * v));
        }
        name if name.ends_with("vectors") => values.iter_mut().enumerate().for_each(|(i, v)| to(v, &|v| v / sd[i % 2])),
        "field" | "path log_p" | "mesh density" => values.iter_mut().for_each(|v| to(v, &|v| v + unit)),
        "bound" => values.iter_mut().take(2).for_each(|v| to(v, &|v| v + unit)),
        "edges" => {
            let row = values.len() / 2;
            values.iter_mut().enumerate().for_each(|(i, v)| to(v, &|v| mean[i / row] + sd[i / row] * v));
        }
        "bandwidth" => values.iter_mut().enumerate().for_each(|(i, v)| to(v, &|v| v * sd[i])),
        "climb" => values.iter_mut().enumerate().for_each(|(i, v)| {
            to(v, &|v| if i % 2 == 0 { mean[axis] + sd[axis] * v } else { v + sd[axis].ln() });
        }),
        "landscape range" => values.iter_mut().enumerate().for_each(|(i, v)| {
            to(v, &|v| if i < 2 { mean[axis] + sd[axis] * v } else { v + sd[axis].ln() });
        }),
        "landscape" => values.iter_mut().for_each(|v| to(v, &|v| v - sd[axis].ln())),
        "ellipses" => values.iter_mut().enumerate().for_each(|(i, v)| match i % 6 {
            1 | 2 => to(v, &|v| mean[i % 6 - 1] + sd[i % 6 - 1] * v),
            3 => to(v, &|v| v * sd[0] * sd[0]),
            4 => to(v, &|v| v * sd[0] * sd[1]),
            5 => to(v, &|v| v * sd[1] * sd[1]),
            _ => {}
        }),
        _ => {}
    }
    layer
}
