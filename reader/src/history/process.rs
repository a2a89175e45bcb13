//! How a process is doing: what its segment says, and what the kernel says now.

#![forbid(unsafe_code)]

use crate::source::frozen::Memory;
use crate::source::noted::{Death, Noted};
use crate::source::process::{Liveness, Stat, boot_id, liveness, stat};
use crate::source::{End, Frozen, Identity, Issues, Segment};

/// Where a program is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It went through exit(3).
    Exited,
    /// It is gone without a word: killed, aborted, or left by _exit(2).
    Killed,
    /// Its process goes on, or went on, as another program.
    Replaced,
    /// Nobody can tell.
    Unknown,
}

impl State {
    fn of(end: End, liveness: Liveness) -> State {
        match (end, liveness) {
            (End::Exited, _) => State::Exited,
            (End::Replaced, _) => State::Replaced,
            (_, Liveness::Alive) => State::Running,
            (_, Liveness::Dead) => State::Killed,
            (_, Liveness::Unknown) => State::Unknown,
        }
    }

    /// The stable name, as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Exited => "exited",
            State::Killed => "killed or _exit",
            State::Replaced => "replaced",
            State::Unknown => "unknown",
        }
    }
}

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// What its segment says.
    pub identity: Identity,
    /// Where it is in its life.
    pub state: State,
    /// What the kernel says, while it is alive.
    pub stat: Option<Stat>,
    /// Whether nobody writes its segment any more.
    pub is_gone: bool,
    /// Whether it is told of as it was at a moment that a recording kept.
    pub is_past: bool,
    /// The program that it became by exec, where that has a segment too.
    pub successor: Option<String>,
    /// Why nothing is said of its Go heap, where its runtime samples that.
    pub go_unseen: Option<String>,
    /// Of one that is told of as it was: bytes that it might still use then.
    pub left_bytes: Option<u64>,
    /// What it noted of its memory while it lived.
    pub noted: Noted,
    /// What somebody saw of its end.
    pub death: Option<Death>,
    /// Likewise: where its memory was, not long before.
    pub memory: Option<Memory>,
}

impl Process {
    /// The process that wrote a segment.
    pub fn of(segment: &Segment, issues: &mut Issues) -> Process {
        let identity = segment.identity(issues);
        if let Some(frozen) = segment.frozen() {
            return Process::then(identity, frozen, segment.noted());
        }
        let is_other_boot = boot_id().is_some_and(|id| id != identity.boot_id);
        let liveness = match is_other_boot {
            true => Liveness::Dead,
            false => liveness(identity.pid, identity.start_time),
        };
        let state = State::of(identity.end, liveness);
        let stat = match liveness {
            Liveness::Alive => stat(identity.pid),
            Liveness::Dead | Liveness::Unknown => None,
        };
        Process {
            identity,
            state,
            stat,
            is_gone: liveness == Liveness::Dead,
            is_past: false,
            successor: None,
            go_unseen: None,
            left_bytes: None,
            noted: segment.noted(),
            death: None,
            memory: None,
        }
    }

    /// The process as it was when its segment was copied; whoever has its id by now is not asked.
    fn then(identity: Identity, frozen: &Frozen, noted: Noted) -> Process {
        Process {
            state: State::of(identity.end, frozen.liveness),
            identity,
            stat: None,
            is_gone: true,
            is_past: true,
            successor: frozen.successor.clone(),
            go_unseen: None,
            left_bytes: frozen.left_bytes,
            noted,
            death: frozen.death.clone(),
            memory: frozen.memory.clone(),
        }
    }

    /// Whether the process is still there, be it as another program.
    pub fn is_alive(&self) -> bool {
        self.stat.is_some()
    }
}
