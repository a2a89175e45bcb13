//! One quantity at the moments that all curves of an answer share.

#![forbid(unsafe_code)]

use crate::digest::window::Window;

/// A quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What people call it.
    pub title: String,
    /// What tells it from others in a key: a process id; none where its place does.
    pub id: Option<String>,
    /// The moments, ns since the Unix epoch, evenly apart.
    pub times: Vec<u64>,
    /// Its value at each.
    pub values: Vec<f64>,
}

/// Something that was seen at a moment: ns since the Unix epoch, and how much.
pub type Seen = (u64, f64);

/// `count` moments of a window, the last of which is its end.
pub fn moments(window: Window, count: u64) -> Vec<u64> {
    let count = count.min(window.ns().max(1));
    let step =
        |place: u64| (u128::from(window.ns()) * u128::from(place) / u128::from(count)) as u64;
    (1..=count)
        .map(|place| window.since_unix_ns + step(place))
        .collect()
}

/// What was last seen at each moment; nothing before the first and, of what has ended, after the
/// last.
pub fn held(seen: &[Seen], times: &[u64], has_ended: bool) -> Vec<f64> {
    let at = |time: &u64| {
        let after = seen.partition_point(|(unix_ns, _)| unix_ns <= time);
        let is_over = has_ended && after == seen.len();
        match after.checked_sub(1).and_then(|place| seen.get(place)) {
            Some((unix_ns, value)) if !is_over || unix_ns == time => *value,
            _ => 0.0,
        }
    };
    times.iter().map(at).collect()
}

/// How fast a sum rose up to each moment from the one before it, a second.
///
/// Between two readings it rose evenly. It is told from the first reading on, since nobody knows in
/// which time the first sum came together.
pub fn rates(seen: &[Seen], times: &[u64], begin: u64) -> Vec<f64> {
    let sum_at = |time: u64| {
        let after = seen.partition_point(|(unix_ns, _)| *unix_ns <= time);
        let before = after.checked_sub(1).and_then(|place| seen.get(place));
        match (before, seen.get(after)) {
            (Some((from, low)), Some((to, high))) => {
                let share = (time - from) as f64 / (to - from) as f64;
                low + (high - low) * share
            }
            (Some((_, last)), None) => *last,
            (None, first) => first.map_or(0.0, |(_, first)| *first),
        }
    };
    let mut previous = begin;
    times
        .iter()
        .map(|time| {
            let seconds = (time - previous) as f64 / 1e9;
            let rise = sum_at(*time) - sum_at(previous);
            previous = *time;
            match seconds > 0.0 {
                true => (rise / seconds).max(0.0),
                false => 0.0,
            }
        })
        .collect()
}

impl Curve {
    /// Its largest value.
    pub fn most(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// What its key ends in.
    pub fn key(&self, place: usize) -> String {
        self.id.clone().unwrap_or_else(|| place.to_string())
    }

    /// Several together; `None` of none.
    pub fn sum(title: &str, curves: &[&Curve]) -> Option<Curve> {
        let first = curves.first()?;
        let at = |place: usize| curves.iter().map(|curve| curve.values[place]).sum();
        Some(Curve {
            title: title.to_owned(),
            id: Some(title.to_owned()),
            times: first.times.clone(),
            values: (0..first.times.len()).map(at).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    const SEEN: &[Seen] = &[(2 * SECOND, 10.0), (4 * SECOND, 30.0), (6 * SECOND, 20.0)];

    fn window(seconds: std::ops::Range<u64>) -> Window {
        Window {
            since_unix_ns: seconds.start * SECOND,
            until_unix_ns: seconds.end * SECOND,
        }
    }

    #[test]
    fn what_was_seen_stays_until_it_is_seen_again() {
        let times = moments(window(0..8), 8);
        let alive = held(SEEN, &times, false);
        assert_eq!(alive, [0.0, 10.0, 10.0, 30.0, 30.0, 20.0, 20.0, 20.0]);
        let ended = held(SEEN, &times, true);
        assert_eq!(ended, [0.0, 10.0, 10.0, 30.0, 30.0, 20.0, 0.0, 0.0]);
    }

    #[test]
    fn a_rate_is_spread_evenly_between_two_readings() {
        let sums: &[Seen] = &[(2 * SECOND, 100.0), (6 * SECOND, 140.0)];
        let times = moments(window(0..8), 8);
        let expected = [0.0, 0.0, 10.0, 10.0, 10.0, 10.0, 0.0, 0.0];
        assert_eq!(rates(sums, &times, 0), expected);
    }

    #[test]
    fn the_last_moment_is_the_end_of_the_window() {
        let times = moments(window(10..11), 3);
        assert_eq!(times.last(), Some(&(11 * SECOND)));
        assert_eq!(times.len(), 3);
        assert_eq!(moments(window(10..10), 240).len(), 1);
    }
}
