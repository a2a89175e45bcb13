//! Moments of a process's life as people write them on a command line.

#![forbid(unsafe_code)]

use std::str::FromStr;

use crate::quantity;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_SECONDS: u64 = 86_400;

/// A moment, before it is known of which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `90s`: so long after the start, ns.
    AfterStart(u64),
    /// `-5m`: so long before the end, or before now, ns.
    BeforeEnd(u64),
    /// `@14:05`: the last time that it was so late on a clock in UTC, seconds of the day.
    TimeOfDay(u64),
    /// `@2026-11-22T14:05`: on that day, seconds since the Unix epoch.
    Date(u64),
}

/// The life that moments are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it began, ns since the Unix epoch.
    pub start_unix_ns: u64,
    /// How long it has been, ns.
    pub age_ns: u64,
}

impl Moment {
    /// How old the process was then, ns; what lies outside of its life is the nearer end of it.
    ///
    /// Reports write times in UTC, so that is what a time of day is in.
    pub fn age_ns(self, life: Life) -> u64 {
        let of_unix_ns = |unix_ns: u64| unix_ns.saturating_sub(life.start_unix_ns);
        let age_ns = match self {
            Moment::AfterStart(ns) => ns,
            Moment::BeforeEnd(ns) => life.age_ns.saturating_sub(ns),
            Moment::Date(seconds) => of_unix_ns(seconds.saturating_mul(SECOND_NS)),
            Moment::TimeOfDay(seconds) => {
                let end = life.start_unix_ns.saturating_add(life.age_ns) / SECOND_NS;
                let today = end - end % DAY_SECONDS + seconds;
                let last = if today <= end {
                    today
                } else {
                    today.saturating_sub(DAY_SECONDS)
                };
                of_unix_ns(last.saturating_mul(SECOND_NS))
            }
        };
        age_ns.min(life.age_ns)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let refused = || {
            format!(
                "{text:?} is no moment; write 90s after the start, -5m before the end, \
                 @14:05 or @2026-11-22T14:05:30 in UTC"
            )
        };
        let trimmed = text.trim();
        if let Some(clock) = trimmed.strip_prefix('@') {
            return clock_time(clock).ok_or_else(refused);
        }
        let (duration, is_before_end) = match trimmed.strip_prefix('-') {
            Some(duration) => (duration, true),
            None => (trimmed, false),
        };
        let ns = quantity::duration_ns(duration).map_err(|_| refused())?;
        Ok(match is_before_end {
            true => Moment::BeforeEnd(ns),
            false => Moment::AfterStart(ns),
        })
    }
}

/// `14:05`, `14:05:30`, or either with `2026-11-22T` before it.
fn clock_time(text: &str) -> Option<Moment> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    match text.split_once(['T', ' ']) {
        Some((date, time)) => {
            let days = days_since_epoch(date)?;
            let seconds = days.checked_mul(DAY_SECONDS)?;
            Some(Moment::Date(seconds.checked_add(seconds_of_day(time)?)?))
        }
        None => Some(Moment::TimeOfDay(seconds_of_day(text)?)),
    }
}

fn seconds_of_day(text: &str) -> Option<u64> {
    let parts = numbers(text, ':')?;
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let is_time = hours < 24 && minutes < 60 && seconds < 60;
    is_time.then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Days from the Unix epoch to a date of the Gregorian calendar: `2026-11-22`.
fn days_since_epoch(text: &str) -> Option<u64> {
    let parts = numbers(text, '-')?;
    let [year @ 1970..=9999, month @ 1..=12, day] = parts[..] else {
        return None;
    };
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days_of = |month: u64| match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=days_of(month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let months: u64 = (1..month).map(days_of).sum();
    Some(years + months + day - 1)
}

/// Numbers of digits alone, with a character between them.
fn numbers(text: &str, between: char) -> Option<Vec<u64>> {
    let parts = text.split(between);
    let number = |part: &str| {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| is_number)
    };
    parts.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 07:10:33 UTC, as date(1) has it.
    const START_SECONDS: u64 = 1_795_331_433;

    /// The age in seconds that `text` means in a life of `age_seconds`.
    fn check(text: &str, age_seconds: u64, expected: u64) {
        let life = Life {
            start_unix_ns: START_SECONDS * SECOND_NS,
            age_ns: age_seconds * SECOND_NS,
        };
        let moment: Moment = text.parse().expect("a moment");
        assert_eq!(moment.age_ns(life), expected * SECOND_NS, "{text}");
    }

    #[test]
    fn a_duration_is_counted_from_the_start() {
        check("90s", 1_000, 90);
        check("1.5m", 1_000, 90);
    }

    #[test]
    fn a_duration_with_a_minus_is_counted_from_the_end() {
        check("-5m", 1_000, 700);
    }

    #[test]
    fn a_time_of_day_is_its_last_one() {
        check("@07:11", 1_000, 27);
        check("@07:11:33", 1_000, 60);
        // Three days later the same time has come three times more.
        check("@07:11", 3 * DAY_SECONDS + 1_000, 3 * DAY_SECONDS + 27);
        // At 01:00 of the next day it was 23:00 on the day before.
        check("@23:00", 18 * 3_600, 16 * 3_600 - 633);
    }

    #[test]
    fn a_date_says_which_day() {
        check("@2026-11-22T07:11", 3 * DAY_SECONDS, 27);
        check("@2026-11-23 07:10:33", 3 * DAY_SECONDS, DAY_SECONDS);
        check("@2026-11-22T07:10:34Z", 1_000, 1);
    }

    #[test]
    fn a_moment_outside_of_the_life_is_the_nearer_end_of_it() {
        check("2h", 1_000, 1_000);
        check("-2h", 1_000, 0);
        check("@03:00", 1_000, 0);
        check("@2030-02-28T00:00", 1_000, 1_000);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "5",
            "-",
            "@",
            "@25:00",
            "@14",
            "@14:60",
            "@2026-02-29T10:00",
            "@2026-13-01T10:00",
            "yesterday",
            "--5m",
            "@+1:00",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
