//! Inversion: the z from which the generator draws an image most nearly.
//!
//! Zhu, Krähenbühl, Shechtman & Efros, "Generative visual manipulation on the natural image manifold", arXiv:1609.03552,
//! eq. 3: gradient descent on z, here from several starts, down to the mode of
//!     p(z|x) for x = G(z) + sigma e,    -log p(z|x) = |G(z) - x|^2 / (2 sigma^2) + |z|^2 / 2 + const.

use super::{Config, generate};
use crate::nn::{AdamW, schedule};
use crate::params::{Init, Params};
use crate::sample::{Draw, Error, Frame, show};
use data::rng::{Rng, stream};
use graph::{Graph, Program, Run};
use std::ops::ControlFlow;

/// Starts, all of which go down together.
const STARTS: usize = 8;
/// Steps of gradient descent.
const STEPS: usize = 300;
/// Steps between two looks at the image.
const LOOK: usize = 10;
/// sigma, for levels in \[0, 1\].
const SIGMA: f32 = 0.05;
/// Learning rate at the start.
const RATE: f64 = 0.1;
const ADAM: AdamW = AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0, clip: None, average: None };

/// A step down: inputs `target` (C, S, S) in \[0, 1\], `class` (STARTS, A) with labels, and `rates` (4); state `z`
/// (STARTS, L); outputs at the old z: `loss` (STARTS), -log p(z|x) without its constant, and `image` (STARTS, C, S, S).
pub(super) fn descent(c: &Config) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let z = p.get("z", &[STARTS, c.latents], Init::Zeros);
    let class = g.input("class", &[STARTS, c.classes.len()]);
    let image = 0.5 * (generate(&Params::new(&g), c, z, class) + 1.0);
    let shape = &image.shape()[1..];
    let target = g.input("target", shape).reshape(&[&[1], shape].concat());
    let misfit = (image - target).square().sum(&[1, 2, 3]).reshape(&[STARTS]) * (0.5 / SIGMA.powi(2));
    let loss = misfit + 0.5 * z.square().sum(&[1]).reshape(&[STARTS]);
    let update = ADAM.update(&p, loss.sum_all(), g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("image", image)], &update.states)
}

/// The best z (L) for a picture (C, S, S) in \[0, 1\] with the labels of the first picture of `draw`.
pub(super) async fn descend<R: Run>(
    c: &Config,
    run: &mut R,
    picture: &[f32],
    draw: &Draw<'_>,
    watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
) -> Result<Vec<f32>, Error<R::Error>> {
    let mut z = vec![0f32; STARTS * c.latents];
    Rng::new(draw.seed, stream::SEARCH).fill_normal(&mut z);
    for (name, values) in [("z", &z), ("m.z", &vec![0.0; z.len()]), ("v.z", &vec![0.0; z.len()])] {
        run.write(name, values)?;
    }
    run.write("target", picture)?;
    if !c.classes.is_empty() {
        run.write("class", &draw.labels[..c.classes.len()].repeat(STARTS))?;
    }
    let mut best = 0;
    for step in 1..=STEPS {
        let rate = schedule::cosine(RATE, 0.0, step as f64 / STEPS as f64);
        run.ready().await?;
        run.write("rates", &ADAM.rates(rate, step as u64))?;
        run.step()?;
        if step.is_multiple_of(LOOK) {
            let [loss, images] = &run.read_all(&["loss", "image"]).await?[..] else { continue };
            best = (0..STARTS).min_by(|&i, &j| loss[i].total_cmp(&loss[j])).unwrap_or(0);
            let image = &images[best * picture.len()..][..picture.len()];
            let frame = Frame { step, steps: STEPS, images: image, predicted: None };
            show(watch, frame).await?;
        }
    }
    Ok(run.read("z").await?[best * c.latents..][..c.latents].to_vec())
}
