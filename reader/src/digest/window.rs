//! The time that a digest tells of, and the snapshots that each process has in it.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::moment::{Life, Moment};
use crate::quantity;
use crate::recording::index::Recorded;
use crate::recording::reader::Place;
use crate::recording::{ProcessKey, Recording};
use crate::source::process::Liveness;

/// The part of the time of a process that it may take to start up, which is no growth.
const WARM_UP: u64 = 10;

/// Where a window begins, before it is known of which recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(Moment);

impl FromStr for Since {
    type Err = String;

    /// A duration without a sign counts from the end, since that is what a digest is asked for.
    fn from_str(text: &str) -> Result<Since, String> {
        match quantity::duration_ns(text) {
            Ok(ns) => Ok(Since(Moment::BeforeEnd(ns))),
            Err(_) => text.parse().map(Since),
        }
    }
}

/// From one moment to another, ns since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// What was earlier is only compared with.
    pub since_unix_ns: u64,
    /// What is later does not exist.
    pub until_unix_ns: u64,
}

impl Window {
    /// The window of a recording that is `since` before `until`, or before its end.
    pub fn of(life: Life, since: Since, until: Option<Moment>) -> Window {
        let age_ns = until.map_or(life.age_ns, |until| until.age_ns(life));
        let until = Life { age_ns, ..life };
        let since_ns = since.0.age_ns(until);
        // The first look belongs to a window that begins with the recording.
        let start_unix_ns = match since_ns {
            0 => life.start_unix_ns.saturating_sub(1),
            _ => life.start_unix_ns,
        };
        Window {
            since_unix_ns: start_unix_ns + since_ns,
            until_unix_ns: life.start_unix_ns + age_ns,
        }
    }

    /// The one that is as long and ends where this one begins.
    pub fn before(self) -> Window {
        Window {
            since_unix_ns: self.since_unix_ns.saturating_sub(self.ns()),
            until_unix_ns: self.since_unix_ns,
        }
    }

    /// How long it is, ns.
    pub fn ns(self) -> u64 {
        self.until_unix_ns.saturating_sub(self.since_unix_ns)
    }

    /// Whether a moment is in it.
    pub fn has(self, unix_ns: u64) -> bool {
        self.since_unix_ns < unix_ns && unix_ns <= self.until_unix_ns
    }
}

/// One process within a window.
pub struct Trace<'a> {
    /// Whose it is.
    pub process: &'a Recorded,
    /// The last snapshot before the window, where there is one.
    pub before: Option<Place<'a>>,
    /// Those in the window, the earliest first; none of a process that was quiet.
    pub within: Vec<Place<'a>>,
}

impl<'a> Trace<'a> {
    /// The last that is known of it within the window.
    pub fn last(&self) -> Option<Place<'a>> {
        self.within.last().copied().or(self.before)
    }

    /// The first.
    pub fn first(&self) -> Option<Place<'a>> {
        self.before.or(self.within.first().copied())
    }

    /// What growth is counted from: the state before the window, or the first after the start-up;
    /// `None` where there is only one snapshot.
    pub fn base(&self) -> Option<Place<'a>> {
        let last = self.within.last()?;
        if self.before.is_some() {
            return self.before;
        }
        let first_ns = self.within.first()?.entry.unix_ns;
        let warm_ns = first_ns + (last.entry.unix_ns - first_ns) / WARM_UP;
        let base = self.within.iter().find(|it| it.entry.unix_ns >= warm_ns)?;
        (base.entry.unix_ns < last.entry.unix_ns).then_some(*base)
    }

    /// How long it was seen in the window, ns.
    pub fn seen_ns(&self, window: Window) -> u64 {
        let ends = self.first().zip(self.last());
        ends.map_or(0, |(first, last)| {
            let first = first.entry.unix_ns.max(window.since_unix_ns);
            last.entry.unix_ns.saturating_sub(first)
        })
    }

    /// What it allocated in the window, bytes.
    pub fn allocated_bytes(&self) -> u64 {
        let before = self.before.map_or(0, |place| place.entry.allocated_bytes);
        let last = self.last().map_or(0, |place| place.entry.allocated_bytes);
        last.saturating_sub(before)
    }

    /// The most that was live at any of its snapshots in the window, bytes.
    pub fn peak_live_bytes(&self) -> u64 {
        let places = self.before.iter().chain(&self.within);
        let live = places.map(|place| place.entry.live_bytes);
        live.max().unwrap_or(0)
    }
}

/// The processes of a window, those of one program only where one is named.
///
/// One that did nothing has no snapshot in the window; it is there if it lived when the last one was
/// made.
pub fn traces<'a>(
    recording: &'a Recording,
    window: Window,
    program: Option<&str>,
) -> Vec<Trace<'a>> {
    let mut traces: BTreeMap<ProcessKey, Trace<'a>> = BTreeMap::new();
    for (process, place) in recording.all_snapshots() {
        let is_wanted = program.is_none_or(|program| program == process.program);
        let unix_ns = place.entry.unix_ns;
        if !is_wanted || unix_ns > window.until_unix_ns {
            continue;
        }
        let trace = traces.entry(process.key).or_insert_with(|| Trace {
            process,
            before: None,
            within: Vec::new(),
        });
        match window.has(unix_ns) {
            true => trace.within.push(place),
            false => trace.before = Some(place),
        }
    }
    let is_there = |trace: &Trace<'_>| {
        let was_alive = |place: &Place<'_>| {
            let about = place.about();
            about.is_ok_and(|about| about.frozen.liveness != Liveness::Dead)
        };
        !trace.within.is_empty() || trace.before.as_ref().is_some_and(was_alive)
    };
    traces.into_values().filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// The ends of the window, in hours after the start of a recording of 48 hours.
    fn check(since: &str, until: Option<&str>, expected: (u64, u64)) {
        let life = Life {
            start_unix_ns: 1_000 * HOUR_NS,
            age_ns: 48 * HOUR_NS,
        };
        let since = since.parse().expect("a moment");
        let until = until.map(|until| until.parse().expect("a moment"));
        let window = Window::of(life, since, until);
        let hours = |unix_ns: u64| unix_ns.saturating_sub(life.start_unix_ns) / HOUR_NS;
        let found = (hours(window.since_unix_ns), hours(window.until_unix_ns));
        assert_eq!(found, expected, "{since:?} {until:?}");
    }

    #[test]
    fn a_duration_is_counted_back_from_the_end_of_the_window() {
        check("24h", None, (24, 48));
        check("24h", Some("-8h"), (16, 40));
        check("7d", None, (0, 48));
        check("-2h", None, (46, 48));
    }

    #[test]
    fn the_first_look_is_in_a_window_of_the_whole_recording() {
        let life = Life {
            start_unix_ns: 1_000,
            age_ns: 100,
        };
        let window = |since: &str| Window::of(life, since.parse().expect("a duration"), None);
        assert!(window("1h").has(1_000));
        assert!(!window("50ns").has(1_000));
    }

    #[test]
    fn the_window_before_is_as_long() {
        let window = Window {
            since_unix_ns: 70,
            until_unix_ns: 100,
        };
        let before = window.before();
        assert_eq!((before.since_unix_ns, before.until_unix_ns), (40, 70));
        assert!(before.has(70) && !window.has(70) && window.has(71));
    }
}
