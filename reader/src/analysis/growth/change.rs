//! What each site gained and lost, from blocks that are known one by one.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::growth::window::Window;
use crate::history::{Block, History, SiteIndex, Sum};
use crate::report::{Estimate, Unit};
use crate::source::Weight;
use crate::statistics::interval::{Sums, difference};

/// What one site, or all, gained and lost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Change {
    /// Born within the window and alive at its end.
    pub(crate) gained: Sum,
    /// Older than the window, and freed within it, as far as that is known.
    pub(crate) lost: Sum,
    /// All that ever died there, which no loss can exceed.
    pub(crate) died: Sum,
    /// The smallest block there.
    pub(crate) smallest_bytes: Option<u64>,
}

impl Change {
    /// Whether nothing happened.
    pub(crate) fn is_nothing(&self) -> bool {
        self.gained.raw_objects == 0 && self.lost.raw_objects == 0
    }

    /// The best single figure of its growth.
    pub(crate) fn net_bytes(&self) -> i128 {
        let signed = |bytes: u128| i128::try_from(bytes).unwrap_or(i128::MAX);
        signed(self.gained.bytes) - signed(self.lost.bytes)
    }

    /// Its growth in bytes or in blocks.
    ///
    /// Where deaths are missing, the lower end is what would be left if all that ever died had died
    /// in the window.
    pub(crate) fn net(&self, history: &History, unit: Unit, window: &Window) -> Estimate {
        let sampling = Sampling::of(history);
        let sums = |sum: &Sum| -> Sums {
            match unit {
                Unit::Count => sampling.sums_of_objects(sum, self.smallest_bytes),
                _ => sampling.sums_of_bytes(sum),
            }
        };
        let gained = sums(&self.gained);
        let net = difference(&gained, &sums(&self.lost), unit);
        if window.is_complete {
            return net;
        }
        let lowest = difference(&gained, &sums(&self.died), unit).low;
        Estimate::sampled(net.value, lowest.min(net.low), net.high, unit)
    }

    fn plus(&self, other: &Change) -> Change {
        let smallest = self.smallest_bytes.into_iter().chain(other.smallest_bytes);
        Change {
            gained: self.gained.plus(&other.gained),
            lost: self.lost.plus(&other.lost),
            died: self.died.plus(&other.died),
            smallest_bytes: smallest.min(),
        }
    }
}

/// The changes of all sites.
pub(crate) struct Changes {
    /// By place of the site.
    sites: Vec<Change>,
}

impl Changes {
    fn none(history: &History) -> Changes {
        let sites = history.sites.all.iter().map(|site| Change {
            died: site.died(),
            smallest_bytes: site.smallest_bytes(),
            ..Change::default()
        });
        Changes {
            sites: sites.collect(),
        }
    }

    /// What happened within a window, as one reading remembers it.
    pub(crate) fn within(history: &History, window: &Window) -> Changes {
        let mut changes = Changes::none(history);
        let born = history
            .blocks
            .iter()
            .filter(|block| window.has(block.birth_ticks));
        for block in born {
            changes.gain(block.site(), block.size_bytes, &block.weight());
        }
        for life in &history.lives.all {
            let is_alive_after = life.death_ticks > window.until_ticks;
            let is_new = life.birth_ticks.is_some_and(|birth| window.has(birth));
            if is_new && is_alive_after {
                changes.gain(life.site(), life.size_bytes, &life.weight());
            }
            // A birth that is forgotten was before all deaths were known.
            let is_old = match life.birth_ticks {
                Some(birth) => birth <= window.since_ticks,
                None => window.is_complete,
            };
            if is_old && window.has(life.death_ticks) {
                changes.lose(life.site(), life.size_bytes, &life.weight());
            }
        }
        changes
    }

    /// What is different in a later reading of the same process, block by block.
    pub(crate) fn between(earlier: &History, later: &History) -> Changes {
        let mut changes = Changes::none(later);
        if later.process.identity.go.is_some() {
            changes.of_sums(earlier, later);
            return changes;
        }
        // A site may have been joined by a twin meanwhile; its row still leads to its place.
        let places: Vec<Option<SiteIndex>> = earlier
            .sites
            .all
            .iter()
            .map(|site| later.sites.index_of_row(site.row))
            .collect();
        let mut known: HashMap<Identity, u64> = HashMap::with_capacity(earlier.blocks.len());
        let before = || {
            let blocks = earlier.blocks.iter();
            blocks.filter_map(|block| Some((places[block.site()]?, block)))
        };
        for (site, block) in before() {
            *known.entry(identity(site, block)).or_default() += 1;
        }
        for block in &later.blocks {
            match known.get_mut(&identity(block.site(), block)) {
                Some(left) if *left > 0 => *left -= 1,
                _ => changes.gain(block.site(), block.size_bytes, &block.weight()),
            }
        }
        for (site, block) in before() {
            if let Some(left) = known
                .get_mut(&identity(site, block))
                .filter(|left| **left > 0)
            {
                *left -= 1;
                changes.lose(site, block.size_bytes, &block.weight());
            }
        }
        changes
    }

