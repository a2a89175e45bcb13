//! Whether a rule's condition holds for a program, or is over for certain.

#![forbid(unsafe_code)]

use crate::alert::kind::{Kind, Level};
use crate::alert::rules::Rule;
use crate::alert::series::Series;
use crate::output::format;

const MINUTE_NS: u64 = 60_000_000_000;

/// The part of the last day that a heap must be larger than.
const USUAL_QUANTILE: f64 = 0.95;

/// What a look found.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The value, in the scale of the rule's kind.
    pub value: Level,
    /// Whether it is past the threshold.
    pub holds: bool,
    /// Whether it is far enough on the good side of it.
    pub is_clear: bool,
    /// What else belongs into the sentence.
    pub detail: String,
}

/// Measures a program; nothing where too little is known to say anything.
pub fn measure(rule: &Rule, series: &Series, lost: &str) -> Option<Measured> {
    let last = series.last()?;
    let number = Level::Number;
    let plain = |value: f64| Some(rule.judged(number(value), true, String::new()));
    match rule.kind {
        Kind::LeakSuspected => plain(last.leak_rate * 86_400.0),
        Kind::ContainerGrowing => plain(last.container_rate * 86_400.0),
        Kind::LiveAbove => match rule.level? {
            Level::Number(_) => plain(last.live_bytes),
            Level::ShareOfLimit(_) => {
                let value = Level::ShareOfLimit(last.limit_percent?);
                Some(rule.judged(value, true, String::new()))
            }
        },
        Kind::HeapGrowing => {
            let usual = series.usual_live_bytes(USUAL_QUANTILE)?;
            let times = last.live_bytes / usual.max(1.0);
            let rises = series.slope(30 * MINUTE_NS, |it| it.live_bytes)? > 0.0;
            let is_large = last.live_bytes > rule.at_least;
            let detail = format::bytes(last.live_bytes);
            Some(rule.judged(number(times), rises && is_large, detail))
        }
        Kind::AllocationJump => {
            let rate = series.rate(5 * MINUTE_NS, |it| it.allocated_bytes)?;
            let times = rate / series.usual_allocation_rate()?.max(1.0);
            let detail = format::bytes(rate);
            Some(rule.judged(number(times), rate > rule.at_least, detail))
        }
        Kind::LimitNear => {
            let rise = series.slope(60 * MINUTE_NS, |it| it.resident_bytes)?;
            let left_bytes = last.left_bytes?;
            let seconds = match rise > 0.0 {
                true => left_bytes / rise,
                false => f64::INFINITY,
            };
            Some(rule.judged(number(seconds * 1e9), true, String::new()))
        }
        Kind::LosingData => {
            let rate = series.rate(10 * MINUTE_NS, |it| it.losses)?;
            Some(Measured {
                value: number(rate),
                holds: rate > 0.0,
                is_clear: rate == 0.0,
                detail: lost.to_owned(),
            })
        }
        Kind::TooExpensive => {
            let window = 5 * MINUTE_NS;
            let own = series.rate(window, |it| it.own_seconds)?;
            let all = series.rate(window, |it| it.program_seconds)?;
            (all > 0.0).then(|| rule.judged(number(own / all * 100.0), true, String::new()))
        }
        Kind::MarkPassed | Kind::OutOfMemory => None,
    }
}

