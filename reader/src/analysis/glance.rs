//! A process at a glance: what its header, its threads and its timeline say, without its tables.
//!
//! It costs a few reads of a page each, so that one can look at all processes every second.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::analysis::cost;
use crate::analysis::estimate::Sampling;
use crate::analysis::target::interval_text;
use crate::history::{Intervals, Process, State, Sum};
use crate::report::{Estimate, Unit};
use crate::source::{Issues, Segment, Subject as About};

/// What can be said of one process quickly.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// The file it was read from.
    pub path: PathBuf,
    /// Process id, in the namespace of the process.
    pub pid: u32,
    /// The name that the program was started under.
    pub program: String,
    /// Where the program is in its life.
    pub state: State,
    /// Whether the process is still there, be it as another program.
    pub is_alive: bool,
    /// How old it is, or became, ns; `None` when the clock is unknown.
    pub age_ns: Option<u64>,
    /// What is live; the interval is the widest that blocks of any sizes can have.
    pub live: Estimate,
    /// What was live and allocated at this age.
    pub reading: Reading,
    /// How finely it is sampled now: `exact` or mean bytes between samples.
    pub interval: String,
    /// Everything that was counted as lost.
    pub losses: u64,
    /// What memshim took of its processor time, of 100; `None` before the first look at it.
    pub own_cost_percent: Option<f64>,
}

/// The heap at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// When, ns since the start of the process.
    pub age_ns: u64,
    /// What was live, bytes.
    pub live_bytes: u64,
    /// What was asked for until then, bytes; exact.
    pub asked_bytes: u64,
}

impl Glance {
    /// Looks at a segment.
    pub fn of(segment: &Segment) -> Glance {
        let mut issues = Issues::default();
        let process = Process::of(segment, &mut issues);
        let clock = segment.clock();
        let identity = &process.identity;
        let heard_ticks = identity.heartbeat_ticks.max(identity.end_ticks);
        let last_ticks = match process.state {
            State::Running => clock.now_ticks.unwrap_or(heard_ticks),
            _ => heard_ticks,
        };
        let age_ns = clock.ns(last_ticks.saturating_sub(clock.start_ticks));
        let live_bytes = segment.live_bytes();
        let lost = segment.counters().into_iter();
        let lost = lost.filter(|counter| counter.subject == About::Loss);
        Glance {
            path: segment.path.clone(),
            pid: identity.pid,
            program: identity.program().to_owned(),
            state: process.state,
            is_alive: process.is_alive(),
            age_ns,
            live: live(live_bytes, &Intervals::of(segment)),
            reading: Reading {
                age_ns: age_ns.unwrap_or(0),
                live_bytes,
                asked_bytes: segment.allocated_bytes(&mut issues),
            },
            interval: interval_text(segment.interval()),
            losses: lost.map(|counter| counter.value).sum(),
            own_cost_percent: cost::share(&segment.cost()),
        }
    }
}

/// What the segment noted of the heap at least `before_ns` before its last moment; the start of
/// the process where that is all that is known.
pub fn noted_before(segment: &Segment, last: &Reading, before_ns: u64) -> Reading {
    let clock = segment.clock();
    let age_ns = |ticks: u64| clock.ns(ticks.saturating_sub(clock.start_ticks));
    let latest_ns = last.age_ns.saturating_sub(before_ns);
    let points = segment.timeline(&mut Issues::default());
    let mut earlier = points.iter().rev();
    let noted = earlier.find(|point| age_ns(point.ticks).is_some_and(|age_ns| age_ns <= latest_ns));
    noted.map_or_else(Reading::default, |point| Reading {
        age_ns: age_ns(point.ticks).unwrap_or(0),
        live_bytes: u64::try_from(point.live_bytes).unwrap_or(0),
        asked_bytes: point.asked_bytes,
    })
}

/// The header's total with its interval.
///
/// A block of s bytes adds less than s T to the variance, whatever its size, so this needs no look
/// at the blocks; nothing is known of how much of it was seen.
fn live(live_bytes: u64, intervals: &Intervals) -> Estimate {
    let interval_bytes = intervals.coarsest().bytes().unwrap_or(0) as f64;
    let sum = Sum {
        bytes: live_bytes.into(),
        bytes_variance: interval_bytes * live_bytes as f64,
        ..Sum::default()
    };
    let sampling = Sampling::from(intervals);
    sampling.sums_of_bytes(&sum).estimate(Unit::Bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::history::{History, Site};
    use crate::source::Interval;
    use crate::source::fixture::segment;

    #[test]
    fn a_glance_agrees_with_the_tables() {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let (glance, history) = (Glance::of(&segment), History::of(&segment));
        let live: Sum = history.sites.all.iter().map(Site::live).sum();
        assert_eq!(glance.live, Estimate::exact(live.bytes as f64, Unit::Bytes));
        assert_eq!(glance.program, history.process.identity.program());
        assert_eq!(glance.age_ns, history.age_ns(history.clock.start_ticks));
    }

    #[test]
    fn the_interval_of_a_glance_holds_that_of_the_tables() {
        let bytes = segment(Interval::at_most(64));
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let (glance, history) = (Glance::of(&segment), History::of(&segment));
        let live: Sum = history.sites.all.iter().map(Site::live).sum();
        let sampling = Sampling::of(&history);
        let known = sampling.sums_of_bytes(&live).estimate(Unit::Bytes);
        assert!(
            glance.live.high >= known.high,
            "{:?} {known:?}",
            glance.live
        );
    }
}
