//! What the conformance tests share: an independent f64 interpreter of Programs, central differences, the VAE on
//! candle's tape, models whose likelihood is known, and comparison with stated tolerances.

pub mod close;
pub mod compare;
pub mod difference;
pub mod latent;
pub mod reference;
pub mod run;
pub mod shaders;
pub mod tape;
