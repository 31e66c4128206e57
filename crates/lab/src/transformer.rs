//! Autoregressive transformer over binned coordinates: p(x) = p(x1) p(x2 | x1), each coordinate a token, one of the bins of an
//! axis (as van den Oord et al. 2016, arXiv:1601.06759, had pixels), by a causal transformer (Vaswani et al. 2017,
//! arXiv:1706.03762). A density is that of the bins over their area: log p(bin1) + log p(bin2 | bin1) - 2 ln(width).
//!
//! Targets are spread over neighbouring bins by a normal density of `smoothing` bins around the point (soft labels, Szegedy et al.
//! 2016, arXiv:1512.00567, section 7, with neighbours for classes): with few points most bins have none, and a bin says little about
//! the next one unless it is told. What is learned is then the density of the data with noise of that size.

mod network;
mod table;

use crate::form::{About, Chip, Controls, Density, Form, How, Layer, Look};
use crate::points::Point;
use crate::train::{self, Learner, Lesson, Net, Pace};
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use likelihood::Kind;
use models::{Control, Weights};
use serde::{Deserialize, Serialize};
use table::Table;

/// Bins go from -REACH to REACH standard deviations.
const REACH: f64 = 4.0;
/// A temperature below this one is this one.
const COLDEST: f64 = 0.01;

/// Sizes, loss and optimiser.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Bins of a coordinate.
    pub bins: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of each attention; fewer where they do not divide the width.
    pub heads: usize,
    /// Standard deviation of the targets, in bins; 0 is the bin alone.
    pub smoothing: f64,
    /// Learning rate.
    pub rate: f64,
    /// Points of a step.
    pub batch: usize,
    /// Decay of the moving average of the weights.
    pub average: f64,
}

impl Default for Config {
    fn default() -> Config {
        let (bins, width, layers, heads) = (128, 48, 2, 4);
        Config { bins, width, layers, heads, smoothing: 1.0, rate: 2e-3, batch: 128, average: 0.995 }
    }
}

/// What can be told it before it learns.
pub fn controls() -> Controls {
    let d = Config::default();
    let count = |name: &str, range, default: usize, help: &str| Control::count(name, range, Some(default as u64), help);
    let smoothing = "How far a point's target is spread over neighbouring bins, in bins: 0 is its own bin alone";
    vec![
        (Chip::Form, count("bins", [8, 256], d.bins, "Bins of each coordinate, from -4 to 4 standard deviations")),
        (Chip::Form, count("width", [8, 256], d.width, "Numbers that the network keeps of each token")),
        (Chip::Form, count("layers", [1, 6], d.layers, "Blocks of attention and a small network")),
        (Chip::Form, count("heads", [1, 8], d.heads, "Heads of each attention")),
        (Chip::Loss, Control::number("smoothing", [0.0, 4.0], d.smoothing, smoothing)),
        (Chip::Optimiser, Control::number("rate", [1e-5, 0.1], d.rate, "Learning rate")),
        (Chip::Optimiser, count("batch", [8, 1024], d.batch, "Points of a step")),
        (Chip::Optimiser, Control::number("average", [0.0, 0.9999], d.average, "Decay of the average of the weights")),
    ]
}

/// In words and equations.
pub fn about(c: &Config) -> About {
    let form = format!("Two tokens, one of {} bins each, by a causal transformer", c.bins);
    let loss = match c.smoothing {
        s if s < 0.05 => ["Cross-entropy of each token given those before it", "−log p(b₁) − log p(b₂ | b₁) + 2 ln h"],
        _ => [
            "Cross-entropy, with targets spread over neighbouring bins",
            "−Σᵦ N(b; x₁, s²) log p(b) − Σᵦ N(b; x₂, s²) log p(b | b₁) + 2 ln h",
        ],
    };
    About {
        form: [form, "p(x) = p(b₁) p(b₂ | b₁) / h²,  bᵢ the bin of xᵢ, h its width".into()],
        loss: loss.map(String::from),
        optimiser: train::about_optimiser("", c.rate, c.batch),
    }
}

/// Width of a bin.
fn width(c: &Config) -> f64 {
    2.0 * REACH / c.bins as f64
}

/// A transformer while it is learned.
pub struct Transformer<R> {
    config: Config,
    learner: Learner<R>,
    net: Net<R>,
    /// What it says of each class that was asked for, and of none, at which weights.
    tables: Vec<((u64, usize), Table)>,
    /// Share of the coordinates it learns from that have no bin.
    outside: f64,
}

impl<R: Run> Transformer<R> {
    /// One that has learned nothing.
    pub async fn open<H: Load<Run = R>>(
        config: &Config,
        lesson: &Lesson<'_>,
        host: &H,
    ) -> Result<Transformer<R>, R::Error> {
        let (c, classes) = (config.clone(), lesson.classes);
        let run = host.load(&network::trainer(&c, classes)).await?;
        let pace = Pace { batch: c.batch, rate: c.rate, optimiser: train::adamw(c.average) };
        let outside = lesson.points.iter().flatten().filter(|v| f64::from(v.abs()) > REACH).count();
        Ok(Transformer {
            learner: Learner::new(run, network::specs(&c, classes), lesson, pace)?,
            net: Net::load(host, &[c.bins], |n| network::table(&c, classes, n)).await?,
            tables: Vec::new(),
            outside: outside as f64 / (2 * lesson.points.len()) as f64,
            config: c,
        })
    }

