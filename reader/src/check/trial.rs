//! What is checked: a target, or a command that is run as often as asked.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::Path;

use crate::comparison::{Measure, Profile, build_independent_name};
use crate::error::Error;
use crate::history::State;
use crate::report::{Fact, Report, Value};
use crate::run::launch::{self, Launch};
use crate::run::{family, say};
use crate::session::{Request, Session};
use crate::source::directory::{Found, remove};

/// What was recorded of what is checked.
pub(crate) struct Trial {
    /// The mean of all runs.
    pub(crate) profile: Profile,
    /// Whom the report is about, with all losses.
    pub(crate) report: Report,
    /// Whether what is live will never be freed.
    pub(crate) has_ended: bool,
}

/// What came of running a command.
pub(crate) enum Outcome {
    /// All runs ended well.
    Recorded(Box<Trial>),
    /// One did not, and nothing is known about the heap of a program that fails.
    Failed {
        /// The status, as a shell has it.
        code: u8,
        /// What happened, as a sentence.
        message: String,
    },
}

/// How a command is run.
pub(crate) struct Plan<'a> {
    pub(crate) command: &'a [OsString],
    pub(crate) runs: u32,
    pub(crate) interval: &'a str,
    /// Only processes of this program count.
    pub(crate) program: Option<&'a str>,
}

/// Reads a segment that is there.
///
/// # Errors
///
/// Those of [`Session::open`].
pub(crate) fn of_target(path: &Path, request: &Request) -> Result<Trial, Error> {
    let mut session = Session::open(path, request)?;
    Ok(Trial {
        profile: Profile::of(&mut session, request),
        report: session.opening("check"),
        has_ended: has_ended(&session),
    })
}

/// Runs a command and reads what its processes left; their segments are removed.
///
/// # Errors
///
/// Those of starting it, and [`Error::NotRecorded`] when nothing was left to be read.
pub(crate) fn of_command(plan: &Plan<'_>, request: &Request) -> Result<Outcome, Error> {
    let name = plan.command[0].to_string_lossy().into_owned();
    let mut profiles = Vec::new();
    let mut report: Option<Report> = None;
    for number in 1..=plan.runs {
        let settings = launch::Settings {
            shim: vec![("MEMSHIM_INTERVAL", plan.interval)],
            ..Default::default()
        };
        let which = match plan.runs {
            1 => name.clone(),
            runs => format!("run {number} of {runs} of {name}"),
        };
        let ended = match launch::to_its_end(plan.command, &settings)? {
            Launch::Ended(ended) => ended,
            Launch::NotStarted(code) => {
                let message = format!("{name} could not be started; nothing was checked");
                return Ok(Outcome::Failed { code, message });
            }
        };
        let members = family::members(ended.run);
        if !ended.status.success() {
            discard(&members);
            let message = format!("{which} failed ({}); nothing was checked", ended.status);
            let code = ended.code();
            return Ok(Outcome::Failed { code, message });
        }
        let read = read_family(&members, plan.program, request);
        discard(&members);
        let Some((profile, opening)) = read? else {
            return Err(Error::NotRecorded { command: name });
        };
        profiles.push(profile);
        match &mut report {
            None => report = Some(opening),
            Some(report) => add_losses(report, &opening),
        }
    }
    let missing = Error::NotRecorded { command: name };
    let (Some(profile), Some(report)) = (Profile::mean(profiles), report) else {
        return Err(missing);
    };
    Ok(Outcome::Recorded(Box::new(Trial {
        profile,
        report,
        has_ended: true,
    })))
}

/// The sum of all processes of a run that count; whom it is about is the one with the highest
/// peak.
fn read_family(
    members: &[Found],
    program: Option<&str>,
    request: &Request,
) -> Result<Option<(Profile, Report)>, Error> {
    let mut sum: Option<(Profile, Report)> = None;
    for member in members {
        let mut session = Session::open(&member.path, request)?;
        if !program.is_none_or(|wanted| is_of_program(&session, wanted)) {
            continue;
        }
        let profile = Profile::of(&mut session, request);
        let mut opening = session.opening("check");
        // It is removed before anybody could look for it.
        opening.target.retain(|fact| fact.name != "segment");
        match &mut sum {
            None => sum = Some((profile, opening)),
            Some((all, report)) => {
                let peak = |profile: &Profile| profile.total(Measure::PeakBytes).total;
                if peak(&profile) > peak(all) {
                    std::mem::swap(report, &mut opening);
                }
                add_losses(report, &opening);
                all.add_process(profile);
            }
        }
    }
    Ok(sum)
}

/// Whether a process ran a program of this name; a version or a hash behind it is no part of it.
fn is_of_program(session: &Session, wanted: &str) -> bool {
    let identity = &session.history().process.identity;
    let executable = Path::new(&*identity.executable).file_name();
    let executable = executable
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let names = [identity.program(), executable];
    let is_wanted = |name: &&str| *name == wanted || build_independent_name(name) == wanted;
    names.iter().any(is_wanted)
}

/// Whether the program is over, so that what lives is left for good.
fn has_ended(session: &Session) -> bool {
    match session.history().process.state {
        State::Exited | State::Killed | State::Replaced => true,
        State::Running | State::Unknown => false,
    }
}

/// Removes what only this check has asked for; exact segments are large.
fn discard(members: &[Found]) {
    for member in members {
        if let Err(error) = remove(member) {
            say(&format!("cannot remove {}: {error}", member.path.display()));
        }
    }
}

/// Adds up what was lost in several processes.
fn add_losses(report: &mut Report, other: &Report) {
    for loss in &other.losses {
        let own = report.losses.iter_mut().find(|own| own.name == loss.name);
        match own.map(|own: &mut Fact| &mut own.value) {
            Some(Value::Count(own)) | Some(Value::Bytes(own)) => {
                *own = own.saturating_add(loss.value.number().unwrap_or(0.0) as u64);
            }
            _ => report.losses.push(loss.clone()),
        }
    }
}
