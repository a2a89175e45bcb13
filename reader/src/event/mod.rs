//! The history in the ring: what happened lately, and how much of it was overwritten.

#![forbid(unsafe_code)]

mod decode;

use std::collections::BTreeMap;

pub use memshim_abi::event::{Act, Event};

use crate::event::decode::Leases;
use crate::source::{Issues, Segment};

/// What the ring of a segment still holds.
#[derive(Debug, Default, PartialEq)]
pub struct Ring {
    /// How much it is, and how much was overwritten.
    pub kept: Kept,
    /// The events in the order in which they happened; a ring has room for some 130,000.
    pub events: Vec<Event>,
    /// When chunks were overwritten, the moment from which on every thread that was busy has all
    /// its events here, ticks; `None` where nothing was overwritten.
    ///
    /// An idle thread's chunk may have been taken over later than that. It is in the far future
    /// where nothing can be said.
    pub complete_since_ticks: Option<u64>,
}

/// How much of the history is still there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Events that are still there.
    pub events: u64,
    /// When the oldest of them was, ticks.
    pub oldest_ticks: Option<u64>,
    /// Chunks that were given to threads and are not there any more.
    pub chunks_missed: u64,
}

impl Ring {
    /// Reads the whole ring.
    pub fn of(segment: &Segment, issues: &mut Issues) -> Ring {
        let mut tally = Tally::default();
        decode::for_each_chunk(segment, issues, |serial, events| tally.add(serial, events));
        tally.ring(decode::leases(segment))
    }
}

/// The sum over the chunks that were met so far.
#[derive(Debug, Default)]
struct Tally {
    /// The serial of each chunk, with the time of its first event.
    chunks: BTreeMap<u64, Option<u64>>,
    events: Vec<Event>,
}

impl Tally {
    fn add(&mut self, serial: u64, events: &[Event]) {
        let first_ticks = events.iter().map(|event| event.ticks).min();
        self.chunks.insert(serial, first_ticks);
        self.events.extend_from_slice(events);
    }

    /// Of the chunks ever given, those that were not met were missed.
    fn ring(mut self, leases: Leases) -> Ring {
        let met = self.chunks.range(..=leases.given.max(leases.latest));
        let chunks_missed = leases.given.saturating_sub(met.count() as u64);
        // Stable: the events of one thread keep their order where the clock did not move.
        self.events.sort_by_key(|event| event.ticks);
        let kept = Kept {
            events: self.events.len() as u64,
            oldest_ticks: self.events.first().map(|event| event.ticks),
            chunks_missed,
        };
        // Leases take the chunks in turn, so of the last round none was overwritten.
        let last_round = leases.latest.saturating_sub(leases.chunks) + 1;
        let of_last_round = self
            .chunks
            .range(last_round..=leases.latest.max(last_round));
        let first_ticks = of_last_round.filter_map(|(_, ticks)| *ticks).next();
        Ring {
            kept,
            complete_since_ticks: (chunks_missed > 0).then_some(first_ticks.unwrap_or(u64::MAX)),
            events: self.events,
        }
    }
}

#[cfg(test)]
mod tests {
    use memshim_abi::event::Kind;
    use memshim_abi::weight::Interval;

    use super::*;

    /// Chunks as serials and the times of their events, of `leases` given in a ring of four.
    fn check(
        chunks: &[(u64, &[u64])],
        leases: u64,
        oldest: Option<u64>,
        missed: u64,
        whole_since: Option<u64>,
    ) {
        let event = |ticks: &u64| Event {
            act: Act::Birth,
            kind: Kind::Malloc,
            interval: Interval::EXACT,
            thread: 1,
            site: 1,
            ticks: *ticks,
            address: 16,
            size_bytes: 8,
        };
        let mut tally = Tally::default();
        for (serial, ticks) in chunks {
            let events: Vec<Event> = ticks.iter().map(event).collect();
            tally.add(*serial, &events);
        }
        let ring = tally.ring(Leases {
            given: leases,
            latest: leases,
            chunks: 4,
        });
        let mut ticks: Vec<u64> = chunks
            .iter()
            .flat_map(|(_, ticks)| *ticks)
            .copied()
            .collect();
        ticks.sort_unstable();
        let met: Vec<u64> = ring.events.iter().map(|event| event.ticks).collect();
        assert_eq!(met, ticks);
        let expected = Kept {
            events: ticks.len() as u64,
            oldest_ticks: oldest,
            chunks_missed: missed,
        };
        assert_eq!(ring.kept, expected);
        assert_eq!(ring.complete_since_ticks, whole_since);
    }

    #[test]
    fn events_come_in_the_order_of_time_whatever_chunk_they_lie_in() {
        check(&[(2, &[2, 5]), (1, &[9, 1, 3])], 2, Some(1), 0, None);
        check(&[], 0, None, 0, None);
    }

    #[test]
    fn every_overwritten_chunk_is_counted() {
        check(&[(7, &[2]), (9, &[1])], 9, Some(1), 7, Some(2));
    }

    #[test]
    fn a_serial_that_was_never_given_hides_no_gap() {
        check(&[(u64::MAX, &[4]), (3, &[])], 5, Some(4), 4, Some(u64::MAX));
    }

    #[test]
    fn a_chunk_that_a_thread_held_for_long_does_not_make_the_history_complete() {
        check(
            &[(1, &[1, 90]), (8, &[40, 60]), (9, &[50])],
            9,
            Some(1),
            6,
            Some(40),
        );
    }
}
