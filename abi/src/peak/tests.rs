//! The peak by epochs against a model that copies the whole heap at every maximum.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::header::HEADER_WORDS;
use crate::sites::{Death, Identity, SITE_WORDS, SiteRow, Writers};

const SITES: usize = 5;

/// A birth at a site, or the death of the nth living block.
#[derive(Clone, Debug)]
enum Step {
    Birth { site: usize, size: u64 },
    Death { nth: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let birth = (0..SITES, 1u64..5000).prop_map(|(site, size)| Step::Birth { site, size });
    let death = (0usize..64).prop_map(|nth| Step::Death { nth });
    prop::collection::vec(prop_oneof![3 => birth, 2 => death], 1..400)
}

fn replay(steps: &[Step], interval: crate::weight::Interval, keeps_changes: bool) {
    let [bytes, objects] = [const { AtomicU64::new(0) }; 2];
    let pending = keeps_changes.then_some(Pending {
        bytes: &bytes,
        objects: &objects,
        is_alone: true,
    });
    let writers = if keeps_changes {
        Writers::One
    } else {
        Writers::Any
    };
    let words = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    let header = words(HEADER_WORDS as usize);
    let heap = heap(&header).expect("a header");
    let sites: Vec<SiteRow> = (0..SITES)
        .map(|_| [const { AtomicU64::new(0) }; SITE_WORDS])
        .collect();
    for (index, site) in sites.iter().enumerate() {
        sites::publish(
            site,
            &Identity {
                hash: 2 * index as u64 + 1,
                ..Identity::default()
            },
        );
    }
    let mut living: Vec<(usize, u64)> = Vec::new();
    let (mut most, mut at_most) = (0, [0; SITES]);
    let mut live = [0; SITES];
    for step in steps {
        match *step {
            Step::Birth { site, size } => {
                let weight = Weight::of(size, interval);
                keep(heap, &sites[site]);
                sites::add_birth(&sites[site], size, &weight, 1, writers);
                change(heap, pending, Change::birth(&weight), 1);
                living.push((site, size));
                live[site] += weight.bytes;
            }
            Step::Death { nth } => {
                if living.is_empty() {
                    continue;
                }
                let (site, size) = living.swap_remove(nth % living.len());
                let weight = Weight::of(size, interval);
                keep(heap, &sites[site]);
                sites::add_death(&sites[site], size, &weight, Death::default(), writers);
                change(heap, pending, Change::death(&weight), 1);
                live[site] -= weight.bytes;
            }
        }
        if live.iter().sum::<u64>() > most {
            most = live.iter().sum();
            at_most = live;
        }
    }
    assert_eq!(header[at::PEAK_BYTES].load(Ordering::Relaxed), most);
    let epoch = header[at::PEAK_EPOCH].load(Ordering::Relaxed);
    for (site, expected) in sites.iter().zip(at_most) {
        assert_eq!(held_at_peak(site, epoch), expected as i64);
    }
}

fn held_at_peak(site: &SiteRow, epoch: u64) -> i64 {
    let region = crate::region::RegionShape {
        first_word: 0,
        rows: 1,
        row_words: SITE_WORDS as u64,
    };
    let frozen = site.each_ref().map(|word| word.load(Ordering::Relaxed));
    let site = sites::read::<[u64]>(&frozen, region, 0).expect("published");
    of_site(&site, epoch).bytes
}

proptest! {
    #[test]
    fn every_site_tells_what_it_held_at_the_peak(steps in steps()) {
        for keeps_changes in [false, true] {
            replay(&steps, crate::weight::Interval::EXACT, keeps_changes);
            replay(&steps, crate::weight::Interval::at_most(1024), keeps_changes);
        }
    }
}
