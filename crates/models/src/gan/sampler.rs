//! Drawing samples, and what can be asked of them: truncation, walks, directions, inversion.

use super::space::{self, principal_directions};
use super::{Config, invert, map, synthesise};
use crate::control::{Control, Kind, Refused, Settings};
use crate::params::Params;
use crate::sample::{Draw, Error, Frame, loaded, padded, show, slerp};
use data::rng::{Rng, stream};
use graph::{Graph, Load, Program, Run};
use std::ops::ControlFlow;

/// Semantic directions that are offered.
const DIRECTIONS: usize = 6;

fn direction(i: usize) -> String {
    format!("direction_{}", i + 1)
}

/// What the model can be told while it draws.
pub fn controls(c: &Config) -> Vec<Control> {
    let latent = Kind::Latent { size: c.latents };
    let seeds = [0, u64::from(u32::MAX)];
    let mut all = vec![
        Control::number("truncation", [0.0, 1.0], 1.0, "Pulls w towards its mean: less varied, more typical pictures"),
        Control::new("latent", "The z of all pictures", latent.clone()),
        Control::new("image", "A picture to start from: its z is searched for", Kind::Picture),
        Control::number("vary", [0.0, 1.0], 0.0, "Share of new noise in the z of `latent` or `image`"),
        Control::count("to_seed", seeds, None, "Walk to the first picture of this seed"),
        Control::new("to_latent", "Walk to this z", latent),
    ];
    all.extend((0..DIRECTIONS.min(c.mapping)).map(|i| {
        let help = format!("Standard deviations along principal direction {} of w", i + 1);
        Control::number(&direction(i), [-3.0, 3.0], 0.0, &help)
    }));
    all
}

/// Pictures from changed w: inputs `z` (b, L), `class` (b, A) with labels, `mean` (b, M), `truncation` () and `shift` (M);
/// output `image` (b, C, S, S) in \[0, 1\] for w' = mean + truncation (w - mean) + shift (StyleGAN, arXiv:1812.04948,
/// appendix B).
fn pictures(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (mean, shift) = (g.input("mean", &[b, c.mapping]), g.input("shift", &[c.mapping]));
    let w = map(&p, c, g.input("z", &[b, c.latents]), g.input("class", &[b, c.classes.len()]));
    let w = mean + g.input("truncation", &[]) * (w - mean) + shift;
    Program::new(&[("image", 0.5 * (synthesise(&p, c, w) + 1.0))], &[])
}

/// The z found for a picture, and what it was found for.
struct Found {
    picture: Vec<f32>,
    labels: Vec<f32>,
    seed: u64,
    z: Vec<f32>,
}

/// Draws samples in batches of one size; its Programs are loaded when they are first needed.
pub struct Sampler<R> {
    config: Config,
    batch: usize,
    pictures: Option<R>,
    means: Option<R>,
    descent: Option<R>,
    /// (DIRECTIONS, M), each as long as the standard deviation along it.
    directions: Option<Vec<f32>>,
    found: Option<Found>,
}

impl<R: Run> Sampler<R> {
    /// Draws at most `batch` pictures at once.
    pub fn new(c: &Config, batch: usize) -> Sampler<R> {
        let config = c.clone();
        Sampler { config, batch, pictures: None, means: None, descent: None, directions: None, found: None }
    }

    /// Pictures (count, C, S, S) in \[0, 1\].
    pub async fn draw(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let z = self.noise(host, draw, watch).await?;
        let labels = padded(draw.labels, self.batch * self.config.classes.len());
        let shift = self.shift(host, draw.settings).await?;
        let truncation = draw.settings.number("truncation") as f32;
        let mean = if truncation < 1.0 {
            self.mean(host, &labels).await?
        } else {
            vec![0.0; self.batch * self.config.mapping]
        };
        show(watch, Frame::START).await?;
        let run = loaded(&mut self.pictures, host, || pictures(&self.config, self.batch)).await?;
        write_labels(run, &labels)?;
        for (name, values) in [("z", &z), ("mean", &mean), ("truncation", &vec![truncation]), ("shift", &shift)] {
            run.write(name, values)?;
        }
        run.step()?;
        let mut images = run.read("image").await?;
        images.truncate(images.len() / self.batch * draw.count);
        Ok(images)
    }

