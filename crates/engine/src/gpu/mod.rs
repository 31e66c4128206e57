//! The GPU engine: a Program is planned once into kernels, and a step replays them in one submission.
//!
//! - [`Plan`] decides, as plain data, what is stored, what is fused, and which buffer holds what;
//! - the code generator writes WGSL: generated functions around hand-written algorithms (`wgsl/*.wgsl`);
//! - [`Gpu`] opens a device, [`Loaded`] holds the buffers and runs the kernels.
//!
//! Nothing is ever skipped: what can't be planned, compiled or allocated is an error that names the node or kernel.

mod algorithm;
mod attention;
mod buffers;
mod codegen;
mod device;
mod explain;
mod expr;
mod group;
mod index;
mod plan;
mod rows;
mod run;
mod store;
mod tiles;
mod wait;

pub use device::{Adapter, Gpu, Options};
pub use plan::{Limits, Memory, Plan};
pub use run::Loaded;
