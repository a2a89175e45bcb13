//! What each site does of late, for views that show it again and again.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::growth::{Change, Changes, Window, rate};
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::{rates, verdicts};
use crate::history::{History, SiteIndex, Sum};
use crate::report::{Estimate, Unit};

/// What "of late" means, ns, where deaths are known for so long.
const WINDOW_NS: u64 = 60_000_000_000;

/// The sites of a process, in the order of its history.
pub struct Watch {
    /// How long "of late" is, ns; `None` where the clock is unknown.
    pub window_ns: Option<u64>,
    /// Whether all deaths in that time are known; growth is an upper bound where they are not.
    pub is_complete: bool,
    /// One entry a site.
    pub sites: Vec<Watched>,
}

/// One site.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// Its place in the history.
    pub site: SiteIndex,
    /// What is live.
    pub live: Estimate,
    /// The same in blocks.
    pub live_objects: Estimate,
    /// What it gained of late, bytes a second.
    pub growth: Option<Estimate>,
    /// What it allocated of late, bytes a second; `None` where deaths are not all known, since
    /// blocks that came and went would be missing.
    pub allocated_per_second: Option<f64>,
    /// Whether it leaks.
    pub verdict: Class,
    /// How fast, where it does.
    pub leak: Option<Estimate>,
}

impl Watched {
    /// Whether somebody should look at it.
    pub fn is_leak(&self) -> bool {
        matches!(self.verdict, Class::Leak | Class::GrowingContainer)
    }
}

impl Watch {
    /// Looks at all sites of a history.
    pub fn of(history: &History) -> Watch {
        let subject = Subject::new(history);
        let window = Window::last(history, WINDOW_NS);
        let changes = Changes::within(history, &window);
        let allocated = match window.is_complete {
            true => allocated(history, &window),
            false => Vec::new(),
        };
        let verdicts = verdicts(&subject);
        let leaks = rates(&subject, &verdicts);
        let sampling = Sampling::of(history);
        let seconds = window.ns.map(|ns| ns as f64 / 1e9);
        let seconds = seconds.filter(|seconds| *seconds > 0.0);
        let of_site = |(place, change): (usize, &Change)| {
            let site = &history.sites.all[place];
            let live = site.live();
            let net = change.net(history, Unit::Bytes, &window);
            let born: Option<&Sum> = allocated.get(place);
            Watched {
                site: place,
                live: sampling.sums_of_bytes(&live).estimate(Unit::Bytes),
                live_objects: sampling
                    .sums_of_objects(&live, site.smallest_bytes())
                    .estimate(Unit::Count),
                growth: rate(&net, &window),
                allocated_per_second: born
                    .zip(seconds)
                    .map(|(born, seconds)| born.bytes as f64 / seconds),
                verdict: verdicts[place].class,
                leak: leaks[place],
            }
        };
        Watch {
            window_ns: window.ns,
            is_complete: window.is_complete,
            sites: changes.of_sites(&subject).map(of_site).collect(),
        }
    }
}

/// What was born within the window at each site, dead or alive by now.
fn allocated(history: &History, window: &Window) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); history.sites.all.len()];
    for block in &history.blocks {
        if window.has(block.birth_ticks) {
            sums[block.site()].add(block.size_bytes, &block.weight());
        }
    }
    for life in &history.lives.all {
        if life.birth_ticks.is_some_and(|birth| window.has(birth)) {
            sums[life.site()].add(life.size_bytes, &life.weight());
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::{ALLOCATED, FREED, segment};
    use crate::source::{Interval, Segment};

    #[test]
    fn a_short_life_is_all_of_late() {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let history = History::of(&segment);
        let watch = Watch::of(&history);
        let seconds = watch.window_ns.expect("a known clock") as f64 / 1e9;
        let live: f64 = watch.sites.iter().map(|site| site.live.value).sum();
        let grown = watch.sites.iter().filter_map(|site| site.growth);
        let grown: f64 = grown.map(|growth| growth.value * seconds).sum();
        assert!(watch.is_complete);
        assert!((grown - live).abs() < 1.0, "{grown} of {live}");
        let blocks: f64 = watch.sites.iter().map(|site| site.live_objects.value).sum();
        assert_eq!(blocks, (ALLOCATED - FREED) as f64);
        let born: Sum = history.sites.all.iter().map(|site| site.born()).sum();
        let allocated = watch
            .sites
            .iter()
            .filter_map(|site| site.allocated_per_second);
        let allocated: f64 = allocated.map(|rate| rate * seconds).sum();
        assert!(
            (allocated - born.bytes as f64).abs() < 1.0,
            "{allocated} of {born:?}"
        );
    }
}
