//! How a reader gets at the words of a segment, whatever holds them.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// A segment, or a part of one, as words that may change while they are being read.
///
/// Implemented for shared memory, for a file that is read piece by piece, and for a frozen copy.
pub trait Words {
    /// One word, ordered before every later load (Acquire); 0 past the end.
    fn load(&self, index: u64) -> u64;

    /// Copies words from `index` on into `into`; words past the end read as 0.
    ///
    /// Each word is whole, but two words may come from different moments: check a version word
    /// on both sides, with [`acquire_fence`] before the second look.
    fn copy(&self, index: u64, into: &mut [u64]);

    /// The first index at or after `index` that may hold something other than 0.
    ///
    /// Lets a reader step over the holes of a sparse file; `None` means nothing but 0 follows.
    fn next_data(&self, index: u64) -> Option<u64> {
        Some(index)
    }
}

impl Words for [AtomicU64] {
    fn load(&self, index: u64) -> u64 {
        let word = usize::try_from(index)
            .ok()
            .and_then(|index| self.get(index));
        // Acquire pairs with the Release that published the row this word belongs to.
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let from = usize::try_from(index)
            .ok()
            .and_then(|index| self.get(index..))
            .unwrap_or(&[]);
        into.fill(0);
        for (to, word) in into.iter_mut().zip(from) {
            // Relaxed: the caller looks at a version word before and after.
            *to = word.load(Ordering::Relaxed);
        }
    }
}

impl Words for [u64] {
    fn load(&self, index: u64) -> u64 {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.get(index))
            .copied()
            .unwrap_or(0)
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let from = usize::try_from(index)
            .ok()
            .and_then(|index| self.get(index..))
            .unwrap_or(&[]);
        into.fill(0);
        for (to, word) in into.iter_mut().zip(from) {
            *to = *word;
        }
    }
}

/// Orders the loads before it ahead of the loads after it.
///
/// Stands between copying a row and looking at its version word again; pairs with the Release
/// fence of the writer that reuses the row.
pub fn acquire_fence() {
    crate::sync::fence(Ordering::Acquire);
}
