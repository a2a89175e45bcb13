//! `/debug/pprof/`: profiles as Go's tools, Parca, Pyroscope and Alloy ask for them.
//!
//! All sample types are in both profiles, with values since the start of the process; so those
//! who compute rates themselves can, and only `seconds` makes a difference.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::frontend::http::answer::{draw, segment_of, unreadable, within};
use crate::frontend::http::query::Query;
use crate::frontend::http::reply::Reply;
use crate::frontend::http::route::Profile;
use crate::output::{self, Options};
use crate::report::{Body, Column, Estimate, Report, Table, Unit, Value};
use crate::serve::{Desk, Processes, question};
use crate::session::Request;

/// What tools send along; `gc` and `debug` are Go's, and mean nothing here.
const KNOWN: &[&str] = &["pid", "program", "seconds", "gc", "debug"];

/// The longest that a difference may take.
const SECONDS_MAX: u64 = 300;

/// What there is, for people and for tools that look.
pub(super) fn index() -> Reply {
    Reply::of(
        "text/plain; charset=utf-8",
        "/debug/pprof/heap     what is live, and what was allocated since the start\n\
         /debug/pprof/allocs   the same, with what was allocated shown first\n\
         \n\
         ?pid=N          of one process\n\
         ?program=NAME   of all processes of one program\n\
         ?seconds=N      what was allocated in N seconds from now on\n",
    )
}

/// Whose profile.
#[derive(Debug, Clone)]
enum Whose {
    Process(u32),
    Program(Option<String>),
}

/// A profile, at once or after the time that was asked for.
pub(super) async fn answer(kind: Profile, query: &Query, desk: &Desk) -> Result<Reply, Reply> {
    if let Some(unknown) = query.unknown(KNOWN) {
        let known = KNOWN.join(", ");
        let reason = format!("{unknown} is not understood here; there are {known}");
        return Err(Reply::error(400, &reason));
    }
    let whose = match (query.get("pid"), query.get("program")) {
        (Some(_), Some(_)) => return Err(Reply::error(400, "either pid or program, not both")),
        (Some(pid), None) => match pid.parse() {
            Ok(pid) => Whose::Process(pid),
            Err(_) => return Err(Reply::error(400, "pid is not a number")),
        },
        (None, program) => Whose::Program(program.map(str::to_owned)),
    };
    let seconds: u64 = match query.get("seconds").map(str::parse) {
        None => 0,
        Some(Ok(seconds)) if seconds <= SECONDS_MAX => seconds,
        Some(_) => {
            let reason = format!("seconds is not a number up to {SECONDS_MAX}");
            return Err(Reply::error(400, &reason));
        }
    };
    let read = || {
        let whose = whose.clone();
        within(desk.ask(move |processes| read_all(processes, &whose)))
    };
    let mut reports = read().await?;
    if seconds > 0 {
        let before = reports;
        sleep(Duration::from_secs(seconds)).await;
        reports = read().await?;
        for (path, report) in &mut reports {
            // What began since then has nothing to subtract.
            if let Some(before) = before.get(path) {
                subtract(report, before);
            }
        }
    }
    let mut report = merged(reports)?;
    set_duration(&mut report, (seconds > 0).then_some(seconds));
    let measure = match kind {
        Profile::Heap => "live_bytes",
        Profile::Allocs => "allocated_bytes",
    };
    let options = Options {
        measure: Some(measure.to_owned()),
        ..Options::default()
    };
    let form = output::find("pprof").expect("pprof is in the registry");
    let drawn = draw(form, &report, &options)?;
    let name = match kind {
        Profile::Heap => "heap",
        Profile::Allocs => "allocs",
    };
    Ok(drawn.described_as("application/octet-stream").with(
        "content-disposition",
        format!("attachment; filename=\"{name}\""),
    ))
}

/// The reports that have all measures of all sites, by segment.
fn read_all(processes: &mut Processes, whose: &Whose) -> Result<BTreeMap<PathBuf, Report>, Reply> {
    let (paths, is_one) = match whose {
        Whose::Process(pid) => (vec![segment_of(processes, *pid)?], true),
        Whose::Program(program) => (processes.of_program(program.as_deref()), false),
    };
    let question = question("export", &["--blocks=0"]);
    let request = Request::default();
    let mut reports = BTreeMap::new();
    for path in paths {
        let asked = processes.ask(&path, &request, |session| session.ask(&request, &*question));
        match asked {
            Ok(report) => drop(reports.insert(path, report)),
            Err(error) if is_one => return Err(unreadable(&error)),
            // It may have ended since; the others have their profile.
            Err(_) => {}
        }
    }
    Ok(reports)
}

