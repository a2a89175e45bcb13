//! All metrics: figures of processes, summed by program, as families of samples.
//!
//! Names follow Prometheus' conventions: a prefix, base units at the end, no process in a label
//! unless that was asked for. Sites are bounded, and what is beyond them is in `other`.

#![forbid(unsafe_code)]

mod go;
mod health;
mod heap;
mod sites;

use std::collections::BTreeMap;

use crate::metrics::{Counters, Family, Figures, Kind};

/// How finely the processes are told apart.
#[derive(Debug, Clone, Copy)]
pub struct Detail {
    /// Sites of each program with series of their own.
    pub sites_max: usize,
    /// Whether each process has series of its own.
    pub by_process: bool,
}

/// What the reader knows about itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own {
    /// Time that reading all segments took for this answer.
    pub reading_seconds: f64,
    /// Memory of the reader.
    pub resident_bytes: f64,
    /// Processor time of the reader.
    pub cpu_seconds: f64,
    /// Segments that could not be read.
    pub unreadable: usize,
    /// What was pushed, where that was asked for.
    pub pushed: Option<Pushed>,
}

/// Profiles that were pushed to a server, or were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Profiles that the server took.
    pub sent: u64,
    /// Profiles that it refused for good.
    pub refused: u64,
    /// Profiles that had no room while it took none.
    pub dropped: u64,
    /// Tries that failed and are made again.
    pub failures: u64,
    /// Bytes that wait.
    pub waiting_bytes: u64,
}

/// A process and the program that it is counted under.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The value of the label `program`.
    pub program: &'a str,
    /// The process.
    pub figures: &'a Figures,
}

/// One program, or one process of it: what its series are made from.
#[derive(Default)]
struct Group<'a> {
    alive: Vec<&'a Figures>,
    /// Bytes of all segments, those of ended processes included: they take room until removed.
    segment_bytes: f64,
    issues: f64,
    counters: Counters,
}

impl Group<'_> {
    fn sum(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        self.alive.iter().map(|figures| figure(figures)).sum()
    }

    fn largest(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        let figures = self.alive.iter().map(|figures| figure(figures));
        figures.fold(0.0, f64::max)
    }
}

/// The labels of a group: its program, and its process where each has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    program: String,
    pid: Option<String>,
}

impl Key {
    /// Its labels with more behind them.
    fn and<'a>(&'a self, more: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
        let pid = self.pid.iter().map(|pid| ("pid", pid.as_str()));
        let own = [("program", self.program.as_str())].into_iter().chain(pid);
        own.chain(more.iter().copied()).collect()
    }
}

type Groups<'a> = BTreeMap<Key, Group<'a>>;

/// Every family; `ended` are the totals of processes whose segments are gone, by program.
pub fn families(
    members: &[Member<'_>],
    ended: &BTreeMap<String, Counters>,
    own: Own,
    detail: Detail,
) -> Vec<Family> {
    let groups = groups(members, ended, detail);
    [
        heap::heap(&groups),
        heap::memory(&groups),
        go::runtimes(&groups),
        sites::sites(&groups, detail),
        sites::leaks(&groups),
        health::distributions(&groups),
        health::health(&groups),
        health::reader(own),
    ]
    .concat()
}

/// Processes by program; where each has series of its own, they end with it.
fn groups<'a>(
    members: &[Member<'a>],
    ended: &BTreeMap<String, Counters>,
    detail: Detail,
) -> Groups<'a> {
    let mut groups = Groups::new();
    for member in members {
        let figures = member.figures;
        if detail.by_process && !figures.is_alive {
            continue;
        }
        let pid = detail.by_process.then(|| figures.pid.to_string());
        let program = member.program.to_owned();
        let group = groups.entry(Key { program, pid }).or_default();
        group.counters.add(&figures.counters);
        group.segment_bytes += figures.segment_bytes;
        group.issues += figures.issues;
        group.alive.extend(figures.is_alive.then_some(figures));
    }
    for (program, counters) in ended.iter().filter(|_| !detail.by_process) {
        let (program, pid) = (program.clone(), None);
        let group = groups.entry(Key { program, pid }).or_default();
        group.counters.add(counters);
    }
    groups
}

/// A family with one sample a group.
fn family(
    groups: &Groups<'_>,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    figure: impl Fn(&Group<'_>) -> f64,
) -> Family {
    let mut family = Family::new(name, kind, help);
    for (key, group) in groups {
        family.add(&key.and(&[]), figure(group));
    }
    family
}
