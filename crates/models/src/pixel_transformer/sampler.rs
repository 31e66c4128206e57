//! Drawing pixel by pixel: each from its distribution given those before it.

use super::{Config, next_patch, next_pixel};
use crate::control::{Control, Kind, Refused, Settings};
use crate::sample::{self, Draw, Error, Frame, padded};
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};
use std::ops::ControlFlow;

/// Guidance where none is given.
const GUIDANCE: f64 = 1.5;

/// What the model can be told while it draws.
pub fn controls(c: &Config) -> Vec<Control> {
    vec![
        Control::number("temperature", [0.0, 2.0], 1.0, "Divides all logits; 0 takes the likeliest token"),
        Control::number(
            "guidance",
            [0.0, 10.0],
            GUIDANCE,
            "How far to follow the labels: 0 not at all, 1 as the model learnt it, more to exaggerate",
        ),
        Control::count("top_k", [1, c.vocabulary() as u64], None, "Draw only from so many of the likeliest tokens"),
        Control::number(
            "top_p",
            [0.0, 1.0],
            1.0,
            "Draw only from the likeliest tokens that have this probability together",
        ),
        Control::number("min_p", [0.0, 1.0], 0.0, "Draw only tokens that are this likely, compared with the likeliest"),
        Control::new("image", "A picture to complete; its upper half is kept where no mask is given", Kind::Picture),
        Control::new(
            "mask",
            "Pixels of the picture to keep; those before them are drawn without a look at them",
            Kind::Mask,
        ),
    ]
}

/// Programs that draw, loaded when they are needed.
pub struct Sampler<R> {
    config: Config,
    batch: usize,
    runs: Option<Runs<R>>,
}

/// [`next_patch`] and [`next_pixel`] for so many rows.
struct Runs<R> {
    rows: usize,
    patch: R,
    pixel: R,
}

impl<R: Run> Sampler<R> {
    /// At most `batch` pictures at a time.
    pub fn new(c: &Config, batch: usize) -> Self {
        Sampler { config: c.clone(), batch, runs: None }
    }

    /// The pictures, (count, C, S, S) in \[0, 1\].
    pub async fn draw(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        let (c, batch) = (&self.config, self.batch);
        let mut canvas = Canvas::new(c, batch, draw)?;
        canvas.show(0, watch).await?;
        let guidance = draw.settings.number("guidance") as f32;
        let labelled = draw
            .labels
            .chunks(c.classes.len().max(1))
            .any(|labels| labels.iter().zip(&c.classes).any(|(v, n)| *v < *n as f32));
        let rows = if labelled && guidance != 1.0 { 2 * batch } else { batch };
        let runs = match self.runs.take().filter(|runs| runs.rows == rows) {
            Some(runs) => runs,
            None => Runs {
                rows,
                patch: load(host, &next_patch(c, rows)).await?,
                pixel: host.load(&next_pixel(c, rows)).await?,
            },
        };
        let runs = self.runs.insert(runs);
        if !c.classes.is_empty() {
            runs.patch.write("class", &classes(c, draw.labels, batch, rows))?;
        }
        let choice = Choice::new(draw.settings);
        for patch in 0..c.patches() {
            runs.patch.write("window", &canvas.window(patch).repeat(rows / batch))?;
            runs.patch.write("position", &[patch as f32])?;
            runs.patch.step()?;
            let mut context = Some(runs.patch.read("context").await?);
            for pixel in 0..c.patch * c.patch {
                let at = c.place(patch, pixel);
                if pixel % c.patch == 0 {
                    canvas.show(patch * c.patch + pixel / c.patch, watch).await?;
                }
                if canvas.force(at) {
                    continue;
                }
                if let Some(context) = context.take() {
                    runs.pixel.write("context", &context)?;
                }
                runs.pixel.write("window", &canvas.window(patch).repeat(rows / batch))?;
                runs.pixel.write("pixel", &[pixel as f32])?;
                runs.pixel.step()?;
                let logits = guided(runs.pixel.read("logits").await?, rows / batch, guidance);
                if !logits.iter().all(|l| l.is_finite()) {
                    // The host knows what to do about an engine that gives pixels which are no numbers.
                    return Ok(vec![f32::NAN; canvas.pictures().len()]);
                }
                canvas.choose(at, &choice, &logits);
            }
        }
        Ok(canvas.pictures())
    }
}

/// Labels of all rows: those of the pictures, then, where there are more rows, none for each of them again.
fn classes(c: &Config, labels: &[f32], batch: usize, rows: usize) -> Vec<f32> {
    let mut class = padded(labels, batch * c.classes.len());
    class.extend((batch..rows).flat_map(|_| c.classes.iter().map(|n| *n as f32)));
    class
}

/// Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598, eq. 6) of logits, of which the second half is without
/// labels if there are two `parts`.
fn guided(logits: Vec<f32>, parts: usize, guidance: f32) -> Vec<f32> {
    let (given, none) = logits.split_at(logits.len() / parts);
    if none.is_empty() {
        return logits;
    }
    given.iter().zip(none).map(|(given, none)| none + guidance * (given - none)).collect()
}

/// Loads a Program and sets its states to zeros: what a cache holds of patches to come is not looked at, but must be finite.
async fn load<L: Load>(host: &L, program: &Program) -> Result<L::Run, <L::Run as Run>::Error> {
    let mut run = host.load(program).await?;
    for (name, shape) in program.states() {
        run.write(name, &vec![0.0; shape.iter().product()])?;
    }
    Ok(run)
}

/// The pictures as far as they are drawn.
struct Canvas<'a> {
    config: &'a Config,
    batch: usize,
    /// (count, S, S), 0 where nothing is drawn yet.
    tokens: Vec<u8>,
    /// Tokens that are given, (S, S).
    forced: Vec<Option<u8>>,
    /// Uniform numbers, (count, S, S).
    u: Vec<f32>,
}

impl<'a> Canvas<'a> {
    fn new<E>(c: &'a Config, batch: usize, draw: &Draw<'_>) -> Result<Self, Error<E>> {
        let n = c.size * c.size;
        let mut u = vec![0f32; draw.count * n];
        for (i, u) in u.chunks_mut(n).enumerate() {
            let blocks = (draw.first + i) * n.div_ceil(4);
            Rng::new(draw.seed, stream::PIXELS).skip(blocks as u64).fill_uniform(u);
        }
        let forced = forced(c, draw.settings).map_err(Error::Setting)?;
        Ok(Canvas { config: c, batch, tokens: vec![0; draw.count * n], forced, u })
    }

    /// A patch with its neighbours above and at the sides, (batch, 2 P, 3 P); -1 outside of the image.
    fn window(&self, patch: usize) -> Vec<f32> {
        let (p, s, across) = (self.config.patch, self.config.size, self.config.across());
        let mut window = vec![-1.0; self.batch * 6 * p * p];
        let (top, left) = (patch / across * p, patch % across * p);
        for (window, tokens) in window.chunks_mut(6 * p * p).zip(self.tokens.chunks(s * s)) {
            for (i, row) in window.chunks_mut(3 * p).enumerate() {
                let Some(y) = (top + i).checked_sub(p) else { continue };
                for (j, cell) in row.iter_mut().enumerate() {
                    let x = (left + j).checked_sub(p).filter(|x| *x < s);
                    *cell = x.map_or(-1.0, |x| f32::from(tokens[y * s + x]));
                }
            }
        }
        window
    }

    /// Sets a pixel of all pictures if it is given.
    fn force(&mut self, at: usize) -> bool {
        let (n, token) = (self.forced.len(), self.forced[at]);
        if let Some(token) = token {
            self.tokens.chunks_mut(n).for_each(|tokens| tokens[at] = token);
        }
        token.is_some()
    }

    /// Draws a pixel of all pictures from the softmaxes of `logits` (batch, V).
    fn choose(&mut self, at: usize, choice: &Choice, logits: &[f32]) {
        let n = self.forced.len();
        let rows = logits.chunks(self.config.vocabulary());
        for ((tokens, u), logits) in self.tokens.chunks_mut(n).zip(self.u.chunks(n)).zip(rows) {
            tokens[at] = choice.token(logits, u[at]) as u8;
        }
    }

    /// (count, C, S, S) in \[0, 1\].
    fn pictures(&self) -> Vec<f32> {
        self.tokens.chunks(self.forced.len()).flat_map(|tokens| self.config.picture(tokens)).collect()
    }

    /// Shows the pictures after `step` rows of a patch, and stops if that is wanted.
    async fn show<E>(
        &self,
        step: usize,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error<E>> {
        let images = self.pictures();
        let steps = self.config.patches() * self.config.patch;
        sample::show(watch, Frame { step, steps, images: &images, predicted: None }).await
    }
}

/// The tokens (S, S) that are given by a picture and its mask.
fn forced(c: &Config, settings: &Settings) -> Result<Vec<Option<u8>>, Refused> {
    let (n, mask) = (c.size * c.size, settings.array("mask"));
    let Some(image) = settings.array("image") else {
        return match mask {
            Some(_) => Err(Refused("'mask' says which pixels of 'image' to keep, and no 'image' is given.".into())),
            None => Ok(vec![None; n]),
        };
    };
    let levels: Vec<u8> = image.iter().map(|v| (v * 255.0).round() as u8).collect();
    let keep = |i: usize| mask.map_or(i < n / 2, |mask| mask[i] >= 0.5);
    Ok(c.tokens(&levels).into_iter().enumerate().map(|(i, token)| keep(i).then_some(token)).collect())
}

/// How a token is chosen. Each bound is one on the probabilities at the temperature; what all of them leave is drawn from.
struct Choice {
    temperature: f64,
    /// Fan et al. 2018, arXiv:1805.04833.
    top_k: Option<usize>,
    /// Holtzman et al. 2019, arXiv:1904.09751.
    top_p: f64,
    /// Nguyen et al. 2024, arXiv:2407.01082.
    min_p: f64,
}

impl Choice {
    fn new(s: &Settings) -> Choice {
        let [temperature, top_p, min_p] = ["temperature", "top_p", "min_p"].map(|name| s.number(name));
        Choice { temperature, top_k: s.count("top_k"), top_p, min_p }
    }

