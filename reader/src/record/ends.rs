//! Who of the recorded was killed by the kernel for lack of memory.
//!
//! The kernel tells nobody but the parent; it counts its kills in each control group, though, and a
//! group whose count rose between the last look at a process alive and its end has lost it so, or
//! at least another of its processes in that time.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::source::directory::{Found, Name};
use crate::source::noted::Death;
use crate::source::oom::OomCounter;
use crate::source::process::Liveness;
use crate::source::{End, Issues, Segment};

/// The counters of those who live, and what they showed at the last look.
#[derive(Default)]
pub(crate) struct Ends {
    counters: HashMap<Name, Counted>,
}

/// The kills in the control group of one process.
struct Counted {
    counter: OomCounter,
    count: u64,
    /// When the count rose last while the process still seemed alive, and by how much.
    rise: Option<(Instant, u64)>,
}

/// A process that the kernel has chosen stays until it has given its memory back, which takes a
/// while where that is much.
const DYING: Duration = Duration::from_secs(30);

impl Ends {
    /// Takes a look at a process into account; what is known of its end, if it was killed so.
    pub(crate) fn look(&mut self, found: &Found, alive: Liveness) -> Option<Death> {
        let name = found.name;
        if alive == Liveness::Alive {
            self.look_alive(name);
            return None;
        }
        let known = self.counters.remove(&name)?;
        let rise = known.rise.filter(|(when, _)| when.elapsed() < DYING);
        let oom_kills = known.counter.read().unwrap_or(known.count);
        let oom_kills = oom_kills.saturating_sub(known.count) + rise.map_or(0, |(_, by)| by);
        let is_silent = Segment::open(&found.path)
            .is_ok_and(|it| it.identity(&mut Issues::default()).end == End::None);
        (oom_kills > 0 && is_silent).then_some(Death {
            signal: None,
            oom_kills,
        })
    }

    fn look_alive(&mut self, name: Name) {
        let Some(known) = self.counters.get_mut(&name) else {
            let counter = OomCounter::of(name.pid);
            if let Some(count) = counter.read() {
                let counted = Counted {
                    counter,
                    count,
                    rise: None,
                };
                self.counters.insert(name, counted);
            }
            return;
        };
        match known.counter.read() {
            Some(count) => {
                let by = count.saturating_sub(known.count);
                if by > 0 {
                    known.rise = Some((Instant::now(), by));
                }
                known.count = count;
            }
            // A group that is gone: the process has moved to another one.
            None => drop(self.counters.remove(&name)),
        }
    }

    /// Forgets a process that has ended.
    pub(crate) fn forget(&mut self, name: &Name) {
        self.counters.remove(name);
    }

    /// Forgets all but these.
    pub(crate) fn keep_only(&mut self, names: &HashSet<Name>) {
        self.counters.retain(|name, _| names.contains(name));
    }
}
