//! The model families, one file each, written as pure functions that build graphs. Nothing here knows an engine.

pub mod classifier;
pub mod control;
pub mod diffusion;
pub mod dit;
pub mod family;
pub mod gan;
pub mod golden;
pub mod latent;
pub mod nn;
pub mod params;
pub mod pixel_transformer;
pub mod registry;
pub mod sample;
pub mod sampler;
pub mod trainer;
pub mod transformer;
pub mod unet;
pub mod vae;

pub use control::{Control, Settings};
pub use family::{Family, Network};
pub use params::{Params, Spec, Storage, Weights};
pub use registry::{Card, Recipe};
