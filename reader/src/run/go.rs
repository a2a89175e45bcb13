//! Keeps the segments of Go programs that came of a run, which no preload reaches.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::run::trace::Stops;
use crate::source::go::{How, Keeper, Process, Refusal};
use crate::source::process;

/// Mean bytes between samples unless it is said otherwise: some percent of error for what matters,
/// and no cost that could be measured.
pub(crate) const USUAL_RATE: u64 = 64 << 10;

/// How often heap profiles are read: what a killed program loses at most.
const EVERY: Duration = Duration::from_millis(500);

/// Reading takes at most this part of the time: larger profiles are read less often.
const SHARE: u32 = 50;

/// How often new descendants are looked for; what they allocated before is unknown.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a runtime may take for its start on a busy machine.
const START: Duration = Duration::from_secs(2);

/// The Go programs of a run.
pub(crate) struct Family {
    /// Mean bytes between samples.
    rate: u64,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    kept: HashMap<u32, Member>,
    /// Programs that were looked at and are nothing for us.
    passed_over: HashSet<Program>,
    /// Why the program that was started itself is not read.
    refusal: Option<Refusal>,
}

struct Member {
    keeper: Keeper,
    program: Option<Program>,
    /// Until when the runtime may still be starting, and give itself another rate.
    starts_until: Option<Instant>,
}

/// What a process is running: it may become something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Program {
    pid: u32,
    device: u64,
    inode: u64,
}

impl Program {
    fn of(pid: u32) -> Option<Program> {
        let file = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some(Program {
            pid,
            device: file.dev(),
            inode: file.ino(),
        })
    }
}

impl Family {
    pub(crate) fn new(rate: u64) -> Family {
        Family {
            rate,
            members: Mutex::default(),
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        // A reading that failed halfway leaves nothing that the next one does not replace.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the heap of the program that was started is not seen, if it was tried.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.members().refusal.take()
    }

    /// Watches `root` and what comes of it until `ended` is hung up on.
    pub(crate) fn watch(&self, root: u32, ended: &Receiver<()>) {
        let (mut last, mut pause) = (Instant::now(), EVERY);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
            let mut members = self.members();
            for pid in descendants(root) {
                members.look_at(pid, self.rate);
            }
            members.hold_rates(self.rate);
            if last.elapsed() >= pause {
                let begun = Instant::now();
                members.refresh();
                pause = EVERY.max(begun.elapsed() * SHARE);
                last = Instant::now();
            }
        }
    }

    /// What is to be done at the stops of a process; `started` is told once its start is over.
    pub(crate) fn stops<'a>(
        &'a self,
        pid: u32,
        started: impl FnOnce() + 'a,
    ) -> Stopped<'a, impl FnOnce()> {
        Stopped {
            family: self,
            pid,
            started: Some(started),
        }
    }
}

/// See [`Family::stops`].
pub(crate) struct Stopped<'a, F> {
    family: &'a Family,
    pid: u32,
    started: Option<F>,
}

impl<F: FnOnce()> Stops for Stopped<'_, F> {
    fn at_start(&mut self, is_stopped: bool) {
        let mut members = self.family.members();
        if let Err(refusal) = members.begin(self.pid, self.family.rate, is_stopped) {
            members.refusal = Some(refusal);
        }
        drop(members);
        if let Some(started) = self.started.take() {
            started();
        }
    }

    fn at_end(&mut self, is_by_itself: bool) {
        self.family.members().end(self.pid, is_by_itself);
    }

    fn at_exec(&mut self) {
        let mut members = self.family.members();
        if let Some(mut member) = members.kept.remove(&self.pid) {
            // A segment that says too little is better than none.
            let _ = member.keeper.note_replaced();
        }
        // Whether it is a Go program again or something else, the start is now.
        let _ = members.begin(self.pid, self.family.rate, true);
    }
}

impl Members {
    /// Looks whether a process is a Go program that is not known yet.
    fn look_at(&mut self, pid: u32, rate: u64) {
        let Some(program) = Program::of(pid) else {
            return;
        };
        let is_known = self
            .kept
            .get(&pid)
            .is_some_and(|member| member.program == Some(program));
        if is_known || self.passed_over.contains(&program) {
            return;
        }
        self.kept.remove(&pid);
        if self.begin(pid, rate, false).is_err() {
            self.passed_over.insert(program);
        }
    }

    fn begin(&mut self, pid: u32, rate: u64, is_at_start: bool) -> Result<(), Refusal> {
        let mut process = Process::open(pid)?;
        // A program that looks at its own profile has it switched on, at a rate of its choice.
        let is_switched_on = process.is_disabled();
        if is_switched_on {
            process.enable(rate, is_at_start)?;
        }
        let how = match (is_switched_on, is_at_start) {
            (false, _) if process.is_own() => How::Own,
            // The shim was there first, as in what the command starts.
            (false, _) => How::FromStart,
            (true, true) => How::FromStart,
            (true, false) => How::SwitchedOn,
        };
        let member = Member {
            keeper: Keeper::begin(process, how)?,
            program: Program::of(pid),
            starts_until: is_switched_on.then(|| Instant::now() + START),
        };
        self.kept.insert(pid, member);
        Ok(())
    }

    /// Sets the rate again where a runtime that is starting gave itself another.
    fn hold_rates(&mut self, rate: u64) {
        let is_starting = |member: &&mut Member| {
            let until = member.starts_until;
            until.is_some_and(|until| Instant::now() < until)
        };
        for member in self.kept.values_mut().filter(is_starting) {
            // Who cannot be written to is gone.
            let _ = member.keeper.process().hold_rate(rate);
        }
    }

    fn refresh(&mut self) {
        self.kept.retain(|_, member| {
            // A profile that is still empty, or was in the middle of a change, is read next time.
            let _ = member.keeper.refresh();
            member.keeper.is_of_same_process()
        });
    }

    fn end(&mut self, pid: u32, is_by_itself: bool) {
        if let Some(mut member) = self.kept.remove(&pid) {
            // What was read a second ago stays, if nothing can be read now.
            let _ = member.keeper.refresh();
            if is_by_itself {
                let _ = member.keeper.note_exit();
            }
            // It is there for a moment longer, and nothing new.
            self.passed_over.extend(member.program);
        }
    }
}

/// A process and all that came of it and still has its parent.
fn descendants(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        for child in process::children(pid) {
            if !all.contains(&child) {
                all.push(child);
            }
        }
    }
    all
}
