//! `/debug/pprof/`: profiles as Go's tools, Parca, Pyroscope and Alloy ask for them.
//!
//! All sample types are in both profiles, with values since the start of the process; so those
//! who compute rates themselves can, and only `seconds` makes a difference.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::frontend::http::answer::{draw, segment_of, unreadable, within};
use crate::frontend::http::query::Query;
use crate::frontend::http::reply::Reply;
use crate::frontend::http::route::Profile;
use crate::output::{self, Options};
use crate::report::{Column, Report, Unit, Value};
use crate::serve::profiles::{by_stack, stacks_of, subtract};
use crate::serve::{Desk, Processes};

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
        for (path, mut before) in before {
            // What began since then has nothing to subtract.
            if let Some(report) = reports.get_mut(&path) {
                subtract(report, &by_stack(&mut before));
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

/// The reports that have all measures of all sites, by segment; of a program with one for those
/// that have ended.
fn read_all(processes: &mut Processes, whose: &Whose) -> Result<BTreeMap<PathBuf, Report>, Reply> {
    let profiles = match whose {
        Whose::Process(pid) => {
            let last = segment_of(processes, *pid)?;
            let heaps = processes.beside(&last).into_iter().chain([last]);
            let profiles = heaps.map(|path| processes.profile(&path));
            let profiles: Result<_, _> = profiles.collect();
            profiles.map_err(|error| unreadable(&error))?
        }
        Whose::Program(program) => {
            let mut profiles = processes.profiles(program.as_deref());
            // The same labels whatever comes and goes: another label would be another sample.
            profiles.iter_mut().for_each(|it| mark(&mut it.report));
            profiles
        }
    };
    let profiles = profiles.into_iter();
    Ok(profiles.map(|it| (it.path, it.report)).collect())
}

/// One report with the rows of all.
fn merged(reports: BTreeMap<PathBuf, Report>) -> Result<Report, Reply> {
    let mut whole: Option<Report> = None;
    for report in reports.into_values() {
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

/// Writes the program into each row, which becomes a label of each sample.
fn mark(report: &mut Report) {
    let program = report.target.iter().find(|fact| fact.name == "program");
    let program = program.map_or(Value::Unknown, |fact| fact.value.clone());
    if let Some(table) = stacks_of(report) {
        let column = Column::new("program", "program", Unit::Text);
        table.columns.push(column);
        let rows = table.rows.iter_mut();
        rows.for_each(|row| row.push(program.clone()));
    }
}

fn append(whole: &mut Report, mut other: Report) {
    if let (Some(table), Some(other)) = (stacks_of(whole), stacks_of(&mut other)) {
        table.rows.append(&mut other.rows);
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
