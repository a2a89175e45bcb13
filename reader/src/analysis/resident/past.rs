//! Where the memory of a process was, as a recorder found it.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::analysis::resident::kind::Kind;
use crate::analysis::resident::{Share, allocator, live_bytes, shares, table, totals};
use crate::history::Intervals;
use crate::report::{Body, Fact, Section, Value};
use crate::source::Segment;
use crate::source::frozen::{Held, Memory};
use crate::source::maps::mappings;
use crate::statistics::interval::Sums;

/// Asks the kernel where the memory of the process is that writes a segment, some ten milliseconds for
/// each gigabyte; `None` where it does not tell.
pub fn read(segment: &Segment, pid: u32, unix_ns: u64) -> Option<Memory> {
    let mappings = mappings(pid).ok()?;
    let live = live_bytes(segment, &Intervals::of(segment), &mappings);
    let shares = shares(pid, &live, &segment.path, &mappings);
    let allocator = allocator(&mappings, &shares);
    let kinds = shares.iter().filter_map(|(kind, share)| {
        let number = Kind::ALL.iter().position(|it| it == kind)?;
        let live = &share.live;
        Some(Held {
            kind: number as u8,
            resident_bytes: share.resident_bytes,
            swapped_bytes: share.swapped_bytes,
            mappings: share.mappings,
            live: [live.total, live.variance, live.seen, live.unseen_weight],
        })
    });
    Some(Memory {
        unix_ns,
        allocator,
        kinds: kinds.collect(),
    })
}

/// The memory by kind as it was; kinds that this reader does not know are left out.
pub(super) fn sections(memory: &Memory) -> Vec<Section> {
    let shares = memory.kinds.iter().filter_map(|held| {
        let kind = Kind::ALL.get(usize::from(held.kind))?;
        let [total, variance, seen, unseen_weight] = held.live;
        let share = Share {
            resident_bytes: held.resident_bytes,
            swapped_bytes: held.swapped_bytes,
            mappings: held.mappings,
            live: Sums {
                total,
                variance,
                seen,
                unseen_weight,
            },
        };
        Some((*kind, share))
    });
    let shares: BTreeMap<Kind, Share> = shares.collect();
    let mut totals = totals(None, &shares, memory.allocator.clone());
    if let Body::Facts(facts) = &mut totals.body {
        let asked = Value::Time(memory.unix_ns);
        facts.insert(0, Fact::new("asked_unix_ns", "as it was at", asked));
    }
    vec![totals, table(&shares)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Interval;
    use crate::source::fixture::segment;

    #[test]
    fn what_was_read_of_a_process_is_told_as_it_was() {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let memory = read(&segment, std::process::id(), 7).expect("/proc is mounted");
        let kept = rmp_serde::to_vec(&memory).expect("it can be kept");
        assert!(kept.len() < 1_000, "{} bytes", kept.len());
        let memory: Memory = rmp_serde::from_slice(&kept).expect("as it was");
        let told = sections(&memory);
        let resident: u64 = memory.kinds.iter().map(|held| held.resident_bytes).sum();
        let Body::Facts(facts) = &told[0].body else {
            panic!("facts come first");
        };
        assert_eq!(facts[0].value, Value::Time(7));
        assert_eq!(facts[1].value, Value::Bytes(resident));
        assert!(resident > 0);
    }

    #[test]
    fn a_kind_that_is_not_known_yet_is_left_out() {
        let memory = Memory {
            unix_ns: 7,
            allocator: "another".to_owned(),
            kinds: vec![Held {
                kind: 200,
                resident_bytes: 1,
                swapped_bytes: 0,
                mappings: 1,
                live: [0.0; 4],
            }],
        };
        let told = sections(&memory);
        assert!(told[1].table().is_some_and(|table| table.rows.is_empty()));
    }
}
