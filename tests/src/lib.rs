//! What the conformance tests share: an independent f64 interpreter of Programs, central differences, and comparison
//! with stated tolerances.

pub mod close;
pub mod difference;
pub mod reference;
pub mod run;
