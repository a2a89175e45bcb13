//! Tables that grow by adding a larger level instead of moving entries.
//!
//! Entries never move, so readers and writers need no lock and no waiting; a look-up goes from
//! the newest level, where most entries are, to the oldest.

#![forbid(unsafe_code)]

/// The levels of a table whose level 0 has `FIRST` entries and each next one 2^`STEP` times more;
/// level n begins where level n - 1 ends.
pub struct Levels<const FIRST: usize, const STEP: u32>;

/// More levels than any table has.
const LEVELS_MAX: usize = 10;

impl<const FIRST: usize, const STEP: u32> Levels<FIRST, STEP> {
    /// Entries of a level, a power of two.
    pub const fn len(level: usize) -> usize {
        FIRST << (level as u32 * STEP)
    }

    /// Index of a level's first entry: the sum of a geometric series.
    pub const fn start(level: usize) -> usize {
        (Self::len(level) - FIRST) / ((1 << STEP) - 1)
    }

    /// Entries of the fewest levels, at least one, that have room for `entries`.
    pub fn entries_for(entries: usize) -> usize {
        let starts = (1..LEVELS_MAX).map(Self::start);
        starts
            .into_iter()
            .find(|start| *start >= entries)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_each_other_without_a_gap() {
        type Small = Levels<8, 1>;
        assert_eq!([0, 1, 2, 3].map(Small::start), [0, 8, 24, 56]);
        assert_eq!([0, 1, 2].map(Small::len), [8, 16, 32]);
        assert_eq!(
            [1, 8, 9, 24, 25].map(Small::entries_for),
            [8, 8, 24, 24, 56]
        );
    }
}
