//! A process and all that came of it, as far as the kernel and segments tell.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use crate::source::directory::{Found, Name};
use crate::source::process::{Liveness, liveness, stat};
use crate::source::{Issues, Segment};

/// Generations that are looked through; more than any machine has.
const DEPTH_MAX: usize = 64;

/// A process id with the time that makes it the only one.
type Process = (u32, u64);

/// A process and its descendants.
///
/// A segment names its parent, so that a grandchild is found although the child between them has
/// ended; where the child is not profiled, the kernel names its parent as long as it lives.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Process,
    members: HashSet<Process>,
    /// Whose segments were there before the root was followed, and whose processes were gone.
    earlier: Option<HashSet<Name>>,
    /// The parents that segments name, which never change.
    parents: HashMap<Name, u32>,
}

impl Tree {
    /// The process of this segment and its descendants.
    pub(crate) fn of(name: &Name) -> Tree {
        let root = (name.pid, name.start_time);
        Tree {
            root,
            members: HashSet::from([root]),
            earlier: None,
            parents: HashMap::new(),
        }
    }

    /// The segments of the tree among all there are now.
    pub(crate) fn members(&mut self, found: Vec<Found>) -> Vec<Found> {
        let root = self.root;
        let is_root = |name: &Name| (name.pid, name.start_time) == root;
        let earlier = self.earlier.get_or_insert_with(|| {
            let names = found.iter().map(|found| found.name);
            let is_gone = |name: &Name| liveness(name.pid, name.start_time) == Liveness::Dead;
            names
                .filter(|name| !is_root(name) && is_gone(name))
                .collect()
        });
        let new = found.iter().map(|found| found.name);
        let new: HashSet<Name> = new.filter(|name| !earlier.contains(name)).collect();
        self.parents.retain(|name, _| new.contains(name));
        for found in found.iter().filter(|found| new.contains(&found.name)) {
            self.meet(found);
        }
        self.grow(&new);
        self.forget(&found);
        let is_member = |found: &Found| {
            let process = (found.name.pid, found.name.start_time);
            new.contains(&found.name) && self.members.contains(&process)
        };
        found.into_iter().filter(is_member).collect()
    }

    /// Learns a segment's parent, once.
    fn meet(&mut self, found: &Found) {
        if !self.parents.contains_key(&found.name)
            && let Ok(segment) = Segment::open(&found.path)
        {
            let identity = segment.identity(&mut Issues::default());
            self.parents.insert(found.name, identity.parent_pid);
        }
    }

    /// Takes in who came of a member, until there is nobody new.
    fn grow(&mut self, names: &HashSet<Name>) {
        for _ in 0..DEPTH_MAX {
            let is_new = |name: &&Name| {
                !self.members.contains(&(name.pid, name.start_time)) && self.is_of_member(name)
            };
            let more: Vec<Process> = names
                .iter()
                .filter(is_new)
                .map(|name| (name.pid, name.start_time))
                .collect();
            if more.is_empty() {
                return;
            }
            self.members.extend(more);
        }
    }

    /// Forgets members that left nothing, of which a server that forks has many.
    fn forget(&mut self, found: &[Found]) {
        let found = found.iter().map(|it| (it.name.pid, it.name.start_time));
        let here: HashSet<Process> = found.collect();
        let root = self.root;
        self.members.retain(|member| {
            let is_kept = *member == root || here.contains(member);
            is_kept || liveness(member.0, member.1) != Liveness::Dead
        });
    }

    fn is_of_member(&self, name: &Name) -> bool {
        let is_member = |pid: u32, born: u64| {
            // Who bears the number of a parent, but is younger, is another process.
            let mut members = self.members.iter();
            members.any(|(member, start)| *member == pid && *start <= born)
        };
        let told = self.parents.get(name);
        if told.is_some_and(|parent| is_member(*parent, name.start_time)) {
            return true;
        }
        if liveness(name.pid, name.start_time) != Liveness::Alive {
            return false;
        }
        let mut pid = name.pid;
        for _ in 0..DEPTH_MAX {
            let Some(stat) = stat(pid) else {
                return false;
            };
            pid = stat.parent_pid;
            if pid <= 1 {
                return false;
            }
            if is_member(pid, stat.start_time) {
                return true;
            }
        }
        false
    }

    /// Whether nobody of the tree is left.
    pub(crate) fn is_gone(&self) -> bool {
        // The root first: it mostly lives, and then the others need not be asked.
        let mut all = std::iter::once(&self.root).chain(&self.members);
        all.all(|(pid, start_time)| liveness(*pid, *start_time) == Liveness::Dead)
    }
}
