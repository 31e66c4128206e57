//! What the conformance tests share: an independent f64 interpreter of Programs, central differences, the VAE on
//! candle's tape, and comparison with stated tolerances.

pub mod close;
pub mod compare;
pub mod difference;
pub mod reference;
pub mod run;
pub mod tape;
