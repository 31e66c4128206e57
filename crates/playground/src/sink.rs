//! Where a job's events go. In the browser it is a message port; in tests a list.

use crate::protocol::Event;

/// A large array that travels beside an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Bytes.
    U8(Vec<u8>),
    /// Numbers.
    F32(Vec<f32>),
}

/// Arrays by name.
pub type Arrays = Vec<(&'static str, Array)>;

/// The other end of a job.
pub trait Sink {
    /// Sends an event.
    fn emit(&self, event: Event, arrays: Arrays);

    /// Lets the outside speak, then says whether the job is to go on.
    fn tick(&self) -> impl Future<Output = bool>;

    /// Seconds on a clock that only runs forward.
    fn seconds(&self) -> f64;
}

/// Seconds left at the pace so far.
pub(crate) fn seconds_left(started: f64, now: f64, done: usize, total: usize) -> f64 {
    if done == 0 { 0.0 } else { (now - started) * (total - done.min(total)) as f64 / done as f64 }
}
