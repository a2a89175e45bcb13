//! The pages, and the data that they fetch.

#![forbid(unsafe_code)]

use crate::frontend::http::answer::{segment_of, unreadable};
use crate::frontend::http::reply::Reply;
use crate::metrics::Figures;
use crate::output::live;
use crate::report::{Body, Column, Estimate, Report, Section, Table, Unit, Value};
use crate::serve::{Processes, question};
use crate::session::Request;

/// Processes that have ended and are still listed; a server that forks may leave thousands.
const ENDED_MAX: usize = 100;

const PAGE: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The page about all processes.
pub(super) fn home() -> Reply {
    Reply::of(PAGE, live::processes_page("api/processes"))
}

/// The page about one process.
pub(super) fn process(pid: u32) -> Reply {
    Reply::of(PAGE, live::report_page(&format!("{pid}/report.json")))
}

/// Everything about one process, as its page takes it.
pub(super) fn process_data(processes: &mut Processes, pid: u32) -> Result<Reply, Reply> {
    let path = segment_of(processes, pid)?;
    // Nobody reads more single blocks than that, and the page is fetched again and again.
    let question = question("export", &["--blocks=5000"]);
    let request = Request::default();
    let asked = processes.ask(&path, &request, |session| {
        session.find_companion(&request);
        session.ask(&request, &*question)
    });
    let report = asked.map_err(|error| unreadable(&error))?;
    Ok(Reply::of(JSON, live::data(&report)))
}

/// All processes as a report of one table, those that run first.
pub(super) fn processes(processes: &mut Processes) -> Reply {
    processes.look();
    let mut table = Table::new(vec![
        Column::new("pid", "process", Unit::Id),
        Column::new("program", "program", Unit::Text),
        Column::new("state", "state", Unit::Text),
        Column::new("age_ns", "age", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("peak_live_bytes", "peak", Unit::Bytes),
        Column::new("resident_bytes", "resident", Unit::Bytes),
        Column::new("growth_bytes_per_second", "growth", Unit::BytesPerSecond),
        Column::new("leaks", "leaks", Unit::Count),
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
        Column::new("losses", "losses", Unit::Count),
        Column::new("own_cost_percent", "own cost", Unit::Percent),
    ]);
    let mut figures: Vec<&Figures> = processes.figures().collect();
    figures.sort_by(|left, right| {
        let order = left.is_alive.cmp(&right.is_alive).reverse();
        order.then(right.live_bytes.total_cmp(&left.live_bytes))
    });
    let alive = figures.partition_point(|figures| figures.is_alive);
    let left_out = figures.len().saturating_sub(alive + ENDED_MAX);
    figures.truncate(alive + ENDED_MAX);
    table.rows = figures.into_iter().map(row).collect();
    let mut report = Report::new("processes");
    let mut section = Section::new("processes", "Processes", Body::Table(table));
    if left_out > 0 {
        section = section.with_note(format!(
            "{left_out} more have ended; `memshim-reader list` shows them"
        ));
    }
    report.sections.push(section);
    let mut unreadable = Table::new(vec![
        Column::new("segment", "segment", Unit::Text),
        Column::new("problem", "problem", Unit::Text),
    ]);
    let reasons = processes.unreadable();
    unreadable.rows = reasons
        .map(|(path, reason)| vec![Value::text(path.to_string_lossy()), Value::text(reason)])
        .collect();
    if !unreadable.rows.is_empty() {
        let body = Body::Table(unreadable);
        let section = Section::new("unreadable", "Segments that cannot be read", body);
        report.sections.push(section);
    }
    match serde_json::to_vec(&report) {
        Ok(body) => Reply::of(JSON, body),
        Err(error) => Reply::error(500, &error.to_string()),
    }
}

fn row(figures: &Figures) -> Vec<Value> {
    let bytes = |bytes: f64| Value::Bytes(bytes as u64);
    let growth = figures.growth_bytes_per_second();
    let counters = &figures.counters;
    let resident = figures.resident.map(|resident| resident.bytes());
    let cost = match counters.program_seconds > 0.0 {
        true => Value::Percent(counters.own_seconds / counters.program_seconds * 100.0),
        false => Value::Unknown,
    };
    vec![
        Value::Id(figures.pid.into()),
        Value::text(figures.label()),
        Value::text(figures.state),
        figures.age_ns.map_or(Value::Unknown, Value::Duration),
        bytes(figures.live_bytes),
        bytes(figures.peak_bytes),
        resident.map_or(Value::Unknown, Value::Bytes),
        Estimate::exact(growth, Unit::BytesPerSecond).into(),
        Value::Count(figures.growing.len() as u64),
        bytes(counters.allocated_bytes),
        Value::Count(counters.losses.values().sum::<f64>() as u64),
        cost,
    ]
}
