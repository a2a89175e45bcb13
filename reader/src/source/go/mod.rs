//! The Go runtime's own heap profile, read from outside a running process.
//!
//! A Go program does not allocate through malloc, and an ordinary one is static, so nothing that is
//! preloaded sees its heap. But its runtime samples allocations by itself, into a list of records
//! that only grows and never moves, one for each call stack and size. All that is wanted of the
//! program is that one word, the sampling rate, is not 0.
//!
//! ```text
//! executable  which Go made it; its segments, symbols, relocations
//!    └ pclntab   the runtime's table of functions and lines, which no stripping removes
//!    └ locate    where the variables are: by symbol, or by decoding functions that use them
//! memory      the process, read without being stopped
//!    └ vitals    its collections and its goroutines
//!    └ buckets   the records, by the layout of that version of Go
//!         └ profile   what they say of each call stack
//!              └ segment   the same as a segment that every analysis can read
//! ```

#![forbid(unsafe_code)]

pub mod buckets;
pub mod executable;
pub mod keeper;
pub mod layout;
pub mod locate;
pub mod memory;
pub mod pclntab;
pub mod preloaded;
pub mod process;
pub mod profile;
pub mod segment;
pub mod symbolizer;
pub mod vitals;

pub use executable::Executable;
pub use keeper::{How, Keeper, attach};
pub use process::{Process, Readout};
pub use symbolizer::Symbolizer;

use crate::source::directory::places_text;

/// Why nothing can be said about the heap of a Go program, as a phrase.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is no Go program, or one that was packed or made unrecognisable.
    #[error("it is no Go program that memshim recognises")]
    NotGo,
    /// Its version is outside of what was tried.
    #[error("it was built by {0}, whose records memshim does not know; Go 1.19 to 1.27 are known")]
    UnknownVersion(String),
    /// The runtime's variables were not found in it.
    #[error("{0} was not found in it; it may have been packed or made unrecognisable")]
    NotFound(&'static str),
    /// It has no heap profile, since it was started without one.
    #[error("its runtime keeps no heap profile")]
    Off,
    /// The records are not what its version should have.
    #[error("its heap profile makes no sense: {0}")]
    Inconsistent(&'static str),
    /// The process cannot be looked into.
    #[error("its memory cannot be read: {0}")]
    Memory(std::io::Error),
    /// The executable cannot be read.
    #[error("its executable cannot be read: {0}")]
    Executable(std::io::Error),
    /// There is no place for what is read.
    #[error("there is no place for its segment in {places}: {0}", places = places_text())]
    Storage(std::io::Error),
}
