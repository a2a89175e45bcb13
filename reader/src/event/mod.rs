//! The history in the ring: what happened lately, in order, and how much was overwritten.

#![forbid(unsafe_code)]

mod decode;
mod merge;

pub use memshim_abi::event::{Act, Event};

use crate::source::{Issues, Segment};

/// What the ring of a segment still holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// The events, ordered by time.
    pub events: Vec<Event>,
    /// Chunks that were given to threads and are not there any more.
    pub chunks_missed: u64,
}

impl Events {
    /// Reads the whole ring.
    pub fn of(segment: &Segment, issues: &mut Issues) -> Events {
        let chunks = decode::chunks(segment, issues);
        let leases = decode::leases(segment);
        merge::merge(chunks, leases)
    }
}
