//! `record`: keeps what the segments of running programs hold, again and again, for later.

#![forbid(unsafe_code)]

mod follow;
mod recorder;
mod status;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::cli::Destination;
use crate::error::Error;
use crate::quantity;
use crate::recording::rotate::Limits;
use crate::run::launch::{self, Launch};
use crate::run::signals::Stopping;

use follow::Follow;
use recorder::Recorder;

/// How often the recorder looks whether it was told to stop.
const ATTENTION: Duration = Duration::from_millis(100);

/// Record programs again and again, to look back at any moment later
///
/// Every interval each process that did something since has its segment copied into a directory:
/// one process, a command with all that it starts, or with --all every program of this user that
/// runs under memshim, those that come later too. Ask the directory as if it were a process:
/// `memshim-reader report DIR --process NAME --at -5m`, `memshim-reader diff DIR@14:05 DIR@15:00`,
/// `memshim-reader growth DIR --since @14:05 --until @15:00`.
///
/// All snapshots of the last hour are kept, of the last day one a minute, of older ones one each ten
/// minutes, up to --keep, and the oldest go first when --max-bytes is reached. A recorder that is
/// killed loses what it was just writing and nothing else; one that finds the disk full waits until
/// there is room.
#[derive(Debug, Args)]
pub struct Record {
    /// Process id or segment file
    target: Option<String>,
    /// Every program of this user that runs under memshim, those that come later too
    #[arg(long, conflicts_with_all = ["target", "command"])]
    all: bool,
    /// With --all: those of all users; only root may read them
    #[arg(long, requires = "all")]
    all_users: bool,
    /// Where the recording is kept; made where it is not there
    #[arg(long, short, value_name = "DIR", required_unless_present = "status")]
    output: Option<PathBuf>,
    /// Time between two looks
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = interval_ns)]
    every: u64,
    /// How long to keep what was recorded
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = quantity::duration_ns)]
    keep: u64,
    /// How much the recording may come to
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = recording_bytes)]
    max_bytes: u64,
    /// Stop after so long
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::duration_ns)]
    time_ns: Option<u64>,
    /// Say what a recording holds and what it cost, and record nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["target", "all", "output", "command"])]
    status: Option<PathBuf>,
    /// Form of the status: text, json and others
    #[arg(long, requires = "status", value_name = "FORMAT")]
    format: Option<String>,
    /// A command to run and record with all that it starts
    #[arg(last = true, value_name = "CMD", conflicts_with = "target")]
    command: Vec<OsString>,
}

/// Records until it is told to stop, or what it records is gone.
///
/// # Errors
///
/// What keeps it from beginning: those of [`crate::recording::Writer::open`], a target that is not
/// there, and for a command those of [`crate::run::run`].
pub fn record(record: &Record) -> Result<ExitCode, Error> {
    if let Some(directory) = &record.status {
        let destination = Destination::standard_output(record.format.clone());
        destination.write(&status::report(directory)?, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let limits = Limits {
        keep_ns: record.keep,
        bytes_max: record.max_bytes,
    };
    let directory = record.output.as_ref().expect("clap wants one");
    if !record.command.is_empty() {
        return of_command(record, Recorder::open(directory, limits, true)?);
    }
    let follow = match (&record.target, record.all) {
        (Some(target), _) => Follow::target(target)?,
        (None, true) => Follow::everything(record.all_users),
        (None, false) => {
            return Err(Error::Argument {
                argument: "nothing".to_owned(),
                wanted: "what to record; give a process id, --all, or a command after --",
            });
        }
    };
    let mut recorder = Recorder::open(directory, limits, follow.wants_dead())?;
    let stopping = Stopping::begin();
    until(record, &mut recorder, &follow, |time| {
        stopping.wait(time);
        stopping.is_asked()
    });
    recorder.end(&follow, unix_ns());
    Ok(ExitCode::SUCCESS)
}

/// Runs a command and records it until it ends; its status is ours.
fn of_command(record: &Record, mut recorder: Recorder) -> Result<ExitCode, Error> {
    let launch = launch::beside(
        &record.command,
        &launch::Settings::default(),
        |run, ended| {
            let follow = Follow::run(run);
            until(record, &mut recorder, &follow, |time| {
                has_ended(&ended, time)
            });
            recorder.end(&follow, unix_ns());
        },
    )?;
    Ok(match launch {
        Launch::Ended(ended) => ExitCode::from(ended.code()),
        Launch::NotStarted(status) => ExitCode::from(status),
    })
}

fn has_ended(ended: &Receiver<()>, time: Duration) -> bool {
    ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
}

/// Looks at the processes in intervals until `wait` says that it is over, or nobody is left.
fn until(
    record: &Record,
    recorder: &mut Recorder,
    follow: &Follow,
    mut wait: impl FnMut(Duration) -> bool,
) {
    let begin = Instant::now();
    let every = Duration::from_nanos(record.every);
    let mut next = begin;
    loop {
        recorder.look(&follow.segments(), unix_ns());
        if follow.is_over() {
            return;
        }
        // A look that took longer than the interval is followed by a whole one.
        next = (next + every).max(Instant::now());
        while Instant::now() < next {
            let left = next.saturating_duration_since(Instant::now());
            let is_late = record
                .time_ns
                .is_some_and(|ns| begin.elapsed().as_nanos() >= ns.into());
            if wait(left.min(ATTENTION)) || is_late {
                return;
            }
        }
    }
}

/// This moment, ns since the Unix epoch.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// An interval that leaves the processor something else to do.
fn interval_ns(text: &str) -> Result<u64, String> {
    let ns = quantity::duration_ns(text)?;
    match ns >= 10_000_000 {
        true => Ok(ns),
        false => Err("an interval has 10ms at least".to_owned()),
    }
}

/// Room for some files at least.
fn recording_bytes(text: &str) -> Result<u64, String> {
    let bytes = quantity::bytes(text)?;
    match bytes >= 1 << 20 {
        true => Ok(bytes),
        false => Err("a recording needs 1MiB at least".to_owned()),
    }
}
