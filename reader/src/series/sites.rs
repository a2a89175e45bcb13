//! Curves of the call stacks of one process, from some of its snapshots.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::analysis::span::stack_id;
use crate::digest::window::Window;
use crate::error::Error;
use crate::history::{History, SiteIndex};
use crate::metrics;
use crate::recording::reader::Place;
use crate::recording::{ProcessKey, Recording};
use crate::series::Metric;
use crate::series::curve::{Curve, Seen, held, moments, rates};
use crate::session::{Request, Session};

/// Snapshots that are unpacked, and moments of a curve.
const MOMENTS: u64 = 60;

/// Call stacks that get names; a page of curves has no room for more.
const NAMED_MAX: usize = 50;

/// A curve for each call stack that ever held or allocated something in the window, and how many
/// snapshots they were drawn from.
///
/// # Errors
///
/// Those of [`Place::segment`].
pub fn curves(
    recording: &Recording,
    key: &ProcessKey,
    window: Window,
    metric: Metric,
    request: &Request,
) -> Result<(Vec<Curve>, String), Error> {
    let times = moments(window, MOMENTS);
    let places = chosen(recording, key, window, &times);
    let mut seen: HashMap<u64, Vec<Seen>> = HashMap::new();
    for place in &places {
        let history = History::of(&place.segment()?);
        let mut sums: HashMap<u64, f64> = HashMap::new();
        for site in &history.sites.all {
            let sum = match metric {
                Metric::Rate => site.born(),
                Metric::Live | Metric::Rss => site.live(),
            };
            *sums.entry(stack_id(&history, site)).or_default() += sum.bytes as f64;
        }
        // What was there and is no more has nothing, and not what it had last.
        for (id, points) in &mut seen {
            let sum = sums.remove(id).unwrap_or(0.0);
            points.push((place.entry.unix_ns, sum));
        }
        for (id, sum) in sums {
            seen.insert(id, vec![(place.entry.unix_ns, sum)]);
        }
    }
    let begin = window.since_unix_ns;
    let mut curves: Vec<(u64, Curve)> = seen
        .into_iter()
        .map(|(id, seen)| {
            let values = match metric {
                Metric::Rate => rates(&from_nothing(&places, seen), &times, begin),
                Metric::Live | Metric::Rss => held(&seen, &times, false),
            };
            let curve = Curve {
                title: "call stack without a name".to_owned(),
                id: None,
                times: times.clone(),
                values,
            };
            (id, curve)
        })
        .collect();
    curves.sort_by(|(_, left), (_, right)| right.most().total_cmp(&left.most()));
    name(&mut curves, &places, request)?;
    let note = format!("process {}, {} of its snapshots", key.pid, places.len());
    Ok((curves.into_iter().map(|(_, curve)| curve).collect(), note))
}

/// A sum that began after the first snapshot rose from nothing in the time before its first one.
fn from_nothing(places: &[Place<'_>], seen: Vec<Seen>) -> Vec<Seen> {
    let first = seen.first().map_or(0, |(unix_ns, _)| *unix_ns);
    let before = places.iter().rev();
    let mut before = before.filter(|place| place.entry.unix_ns < first);
    let zero = before.next().map(|place| (place.entry.unix_ns, 0.0));
    zero.into_iter().chain(seen).collect()
}

/// The last snapshot until each moment, and the one before all of them.
fn chosen<'a>(
    recording: &'a Recording,
    key: &ProcessKey,
    window: Window,
    times: &[u64],
) -> Vec<Place<'a>> {
    let all: Vec<Place<'a>> = recording.snapshots(key).collect();
    let until = |time: u64| {
        let after = all.partition_point(|place| place.entry.unix_ns <= time);
        after.checked_sub(1)
    };
    let moments = [window.since_unix_ns]
        .into_iter()
        .chain(times.iter().copied());
    let mut places: Vec<usize> = moments.filter_map(until).collect();
    places.dedup();
    places.into_iter().map(|place| all[place]).collect()
}

/// Names the largest curves by what the last snapshot knows of their stacks.
fn name(curves: &mut [(u64, Curve)], places: &[Place<'_>], request: &Request) -> Result<(), Error> {
    let Some(last) = places.last() else {
        return Ok(());
    };
    let mut session = Session::of(&last.segment()?, request);
    let history = session.history();
    let sites = history.sites.all.iter().enumerate();
    let by_id: HashMap<u64, SiteIndex> = sites
        .map(|(index, site)| (stack_id(history, site), index))
        .collect();
    let named = curves.iter_mut().take(NAMED_MAX);
    let found: Vec<(&mut Curve, SiteIndex)> = named
        .filter_map(|(id, curve)| Some((curve, *by_id.get(id)?)))
        .collect();
    let sites: Vec<SiteIndex> = found.iter().map(|(_, site)| *site).collect();
    let stacks = session.stacks_of(&sites);
    for ((curve, _), stack) in found.into_iter().zip(stacks) {
        let place = metrics::Place::of(&stack);
        curve.title = place.function;
        curve.id = Some(place.stack);
    }
    Ok(())
}
