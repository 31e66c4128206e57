//! A panic in the middle of a job, when one is asked for: recovery can only be tried on a real one.

use std::cell::Cell;

thread_local! {
    /// Events and ticks until the panic, and one; 0: none was asked for.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// Panics at this event or tick from now on; 0: now.
pub(crate) fn arm(after: u32) {
    // The answer to the command itself is an event, too.
    LEFT.set(after.saturating_add(1));
    if after == 0 {
        burn();
    }
}

/// An event or a tick.
#[expect(clippy::panic, reason = "it is what was asked for")]
pub(crate) fn burn() {
    match LEFT.get() {
        0 => {}
        1 => panic!("a panic was asked for"),
        left => LEFT.set(left - 1),
    }
}
