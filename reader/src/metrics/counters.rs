//! What only ever rises while a process lives, and so may be a counter for Prometheus.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::history::{History, Site, Sum};
use crate::source::{OBJECT_UNIT, Subject, lifetime_bucket_limit, size_bucket_limit};

/// The upper ends of the classes of sizes: every second of the segment's own, which are exact.
pub const SIZE_LIMITS_BYTES: [u64; 13] = [
    1 << 4,
    1 << 6,
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
];

/// The upper ends of the classes of lifetimes, whatever the clock of a process.
pub const LIFETIME_LIMITS_SECONDS: [f64; 11] = [
    1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0,
];

/// Totals since the start of a process, or of all processes of a program.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Bytes allocated.
    pub allocated_bytes: f64,
    /// Blocks allocated.
    pub allocated_objects: f64,
    /// Bytes freed.
    pub freed_bytes: f64,
    /// Blocks freed.
    pub freed_objects: f64,
    /// Blocks that were sampled.
    pub samples: f64,
    /// Processor time that memshim took.
    pub own_seconds: f64,
    /// Processor time of the program, as memshim saw it last.
    pub program_seconds: f64,
    /// Garbage collections of Go runtimes.
    pub go_collections: f64,
    /// How long these stopped their programs.
    pub go_pauses_seconds: f64,
    /// Bytes of blocks whose death will not be seen.
    pub untracked_bytes: f64,
    /// Blocks allocated by class of size; the last is above all limits.
    pub sizes: [f64; SIZE_LIMITS_BYTES.len() + 1],
    /// Blocks freed by class of lifetime; the last is above all limits.
    pub lifetimes: [f64; LIFETIME_LIMITS_SECONDS.len() + 1],
    /// How long the freed blocks lived together.
    pub lifetimes_seconds: f64,
    /// What was lost, by the name of the segment's counter.
    pub losses: BTreeMap<&'static str, f64>,
}

impl Counters {
    /// The totals of one process.
    pub fn of(history: &History) -> Counters {
        let sites = || history.sites.all.iter();
        let born: Sum = sites().map(Site::born).sum();
        let died: Sum = sites().map(Site::died).sum();
        let slow_ns = history.clock.ns(history.counter("slow_ticks"));
        let losses = history.counters.iter();
        let losses = losses.filter(|counter| {
            counter.subject == Subject::Loss && !counter.name.ends_with("_bytes")
        });
        let go = history.process.identity.go.map(|go| go.vitals);
        let go = go.unwrap_or_default();
        let mut counters = Counters {
            allocated_bytes: born.bytes as f64,
            allocated_objects: born.objects(),
            freed_bytes: died.bytes as f64,
            freed_objects: died.objects(),
            samples: history.counter("sampled_blocks") as f64,
            // The whole cost is known only from the first look at the processor time on.
            own_seconds: history.cost.cost_ns.max(slow_ns.unwrap_or(0)) as f64 / 1e9,
            program_seconds: history.cost.cpu_ns as f64 / 1e9,
            go_collections: go.collections as f64,
            go_pauses_seconds: go.pauses_ns as f64 / 1e9,
            untracked_bytes: history.counter("untracked_bytes") as f64,
            losses: losses
                .map(|counter| (counter.name, counter.value as f64))
                .collect(),
            ..Counters::default()
        };
        for site in sites() {
            counters.add_site(history, site);
        }
        counters
    }

    fn add_site(&mut self, history: &History, site: &Site) {
        for (bucket, parts) in site.sizes.iter() {
            let is_above = |limit: &u64| size_bucket_limit(bucket).is_none_or(|most| most > *limit);
            let class = SIZE_LIMITS_BYTES.partition_point(is_above);
            self.sizes[class] += parts as f64 / OBJECT_UNIT as f64;
        }
        for (bucket, parts) in site.lifetimes.iter() {
            let most_ticks = lifetime_bucket_limit(bucket);
            let most_ns = most_ticks.and_then(|ticks| history.clock.ns(ticks));
            let most_seconds = most_ns.map_or(f64::INFINITY, |ns| ns as f64 / 1e9);
            let class = LIFETIME_LIMITS_SECONDS.partition_point(|limit| *limit < most_seconds);
            let objects = parts as f64 / OBJECT_UNIT as f64;
            self.lifetimes[class] += objects;
            // Buckets double, so that their geometric mean is their end over the root of two.
            if most_seconds.is_finite() {
                self.lifetimes_seconds += objects * most_seconds / std::f64::consts::SQRT_2;
            }
        }
    }

    /// Adds another process's totals.
    pub fn add(&mut self, other: &Counters) {
        self.join(other, |left, right| left + right);
    }

    /// Raises each total to what an earlier reading had, so that no counter falls where a reading
    /// met the program between two writes.
    pub fn raise_to(&mut self, earlier: &Counters) {
        self.join(earlier, f64::max);
    }

    fn join(&mut self, other: &Counters, both: impl Fn(f64, f64) -> f64) {
        let pairs = [
            (&mut self.allocated_bytes, other.allocated_bytes),
            (&mut self.allocated_objects, other.allocated_objects),
            (&mut self.freed_bytes, other.freed_bytes),
            (&mut self.freed_objects, other.freed_objects),
            (&mut self.samples, other.samples),
            (&mut self.own_seconds, other.own_seconds),
            (&mut self.program_seconds, other.program_seconds),
            (&mut self.go_collections, other.go_collections),
            (&mut self.go_pauses_seconds, other.go_pauses_seconds),
            (&mut self.untracked_bytes, other.untracked_bytes),
            (&mut self.lifetimes_seconds, other.lifetimes_seconds),
        ];
        let sizes = self.sizes.iter_mut().zip(other.sizes);
        let lifetimes = self.lifetimes.iter_mut().zip(other.lifetimes);
        for (left, right) in pairs.into_iter().chain(sizes).chain(lifetimes) {
            *left = both(*left, right);
        }
        for (name, right) in &other.losses {
            let left = self.losses.entry(name).or_default();
            *left = both(*left, *right);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::segment;
    use crate::source::{Interval, Segment};

    fn counters() -> Counters {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        Counters::of(&History::of(&segment))
    }

    #[test]
    fn every_allocated_and_every_freed_block_is_in_one_class() {
        let counters = counters();
        assert!(counters.allocated_objects > 0.0);
        let sizes: f64 = counters.sizes.iter().sum();
        assert_eq!(sizes, counters.allocated_objects);
        let lifetimes: f64 = counters.lifetimes.iter().sum();
        assert_eq!(lifetimes, counters.freed_objects);
    }

    #[test]
    fn a_reading_that_saw_less_does_not_lower_a_counter() {
        let earlier = counters();
        let mut later = Counters {
            allocated_bytes: earlier.allocated_bytes + 1.0,
            ..Counters::default()
        };
        later.raise_to(&earlier);
        let expected = Counters {
            allocated_bytes: earlier.allocated_bytes + 1.0,
            ..earlier
        };
        assert_eq!(later, expected);
    }

    #[test]
    fn totals_of_two_processes_add_up() {
        let one = counters();
        let mut two = one.clone();
        two.add(&one);
        assert_eq!(two.allocated_bytes, 2.0 * one.allocated_bytes);
        assert_eq!(two.sizes[0], 2.0 * one.sizes[0]);
        assert_eq!(two.losses.len(), one.losses.len());
    }
}
