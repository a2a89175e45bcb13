//! The sizes of the blocks that are alive, finer than a site's histogram has them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::history::{Block, Sum};
use crate::report::{Body, Bucket, Fact, Histogram, Section, Unit, Value};
use crate::statistics::quantiles::Quantiles;

/// Buckets in each doubling of the size, for programs; people get one.
const STEPS: u64 = 8;

/// Sizes below this have a bucket for each of the allocator's steps.
const STEP_BYTES: u64 = 16;

/// The shares of blocks whose sizes are told.
const QUANTILES: [(f64, &str); 3] = [(0.5, "median"), (0.9, "p90"), (0.99, "p99")];

/// The selected blocks that are alive.
pub(super) fn blocks<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Block> {
    let blocks = subject.history.blocks.iter();
    blocks.filter(|block| subject.is_selected(block.site()))
}

/// What the allocator gave.
pub(super) fn usable_bytes(block: &Block) -> u64 {
    block.size_bytes.saturating_add(block.slack_bytes.into())
}

/// Median and high quantiles of what was asked for and of what the allocator gave.
pub(super) fn quantiles(subject: &Subject<'_>) -> Section {
    let (mut requested, mut usable) = (Quantiles::default(), Quantiles::default());
    for block in blocks(subject) {
        let weight = block.weight();
        // The unit of the weight does not matter to shares, but to their variance.
        let unit = crate::source::OBJECT_UNIT as f64;
        let variance = weight.objects_variance * unit * unit;
        requested.add(block.size_bytes, weight.objects, variance);
        usable.add(usable_bytes(block), weight.objects, variance);
    }
    let mut facts = Vec::new();
    for (sizes, what, title) in [
        (&requested, "requested", "asked for"),
        (&usable, "usable", "given"),
    ] {
        for (share, name) in QUANTILES {
            let value = sizes
                .at(share, Unit::Bytes)
                .map_or(Value::Unknown, Value::Estimate);
            facts.push(Fact::new(
                format!("{name}_{what}_bytes"),
                format!("{name}, {title}"),
                value,
            ));
        }
    }
    Section::new("live_size", "A live block's size", Body::Facts(facts))
}

/// Live blocks by the size that was asked for: linear steps in each doubling for programs, whole
/// doublings for people.
pub(crate) fn histogram(subject: &Subject<'_>) -> Section {
    let steps = if subject.is_for_people { 1 } else { STEPS };
    let sampling = Sampling::of(subject.history);
    let mut sums: BTreeMap<(u64, u64), Sum> = BTreeMap::new();
    for block in blocks(subject) {
        let sum = sums.entry(bounds(block.size_bytes, steps)).or_default();
        *sum = sum.plus(&Sum::of_block(block.size_bytes, &block.weight()));
    }
    let mut buckets: Vec<Bucket> = Vec::new();
    for ((low, high), sum) in &sums {
        // People look for gaps, so they see what is empty between what is not.
        if subject.is_for_people && buckets.last().and_then(|last| last.high) < Some(*low) {
            fill(&mut buckets, *low);
        }
        buckets.push(Bucket {
            low: *low,
            high: Some(*high),
            value: sampling.objects(sum, Some((*low).max(1))),
        });
    }
    let histogram = Histogram {
        unit: Unit::Bytes,
        measure: "objects".to_owned(),
        buckets,
    };
    Section::new(
        "live_sizes",
        "Sizes of the live blocks",
        Body::Histogram(histogram),
    )
}

/// Adds the empty buckets between the last one and `low`.
fn fill(buckets: &mut Vec<Bucket>, low: u64) {
    while let Some(start) = buckets
        .last()
        .and_then(|last| last.high)
        .filter(|high| *high < low)
    {
        buckets.push(Bucket {
            low: start,
            high: Some(bounds(start, 1).1),
            value: Value::Count(0),
        });
    }
}

/// The bucket of a size: its first size, and the first above it.
fn bounds(size_bytes: u64, steps: u64) -> (u64, u64) {
    if size_bytes < STEP_BYTES {
        return (0, STEP_BYTES);
    }
    let octave = 1 << size_bytes.ilog2();
    let step = (octave / steps).max(STEP_BYTES);
    let low = size_bytes - size_bytes % step;
    (low, low.saturating_add(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(size_bytes: u64, steps: u64, expected: (u64, u64)) {
        assert_eq!(bounds(size_bytes, steps), expected);
    }

    #[test]
    fn small_sizes_have_a_bucket_for_each_step_of_the_allocator() {
        check(0, STEPS, (0, 16));
        check(33, STEPS, (32, 48));
    }

    #[test]
    fn large_sizes_have_as_many_buckets_in_each_doubling() {
        check(1_024, STEPS, (1_024, 1_152));
        check(2_047, STEPS, (1_920, 2_048));
        check(5_000, 1, (4_096, 8_192));
    }

    #[test]
    fn the_largest_size_has_a_bucket() {
        check(u64::MAX, 1, (1 << 63, u64::MAX));
    }
}
