//! How the runtime's records lie in memory, by version of Go (x86-64).
//!
//! ```text
//! bucket   0 next   8 next in the list of all   16 kind, 1 for memory   24 hash   32 size
//!         40 depth  48 that many return addresses, then four cycles: published and three to come
//! cycle   up to 1.26: allocations, frees, bytes allocated, bytes freed     since 1.27: the first two
//! ```

#![forbid(unsafe_code)]

use crate::source::go::Refusal;

/// Where the fields of a bucket's header are, the same in every version.
pub mod at {
    #![allow(missing_docs)]
    pub const NEXT: usize = 8;
    pub const KIND: usize = 16;
    pub const SIZE: usize = 32;
    pub const DEPTH: usize = 40;
    pub const HEADER_BYTES: usize = 48;
}

/// The kind of a bucket about memory.
pub const KIND_MEMORY: u64 = 1;

/// More return addresses than any bucket has: Go keeps 128 at most unless it is told otherwise.
pub const DEPTH_MAX: u64 = 1024;

/// Cycles of a record: what is published, and what three collections will publish.
pub const CYCLES: usize = 4;

/// The first and the last minor version whose records are known.
const FIRST_KNOWN: u32 = 19;
const LAST_KNOWN: u32 = 27;

/// How the records of one version lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Words of a cycle.
    pub cycle_words: usize,
    /// Whether this is a guess about a version that came later, to be believed only if all fits.
    pub is_guess: bool,
}

impl Layout {
    /// The layout of a version.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownVersion`] for one that is older than those known.
    pub fn of(version: Option<(u32, u32)>, text: &str) -> Result<Layout, Refusal> {
        match version {
            Some((minor, _)) if minor >= FIRST_KNOWN => Ok(Layout {
                cycle_words: if minor < 27 { 4 } else { 2 },
                is_guess: minor > LAST_KNOWN,
            }),
            _ => Err(Refusal::UnknownVersion(text.to_owned())),
        }
    }

    /// Bytes of the counts of a bucket.
    pub fn record_bytes(&self) -> usize {
        CYCLES * self.cycle_words * 8
    }

    /// Bytes of a whole bucket of this depth.
    pub fn bucket_bytes(&self, depth: usize) -> usize {
        at::HEADER_BYTES + 8 * depth + self.record_bytes()
    }
}

/// Where module data of a version have the address of the functions' data.
pub fn functions_data_offset((minor, _): (u32, u32)) -> u64 {
    match minor {
        ..20 => 304,
        20..27 => 320,
        _ => 344,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(minor: u32, expected: Option<(usize, bool)>) {
        let layout = Layout::of(Some((minor, 0)), "go1.x");
        let found = layout.ok().map(|it| (it.record_bytes(), it.is_guess));
        assert_eq!(found, expected, "1.{minor}");
    }

    #[test]
    fn versions_have_their_records_and_later_ones_are_guesses() {
        check(18, None);
        check(19, Some((128, false)));
        check(26, Some((128, false)));
        check(27, Some((64, false)));
        check(28, Some((64, true)));
    }
}
