//! How large the blocks are, and how much of what the allocator gave nobody asked for.

#![forbid(unsafe_code)]

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::{Analysis, Subject};
use crate::history::{Block, Sum};
use crate::report::{Body, Bucket, Column, Fact, Histogram, Section, Table, Unit, Value};
use crate::source::{OBJECT_UNIT, SIZE_BUCKETS, size_bucket, size_bucket_limit, size_bucket_start};
use crate::statistics::interval::Sums;

/// Sizes of the blocks, and what the allocator adds to them
#[derive(Debug, Args)]
pub struct Sizes {}

impl Analysis for Sizes {
    const NAME: &'static str = "sizes";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let live = LiveSizes::of(subject);
        vec![allocated(subject), live.table(subject), live.slack()]
    }
}

/// Blocks ever allocated by size.
///
/// Sites keep no variance by size; that of the smallest block of a bucket, which is the largest,
/// is taken for all of it.
fn allocated(subject: &Subject<'_>) -> Section {
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

/// The live blocks by size.
struct LiveSizes {
    buckets: [Sum; SIZE_BUCKETS],
    requested: [f64; SIZE_BUCKETS],
    slack: [f64; SIZE_BUCKETS],
}

impl LiveSizes {
    fn of(subject: &Subject<'_>) -> LiveSizes {
        let mut live = LiveSizes {
            buckets: [Sum::default(); SIZE_BUCKETS],
            requested: [0.0; SIZE_BUCKETS],
            slack: [0.0; SIZE_BUCKETS],
        };
        for block in &subject.history.blocks {
            if subject.is_selected(block.site()) {
                live.add(block);
            }
        }
        live
    }

    fn add(&mut self, block: &Block) {
        let bucket = size_bucket(block.size_bytes);
        let weight = block.weight();
        let stands_for = weight.objects as f64 / OBJECT_UNIT as f64;
        self.requested[bucket] += weight.bytes as f64;
        self.slack[bucket] += f64::from(block.slack_bytes) * stands_for;
        self.buckets[bucket] = self.buckets[bucket].plus(&Sum {
            object_parts: weight.objects.into(),
            bytes: weight.bytes.into(),
            raw_objects: 1,
            raw_bytes: block.size_bytes.into(),
            objects_variance: weight.objects_variance,
            bytes_variance: weight.bytes_variance,
        });
    }

    /// One row a size that has live blocks, smallest first.
    fn table(&self, subject: &Subject<'_>) -> Section {
        let sampling = Sampling::of(subject.history);
        let mut table = Table::new(vec![
            Column::new("size_max_bytes", "up to", Unit::Bytes),
            Column::new("live_bytes", "live", Unit::Bytes),
            Column::new("live_objects", "live objects", Unit::Count),
            Column::new("slack_percent", "slack", Unit::Percent),
        ]);
        for (bucket, sum) in self.buckets.iter().enumerate() {
            if sum.raw_objects == 0 {
                continue;
            }
            table.rows.push(vec![
                size_bucket_limit(bucket).map_or(Value::Unknown, Value::Bytes),
                sampling.bytes(sum),
                sampling.objects(sum, Some(size_bucket_start(bucket))),
                percent(self.slack[bucket], self.requested[bucket]),
            ]);
        }
        Section::new("live_sizes", "Sizes of the live blocks", Body::Table(table))
    }

    /// What the allocator gave beyond what was asked for.
    fn slack(&self) -> Section {
        let slack: f64 = self.slack.iter().sum();
        let requested: f64 = self.requested.iter().sum();
        let facts = vec![
            Fact::new("slack_bytes", "slack", Value::Bytes(slack as u64)),
            Fact::new(
                "slack_percent",
                "of the live bytes",
                percent(slack, requested),
            ),
        ];
        Section::new("slack", "Slack", Body::Facts(facts))
            .with_note("Slack is what the allocator gave to live blocks beyond what was asked for.")
    }
}

fn percent(part: f64, whole: f64) -> Value {
    if whole > 0.0 {
        Value::Percent(part / whole * 100.0)
    } else {
        Value::Unknown
    }
}
