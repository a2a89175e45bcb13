//! How sizes and lifetimes are distributed, and whether all figures can be believed.

#![forbid(unsafe_code)]

use crate::metrics::counters::{LIFETIME_LIMITS_SECONDS, SIZE_LIMITS_BYTES};
use crate::metrics::families::{Group, Groups, Own, family};
use crate::metrics::{Counters, Family, Kind, Pushed};

pub(super) fn distributions(groups: &Groups<'_>) -> Vec<Family> {
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
pub(super) fn health(groups: &Groups<'_>) -> Vec<Family> {
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

pub(super) fn reader(own: Own) -> Vec<Family> {
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
    .into_iter()
    .chain(own.pushed.map(push).into_iter().flatten())
    .collect()
}

/// What became of the profiles that were to be pushed.
fn push(pushed: Pushed) -> Vec<Family> {
    let mut profiles = Family::new(
        "memshim_push_profiles",
        Kind::Counter,
        "Profiles for the server that they are pushed to, by what became of them.",
    );
    for (result, count) in [
        ("sent", pushed.sent),
        ("refused", pushed.refused),
        ("dropped", pushed.dropped),
    ] {
        profiles.add(&[("result", result)], count as f64);
    }
    let mut failures = Family::new(
        "memshim_push_failures",
        Kind::Counter,
        "Pushes that failed and are tried again.",
    );
    failures.add(&[], pushed.failures as f64);
    let mut waiting = Family::new(
        "memshim_push_waiting_bytes",
        Kind::Gauge,
        "Profiles that wait to be pushed.",
    );
    waiting.add(&[], pushed.waiting_bytes as f64);
    vec![profiles, failures, waiting]
}
