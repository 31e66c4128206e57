//! Drawing from a VAE: a point z of the latent space, from noise, from sliders or from a picture, then the decoder.

use super::{Config, drawer, encoder, sampler};
use crate::control::{Control, Kind, Refused};
use crate::sample::{Draw, Error, Frame, loaded, padded, show, slerp};
use data::rng::{Rng, stream};
use graph::{Load, Run};
use std::ops::ControlFlow;

/// What a VAE can be told while it draws.
pub fn controls(c: &Config) -> Vec<Control> {
    vec![
        Control::number("temperature", [0.0, 2.0], 1.0, "Standard deviation of the prior from which z is drawn"),
        Control::choice("pixels", &["mean", "drawn"], "Show the decoder's mean, or a draw from its distribution"),
        Control::new("latent", "The point z of the latent space, instead of noise", Kind::Latent { size: c.latents }),
        Control::new("image", "A picture to encode and draw again", Kind::Picture),
        Control::number("vary", [0.0, 1.0], 0.0, "How much noise goes into the latent, or into that of the picture"),
        Control::new("to_image", "A second picture: samples lie between the two", Kind::Picture),
        Control::count(
            "to_seed",
            [0, u64::from(u32::MAX)],
            None,
            "Samples walk from the noise of the seed to this seed's",
        ),
    ]
}

/// Programs that draw, loaded when they are needed.
pub struct Sampler<R> {
    config: Config,
    batch: usize,
    sampler: Option<R>,
    drawer: Option<R>,
    encoder: Option<R>,
}

impl<R: Run> Sampler<R> {
    /// At most `batch` pictures at a time.
    pub fn new(c: &Config, batch: usize) -> Self {
        Sampler { config: c.clone(), batch, sampler: None, drawer: None, encoder: None }
    }

    /// The pictures, (count, C, S, S) in \[0, 1\].
    pub async fn draw(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        show(watch, Frame::START).await?;
        let z = self.latents(host, draw).await?;
        let (c, count) = (&self.config, draw.count);
        let z = padded(&z, self.batch * c.latents);
        let class = padded(draw.labels, self.batch * c.classes.len());
        let drawn = draw.settings.choice("pixels") == "drawn";
        let (run, output) = if drawn {
            let run = loaded(&mut self.drawer, host, || drawer(c, self.batch)).await?;
            run.write("u", &self::uniform(c, draw, self.batch))?;
            (run, "image")
        } else {
            (loaded(&mut self.sampler, host, || sampler(c, self.batch)).await?, "mean")
        };
        run.write("z", &z)?;
        if !class.is_empty() {
            run.write("class", &class)?;
        }
        run.step()?;
        let mut images = run.read(output).await?;
        images.truncate(count * c.pixels());
        if drawn {
            images.iter_mut().for_each(|v| *v = (*v * 255.0).round() / 255.0);
        }
        Ok(images)
    }

    /// The mean (L) of q(z|x) for a picture (C, S, S) in \[0, 1\] with the first labels of `draw`.
    pub async fn encode(
        &mut self,
        host: &impl Load<Run = R>,
        picture: &[f32],
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        show(watch, Frame::START).await?;
        Ok(self.mean(host, picture, draw).await?)
    }

    async fn mean(
        &mut self,
        host: &impl Load<Run = R>,
        picture: &[f32],
        draw: &Draw<'_>,
    ) -> Result<Vec<f32>, R::Error> {
        let c = &self.config;
        let levels: Vec<u8> = picture.iter().map(|v| (v * 255.0).round() as u8).collect();
        let run = loaded(&mut self.encoder, host, || encoder(c, 1)).await?;
        run.write("x", &c.observe(&levels, draw.seed, 0))?;
        if !c.classes.is_empty() {
            run.write("class", &draw.labels[..c.classes.len()])?;
        }
        run.step()?;
        run.read("mu").await
    }

    /// z of each picture, (count, L).
    async fn latents(&mut self, host: &impl Load<Run = R>, draw: &Draw<'_>) -> Result<Vec<f32>, Error<R::Error>> {
        let (s, l) = (draw.settings, self.config.latents);
        let (image, to_image, to_seed) = (s.array("image"), s.array("to_image"), s.count("to_seed"));
        let given = [s.array("latent").is_some(), image.is_some()];
        if given == [true; 2]
            || (to_image.is_some() && to_seed.is_some())
            || (to_image.is_some() && given == [false; 2])
        {
            let why = "'latent' and 'image' exclude each other, so do 'to_image' and 'to_seed', and 'to_image' needs one of \
                       the former.";
            return Err(Error::Setting(Refused(why.into())));
        }
        let temperature = s.number("temperature") as f32;
        let noise = |seed, i| -> Vec<f32> { normal(seed, i, l).into_iter().map(|v| v * temperature).collect() };
        let fixed = match (s.array("latent"), image) {
            (Some(z), _) => Some(z.to_vec()),
            (None, Some(picture)) => Some(self.mean(host, picture, draw).await?),
            (None, None) => to_seed.map(|_| noise(draw.seed, 0)),
        };
        let end = match (to_image, to_seed) {
            (Some(picture), _) => Some(self.mean(host, picture, draw).await?),
            (None, Some(seed)) => Some(noise(seed as u64, 0)),
            (None, None) => None,
        };
        let vary = s.number("vary") as f32;
        let point = |i: usize| {
            let noise = noise(draw.seed, draw.first + i);
            let Some(from) = &fixed else { return noise };
            let z = match &end {
                Some(to) if to_seed.is_some() => slerp(from, to, draw.along(i)),
                Some(to) => from.iter().zip(to).map(|(a, b)| a + (b - a) * draw.along(i)).collect(),
                None => from.clone(),
            };
            let kept = (1.0 - vary * vary).sqrt();
            z.iter().zip(noise).map(|(z, e)| kept * z + vary * e).collect()
        };
        Ok((0..draw.count).flat_map(point).collect())
    }
}

/// Standard normal numbers (l) of picture `i`.
fn normal(seed: u64, i: usize, l: usize) -> Vec<f32> {
    let mut z = vec![0f32; l];
    Rng::new(seed, stream::SAMPLE).skip((i * l.div_ceil(4)) as u64).fill_normal(&mut z);
    z
}

/// Uniform numbers in (0, 1) for the pixels of each picture, (batch, D).
fn uniform(c: &Config, draw: &Draw<'_>, batch: usize) -> Vec<f32> {
    const LEAST: f32 = 1.0 / (1 << 25) as f32;
    let d = c.pixels();
    let mut u = vec![0f32; batch * d];
    for (i, u) in u.chunks_mut(d).enumerate() {
        let blocks = (draw.first + i) * d.div_ceil(4);
        Rng::new(draw.seed, stream::PIXELS).skip(blocks as u64).fill_uniform(u);
    }
    u.iter_mut().for_each(|u| *u = u.max(LEAST));
    u
}