/// One report with the rows of all, each marked with its program where there are several.
fn merged(reports: BTreeMap<PathBuf, Report>) -> Result<Report, Reply> {
    let several = reports.len() > 1;
    let mut whole: Option<Report> = None;
    for mut report in reports.into_values() {
        forget_texts(&mut report);
        if several {
            mark(&mut report);
        }
        match &mut whole {
            None => whole = Some(report),
            Some(whole) => append(whole, report),
        }
    }
    whole.ok_or_else(|| {
        Reply::error(
            404,
            "no such program runs here; /api/processes shows those that do",
        )
    })
}

fn sites(report: &mut Report) -> Option<&mut Table> {
    let sections = report.sections.iter_mut();
    let mut bodies = sections.map(|section| &mut section.body);
    bodies.find_map(|body| match body {
        Body::Stacks(table) => Some(table),
        _ => None,
    })
}

/// Leaves out what would become labels and may change, such as a verdict: those who compute rates
/// would take a sample with another label for another sample.
fn forget_texts(report: &mut Report) {
    let Some(table) = sites(report) else {
        return;
    };
    let is_text = |column: &Column| column.unit == Unit::Text;
    let texts: Vec<usize> = (0..table.columns.len())
        .filter(|index| is_text(&table.columns[*index]))
        .collect();
    for index in texts.into_iter().rev() {
        table.columns.remove(index);
        for row in &mut table.rows {
            row.remove(index);
        }
    }
}

/// Writes the program into each row, which becomes a label of each sample.
fn mark(report: &mut Report) {
    let program = report.target.iter().find(|fact| fact.name == "program");
    let program = program.map_or(Value::Unknown, |fact| fact.value.clone());
    if let Some(table) = sites(report) {
        let column = Column::new("program", "program", Unit::Text);
        table.columns.push(column);
        let rows = table.rows.iter_mut();
        rows.for_each(|row| row.push(program.clone()));
    }
}

fn append(whole: &mut Report, mut other: Report) {
    if let (Some(table), Some(other)) = (sites(whole), sites(&mut other)) {
        table.rows.append(&mut other.rows);
    }
}

/// Takes from every measure what it was before; what is live now is left, as it is no sum.
fn subtract(report: &mut Report, before: &Report) {
    let mut before = before.clone();
    let (Some(table), Some(before)) = (sites(report), sites(&mut before)) else {
        return;
    };
    let Some(stack) = table.stack_index() else {
        return;
    };
    let earlier: HashMap<String, &Vec<Value>> = before
        .rows
        .iter()
        .map(|row| (identity(row, stack), row))
        .collect();
    let sums = [
        "allocated_bytes",
        "allocated_objects",
        "freed_bytes",
        "freed_objects",
    ];
    let sums = sums.map(|key| table.index(key));
    for row in &mut table.rows {
        let Some(earlier) = earlier.get(&identity(row, stack)) else {
            continue;
        };
        for index in sums.iter().flatten() {
            let was = earlier.get(*index).and_then(Value::number).unwrap_or(0.0);
            let is = row[*index].number().unwrap_or(0.0);
            let unit = table.columns[*index].unit;
            row[*index] = Estimate::exact((is - was).max(0.0), unit).into();
        }
    }
}

/// What tells a site of one process from others: its addresses, which stay while it runs.
fn identity(row: &[Value], stack: usize) -> String {
    match row.get(stack) {
        Some(Value::Stack(stack)) => {
            let addresses = stack.0.iter().map(|frame| format!("{:x}", frame.address));
            addresses.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// Parca takes a profile with a duration for one of that time alone, which only a difference is.
fn set_duration(report: &mut Report, seconds: Option<u64>) {
    report.target.retain(|fact| fact.name != "age_ns");
    if let Some(seconds) = seconds {
        let age = Value::Duration(seconds * 1_000_000_000);
        let fact = crate::report::Fact::new("age_ns", "age", age);
        report.target.push(fact);
    }
}
