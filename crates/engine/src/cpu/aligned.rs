//! Numbers that start with a line of the cache.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

/// Bytes of a line of the cache, and of the widest vectors.
const LINE: usize = 64;

/// Numbers on the heap. The allocator promises 4 bytes, and a vector of 64 that does not start a line lies in two.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    room: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros, or why there is no memory for them.
    pub(super) fn zeros(len: usize) -> Result<Aligned, TryReserveError> {
        let most = len + LINE / size_of::<f32>() - 1;
        let mut room = Vec::new();
        room.try_reserve_exact(most)?;
        room.resize(most, 0.0);
        // No place is found only where nothing is known of addresses; then any start is right, too.
        let start = room.as_ptr().align_offset(LINE).min(most - len);
        Ok(Aligned { room, start, len })
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.room[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.room[self.start..self.start + self.len]
    }
}
