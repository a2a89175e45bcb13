//! What each site of a process did between two readings, for those who add up many processes.

#![forbid(unsafe_code)]

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::growth::Changes;
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::Suspicion;
use crate::analysis::leaks::{rates, verdicts};
use crate::history::{History, Site, SiteIndex, Sum};
use crate::report::Estimate;
use crate::statistics::interval::Sums;

/// One site within the time between two readings.
#[derive(Debug, Clone)]
pub struct Spanned {
    /// Its place in the later history.
    pub site: SiteIndex,
    /// The same for the same stack in every process that runs the same builds.
    pub stack_id: u64,
    /// Bytes that were born between and live.
    pub gained: Sums,
    /// Bytes that lived and were freed between.
    pub lost: Sums,
    /// Bytes that live.
    pub live: Sums,
    /// Whether it leaks, by all that the later reading tells.
    pub verdict: Class,
    /// How fast, where it does.
    pub rate: Option<Estimate>,
    /// What speaks for a leak; `None` where too few blocks survive.
    pub suspicion: Option<Suspicion>,
}

impl Spanned {
    /// Whether somebody should look at it, however little it changed.
    pub fn is_leak(&self) -> bool {
        matches!(self.verdict, Class::Leak | Class::GrowingContainer)
    }
}

/// The sites that changed or leak; without an earlier reading all that lives is taken for new.
pub fn of(earlier: Option<&History>, later: &History) -> Vec<Spanned> {
    let subject = Subject::new(later);
    let sampling = Sampling::of(later);
    let verdicts = verdicts(&subject);
    let rates = rates(&subject, &verdicts);
    let changes = earlier.map(|earlier| Changes::between(earlier, later));
    let changed = |place: SiteIndex, site: &Site| match &changes {
        Some(changes) => changes.gained_and_lost(place),
        None => (site.live(), Sum::default()),
    };
    let sites = later.sites.all.iter().enumerate();
    let spanned = sites.filter_map(|(place, site)| {
        let (gained, lost) = changed(place, site);
        let verdict = &verdicts[place];
        let is_alarm = verdict.class < Class::TooLittleData;
        if gained.raw_objects == 0 && lost.raw_objects == 0 && !is_alarm {
            return None;
        }
        Some(Spanned {
            site: place,
            stack_id: stack_id(later, site),
            gained: sampling.sums_of_bytes(&gained),
            lost: sampling.sums_of_bytes(&lost),
            live: sampling.sums_of_bytes(&site.live()),
            verdict: verdict.class,
            rate: rates[place],
            suspicion: verdict.suspicion,
        })
    });
    spanned.collect()
}

/// A number for the code that a stack names, wherever it was loaded.
pub fn stack_id(history: &History, site: &Site) -> u64 {
    let mut hasher = DefaultHasher::new();
    for address in history.sites.frames(site) {
        let module = history.modules.find(*address, site.identity.modules);
        match module.and_then(|place| history.modules.all.get(place)) {
            Some(module) => {
                module.build_id.hash(&mut hasher);
                if module.build_id.is_empty() {
                    module.path.hash(&mut hasher);
                }
                address.wrapping_sub(module.bias).hash(&mut hasher);
            }
            None => address.hash(&mut hasher),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::segment;
    use crate::source::{Interval, Segment};

    fn history() -> History {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        History::of(&segment)
    }

    #[test]
    fn without_an_earlier_reading_all_that_lives_is_new() {
        let history = history();
        let live: Sum = history.sites.all.iter().map(Site::live).sum();
        let gained: f64 = of(None, &history)
            .iter()
            .map(|site| site.gained.total)
            .sum();
        assert!(gained > 0.0);
        assert_eq!(gained, live.bytes as f64);
    }

    #[test]
    fn between_two_equal_readings_nothing_happened() {
        let spanned = of(Some(&history()), &history());
        let moved: f64 = spanned
            .iter()
            .map(|site| site.gained.total + site.lost.total)
            .sum();
        assert_eq!(moved, 0.0);
    }

    #[test]
    fn a_stack_has_one_number_wherever_it_is_read() {
        let [one, two] = [history(), history()];
        let ids = |history: &History| -> Vec<u64> {
            let sites = history.sites.all.iter();
            sites.map(|site| stack_id(history, site)).collect()
        };
        let found = ids(&one);
        assert_eq!(found, ids(&two));
        let distinct: std::collections::HashSet<u64> = found.iter().copied().collect();
        assert_eq!(distinct.len(), found.len());
    }
}
