//! Diffusion and flow matching in the plane: points become noise along a path z = alpha(t) x + sigma(t) eps, a network learns
//! the mean velocity v of all that pass a place at a time, and the density is that of the flow dz/dt = v (the probability-flow
//! ODE of Song et al. 2021, arXiv:2011.13456, section 4.3; a continuous normalizing flow, Chen et al. 2018, arXiv:1806.07366):
//!     log p(x) = log N(z(1); 0, I) + integral of div v dt along the way from x
//! with the exact divergence, which takes two derivatives in the plane. Paths: [`Path`]. Classes are left out of some points,
//! for guidance (Ho & Salimans 2022, arXiv:2207.12598); a coordinate that is given is put back at every step, as in RePaint (Lugmayr
//! et al. 2022, arXiv:2201.09865), which is near p(x2 | x1), not exact.

mod network;
mod path;

pub use path::Path;

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::grid;
use crate::points::{Point, Window};
use crate::train::{self, Learner, Lesson, Net, Pace};
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use likelihood::Kind;
use models::{Control, Weights};
use path::{Level, times};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Points that networks take at once: few, or as many as still lie in a processor's cache.
const SIZES: [usize; 2] = [64, 1024];
/// Steps of a path whose density is asked for, each of four evaluations: twice as many until they make no difference. The
/// first are enough to tell which of two points is likelier.
const DENSITY_STEPS: [usize; 3] = [6, 12, 24];
/// Steps of the way of a point that is shown.
const WAY: usize = 24;
/// Steps of the flow behind a field.
const FIELD_STEPS: usize = 4;
/// Largest error of the solver at which a density is called exact, in nats.
const EXACT: f64 = 1e-3;
/// Steps with a given coordinate, and how often each is made.
const GIVEN: (usize, usize) = (40, 3);
/// Particles of the picture, and their steps.
const PARTICLES: (usize, usize) = (96, 24);
/// Cells a side of the picture's scores and of its field.
const CELLS: (usize, usize) = (16, 64);
/// Noise below which a score is not shown longer.
const LEAST_NOISE: f64 = 0.05;

/// Path, sizes and optimiser.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// From data to noise.
    pub path: Path,
    /// Width of the hidden layers.
    pub width: usize,
    /// Hidden layers.
    pub layers: usize,
    /// Steps from noise to a sample.
    pub steps: usize,
    /// Learning rate.
    pub rate: f64,
    /// Points of a step.
    pub batch: usize,
    /// Decay of the moving average of the weights.
    pub average: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { path: Path::Cosine, width: 64, layers: 3, steps: 12, rate: 4e-3, batch: 256, average: 0.998 }
    }
}

