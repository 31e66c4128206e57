//! The benchmark: networks with fixed weights, run by our engines and by others, natively and in a browser.
//!
//! A [`Workload`] is a Program with all its values, so that every contestant gets the same numbers to work with and its
//! answer can be compared. Nothing here is part of the page.

#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod workload;

pub use workload::{Workload, ids, open};
