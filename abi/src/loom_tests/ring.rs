//! Ring chunks: whole events, of one lease, whose serial is the right one.

use core::sync::atomic::Ordering;
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

use super::{Switches, explore, spawn, words};
use crate::AtomicU64;
use crate::event::EVENT_WORDS;
use crate::region::RegionShape;
use crate::ring::{CHUNK_EVENTS, CHUNK_WORDS, Lease, Serials, read, release, write};

/// Words of the chunk that exist: its head and the first event.
const WORDS: usize = 12;

const REGION: RegionShape = RegionShape {
    first_word: 0,
    rows: 1,
    row_words: CHUNK_WORDS as u64,
};

/// A ring of one chunk.
struct Ring {
    latest: AtomicU64,
    given: AtomicU64,
    /// Touched by each writer between its serial and its look at the lease.
    ///
    /// Loom compares an access only with the latest one to the same word, so it would take the
    /// writer's own look for the only one and never try another writer's lease before it.
    gate: AtomicU64,
    chunk: Arc<Vec<AtomicU64>>,
}

impl Ring {
    fn new(words_len: usize) -> Arc<Self> {
        Arc::new(Self {
            latest: AtomicU64::new(0),
            given: AtomicU64::new(0),
            gate: AtomicU64::new(0),
            chunk: words(words_len),
        })
    }

    /// Writes an event all of whose words are `value`, and lets go of the chunk.
    fn write(&self, lease: &mut Lease, value: u64) -> bool {
        self.write_and(lease, value, false)
    }

    fn write_and(&self, lease: &mut Lease, value: u64, hold: bool) -> bool {
        let chunk = |_, _| {
            self.gate.fetch_add(1, Ordering::Relaxed);
            Some(&self.chunk[..])
        };
        let serials = Serials {
            latest: &self.latest,
            given: &self.given,
        };
        write(serials, 1, chunk, lease, &[value; EVENT_WORDS], hold)
    }

    /// The serial of the chunk and, for each event, its words that exist.
    fn read(&self) -> Option<(u64, Vec<[u64; 2]>)> {
        let mut events = Box::new([0; CHUNK_EVENTS * EVENT_WORDS]);
        let (serial, count) = read(&self.chunk[..], REGION, 0, &mut events)?;
        let events = events.chunks(EVENT_WORDS).take(count);
        Some((serial, events.map(|event| [event[0], event[1]]).collect()))
    }
}

#[test]
fn an_event_is_seen_whole_or_not_at_all() {
    explore(Switches::Any, || {
        let ring = Ring::new(WORDS + EVENT_WORDS);
        let seen = Arc::clone(&ring);
        let reader = spawn(move || {
            let Some((serial, events)) = seen.read() else {
                return;
            };
            assert_eq!(serial, 1);
            assert!(
                [&[][..], &[[5; 2]], &[[5; 2], [6; 2]]].contains(&&events[..]),
                "{events:?}"
            );
        });
        let mut lease = Lease::default();
        assert!(ring.write(&mut lease, 5) && ring.write(&mut lease, 6));
        reader.join().unwrap();
    });
}

#[test]
fn a_chunk_that_is_taken_over_never_mixes_two_leases() {
    explore(Switches::Any, || {
        let ring = Ring::new(WORDS);
        let mut mine = Lease::default();
        assert!(ring.write(&mut mine, 5));
        let (seen, other) = (Arc::clone(&ring), Arc::clone(&ring));
        let writer = spawn(move || {
            let mut lease = Lease::default();
            assert!(other.write(&mut lease, 6));
            assert_eq!(lease.serial, 2);
        });
        let reader = spawn(move || {
            let Some((serial, events)) = seen.read() else {
                return;
            };
            let value = if serial == 1 { 5 } else { 6 };
            assert!(
                events.iter().all(|event| *event == [value; 2]),
                "{serial} {events:?}"
            );
        });
        writer.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn two_writers_of_one_chunk_leave_the_last_lease_with_all_its_events() {
    explore(Switches::Any, || {
        let ring = Ring::new(WORDS);
        let other = Arc::clone(&ring);
        let write = |ring: &Ring, value| {
            let mut lease = Lease::default();
            ring.write(&mut lease, value)
                .then_some((lease.serial, value))
        };
        let writer = spawn(move || write(&other, 6));
        let mine = write(&ring, 5);
        let theirs = writer.join().unwrap();
        let last = mine.max(theirs).expect("one of them found the chunk idle");
        assert_eq!(ring.read(), Some((last.0, std::vec![[last.1; 2]])));
    });
}

#[test]
fn an_owner_whose_chunk_was_taken_over_leases_another() {
    explore(Switches::Any, || {
        let ring = Ring::new(WORDS + EVENT_WORDS);
        let other = Arc::clone(&ring);
        let mut mine = Lease::default();
        assert!(ring.write(&mut mine, 5));
        let writer = spawn(move || other.write(&mut Lease::default(), 6));
        let written = ring.write(&mut mine, 5);
        let taken = writer.join().unwrap();
        let (serial, events) = ring.read().expect("nobody writes any more");
        if serial == mine.serial && written {
            assert!(
                events.iter().all(|event| *event == [5; 2]),
                "{serial} {events:?}"
            );
        } else {
            assert!(taken && events == [[6; 2]], "{serial} {events:?}");
        }
    });
}

#[test]
fn the_serial_of_a_chunk_never_goes_back() {
    explore(Switches::Any, || {
        let ring = Ring::new(2);
        let (seen, other) = (Arc::clone(&ring), Arc::clone(&ring));
        let writer = spawn(move || other.write(&mut Lease::default(), 6));
        ring.write(&mut Lease::default(), 5);
        let before = seen.chunk[0].load(Ordering::Relaxed) >> 1;
        writer.join().unwrap();
        let after = seen.chunk[0].load(Ordering::Relaxed) >> 1;
        assert!(before <= after, "{before} {after}");
    });
}

#[test]
fn a_chunk_that_is_held_is_passed_over_and_taken_whole_once_it_is_released() {
    explore(Switches::Any, || {
        let ring = Ring::new(WORDS + EVENT_WORDS);
        let other = Arc::clone(&ring);
        let mut mine = Lease::default();
        assert!(ring.write_and(&mut mine, 5, true));
        let writer = spawn(move || other.write(&mut Lease::default(), 6));
        assert!(ring.write_and(&mut mine, 5, true));
        release(|_, _| Some(&ring.chunk[..]), &mut mine);
        let taken = writer.join().unwrap();
        let (_, events) = ring.read().expect("nobody writes any more");
        let mine = [[5; 2]; 2];
        let expected = if taken { &[[6; 2]][..] } else { &mine[..] };
        assert_eq!(events, expected);
    });
}
