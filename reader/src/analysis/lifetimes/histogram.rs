//! How many blocks died at which lifetime.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::lifetimes::watch::bounds;
use crate::report::{Body, Bucket, Histogram, Section, Unit};
use crate::source::{LIFETIME_BUCKETS, OBJECT_UNIT, lifetime_bucket_limit};
use crate::statistics::interval::Sums;

/// The lifetimes of all blocks that died, in buckets of a factor of two.
///
/// Sites keep no variance by lifetime; each block that died adds its share of its site's.
pub(crate) fn section(subject: &Subject<'_>) -> Section {
    let sampling = Sampling::of(subject.history);
    let clock = &subject.history.clock;
    let mut buckets = [Sums::default(); LIFETIME_BUCKETS];
    for (_, site) in subject.sites() {
        let died = site.died();
        let variance_each = died.objects_variance / died.objects().max(1.0);
        let largest_weight = sampling.weight_of(site.smallest_bytes().unwrap_or(1));
        for (bucket, parts) in site.lifetimes.iter() {
            let total = parts as f64 / OBJECT_UNIT as f64;
            if let Some(sums) = buckets.get_mut(bucket) {
                sums.merge(&Sums {
                    total,
                    variance: total * variance_each,
                    seen: 0.0,
                    unseen_weight: largest_weight,
                });
            }
        }
    }
    let first = buckets.iter().position(|sums| sums.total > 0.0);
    let last = buckets.iter().rposition(|sums| sums.total > 0.0);
    let shown = match (first, last) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..0,
    };
    let bucket = |index: usize| {
        Some(Bucket {
            low: clock.ns(bounds(index).0)?,
            high: match lifetime_bucket_limit(index) {
                Some(limit) => Some(clock.ns(limit)?),
                None => None,
            },
            value: buckets[index].estimate(Unit::Count).into(),
        })
    };
    let histogram = Histogram {
        unit: Unit::Duration,
        measure: "objects".to_owned(),
        buckets: shown.filter_map(bucket).collect(),
    };
    Section::new(
        "lifetimes",
        "Lifetimes of the blocks that died",
        Body::Histogram(histogram),
    )
}
