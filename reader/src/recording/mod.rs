//! Recordings: what processes' segments held at many moments, in files that only ever grow.
//!
//! ```text
//! DIR/
//!   00001795331433123.rec         one file of frames; its name is when it began, ms since 1970
//!   00001795331433123.rec.index   what is where in it; can always be made again
//!   lock                          held by the recorder
//! ```
//!
//! A snapshot is the words that a segment used, so every question that can be asked about a segment
//! can be asked about a moment that is long past. Of the snapshots of one process in one file the
//! first is whole, and later ones hold what is different from it: any of them can be dropped
//! without touching another, and each is read from two frames.

#![forbid(unsafe_code)]

pub mod columns;
pub mod frame;
pub mod index;
pub mod reader;
mod resync;
pub mod rotate;
pub mod snapshot;
pub mod writer;

pub use index::{Entry, FileIndex};
pub use reader::Recording;
pub use snapshot::{About, ProcessKey, Round};
pub use writer::Writer;

/// What the names of files with frames end with.
pub const EXTENSION: &str = "rec";

#[cfg(test)]
mod tests;
