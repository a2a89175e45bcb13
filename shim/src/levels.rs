//! Tables that grow by adding a larger level instead of moving entries.
//!
//! Entries never move, so readers and writers need no lock and no waiting; a look-up goes from
//! the newest level, where most entries are, to the oldest.

/// The levels of one table: level n has `first << (n * step)` entries and begins where level
/// n - 1 ends.
#[derive(Clone, Copy)]
pub struct Levels {
    /// Entries of level 0, a power of two.
    pub first: usize,
    /// log2 of how much larger each level is than the one before.
    pub step: u32,
}

impl Levels {
    /// Entries of a level.
    pub const fn len(self, level: usize) -> usize {
        self.first << (level as u32 * self.step)
    }

    /// Index of a level's first entry.
    pub const fn start(self, level: usize) -> usize {
        let mut start = 0;
        let mut below = 0;
        while below < level {
            start += self.len(below);
            below += 1;
        }
        start
    }

    /// The fewest levels with room for `entries`.
    pub const fn count_for(self, entries: usize) -> usize {
        let mut levels = 1;
        while self.start(levels) < entries {
            levels += 1;
        }
        levels
    }
}
