//! The families' samplers behind one face.

use crate::control::Refused;
use crate::family::Network;
use crate::sample::{Draw, Error, Frame};
use crate::{diffusion, gan, pixel_transformer, vae};
use graph::{Load, Run};
use std::ops::ControlFlow;

/// What draws pictures: Programs of one batch size, each loaded when it is first needed and kept.
pub enum Sampler<R> {
    /// Decoder of a variational auto-encoder.
    Vae(vae::Sampler<R>),
    /// Generator of a generative adversarial network.
    Gan(gan::Sampler<R>),
    /// Transformer over pixels, one after the other.
    Transformer(pixel_transformer::Sampler<R>),
    /// Steps from noise to picture.
    Diffusion(diffusion::Sampler<R>),
}

impl<R: Run> Sampler<R> {
    /// Draws at most `batch` pictures at once; none for a network that draws nothing.
    pub fn new(network: &Network, batch: usize) -> Option<Sampler<R>> {
        Some(match network {
            Network::Vae(c) => Sampler::Vae(vae::Sampler::new(c, batch)),
            Network::Gan(c) => Sampler::Gan(gan::Sampler::new(c, batch)),
            Network::Transformer(c) => Sampler::Transformer(pixel_transformer::Sampler::new(c, batch)),
            Network::Diffusion(c) => Sampler::Diffusion(diffusion::Sampler::new(c, batch)),
            Network::Classifier(_) => return None,
        })
    }

    /// Pictures (count, C, S, S) in \[0, 1\]. `watch` sees them grow, and is where a stop is heard.
    pub async fn draw(
        &mut self,
        host: &impl Load<Run = R>,
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        match self {
            Sampler::Vae(sampler) => sampler.draw(host, draw, watch).await,
            Sampler::Gan(sampler) => sampler.draw(host, draw, watch).await,
            Sampler::Diffusion(sampler) => sampler.draw(host, draw, watch).await,
            Sampler::Transformer(sampler) => sampler.draw(host, draw, watch).await,
        }
    }

    /// The latent that gives a picture (C, S, S), or the nearest one that is found: what the control `latent` takes.
    pub async fn encode(
        &mut self,
        host: &impl Load<Run = R>,
        picture: &[f32],
        draw: &Draw<'_>,
        watch: &mut impl AsyncFnMut(Frame<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, Error<R::Error>> {
        match self {
            Sampler::Vae(sampler) => sampler.encode(host, picture, draw, watch).await,
            Sampler::Gan(sampler) => sampler.encode(host, picture, draw, watch).await,
            Sampler::Diffusion(sampler) => sampler.encode(host, picture, draw, watch).await,
            Sampler::Transformer(_) => {
                Err(Error::Setting(Refused("A transformer has no latent space: there is nothing to encode to.".into())))
            }
        }
    }
}
