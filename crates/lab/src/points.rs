//! Points of the plane, and what is done to them before a model sees them.

/// A point of the plane.
pub type Point = [f32; 2];

/// A part of the plane.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Window {
    /// From and to.
    pub x: [f64; 2],
    /// From and to.
    pub y: [f64; 2],
}
