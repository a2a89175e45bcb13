//! Sessions about a moment of a recording, and what they say about where it comes from.

#![forbid(unsafe_code)]

use std::path::Path;

use crate::error::Error;
use crate::moment::Moment;
use crate::recording::reader::Place;
use crate::recording::{ProcessKey, Recording};
use crate::report::{Body, Column, Fact, Section, Table, Unit, Value};
use crate::session::{Request, Session};
use crate::source::frozen::Memory;

/// Snapshots that are looked through for one that knows where the memory was.
const LOOKED_BACK_MAX: usize = 1_000;

/// Reads the snapshot of the process and the moment that the request names.
///
/// # Errors
///
/// Those of [`Recording::open`], of [`Recording::process`] and of [`Place::segment`].
pub fn open(path: &Path, request: &Request) -> Result<Session, Error> {
    let recording = Recording::open(path)?;
    let key = recording.process(request.process.as_deref(), request.at)?;
    let (place, segment, problems) = recording.readable(&key, request.at)?;
    let mut session = Session::of(&segment, request);
    session.history.process.memory = memory(&recording, &key, &place);
    session.recorded = sections(&recording, &key, &place, problems);
    Ok(session)
}

/// Where the memory was, by the last snapshot until `place` for which the kernel was asked.
fn memory(recording: &Recording, key: &ProcessKey, place: &Place<'_>) -> Option<Memory> {
    let until = place.entry.unix_ns;
    let snapshots = recording.snapshots(key);
    let earlier: Vec<Place<'_>> = snapshots
        .take_while(|place| place.entry.unix_ns <= until)
        .collect();
    let mut latest_first = earlier.iter().rev().take(LOOKED_BACK_MAX);
    latest_first.find_map(|place| place.about().ok()?.frozen.memory)
}

/// Takes a moment off the end of a target: `DIR@14:05`, `DIR@-5m` or `DIR@90s`.
///
/// What is a file as it stands is that file, whatever is in its name.
pub fn with_moment(target: &str) -> (&str, Option<Moment>) {
    let split = target.rsplit_once('@');
    let Some((path, text)) = split.filter(|_| !Path::new(target).exists()) else {
        return (target, None);
    };
    let clock = format!("@{text}").parse();
    match clock.or_else(|_| text.parse()) {
        Ok(moment) => (path, Some(moment)),
        Err(_) => (target, None),
    }
}

/// Reads the snapshots of two moments: the answer is about the later one, and has the other beside
/// it.
///
/// # Errors
///
/// As [`open`].
pub fn between(
    path: &Path,
    since: Option<Moment>,
    until: Option<Moment>,
    request: &Request,
) -> Result<Session, Error> {
    let recording = Recording::open(path)?;
    let until = until.or(request.at);
    let key = recording.process(request.process.as_deref(), until)?;
    let (place, segment, mut problems) = recording.readable(&key, until)?;
    let mut session = Session::of(&segment, request);
    if since.is_some() {
        let (earlier, segment, more) = recording.readable(&key, since)?;
        problems.extend(more);
        if earlier.entry.unix_ns < place.entry.unix_ns {
            session.earlier = Some(Session::of(&segment, request).history);
        }
    }
    session.recorded = sections(&recording, &key, &place, problems);
    Ok(session)
}

/// Which snapshot an answer is from, what the recording lacks, and the process's other snapshots.
fn sections(
    recording: &Recording,
    key: &ProcessKey,
    place: &Place<'_>,
    problems: Vec<String>,
) -> Vec<Section> {
    let mut facts = vec![Fact::new(
        "snapshot_unix_ns",
        "snapshot",
        Value::Time(place.entry.unix_ns),
    )];
    let count = recording.snapshots(key).count() as u64;
    facts.push(Fact::new(
        "snapshots",
        "snapshots of the process",
        Value::Count(count),
    ));
    for text in recording.losses() {
        facts.push(Fact::new("torn", "torn", Value::Text(text)));
    }
    for text in problems {
        facts.push(Fact::new("damaged", "damaged", Value::Text(text)));
    }
    for (path, error) in &recording.unreadable {
        let text = format!("{} is left out: {error}", path.display());
        facts.push(Fact::new("left_out", "left out", Value::Text(text)));
    }
    let recording_facts = Section::new("recording", "Recording", Body::Facts(facts));
    vec![recording_facts, over_time(recording, key)]
}

/// What each snapshot of a process came to.
fn over_time(recording: &Recording, key: &ProcessKey) -> Section {
    let mut table = Table::new(vec![
        Column::new("unix_ns", "time", Unit::Time),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("resident_bytes", "in memory", Unit::Bytes),
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
    ]);
    let rows = recording.snapshots(key).map(|place| {
        vec![
            Value::Time(place.entry.unix_ns),
            Value::Bytes(place.entry.live_bytes),
            place
                .entry
                .resident_bytes
                .map_or(Value::Unknown, Value::Bytes),
            Value::Bytes(place.entry.allocated_bytes),
        ]
    });
    table.rows = rows.collect();
    Section::new("snapshots", "Snapshots over time", Body::Series(table))
}
