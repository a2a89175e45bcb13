//! What a recording holds, how whole it is, and what making it cost.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::path::Path;

use crate::alert::kept::Kept;
use crate::alert::standing::Standing;
use crate::error::Error;
use crate::recording::Recording;
use crate::report::{Body, Column, Fact, Report, Section, Table, Unit, Value};

/// The recording as a report.
///
/// # Errors
///
/// Those of [`Recording::open`].
pub(crate) fn report(directory: &Path) -> Result<Report, Error> {
    let recording = Recording::open(directory)?;
    let mut report = Report::new("record");
    report.sections = vec![
        Section::new("recording", "Recording", Body::Facts(holdings(&recording))),
        Section::new(
            "cost",
            "What the last recorder cost",
            Body::Facts(cost(&recording)),
        ),
        processes(&recording),
    ];
    report.sections.extend(marks(&recording));
    if let Some(kept) = Kept::read(directory) {
        report.sections.push(alerts(&kept));
        report.sections.push(actions(&kept));
    }
    Ok(report)
}

/// The moments that were kept because a mark was passed; no section where there is none.
fn marks(recording: &Recording) -> Option<Section> {
    let mut table = Table::new(vec![
        Column::new("unix_ns", "when", Unit::Time),
        Column::new("pid", "pid", Unit::Id),
        Column::new("program", "program", Unit::Text),
        Column::new("mark_bytes", "mark", Unit::Bytes),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("resident_bytes", "in memory", Unit::Bytes),
    ]);
    for (process, _) in recording.processes() {
        for place in recording.snapshots(&process.key) {
            let Some(mark_bytes) = place.entry.mark_bytes else {
                continue;
            };
            let resident = place.entry.resident_bytes;
            table.rows.push(vec![
                Value::Time(place.entry.unix_ns),
                Value::Id(process.key.pid.into()),
                Value::text(&*process.program),
                Value::Bytes(mark_bytes),
                Value::Bytes(place.entry.live_bytes),
                resident.map_or(Value::Unknown, Value::Bytes),
            ]);
        }
    }
    let is_empty = table.rows.is_empty();
    (!is_empty).then(|| Section::new("marks", "Marks that were passed", Body::Table(table)))
}

/// How every alert stands that has fired, those that are firing first.
fn alerts(kept: &Kept) -> Section {
    let text = |key, title| Column::new(key, title, Unit::Text);
    let mut table = Table::new(vec![
        text("state", "state"),
        Column::new("fired_unix_ns", "since", Unit::Time),
        text("alert", "alert"),
        text("program", "program"),
        text("summary", "what"),
    ]);
    let mut standing: Vec<&Standing> = kept.standing.iter().collect();
    standing.sort_by_key(|it| Reverse((it.fired_unix_ns, it.told_unix_ns)));
    for one in standing {
        let (state, unix_ns) = match (one.fired_unix_ns, one.since_unix_ns, one.resolved_unix_ns) {
            (Some(fired), ..) => ("firing", Some(fired)),
            (None, Some(since), _) => ("holds, not yet told", Some(since)),
            (None, None, Some(resolved)) => ("over", Some(resolved)),
            (None, None, None) => ("happened", one.told_unix_ns),
        };
        table.rows.push(vec![
            Value::text(state),
            unix_ns.map_or(Value::Unknown, Value::Time),
            Value::text(&*one.alert),
            Value::text(&*one.program),
            Value::text(&*one.summary),
        ]);
    }
    Section::new("alerts", "Alerts", Body::Table(table))
}

/// Whether those who should be told were.
fn actions(kept: &Kept) -> Section {
    let mut table = Table::new(vec![
        Column::new("action", "action", Unit::Text),
        Column::new("told", "told", Unit::Count),
        Column::new("failed", "failed", Unit::Count),
        Column::new("dropped", "dropped", Unit::Count),
        Column::new("held_back", "held back", Unit::Count),
        Column::new("trouble", "trouble", Unit::Text),
    ]);
    let rows = kept.actions.iter().map(|tally| {
        vec![
            Value::text(&*tally.action),
            Value::Count(tally.told),
            Value::Count(tally.failed),
            Value::Count(tally.dropped),
            Value::Count(tally.held_back),
            Value::text(&*tally.trouble),
        ]
    });
    table.rows = rows.collect();
    Section::new("actions", "Who was told", Body::Table(table))
}

