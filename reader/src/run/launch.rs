//! Starts a command under the shim and waits for its end.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::error::Error;
use crate::run::{family, go, library, program, say, signals, trace};
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
pub(crate) fn to_its_end(command: &[OsString], settings: &Settings<'_>) -> Result<Launch, Error> {
    beside(command, settings, |_, _| {})
}

/// How a command is watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings<'a> {
    /// Variables of the shim.
    pub(crate) shim: Vec<(&'a str, &'a str)>,
    /// Mean bytes between the samples of a Go runtime; by default [`go::USUAL_RATE`].
    pub(crate) go_rate: Option<u64>,
}

/// The same, while `meanwhile` works beside the command: it is given the number of the run, and a
/// receiver that is hung up on when the command has ended.
///
/// # Errors
///
/// As [`to_its_end`].
pub(crate) fn beside(
    words: &[OsString],
    settings: &Settings<'_>,
    meanwhile: impl FnOnce(u64, Receiver<()>),
) -> Result<Launch, Error> {
    let library = library::find()?;
    let (name, arguments) = words.split_first().expect("clap wants at least one");
    let obstacle = program::obstacle(name);
    let is_go = program::is_go(name);
    if let Some(obstacle) = &obstacle {
        say_obstacle(name, obstacle);
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
        .envs(settings.shim.iter().copied());
    let go_rate = settings.go_rate.unwrap_or(go::USUAL_RATE);
    command.env("MEMSHIM_GO_RATE", go_rate.to_string());
    if is_go {
        trace::stop_at_start(&mut command);
    }
    let go_family = go::Family::new(go_rate);
    let mut pid = 0;
    let lived = thread::scope(|scope| {
        let (started, is_started) = mpsc::channel();
        let (ended, is_ended) = mpsc::channel();
        let (go_ended, go_is_ended) = mpsc::channel::<()>();
        let go_family = &go_family;
        // The kernel lets nobody but the thread that started a program trace it.
        let living = scope.spawn(move || {
            let lived = live(command, is_go.then_some(go_family), &forwarding, &started);
            drop((ended, go_ended));
            forwarding.end();
            lived
        });
        if let Ok(started) = is_started.recv() {
            pid = started;
            scope.spawn(move || go_family.watch(started, &go_is_ended));
            meanwhile(run, is_ended);
        }
        living.join().expect("waiting does not panic")
    });
    let status = match lived {
        Ok(status) => status,
        Err(Failure::Start(source)) => return not_started(name, source),
        Err(Failure::Wait(source)) => return Err(spawn_error(name, source)),
    };
    let refusal = go_family.refusal();
    if let Some(refusal) = &refusal {
        let name = Path::new(name).display();
        say(&format!("the Go heap of {name} cannot be seen: {refusal}"));
    }
    let kills = counter.read().zip(kills_before);
    Ok(Launch::Ended(Ended {
        pid,
        oom_kills: kills.map_or(0, |(now, before)| now.saturating_sub(before)),
        status,
        run,
        is_obstructed: refusal.is_some() || obstacle.is_some(),
    }))
}

/// What kept a command from being started, or from being waited for.
enum Failure {
    Start(io::Error),
    Wait(io::Error),
}

/// Starts a command and waits for its end; tells `started` its process once it is on its way.
fn live(
    mut command: Command,
    go_family: Option<&go::Family>,
    forwarding: &signals::Forwarding,
    started: &Sender<u32>,
) -> Result<ExitStatus, Failure> {
    let mut child = command.spawn().map_err(Failure::Start)?;
    let pid = child.id();
    forwarding.to(pid);
    let tell = || {
        // Who wanted to know may have given up.
        let _ = started.send(pid);
    };
    let Some(go_family) = go_family else {
        tell();
        return child.wait().map_err(Failure::Wait);
    };
    let mut stops = go_family.stops(pid, tell);
    trace::wait(&mut child, &mut stops).map_err(Failure::Wait)
}

fn say_obstacle(name: &OsStr, obstacle: &dyn fmt::Display) {
    let name = Path::new(name).display();
    say(&format!("{name} cannot be profiled: {obstacle}"));
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
