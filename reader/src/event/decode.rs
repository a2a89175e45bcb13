//! Chunks of the ring to events.

#![forbid(unsafe_code)]

use memshim_abi::event::{EVENT_WORDS, Event};
use memshim_abi::header::at;
use memshim_abi::region::Region;
use memshim_abi::ring::{self, CHUNK_EVENTS};

use crate::source::{Issue, Issues, Segment};

/// One chunk: the serial number of its lease and the events written under it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) serial: u64,
    pub(crate) events: Vec<Event>,
}

/// Every chunk that can be read, in the order in which they lie.
pub(crate) fn chunks(segment: &Segment, issues: &mut Issues) -> Vec<Chunk> {
    let region = segment.header().region(Region::Ring);
    let mut buffer = [0; CHUNK_EVENTS * EVENT_WORDS];
    let mut found = Vec::new();
    for row in segment.rows(region) {
        let Some((serial, count)) = ring::read(segment.words(), region, row, &mut buffer) else {
            continue;
        };
        let words = buffer.as_chunks().0.iter().take(count);
        let events: Vec<Event> = words.filter_map(|words| Event::decode(*words)).collect();
        issues.add(Issue::EventUnknown, (count - events.len()) as u64);
        found.push(Chunk { serial, events });
    }
    found
}

/// Leases of chunks that were given so far.
pub(crate) fn leases(segment: &Segment) -> u64 {
    segment.header().word(at::RING_LEASES)
}
