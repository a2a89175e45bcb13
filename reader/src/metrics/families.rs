//! All metrics: figures of processes, summed by program, as families of samples.
//!
//! Names follow Prometheus' conventions: a prefix, base units at the end, no process in a label
//! unless that was asked for. Sites are bounded, and what is beyond them is in `other`.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::metrics::counters::{LIFETIME_LIMITS_SECONDS, SIZE_LIMITS_BYTES};
use crate::metrics::{Counters, Family, Figures, Kind, Place};

/// Sites that leak or grow with a series of their own, for each program.
const GROWING_MAX: usize = 20;

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
        heap(&groups),
        memory(&groups),
        sites(&groups, detail),
        leaks(&groups),
        distributions(&groups),
        health(&groups),
        reader(own),
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

fn heap(groups: &Groups<'_>) -> Vec<Family> {
    let gauge =
        |name, help, figure: fn(&Group<'_>) -> f64| family(groups, name, Kind::Gauge, help, figure);
    let counter = |name, help, figure: fn(&Counters) -> f64| {
        let of_group = |group: &Group<'_>| figure(&group.counters);
        family(groups, name, Kind::Counter, help, of_group)
    };
    vec![
        gauge("memshim_processes", "Processes that are alive.", |group| {
            group.alive.len() as f64
        }),
        gauge(
            "memshim_heap_live_bytes",
            "Bytes in live blocks, estimated from samples.",
            |group| group.sum(|figures| figures.live_bytes),
        ),
        gauge(
            "memshim_heap_live_objects",
            "Live blocks, estimated from samples.",
            |group| group.sum(|figures| figures.live_objects),
        ),
        gauge(
            "memshim_heap_peak_bytes",
            "Bytes in live blocks when they were the most, of the process that had most.",
            |group| group.largest(|figures| figures.peak_bytes),
        ),
        counter(
            "memshim_heap_allocated_bytes",
            "Bytes allocated, estimated from samples; ended processes included.",
            |counters| counters.allocated_bytes,
        ),
        counter(
            "memshim_heap_allocated_objects",
            "Blocks allocated, estimated from samples; ended processes included.",
            |counters| counters.allocated_objects,
        ),
        counter(
            "memshim_heap_freed_bytes",
            "Bytes freed, estimated from samples; ended processes included.",
            |counters| counters.freed_bytes,
        ),
        counter(
            "memshim_heap_freed_objects",
            "Blocks freed, estimated from samples; ended processes included.",
            |counters| counters.freed_objects,
        ),
    ]
}

/// What the kernel says of the memory of the processes.
fn memory(groups: &Groups<'_>) -> Vec<Family> {
    let mut resident = Family::new(
        "memshim_resident_bytes",
        Kind::Gauge,
        "Memory of the processes that is resident, by kind.",
    );
    for (key, group) in groups {
        let of = |figures: &Figures| figures.resident.unwrap_or_default();
        let kinds = [
            ("anonymous", group.sum(|it| of(it).anonymous_bytes as f64)),
            ("file", group.sum(|it| of(it).file_bytes as f64)),
            ("shared", group.sum(|it| of(it).shared_bytes as f64)),
        ];
        for (kind, bytes) in kinds {
            resident.add(&key.and(&[("kind", kind)]), bytes);
        }
    }
    let mut left = Family::new(
        "memshim_memory_left_bytes",
        Kind::Gauge,
        "Memory that may be used yet: of the control group, the address space or the machine, by the process that has least.",
    );
    for (key, group) in groups {
        let least = group.alive.iter().filter_map(|it| it.left_bytes).min();
        least
            .into_iter()
            .for_each(|bytes| left.add(&key.and(&[]), bytes as f64));
    }
    vec![resident, left]
}

/// What lives at the largest sites of each program, and all the rest of it as one.
fn sites(groups: &Groups<'_>, detail: Detail) -> Vec<Family> {
    let mut bytes = Family::new(
        "memshim_site_live_bytes",
        Kind::Gauge,
        "Bytes in live blocks of the call stacks with most, and of all others together.",
    );
    let mut objects = Family::new(
        "memshim_site_live_objects",
        Kind::Gauge,
        "Live blocks of the call stacks with most live bytes, and of all others together.",
    );
    for (key, group) in groups.iter().filter(|(_, group)| !group.alive.is_empty()) {
        let mut sums: BTreeMap<&Place, (f64, f64)> = BTreeMap::new();
        for site in group.alive.iter().flat_map(|figures| &figures.largest) {
            let sum = sums.entry(&site.place).or_default();
            *sum = (sum.0 + site.live_bytes, sum.1 + site.live_objects);
        }
        let mut order: Vec<_> = sums.into_iter().collect();
        order.sort_by(|(_, left), (_, right)| right.0.total_cmp(&left.0));
        order.truncate(detail.sites_max);
        let mut rest = (
            group.sum(|figures| figures.live_bytes),
            group.sum(|figures| figures.live_objects),
        );
        for (_, sum) in &order {
            rest = ((rest.0 - sum.0).max(0.0), (rest.1 - sum.1).max(0.0));
        }
        let other = Place::other();
        order.push((&other, rest));
        for (place, (live_bytes, live_objects)) in order {
            let labels = key.and(&place.labels());
            bytes.add(&labels, live_bytes);
            objects.add(&labels, live_objects);
        }
    }
    vec![bytes, objects]
}

fn leaks(groups: &Groups<'_>) -> Vec<Family> {
    let mut candidates = Family::new(
        "memshim_leak_candidates",
        Kind::Gauge,
        "Call stacks that leak or grow, by verdict.",
    );
    let mut live = Family::new(
        "memshim_leak_live_bytes",
        Kind::Gauge,
        "Bytes in live blocks of call stacks that leak or grow, by verdict.",
    );
    let mut rate = Family::new(
        "memshim_leak_rate_bytes_per_second",
        Kind::Gauge,
        "Bytes a second by which call stacks that leak or grow do so, by verdict.",
    );
    let mut by_site = Family::new(
        "memshim_leak_site_rate_bytes_per_second",
        Kind::Gauge,
        "Bytes a second of each call stack that leaks or grows, of those that do so fastest.",
    );
    for (key, group) in groups {
        let growing = || group.alive.iter().flat_map(|figures| &figures.growing);
        for verdict in ["leak", "growing-container"] {
            let labels = key.and(&[("verdict", verdict)]);
            let of_verdict = || growing().filter(|site| site.verdict == verdict);
            candidates.add(&labels, of_verdict().count() as f64);
            live.add(&labels, of_verdict().map(|site| site.live_bytes).sum());
            let rates = of_verdict().map(|site| site.bytes_per_second);
            rate.add(&labels, rates.sum());
        }
        let mut sums: BTreeMap<(&Place, &str), f64> = BTreeMap::new();
        for site in growing() {
            *sums.entry((&site.place, &site.verdict)).or_default() += site.bytes_per_second;
        }
        let mut order: Vec<_> = sums.into_iter().collect();
        order.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        for ((place, verdict), bytes_per_second) in order.into_iter().take(GROWING_MAX) {
            let [function, stack] = place.labels();
            let labels = key.and(&[("verdict", verdict), function, stack]);
            by_site.add(&labels, bytes_per_second);
        }
    }
    vec![candidates, live, rate, by_site]
}

fn distributions(groups: &Groups<'_>) -> Vec<Family> {
    let mut sizes = Family::new(
        "memshim_allocation_size_bytes",
        Kind::Histogram,
        "Sizes of allocated blocks, estimated from samples.",
    );
    let mut lifetimes = Family::new(
        "memshim_block_lifetime_seconds",
        Kind::Histogram,
        "Lifetimes of freed blocks, estimated from samples and up to a factor of two too long.",
    );
    for (key, group) in groups {
        let (labels, counters) = (key.and(&[]), &group.counters);
        let limits = SIZE_LIMITS_BYTES.map(|bytes| bytes as f64);
        sizes.add_histogram(&labels, limits, &counters.sizes, counters.allocated_bytes);
        lifetimes.add_histogram(
            &labels,
            LIFETIME_LIMITS_SECONDS,
            &counters.lifetimes,
            counters.lifetimes_seconds,
        );
    }
    vec![sizes, lifetimes]
}

/// Whether the figures above can be believed, and what they cost.
fn health(groups: &Groups<'_>) -> Vec<Family> {
    let gauge =
        |name, help, figure: fn(&Group<'_>) -> f64| family(groups, name, Kind::Gauge, help, figure);
    let counter = |name, help, figure: fn(&Counters) -> f64| {
        let of_group = |group: &Group<'_>| figure(&group.counters);
        family(groups, name, Kind::Counter, help, of_group)
    };
    let mut losses = Family::new(
        "memshim_losses",
        Kind::Counter,
        "What is known to be missing from the figures, by the name that reports give it.",
    );
    for (key, group) in groups {
        for (kind, count) in &group.counters.losses {
            losses.add(&key.and(&[("kind", kind)]), *count);
        }
    }
    vec![
        losses,
        counter(
            "memshim_untracked_bytes",
            "Bytes of blocks that found no slot, so that their death will not be seen.",
            |counters| counters.untracked_bytes,
        ),
        counter("memshim_samples", "Blocks that were sampled.", |counters| {
            counters.samples
        }),
        counter(
            "memshim_profiler_cpu_seconds",
            "Processor time that memshim took in the profiled processes.",
            |counters| counters.own_seconds,
        ),
        counter(
            "memshim_program_cpu_seconds",
            "Processor time of the profiled processes, as memshim saw it last.",
            |counters| counters.program_seconds,
        ),
        gauge(
            "memshim_sampling_interval_bytes",
            "Mean bytes between two samples, of the process where they are the most.",
            |group| group.largest(|figures| figures.interval_bytes),
        ),
        gauge(
            "memshim_segment_bytes",
            "Bytes that the segments take, those of ended processes included.",
            |group| group.segment_bytes,
        ),
        gauge(
            "memshim_segment_issues",
            "Places in the segments that cannot be right.",
            |group| group.issues,
        ),
    ]
}

fn reader(own: Own) -> Vec<Family> {
    let one = |name, kind, help, value| {
        let mut family = Family::new(name, kind, help);
        family.add(&[], value);
        family
    };
    let mut build = Family::new(
        "memshim_reader_build_info",
        Kind::Gauge,
        "1, with the version of the reader in a label.",
    );
    build.add(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    vec![
        one(
            "memshim_reader_reading_seconds",
            Kind::Gauge,
            "Time that reading all segments took for this answer.",
            own.reading_seconds,
        ),
        one(
            "memshim_reader_resident_bytes",
            Kind::Gauge,
            "Resident memory of the reader.",
            own.resident_bytes,
        ),
        one(
            "memshim_reader_cpu_seconds",
            Kind::Counter,
            "Processor time of the reader.",
            own.cpu_seconds,
        ),
        one(
            "memshim_reader_unreadable_segments",
            Kind::Gauge,
            "Segments that could not be read.",
            own.unreadable as f64,
        ),
        build,
    ]
}
