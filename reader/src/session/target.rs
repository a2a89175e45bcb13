//! TARGET: a process, a file, or nothing for the newest segment.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::error::Error;
use crate::source::directory::{Found, Users, places};
use crate::source::go::keeper::FIRST_NUMBER;
use crate::source::go::{self, Refusal, preloaded};
use crate::source::{End, Issues, Segment, process};

/// How old a process is at most that has no segment yet, but may be about to.
const BEGINNING: Duration = Duration::from_secs(1);

/// The segment file that `target` means.
///
/// A number is a process id, unless there is a file of that name.
///
/// # Errors
///
/// [`Error::NoSegment`] when nothing was asked for and nothing is there, [`Error::NotProfiled`]
/// and [`Error::NoProcess`] when a process left no segment, and what [`Segment::open`] says of the
/// only segment when it cannot be read.
pub fn resolve(target: Option<&str>) -> Result<PathBuf, Error> {
    resolve_enabling(target, None)
}

/// The same, and switches the heap profile of a running Go program on at `go_rate`, if it is off.
///
/// # Errors
///
/// Those of [`resolve`].
pub fn resolve_enabling(target: Option<&str>, go_rate: Option<u64>) -> Result<PathBuf, Error> {
    let Some(target) = target else {
        return newest();
    };
    match target.parse() {
        Ok(pid) if !Path::new(target).exists() => of_process(pid, go_rate),
        _ => Ok(PathBuf::from(target)),
    }
}

/// What answers for a process, which is given time to begin: a script that starts a program and
/// asks about it at once is right to do so.
fn of_process(pid: u32, go_rate: Option<u64>) -> Result<PathBuf, Error> {
    loop {
        let result = of_process_now(pid, go_rate);
        let is_beginning = match &result {
            Ok(path) => matches!(Segment::open(path), Err(Error::NotReady { .. })),
            Err(Error::NotProfiled { .. }) => true,
            Err(_) => false,
        };
        if !is_beginning || process::age(pid).is_none_or(|age| age > BEGINNING) {
            return result;
        }
        std::thread::sleep(BEGINNING / 100);
    }
}

/// The newest segment of a process: of the last process that had this id, the last program.
fn of_process_now(pid: u32, go_rate: Option<u64>) -> Result<PathBuf, Error> {
    let users = match process::own_ids() {
        Some((0, _)) => Users::All,
        _ => Users::Own,
    };
    let of_pid = preloaded::find(users, |found| found.name.pid == pid);
    let last = of_pid.iter().rfind(|found| !is_replaced(found));
    let is_go = |found: &Found| found.name.number >= FIRST_NUMBER && !is_replaced(found);
    let has_go = of_pid.iter().any(is_go);
    match last.or(of_pid.last()).cloned() {
        Some(found) if go_rate.is_none() || has_go => Ok(found.path),
        // A preload sees what C allocates in it, and was told to leave Go alone.
        Some(found) => match of_go(pid, go_rate) {
            Err(Error::NotProfiled { .. }) => Ok(found.path),
            Err(_) if process::age(pid).is_none() => Ok(found.path),
            result => result,
        },
        None if process::stat(pid).is_some() => of_go(pid, go_rate),
        None => Err(Error::NoProcess { pid }),
    }
}

/// Whether the program of a segment became another by exec. The numbers of segments alone do not
/// tell: those of Go programs are counted apart.
fn is_replaced(found: &Found) -> bool {
    let segment = Segment::open(&found.path);
    segment.is_ok_and(|it| it.identity(&mut Issues::default()).end == End::Replaced)
}

/// A segment made of the heap profile of a Go program, which no preload reaches.
fn of_go(pid: u32, rate: Option<u64>) -> Result<PathBuf, Error> {
    match go::attach(pid, rate) {
        Ok(path) => Ok(path),
        Err(Refusal::NotGo) => Err(Error::NotProfiled {
            pid,
            directory: first_place(),
        }),
        Err(Refusal::Off) => Err(Error::GoProfileOff { pid }),
        Err(source) => Err(Error::Go { pid, source }),
    }
}

/// The segment of this user that was heard of last.
fn newest() -> Result<PathBuf, Error> {
    let mut newest: Option<(u64, Found)> = None;
    let mut refused = Error::NoSegment {
        directory: first_place(),
    };
    for found in preloaded::find_others(Users::Own) {
        match last_heard_ns(&found.path) {
            Ok(heard) if newest.as_ref().is_none_or(|(newest, _)| *newest <= heard) => {
                newest = Some((heard, found));
            }
            Ok(_) => {}
            Err(error) => refused = error,
        }
    }
    newest.map(|(_, found)| found.path).ok_or(refused)
}

/// When a segment's shim was last heard of, ns since the Unix epoch.
///
/// Writing to a mapped file need not change its time of modification, so the heartbeat counts
/// too.
fn last_heard_ns(path: &Path) -> Result<u64, Error> {
    let segment = Segment::open(path)?;
    let identity = segment.identity(&mut Issues::default());
    let heartbeat = segment.clock().unix_ns(identity.heartbeat_ticks);
    Ok(heartbeat.unwrap_or(0).max(modified_ns(path).unwrap_or(0)))
}

fn modified_ns(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    u64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

fn first_place() -> PathBuf {
    places()
        .into_iter()
        .next()
        .unwrap_or_else(|| PathBuf::from("/dev/shm"))
}
