//! From the history of a process to the evidence about each of its sites.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ops::Range;

use crate::analysis::leaks::container::Generations;
use crate::analysis::leaks::detector::Evidence;
use crate::history::{Block, History, Site, SiteIndex};
use crate::source::{OBJECT_UNIT, lifetime_bucket_limit, lifetime_bucket_start, size_bucket};
use crate::statistics::hazard::{Ended, GoingOn, Lives};

/// Live blocks of one site that are looked at; of more, every so manieth is, which is the same as
/// a coarser sample.
const BLOCKS_MAX: usize = 1 << 14;

/// Live blocks that are gathered at a time, so that a heap of millions is not held twice.
const BATCH_BLOCKS: usize = 1 << 16;

/// More live blocks than a container and the copy that it is growing into.
const CONTAINERS_MAX: usize = 2;

/// When something last happened, ticks.
///
/// A program that sleeps neither allocates nor frees, and its blocks grow old without showing
/// anything by it. So the evidence ends when the program last did something, and of each site it
/// is known since when that was quiet.
struct Activity {
    of_all: u64,
    of_sites: Vec<u64>,
}

impl Activity {
    fn of(history: &History) -> Activity {
        let sites = history.sites.all.iter();
        let mut of_sites: Vec<u64> = sites.map(|site| site.last_ticks).collect();
        for life in &history.lives.all {
            let last = &mut of_sites[life.site()];
            *last = life.death_ticks.max(*last);
        }
        let of_all = of_sites.iter().copied().max().unwrap_or(0);
        Activity {
            of_all: of_all.min(history.now_ticks()),
            of_sites,
        }
    }
}

/// The evidence about every site, in their order, made as it is asked for.
pub(super) fn of_all(history: &History) -> impl Iterator<Item = Evidence> {
    let activity = Activity::of(history);
    let mut alive = vec![0; history.sites.all.len()];
    for block in &history.blocks {
        alive[block.site()] += 1;
    }
    let mut generations = sizes_by_birth(history, &alive);
    batches(&alive).into_iter().flat_map(move |sites| {
        let first = sites.start;
        let mut batch = gather(history, &activity, sites, &alive);
        for (place, evidence) in batch.iter_mut().enumerate() {
            if let Some(sizes) = generations.remove(&(first + place)) {
                evidence.generations.sizes = sizes;
            }
        }
        batch
    })
}

/// How long the ticks are, in seconds; where nobody knows, as on a processor of one gigahertz.
pub(super) fn seconds(history: &History, ticks: u64) -> f64 {
    ticks as f64 * history.clock.ns_per_tick.unwrap_or(1.0) / 1e9
}

/// When the program last did something, ticks: the moment that all ages are told of.
pub(super) fn last_active_ticks(history: &History) -> u64 {
    Activity::of(history).of_all
}

/// Neighbouring sites that have some number of live blocks together.
fn batches(alive: &[usize]) -> Vec<Range<SiteIndex>> {
    let (mut batches, mut start, mut blocks) = (Vec::new(), 0, 0);
    for (site, alive) in alive.iter().enumerate() {
        blocks += alive.min(&BLOCKS_MAX);
        if blocks >= BATCH_BLOCKS {
            batches.push(start..site + 1);
            (start, blocks) = (site + 1, 0);
        }
    }
    batches.push(start..alive.len());
    batches
}

