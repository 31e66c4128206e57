//! A GAN of points (Goodfellow et al. 2014, arXiv:1406.2661): x = G(z), z ~ N(0, I) in the plane, against a discriminator D, with
//! the relativistic loss of R3GAN (Huang et al. 2025, arXiv:2501.05441, eq. 2) or the non-saturating one, and a penalty on the
//! slopes of D at points of the data and of G (R1 and R2, eq. 3 and 4 there).
//!
//! As z and x have two dimensions, G has a density, that of the folded plane (`likelihood::pushforward`):
//!     p(x) = sum over all z with G(z) = x of N(z; 0, I) / |det dG/dz|
//! It was not learned by it, and is 0 wherever G draws nothing.

mod network;

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::points::{Point, Window};
use crate::train::{self, Learner, Lesson, Net, Pace};
use crate::{grid, line};
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use likelihood::Kind;
use likelihood::pushforward::{Error, Mesh, Pushforward};
use models::{Control, Weights};
use network::L;
use serde::{Deserialize, Serialize};

/// Rows that networks take at once.
const SIZES: [usize; 2] = [256, 4096];
/// The mesh over z reaches so far, with so many cells a side; its numbers are compared with those of half as many.
const MESH: (f64, usize) = (4.0, 128);
/// Largest difference between the two meshes at which a density is called exact, in nats.
const EXACT: f64 = 1e-3;
/// The picture's mesh over z, whose cells are coloured, and samples with arrows.
const FOLDS: (f64, usize) = (2.5, 30);
const PUSHED: usize = 64;
/// Cells a side of the picture of the discriminator.
const JUDGED: usize = 64;

/// Which network a step moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Player {
    /// The discriminator at each step, the generator at every so many.
    #[default]
    Both,
    /// The discriminator alone.
    Discriminator,
    /// The generator alone.
    Generator,
}

/// What the networks play for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Is this point of the data more real than that sample? (R3GAN)
    Relativistic,
    /// Is this point real? (Goodfellow et al. 2014, section 3)
    NonSaturating,
}

/// Loss, sizes and optimiser.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Width of the hidden layers.
    pub width: usize,
    /// Hidden layers of both networks.
    pub layers: usize,
    /// What the networks play for.
    pub loss: Loss,
    /// Weight of the penalty on the discriminator's slopes.
    pub gamma: f64,
    /// Steps of the discriminator for each of the generator.
    pub ratio: usize,
    /// Learning rate.
    pub rate: f64,
    /// Points of a step.
    pub batch: usize,
    /// Decay of the moving average of the generator's weights.
    pub average: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            width: 64,
            layers: 2,
            loss: Loss::Relativistic,
            gamma: 0.02,
            ratio: 2,
            rate: 4e-3,
            batch: 128,
            average: 0.998,
        }
    }
}

