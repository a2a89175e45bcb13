//! The header: its first publication and the clock pairs.

use std::sync::Arc;
use std::vec;

use super::{Switches, View, explore, spawn, words};
use crate::header::{
    Attach, BYTE_ORDER, HEADER_WORDS, Header, MAGIC, at, attach, clock, note_clock_pair,
    note_interval, publish,
};
use crate::region::{REGION_WORDS, Region};
use crate::weight::Interval;
use crate::{AtomicU64, LAYOUT_VERSION, WORD_BYTES};
use core::sync::atomic::Ordering;

const FILE_BYTES: u64 = HEADER_WORDS * WORD_BYTES;

/// A header that passes every check, except for the words that move.
fn view(words: &Arc<vec::Vec<AtomicU64>>, moving: &'static [core::ops::Range<u64>]) -> View {
    let mut still = vec![0; HEADER_WORDS as usize];
    still[at::MAGIC] = MAGIC | LAYOUT_VERSION << 48;
    still[at::BYTE_ORDER] = BYTE_ORDER;
    still[at::PIDS] = 1;
    still[at::CLOCK_KIND] = clock::COUNTER;
    for (index, region) in Region::ALL.into_iter().enumerate() {
        let place = at::REGIONS + index * REGION_WORDS;
        still[place] = FILE_BYTES;
        still[place + 2] = region.row_words();
    }
    View {
        still: still.into(),
        ..View::new(words, moving)
    }
}

fn attached(view: &View) -> Option<Header> {
    match attach(view, FILE_BYTES) {
        Attach::Attached(header) => Some(header),
        Attach::NotReady => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_sees_the_magic_sees_the_whole_header() {
    explore(Switches::Any, || {
        let words = words(4);
        let view = view(&words, &[0..2, 3..4]);
        let reader = spawn(move || {
            if let Some(header) = attached(&view) {
                assert_eq!(header.word(at::PIDS), 7);
            }
        });
        words[at::BYTE_ORDER].store(BYTE_ORDER, Ordering::Relaxed);
        words[at::PIDS].store(7, Ordering::Relaxed);
        publish(&words);
        reader.join().unwrap();
    });
}

#[test]
fn a_clock_pair_is_never_a_mix_of_two() {
    explore(Switches::UpTo(2), || {
        let words = words(20);
        note_clock_pair(&words, 1, 10);
        let view = view(&words, &[12..13, 16..20]);
        let reader = spawn(move || {
            let header = attached(&view).expect("published");
            assert_eq!(header.clock().ns_per_tick, Some(10.0));
        });
        for ticks in 2..4 {
            note_clock_pair(&words, ticks, ticks * 10);
        }
        reader.join().unwrap();
    });
}

#[test]
fn an_interval_is_in_the_history_when_it_is_counted() {
    explore(Switches::Any, || {
        let words = words(at::INTERVALS + 2);
        let view = view(&words, &[22..23, 256..258]);
        let interval = Interval::from_exponent(19);
        let reader = spawn(move || {
            let header = attached(&view).expect("published");
            for entry in header.intervals() {
                assert_eq!(entry, (7, interval));
            }
        });
        note_interval(&words, 7, interval);
        reader.join().unwrap();
    });
}
