//! gan.
