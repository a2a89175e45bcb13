//! Where the memory of a running process is, and how much of it no live block explains.

#![forbid(unsafe_code)]

mod kind;
mod past;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use clap::Args;

use crate::analysis::{Analysis, Subject};
use crate::history::{History, Intervals};
use crate::report::{Body, Column, Estimate, Fact, Section, Table, Unit, Value};
use crate::source::go::process::is_go;
use crate::source::limit::Limit;
use crate::source::maps::{Mapping, mappings};
use crate::source::{Issues, Segment, Weight, limit};
use crate::statistics::interval::Sums;

use kind::Kind;

pub use past::read;

/// Where the memory of a running process is: live blocks, what the allocator keeps, and the rest
///
/// Method: the kernel tells how much of each mapping is in memory (smaps), and each mapping is
/// given a purpose. Live blocks stand beside the mappings that they lie in, with their interval;
/// what they do not explain of the heap, of the arenas and of mappings with blocks is the
/// allocator's overhead and memory that was freed and kept.
///
/// Assumptions: a heap of a glibc arena is known by its alignment to 64 MiB, a thread's stack by
/// the guard page below it, memshim's private memory by not being inherited at fork. Other
/// allocators tell nothing from outside: their mappings are those in which sampled blocks lie, so a
/// mapping whose blocks all escaped the samples is counted as other anonymous memory. Blocks that
/// were never written to are live and not resident, which hides as much of what is kept.
///
/// Asking makes the kernel look at every page of the process, some ten milliseconds for each gigabyte.
#[derive(Debug, Args)]
pub struct Resident {}

impl Analysis for Resident {
    const NAME: &'static str = "resident";
    const NEEDS_BLOCKS: Option<&'static str> = Some("Which memory live blocks lie in is");

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        sections(subject.history)
    }
}

/// Memory of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    resident_bytes: u64,
    swapped_bytes: u64,
    mappings: u64,
    /// What live blocks take of it, as the allocator rounds them.
    live: Sums,
}

impl Share {
    /// What no live block explains; never below nothing, since blocks need not be resident.
    fn kept(&self) -> Estimate {
        let held = self.resident_bytes.saturating_add(self.swapped_bytes) as f64;
        let live = self.live.estimate(Unit::Bytes);
        let left = |live: f64| (held - live).max(0.0);
        match live.exact {
            true => Estimate::exact(left(live.value), Unit::Bytes),
            false => Estimate::sampled(
                left(live.value),
                left(live.high),
                left(live.low),
                Unit::Bytes,
            ),
        }
    }
}

/// The memory by kind, then what it comes to; one section with the reason where nobody can tell.
pub(crate) fn sections(history: &History) -> Vec<Section> {
    if history.process.identity.go.is_some() {
        // Go's runtime maps its heap itself, and tells no addresses.
        return Vec::new();
    }
    let unknown = |reason: String| {
        let facts = vec![Fact::new("resident", "not known", Value::Text(reason))];
        vec![Section::new(
            "resident",
            "Where the memory is",
            Body::Facts(facts),
        )]
    };
    if history.process.is_past {
        return match &history.process.memory {
            Some(memory) => past::sections(memory),
            None => unknown(
                "the recorder had not asked yet where it is; how much was in memory stands under \
                 snapshots over time"
                    .to_owned(),
            ),
        };
    }
    if !history.process.is_alive() {
        return unknown("the process is gone, and what was resident with it".to_owned());
    }
    let pid = history.process.identity.pid;
    match mappings(pid) {
        Ok(mappings) => {
            let live = match Segment::open(&history.path) {
                Ok(segment) => live_bytes(&segment, &history.intervals, &mappings),
                Err(_) => Vec::new(),
            };
            let shares = shares(pid, &live, &history.path, &mappings);
            let allocator = allocator(&mappings, &shares);
            let limit = limit::control_group(pid);
            vec![totals(limit, &shares, allocator), table(&shares)]
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => unknown(format!(
            "the kernel does not show the memory of process {pid} to this user; ask as its owner \
             or as root"
        )),
        Err(error) => unknown(format!(
            "the memory of process {pid} cannot be read: {error}"
        )),
    }
}

/// The memory of a process by kind.
fn shares(pid: u32, live: &[Sums], segment: &Path, mappings: &[Mapping]) -> BTreeMap<Kind, Share> {
    let is_go = is_go(pid).unwrap_or(false);
    let name = segment.file_name().unwrap_or_default().to_string_lossy();
    let mut shares: BTreeMap<Kind, Share> = BTreeMap::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let live = live.get(index).copied().unwrap_or_default();
        let kind = Kind::of(mappings, index, &name, is_go, live.total > 0.0);
        let changed_bytes = match kind {
            Kind::Files => mapping.anonymous_bytes.min(mapping.resident_bytes),
            _ => 0,
        };
        if changed_bytes > 0 {
            let changed = shares.entry(Kind::FilesChanged).or_default();
            changed.resident_bytes += changed_bytes;
            changed.mappings += 1;
        }
        let share = shares.entry(kind).or_default();
        share.resident_bytes += mapping.resident_bytes - changed_bytes;
        share.swapped_bytes += mapping.swapped_bytes;
        share.mappings += u64::from(mapping.resident_bytes > changed_bytes);
        share.live.merge(&live);
    }
    shares
}

