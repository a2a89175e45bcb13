//! How large the blocks are, and how much of what the allocator gave nobody asked for.

#![forbid(unsafe_code)]

mod live;
mod slack;

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::{Analysis, Subject};
use crate::report::{Body, Bucket, Histogram, Section, Unit};
use crate::source::{OBJECT_UNIT, SIZE_BUCKETS, size_bucket_limit, size_bucket_start};
use crate::statistics::interval::Sums;

pub(crate) use live::histogram as live_histogram;

/// Sizes of the blocks, and what the allocator adds to them
///
/// Sizes of all blocks ever allocated are kept by call stack in buckets of a factor of two, as they
/// were asked for. Blocks that are alive are known one by one, so their sizes are shown finer, as
/// asked for and as the allocator rounded them up (malloc_usable_size(3)).
///
/// Slack is the difference of the two: memory that is paid for and not asked for. The allocator's
/// own header of a block, 8 bytes with glibc, comes on top of it. A sampled block counts for those
/// it stands for; intervals of sums are those of every report, those of quantiles Woodruff's with
/// Clopper and Pearson's shares for as many equal blocks as tell as much (Korn and Graubard 1998).
#[derive(Debug, Args)]
pub struct Sizes {}

impl Analysis for Sizes {
    const NAME: &'static str = "sizes";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let mut sections = vec![
            allocated(subject),
            live::quantiles(subject),
            live::histogram(subject),
        ];
        sections.extend(slack::sections(subject));
        sections
    }
}

/// Blocks ever allocated by size.
///
/// Sites keep no variance by size; that of the smallest block of a bucket, which is the largest,
/// is taken for all of it.
pub(crate) fn allocated(subject: &Subject<'_>) -> Section {
    let sampling = Sampling::of(subject.history);
    let mut parts = [0u128; SIZE_BUCKETS];
    for (_, site) in subject.sites() {
        for (bucket, objects) in site.sizes.iter() {
            parts[bucket] += u128::from(objects);
        }
    }
    let last = parts.iter().rposition(|parts| *parts > 0);
    let bucket = |(bucket, parts): (usize, &u128)| {
        let total = *parts as f64 / OBJECT_UNIT as f64;
        let weight = sampling.weight_of(size_bucket_start(bucket));
        let variance = total * (weight - 1.0).max(0.0);
        let sums = Sums {
            total,
            variance,
            seen: 0.0,
            unseen_weight: weight,
        };
        Bucket {
            low: size_bucket_start(bucket),
            high: size_bucket_limit(bucket).map(|limit| limit + 1),
            value: sums.estimate(Unit::Count).into(),
        }
    };
    let shown = last.map_or(0, |last| last + 1);
    let buckets = parts.iter().enumerate().take(shown).map(bucket).collect();
    let histogram = Histogram {
        unit: Unit::Bytes,
        measure: "objects".to_owned(),
        buckets,
    };
    Section::new(
        "sizes",
        "Sizes of all blocks ever allocated",
        Body::Histogram(histogram),
    )
}