fn holdings(recording: &Recording) -> Vec<Fact> {
    let life = recording.life();
    let files = recording.files.iter();
    let snapshots: usize = files.clone().map(|file| file.index.entries.len()).sum();
    let bytes: u64 = files.map(|file| file.index.bytes).sum();
    let end_unix_ns = life.start_unix_ns.saturating_add(life.age_ns);
    let mut facts = vec![
        Fact::new(
            "directory",
            "directory",
            Value::text(recording.path.to_string_lossy()),
        ),
        Fact::new("from_unix_ns", "from", Value::Time(life.start_unix_ns)),
        Fact::new("until_unix_ns", "until", Value::Time(end_unix_ns)),
        Fact::new("files", "files", Value::Count(recording.files.len() as u64)),
        Fact::new("bytes", "size", Value::Bytes(bytes)),
        Fact::new("snapshots", "snapshots", Value::Count(snapshots as u64)),
    ];
    for text in recording.losses() {
        facts.push(Fact::new("torn", "torn", Value::Text(text)));
    }
    for (path, error) in &recording.unreadable {
        let text = format!("{}: {error}", path.display());
        facts.push(Fact::new("unreadable", "unreadable", Value::Text(text)));
    }
    facts
}

fn cost(recording: &Recording) -> Vec<Fact> {
    let Some(round) = recording.last_round() else {
        return Vec::new();
    };
    let time_ns = round.unix_ns.saturating_sub(round.started_unix_ns);
    let share = round.cpu_ns as f64 / time_ns.max(1_000_000_000) as f64 * 100.0;
    vec![
        Fact::new(
            "started_unix_ns",
            "started",
            Value::Time(round.started_unix_ns),
        ),
        Fact::new("looked_unix_ns", "last look", Value::Time(round.unix_ns)),
        Fact::new("processes", "processes", Value::Count(round.processes)),
        Fact::new(
            "written_snapshots",
            "snapshots written",
            Value::Count(round.snapshots),
        ),
        Fact::new(
            "written_bytes",
            "written",
            Value::Bytes(round.written_bytes),
        ),
        Fact::new("cpu_ns", "processor time", Value::Duration(round.cpu_ns)),
        Fact::new("cpu_percent", "of a core", Value::Percent(share)),
        Fact::new(
            "resident_bytes",
            "memory",
            Value::Bytes(round.resident_bytes),
        ),
        Fact::new(
            "left_out",
            "segments left out",
            Value::Count(round.left_out),
        ),
        Fact::new(
            "paused_ns",
            "waited for room",
            Value::Duration(round.paused_ns),
        ),
    ]
}

fn processes(recording: &Recording) -> Section {
    let mut table = Table::new(vec![
        Column::new("pid", "pid", Unit::Id),
        Column::new("parent_pid", "parent", Unit::Id),
        Column::new("program", "program", Unit::Text),
        Column::new("snapshots", "snapshots", Unit::Count),
        Column::new("bytes", "size", Unit::Bytes),
        Column::new("last_unix_ns", "last", Unit::Time),
        Column::new("live_bytes", "live then", Unit::Bytes),
    ]);
    for (process, last_unix_ns) in recording.processes() {
        let (mut count, mut bytes, mut live_bytes) = (0, 0, 0);
        for place in recording.snapshots(&process.key) {
            count += 1;
            bytes += place.entry.bytes;
            live_bytes = place.entry.live_bytes;
        }
        table.rows.push(vec![
            Value::Id(process.key.pid.into()),
            Value::Id(process.parent_pid.into()),
            Value::text(&*process.program),
            Value::Count(count),
            Value::Bytes(bytes),
            Value::Time(last_unix_ns),
            Value::Bytes(live_bytes),
        ]);
    }
    Section::new("processes", "Processes", Body::Table(table))
}
