//! The time that growth is told of, and how well the deaths in it are known.

#![forbid(unsafe_code)]

use crate::history::History;
use crate::moment::Moment;

/// From one moment of a process to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) since_ticks: u64,
    pub(crate) until_ticks: u64,
    /// How long it is; `None` where nobody knows how ticks become time.
    pub(crate) ns: Option<u64>,
    /// Whether every death in it is known, so that net growth is more than an upper bound.
    pub(crate) is_complete: bool,
    /// Whether its ends are two readings.
    pub(crate) is_watched: bool,
}

impl Window {
    /// The window that was asked for within a history, or the usual one.
    pub(crate) fn of(history: &History, since: Option<Moment>, until: Option<Moment>) -> Window {
        let start_ticks = history.clock.start_ticks;
        let end_ticks = history.end_ticks().max(start_ticks);
        let ticks = |moment: Option<Moment>| history.ticks_at(moment?);
        let until_ticks = ticks(until).unwrap_or(end_ticks);
        let half = start_ticks + (until_ticks.saturating_sub(start_ticks)) / 2;
        let since_ticks = ticks(since).unwrap_or(since_known(history, half, until_ticks));
        Window::within(history, since_ticks.min(until_ticks), until_ticks)
    }

    /// The last `ns` of a history, or as much of it as all deaths are known of.
    pub(crate) fn last(history: &History, ns: u64) -> Window {
        let start_ticks = history.clock.start_ticks;
        let until_ticks = history.end_ticks().max(start_ticks);
        let length = history.clock.ticks(ns).unwrap_or(u64::MAX);
        let since_ticks = until_ticks.saturating_sub(length).max(start_ticks);
        let since_ticks = since_known(history, since_ticks, until_ticks);
        Window::within(history, since_ticks, until_ticks)
    }

    fn within(history: &History, since_ticks: u64, until_ticks: u64) -> Window {
        let known_ticks = history.lives.complete_since_ticks;
        Window {
            since_ticks,
            until_ticks,
            ns: history.clock.ns(until_ticks - since_ticks),
            is_complete: known_ticks.is_none_or(|known| known <= since_ticks),
            is_watched: false,
        }
    }

    /// The time between two readings of one process.
    pub(crate) fn between(earlier: &History, later: &History) -> Window {
        let (since_ticks, until_ticks) = (earlier.end_ticks(), later.end_ticks());
        Window {
            since_ticks,
            until_ticks: until_ticks.max(since_ticks),
            ns: later.clock.ns(until_ticks.saturating_sub(since_ticks)),
            is_complete: true,
            is_watched: true,
        }
    }

    /// Whether something happened in it; its end belongs to it and its beginning does not.
    pub(crate) fn has(&self, ticks: u64) -> bool {
        self.since_ticks < ticks && ticks <= self.until_ticks
    }

    /// What people must know of it before they read its figures.
    pub(crate) fn note(&self, history: &History) -> String {
        if self.is_complete {
            return String::new();
        }
        let known = history.lives.complete_since_ticks;
        let age_ns = known.and_then(|ticks| history.age_ns(ticks));
        let known = match age_ns.filter(|age_ns| *age_ns > 0) {
            Some(age_ns) => format!("only of the last {:.1} s", age_ns as f64 / 1e9),
            None => "only in part".to_owned(),
        };
        format!(
            "deaths are known {known}: what was freed is a lower bound, and growth an upper one; \
             --for 10s compares two readings of a running process"
        )
    }
}

/// `since_ticks`, or later where deaths are known only from then on.
///
/// Where nothing is known of deaths, a window without length would say nothing at all.
fn since_known(history: &History, since_ticks: u64, until_ticks: u64) -> u64 {
    let known_ticks = history.lives.complete_since_ticks;
    let known = known_ticks.filter(|known| *known < until_ticks);
    known.map_or(since_ticks, |known| since_ticks.max(known))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::segment;
    use crate::source::{Interval, Segment};

    /// The window of a life from 1,000 to 20,000 ticks, of two ns each, whose deaths are known from
    /// `known` on.
    fn check(
        (since, until): (Option<&str>, Option<&str>),
        known: Option<u64>,
        expected: (u64, u64, bool),
    ) {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let mut history = History::of(&segment);
        history.lives.complete_since_ticks = known;
        let moment = |text: Option<&str>| text.map(|text| text.parse().expect("a moment"));
        let window = Window::of(&history, moment(since), moment(until));
        let found = (window.since_ticks, window.until_ticks, window.is_complete);
        assert_eq!(found, expected, "{since:?} {until:?} {known:?}");
        assert_eq!(window.note(&history).is_empty(), window.is_complete);
    }

    #[test]
    fn the_usual_window_is_the_last_half_as_far_as_deaths_are_known() {
        check((None, None), None, (10_500, 20_000, true));
        check((None, None), Some(5_000), (10_500, 20_000, true));
        check((None, None), Some(15_000), (15_000, 20_000, true));
        check((None, None), Some(u64::MAX), (10_500, 20_000, false));
    }

    #[test]
    fn a_window_may_be_asked_for() {
        check((Some("4us"), Some("-4us")), None, (3_000, 18_000, true));
        check((Some("4us"), None), Some(5_000), (3_000, 20_000, false));
        check((Some("-4us"), Some("4us")), None, (3_000, 3_000, true));
    }
}
