//! Rows that stand for one and the same call stack, added together.
//!
//! Two threads may make a row for one stack at the same time, or each its own on purpose. A block
//! may be born in one of them and die in another, so only their sum means anything.

#![forbid(unsafe_code)]

use std::cmp::Ordering;

use crate::history::{Modules, Site, SiteIndex, Sites};
use crate::source::Totals;

/// For each site the one that it is to be added to, which may be itself.
///
/// Twins have the same addresses in the same modules: after a library was unloaded, the same
/// addresses may be another stack. The modules of an address only grow newer with the number of
/// modules known, so among rows with equal addresses, ordered by that number, twins are
/// neighbours; however a segment lies, nothing is compared with more than its neighbours.
pub(super) fn leaders(sites: &Sites, modules: &Modules) -> Vec<SiteIndex> {
    let all = &sites.all;
    let by_stack = |left: &SiteIndex, right: &SiteIndex| {
        let (left, right) = (&all[*left], &all[*right]);
        compare_stacks(sites, left, right)
            .then_with(|| left.identity.modules.cmp(&right.identity.modules))
            .then_with(|| left.row.cmp(&right.row))
    };
    let mut order: Vec<SiteIndex> = (0..all.len()).collect();
    order.sort_unstable_by(by_stack);
    let mut leaders: Vec<SiteIndex> = (0..all.len()).collect();
    for pair in order.windows(2) {
        if are_twins(sites, modules, &all[pair[0]], &all[pair[1]]) {
            leaders[pair[1]] = leaders[pair[0]];
        }
    }
    leaders
}

fn compare_stacks(sites: &Sites, left: &Site, right: &Site) -> Ordering {
    let key = |site: &Site| (site.identity.hash, site.identity.flags);
    key(left)
        .cmp(&key(right))
        .then_with(|| sites.frames(left).cmp(sites.frames(right)))
}

fn are_twins(sites: &Sites, modules: &Modules, left: &Site, right: &Site) -> bool {
    if left.is_unknown() || right.is_unknown() || compare_stacks(sites, left, right).is_ne() {
        return false;
    }
    let (older, newer) = (left.identity.modules, right.identity.modules);
    let mut frames = sites.frames(left).iter();
    older == newer || frames.all(|frame| modules.find(*frame, older) == modules.find(*frame, newer))
}

/// Adds every site to its leader, and says in `places` where the rows have gone.
pub(super) fn merge(all: &mut Vec<Site>, places: &mut [(u64, SiteIndex)], leaders: &[SiteIndex]) {
    let is_leader = |index: SiteIndex| leaders[index] == index;
    for (index, leader) in leaders.iter().enumerate() {
        if index != *leader {
            let twin = std::mem::take(&mut all[index]);
            all[*leader].absorb(twin);
        }
    }
    let mut kept = 0;
    let moved: Vec<SiteIndex> = (0..leaders.len())
        .map(|index| {
            kept += usize::from(is_leader(index));
            kept.saturating_sub(1)
        })
        .collect();
    for (_, place) in places {
        *place = moved[leaders[*place]];
    }
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        is_leader(index - 1)
    });
}

impl Site {
    /// Adds the figures of another row of the same stack.
    fn absorb(&mut self, twin: Site) {
        self.row = self.row.min(twin.row);
        self.identity.made_ticks = self.identity.made_ticks.min(twin.identity.made_ticks);
        self.last_ticks = self.last_ticks.max(twin.last_ticks);
        self.reallocs = self.reallocs.saturating_add(twin.reallocs);
        self.foreign_deaths = self.foreign_deaths.saturating_add(twin.foreign_deaths);
        self.sizes = self.sizes.plus(&twin.sizes);
        self.lifetimes = self.lifetimes.plus(&twin.lifetimes);
        let smallest = [self.smallest_seen_bytes, twin.smallest_seen_bytes];
        self.smallest_seen_bytes = smallest.into_iter().flatten().min();
        self.born = plus(&self.born, &twin.born);
        self.died = plus(&self.died, &twin.died);
        let (sum, part) = (&mut self.at_peak, &twin.at_peak);
        sum.objects = sum.objects.saturating_add(part.objects);
        sum.bytes = sum.bytes.saturating_add(part.bytes);
        sum.objects_variance += part.objects_variance;
        sum.bytes_variance += part.bytes_variance;
    }
}

fn plus(left: &Totals, right: &Totals) -> Totals {
    Totals {
        objects: left.objects.saturating_add(right.objects),
        bytes: left.bytes.saturating_add(right.bytes),
        raw_objects: left.raw_objects.saturating_add(right.raw_objects),
        raw_bytes: left.raw_bytes.saturating_add(right.raw_bytes),
        objects_variance: left.objects_variance + right.objects_variance,
        bytes_variance: left.bytes_variance + right.bytes_variance,
    }
}

#[cfg(test)]
mod tests;