fn gather(
    history: &History,
    activity: &Activity,
    sites: Range<SiteIndex>,
    alive: &[usize],
) -> Vec<Evidence> {
    let stride = |site: SiteIndex| alive[site].div_ceil(BLOCKS_MAX).max(1);
    let about = |site| of_site(history, activity, site, alive[site], stride(site));
    let mut batch: Vec<Evidence> = sites.clone().map(about).collect();
    let mut met = vec![0usize; batch.len()];
    for block in history
        .blocks
        .iter()
        .filter(|block| sites.contains(&block.site()))
    {
        let place = block.site() - sites.start;
        if met[place].is_multiple_of(stride(block.site())) {
            let age_ticks = activity.of_all.saturating_sub(block.birth_ticks);
            add(&mut batch[place], block, seconds(history, age_ticks));
        }
        met[place] += 1;
    }
    for (evidence, site) in batch.iter_mut().zip(&history.sites.all[sites]) {
        let live_range = evidence.generations.size_ranges;
        let ranges: Vec<usize> = site.sizes.iter().map(|(range, _)| range).collect();
        evidence.generations.is_largest = ranges.last().is_some_and(|last| last + 1 == live_range);
        evidence.generations.size_ranges = ranges.len();
    }
    batch
}

/// All about a site but its live blocks, of which every `stride`th will be added.
fn of_site(
    history: &History,
    activity: &Activity,
    index: SiteIndex,
    alive: usize,
    stride: usize,
) -> Evidence {
    let site: &Site = &history.sites.all[index];
    let since = |ticks: u64| seconds(history, activity.of_all.saturating_sub(ticks));
    let run = since(history.clock.start_ticks);
    let ended = site.lifetimes.iter().map(|(bucket, parts)| Ended {
        from: seconds(history, lifetime_bucket_start(bucket)),
        to: lifetime_bucket_limit(bucket).map_or(run, |limit| seconds(history, limit)),
        objects: parts as f64 / OBJECT_UNIT as f64,
    });
    let died = site.died();
    let samples_per_object = match died.objects() {
        0.0 => 1.0,
        objects => died.raw_objects as f64 / objects,
    };
    Evidence {
        run,
        quiet: since(activity.of_sites[index]).min(run),
        site_age: since(site.identity.made_ticks).min(run),
        lives: Lives {
            ended: ended.collect(),
            going_on: Vec::with_capacity(alive / stride),
            samples_per_object: samples_per_object / stride as f64,
        },
        range_end: seconds(history, lifetime_bucket_start(1)),
        generations: Generations {
            born: u64::try_from(site.born().raw_objects).unwrap_or(u64::MAX),
            alive,
            youngest_age: f64::INFINITY,
            ..Generations::default()
        },
    }
}

fn add(evidence: &mut Evidence, block: &Block, age: f64) {
    evidence.site_age = evidence.site_age.max(age).min(evidence.run);
    evidence.lives.going_on.push(GoingOn {
        age,
        objects: block.weight().objects as f64 / OBJECT_UNIT as f64,
    });
    let generations = &mut evidence.generations;
    generations.youngest_age = generations.youngest_age.min(age);
    // The largest so far; `gather` puts the number of ranges here when all have been met.
    generations.size_ranges = generations
        .size_ranges
        .max(size_bucket(block.size_bytes) + 1);
}

/// The sizes of all blocks that are known one by one, by birth, of the sites that may be one
/// container.
fn sizes_by_birth(history: &History, alive: &[usize]) -> HashMap<SiteIndex, Vec<u64>> {
    let may_be_one = |site: SiteIndex| (1..=CONTAINERS_MAX).contains(&alive[site]);
    let mut births: HashMap<SiteIndex, Vec<(u64, u64)>> = HashMap::new();
    let live = history.blocks.iter();
    let live = live.map(|block| (block.site(), block.birth_ticks, block.size_bytes));
    let dead = history.lives.all.iter();
    let dead = dead.filter_map(|life| Some((life.site(), life.birth_ticks?, life.size_bytes)));
    for (site, birth_ticks, size_bytes) in live.chain(dead) {
        if may_be_one(site) {
            births
                .entry(site)
                .or_default()
                .push((birth_ticks, size_bytes));
        }
    }
    let sizes = |mut births: Vec<(u64, u64)>| {
        births.sort_unstable();
        births
            .into_iter()
            .map(|(_, size_bytes)| size_bytes)
            .collect()
    };
    births
        .into_iter()
        .map(|(site, births)| (site, sizes(births)))
        .collect()
}
