//! One look after the other: copies what changed, and minds the limits and its own cost.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::alert::kind::Kind;
use crate::alert::rules::Rules;
use crate::alert::{Alerts, Event};
use crate::analysis::resident;
use crate::error::Error;
use crate::output::format;
use crate::record::ends::Ends;
use crate::record::follow::Follow;
use crate::record::guard::Passing;
use crate::recording::columns::WORDS_MAX;
use crate::recording::rotate::{self, Limits, Rotated};
use crate::recording::{About, ProcessKey, Recording, Round, Writer};
use crate::run::say;
use crate::source::directory::{Found, Name};
use crate::source::frozen::Memory;
use crate::source::process::{self, Liveness, liveness, resident_bytes};
use crate::source::{Frozen, Image, Issues, Segment, limit};

/// The kernel looks at every page of a process to tell where its memory is: it is asked no more
/// often than this, ns, and never for more than a two-thousandth of the time.
const MEMORY_EVERY_NS: u64 = 300_000_000_000;
const MEMORY_PAUSES: u64 = 2_000;

/// On a disk that is full and has room by turns, that it is full is said no more often, ns.
const FULL_EVERY_NS: u64 = 600_000_000_000;

/// A recording being made of some processes.
pub(crate) struct Recorder {
    writer: Writer,
    limits: Limits,
    /// Whether processes that were gone before it came are recorded too.
    wants_dead: bool,
    /// What was last written of each program.
    seen: HashMap<Name, Seen>,
    round: Round,
    /// When a recorder last looked here before this one came, ns since the Unix epoch.
    before_unix_ns: Option<u64>,
    /// Since when nothing can be written, ns since the Unix epoch.
    paused_since_ns: Option<u64>,
    /// When somebody was last told of a pause, ns since the Unix epoch.
    pause_said_ns: Option<u64>,
    is_first_look: bool,
    /// When the kernel may be asked again where the memory of a process is, ns since the Unix
    /// epoch.
    memory_due: HashMap<Name, u64>,
    cpu_at_start_ns: u64,
    ends: Ends,
    alerts: Option<Alerts>,
}

/// What is known of a program that was recorded.
struct Seen {
    key: Option<ProcessKey>,
    fingerprint: u64,
    /// Its process is gone and its last state recorded.
    is_done: bool,
    /// It could not be recorded, and that was said.
    is_refused: bool,
}

impl Recorder {
    /// A recorder into `directory`.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::open`].
    pub(crate) fn open(
        directory: &Path,
        limits: Limits,
        wants_dead: bool,
    ) -> Result<Recorder, Error> {
        let writer = Writer::open(directory)?;
        let before = Recording::open(directory).ok();
        let before_unix_ns = before.and_then(|it| Some(it.last_round()?.unix_ns));
        Ok(Recorder {
            writer,
            limits,
            wants_dead,
            seen: HashMap::new(),
            round: Round::default(),
            before_unix_ns,
            paused_since_ns: None,
            pause_said_ns: None,
            is_first_look: true,
            memory_due: HashMap::new(),
            cpu_at_start_ns: cpu_ns(),
            ends: Ends::default(),
            alerts: None,
        })
    }

    /// The same recorder, which tells of what these rules say.
    pub(crate) fn with_alerts(mut self, rules: Option<Rules>) -> Recorder {
        let directory = self.writer.directory();
        let before = Recording::open(directory).ok();
        self.alerts = rules.map(|rules| Alerts::begin(rules, directory, before.as_ref()));
        self
    }

    /// Writes a snapshot of each program that changed since the last look.
    pub(crate) fn look(&mut self, found: &[Found], now_unix_ns: u64) {
        if self.is_first_look {
            self.round.started_unix_ns = now_unix_ns;
            self.rotate(now_unix_ns);
        }
        self.round.left_out = 0;
        self.round.processes = 0;
        let mut written = Ok(());
        for found in found {
            match self.look_at(found, now_unix_ns) {
                Ok(()) => {}
                Err(error) => {
                    // The others will find no room either.
                    written = Err(error);
                    break;
                }
            }
        }
        self.forget_all_but(found);
        self.is_first_look = false;
        self.round.unix_ns = now_unix_ns;
        self.round.cpu_ns = cpu_ns().saturating_sub(self.cpu_at_start_ns);
        self.round.resident_bytes = resident_bytes(std::process::id()).unwrap_or(0);
        self.round.written_bytes = self.writer.written_bytes();
        let written = written.and_then(|()| self.writer.round(self.round.clone()));
        self.note_room(written, now_unix_ns);
        let is_due = self.writer.current().is_some_and(|(began_unix_ns, bytes)| {
            bytes >= self.limits.file_bytes_max()
                || now_unix_ns.saturating_sub(began_unix_ns) >= self.limits.file_age_max_ns()
        });
        if is_due {
            self.rotate(now_unix_ns);
        }
        if let Some(alerts) = &mut self.alerts {
            alerts.look(found, now_unix_ns);
        }
    }

