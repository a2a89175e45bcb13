//! The segment: the file that one profiled process shares with its readers.
//!
//! A thing belongs in this crate if and only if both processes must agree on it.
//! The shim writes a segment while the program runs and readers look at it, at the same time or
//! after the process is dead.
//! The tables are the truth about the heap; the ring is only history.
//!
//! ```text
//!  word 0                                                            (one word = 8 bytes)
//! +--------------------------------------------------------------------------------------+
//! | header     magic, identity, clock, region table, counters, peak, interval history    |
//! +--------------------------------------------------------------------------------------+
//! | strings    paths and the command line, bytes packed into words, append-only          |
//! +--------------------------------------------------------------------------------------+
//! | modules    16 words a row: range, build-id, path; append-only, unloading is noted    |
//! +--------------------------------------------------------------------------------------+
//! | threads    16 words a row: tid, name, exact bytes; append-only                       |
//! +--------------------------------------------------------------------------------------+
//! | timeline    4 words a row: how much was live when; thinned when full                 |
//! +--------------------------------------------------------------------------------------+
//! | sites      96 words a row: a call stack with its running totals; append-only         |
//! +--------------------------------------------------------------------------------------+
//! | frames      1 word a row: return addresses of the sites, leaf first; append-only     |
//! +--------------------------------------------------------------------------------------+
//! | ring       2048 words a row: chunks of events, the oldest overwritten                |
//! +--------------------------------------------------------------------------------------+
//! | slots       8 words a row: one sampled block each, reused oldest first               |
//! +--------------------------------------------------------------------------------------+
//! ```
//!
//! The file is sparse: every region has its largest size reserved as an offset range, and pages
//! come into being as rows are claimed.
//! All words are little-endian `u64`, written by the one process that owns the segment.
//! A reader trusts no word: it copies, checks, then uses ([`Words`]).
//!
//! Publication is always the same: fields first, then one word with Release.
//! Which word that is stands in each module's picture.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(test)]
extern crate std;

mod sync;

pub mod counters;
pub mod event;
pub mod header;
pub mod histogram;
pub mod modules;
pub mod peak;
pub mod region;
pub mod ring;
pub mod sites;
pub mod slots;
pub mod strings;
pub mod threads;
pub mod timeline;
pub mod weight;
pub mod words;

#[cfg(all(loom, test))]
mod loom_tests;

pub use sync::AtomicU64;
pub use words::Words;

/// The newest layout this crate reads and the one it writes.
///
/// Raised by every change that would be misread; a reader refuses any other. A word of the header
/// that was 0 so far and means nothing while it is 0 is no such change, for readers of either age.
pub const LAYOUT_VERSION: u64 = 3;

/// Bytes in one word.
pub const WORD_BYTES: u64 = 8;

/// Granularity in which segment memory comes into being.
pub const PAGE_BYTES: u64 = 4096;
