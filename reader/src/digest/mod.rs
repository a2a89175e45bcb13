//! `digest`: what a recording says about the last day, for people who were not there.
//!
//! ```text
//! index ─► traces (who was there) ─► readings (first and last snapshot of each)
//!             └► programs by version, rows by call stack ─► worth doing
//!                                 earlier digest, or the window before ┘
//! ```
//!
//! Two snapshots of each process are unpacked, whatever lies between; all else is in the index.

#![forbid(unsafe_code)]

mod coverage;
mod earlier;
mod program;
mod reading;
mod row;
mod sections;
pub mod window;
mod worth;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{Destination, Naming, STATUS_FOUND};
use crate::error::Error;
use crate::history::State;
use crate::moment::Moment;
use crate::recording::Recording;
use crate::report::{Fact, Report, Value};
use crate::session::Request;

use coverage::Coverage;
use earlier::Earlier;
use program::{Program, Version};
use reading::Reading;
use row::Row;
use window::{Since, Trace, Window};

/// Call stacks that each table has where nothing else was asked for.
const ROWS_USUAL: usize = 10;

/// Say what leaks, grew, died and changed in a recording over the last day
///
/// Made for cron and CI: the first screen has the three things worth doing, the tables behind it
/// what they were drawn from, by program and version (the build-id of its executable).
///
/// Two snapshots of each process are compared: the last before the window, or the first after a
/// tenth of its time, and the last in it. Growth is what was born between and lives, less what was
/// older and was freed; processes that went through exit gave all back, and do not count. Leaks are
/// judged as `leaks` does, by the last snapshot. `limit in` is when the memory is used up, by what
/// was left of it when the snapshot was made.
///
/// A process that is gone without a word was killed, or left by _exit; a fork that lives for less
/// than a minute is taken for the latter.
///
/// What is new is said against the digest in --previous, or else against the window before this
/// one, which is as long, where the recording reaches back so far. Give a JSON digest of each
/// night to that of the next.
#[derive(Debug, Args)]
pub struct Digest {
    /// A recording: the directory of `record --output`, or a file of it
    directory: PathBuf,
    /// Begin so long before the end, as 24h or 7d; or at a moment such as @14:05 in UTC
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "24h",
        allow_hyphen_values = true
    )]
    since: Since,
    /// End at this moment instead of at the recording's end
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    until: Option<Moment>,
    /// Tell of this program only
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Compare with this digest, which was written with --format json
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// End with status 1 if there is a leak or a growing container
    #[arg(long)]
    fail: bool,
    /// Show at most this many call stacks in each table
    #[arg(long, short = 'n', value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    naming: Naming,
    #[command(flatten)]
    destination: Destination,
}

/// What a window of a recording comes to.
pub struct Account<'a> {
    window: Window,
    programs: BTreeMap<Version, Program>,
    /// Call stacks that leak, with names, and how many there are in all.
    leaks: Vec<Row>,
    leak_count: usize,
    /// Call stacks that surely grew, likewise.
    grown: Vec<Row>,
    grown_count: usize,
    deaths: Vec<Death>,
    coverage: Coverage,
    /// Processes that are told from the index alone.
    unread: usize,
    errors: Vec<Error>,
    traces: Vec<Trace<'a>>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Death {
    version: Version,
    pid: u32,
    state: State,
    /// When its end was recorded, ns since the Unix epoch.
    unix_ns: u64,
    live_bytes: u64,
    /// Of the last snapshot in which it lived.
    resident_bytes: Option<u64>,
    age_ns: u64,
}

impl Death {
    fn of(trace: &Trace<'_>, reading: &Reading) -> Option<Death> {
        if matches!(reading.state, State::Running | State::Unknown) {
            return None;
        }
        let last = trace.last()?;
        let places = trace.before.iter().chain(&trace.within);
        let resident = places.rev().find_map(|place| place.entry.resident_bytes);
        let unix_ns = last.entry.unix_ns;
        Some(Death {
            version: program::version_of(trace, Some(reading)),
            pid: trace.process.key.pid,
            state: reading.state,
            unix_ns,
            live_bytes: last.entry.live_bytes,
            resident_bytes: resident,
            age_ns: unix_ns.saturating_sub(reading.started_unix_ns),
        })
    }
}

impl<'a> Account<'a> {
    fn of(
        recording: &'a Recording,
        window: Window,
        program: Option<&str>,
        rows_max: usize,
        request: &Request,
    ) -> Account<'a> {
        let traces = window::traces(recording, window, program);
        let (readings, errors) = reading::read_all(&traces, window);
        let rows = row::rows(&traces, &readings);
        let mut leaks = row::leaks(&rows, rows_max);
        let mut grown = row::grown(&rows, rows_max);
        row::name(&mut [&mut leaks, &mut grown], &traces, request);
        let read = traces.iter().zip(&readings);
        let deaths = read.filter_map(|(trace, reading)| Death::of(trace, reading.as_ref()?));
        let deaths = deaths.collect();
        let missing = readings.iter().filter(|reading| reading.is_none()).count();
        Account {
            window,
            programs: program::programs(&traces, &readings, window),
            leaks,
            leak_count: rows.iter().filter(|row| row.is_leak()).count(),
            grown,
            grown_count: rows.iter().filter(|row| row.growth.low > 0.0).count(),
            deaths,
            coverage: coverage::of(recording, window),
            unread: missing - errors.len(),
            errors,
            traces,
        }
    }
}

/// Writes the digest.
///
/// # Errors
///
/// Those of [`Recording::open`], [`Error::NotInRecording`] where the program that was asked for is
/// not there, those of reading `--previous`, and those of [`Destination::write`].
pub fn digest(digest: &Digest) -> Result<ExitCode, Error> {
    let report = report(digest)?;
    digest.destination.write(&report, digest.top)?;
    Ok(match report.findings {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(STATUS_FOUND),
    })
}

fn report(digest: &Digest) -> Result<Report, Error> {
    let recording = Recording::open(&digest.directory)?;
    let window = Window::of(recording.life(), digest.since, digest.until);
    let request = digest.naming.request();
    let rows_max = digest.top.unwrap_or(ROWS_USUAL);
    let program = digest.program.as_deref();
    let account = Account::of(&recording, window, program, rows_max, &request);
    if let Some(wanted) = program.filter(|_| account.traces.is_empty()) {
        // The error of a process that is not there names those that are.
        recording.process(Some(wanted), None)?;
    }
    let earlier = match &digest.previous {
        Some(path) => Some(Earlier::read(path)?),
        None => {
            let before = window.before();
            let before = Account::of(&recording, before, program, rows_max, &request);
            Earlier::of(&before)
        }
    };
    let earlier = earlier.as_ref();
    let directory = digest.directory.to_string_lossy();
    let programs_max = match digest.destination.is_for_people()? {
        true => rows_max,
        // The next digest compares with all of them.
        false => usize::MAX,
    };
    let things = worth::things(&account, earlier, &directory);
    let mut report = Report::new("digest");
    report.target = vec![Fact::new(
        "recording",
        "recording",
        Value::text(&*directory),
    )];
    report.sections = vec![
        sections::worth_doing(&things),
        sections::summary(&account, earlier),
        sections::programs(&account, programs_max),
    ];
    report.sections.extend(sections::changes(&account, earlier));
    report.sections.extend([
        sections::leaks(&account, earlier),
        sections::growth(&account),
    ]);
    report.sections.extend(sections::deaths(&account));
    report.sections.extend(sections::gaps(&account));
    if digest.fail {
        report.findings = account.leak_count;
    }
    Ok(report)
}
