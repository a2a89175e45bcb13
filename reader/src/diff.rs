//! `diff`: what changed between two targets.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::baseline;
use crate::cli::{Destination, Wanted};
use crate::comparison::{Comparison, Profile, between, sections};
use crate::error::Error;
use crate::report::{Body, Fact, Report, Section, Value};
use crate::session::{Request, Session, recorded, target};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// What changed between two targets, call stack by call stack, and what of that is no chance
///
/// A target is a process id, a segment file, a recording, or a baseline that
/// `check --write-baseline` made. DIR@14:05, DIR@90s and DIR@-5m are moments of a recording.
///
/// Call stacks are paired by function and module names, so two builds compare: lines, clones such
/// as `.isra.0`, hashes of Rust symbols and versions of libraries are left out, and a function
/// that calls itself stands once. Code without a name is paired by its address where both sides
/// have the same build of its module, else by its module alone.
///
/// Of sampled targets each row is tested: a sum over samples is taken for a weight times a Poisson
/// number, which holds for few samples too. What is shown changed is picked such that at most
/// 1 % of it are chance (Benjamini and Hochberg). It assumes that the two samples are independent
/// and that the program did the same work. Two moments of one process share blocks; those cancel,
/// and only what came and went is compared.
///
/// Of two exact targets every difference is real, but runs differ by themselves: give
/// `check --runs 5` several, and it tells that noise from a change.
#[derive(Debug, Args)]
pub struct Diff {
    /// What was: a process id, a segment file, a baseline, or a moment of a recording
    before: String,
    /// What is: the same
    after: String,
    /// Show the call stacks without a significant change too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
}

/// Something that can be compared.
enum Side {
    Process(Box<Session>),
    Kept(Box<Profile>),
}

/// Compares and writes the answer.
///
/// # Errors
///
/// Whatever kept it from reading either target, and those of [`Destination::write`].
pub fn diff(diff: &Diff) -> Result<ExitCode, Error> {
    let request = diff.wanted.request(&diff.destination)?;
    let before = Side::open(&diff.before, &request)?;
    let after = Side::open(&diff.after, &request)?;
    let rows_max = match (request.top, request.is_for_people) {
        (Some(top), _) => top,
        (None, true) => USUAL_ROWS,
        (None, false) => usize::MAX,
    };
    let mut report = after.opening();
    let mut notes = Vec::new();
    let comparison = match (before, after) {
        (Side::Process(mut before), Side::Process(mut after))
            if is_one_process(&before, &after) =>
        {
            notes.push(Fact::new(
                "one_process",
                "one process",
                Value::text(
                    "these are two moments of one process; what lived at both is left out of the \
                     change, and `memshim-reader growth` tells more about it",
                ),
            ));
            between(&mut before, &mut after, &request)
        }
        (before, after) => Comparison::of(
            &before.into_profile(&request),
            &after.into_profile(&request),
        ),
    };
    if !notes.is_empty() {
        let section = Section::new("comparison", "Please note", Body::Facts(notes));
        report.sections.push(section);
    }
    report
        .sections
        .extend(sections(&comparison, diff.all, rows_max));
    diff.destination.write(&report, request.top)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether two segments were written by one process that did not become another program between.
fn is_one_process(before: &Session, after: &Session) -> bool {
    let identity = |session: &Session| {
        let identity = &session.history().process.identity;
        let executable = identity.executable.clone();
        let process = (identity.pid, identity.start_time, identity.boot_id);
        (process, executable)
    };
    identity(before) == identity(after)
}

impl Side {
    fn open(target: &str, request: &Request) -> Result<Side, Error> {
        let (target, at) = recorded::with_moment(target);
        let request = &Request {
            at: at.or(request.at),
            ..request.clone()
        };
        let path = target::resolve(Some(target))?;
        if begins_as_baseline(&path) {
            return Ok(Side::Kept(baseline::read(&path)?.into()));
        }
        Ok(Side::Process(Session::open(&path, request)?.into()))
    }

    fn opening(&self) -> Report {
        match self {
            Side::Process(session) => session.opening("diff"),
            Side::Kept(profile) => {
                let mut report = Report::new("diff");
                let program = Value::text(&*profile.origin.program);
                report.target.push(Fact::new("program", "program", program));
                report
            }
        }
    }

    fn into_profile(self, request: &Request) -> Profile {
        match self {
            Side::Process(mut session) => Profile::of(&mut session, request),
            Side::Kept(profile) => *profile,
        }
    }
}

fn begins_as_baseline(path: &Path) -> bool {
    /// White space that an editor may have put before the document.
    const BEGINNING_BYTES: u64 = 64;
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(BEGINNING_BYTES));
    let is_read = file
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .is_ok();
    is_read && baseline::is_baseline(&bytes)
}