    /// Forgets the programs whose segments were removed.
    fn forget_all_but(&mut self, found: &[Found]) {
        let here: HashSet<Name> = found.iter().map(|found| found.name).collect();
        self.memory_due.retain(|name, _| here.contains(name));
        self.seen.retain(|name, seen| {
            let is_here = here.contains(name);
            if let Some(key) = seen.key.filter(|_| !is_here) {
                self.writer.forget(&key);
            }
            is_here
        });
        self.ends.keep_only(&here);
    }

    /// Looks a last time, ends the file, and says what it all cost.
    pub(crate) fn end(&mut self, follow: &mut Follow, now_unix_ns: u64) {
        self.look(&follow.segments(), now_unix_ns);
        self.rotate(now_unix_ns);
        if let Some(alerts) = &mut self.alerts {
            alerts.end();
        }
        let seconds = now_unix_ns.saturating_sub(self.round.started_unix_ns) as f64 / 1e9;
        let cpu_seconds = self.round.cpu_ns as f64 / 1e9;
        say(&format!(
            "recorded {} snapshots, {}, in {}; that took {:.2} s of processor time, {:.2} % of one \
             core over {:.0} s, and {} of memory",
            self.round.snapshots,
            format::bytes(self.round.written_bytes as f64),
            self.writer.directory().display(),
            cpu_seconds,
            cpu_seconds / seconds.max(1.0) * 100.0,
            seconds,
            format::bytes(self.round.resident_bytes as f64),
        ));
    }

    /// Writes snapshots of those who have just passed a mark, and tells of them.
    pub(crate) fn keep_marked(&mut self, passing: &[Passing], now_unix_ns: u64) {
        for passing in passing {
            let found = &passing.found;
            let written = match self.copy(found, Liveness::Alive, now_unix_ns) {
                Ok(Some((_, about, image))) => {
                    let program = about.program.clone();
                    let about = About {
                        mark_bytes: Some(passing.mark_bytes),
                        ..about
                    };
                    let written = self.writer.snapshot(about, image);
                    // Who passes a mark may take the machine down with it.
                    let written = written.and_then(|_| self.writer.sync());
                    self.round.snapshots += u64::from(written.is_ok());
                    self.tell_of(passing, &program, written.is_ok(), now_unix_ns);
                    written
                }
                Ok(None) => Ok(()),
                Err(reason) => {
                    self.refuse(found, &reason);
                    Ok(())
                }
            };
            if written.is_err() {
                self.note_room(written, now_unix_ns);
            }
        }
    }

    fn tell_of(&mut self, passing: &Passing, program: &str, is_kept: bool, now_unix_ns: u64) {
        let pid = passing.found.name.pid;
        let kept = match is_kept {
            // Moments on a command line have whole seconds, and mean the last snapshot before.
            true => format!(
                "; ask `memshim-reader report {} --process {pid} --at @{}`",
                self.writer.directory().display(),
                format::time(now_unix_ns.next_multiple_of(1_000_000_000))
                    .trim_end_matches(" UTC")
                    .replace(' ', "T")
            ),
            false => String::new(),
        };
        say(&format!(
            "{program}, process {pid}, passed {}{kept}",
            passing.detail
        ));
        let event = Event {
            kind: Kind::MarkPassed,
            program,
            pid,
            segment: &passing.found.path,
            live_bytes: passing.live_bytes,
            limit_bytes: passing.mark_bytes,
            detail: &passing.detail,
        };
        if let Some(alerts) = &mut self.alerts {
            alerts.event(&event, now_unix_ns);
        }
    }

