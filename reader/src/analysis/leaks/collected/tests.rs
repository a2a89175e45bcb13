//! Verdicts on curves of what collections left alive.

use std::path::Path;

use super::*;
use crate::history::Counts;
use crate::source::fixture::segment;
use crate::source::{Interval, Segment};

/// The verdict on a site with these live bytes, a second apart, of blocks of one size.
fn check(live: &[u64], expected: Class) {
    let bytes = segment(Interval::EXACT);
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
    let mut history = History::of(&segment);
    let start = history.clock.start_ticks;
    let second = history.clock.ticks(1_000_000_000).expect("a clock");
    history.moments = (1..=live.len() as u64)
        .map(|it| start + it * second)
        .collect();
    history.sites.all[0].moments = live.to_vec();
    history.sites.all[0].sizes = Counts::of(&[0, 0, 7]);
    assert_eq!(verdicts(&history)[0].class, expected, "{live:?}");
}

#[test]
fn what_rises_all_the_time_is_a_leak() {
    check(&[10, 20, 31, 40, 49, 60, 72, 80, 91, 100], Class::Leak);
    check(&[1, 1, 20, 20, 40, 40, 60, 60, 80, 100], Class::Leak);
}

#[test]
fn what_rose_and_stopped_is_a_bounded_cache() {
    check(
        &[10, 30, 60, 90, 100, 100, 100, 100, 100, 100],
        Class::BoundedCache,
    );
}

#[test]
fn what_goes_up_and_down_is_no_leak() {
    check(&[10, 100, 20, 110, 15, 105, 30, 120, 25, 100], Class::Churn);
    check(&[50; 10], Class::Churn);
}

#[test]
fn a_few_moments_show_nothing() {
    check(&[10, 20, 30, 40], Class::TooLittleData);
}

#[test]
fn a_rise_in_one_step_is_no_leak() {
    check(
        &[10, 10, 11, 11, 12, 12, 13, 13, 90, 91],
        Class::TooLittleData,
    );
}

#[test]
fn a_few_collections_show_nothing_however_many_moments_there_were() {
    check(
        &[10, 10, 20, 20, 20, 30, 30, 30, 40, 40],
        Class::TooLittleData,
    );
}
