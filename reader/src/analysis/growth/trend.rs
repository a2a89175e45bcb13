//! Whether the whole heap grows at the end of what is known, and since when.

#![forbid(unsafe_code)]

use crate::history::{History, State};
use crate::report::{Estimate, Fact, Unit, Value};
use crate::statistics::onset::{Growth, Trend, trend};

/// The part of a life at the end of which a program that exits gives everything back.
const LEAVING: u64 = 50;

/// The standard normal quantile at 97.5 %.
const NORMAL_QUANTILE: f64 = 1.96;

/// What is known of the heap's curve, by ticks since the start.
struct Curve {
    points: Vec<(f64, f64)>,
    /// The standard deviation of the last point, by chance alone.
    deviation: f64,
}

impl Curve {
    /// The whole life; without its last moments where the program went through exit.
    fn of(history: &History) -> Option<Curve> {
        let points = &history.timeline;
        let (first, last) = (points.first()?, points.last()?);
        let length = last.ticks - first.ticks;
        let end = match history.process.state {
            State::Exited => length - length / LEAVING,
            _ => length,
        };
        let age = |ticks: u64| ticks - first.ticks;
        let seen = points.iter().filter(|point| age(point.ticks) <= end);
        // What was live last stays so until the end.
        let last_seen = seen.clone().next_back()?;
        let curve = seen.map(|point| (age(point.ticks) as f64, point.live.bytes as f64));
        let end = (end as f64, last_seen.live.bytes as f64);
        Some(Curve {
            points: curve.chain([end]).collect(),
            deviation: last_seen.live.bytes_variance.sqrt(),
        })
    }

    /// How fast it rose from the onset on, in bytes by tick.
    ///
    /// Both ends are off by chance, and as if independently, which they are less the fewer blocks
    /// died in between: the interval is rather too wide.
    fn rate(&self, growth: &Growth) -> Option<Estimate> {
        let (end, _) = self.points.last()?;
        let ticks = end - growth.onset;
        let rise = growth.to - growth.from;
        let margin = NORMAL_QUANTILE * self.deviation * std::f64::consts::SQRT_2;
        let unit = Unit::BytesPerSecond;
        let by_tick = |bytes: f64| bytes / ticks;
        (ticks > 0.0).then(|| match margin > 0.0 {
            true => Estimate::sampled(
                by_tick(rise),
                by_tick(rise - margin),
                by_tick(rise + margin),
                unit,
            ),
            false => Estimate::exact(by_tick(rise), unit),
        })
    }
}

/// The verdict, and where it grows, since when and how fast.
pub(crate) fn facts(history: &History) -> Vec<Fact> {
    let verdict = |text: &str| Fact::new("trend", "trend of the whole run", Value::text(text));
    let too_short = || vec![verdict("too short to say")];
    let Some(curve) = Curve::of(history) else {
        return too_short();
    };
    let growth = match trend(&curve.points, curve.deviation) {
        Trend::TooShort => return too_short(),
        Trend::Steady => return vec![verdict("steady")],
        Trend::Grows(growth) => growth,
    };
    let clock = &history.clock;
    let onset_ticks = growth.onset as u64;
    let onset = clock.unix_ns(clock.start_ticks.saturating_add(onset_ticks));
    let age = clock.ns(onset_ticks);
    let rate = curve.rate(&growth).and_then(|rate| {
        let by_second = 1e9 / clock.ns_per_tick?;
        Some(Estimate {
            value: rate.value * by_second,
            low: rate.low * by_second,
            high: rate.high * by_second,
            ..rate
        })
    });
    vec![
        verdict(match growth.has_level_before {
            true => "growing",
            false => "growing from the start: a leak, or a start-up that is not over",
        }),
        Fact::new(
            "onset_unix_ns",
            "growing since",
            onset.map_or(Value::Unknown, Value::Time),
        ),
        Fact::new(
            "onset_age_ns",
            "that is, at an age of",
            age.map_or(Value::Unknown, Value::Duration),
        ),
        Fact::new(
            "trend_bytes_per_second",
            "at a rate of",
            rate.map_or(Value::Unknown, Value::from),
        ),
    ]
}