    /// Tells of a process that the kernel killed; its last snapshot is written.
    fn tell_of_end(&mut self, found: &Found, program: &str, live_bytes: u64, now_unix_ns: u64) {
        let pid = found.name.pid;
        let noted = Segment::open(&found.path).map(|segment| segment.noted());
        let noted = noted.unwrap_or_default();
        let limit_bytes = noted.limit.map_or(0, |(_, bytes)| bytes);
        let used_bytes = noted.resident_bytes.unwrap_or(0).max(live_bytes);
        let detail = match limit_bytes {
            0 => format!(
                "no memory was left, at {}",
                format::bytes(used_bytes as f64)
            ),
            _ => format!(
                "no memory was left, at {} of the {} that it may have",
                format::bytes(used_bytes as f64),
                format::bytes(limit_bytes as f64)
            ),
        };
        say(&format!("{program}, process {pid}, was killed: {detail}"));
        let event = Event {
            kind: Kind::OutOfMemory,
            program,
            pid,
            segment: &found.path,
            live_bytes,
            limit_bytes,
            detail: &detail,
        };
        if let Some(alerts) = &mut self.alerts {
            alerts.event(&event, now_unix_ns);
        }
    }

    /// Writes a snapshot of one program, if it changed.
    ///
    /// # Errors
    ///
    /// What the file system answers; that a segment cannot be read or is too large is said and
    /// counted.
    fn look_at(&mut self, found: &Found, now_unix_ns: u64) -> io::Result<()> {
        let alive = liveness(found.name.pid, found.name.start_time);
        self.round.processes += u64::from(alive == Liveness::Alive);
        if self.seen.get(&found.name).is_some_and(|seen| seen.is_done) {
            return Ok(());
        }
        let (key, mut about, image) = match self.copy(found, alive, now_unix_ns) {
            Ok(Some(copied)) => copied,
            Ok(None) => return Ok(()),
            Err(reason) => {
                self.refuse(found, &reason);
                return Ok(());
            }
        };
        let death = self.ends.look(found, alive);
        about.frozen.death.clone_from(&death);
        let ended = death.map(|_| (about.program.clone(), about.live_bytes));
        let fingerprint = image.fingerprint();
        let is_done = alive == Liveness::Dead;
        let seen = self.seen.get(&found.name);
        let is_new = seen.is_none_or(|seen| seen.fingerprint != fingerprint) || is_done;
        if is_new {
            self.writer.snapshot(about, image)?;
            self.round.snapshots += 1;
        }
        if let Some((program, live_bytes)) = ended {
            self.tell_of_end(found, &program, live_bytes, now_unix_ns);
        }
        if is_done {
            self.writer.forget(&key);
            self.ends.forget(&found.name);
        }
        let seen = Seen {
            key: Some(key),
            fingerprint,
            is_done,
            is_refused: false,
        };
        self.seen.insert(found.name, seen);
        Ok(())
    }

    /// Copies a program's segment; nothing where its process was gone before the recorder came.
    fn copy(
        &mut self,
        found: &Found,
        alive: Liveness,
        now_unix_ns: u64,
    ) -> Result<Option<(ProcessKey, About, Image)>, String> {
        let segment = match Segment::open(&found.path) {
            Ok(segment) => segment,
            // A process that is just starting is there in the next look.
            Err(Error::NotReady { .. }) => return Ok(None),
            Err(error) => return Err(crate::cli::one_line(&error)),
        };
        let mut issues = Issues::default();
        let identity = segment.identity(&mut issues);
        let heard_unix_ns = segment.clock().unix_ns(identity.heartbeat_ticks);
        let is_old = alive == Liveness::Dead
            && self.is_first_look
            && !self.wants_dead
            && heard_unix_ns.is_none_or(|heard| self.before_unix_ns.is_none_or(|it| heard < it));
        if is_old {
            let seen = Seen {
                key: None,
                fingerprint: 0,
                is_done: true,
                is_refused: false,
            };
            self.seen.insert(found.name, seen);
            return Ok(None);
        }
        let key = ProcessKey {
            pid: identity.pid,
            start_time: identity.start_time,
            number: found.name.number,
            boot_id: identity.boot_id,
        };
        let about = About {
            process: key,
            parent_pid: identity.parent_pid,
            program: identity.program().to_owned(),
            live_bytes: segment.live_bytes(),
            allocated_bytes: segment.allocated_bytes(&mut issues),
            resident_bytes: resident_bytes(found.name.pid).filter(|_| alive == Liveness::Alive),
            key_unix_ns: None,
            parts: 0,
            mark_bytes: None,
            frozen: Frozen {
                left_bytes: limit::of(found.name.pid)
                    .filter(|_| alive == Liveness::Alive)
                    .map(|limit| limit.left_bytes()),
                memory: self.memory(found, &segment, alive, now_unix_ns),
                ..Frozen::now(&segment, now_unix_ns, alive)
            },
        };
        let image = Image::of(&segment, WORDS_MAX).ok_or_else(|| {
            format!(
                "it has more than {} in use; a coarser MEMSHIM_INTERVAL takes less",
                format::bytes(WORDS_MAX as f64 * 8.0)
            )
        })?;
        Ok(Some((key, about, image)))
    }

