//! The history in the ring: what happened lately, and how much of it was overwritten.

#![forbid(unsafe_code)]

mod decode;

use std::collections::HashSet;

pub use memshim_abi::event::{Act, Event};

use crate::source::{Issues, Segment};

/// What the ring of a segment still holds.
///
/// The events themselves are read and let go chunk by chunk: no answer needs them all at once,
/// and there may be millions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Events that are still there.
    pub events: u64,
    /// When the oldest of them was, ticks.
    pub oldest_ticks: Option<u64>,
    /// Chunks that were given to threads and are not there any more.
    pub chunks_missed: u64,
}

impl Kept {
    /// Reads the whole ring.
    pub fn of(segment: &Segment, issues: &mut Issues) -> Kept {
        let mut tally = Tally::default();
        decode::for_each_chunk(segment, issues, |serial, events| tally.add(serial, events));
        tally.kept(decode::leases(segment))
    }
}

/// The sum over the chunks that were met so far.
#[derive(Debug, Default)]
struct Tally {
    serials: HashSet<u64>,
    events: u64,
    oldest_ticks: Option<u64>,
}

impl Tally {
    fn add(&mut self, serial: u64, events: &[Event]) {
        self.serials.insert(serial);
        self.events += events.len() as u64;
        let ticks = events.iter().map(|event| event.ticks);
        self.oldest_ticks = self.oldest_ticks.into_iter().chain(ticks).min();
    }

    /// Of `leases` chunks ever given, those that were not met were missed.
    fn kept(&self, leases: u64) -> Kept {
        let met = self.serials.iter().filter(|serial| **serial <= leases);
        Kept {
            events: self.events,
            oldest_ticks: self.oldest_ticks,
            chunks_missed: leases.saturating_sub(met.count() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use memshim_abi::event::Kind;
    use memshim_abi::weight::Interval;

    use super::*;

    /// Chunks as serials and the times of their events.
    fn check(chunks: &[(u64, &[u64])], leases: u64, oldest: Option<u64>, missed: u64) {
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
        let expected = Kept {
            events: chunks.iter().map(|(_, ticks)| ticks.len() as u64).sum(),
            oldest_ticks: oldest,
            chunks_missed: missed,
        };
        assert_eq!(tally.kept(leases), expected);
    }

    #[test]
    fn the_oldest_event_is_found_in_any_chunk() {
        check(&[(2, &[2, 5]), (1, &[9, 1, 3])], 2, Some(1), 0);
        check(&[], 0, None, 0);
    }

    #[test]
    fn every_overwritten_chunk_is_counted() {
        check(&[(7, &[2]), (9, &[1])], 9, Some(1), 7);
    }

    #[test]
    fn a_serial_that_was_never_given_hides_no_gap() {
        check(&[(u64::MAX, &[4]), (3, &[])], 5, Some(4), 4);
    }

    #[test]
    fn a_serial_met_twice_is_one_chunk() {
        check(&[(3, &[4]), (3, &[4])], 3, Some(4), 2);
    }
}