/// What can be told it before it learns.
pub fn controls() -> Controls {
    let d = Config::default();
    let count = |name: &str, range, default: usize, help: &str| Control::count(name, range, Some(default as u64), help);
    let loss = "Relativistic: is a point more real than a sample? Non-saturating: is it real?";
    let gamma = "Weight of the penalty on the discriminator's slopes: with none the game may never settle";
    vec![
        (Chip::Form, count("width", [4, 256], d.width, "Width of the hidden layers")),
        (Chip::Form, count("layers", [1, 4], d.layers, "Hidden layers of both networks")),
        (Chip::Loss, Control::choice("loss", &["relativistic", "non-saturating"], loss)),
        (Chip::Loss, Control::number("gamma", [0.0, 10.0], d.gamma, gamma)),
        (Chip::Optimiser, count("ratio", [1, 10], d.ratio, "Steps of the discriminator for each of the generator")),
        (Chip::Optimiser, Control::number("rate", [1e-5, 0.1], d.rate, "Learning rate")),
        (Chip::Optimiser, count("batch", [8, 1024], d.batch, "Points of a step")),
        (
            Chip::Optimiser,
            Control::number("average", [0.0, 0.9999], d.average, "Decay of the average of the generator"),
        ),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let penalty = if c.gamma > 0.0 {
        format!(" + {}/2 (E‖∇D(x)‖² + E‖∇D(G(z))‖²)", c.gamma)
    } else {
        String::new()
    };
    let loss = match c.loss {
        Loss::Relativistic => [
            "A game: which of two points is more real?".to_string(),
            format!("D lowers E ζ(D(G(z)) − D(x)){penalty};  G lowers E ζ(D(x) − D(G(z)));  ζ(t) = ln(1 + eᵗ)"),
        ],
        Loss::NonSaturating => [
            "A game: is this point real?".to_string(),
            format!("D lowers E ζ(−D(x)) + E ζ(D(G(z))){penalty};  G lowers E ζ(−D(G(z)));  ζ(t) = ln(1 + eᵗ)"),
        ],
    };
    let form = [
        "A network folds the plane of a hidden z onto the data".to_string(),
        "x = G(z), z ~ N(0, I);  p(x) = Σ over G(z) = x of N(z; 0, I) / |det ∂G/∂z|".to_string(),
    ];
    let turns = if c.ratio > 1 { format!("D moves {} times for each move of G.  ", c.ratio) } else { String::new() };
    About { form, loss, optimiser: train::about_optimiser(&turns, c.rate, c.batch) }
}

/// The density of a generator's images, by two meshes, or why there is none.
type Folded = Result<[Pushforward; 2], Error>;

/// A GAN while it is learned.
pub struct Gan<R> {
    config: Config,
    learner: Learner<R>,
    generator: Net<R>,
    discriminator: Net<R>,
    /// Moves of the discriminator and of the generator.
    turns: [u64; 2],
    /// What the density was last made of: at which weights, of which class.
    folded: Option<((u64, usize), Folded)>,
}

impl<R: Run> Gan<R> {
    /// One that has learned nothing.
    pub async fn open<H: Load<Run = R>>(config: &Config, lesson: &Lesson<'_>, host: &H) -> Result<Gan<R>, R::Error> {
        let (c, classes) = (config.clone(), lesson.classes);
        let run = host.load(&network::trainer(&c, classes)).await?;
        let pace = Pace { batch: c.batch, rate: c.rate, optimiser: network::optimiser(c.average) };
        Ok(Gan {
            learner: Learner::new(run, network::specs(&c, classes), lesson, pace)?,
            generator: Net::load(host, &SIZES, |n| network::generator(&c, classes, n)).await?,
            discriminator: Net::load(host, &SIZES, |n| network::discriminator(&c, classes, n)).await?,
            turns: [0, 0],
            folded: None,
            config: c,
        })
    }

    /// Makes `n` steps of these networks.
    pub async fn play(&mut self, n: usize, player: Player) -> Result<(), R::Error> {
        for _ in 0..n {
            let turn = match player {
                Player::Both => [true, (self.learner.steps() + 1).is_multiple_of(self.config.ratio as u64)],
                Player::Discriminator => [true, false],
                Player::Generator => [false, true],
            };
            let mut noise = self.learner.noise();
            let (mut u, mut z) = (vec![0f32; self.config.batch], vec![0f32; self.config.batch * L]);
            noise.fill_uniform(&mut u);
            noise.fill_normal(&mut z);
            let (x, class) = self.learner.batch(&u);
            let rates = self.turns.map(|turns| self.learner.rates(turns + 1));
            let moves = turn.map(|moves| f32::from(u8::from(moves)));
            let inputs: [(&str, &[f32]); 5] = [
                ("x", &x),
                ("z", &z),
                ("turn", &moves),
                ("discriminator.rates", &rates[0]),
                ("generator.rates", &rates[1]),
            ];
            self.learner.step_with(&inputs, &class).await?;
            self.turns = [0, 1].map(|i| self.turns[i] + u64::from(turn[i]));
        }
        Ok(())
    }

    /// G of latents (n, L), all of one class.
    async fn generate(&mut self, z: &[f32], class: usize) -> Result<Vec<f32>, R::Error> {
        self.generator.refresh(&mut self.learner).await?;
        let n = z.len() / L;
        let labels = vec![class as f32; n];
        let mut out = self.generator.map(n, &[("z", L, z), ("class", 1, &labels)], &["x"]).await?;
        Ok(out.remove("x").unwrap_or_default())
    }

    /// D of points (n, 2) and its gradients (n, 2).
    async fn judge(&mut self, x: &[f32]) -> Result<(Vec<f32>, Vec<f32>), R::Error> {
        self.discriminator.refresh(&mut self.learner).await?;
        let labels = vec![self.learner.classes() as f32; x.len() / 2];
        let outputs = ["logit", "slope"];
        let mut out = self.discriminator.map(x.len() / 2, &[("x", 2, x), ("class", 1, &labels)], &outputs).await?;
        let [logit, slope] = outputs.map(|name| out.remove(name).unwrap_or_default());
        Ok((logit, slope))
    }

    /// The density of G's images by the mesh, and by one of half as many cells.
    async fn folded(&mut self, class: usize) -> Result<&Folded, R::Error> {
        let key = (self.learner.changes(), class);
        let made = match self.folded.take().filter(|(of, _)| *of == key) {
            Some(made) => made,
            None => {
                let (reach, cells) = MESH;
                let side = cells + 1;
                let z = mesh_points(reach, cells);
                let x = self.generate(&z, class).await?;
                let images: Vec<[f64; 2]> = x.chunks(2).map(|x| [f64::from(x[0]), f64::from(x[1])]).collect();
                let even = |i: &usize| (i % side).is_multiple_of(2) && (i / side).is_multiple_of(2);
                let half: Vec<[f64; 2]> = (0..side * side).filter(even).map(|i| images[i]).collect();
                let of = |cells, images: &[[f64; 2]]| Pushforward::from_images(Mesh::new(reach, cells)?, images);
                (key, of(cells, &images).and_then(|fine| Ok([fine, of(cells / 2, &half)?])))
            }
        };
        Ok(&self.folded.insert(made).1)
    }
}

/// Points of the mesh over z, ((cells + 1)^2, L), rows from below.
fn mesh_points(reach: f64, cells: usize) -> Vec<f32> {
    grid::mesh(cells + 1, reach).into_iter().map(|z| z as f32).collect()
}

/// What is answered where there is no density at all.
fn undefined(n: usize, why: Error) -> Density {
    Density {
        nats: vec![f64::NEG_INFINITY; n],
        std_error: None,
        kind: Kind::Undefined(format!("no density: {why}")),
        estimator: "change of variables over a mesh of z".into(),
        assumptions: Vec::new(),
        n_evals: 0,
    }
}

impl<R: Run> Form<R> for Gan<R> {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        self.play(n, Player::Both).await
    }

    fn step(&self) -> u64 {
        self.learner.steps()
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        self.learner.report(&[("discriminator", "loss"), ("generator", "generator"), ("penalty", "penalty")]).await
    }

    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let class = self.learner.class(how.class);
        let [fine, half] = match self.folded(class).await? {
            Ok(meshes) => meshes,
            Err(why) => return Ok(undefined(x.len(), *why)),
        };
        let asked: Vec<[f64; 2]> = x.iter().map(|x| x.map(f64::from)).collect();
        let nats: Vec<f64> = asked.iter().map(|x| fine.log_density(*x)).collect();
        let errors: Vec<f64> = asked.iter().zip(&nats).map(|(x, nats)| (half.log_density(*x) - nats).abs()).collect();
        let worst = errors.iter().copied().filter(|e| e.is_finite()).fold(0.0, f64::max);
        let (known, cells) = (errors.iter().all(|e| e.is_finite()), MESH.1);
        let exact = known && worst < EXACT;
        let lost = (100.0 * fine.collapsed()).abs();
        Ok(Density {
            nats,
            std_error: (known && !exact).then_some(errors),
            kind: if exact { Kind::Exact } else { Kind::Stochastic },
            estimator: format!("change of variables over {cells} x {cells} cells of z"),
            assumptions: vec![format!(
                "The generator is taken as linear within each half of {cells} x {cells} cells of z; a mesh of half as many a \
                 side gives numbers that differ by up to {worst:.1e} nats. {lost:.1} % of its samples fall onto lines, which have \
                 no density. Where it draws nothing a point is impossible."
            )],
            n_evals: (cells + 1) * (cells + 1),
        })
    }

    async fn field(&mut self, window: Window, n: usize, how: &How) -> Result<Vec<f32>, R::Error> {
        let class = self.learner.class(how.class);
        let Ok([fine, _]) = self.folded(class).await? else { return Ok(vec![f32::NEG_INFINITY; n * n]) };
        // At a fold the density has no bound, so a cell shows the mean over it.
        let cells = fine.cells([window.x, window.y], n);
        Ok(cells.chunks(n).rev().flatten().map(|p| p.ln() as f32).collect())
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        let class = self.learner.class(how.class);
        if how.fixed != [None, None] {
            let folded = self.folded(class).await?.as_ref().ok();
            let log_p = |x: &[Point]| match folded {
                Some([fine, _]) => x.iter().map(|x| fine.log_density(x.map(f64::from))).collect(),
                None => vec![f64::NEG_INFINITY; x.len()],
            };
            return Ok(line::draw(n, seed, how.fixed, log_p));
        }
        let mut z = vec![0f32; L * n];
        Rng::new(seed, stream::SAMPLE).fill_normal(&mut z);
        z.iter_mut().for_each(|z| *z *= how.temperature);
        Ok(self.generate(&z, class).await?.chunks(2).map(|x| [x[0], x[1]]).collect())
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        let mut weights = self.learner.weights().await?;
        weights.insert("turns", &[2], self.turns.map(|n| n as f32).to_vec());
        Ok(weights)
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.turns = [0, 1].map(|i| weights.get("turns").map_or(step, |turns| turns[i] as u64));
        self.learner.restore(weights, step)
    }

    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error> {
        let none = self.learner.classes();
        let (reach, cells) = FOLDS;
        let images = self.generate(&mesh_points(reach, cells), none).await?;
        let density = cell_densities(&images, reach, cells);
        let mut z = vec![0f32; L * PUSHED];
        Rng::new(look.seed, stream::SAMPLE).fill_normal(&mut z);
        let fake = self.generate(&z, none).await?;
        let (logits, pushes) = self.judge(&fake).await?;
        let typical = logits.iter().sum::<f32>() / PUSHED as f32;
        let centres: Vec<f32> = grid::centres(look.window, JUDGED).flatten().collect();
        let (field, _) = self.judge(&centres).await?;
        let more_real = |logit: f32| -(typical - logit).exp().ln_1p();
        Ok(vec![
            Layer::new("mesh points", &[cells + 1, cells + 1, 2], images),
            Layer::new("mesh density", &[cells, cells], density),
            Layer::new("discriminator", &[JUDGED, JUDGED], field.into_iter().map(more_real).collect()),
            Layer::new("fake points", &[PUSHED, 2], fake),
            Layer::new("push vectors", &[PUSHED, 2], pushes),
        ])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![
            ("generator", network::generator(&self.config, self.learner.classes(), SIZES[0])),
            ("discriminator", network::discriminator(&self.config, self.learner.classes(), SIZES[0])),
        ]
    }
}

/// log of the mass of each cell of z over the area of its image, (cells, cells), rows from below: what this sheet alone adds to p.
fn cell_densities(images: &[f32], reach: f64, cells: usize) -> Vec<f32> {
    let side = cells + 1;
    let width = 2.0 * reach / cells as f64;
    let at = |i: usize| [0, 1].map(|axis| f64::from(images[2 * i + axis]));
    let middle = |i: usize| reach * (2.0 * (i as f64 + 0.5) / cells as f64 - 1.0);
    let of = |cell: usize| {
        let (column, row) = (cell % cells, cell / cells);
        let corners = [0, 1, side + 1, side].map(|by| at(row * side + column + by));
        let area: f64 =
            (0..4).map(|i| corners[i][0] * corners[(i + 1) % 4][1] - corners[i][1] * corners[(i + 1) % 4][0]).sum();
        let prior = -0.5 * (middle(column).powi(2) + middle(row).powi(2)) - std::f64::consts::TAU.ln();
        (prior + (width * width).ln() - (0.5 * area.abs()).max(f64::MIN_POSITIVE).ln()) as f32
    };
    (0..cells * cells).map(of).collect()
}
