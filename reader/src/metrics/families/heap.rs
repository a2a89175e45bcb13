//! How much lives, was allocated and was freed, and what the kernel says of the memory.

#![forbid(unsafe_code)]

use crate::metrics::families::{Group, Groups, family};
use crate::metrics::{Counters, Family, Figures, Kind};

pub(super) fn heap(groups: &Groups<'_>) -> Vec<Family> {
    let gauge =
        |name, help, figure: fn(&Group<'_>) -> f64| family(groups, name, Kind::Gauge, help, figure);
    let counter = |name, help, figure: fn(&Counters) -> f64| {
        let of_group = |group: &Group<'_>| figure(&group.counters);
        family(groups, name, Kind::Counter, help, of_group)
    };
    vec![
        gauge("memshim_processes", "Processes that are alive.", |group| {
            let processes = group.alive.iter().filter(|figures| !figures.is_beside);
            processes.count() as f64
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
pub(super) fn memory(groups: &Groups<'_>) -> Vec<Family> {
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
