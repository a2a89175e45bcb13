//! Chunks of the ring to events, one chunk in memory at a time.

#![forbid(unsafe_code)]

use memshim_abi::event::{EVENT_WORDS, Event};
use memshim_abi::header::at;
use memshim_abi::region::Region;
use memshim_abi::ring::{self, CHUNK_EVENTS};

use crate::source::{Issue, Issues, Segment};

/// Gives the serial of every chunk that can be read, with the events written under it, to `each`,
/// in the order in which they lie.
pub(crate) fn for_each_chunk(
    segment: &Segment,
    issues: &mut Issues,
    mut each: impl FnMut(u64, &[Event]),
) {
    let region = segment.header().region(Region::Ring);
    let mut buffer = [0; CHUNK_EVENTS * EVENT_WORDS];
    let mut events = Vec::with_capacity(CHUNK_EVENTS);
    for row in segment.rows(region) {
        let Some((serial, count)) = ring::read(segment.words(), region, row, &mut buffer) else {
            continue;
        };
        let words = buffer.as_chunks().0.iter().take(count);
        events.clear();
        events.extend(words.filter_map(|words| Event::decode(*words)));
        issues.add(Issue::EventUnknown, (count - events.len()) as u64);
        each(serial, &events);
    }
}

/// What the header says about the chunks that were leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leases {
    /// How many were given so far.
    pub(crate) given: u64,
    /// The serial of the latest.
    pub(crate) latest: u64,
    /// Chunks that there are; each lease takes the place of the one so many before it.
    pub(crate) chunks: u64,
}

/// The leases of a segment.
pub(crate) fn leases(segment: &Segment) -> Leases {
    let header = segment.header();
    Leases {
        given: header.word(at::RING_LEASES),
        latest: header.word(at::RING_SERIAL),
        chunks: header.region(Region::Ring).rows,
    }
}
