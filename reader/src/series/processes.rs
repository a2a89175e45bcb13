//! Curves of processes and programs, from the index alone.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::digest::window::{Trace, Window, traces};
use crate::recording::Recording;
use crate::recording::reader::Place;
use crate::series::Metric;
use crate::series::curve::{Curve, Seen, held, moments, rates};
use crate::source::process::Liveness;

/// Moments of a curve: twice as many as a terminal can show, and as many as a page needs.
const MOMENTS: u64 = 240;

/// A curve for each process, or for each program.
pub fn curves(
    recording: &Recording,
    window: Window,
    wanted: Option<&str>,
    is_by_program: bool,
    metric: Metric,
) -> Vec<Curve> {
    let times = moments(window, MOMENTS);
    let is_wanted = |trace: &Trace<'_>| {
        let process = trace.process;
        wanted.is_none_or(|it| it == process.program || it == process.key.pid.to_string())
    };
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    for trace in traces(recording, window, None) {
        if !is_wanted(&trace) {
            continue;
        }
        let values = values(&trace, &times, window, metric);
        let (program, key) = (&trace.process.program, trace.process.key);
        let (title, id) = match is_by_program {
            true => (program.clone(), program.clone()),
            // A process id is used again, and one process may execute several programs.
            false => (
                format!("{program} {}", key.pid),
                format!("{}_{}_{}", key.pid, key.start_time, key.number),
            ),
        };
        let curve = curves.entry(id.clone()).or_insert_with(|| Curve {
            title,
            id: Some(id),
            times: times.clone(),
            values: vec![0.0; times.len()],
        });
        for (sum, value) in curve.values.iter_mut().zip(values) {
            *sum += value;
        }
    }
    curves.into_values().collect()
}

fn values(trace: &Trace<'_>, times: &[u64], window: Window, metric: Metric) -> Vec<f64> {
    let places = trace.before.iter().chain(&trace.within);
    let bytes = |place: &Place<'_>| match metric {
        Metric::Live => place.entry.live_bytes,
        Metric::Rate => place.entry.allocated_bytes,
        Metric::Rss => place.entry.resident_bytes.unwrap_or(0),
    };
    let seen: Vec<Seen> = places
        .map(|place| (place.entry.unix_ns, bytes(place) as f64))
        .collect();
    if metric == Metric::Rate {
        return rates(&seen, times, window.since_unix_ns);
    }
    let about = trace.last().and_then(|last| last.about().ok());
    let has_ended = about.is_some_and(|about| about.frozen.liveness == Liveness::Dead);
    held(&seen, times, has_ended)
}
