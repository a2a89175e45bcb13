//! The history of a part of the blocks: of some threads, sizes, ages or times of birth.
//!
//! Totals and histograms are of all blocks of a site, so a part can only be counted from the blocks
//! that are known one by one: all that are alive, and those that died last.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::history::{Counts, History, Site};
use crate::source::{LIFETIME_BUCKETS, SIZE_BUCKETS, Totals, Weight, lifetime_bucket, size_bucket};

/// Which blocks count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Rows of the threads that allocated them; `None` for all.
    pub threads: Option<HashSet<u32>>,
    /// Bytes asked for.
    pub size_bytes: RangeInclusive<u64>,
    /// How old a block is, or was when it died, ticks.
    pub age_ticks: RangeInclusive<u64>,
    /// When it was born, ticks.
    pub birth_ticks: RangeInclusive<u64>,
}

impl Part {
    /// All blocks.
    pub const WHOLE: Part = Part {
        threads: None,
        size_bytes: 0..=u64::MAX,
        age_ticks: 0..=u64::MAX,
        birth_ticks: 0..=u64::MAX,
    };

    /// Whether a block that is, or was, alive until `until_ticks` counts.
    ///
    /// What is not known of a block decides against it, unless any value would do.
    fn has(
        &self,
        thread: Option<u32>,
        size_bytes: u64,
        birth_ticks: Option<u64>,
        until_ticks: u64,
    ) -> bool {
        let is_known = |range: &RangeInclusive<u64>, value: Option<u64>| match value {
            Some(value) => range.contains(&value),
            None => *range == (0..=u64::MAX),
        };
        let age_ticks = birth_ticks.map(|birth| until_ticks.saturating_sub(birth));
        let is_of_thread = match &self.threads {
            None => true,
            Some(threads) => thread.is_some_and(|thread| threads.contains(&thread)),
        };
        is_of_thread
            && self.size_bytes.contains(&size_bytes)
            && is_known(&self.birth_ticks, birth_ticks)
            && is_known(&self.age_ticks, age_ticks)
    }
}

impl History {
    /// Forgets all blocks that are not in `part`, and counts the sites anew from the others.
    ///
    /// What was live at the peak is unknown of a part, and is nothing from then on; so are the
    /// smallest blocks beyond those that are known.
    pub fn restrict(&mut self, part: Part) {
        let now_ticks = self.now_ticks();
        self.blocks.retain(|block| {
            let birth_ticks = Some(block.birth_ticks);
            part.has(Some(block.thread), block.size_bytes, birth_ticks, now_ticks)
        });
        self.lives.all.retain(|life| {
            part.has(
                life.thread,
                life.size_bytes,
                life.birth_ticks,
                life.death_ticks,
            )
        });
        let mut tallies = vec![Tally::default(); self.sites.all.len()];
        for block in &self.blocks {
            let tally = &mut tallies[block.site()];
            tally.birth(block.size_bytes, Some(block.birth_ticks), &block.weight());
        }
        for life in &self.lives.all {
            let tally = &mut tallies[life.site()];
            tally.birth(life.size_bytes, life.birth_ticks, &life.weight());
            tally.death(life.size_bytes, life.lifetime_ticks(), &life.weight());
            tally.reallocs += u64::from(life.by_realloc);
            let is_foreign = life.thread.is_some_and(|thread| thread != life.freed_by);
            tally.foreign_deaths += u64::from(is_foreign);
        }
        for (site, tally) in self.sites.all.iter_mut().zip(tallies) {
            site.recount(tally);
        }
        self.part = Some(part);
    }
}

/// What a site's blocks come to.
#[derive(Clone)]
struct Tally {
    born: Totals,
    died: Totals,
    sizes: [u64; SIZE_BUCKETS],
    lifetimes: [u64; LIFETIME_BUCKETS],
    last_ticks: u64,
    smallest_bytes: Option<u64>,
    reallocs: u64,
    foreign_deaths: u64,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            born: Totals::default(),
            died: Totals::default(),
            sizes: [0; SIZE_BUCKETS],
            lifetimes: [0; LIFETIME_BUCKETS],
            last_ticks: 0,
            smallest_bytes: None,
            reallocs: 0,
            foreign_deaths: 0,
        }
    }
}

impl Tally {
    fn birth(&mut self, size_bytes: u64, birth_ticks: Option<u64>, weight: &Weight) {
        add(&mut self.born, size_bytes, weight);
        self.sizes[size_bucket(size_bytes)] += weight.objects;
        self.last_ticks = self.last_ticks.max(birth_ticks.unwrap_or(0));
        let known = self.smallest_bytes.unwrap_or(u64::MAX);
        self.smallest_bytes = Some(known.min(size_bytes));
    }

    fn death(&mut self, size_bytes: u64, lifetime_ticks: Option<u64>, weight: &Weight) {
        add(&mut self.died, size_bytes, weight);
        if let Some(ticks) = lifetime_ticks {
            self.lifetimes[lifetime_bucket(ticks)] += weight.objects;
        }
    }
}

fn add(totals: &mut Totals, size_bytes: u64, weight: &Weight) {
    totals.objects = totals.objects.saturating_add(weight.objects);
    totals.bytes = totals.bytes.saturating_add(weight.bytes);
    totals.raw_objects += 1;
    totals.raw_bytes = totals.raw_bytes.saturating_add(size_bytes);
    totals.objects_variance += weight.objects_variance;
    totals.bytes_variance += weight.bytes_variance;
}

impl Site {
    fn recount(&mut self, tally: Tally) {
        self.set_totals(tally.born, tally.died);
        self.sizes = Counts::of(&tally.sizes);
        self.lifetimes = Counts::of(&tally.lifetimes);
        self.last_ticks = tally.last_ticks;
        self.smallest_seen_bytes = tally.smallest_bytes;
        self.reallocs = tally.reallocs;
        self.foreign_deaths = tally.foreign_deaths;
    }
}
