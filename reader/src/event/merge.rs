//! Chunks of many threads to one order.

#![forbid(unsafe_code)]

use std::collections::HashSet;

use crate::event::Events;
use crate::event::decode::Chunk;

/// All events by time; of `leases` chunks ever given, those that are not among `chunks` were
/// missed.
///
/// Events of one thread at the same tick keep their order, which lies in the serials.
pub(crate) fn merge(mut chunks: Vec<Chunk>, leases: u64) -> Events {
    chunks.sort_by_key(|chunk| chunk.serial);
    let serials: HashSet<u64> = chunks.iter().map(|chunk| chunk.serial).collect();
    let known = serials.iter().filter(|serial| **serial <= leases).count();
    let mut events: Vec<_> = chunks.into_iter().flat_map(|chunk| chunk.events).collect();
    events.sort_by_key(|event| event.ticks);
    Events {
        events,
        chunks_missed: leases.saturating_sub(known as u64),
    }
}

#[cfg(test)]
mod tests {
    use memshim_abi::event::{Act, Event, Kind};
    use memshim_abi::weight::Interval;

    use super::*;

    fn chunk(serial: u64, ticks: &[u64]) -> Chunk {
        let event = |ticks: &u64| Event {
            act: Act::Birth,
            kind: Kind::Malloc,
            interval: Interval::EXACT,
            thread: 1,
            site: 1,
            ticks: *ticks,
            address: serial,
            size_bytes: 8,
        };
        Chunk {
            serial,
            events: ticks.iter().map(event).collect(),
        }
    }

    fn check(chunks: Vec<Chunk>, leases: u64, ticks: &[u64], missed: u64) {
        let merged = merge(chunks, leases);
        assert_eq!(
            merged
                .events
                .iter()
                .map(|event| event.ticks)
                .collect::<Vec<_>>(),
            ticks
        );
        assert_eq!(merged.chunks_missed, missed);
    }

    #[test]
    fn events_of_several_threads_come_in_the_order_of_time() {
        check(
            vec![chunk(2, &[2, 5]), chunk(1, &[1, 3, 9])],
            2,
            &[1, 2, 3, 5, 9],
            0,
        );
    }

    #[test]
    fn every_overwritten_chunk_is_counted() {
        check(vec![chunk(7, &[2]), chunk(9, &[1])], 9, &[1, 2], 7);
    }

    #[test]
    fn a_serial_that_was_never_given_hides_no_gap() {
        check(vec![chunk(u64::MAX, &[4]), chunk(3, &[])], 5, &[4], 4);
    }
}
