//! Whose a segment is and how its process is doing, as its header says.

#![forbid(unsafe_code)]

use std::sync::Arc;

use memshim_abi::header::{Header, at, bypass, go, origin, state, storage, unpack};

use crate::source::go::How;
use crate::source::go::vitals::Vitals;
use crate::source::texts::Texts;
use crate::source::{Issues, Segment};

/// How the process came to have this segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The program was started, or replaced another by exec.
    Started,
    /// The process was forked from one that had a segment.
    Forked,
    /// A word that this reader does not know.
    Unknown,
}

/// The end of the program, as far as it could be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// None was seen: the program runs, or was killed, or left by _exit(2).
    None,
    /// It went through exit(3).
    Exited,
    /// The process goes on as another program.
    Replaced,
    /// A word that this reader does not know.
    Unknown,
}

/// Who serves the program's allocations in the shim's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// Nobody.
    None,
    /// The executable, which defines malloc itself.
    OwnMalloc,
    /// A library whose operator new does not go through malloc.
    OwnNew,
    /// A word that this reader does not know.
    Unknown,
}

/// A heap profile of the Go runtime, in the place of what a shim writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoProfile {
    /// How it came to be there.
    pub how: How,
    /// Mean bytes between its samples.
    pub rate_bytes: u64,
    /// What the runtime said of itself last; 0 where that is not known.
    pub vitals: Vitals,
}

/// The header's facts about the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Process id, in the namespace of the process.
    pub pid: u32,
    /// The parent when the segment was made.
    pub parent_pid: u32,
    /// When the process started, clock ticks since boot.
    pub start_time: u64,
    /// The boot it ran in.
    pub boot_id: [u64; 2],
    /// Its user.
    pub user: u32,
    /// The number of the `run` that it came of, 0 for none.
    pub run: u64,
    /// How it came to have this segment.
    pub origin: Origin,
    /// How its program ended.
    pub end: End,
    /// When that was, ticks.
    pub end_ticks: u64,
    /// When the shim was last heard of, ticks.
    pub heartbeat_ticks: u64,
    /// Path of the executable.
    pub executable: Arc<str>,
    /// Its arguments, the program's name first.
    pub command_line: Vec<String>,
    /// Who serves its allocations instead.
    pub bypass: Bypass,
    /// What the file system answered when it refused more room.
    pub storage_errno: Option<i32>,
    /// What the Go runtime said in the place of a shim; `None` for a segment that a shim wrote.
    pub go: Option<GoProfile>,
    /// Whether a shim wrote it and had the Go runtime of its program sample.
    pub has_go_beside: bool,
}

impl Identity {
    /// The name that the program was started under, without its directory; programs of many names
    /// such as redis-server would else be called by another.
    pub fn program(&self) -> &str {
        let base_name = |path: &str| path.rfind('/').map_or(0, |slash| slash + 1);
        // The first dash of a login shell's name is no part of it.
        let given = self.command_line.first().map_or("", String::as_str);
        let given = given.strip_prefix('-').unwrap_or(given);
        match &given[base_name(given)..] {
            "" => &self.executable[base_name(&self.executable)..],
            name => name,
        }
    }
}

impl Segment {
    /// What the header says about the process.
    pub fn identity(&self, issues: &mut Issues) -> Identity {
        let header = self.header();
        let mut texts = Texts::of(self);
        let (pid, parent_pid) = unpack(header.word(at::PIDS));
        let (user, _) = unpack(header.word(at::IDS));
        let command_line = texts.bytes(header.word(at::COMMAND_LINE), issues);
        let is_refused = header.word(at::STORAGE) == storage::REFUSED;
        Identity {
            pid,
            parent_pid,
            start_time: header.word(at::START_TIME),
            boot_id: [header.word(at::BOOT_ID), header.word(at::BOOT_ID + 1)],
            user,
            run: header.word(at::RUN),
            origin: match header.word(at::ORIGIN) {
                origin::STARTED => Origin::Started,
                origin::FORKED => Origin::Forked,
                _ => Origin::Unknown,
            },
            end: match header.word(at::STATE) {
                state::RUNNING => End::None,
                state::EXITED => End::Exited,
                state::REPLACED => End::Replaced,
                _ => End::Unknown,
            },
            end_ticks: header.word(at::STATE_TICKS),
            heartbeat_ticks: header.word(at::HEARTBEAT),
            executable: texts.text(header.word(at::EXECUTABLE), issues),
            command_line: arguments(&command_line),
            bypass: match header.word(at::BYPASS) {
                bypass::NONE => Bypass::None,
                bypass::OWN_MALLOC => Bypass::OwnMalloc,
                bypass::OWN_NEW => Bypass::OwnNew,
                _ => Bypass::Unknown,
            },
            storage_errno: is_refused.then(|| header.word(at::STORAGE_ERRNO) as i32),
            go: go_profile(header),
            has_go_beside: header.word(at::GO_SET) != 0,
        }
    }
}

fn go_profile(header: &Header) -> Option<GoProfile> {
    let how = match header.word(at::GO) {
        go::NONE => return None,
        go::FROM_START => How::FromStart,
        go::SWITCHED_ON => How::SwitchedOn,
        _ => How::Own,
    };
    Some(GoProfile {
        how,
        rate_bytes: header.word(at::GO_RATE),
        vitals: Vitals {
            collections: header.word(at::GO_COLLECTIONS),
            last_pause_ns: header.word(at::GO_LAST_PAUSE),
            pauses_ns: header.word(at::GO_PAUSES),
            last_unix_ns: header.word(at::GO_LAST_COLLECTION),
            goal_bytes: header.word(at::GO_GOAL),
            goroutines: header.word(at::GO_GOROUTINES),
        },
    })
}

/// The words of a command line as /proc/PID/cmdline has it: each ends with a zero byte.
fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let words = bytes.split(|byte| *byte == 0);
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}
