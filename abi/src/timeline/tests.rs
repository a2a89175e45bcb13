//! What is left of a long life in a short table.

use core::cell::Cell;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::WORD_BYTES;

/// A header, then the rows.
struct Segment {
    words: Vec<AtomicU64>,
    first: usize,
}

impl Segment {
    fn new(rows: usize) -> Self {
        let first = at::TIMELINE + 1;
        let count = first + rows * POINT_WORDS;
        Self {
            words: (0..count).map(|_| AtomicU64::new(0)).collect(),
            first,
        }
    }

    fn rows(&self) -> &[PointRow] {
        self.words[self.first..].as_chunks().0
    }

    fn append(&self, ticks: u64, memory_rows: u64) -> Appended {
        let state = &self.words[at::TIMELINE];
        append(state, self.rows(), |row| row < memory_rows, &point(ticks))
    }

    fn read(&self) -> Vec<Point> {
        let region = RegionShape {
            first_word: self.first as u64,
            rows: self.rows().len() as u64,
            row_words: POINT_WORDS as u64,
        };
        let mut points = Vec::new();
        assert!(read(&self.words[..], region, |point| points.push(point)));
        points
    }
}

/// Every figure tells the ticks.
fn point(ticks: u64) -> Point {
    Point {
        ticks,
        live_bytes: -(ticks as i64),
        live_objects: ticks as i64 * 1024,
        asked_bytes: ticks * WORD_BYTES,
    }
}

fn ticks(segment: &Segment) -> Vec<u64> {
    let points = segment.read();
    for found in &points {
        assert_eq!(*found, point(found.ticks));
    }
    points.iter().map(|point| point.ticks).collect()
}

/// Appends as the shim does, half as often after each thinning; gives the ticks that are left.
fn live(segment: &Segment, end: u64, memory_rows: u64) -> Vec<u64> {
    let (mut now, mut spacing) = (1, 1);
    while now <= end {
        if segment.append(now, memory_rows) == Appended::AfterThinning {
            spacing *= 2;
        }
        now += spacing;
    }
    ticks(segment)
}

#[test]
fn a_short_life_is_kept_whole() {
    assert_eq!(live(&Segment::new(8), 8, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_full_table_loses_every_second_point() {
    assert_eq!(live(&Segment::new(8), 9, 8), [1, 3, 5, 7, 9]);
}

#[test]
fn a_table_that_gets_no_more_memory_is_thinned_earlier() {
    assert_eq!(live(&Segment::new(8), 5, 4), [1, 3, 5]);
    assert_eq!(live(&Segment::new(8), 100, 0), []);
}

#[test]
fn a_thinning_that_was_cut_short_loses_no_point_and_is_made_good() {
    for moved in 1..4 {
        for is_torn in [false, true] {
            let segment = Segment::new(8);
            live(&segment, 8, 8);
            let thinned = [1, 3, 5, 7];
            for (row, ticks) in segment.rows().iter().zip(thinned).take(moved) {
                write(row, &point(ticks));
            }
            if is_torn {
                segment.rows()[moved][0].store(0, Ordering::Relaxed);
            }
            segment.words[at::TIMELINE].store(pack(8, 1), Ordering::Relaxed);
            let left = ticks(&segment);
            assert!(thinned.iter().all(|ticks| left.contains(ticks)), "{left:?}");
            assert_eq!(segment.append(9, 8), Appended::AfterThinning);
            let left = ticks(&segment);
            assert!(left.is_sorted() && left.ends_with(&[9]), "{left:?}");
            assert!(left.len() >= 4, "{left:?}");
        }
    }
}

/// A reader in whose first copies the table is thinned under its hands.
struct Disturbed<'a> {
    segment: &'a Segment,
    disturbances: Cell<u64>,
}

impl Words for Disturbed<'_> {
    fn load(&self, index: u64) -> u64 {
        self.segment.words.load(index)
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let half = into.len() / 2;
        self.segment.words.copy(index, &mut into[..half]);
        if self.disturbances.get() > 0 {
            self.disturbances.set(self.disturbances.get() - 1);
            thin(&self.segment.words[at::TIMELINE], self.segment.rows());
        }
        self.segment
            .words
            .copy(index + half as u64, &mut into[half..]);
    }
}

#[test]
fn a_reader_whose_table_is_thinned_meanwhile_looks_again() {
    let segment = Segment::new(16);
    live(&segment, 16, 16);
    let words = Disturbed {
        segment: &segment,
        disturbances: Cell::new(2),
    };
    let region = RegionShape {
        first_word: segment.first as u64,
        rows: 16,
        row_words: POINT_WORDS as u64,
    };
    let mut found = Vec::new();
    assert!(read(&words, region, |point| found.push(point.ticks)));
    assert_eq!(found, [1, 5, 9, 13]);
}

proptest! {
    #[test]
    fn any_life_is_covered_evenly(end in 1u64..5_000, rows in 4usize..32) {
        let left = live(&Segment::new(rows), end, u64::MAX);
        prop_assert_eq!(left[0], 1);
        let gaps: Vec<u64> = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let widest = gaps.iter().copied().max().unwrap_or(1);
        prop_assert!(gaps.iter().all(|gap| gap * 2 >= widest), "{:?}", left);
        prop_assert!(left.len() as u64 >= (rows as u64 / 2).min(end), "{:?}", left);
        prop_assert!(end - left[left.len() - 1] <= 2 * widest, "{:?}", left);
    }
}