/// What live blocks take of each mapping: the slots are looked at again, for their addresses.
fn live_bytes(segment: &Segment, intervals: &Intervals, mappings: &[Mapping]) -> Vec<Sums> {
    let unseen_weight = intervals.coarsest().bytes().unwrap_or(0) as f64;
    let mut live = vec![Sums::new(unseen_weight); mappings.len()];
    segment.slots(&mut Issues::default(), |slot| {
        let index = mappings.partition_point(|mapping| mapping.range.end <= slot.address);
        let is_in = |mapping: &&Mapping| mapping.range.contains(&slot.address);
        if !slot.is_live() || mappings.get(index).filter(is_in).is_none() {
            return;
        }
        let weight = Weight::of(slot.size_bytes, slot.interval);
        let usable_bytes = slot.size_bytes as f64 + f64::from(slot.slack_bytes);
        live[index].add(usable_bytes, weight.probability());
    });
    live
}

/// What it all comes to.
fn totals(limit: Option<Limit>, shares: &BTreeMap<Kind, Share>, allocator: String) -> Section {
    let resident_bytes: u64 = shares.values().map(|share| share.resident_bytes).sum();
    let swapped_bytes: u64 = shares.values().map(|share| share.swapped_bytes).sum();
    let allocators = || shares.iter().filter(|(kind, _)| kind.has_blocks());
    let mut live = Sums::default();
    let mut kept = Estimate::exact(0.0, Unit::Bytes);
    for (_, share) in allocators() {
        live.merge(&share.live);
        let part = share.kept();
        kept = Estimate {
            value: kept.value + part.value,
            // The ends of disjoint parts are never all reached at once; their sums are safe.
            low: kept.low + part.low,
            high: kept.high + part.high,
            exact: kept.exact && part.exact,
            unit: Unit::Bytes,
        };
    }
    let held: u64 = allocators()
        .map(|(_, share)| share.resident_bytes + share.swapped_bytes)
        .sum();
    let mut facts = vec![
        Fact::new("resident_bytes", "resident", Value::Bytes(resident_bytes)),
        Fact::new(
            "allocator_bytes",
            "of it the allocator's",
            Value::Bytes(held),
        ),
        Fact::new(
            "live_usable_bytes",
            "in live blocks",
            live.estimate(Unit::Bytes).into(),
        ),
        Fact::new("kept_bytes", "overhead, and freed but kept", kept.into()),
        Fact::new("allocator", "allocator", Value::text(allocator)),
    ];
    if swapped_bytes > 0 {
        let swapped = Value::Bytes(swapped_bytes);
        facts.insert(1, Fact::new("swapped_bytes", "in swap", swapped));
    }
    if let Some(limit) = limit {
        let (bytes, used) = (
            Value::Bytes(limit.limit_bytes),
            Value::Bytes(limit.used_bytes),
        );
        facts.push(Fact::new(
            "limit_bytes",
            "limit of its control group",
            bytes,
        ));
        facts.push(Fact::new("limit_used_bytes", "used of that", used));
    }
    Section::new("resident", "Where the memory is", Body::Facts(facts))
}

/// Which allocator serves the program, and what it shows from outside.
fn allocator(mappings: &[Mapping], shares: &BTreeMap<Kind, Share>) -> String {
    const OTHERS: &[&str] = &["jemalloc", "tcmalloc", "mimalloc"];
    let is_loaded = |name: &&&str| {
        let file = |mapping: &Mapping| mapping.name.rsplit('/').next().map(str::to_owned);
        let mut files = mappings.iter().filter_map(file);
        files.any(|file| file.contains(**name))
    };
    if let Some(name) = OTHERS.iter().find(is_loaded) {
        return format!("{name}, which tells nothing from outside");
    }
    match shares.get(&Kind::Arenas).map_or(0, |share| share.mappings) {
        0 => "the C library, with one arena".to_owned(),
        heaps => format!("the C library, with {heaps} heaps of arenas for threads"),
    }
}

/// One row a kind, those that blocks lie in first.
fn table(shares: &BTreeMap<Kind, Share>) -> Section {
    let mut table = Table::new(vec![
        Column::new("what", "what", Unit::Text),
        Column::new("resident_bytes", "resident", Unit::Bytes),
        Column::new("live_bytes", "live blocks", Unit::Bytes),
        Column::new("kept_bytes", "not in them", Unit::Bytes),
        Column::derived("swapped_bytes", "swapped", Unit::Bytes),
        Column::derived("mappings", "mappings", Unit::Count),
        Column::new("meaning", "", Unit::Text),
    ]);
    let is_there = |share: &&Share| share.resident_bytes + share.swapped_bytes > 0;
    for (kind, share) in shares {
        if !is_there(&share) {
            continue;
        }
        let of_blocks = |value: Estimate| match kind.has_blocks() {
            true => value.into(),
            false => Value::Unknown,
        };
        table.rows.push(vec![
            Value::text(kind.name()),
            Value::Bytes(share.resident_bytes),
            of_blocks(share.live.estimate(Unit::Bytes)),
            of_blocks(share.kept()),
            Value::Bytes(share.swapped_bytes),
            Value::Count(share.mappings),
            Value::text(kind.meaning()),
        ]);
    }
    Section::new("resident_by_kind", "By kind", Body::Table(table))
}