    /// Where nothing is known of single blocks: what is live at each site then and now.
    fn of_sums(&mut self, earlier: &History, later: &History) {
        let mut before = vec![(Sum::default(), Sum::default()); later.sites.all.len()];
        for site in &earlier.sites.all {
            if let Some(index) = later.sites.index_of_row(site.row) {
                before[index] = (site.born(), site.died());
            }
        }
        for ((site, (born, died)), change) in
            later.sites.all.iter().zip(before).zip(&mut self.sites)
        {
            let (born, died) = (site.born().minus(&born), site.died().minus(&died));
            // What came and went in between is no growth, but its chance is that of the difference.
            let more = |one: &Sum, other: &Sum| Sum {
                objects_variance: one.objects_variance + other.objects_variance,
                bytes_variance: one.bytes_variance + other.bytes_variance,
                ..one.minus(other)
            };
            match born.bytes >= died.bytes {
                true => change.gained = more(&born, &died),
                false => change.lost = more(&died, &born),
            }
        }
    }

    fn gain(&mut self, site: SiteIndex, size_bytes: u64, weight: &Weight) {
        if let Some(change) = self.sites.get_mut(site) {
            change.gained.add(size_bytes, weight);
        }
    }

    fn lose(&mut self, site: SiteIndex, size_bytes: u64, weight: &Weight) {
        if let Some(change) = self.sites.get_mut(site) {
            change.lost.add(size_bytes, weight);
        }
    }

    /// What one site gained and lost.
    pub(crate) fn gained_and_lost(&self, site: SiteIndex) -> (Sum, Sum) {
        let change = self.sites.get(site).copied().unwrap_or_default();
        (change.gained, change.lost)
    }

    /// The changes of the sites that count.
    pub(crate) fn of_sites(&self, subject: &Subject<'_>) -> impl Iterator<Item = (usize, &Change)> {
        let sites = self.sites.iter().enumerate();
        sites.filter(|(site, _)| subject.is_selected(*site))
    }

    /// All of them together.
    pub(crate) fn total(&self, subject: &Subject<'_>) -> Change {
        let changes = self.of_sites(subject).map(|(_, change)| change);
        changes.fold(Change::default(), |total, change| total.plus(change))
    }
}

/// What tells a block from all others: where, when and how large it was born. A thread is at one
/// place at a time, so only blocks of several threads can agree in all of it.
type Identity = (SiteIndex, u64, u64);

fn identity(site: SiteIndex, block: &Block) -> Identity {
    (site, block.birth_ticks, block.size_bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::{ALLOCATED, FREED, segment};
    use crate::source::{Interval, Segment};

    /// A process that allocated a block every 100 ticks, the first at 1,100, and freed the first
    /// thirty of them 50 ticks later.
    fn history() -> History {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        History::of(&segment)
    }

    /// How many blocks were gained and lost.
    fn counts(history: &History, changes: &Changes) -> (u128, u128) {
        let total = changes.total(&Subject::new(history));
        (total.gained.raw_objects, total.lost.raw_objects)
    }

    fn check(since_ticks: u64, until_ticks: u64, expected: (u128, u128)) {
        let history = history();
        let window = Window {
            since_ticks,
            until_ticks,
            ns: None,
            is_complete: true,
            is_watched: false,
        };
        let changes = Changes::within(&history, &window);
        assert_eq!(counts(&history, &changes), expected, "{window:?}");
    }

    #[test]
    fn what_is_born_and_freed_within_the_window_is_no_growth() {
        let alive = u128::from(ALLOCATED - FREED);
        check(0, u64::MAX, (alive, 0));
        // The second block's whole life.
        check(1_190, 1_260, (0, 0));
    }

    #[test]
    fn what_was_born_before_the_window_and_freed_in_it_is_lost() {
        check(1_110, 1_190, (0, 1));
    }

    #[test]
    fn what_was_born_in_the_window_and_freed_after_it_is_gained() {
        check(1_160, 1_210, (1, 0));
    }

    #[test]
    fn two_readings_differ_by_their_blocks() {
        let (mut earlier, mut later) = (history(), history());
        assert_eq!(counts(&later, &Changes::between(&earlier, &later)), (0, 0));
        // The same place, time and size twice is two blocks.
        let twin = later.blocks[0];
        later.blocks.push(twin);
        assert_eq!(counts(&later, &Changes::between(&earlier, &later)), (1, 0));
        earlier.blocks.remove(3);
        later.blocks.remove(5);
        later.blocks.remove(6);
        assert_eq!(counts(&later, &Changes::between(&earlier, &later)), (2, 2));
    }

    #[test]
    fn growth_is_an_upper_bound_where_deaths_are_missing() {
        let history = history();
        let window = Window {
            since_ticks: 0,
            until_ticks: u64::MAX,
            ns: None,
            is_complete: false,
            is_watched: false,
        };
        let changes = Changes::within(&history, &window);
        let net = changes
            .total(&Subject::new(&history))
            .net(&history, Unit::Count, &window);
        let (alive, freed) = ((ALLOCATED - FREED) as f64, FREED as f64);
        assert_eq!(
            (net.low, net.value, net.high),
            (alive - freed, alive, alive)
        );
        assert!(!net.exact);
    }
}