    /// Asks the kernel where the memory of a process is, so seldom that it takes little of a core.
    fn memory(
        &mut self,
        found: &Found,
        segment: &Segment,
        alive: Liveness,
        now_unix_ns: u64,
    ) -> Option<Memory> {
        let due = self.memory_due.get(&found.name);
        if alive != Liveness::Alive || due.is_some_and(|due| now_unix_ns < *due) {
            return None;
        }
        let begin = Instant::now();
        let memory = resident::read(segment, found.name.pid, now_unix_ns);
        let took_ns = begin.elapsed().as_nanos() as u64;
        let pause_ns = took_ns.saturating_mul(MEMORY_PAUSES).max(MEMORY_EVERY_NS);
        self.memory_due
            .insert(found.name, now_unix_ns.saturating_add(pause_ns));
        memory
    }

    /// Counts a segment that cannot be recorded, and says so once.
    fn refuse(&mut self, found: &Found, reason: &str) {
        self.round.left_out += 1;
        let seen = self.seen.entry(found.name).or_insert(Seen {
            key: None,
            fingerprint: 0,
            is_done: false,
            is_refused: false,
        });
        if !std::mem::replace(&mut seen.is_refused, true) {
            say(&format!(
                "{} is not recorded: {reason}",
                found.path.display()
            ));
        }
    }

    /// Says once that there is no room, and once that there is again.
    fn note_room(&mut self, written: io::Result<()>, now_unix_ns: u64) {
        let directory = self.writer.directory().display();
        match written {
            Ok(()) => {
                let Some(since_ns) = self.paused_since_ns.take() else {
                    return;
                };
                let paused_ns = now_unix_ns.saturating_sub(since_ns);
                self.round.paused_ns += paused_ns;
                if self.pause_said_ns >= Some(since_ns) {
                    say(&format!(
                        "there is room in {directory} again; nothing was recorded for {:.0} s",
                        paused_ns as f64 / 1e9
                    ));
                }
            }
            Err(error) => {
                let since_ns = *self.paused_since_ns.get_or_insert(now_unix_ns);
                let is_due = self.pause_said_ns.is_none_or(|said_ns| {
                    said_ns < since_ns && now_unix_ns.saturating_sub(said_ns) >= FULL_EVERY_NS
                });
                if is_due {
                    say(&format!(
                        "cannot write to {directory}: {error}; recording waits until there is room"
                    ));
                    self.pause_said_ns = Some(now_unix_ns);
                }
            }
        }
    }

    /// Begins another file, and applies the limits to those before it.
    fn rotate(&mut self, now_unix_ns: u64) -> Rotated {
        let ended = self.writer.rotate();
        let rotated = rotate::rotate(self.writer.directory(), None, &self.limits, now_unix_ns);
        match (ended, rotated) {
            (Ok(()), Ok(rotated)) => rotated,
            (Err(error), _) => {
                self.note_room(Err(error), now_unix_ns);
                Rotated::default()
            }
            (_, Err(error)) => {
                say(&format!("cannot rotate: {}", crate::cli::one_line(&error)));
                Rotated::default()
            }
        }
    }
}

/// Processor time of this process until now.
fn cpu_ns() -> u64 {
    process::stat(std::process::id()).map_or(0, |stat| stat.cpu_ns)
}
