//! The language in which every model is written: a static graph of about twenty array operations, closed under
//! differentiation.
//!
//! A model is a pure function that appends nodes to a [`Graph`]; [`grad()`] appends the nodes of its gradient, so the
//! gradient of a gradient is nothing special; a [`Program`] is the part of a graph that some outputs need, with names
//! and with state that stays on the device. Engines run Programs; this crate knows none of them and has no dependencies.
//!
//! ```
//! use graph::{Graph, Program, grad};
//! let g = Graph::new();
//! let x = g.input("x", &[3]);
//! let y = (x * x).sum_all();            // ()
//! let dy = grad(y, &[x])[0];            // (3), equal to 2 x
//! let program = Program::new(&[("y", y), ("dy", dy)], &[]);
//! assert_eq!(program.shape_of("dy").unwrap(), &[3]);
//! ```
//!
//! All values are f32. A wrong shape is a bug in a model, not a condition of the run: it panics while the graph is
//! built, at the caller's line, naming both shapes.

mod display;
mod grad;
mod op;
mod program;
mod tensor;

pub use grad::{grad, vjp};
pub use op::{Binary, Compare, Node, NodeId, Op, Reduce, Unary, Window, readers};
pub use program::{Load, Program, Run};
pub use tensor::{Graph, Tensor};
