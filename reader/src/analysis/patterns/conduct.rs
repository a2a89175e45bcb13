//! How the blocks of one call stack are used: everything that the rules for advice look at.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::by_site::BySite;
use crate::analysis::lifetimes::Temporaries;
use crate::history::{Block, Life, Site, SiteIndex, Sum};
use crate::source::{Kind, OBJECT_UNIT, SIZE_BUCKETS, size_bucket_limit};
use crate::statistics::interval::Sums;

/// Bytes in a page (x86-64).
pub(super) const PAGE_BYTES: u64 = 4096;

/// What glibc puts before a block: in a mapping of its own twice as much as elsewhere.
const HEADER_BYTES: u64 = 8;

/// Sizes below this never have a mapping of their own by default (mallopt(3), M_MMAP_THRESHOLD).
const MAPPED_MIN_BYTES: u64 = 128 * 1024;

/// One call stack's blocks.
pub(super) struct Conduct<'a> {
    pub(super) site: &'a Site,
    /// How long it has been looked at, in seconds.
    pub(super) seconds: f64,
    /// What the whole process took of one core, where that is known: no gain is larger.
    pub(super) cpu_percent: Option<f64>,
    pub(super) temporary: Sum,
    /// Shares are of the blocks known one by one; how many samples these are.
    pub(super) samples: usize,
    /// The share of those that realloc gave.
    pub(super) grown_share: f64,
    /// The share of the deaths that were on another thread.
    pub(super) foreign_share: f64,
    pub(super) foreign_samples: usize,
    /// Blocks with a mapping of their own: the share, and their mean size.
    pub(super) mapped_share: f64,
    pub(super) mapped_samples: usize,
    pub(super) mapped_mean_bytes: f64,
    /// The size of all live blocks, where they have only one.
    pub(super) only_size_bytes: Option<u64>,
    /// What the allocator gave the live blocks beyond what was asked for, its headers included.
    pub(super) overhead: Sums,
    /// The same without headers.
    pub(super) slack: Sums,
    pub(super) is_exact: bool,
}

/// A weighted share of blocks.
#[derive(Default)]
struct Share {
    part: f64,
    whole: f64,
    samples: usize,
}

impl Share {
    fn add(&mut self, weight: f64, is_part: bool) {
        self.whole += weight;
        if is_part {
            self.part += weight;
            self.samples += 1;
        }
    }

    fn get(&self) -> f64 {
        if self.whole > 0.0 {
            self.part / self.whole
        } else {
            0.0
        }
    }
}

/// The blocks of a history by call stack.
pub(super) struct Conducts<'a> {
    subject: &'a Subject<'a>,
    temporaries: Temporaries<'a>,
    blocks: BySite,
    lives: BySite,
    seconds: f64,
}

