//! The growth of the whole heap: how much, how fast, and since when.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::growth::change::Changes;
use crate::analysis::growth::rate;
use crate::analysis::growth::window::Window;
use crate::history::{History, Point, State};
use crate::report::{Body, Estimate, Fact, Section, Unit, Value};
use crate::statistics::onset::{Trend, trend};

/// The part of a life at the end of which a program that exits gives everything back.
const LEAVING: u64 = 50;

/// The totals of the window, then the trend of the whole life.
pub(crate) fn section(subject: &Subject<'_>, window: &Window, changes: &Changes) -> Section {
    let history = subject.history;
    let total = changes.total(subject);
    let net = total.net(history, Unit::Bytes, window);
    let rate = rate(&net, window);
    let time = |ticks| {
        history
            .clock
            .unix_ns(ticks)
            .map_or(Value::Unknown, Value::Time)
    };
    let duration = |ns: Option<u64>| ns.map_or(Value::Unknown, Value::Duration);
    let mut facts = vec![
        Fact::new("since_unix_ns", "from", time(window.since_ticks)),
        Fact::new("until_unix_ns", "to", time(window.until_ticks)),
        Fact::new("window_ns", "which is", duration(window.ns)),
    ];
    // The curve is of the whole program.
    if !subject.is_filtered() {
        let heap = |ticks| {
            heap(history, ticks).map_or(Value::Unknown, |point| {
                Sampling::of(history).bytes(&point.live)
            })
        };
        facts.extend([
            Fact::new("heap_before_bytes", "heap then", heap(window.since_ticks)),
            Fact::new(
                "heap_after_bytes",
                "heap at the end",
                heap(window.until_ticks),
            ),
        ]);
    }
    let count = total.net(history, Unit::Count, window);
    facts.extend([
        Fact::new("net_bytes", "growth", net.into()),
        Fact::new("net_objects", "in objects", count.into()),
        Fact::new(
            "net_bytes_per_second",
            "growth rate",
            rate.map_or(Value::Unknown, Value::from),
        ),
    ]);
    let doubling = rate.filter(|rate| rate.low > 0.0).and_then(|rate| {
        let heap = heap(history, window.until_ticks)?.live.bytes as f64;
        Some((heap / rate.value * 1e9) as u64)
    });
    if let Some(ns) = doubling.filter(|_| !subject.is_filtered()) {
        facts.push(Fact::new("doubling_ns", "doubles in", Value::Duration(ns)));
    }
    facts.extend(trend_facts(history));
    Section::new("growth_facts", "Growth", Body::Facts(facts))
}

/// What was live at a moment: the figure of the last point until then.
fn heap(history: &History, ticks: u64) -> Option<&Point> {
    let points = &history.timeline;
    points[..points.partition_point(|point| point.ticks <= ticks)].last()
}

/// Whether the whole heap grows at the end of what is known, and since when.
pub(crate) fn trend_facts(history: &History) -> Vec<Fact> {
    let points = &history.timeline;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let length = last.ticks - first.ticks;
    let end = match history.process.state {
        State::Exited => last.ticks - length / LEAVING,
        _ => last.ticks,
    };
    let seen: Vec<&Point> = points.iter().filter(|point| point.ticks <= end).collect();
    let deviation = seen
        .last()
        .map_or(0.0, |point| point.live.bytes_variance.sqrt());
    let curve: Vec<(f64, f64)> = seen
        .iter()
        .map(|point| ((point.ticks - first.ticks) as f64, point.live.bytes as f64))
        .collect();
    let verdict = |text: &str| Fact::new("trend", "trend of the whole run", Value::text(text));
    let growth = match trend(&curve, deviation) {
        Trend::TooShort => return vec![verdict("too short to say")],
        Trend::Steady => return vec![verdict("steady")],
        Trend::Grows(growth) => growth,
    };
    let onset_ticks = first.ticks + growth.onset as u64;
    let time = |ticks| {
        history
            .clock
            .unix_ns(ticks)
            .map_or(Value::Unknown, Value::Time)
    };
    let age = history.clock.ns(growth.onset as u64);
    let rate = history
        .clock
        .ns(end - onset_ticks)
        .filter(|ns| *ns > 0)
        .map(|ns| {
            let by_second = (growth.to - growth.from) / (ns as f64 / 1e9);
            Value::from(Estimate::sampled(
                by_second,
                by_second,
                by_second,
                Unit::BytesPerSecond,
            ))
        });
    vec![
        verdict(match growth.has_level_before {
            true => "growing",
            false => "growing from the start: a leak, or a start-up that is not over",
        }),
        Fact::new("onset_unix_ns", "growing since", time(onset_ticks)),
        Fact::new(
            "onset_age_ns",
            "that is, at an age of",
            age.map_or(Value::Unknown, Value::Duration),
        ),
        Fact::new(
            "trend_bytes_per_second",
            "at a rate of",
            rate.unwrap_or(Value::Unknown),
        ),
    ]
}