impl Rule {
    /// A value beside the thresholds; `is_serious` is whatever else must hold.
    fn judged(&self, value: Level, is_serious: bool, detail: String) -> Measured {
        let level = self.level.map_or(0.0, Level::number);
        let number = value.number();
        let (is_past, is_clear) = match self.kind.is_below() {
            true => (number < level, number > self.clear),
            false => (number > level, number < self.clear),
        };
        Measured {
            value,
            holds: is_past && is_serious,
            is_clear,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::Rules;
    use crate::alert::series::Sample;

    const MIB: f64 = 1_048_576.0;

    fn rule(text: &str) -> Rule {
        let rules = Rules::parse(&format!("[[alert]]\n{text}\n")).expect("a good rule");
        rules.alerts.into_iter().next().expect("one rule")
    }

    /// A look each minute for so many minutes.
    fn series(minutes: u64, sample: impl Fn(u64) -> Sample) -> Series {
        let mut series = Series::default();
        for minute in 0..minutes {
            series.push(Sample {
                unix_ns: (1_000_000 + minute) * MINUTE_NS,
                time_ns: MINUTE_NS,
                ..sample(minute)
            });
        }
        series
    }

    fn check(rule_text: &str, series: &Series, expected: Option<(f64, bool, bool)>) {
        let found = measure(&rule(rule_text), series, "");
        let found = found.map(|it| (it.value.number().round(), it.holds, it.is_clear));
        assert_eq!(found, expected, "{rule_text}");
    }

    #[test]
    fn a_leak_counts_by_what_it_would_be_in_a_day() {
        let leaking = |rate: f64| {
            series(1, |_| Sample {
                leak_rate: rate,
                ..Sample::default()
            })
        };
        let rule = "kind = \"leak-suspected\"\nabove = 8640000\nclear = 864000";
        check(rule, &leaking(101.0), Some((8_726_400.0, true, false)));
        check(rule, &leaking(50.0), Some((4_320_000.0, false, false)));
        check(rule, &leaking(0.0), Some((0.0, false, true)));
    }

    #[test]
    fn a_heap_is_measured_against_its_own_day_and_only_while_it_rises() {
        let jumpy = |end: f64, minutes: u64| {
            series(26 * 60, move |minute| Sample {
                live_bytes: match minute {
                    _ if minute < 26 * 60 - minutes => 100.0 * MIB,
                    _ => 100.0 * MIB + end * (minute + minutes + 1 - 26 * 60) as f64 * MIB,
                },
                ..Sample::default()
            })
        };
        let rule = "kind = \"heap-growing\"";
        check(rule, &jumpy(2.0, 50), Some((2.0, true, false)));
        check(rule, &jumpy(0.1, 50), Some((1.0, false, true)));
        // It is as large, but nothing has changed for half an hour.
        let flat = series(26 * 60, |minute| Sample {
            live_bytes: if minute < 25 * 60 { 100.0 } else { 200.0 } * MIB,
            ..Sample::default()
        });
        check(rule, &flat, Some((2.0, false, false)));
        check(rule, &series(60, |_| Sample::default()), None);
    }

    #[test]
    fn the_time_to_the_limit_is_that_of_the_last_hours_growth() {
        let growing = |bytes: f64| {
            series(60, move |minute| Sample {
                resident_bytes: bytes * minute as f64,
                left_bytes: Some(60.0 * MIB),
                ..Sample::default()
            })
        };
        let rule = "kind = \"limit-near\"\nbelow = \"90min\"";
        check(rule, &growing(MIB), Some((3_600e9, true, false)));
        check(rule, &growing(MIB / 1.6), Some((5_760e9, false, false)));
        check(rule, &growing(0.0), Some((f64::INFINITY, false, true)));
    }

    #[test]
    fn what_is_live_may_be_measured_in_bytes_or_by_the_limit() {
        let series = series(1, |_| Sample {
            live_bytes: 900.0,
            limit_percent: Some(90.0),
            ..Sample::default()
        });
        let kind = "kind = \"live-above\"\n";
        check(
            &format!("{kind}above = 1000"),
            &series,
            Some((900.0, false, false)),
        );
        check(
            &format!("{kind}above = \"80%\""),
            &series,
            Some((90.0, true, false)),
        );
    }

    #[test]
    fn more_allocation_than_usual_counts_from_some_rate_on() {
        let jump = |usual: f64, now: f64| {
            series(26 * 60, move |minute| Sample {
                allocated_bytes: if minute < 26 * 60 - 6 { usual } else { now } * 60.0,
                ..Sample::default()
            })
        };
        let rule = "kind = \"allocation-jump\"";
        check(
            rule,
            &jump(5.0 * MIB, 50.0 * MIB),
            Some((10.0, true, false)),
        );
        check(
            rule,
            &jump(0.5 * MIB, 5.0 * MIB),
            Some((10.0, false, false)),
        );
        check(
            rule,
            &jump(50.0 * MIB, 50.0 * MIB),
            Some((1.0, false, true)),
        );
    }

    #[test]
    fn losses_are_told_of_while_there_are_any() {
        let losing = |losses: f64| {
            series(20, move |minute| Sample {
                losses: if minute == 15 { losses } else { 0.0 },
                ..Sample::default()
            })
        };
        let rule = "kind = \"losing-data\"";
        assert!(measure(&super::tests::rule(rule), &losing(9.0), "x").is_some_and(|it| it.holds));
        check(rule, &losing(0.0), Some((0.0, false, true)));
    }
}
