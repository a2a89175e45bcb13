//! Starts a command under the shim and waits for its end.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::error::Error;
use crate::run::{family, library, program, say, signals};
use crate::source::noted::Death;
use crate::source::oom::OomCounter;

/// The statuses of a command that did not start, as shells have them.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Added to the number of a signal that ended the program, as shells do.
const SIGNALLED: i32 = 128;

/// What became of a command.
pub(crate) enum Launch {
    /// It ran.
    Ended(Ended),
    /// It is not there or cannot be executed; the status that a shell would give it.
    NotStarted(u8),
}

/// A command that has ended.
pub(crate) struct Ended {
    /// How.
    pub(crate) status: ExitStatus,
    /// The process that was started.
    pub(crate) pid: u32,
    /// How many processes the kernel killed meanwhile for lack of memory, in the control group that
    /// it was started in.
    pub(crate) oom_kills: u64,
    /// The number that the segments of all its processes bear.
    pub(crate) run: u64,
    /// Whether it was known before that it cannot be profiled, and said.
    pub(crate) is_obstructed: bool,
}

impl Ended {
    /// What was seen of the end of one of the command's processes.
    pub(crate) fn death_of(&self, pid: u32) -> Option<Death> {
        let signal = self.status.signal().filter(|_| pid == self.pid);
        (signal.is_some() || self.oom_kills > 0).then_some(Death {
            signal,
            oom_kills: self.oom_kills,
        })
    }

    /// Its status as a shell has it.
    pub(crate) fn code(&self) -> u8 {
        let code = self.status.code();
        let code = code.or_else(|| Some(SIGNALLED + self.status.signal()?));
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX)
    }
}

/// Runs a command with these settings of the shim, with our terminal and signals.
///
/// # Errors
///
/// [`Error::NoShim`] before it is started, and [`Error::Spawn`] where the system cannot start it
/// for another reason than that it is not there.
pub(crate) fn to_its_end(command: &[OsString], settings: &[(&str, &str)]) -> Result<Launch, Error> {
    beside(command, settings, |_, _| {})
}

/// The same, while `meanwhile` works beside the command: it is given the number of the run, and a
/// receiver that is hung up on when the command has ended.
///
/// # Errors
///
/// As [`to_its_end`].
pub(crate) fn beside(
    command: &[OsString],
    settings: &[(&str, &str)],
    meanwhile: impl FnOnce(u64, Receiver<()>),
) -> Result<Launch, Error> {
    let library = library::find()?;
    let (name, arguments) = command.split_first().expect("clap wants at least one");
    let obstacle = program::obstacle(name);
    if let Some(obstacle) = &obstacle {
        say(&format!(
            "{} cannot be profiled: {obstacle}",
            Path::new(name).display()
        ));
    }
    let run = family::number();
    let counter = OomCounter::of(std::process::id());
    let kills_before = counter.read();
    let forwarding = signals::Forwarding::begin();
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env("LD_PRELOAD", preload(&library))
        .env("MEMSHIM_RUN", run.to_string())
        .envs(settings.iter().copied());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => return not_started(name, source),
    };
    let pid = child.id();
    forwarding.to(pid);
    let (ended, is_ended) = mpsc::channel();
    let waited = thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let waited = child.wait();
            drop(ended);
            waited
        });
        meanwhile(run, is_ended);
        waiting.join().expect("waiting does not panic")
    });
    forwarding.end();
    let kills = counter.read().zip(kills_before);
    Ok(Launch::Ended(Ended {
        pid,
        oom_kills: kills.map_or(0, |(now, before)| now.saturating_sub(before)),
        status: waited.map_err(|source| spawn_error(name, source))?,
        run,
        is_obstructed: obstacle.is_some(),
    }))
}

/// The shim first, then what the user preloads anyway.
fn preload(library: &Path) -> OsString {
    let mut preload = library.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        preload.push(":");
        preload.push(others);
    }
    preload
}

fn not_started(name: &OsStr, source: std::io::Error) -> Result<Launch, Error> {
    let status = match source.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::PermissionDenied => NOT_EXECUTABLE,
        _ if source.raw_os_error() == Some(libc::ENOEXEC) => NOT_EXECUTABLE,
        _ => return Err(spawn_error(name, source)),
    };
    say(&format!(
        "{}: {source}",
        spawn_error(name, ErrorKind::Other.into())
    ));
    Ok(Launch::NotStarted(status))
}

fn spawn_error(name: &OsStr, source: std::io::Error) -> Error {
    Error::Spawn {
        command: name.to_string_lossy().into_owned(),
        source,
    }
}
