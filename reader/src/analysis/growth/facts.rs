//! The growth of the whole heap within the window, and then over its whole life.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::growth::change::Changes;
use crate::analysis::growth::window::Window;
use crate::analysis::growth::{rate, trend};
use crate::history::{History, Point};
use crate::report::{Body, Fact, Section, Unit, Value};
use crate::source::limit;

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
    // A rate that may be none promises nothing.
    if let Some(rate) = rate.filter(|rate| rate.low > 0.0 && !subject.is_filtered()) {
        facts.extend(prospects(history, window, rate.value));
    }
    facts.extend(trend::facts(history));
    Section::new("growth_facts", "Growth", Body::Facts(facts))
}

/// Where growth at this rate leads.
fn prospects(history: &History, window: &Window, bytes_per_second: f64) -> Vec<Fact> {
    let duration = |bytes: f64| Value::Duration((bytes / bytes_per_second * 1e9) as u64);
    let doubled = heap(history, window.until_ticks).map(|point| {
        let time = duration(point.live.bytes as f64);
        Fact::new("doubling_ns", "doubles in", time)
    });
    let pid = history.process.identity.pid;
    let is_alive = history.process.is_alive();
    let limit = is_alive.then(|| limit::control_group(pid)).flatten();
    let exhausted = limit.map(|limit| {
        let title = "reaches its memory limit in";
        Fact::new("exhausted_ns", title, duration(limit.left_bytes() as f64))
    });
    doubled.into_iter().chain(exhausted).collect()
}

/// What was live at a moment: the figure of the last point until then.
fn heap(history: &History, ticks: u64) -> Option<&Point> {
    let points = &history.timeline;
    points[..points.partition_point(|point| point.ticks <= ticks)].last()
}
