//! The lab: data in the plane, and every family of models learning it side by side, each asked for its density.
//!
//! A *form* is a parametric form of p(x) with its loss and its optimiser. Forms see standardised points; [`form::Form`] is
//! what all of them do.

pub mod diffusion;
pub mod form;
pub mod gan;
pub mod grid;
mod mlp;
pub mod points;
pub mod real;
pub mod sets;
pub mod table;
mod train;
pub mod transformer;
pub mod vae;