    /// The token at `u` in \[0, 1) of the cumulative distribution of those that are left.
    fn token(&self, logits: &[f32], u: f32) -> usize {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let likeliest = order[0];
        // Probability compared with that of the likeliest.
        let ratio = |token: usize| match token == likeliest || self.temperature == 0.0 {
            true => f64::from(u8::from(token == likeliest)),
            false => (f64::from(logits[token] - logits[likeliest]) / self.temperature).exp(),
        };
        let all: f64 = order.iter().map(|&token| ratio(token)).sum();
        let mut sum = 0.0;
        let left = order.iter().enumerate().take_while(|&(rank, &token)| {
            let fits = self.top_k.is_none_or(|k| rank < k) && sum < self.top_p * all && ratio(token) >= self.min_p;
            sum += ratio(token);
            rank == 0 || fits
        });
        let n = left.count();
        order.truncate(n);
        order.sort_unstable();
        let mut rest = f64::from(u) * order.iter().map(|&token| ratio(token)).sum::<f64>();
        let at = order.iter().position(|&token| {
            rest -= ratio(token);
            rest < 0.0
        });
        at.map_or(likeliest, |at| order[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [0.3, -1.0, 2.0, 1.1, 2.0, -4.0];
    const PLAIN: Choice = Choice { temperature: 1.0, top_k: None, top_p: 1.0, min_p: 0.0 };

    /// Probabilities at a temperature.
    fn softmax(temperature: f64) -> Vec<f64> {
        let weights = LOGITS.map(|l| (f64::from(l) / temperature).exp());
        weights.iter().map(|w| w / weights.iter().sum::<f64>()).collect()
    }

    /// How often each token is chosen at even steps of u.
    fn shares(choice: &Choice) -> Vec<f64> {
        let n = 1 << 16;
        let mut shares = vec![0.0; LOGITS.len()];
        (0..n).for_each(|i| shares[choice.token(&LOGITS, i as f32 / n as f32)] += 1.0 / f64::from(n));
        shares
    }

    /// What the bounds leave is drawn in proportion to the softmax: its probabilities sum to 1 again, and those of all other
    /// tokens are 0, not small.
    #[test]
    fn a_truncated_choice_is_the_softmax_of_what_is_left() {
        for (choice, left) in [
            (PLAIN, &[0, 1, 2, 3, 4, 5][..]),
            (Choice { temperature: 0.5, ..PLAIN }, &[0, 1, 2, 3, 4, 5]),
            (Choice { top_k: Some(3), ..PLAIN }, &[2, 3, 4]),
            // 0.37 and 0.37 are less than 0.8, with 0.15 they are enough.
            (Choice { top_p: 0.8, ..PLAIN }, &[2, 3, 4]),
            (Choice { top_p: 0.3, ..PLAIN }, &[2]),
            // e^-0.9 = 0.41 and e^-1.7 = 0.18 of the likeliest.
            (Choice { min_p: 0.3, ..PLAIN }, &[2, 3, 4]),
            (Choice { min_p: 0.15, top_k: Some(3), ..PLAIN }, &[2, 3, 4]),
            (Choice { temperature: 4.0, min_p: 0.3, ..PLAIN }, &[0, 1, 2, 3, 4]),
            (Choice { temperature: 0.0, ..PLAIN }, &[2]),
        ] {
            let p = softmax(choice.temperature.max(1e-3));
            let mass: f64 = left.iter().map(|&token| p[token]).sum();
            let shares = shares(&choice);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            for (token, share) in shares.iter().enumerate() {
                let expected = if left.contains(&token) { p[token] / mass } else { 0.0 };
                if expected == 0.0 || left.len() == 1 {
                    assert_eq!(*share, f64::from(u8::from(left == [token])), "token {token}");
                } else {
                    assert!((share - expected).abs() < 1e-4, "token {token}: {share} and not {expected}");
                }
            }
        }
    }
}