impl<'a> Conducts<'a> {
    /// `None` where nobody knows how long the program ran.
    pub(super) fn of(subject: &'a Subject<'a>, temporary_below_ns: u64) -> Option<Conducts<'a>> {
        let history = subject.history;
        let age_ns = history.age_ns(history.clock.start_ticks)?;
        let count = history.sites.all.len();
        Some(Conducts {
            subject,
            temporaries: Temporaries::new(history, temporary_below_ns),
            blocks: BySite::new(count, history.blocks.iter().map(Block::site)),
            lives: BySite::new(count, history.lives.all.iter().map(Life::site)),
            seconds: age_ns.max(1) as f64 / 1e9,
        })
    }

    /// The conduct of one site.
    pub(super) fn site(&self, index: SiteIndex) -> Conduct<'a> {
        let history = self.subject.history;
        let is_exact = history.intervals.are_exact();
        let (mut grown, mut foreign, mut mapped) =
            (Share::default(), Share::default(), Share::default());
        let mut mapped_bytes = 0.0;
        let mut add_mapped = |size_bytes: u64, slack_bytes: Option<u32>, weight: f64| {
            let is_mapped = slack_bytes.is_some_and(|slack| has_own_mapping(size_bytes, slack));
            mapped.add(weight, is_mapped);
            if is_mapped {
                mapped_bytes += size_bytes as f64 * weight;
            }
        };
        for life in self.lives.of(index).map(|place| &history.lives.all[place]) {
            let weight = life.weight().objects as f64 / OBJECT_UNIT as f64;
            grown.add(weight, life.kind == Kind::Realloc);
            if let Some(thread) = life.thread.filter(|_| life.is_death_seen) {
                foreign.add(weight, thread != life.freed_by);
            }
            if life.slack_bytes.is_some() {
                add_mapped(life.size_bytes, life.slack_bytes, weight);
            }
        }
        let (mut overhead, mut slack) = (Sums::default(), Sums::default());
        let mut sizes: Option<(u64, u64)> = None;
        for block in self.blocks.of(index).map(|place| &history.blocks[place]) {
            let weight = block.weight();
            let objects = weight.objects as f64 / OBJECT_UNIT as f64;
            grown.add(objects, block.kind == Kind::Realloc);
            add_mapped(block.size_bytes, Some(block.slack_bytes), objects);
            let (low, high) = sizes.unwrap_or((block.size_bytes, block.size_bytes));
            sizes = Some((low.min(block.size_bytes), high.max(block.size_bytes)));
            let spare = f64::from(block.slack_bytes);
            add(
                &mut slack,
                spare,
                objects,
                weight.objects_variance,
                is_exact,
            );
            let spare = spare + HEADER_BYTES as f64;
            add(
                &mut overhead,
                spare,
                objects,
                weight.objects_variance,
                is_exact,
            );
        }
        Conduct {
            site: &history.sites.all[index],
            seconds: self.seconds,
            cpu_percent: (history.cost.cpu_ns > 0)
                .then(|| history.cost.cpu_ns as f64 / self.seconds / 1e9 * 100.0),
            temporary: self.temporaries.of(index).unwrap_or_default(),
            samples: self.lives.of(index).count() + self.blocks.of(index).count(),
            grown_share: grown.get(),
            foreign_share: foreign.get(),
            foreign_samples: foreign.samples,
            mapped_share: mapped.get(),
            mapped_samples: mapped.samples,
            mapped_mean_bytes: mapped_bytes / mapped.part.max(1.0),
            only_size_bytes: sizes.and_then(|(low, high)| (low == high).then_some(low)),
            overhead,
            slack,
            is_exact,
        }
    }
}

impl Conduct<'_> {
    /// The share of its blocks that died young.
    pub(super) fn temporary_share(&self) -> f64 {
        self.temporary.objects() / self.site.born().objects().max(1.0)
    }

    /// How many blocks a chain of doublings needs from its smallest to its largest.
    pub(super) fn doublings(&self) -> f64 {
        let smallest = self.site.smallest_bytes().unwrap_or(1);
        (self.largest_bytes() as f64 / smallest as f64)
            .max(1.0)
            .log2()
            .ceil()
            + 1.0
    }

    /// The largest size that its largest blocks may have; 0 where there is no limit.
    pub(super) fn largest_bytes(&self) -> u64 {
        let last = self.site.sizes.iter().map(|(bucket, _)| bucket).max();
        last.filter(|bucket| *bucket < SIZE_BUCKETS)
            .and_then(size_bucket_limit)
            .unwrap_or(0)
    }
}

/// Whether a block lies in a mapping of its own: glibc rounds those to whole pages, less its two
/// words before the block; of other blocks one in 256 looks the same.
fn has_own_mapping(size_bytes: u64, slack_bytes: u32) -> bool {
    let mapping = size_bytes
        .saturating_add(slack_bytes.into())
        .saturating_add(2 * HEADER_BYTES);
    size_bytes >= MAPPED_MIN_BYTES && mapping.is_multiple_of(PAGE_BYTES)
}

/// Adds a block with `spare` bytes that stands for `objects`.
fn add(sums: &mut Sums, spare: f64, objects: f64, variance: f64, is_exact: bool) {
    sums.total += spare * objects;
    sums.variance += spare * spare * variance;
    sums.seen += spare;
    if !is_exact {
        sums.unseen_weight = sums.unseen_weight.max(spare * objects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(size_bytes: u64, slack_bytes: u32, expected: bool) {
        assert_eq!(has_own_mapping(size_bytes, slack_bytes), expected);
    }

    #[test]
    fn a_large_block_of_whole_pages_has_a_mapping_of_its_own() {
        // malloc_usable_size of 256 KiB under glibc: 262,144 + 4,080, and 262,144 + 8 in an arena.
        check(256 * 1024, 4_080, true);
        check(256 * 1024, 8, false);
    }

    #[test]
    fn a_small_block_has_none() {
        check(4_080, 0, false);
    }
}
