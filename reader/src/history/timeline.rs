//! The heap over time: what the shim noted, with the peak and the last moment, which it keeps
//! elsewhere.

#![forbid(unsafe_code)]

use crate::history::{Intervals, Sum};
use crate::source::timeline::Point as Noted;
use crate::source::{Interval, OBJECT_UNIT, Weight};

/// What was live at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, ticks.
    pub ticks: u64,
    /// What was live; nothing is known of how much of it was seen.
    ///
    /// The variances of a point that is neither the peak nor the last one are bounds.
    pub live: Sum,
    /// Bytes that were asked for until then, exact; `None` where that is not known.
    pub asked_bytes: Option<u64>,
}

/// The points of a process, the earliest first, each later than the one before.
///
/// The first is the start, when nothing was live, and the last is `end`; never empty. Points outside
/// of its life, which damage may bring, are left out.
pub(crate) fn points(
    noted: &[Noted],
    start_ticks: u64,
    peak: Option<Point>,
    end: Point,
    intervals: &Intervals,
) -> Vec<Point> {
    let start = Point {
        ticks: start_ticks,
        live: Sum::default(),
        asked_bytes: Some(0),
    };
    let is_within = |ticks: u64| start_ticks < ticks && ticks < end.ticks;
    if end.ticks <= start_ticks {
        // Either nothing has happened yet, or the segment is damaged.
        let ticks = start_ticks;
        return vec![Point { ticks, ..end }];
    }
    let mut points = vec![start];
    let noted = noted.iter().filter(|point| is_within(point.ticks));
    points.extend(noted.map(|point| of_noted(point, intervals)));
    if let Some(peak) = peak.filter(|peak| is_within(peak.ticks)) {
        let place = points.partition_point(|point| point.ticks < peak.ticks);
        // A point of the same moment knows less.
        let replaced = points.get(place).is_some_and(|at| at.ticks == peak.ticks);
        points.splice(place..place + usize::from(replaced), [peak]);
    }
    points.push(end);
    points
}

fn of_noted(noted: &Noted, intervals: &Intervals) -> Point {
    let positive = |value: i64| u128::from(u64::try_from(value).unwrap_or(0));
    let live = Sum {
        object_parts: positive(noted.live_objects),
        bytes: positive(noted.live_bytes),
        ..Sum::default()
    };
    Point {
        ticks: noted.ticks,
        live: with_bounds(live, intervals.coarsest_until(noted.ticks)),
        asked_bytes: Some(noted.asked_bytes).filter(|bytes| *bytes > 0),
    }
}

/// The most that the variances can be expected to be, if nothing was sampled more coarsely.
///
/// A block of s bytes that is seen with probability p = 1 - exp(-s/T) adds s² (1-p)/p to the
/// variance of the bytes, which is less than s T, and (1-p)/p to that of the blocks, which is less
/// than T/s. The sum of the latter is not bounded by totals; four times that of blocks of mean
/// size leaves room for a mixture.
fn with_bounds(live: Sum, interval: Interval) -> Sum {
    const MIXTURE: f64 = 4.0;
    let interval_bytes = interval.bytes().unwrap_or(0) as f64;
    let (bytes, objects) = (live.bytes as f64, live.objects());
    if bytes == 0.0 || interval_bytes == 0.0 {
        return live;
    }
    // No block is smaller than a byte.
    let heaviest = Weight::of(1, interval).objects as f64 / OBJECT_UNIT as f64;
    let weight = (MIXTURE * interval_bytes * objects / bytes).min(heaviest);
    Sum {
        bytes_variance: interval_bytes * bytes,
        objects_variance: weight * objects,
        ..live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(ticks: u64, bytes: u128) -> Point {
        Point {
            ticks,
            live: Sum {
                bytes,
                ..Sum::default()
            },
            asked_bytes: None,
        }
    }

    /// Points at these ticks were noted in a life from 10 to 100 with this peak.
    fn check(noted: &[u64], peak_ticks: Option<u64>, expected: &[(u64, u128)]) {
        let intervals = Intervals {
            changes: vec![(0, Interval::EXACT)],
        };
        let noted: Vec<Noted> = noted
            .iter()
            .map(|ticks| Noted {
                ticks: *ticks,
                live_bytes: *ticks as i64,
                ..Noted::default()
            })
            .collect();
        let peak = peak_ticks.map(|ticks| point(ticks, 1_000));
        let points = points(&noted, 10, peak, point(100, 7), &intervals);
        let found = points.iter().map(|point| (point.ticks, point.live.bytes));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_life_begins_with_nothing_and_ends_with_what_is_live() {
        check(&[20, 30], None, &[(10, 0), (20, 20), (30, 30), (100, 7)]);
        check(&[], None, &[(10, 0), (100, 7)]);
    }

    #[test]
    fn a_life_that_ends_before_it_begins_has_one_moment() {
        let intervals = Intervals {
            changes: vec![(0, Interval::EXACT)],
        };
        let points = points(&[], 200, None, point(100, 7), &intervals);
        assert_eq!(points, [point(200, 7)]);
    }

    #[test]
    fn the_peak_stands_in_its_place() {
        let expected = &[(10, 0), (20, 20), (25, 1_000), (30, 30), (100, 7)];
        check(&[20, 30], Some(25), expected);
        check(
            &[20, 30],
            Some(20),
            &[(10, 0), (20, 1_000), (30, 30), (100, 7)],
        );
    }

    #[test]
    fn points_outside_of_the_life_are_left_out() {
        check(
            &[5, 20, 100, 500],
            Some(500),
            &[(10, 0), (20, 20), (100, 7)],
        );
    }

    #[test]
    fn the_bound_of_a_sampled_point_is_that_of_small_blocks() {
        let live = Sum {
            bytes: 1 << 30,
            object_parts: (1 << 24) * u128::from(OBJECT_UNIT),
            ..Sum::default()
        };
        let bounded = with_bounds(live, Interval::at_most(1 << 20));
        assert_eq!(bounded.bytes_variance, (1u64 << 50) as f64);
        assert_eq!(with_bounds(live, Interval::EXACT), live);
    }
}