    /// All it says of a class.
    async fn table(&mut self, class: Option<u8>) -> Result<Table, R::Error> {
        let class = self.learner.class(class);
        let changes = self.learner.changes();
        self.tables.retain(|((at, _), _)| *at == changes);
        if let Some((_, table)) = self.tables.iter().find(|((_, of), _)| *of == class) {
            return Ok(table.clone());
        }
        self.net.refresh(&mut self.learner).await?;
        let n = self.config.bins;
        let bins: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let labels = vec![class as f32; n];
        let out = self.net.map(n, &[("bin", 1, &bins), ("class", 1, &labels)], &["first", "second"]).await?;
        let table = Table::new(n, &out["first"], &out["second"]);
        self.tables.push(((changes, class), table.clone()));
        Ok(table)
    }

    /// The table that samples are drawn by.
    async fn told(&mut self, how: &How) -> Result<Table, R::Error> {
        let table = self.table(how.class).await?;
        let guided = how.class.is_some() && how.guidance != 1.0;
        let table = if guided { table.guided(&self.table(None).await?, f64::from(how.guidance)) } else { table };
        let colder = 1.0 / f64::from(how.temperature).max(COLDEST);
        Ok(if how.temperature == 1.0 { table } else { table.sharpened(colder) })
    }
}

impl<R: Run> Form<R> for Transformer<R> {
    async fn steps(&mut self, n: usize) -> Result<(), R::Error> {
        let (width, last) = (width(&self.config), self.config.bins as f64);
        for _ in 0..n {
            let (mut u, mut e) = (vec![0f32; self.config.batch], vec![0f32; self.config.batch]);
            let mut noise = self.learner.noise();
            noise.fill_uniform(&mut u);
            noise.fill_normal(&mut e);
            let (x, class) = self.learner.batch(&u);
            // What lies outside counts for the last bin.
            let place = |v: &f32| ((f64::from(*v) + REACH) / width).clamp(0.5, last - 0.5) as f32;
            let place: Vec<f32> = x.iter().map(place).collect();
            // The second token sees the first with the noise that the first one's target has.
            let bin =
                |(p, e): (&f32, &f32)| (p + self.config.smoothing as f32 * e).clamp(0.0, last as f32 - 0.5).floor();
            let bin: Vec<f32> = place.iter().step_by(2).zip(&e).map(bin).collect();
            self.learner.step(&[("place", &place), ("bin", &bin)], &class).await?;
        }
        Ok(())
    }

    fn step(&self) -> u64 {
        self.learner.steps()
    }

    async fn losses(&mut self) -> Result<Vec<(&'static str, f64)>, R::Error> {
        self.learner.report(&[("loss", "loss"), ("of x1", "first"), ("of x2", "second")]).await
    }

    async fn log_density(&mut self, x: &[Point], how: &How) -> Result<Density, R::Error> {
        let table = self.table(how.class).await?;
        let (bins, width) = (self.config.bins, table.width());
        let mut assumptions = vec![format!(
            "The density is constant within a cell of two bins, {width:.4} standard deviations wide; beyond 4 it is 0."
        )];
        if self.outside > 0.0 {
            let share = 100.0 * self.outside;
            assumptions.push(format!(
                "{share:.2} % of the coordinates it learned from lie beyond the bins and were put into the last one."
            ));
        }
        Ok(Density {
            nats: x.iter().map(|x| table.log_density(*x)).collect(),
            std_error: None,
            kind: Kind::Exact,
            estimator: format!("chain rule over two tokens of {bins} bins"),
            assumptions,
            n_evals: 1,
        })
    }

    async fn sample(&mut self, n: usize, seed: u64, how: &How) -> Result<Vec<Point>, R::Error> {
        let table = self.told(how).await?;
        let mut u = vec![0f32; 2 * n];
        Rng::new(seed, stream::SAMPLE).fill_uniform(&mut u);
        let given = how.fixed[1].map(|x2| table.first_given(table.bin(x2)));
        let draw = |u: &[f32]| {
            let row = given.as_deref().unwrap_or(table.first());
            let x1 = how.fixed[0].unwrap_or_else(|| table.place(row, f64::from(u[0])));
            [x1, how.fixed[1].unwrap_or_else(|| table.place(table.second(table.bin(x1)), f64::from(u[1])))]
        };
        Ok(u.chunks(2).map(draw).collect())
    }

    async fn weights(&self) -> Result<Weights, R::Error> {
        self.learner.weights().await
    }

    async fn restore(&mut self, weights: &Weights, step: u64) -> Result<(), R::Error> {
        self.learner.restore(weights, step)
    }

    async fn picture(&mut self, look: &Look) -> Result<Vec<Layer>, R::Error> {
        let (table, n) = (self.table(None).await?, self.config.bins);
        let p = |row: &[f64]| row.iter().map(|l| l.exp() as f32).collect::<Vec<f32>>();
        let edges = (0..=n).map(|i| (i as f64 * table.width() - REACH) as f32).collect::<Vec<f32>>().repeat(2);
        Ok(vec![
            Layer::new("first", &[n], p(table.first())),
            Layer::new("second", &[n], p(table.second(table.bin(look.probe[0])))),
            Layer::new("edges", &[2, n + 1], edges),
        ])
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("table", network::table(&self.config, self.learner.classes(), self.config.bins))]
    }
}
