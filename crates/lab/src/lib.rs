//! The lab: data in the plane, and every family of models learning it side by side, each asked for its density.
//!
//! A *form* is a parametric form of p(x) with its loss and its optimiser. Forms see standardised points; [`form::Form`] is
//! what all of them do, [`Model`] a form with its data, asked in the units of the data.

pub mod diffusion;
pub mod family;
pub mod form;
pub mod gan;
pub mod gaussian;
pub mod grid;
pub mod kernel;
pub mod line;
pub mod mixture;
mod mlp;
pub mod model;
mod normal;
pub mod points;
pub mod real;
pub mod sets;
pub mod table;
mod train;
pub mod transformer;
pub mod truth;
pub mod vae;

pub use family::Family;
pub use model::Model;
pub use train::Lesson;

use form::Density;
use likelihood::Kind;

/// Densities that are what they are.
fn exact(nats: Vec<f64>, estimator: &str) -> Density {
    Density {
        nats,
        std_error: None,
        kind: Kind::Exact,
        estimator: estimator.into(),
        assumptions: Vec::new(),
        n_evals: 0,
    }
}
