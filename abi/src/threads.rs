//! Threads: who allocated, under which name, and how many bytes exactly.
//!
//! ```text
//!   0 tid, stored with Release after name and start   1 name (2 words)   3 started, ticks
//!   4 ended, ticks; 0 while alive   5 bytes asked for, exact up to the last slow path
//!   6 blocks sampled   7 sampled blocks of other threads that this one freed
//!   8 live bytes, 9 live blocks/1024 that it has not added to the header's yet   10.. 0
//! ```
//!
//! A row's number is the thread's id in slots and events.
//! Row 0 stands for all threads that found the table full.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::region::RegionShape;
use crate::sync::AtomicU64;
use crate::words::Words;

/// Words in a row.
pub const THREAD_WORDS: usize = 16;

/// The words of one row, as the writer sees them.
pub type ThreadRow = [AtomicU64; THREAD_WORDS];

/// The words of a thread's row that hold what it has not told yet; see [`crate::peak::Pending`].
pub const fn pending(row: &ThreadRow) -> (&AtomicU64, &AtomicU64) {
    let [_, _, _, _, _, _, _, _, bytes, objects, ..] = row;
    (bytes, objects)
}

/// Places of the words that change while a thread runs.
pub mod at {
    /// When it ended, ticks.
    pub const ENDED: usize = 4;
    /// Bytes asked for, exact.
    pub const BYTES: usize = 5;
    /// Blocks sampled.
    pub const SAMPLED: usize = 6;
    /// Foreign blocks freed.
    pub const FOREIGN_FREES: usize = 7;
}

/// One thread, as a reader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's thread id.
    pub tid: u64,
    /// Its name, zero-padded (prctl(2), PR_GET_NAME).
    pub name: [u8; 16],
    /// When it was first seen, ticks.
    pub started_ticks: u64,
    /// When it ended, ticks; 0 while alive, or if it was killed with its process.
    pub ended_ticks: u64,
    /// Bytes asked for, exact up to its last slow path.
    pub bytes: u64,
    /// Blocks sampled.
    pub sampled: u64,
    /// Sampled blocks of other threads that it freed.
    pub foreign_frees: u64,
    /// Live bytes, below 0 for freed ones, that the header's total does not have yet.
    pub pending_bytes: i64,
}

/// The writer's half: fills a fresh row and publishes it.
pub fn publish(row: &ThreadRow, tid: u32, name: &[u8; 16], now_ticks: u64) {
    rename(row, name);
    let [published, _, _, started, ..] = row;
    // Relaxed: published by the tid below.
    started.store(now_ticks, Ordering::Relaxed);
    // Release pairs with the Acquire in `read`.
    published.store(u64::from(tid), Ordering::Release);
}

/// The writer's half: a thread has another name by now.
pub fn rename(row: &ThreadRow, name: &[u8; 16]) {
    crate::strings::store_bytes(row.get(1..3).unwrap_or(&[]), name);
}

/// The reader's half: the thread of a row, `None` while it is not published.
pub fn read<W: Words + ?Sized>(words: &W, region: RegionShape, row: u64) -> Option<Thread> {
    let first = region.row(row);
    // Acquire (in `load`) pairs with the Release in `publish`.
    let tid = words.load(first);
    if tid == 0 {
        return None;
    }
    let mut copy = [0; THREAD_WORDS];
    words.copy(first, &mut copy);
    let [
        _,
        name_low,
        name_high,
        started_ticks,
        ended_ticks,
        bytes,
        sampled,
        foreign_frees,
        pending_bytes,
        ..,
    ] = copy;
    let mut name = [0; 16];
    for (part, word) in name.chunks_mut(8).zip([name_low, name_high]) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    Some(Thread {
        tid,
        name,
        started_ticks,
        ended_ticks,
        bytes,
        sampled,
        foreign_frees,
        pending_bytes: pending_bytes as i64,
    })
}
