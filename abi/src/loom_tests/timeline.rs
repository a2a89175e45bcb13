//! The timeline: a reader never sees a mix of two points, nor a table with a gap.

use core::ops::Range;
use std::sync::Arc;
use std::vec::Vec;

use super::{Switches, View, explore, spawn, words};
use crate::AtomicU64;
use crate::header::{at, pack};
use crate::region::RegionShape;
use crate::timeline::{POINT_WORDS, Point, PointRow, append, read};

/// Where the rows stand: right behind the only word of the header that matters.
const FIRST: usize = at::TIMELINE + 1;
const ROWS: usize = 3;

const REGION: RegionShape = RegionShape {
    first_word: FIRST as u64,
    rows: ROWS as u64,
    row_words: POINT_WORDS as u64,
};

/// The state, and ticks and live bytes of a row.
const STATE: Range<u64> = 42..43;
const ROW_0: Range<u64> = 43..45;
const ROW_1: Range<u64> = 47..49;

fn rows(words: &[AtomicU64]) -> &[PointRow] {
    words[FIRST..].as_chunks().0
}

fn add(words: &[AtomicU64], ticks: u64) {
    let point = Point {
        ticks,
        live_bytes: ticks as i64,
        live_objects: 0,
        asked_bytes: 0,
    };
    append(&words[at::TIMELINE], rows(words), |_| true, &point);
}

/// What does not move: the points 1, 2, 3 in their rows, below `state`.
fn view(words: &Arc<Vec<AtomicU64>>, moving: &'static [Range<u64>], state: u64) -> View {
    let mut still = std::vec![0; FIRST + ROWS * POINT_WORDS];
    still[at::TIMELINE] = state;
    for ticks in 1..=ROWS {
        let row = FIRST + (ticks - 1) * POINT_WORDS;
        still[row..row + 2].fill(ticks as u64);
    }
    View {
        still: still.into(),
        ..View::new(words, moving)
    }
}

/// Whether the reader is sure, and the ticks of what it found; each point must be whole.
fn found(view: &View) -> (bool, Vec<u64>) {
    let mut found = Vec::new();
    let is_whole = read(view, REGION, |point| {
        assert_eq!(point.live_bytes, point.ticks as i64, "{point:?}");
        found.push(point.ticks);
    });
    assert!(found.is_sorted(), "{found:?}");
    (is_whole, found)
}

#[test]
fn a_fresh_point_is_seen_whole_or_not_at_all() {
    explore(Switches::UpTo(3), || {
        let words = words(FIRST + ROWS * POINT_WORDS);
        let view = view(&words, &[STATE, ROW_0], 0);
        let reader = spawn(move || {
            let (is_whole, found) = found(&view);
            assert!(
                is_whole && [&[][..], &[1]].contains(&&found[..]),
                "{found:?}"
            );
        });
        add(&words, 1);
        reader.join().unwrap();
    });
}

#[test]
fn a_table_that_is_thinned_meanwhile_is_seen_before_or_after() {
    explore(Switches::UpTo(2), || {
        let words = words(FIRST + ROWS * POINT_WORDS);
        (1..=3).for_each(|ticks| add(&words, ticks));
        // The row that moves is the middle one, to which 3 goes.
        let view = view(&words, &[STATE, ROW_1], 0);
        let reader = spawn(move || {
            let (is_whole, found) = found(&view);
            let allowed = [&[1, 2, 3][..], &[1, 3]];
            assert!(!is_whole || allowed.contains(&&found[..]), "{found:?}");
        });
        add(&words, 4);
        reader.join().unwrap();
    });
}

#[test]
fn a_row_that_is_moved_is_seen_whole_or_not_at_all() {
    explore(Switches::UpTo(2), || {
        let words = words(FIRST + ROWS * POINT_WORDS);
        (1..=3).for_each(|ticks| add(&words, ticks));
        // To this reader the thinning never ends.
        let view = view(&words, &[ROW_1], pack(3, 1));
        let reader = spawn(move || {
            let (_, found) = found(&view);
            assert!(
                found.starts_with(&[1]) && found.ends_with(&[3]),
                "{found:?}"
            );
        });
        add(&words, 4);
        reader.join().unwrap();
    });
}