/// What can be told it before it learns.
pub fn controls() -> Controls {
    let d = Config::default();
    let count = |name: &str, range, default: usize, help: &str| Control::count(name, range, Some(default as u64), help);
    let path = "From data to noise: along a quarter of a circle, or straight (flow matching)";
    vec![
        (Chip::Form, Control::choice("path", &["cosine", "straight"], path)),
        (Chip::Form, count("width", [8, 256], d.width, "Width of the hidden layers")),
        (Chip::Form, count("layers", [1, 6], d.layers, "Hidden layers")),
        (Chip::Form, count("steps", [1, 200], d.steps, "Steps from noise to a sample, each of four evaluations")),
        (Chip::Optimiser, Control::number("rate", [1e-5, 0.1], d.rate, "Learning rate")),
        (Chip::Optimiser, count("batch", [8, 1024], d.batch, "Points of a step")),
        (Chip::Optimiser, Control::number("average", [0.0, 0.9999], d.average, "Decay of the average of the weights")),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let (form, loss) = match c.path {
        Path::Cosine => (
            [
                "The flow of a network's velocity, from noise to data",
                "dz/dφ = v(z, φ), z(π/2) ~ N(0, I);  log p(x) = log N(z(π/2)) + ∫ div v dφ",
            ],
            ["Squared error of the velocity", "E‖v(z, φ) − (cos φ ε − sin φ x)‖²,  z = cos φ x + sin φ ε"],
        ),
        Path::Straight => (
            [
                "The flow of a network's velocity, along straight pairs",
                "dz/dt = v(z, t), z(1) ~ N(0, I);  log p(x) = log N(z(1)) + ∫ div v dt",
            ],
            ["Squared error of the velocity (flow matching)", "E‖v(z, t) − (ε − x)‖²,  z = (1 − t) x + t ε"],
        ),
    };
    About {
        form: form.map(String::from),
        loss: loss.map(String::from),
        optimiser: train::about_optimiser("ε ~ N(0, I);  ", c.rate, c.batch),
    }
}

/// Told the number of the first of some points, that of the step, and where they are after it.
type Watch<'a> = &'a mut dyn FnMut(usize, usize, &[f32]);

/// A diffusion model while it is learned.
pub struct Diffusion<R> {
    config: Config,
    learner: Learner<R>,
    field: Net<R>,
    flow: Net<R>,
    density: Net<R>,
}

/// log N(z; 0, I) in the plane.
fn log_normal(z: &[f32]) -> f64 {
    -0.5 * z.iter().map(|z| f64::from(*z).powi(2)).sum::<f64>() - TAU.ln()
}

impl<R: Run> Diffusion<R> {
    /// One that has learned nothing.
    pub async fn open<H: Load<Run = R>>(
        config: &Config,
        lesson: &Lesson<'_>,
        host: &H,
    ) -> Result<Diffusion<R>, R::Error> {
        let (c, classes) = (config.clone(), lesson.classes);
        let run = host.load(&network::trainer(&c, classes)).await?;
        let pace = Pace { batch: c.batch, rate: c.rate, optimiser: train::adamw(c.average) };
        Ok(Diffusion {
            learner: Learner::new(run, network::specs(&c, classes), lesson, pace)?,
            field: Net::load(host, &SIZES, |n| network::field(&c, classes, n)).await?,
            flow: Net::load(host, &SIZES, |n| network::advance(&c, classes, n)).await?,
            density: Net::load(host, &SIZES, |n| network::advance_density(&c, classes, n)).await?,
            config: c,
        })
    }

    /// The number that stands for a class, or for none.
    fn class(&self, how: &How) -> [f32; 1] {
        [self.learner.class(how.class) as f32]
    }

    /// v at points z (n, 2).
    async fn velocity(&mut self, z: &[f32], time: f64, class: [f32; 1]) -> Result<Vec<f32>, R::Error> {
        self.field.refresh(&mut self.learner).await?;
        self.field.share(&[("time", &[time as f32]), ("class", &class)])?;
        Ok(self.field.map(z.len() / 2, &[("z", 2, z)], &["v"]).await?.remove("v").unwrap_or_default())
    }

    /// Where the flow takes points z (n, 2) by steps (time, length), guided by a class. `seen` gets the place of all after each
    /// step of some, with the number of the first of them and of the step.
    async fn follow(
        &mut self,
        z: &[f32],
        steps: &[[f64; 2]],
        class: [f32; 1],
        guidance: f32,
        mut seen: Option<Watch<'_>>,
    ) -> Result<Vec<f32>, R::Error> {
        self.flow.refresh(&mut self.learner).await?;
        self.flow.share(&[("class", &class), ("guidance", &[guidance])])?;
        let (n, mut ends) = (z.len() / 2, Vec::with_capacity(z.len()));
        while ends.len() < 2 * n {
            let done = ends.len() / 2;
            let (size, run) = self.flow.for_rows(n - done);
            let rows = (n - done).min(*size);
            run.write("z", &train::padded(&z[2 * done..2 * (done + rows)], 2 * *size))?;
            for (i, [time, by]) in steps.iter().enumerate() {
                run.ready().await?;
                run.write("time", &[*time as f32])?;
                run.write("by", &[*by as f32])?;
                run.step()?;
                if let Some(seen) = seen.as_deref_mut() {
                    seen(done, i, &run.read("at").await?[..2 * rows]);
                }
            }
            ends.extend(&run.read("at").await?[..2 * rows]);
        }
        Ok(ends)
    }

    /// log p of points x (n, 2) by so many steps, and the way of the first: places, and log p if there were noise alone beyond.
    async fn densities(
        &mut self,
        x: &[f32],
        steps: usize,
        class: [f32; 1],
        way: bool,
    ) -> Result<(Vec<f64>, Vec<f32>, Vec<f32>), R::Error> {
        self.density.refresh(&mut self.learner).await?;
        self.density.share(&[("class", &class)])?;
        let (n, mut nats) = (x.len() / 2, Vec::new());
        let (mut places, mut sums) = (Vec::new(), Vec::new());
        let log_p = |z: &[f32], integral: f32| log_normal(z) + f64::from(integral);
        if way {
            places.extend(&x[..2]);
            sums.push(log_normal(&x[..2]) as f32);
        }
        while nats.len() < n {
            let done = nats.len();
            let (size, run) = self.density.for_rows(n - done);
            let rows = (n - done).min(*size);
            run.write("z", &train::padded(&x[2 * done..2 * (done + rows)], 2 * *size))?;
            run.write("integral", &vec![0.0; *size])?;
            for [time, by] in times([0.0, 1.0], steps) {
                run.ready().await?;
                run.write("time", &[time as f32])?;
                run.write("by", &[by as f32])?;
                run.step()?;
                if way && done == 0 {
                    let all = run.read_all(&["at", "so far"]).await?;
                    places.extend(&all[0][..2]);
                    sums.push(log_p(&all[0][..2], all[1][0]) as f32);
                }
            }
            let all = run.read_all(&["at", "so far"]).await?;
            nats.extend(all[0].chunks(2).zip(&all[1]).take(rows).map(|(z, integral)| log_p(z, *integral)));
        }
        Ok((nats, places, sums))
    }

    /// log p_t at the cells of a window: the noise that the corners of each come from spans an area, and carries its mass.
    async fn cells(&mut self, window: Window, n: usize, time: f64, class: [f32; 1]) -> Result<Vec<f32>, R::Error> {
        let corner = |[from, to]: [f64; 2], i: usize| (from + (to - from) * i as f64 / n as f64) as f32;
        let side = n + 1;
        let corners: Vec<f32> =
            (0..side * side).flat_map(|i| [corner(window.x, i % side), corner(window.y, n - i / side)]).collect();
        let steps = times([time, 1.0], FIELD_STEPS);
        let noise = self.follow(&corners, &steps, class, 1.0, None).await?;
        let cell = (window.x[1] - window.x[0]) * (window.y[1] - window.y[0]) / (n * n) as f64;
        let at = |i: usize| [f64::from(noise[2 * i]), f64::from(noise[2 * i + 1])];
        let log_p = |i: usize| {
            let first = i / n * side + i % n;
            let [a, b, c, d] = [first, first + 1, first + side, first + side + 1].map(at);
            let area = 0.5 * ((d[0] - a[0]) * (c[1] - b[1]) - (d[1] - a[1]) * (c[0] - b[0])).abs();
            let middle = [0, 1].map(|axis| (0.25 * (a[axis] + b[axis] + c[axis] + d[axis])) as f32);
            (log_normal(&middle) + (area / cell).max(f64::MIN_POSITIVE).ln()) as f32
        };
        Ok((0..n * n).map(log_p).collect())
    }

    /// Samples of p(x2 | x1), nearly: steps of the reverse process with the noise of the forward one (Ho et al. 2020,
    /// arXiv:2006.11239, eq. 7), the given coordinate put in, with fresh noise, after each; each step is made again from a step back.
    async fn filled(&mut self, n: usize, how: &How, noise: &mut Rng) -> Result<Vec<Point>, R::Error> {
        let (class, path) = (self.class(how), self.config.path);
        let mut draw = |by: f64| {
            let mut e = vec![0f32; 2 * n];
            noise.fill_normal(&mut e);
            e.into_iter().map(|e| by * f64::from(e)).collect::<Vec<f64>>()
        };
        let mut z = draw(f64::from(how.temperature));
        for [time, by] in times([1.0, 0.0], GIVEN.0) {
            let (t, s) = (path.at(time), path.at((time + by).max(0.0)));
            for turn in 0..GIVEN.1 {
                let now: Vec<f32> = z.iter().map(|z| *z as f32).collect();
                let v = self.guided(&now, time, class, how.guidance).await?;
                let (fresh, other) = (draw(1.0), draw(1.0));
                let mixed = t.sigma * t.sigma - (t.alpha / s.alpha * s.sigma).powi(2);
                let new = mixed.max(0.0).sqrt() * s.sigma / t.sigma;
                let kept = (s.sigma * s.sigma - new * new).max(0.0).sqrt();
                let Level { alpha, sigma } = s;
                for (i, z) in z.iter_mut().enumerate() {
                    let [x, eps] = path.parts(time, *z, f64::from(v[i]));
                    *z = match how.fixed[i % 2] {
                        Some(given) => alpha * f64::from(given) + sigma * fresh[i],
                        None => alpha * x + kept * eps + new * fresh[i],
                    };
                    if turn + 1 < GIVEN.1 {
                        *z = t.alpha / s.alpha * *z + mixed.max(0.0).sqrt() * other[i];
                    }
                }
            }
        }
        let point = |z: &[f64]| std::array::from_fn(|i| how.fixed[i].unwrap_or(z[i] as f32));
        Ok(z.chunks(2).map(point).collect())
    }

    /// The velocity of a class, weighed against that of none.
    async fn guided(&mut self, z: &[f32], time: f64, class: [f32; 1], guidance: f32) -> Result<Vec<f32>, R::Error> {
        let none = [self.learner.classes() as f32];
        let mut v = self.velocity(z, time, class).await?;
        if guidance != 1.0 && class != none {
            let all = self.velocity(z, time, none).await?;
            v.iter_mut().zip(all).for_each(|(v, all)| *v = all + guidance * (*v - all));
        }
        Ok(v)
    }
}

impl<R: Run> Form<R> for Diffusion<R> {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        let (b, path) = (self.config.batch, self.config.path);
        for _ in 0..n {
            let mut noise = self.learner.noise();
            let (mut u, mut eps) = (vec![0f32; b + 1], vec![0f32; 2 * b]);
            noise.fill_uniform(&mut u);
            noise.fill_normal(&mut eps);
            let (x, class) = self.learner.batch(&u[1..]);
            // Evenly spread with one random offset (Kingma et al. 2021, arXiv:2107.00630, appendix I.1).
            let time: Vec<f32> = (0..b).map(|i| (i as f32 + u[0]) / b as f32).collect();
            let (mut z, mut wanted) = (Vec::with_capacity(2 * b), Vec::with_capacity(2 * b));
            for (i, (x, eps)) in x.iter().zip(&eps).enumerate() {
                let Level { alpha, sigma } = path.at(f64::from(time[i / 2]));
                let (alpha, sigma) = (alpha as f32, sigma as f32);
                z.push(alpha * x + sigma * eps);
                wanted.push(match path {
                    Path::Cosine => alpha * eps - sigma * x,
                    Path::Straight => eps - x,
                });
            }
            self.learner.step(&[("z", &z), ("wanted", &wanted), ("time", &time)], &class).await?;
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.learner.steps()
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        self.learner.report(&[("loss", "loss")]).await
    }

    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let (class, rows) = (self.class(how), x.as_flattened());
        let [first, more @ ..] = DENSITY_STEPS;
        let (mut nats, ..) = self.densities(rows, first, class, false).await?;
        let (mut errors, mut worst, mut steps, mut all) = (Vec::new(), f64::INFINITY, first, first);
        for twice in more {
            if worst < EXACT {
                break;
            }
            let (fine, ..) = self.densities(rows, twice, class, false).await?;
            // The error of a method of fourth order falls by 16 when its steps are halved.
            errors = fine.iter().zip(nats).map(|(fine, coarse)| (fine - coarse).abs() / 15.0).collect();
            worst = errors.iter().copied().fold(0.0, f64::max);
            (nats, steps, all) = (fine, twice, all + twice);
        }
        let exact = worst < EXACT;
        Ok(Density {
            nats,
            std_error: (!exact).then_some(errors),
            kind: if exact { Kind::Exact } else { Kind::Stochastic },
            estimator: format!("probability-flow ODE, {steps} steps of Runge and Kutta"),
            assumptions: vec![format!(
                "The density of the flow of the learned velocity, with the exact divergence; half of the steps say that the \
                 solver is off by up to {worst:.1e} nats."
            )],
            n_evals: 4 * all,
        })
    }

    async fn ranks(&mut self, x: &[Point], how: &How) -> Result<Vec<f64>, R::Error> {
        let class = self.class(how);
        Ok(self.densities(x.as_flattened(), DENSITY_STEPS[0], class, false).await?.0)
    }

    async fn field(&mut self, window: Window, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let class = self.class(how);
        self.cells(window, n, 0.0, class).await
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        let mut noise = Rng::new(seed, stream::SAMPLE);
        match how.fixed {
            [Some(x), Some(y)] => return Ok(vec![[x, y]; n]),
            [None, None] => {}
            _ => return self.filled(n, how, &mut noise).await,
        }
        let mut z = vec![0f32; 2 * n];
        noise.fill_normal(&mut z);
        z.iter_mut().for_each(|z| *z *= how.temperature);
        let (class, steps) = (self.class(how), times([1.0, 0.0], self.config.steps));
        let ends = self.follow(&z, &steps, class, how.guidance, None).await?;
        Ok(ends.chunks(2).map(|x| [x[0], x[1]]).collect())
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        self.learner.weights().await
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.learner.restore(weights, step)
    }

    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error> {
        let (class, path, time) =
            ([self.learner.classes() as f32], self.config.path, f64::from(look.time.clamp(0.0, 1.0)));
        let (n, steps) = PARTICLES;
        let mut z = vec![0f32; 2 * n];
        Rng::new(look.seed, stream::SAMPLE).fill_normal(&mut z);
        let mut ways: Vec<Vec<f32>> = z.chunks(2).map(<[f32]>::to_vec).collect();
        let mut seen = |first: usize, _: usize, at: &[f32]| {
            ways[first..].iter_mut().zip(at.chunks(2)).for_each(|(way, at)| way.extend(at));
        };
        self.follow(&z, &times([1.0, 0.0], steps), class, 1.0, Some(&mut seen)).await?;
        let places: Vec<f32> = grid::centres(look.window, CELLS.0).flatten().collect();
        let v = self.velocity(&places, time, class).await?;
        let noise = path.at(time).sigma.max(LEAST_NOISE);
        let score = |(z, v): (&f32, &f32)| (-path.parts(time, f64::from(*z), f64::from(*v))[1] / noise) as f32;
        let scores = places.iter().zip(&v).map(score).collect();
        let field = self.cells(look.window, CELLS.1, time.min(0.999), class).await?;
        let (_, way, sums) = self.densities(&look.probe, WAY, class, true).await?;
        Ok(vec![
            Layer::new("particle points", &[n, steps + 1, 2], ways.concat()),
            Layer::new("score vectors", &[CELLS.0, CELLS.0, 2], scores),
            Layer::new("field", &[CELLS.1, CELLS.1], field),
            Layer::new("path points", &[WAY + 1, 2], way),
            Layer::new("path log_p", &[WAY + 1], sums),
        ])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("velocity", network::field(&self.config, self.learner.classes(), SIZES[0]))]
    }
}
