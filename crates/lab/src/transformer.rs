//! transformer.
