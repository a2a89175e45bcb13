//! Paths and command lines: bytes packed into words, eight a word, never deleted.
//!
//! A string is named by one word: its first word in the low half, its length in bytes above.
//! That word is stored in the row that uses the string and published with it.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::{pack, unpack};
use crate::region::{RegionShape, Table};
use crate::sync::AtomicU64;
use crate::words::Words;

/// The longest string that is kept; PATH_MAX.
pub const STRING_BYTES_MAX: usize = 4096;

/// The writer's half: keeps a copy of `bytes` and gives the word that names it, 0 when there is
/// no room or nothing to keep.
pub fn append(table: &Table<'_>, bytes: &[u8], grow: impl Fn(u64) -> u64) -> u64 {
    let bytes = bytes.get(..STRING_BYTES_MAX).unwrap_or(bytes);
    let words = bytes.len().div_ceil(8) as u64;
    if words == 0 {
        return 0;
    }
    let Some(first) = table.claim(words, grow) else {
        return 0;
    };
    let Some(room) = table.span(first, words) else {
        return 0;
    };
    for (word, part) in room.iter().zip(bytes.chunks(8)) {
        let mut value = [0; 8];
        for (to, from) in value.iter_mut().zip(part) {
            *to = *from;
        }
        // Relaxed: published by the row that names the string.
        word.store(u64::from_le_bytes(value), Ordering::Relaxed);
    }
    pack(first as u32, bytes.len() as u32)
}

/// The reader's half: copies the named string into `into`; gives its length, 0 when there is none.
pub fn read<W: Words + ?Sized>(
    words: &W,
    region: RegionShape,
    name: u64,
    into: &mut [u8; STRING_BYTES_MAX],
) -> usize {
    let (first, len) = unpack(name);
    let len = (len as usize).min(STRING_BYTES_MAX);
    let end = u64::from(first) + len.div_ceil(8) as u64;
    if end > region.rows {
        return 0;
    }
    let mut copy = [0; STRING_BYTES_MAX / 8];
    let Some(copy) = copy.get_mut(..len.div_ceil(8)) else {
        return 0;
    };
    // The row that names the string was acquired before, so its words are whole.
    words.copy(region.row(u64::from(first)), copy);
    for (part, word) in into.chunks_mut(8).zip(copy) {
        for (to, from) in part.iter_mut().zip(word.to_le_bytes()) {
            *to = from;
        }
    }
    len
}

/// Stores up to `to.len()` words of short text, such as a thread's name.
pub(crate) fn store_bytes(to: &[AtomicU64], bytes: &[u8]) {
    for (index, word) in to.iter().enumerate() {
        let mut value = [0; 8];
        let part = bytes.get(index * 8..).unwrap_or(&[]);
        for (to, from) in value.iter_mut().zip(part) {
            *to = *from;
        }
        // Relaxed: published by the row's own word.
        word.store(u64::from_le_bytes(value), Ordering::Relaxed);
    }
}
