//! Programs whose Go runtime was told to sample by a shim: whoever looks first begins a segment.
//!
//! A shim cannot write that one, since it does nothing while a Go program runs. It only notes in its
//! own segment that there is something to be read.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use memshim_abi::WORD_BYTES;
use memshim_abi::header::at;

use crate::source::directory::{self, Found, Name, Users};
use crate::source::go::keeper::{FIRST_NUMBER, How, Keeper};
use crate::source::go::{Process, Refusal};
use crate::source::process::{Liveness, liveness};
use crate::source::{End, Issues, Segment};

/// The segments of these users that are wanted, and as [`with_go`] says.
pub fn find(users: Users, is_wanted: impl Fn(&Found) -> bool) -> Vec<Found> {
    with_go(|| {
        let found = directory::find(users).into_iter();
        found.filter(&is_wanted).collect()
    })
}

/// The segments that `look` finds, with one of the Go heap of every running process among them whose
/// shim had it sampled. What cannot be read is left out.
pub fn with_go(mut look: impl FnMut() -> Vec<Found>) -> Vec<Found> {
    let found = look();
    let is_same = |one: &Found, other: &Found| {
        (one.name.pid, one.name.start_time) == (other.name.pid, other.name.start_time)
    };
    let processes = found.chunk_by(is_same);
    let begun = processes.filter(|process| begin(process).is_some()).count();
    if begun > 0 { look() } else { found }
}

/// The same but of this process.
pub fn find_others(users: Users) -> Vec<Found> {
    let own_pid = std::process::id();
    find(users, |found| found.name.pid != own_pid)
}

/// Of segments with the names of their programs, those of the Go heap of a program that has another
/// one of what C allocates; with the last of these.
pub fn beside_c<'a>(
    segments: impl Iterator<Item = (Name, &'a str)> + Clone,
) -> HashMap<Name, Name> {
    let is_of_go = |name: &Name| name.number >= FIRST_NUMBER;
    let program = |(name, program): (Name, &'a str)| (name.pid, name.start_time, program);
    let mut of_c = HashMap::new();
    for segment in segments.clone().filter(|(name, _)| !is_of_go(name)) {
        let last = of_c.entry(program(segment)).or_insert(segment.0);
        *last = segment.0.max(*last);
    }
    let of_go = segments.filter(|(name, _)| is_of_go(name));
    let beside = of_go.filter_map(|it| Some((it.0, *of_c.get(&program(it))?)));
    beside.collect()
}

/// A program's name, and which heap of it is meant where it has two.
pub fn label(program: &str, is_beside_c: bool) -> Cow<'_, str> {
    match is_beside_c {
        true => Cow::Owned(format!("{program} (Go heap)")),
        false => Cow::Borrowed(program),
    }
}

/// Why the Go heap of a running process cannot be read; `None` where it can.
pub fn refusal(pid: u32) -> Option<Refusal> {
    let opened = Process::open(pid).and_then(|mut process| process.rate());
    opened.err()
}

/// Begins a segment for a process with these segments, oldest first, if it should have one and has
/// none.
fn begin(process: &[Found]) -> Option<()> {
    let of_shims = process.partition_point(|found| found.name.number < FIRST_NUMBER);
    let (of_shims, of_go) = process.split_at(of_shims);
    let last = of_shims.last()?;
    if !is_set(&last.path)? || liveness(last.name.pid, last.name.start_time) != Liveness::Alive {
        return None;
    }
    // A segment could lie about whose it is.
    let user = |path: &Path| fs::metadata(path).ok().map(|it| it.uid());
    if user(&last.path)? != user(Path::new(&format!("/proc/{}", last.name.pid)))? {
        return None;
    }
    let executable = running(&last.path)?;
    let mut of_go = of_go.iter();
    if of_go.any(|found| running(&found.path).as_ref() == Some(&executable)) {
        return None;
    }
    let process = Process::open(last.name.pid).ok()?;
    if process.path.as_os_str() != &*executable {
        return None;
    }
    let how = if process.is_own() {
        How::Own
    } else {
        How::FromStart
    };
    let mut keeper = Keeper::begin(process, how).ok()?;
    // What cannot be read now is read by whoever opens it.
    let _ = keeper.refresh();
    Some(())
}

/// The executable of a segment whose program has not ended.
fn running(path: &Path) -> Option<String> {
    let identity = Segment::open_as_it_is(path).ok()?;
    let identity = identity.identity(&mut Issues::default());
    (identity.end == End::None).then(|| identity.executable.to_string())
}

/// Whether a shim noted that it set a rate; most did not, and this word is all that they pay for.
fn is_set(path: &Path) -> Option<bool> {
    // A name that turns out to be a pipe must not make the reader wait for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let mut word = [0; WORD_BYTES as usize];
    file.ok()?
        .read_exact_at(&mut word, at::GO_SET as u64 * WORD_BYTES)
        .ok()?;
    Some(word != [0; WORD_BYTES as usize])
}
