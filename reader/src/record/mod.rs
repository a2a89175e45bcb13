//! `record`: keeps what the segments of running programs hold, again and again, for later.

#![forbid(unsafe_code)]

mod follow;
mod guard;
mod manner;
mod recorder;
mod status;
mod tree;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::alert::rules::Rules;
use crate::alert::trial;
use crate::cli::{Destination, STATUS_FOUND};
use crate::error::Error;
use crate::quantity;
use crate::run::launch::{self, Launch};
use crate::run::signals::Stopping;

use follow::Follow;
use guard::Guard;
pub(crate) use manner::Manner;
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
    /// Process id, with all that it starts, or segment file
    target: Option<String>,
    /// Every program of this user that runs under memshim, those that come later too
    #[arg(long, conflicts_with_all = ["target", "command"])]
    all: bool,
    /// With --all: those of all users; only root may read them
    #[arg(long, requires = "all")]
    all_users: bool,
    /// Where the recording is kept; made where it is not there
    #[arg(long, short, value_name = "DIR", required_unless_present_any = ["status", "check", "trial"])]
    output: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
    /// Stop after so long
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::duration_ns)]
    time_ns: Option<u64>,
    /// Say what the rules of --alert mean, and record nothing
    #[arg(long, requires = "alert", help_heading = "Alerts")]
    check: bool,
    /// Tell every action of --alert a trial, and record nothing; status 1 where one fails
    #[arg(
        long,
        requires = "alert",
        conflicts_with = "check",
        help_heading = "Alerts"
    )]
    trial: bool,
    /// Say what a recording holds, what it cost and what alerts there are, and record nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["target", "all", "output", "command"])]
    status: Option<PathBuf>,
    /// Form of the answer of --status, --check or --trial: text, json and others
    #[arg(long, value_name = "FORMAT")]
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
    if record.check || record.trial {
        let rules = record.manner.rules()?.expect("clap wants some");
        return answer_about(record, &rules);
    }
    let directory = record.output.as_ref().expect("clap wants one");
    if !record.command.is_empty() {
        return of_command(record, record.manner.open(directory, true)?);
    }
    let mut follow = match (&record.target, record.all) {
        (Some(target), _) => Follow::target(target)?,
        (None, true) => Follow::everything(record.all_users),
        (None, false) => {
            return Err(Error::Argument {
                argument: "nothing".to_owned(),
                wanted: "what to record; give a process id, --all, or a command after --",
            });
        }
    };
    let mut recorder = record.manner.open(directory, follow.wants_dead())?;
    let stopping = Stopping::begin();
    let end = record.end();
    until(&record.manner, &mut recorder, &mut follow, |time| {
        stopping.wait(time);
        stopping.is_asked() || is_past(end)
    });
    recorder.end(&mut follow, unix_ns());
    Ok(ExitCode::SUCCESS)
}

/// Somebody's recorder that runs beside what he does.
pub(crate) struct Beside {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Beside {
    /// Records the process that `target` means, or everything of this user or of all, until it is
    /// ended.
    ///
    /// # Errors
    ///
    /// As [`record`].
    pub(crate) fn begin(
        directory: PathBuf,
        manner: Manner,
        target: Option<&str>,
        is_of_all_users: bool,
    ) -> Result<Beside, Error> {
        let mut follow = match target {
            Some(target) => Follow::target(target)?,
            None => Follow::everything(is_of_all_users),
        };
        let (stop, stopped) = sync_channel(1);
        let (opening, opened) = sync_channel(1);
        let thread = thread::spawn(move || {
            // Whoever began it waits for this.
            let mut recorder = match manner.open(&directory, follow.wants_dead()) {
                Ok(recorder) => recorder,
                Err(error) => return drop(opening.send(Some(error))),
            };
            drop(opening.send(None));
            until(&manner, &mut recorder, &mut follow, |time| {
                has_ended(&stopped, time)
            });
            recorder.end(&mut follow, unix_ns());
        });
        match opened.recv().ok().flatten() {
            Some(error) => Err(error),
            None => Ok(Beside { stop, thread }),
        }
    }

    /// Has it look a last time, and waits for that.
    pub(crate) fn end(self) {
        drop(self.stop);
        // What made it panic has been said.
        drop(self.thread.join());
    }
}

impl Record {
    /// When the time is over that was given.
    fn end(&self) -> Option<Instant> {
        Instant::now().checked_add(Duration::from_nanos(self.time_ns?))
    }
}

fn is_past(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() >= end)
}

/// Says what rules mean, or tries their actions.
fn answer_about(record: &Record, rules: &Rules) -> Result<ExitCode, Error> {
    let destination = Destination::standard_output(record.format.clone());
    if record.check {
        destination.write(&trial::meaning(rules), None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (report, failed) = trial::tell_all(rules, unix_ns());
    destination.write(&report, None)?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(STATUS_FOUND),
    })
}

/// Runs a command and records it until it ends; its status is ours.
fn of_command(record: &Record, mut recorder: Recorder) -> Result<ExitCode, Error> {
    let settings = launch::Settings::default();
    let launch = launch::beside(&record.command, &settings, |run, ended| {
        let mut follow = Follow::run(run);
        let end = record.end();
        until(&record.manner, &mut recorder, &mut follow, |time| {
            has_ended(&ended, time) || is_past(end)
        });
        recorder.end(&mut follow, unix_ns());
    })?;
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
    manner: &Manner,
    recorder: &mut Recorder,
    follow: &mut Follow,
    mut wait: impl FnMut(Duration) -> bool,
) {
    let every = Duration::from_nanos(manner.every);
    let mut guard = Guard::new(&manner.limit);
    let mut next = Instant::now();
    loop {
        let found = follow.segments();
        recorder.keep_marked(&guard.watch(&found, unix_ns()), unix_ns());
        recorder.look(&found, unix_ns());
        let mut watched = Instant::now();
        if follow.is_over() {
            return;
        }
        // A look that took longer than the interval is followed by a whole one.
        next = (next + every).max(Instant::now());
        while Instant::now() < next {
            let left = next.saturating_duration_since(Instant::now());
            if wait(left.min(ATTENTION)) {
                return;
            }
            if watched.elapsed() >= guard::PAUSE {
                // The last look is the caller's, and need not wait for the interval's end.
                if follow.is_over() {
                    return;
                }
                if !guard.is_idle() {
                    let passing = guard.watch(&follow.segments(), unix_ns());
                    recorder.keep_marked(&passing, unix_ns());
                }
                watched = Instant::now();
            }
        }
    }
}

/// This moment, ns since the Unix epoch.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