    /// The z (L) from which the generator draws the picture (C, S, S) most nearly; frames show what it draws.
    pub async fn encode(
        &mut self,
        host: &impl Load<Run = R>,
        picture: &[f32],
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let labels = &draw.labels[..self.config.classes.len()];
        if let Some(found) = &self.found
            && found.picture == picture
            && found.labels == labels
            && found.seed == draw.seed
        {
            return Ok(found.z.clone());
        }
        let run = loaded(&mut self.descent, host, || invert::descent(&self.config)).await?;
        let z = invert::descend(&self.config, run, picture, draw, watch).await?;
        self.found = Some(Found { picture: picture.to_vec(), labels: labels.to_vec(), seed: draw.seed, z: z.clone() });
        Ok(z)
    }

    /// z of each picture, (batch, L).
    async fn noise(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let settings = draw.settings;
        let fixed = match (settings.array("latent"), settings.array("image")) {
            (Some(_), Some(_)) => return refuse("'latent' and 'image' both say where to start: give one of them."),
            (Some(z), None) => Some(z.to_vec()),
            (None, Some(picture)) => Some(self.encode(host, picture, draw, watch).await?),
            (None, None) => None,
        };
        let end = match (settings.count("to_seed"), settings.array("to_latent")) {
            (Some(_), Some(_)) => return refuse("'to_seed' and 'to_latent' both end a walk: give one of them."),
            (Some(seed), None) => Some(self.normal(seed as u64, 0)),
            (None, z) => z.map(<[f32]>::to_vec),
        };
        let vary = settings.number("vary") as f32;
        let of_picture = |i: usize| match (&fixed, &end) {
            (Some(z), Some(end)) => slerp(z, end, draw.along(i)),
            (None, Some(end)) => slerp(&self.normal(draw.seed, 0), end, draw.along(i)),
            (Some(z), None) => mixed(z, &self.normal(draw.seed, draw.first + i), vary),
            (None, None) => self.normal(draw.seed, draw.first + i),
        };
        let z: Vec<f32> = (0..draw.count).flat_map(of_picture).collect();
        Ok(padded(&z, self.batch * self.config.latents))
    }

    /// Noise of picture `i` of a seed, (L).
    fn normal(&self, seed: u64, i: usize) -> Vec<f32> {
        let mut z = vec![0f32; self.config.latents];
        Rng::new(seed, stream::SAMPLE).skip((i as u64) << 32).fill_normal(&mut z);
        z
    }

    /// Mean of w for the labels of each picture, (batch, M).
    async fn mean(&mut self, host: &impl Load<Run = R>, labels: &[f32]) -> Result<Vec<f32>, Error<R::Error>> {
        let fresh = self.means.is_none();
        let run = loaded(&mut self.means, host, || space::means(&self.config, self.batch)).await?;
        if fresh {
            space::write_noise(&self.config, run)?;
        }
        write_labels(run, labels)?;
        run.step()?;
        Ok(run.read("mean").await?)
    }

    /// What the settings add to w, (M).
    async fn shift(&mut self, host: &impl Load<Run = R>, settings: &Settings) -> Result<Vec<f32>, Error<R::Error>> {
        let m = self.config.mapping;
        let amounts: Vec<f32> = (0..DIRECTIONS.min(m)).map(|i| settings.number(&direction(i)) as f32).collect();
        let mut shift = vec![0f32; m];
        if amounts.iter().all(|a| *a == 0.0) {
            return Ok(shift);
        }
        let directions = match self.directions.take() {
            Some(directions) => directions,
            None => {
                let mut run = host.load(&space::covariance(&self.config)).await?;
                space::write_noise(&self.config, &mut run)?;
                space::write_groups(&self.config, &mut run)?;
                run.step()?;
                principal_directions(&run.read("covariance").await?, m, amounts.len())
            }
        };
        for (amount, direction) in amounts.iter().zip(directions.chunks(m)) {
            shift.iter_mut().zip(direction).for_each(|(s, d)| *s += amount * d);
        }
        self.directions = Some(directions);
        Ok(shift)
    }
}

fn refuse<T, E>(why: &str) -> Result<T, Error<E>> {
    Err(Error::Setting(Refused(why.into())))
}

/// z with the share `vary` of its variance taken from other noise.
fn mixed(z: &[f32], noise: &[f32], vary: f32) -> Vec<f32> {
    z.iter().zip(noise).map(|(z, e)| (1.0 - vary).sqrt() * z + vary.sqrt() * e).collect()
}

/// Writes the labels of a batch where the model has some.
fn write_labels<R: Run>(run: &mut R, labels: &[f32]) -> Result<(), R::Error> {
    if labels.is_empty() { Ok(()) } else { run.write("class", labels) }
}
