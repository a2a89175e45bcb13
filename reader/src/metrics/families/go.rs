//! What Go runtimes say of their collections and goroutines, named as Prometheus' own client does.

#![forbid(unsafe_code)]

use crate::metrics::families::{Group, Groups};
use crate::metrics::{Family, Kind};
use crate::source::go::vitals::Vitals;

/// Families whose samples are of programs that told something, and of no other.
pub(super) fn runtimes(groups: &Groups<'_>) -> Vec<Family> {
    let family = |name, kind, help, figure: &dyn Fn(&Group<'_>) -> f64| {
        let mut family = Family::new(name, kind, help);
        for (key, group) in groups {
            let figure = figure(group);
            if figure > 0.0 {
                family.add(&key.and(&[]), figure);
            }
        }
        family
    };
    let sum = |figure: fn(&Vitals) -> u64| {
        move |group: &Group<'_>| group.sum(|it| it.go.map_or(0.0, |vitals| figure(&vitals) as f64))
    };
    vec![
        family(
            "memshim_go_goroutines",
            Kind::Gauge,
            "Goroutines of Go programs, where their runtime tells.",
            &sum(|vitals| vitals.goroutines),
        ),
        family(
            "memshim_go_next_gc_bytes",
            Kind::Gauge,
            "Heap at which the next garbage collection is due.",
            &sum(|vitals| vitals.goal_bytes),
        ),
        family(
            "memshim_go_gc_cycles",
            Kind::Counter,
            "Garbage collections of Go programs; ended processes included.",
            &|group| group.counters.go_collections,
        ),
        family(
            "memshim_go_gc_pause_seconds",
            Kind::Counter,
            "How long garbage collections stopped Go programs; ended processes included.",
            &|group| group.counters.go_pauses_seconds,
        ),
    ]
}
