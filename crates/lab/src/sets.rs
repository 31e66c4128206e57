//! sets.
