//! The blocks that died last, one by one: what totals and histograms cannot tell.
//!
//! Two tables remember them. A slot keeps its block until it is used again; the ring has the births
//! and deaths of late. Neither goes back to the start of a long run, so what is here is a window
//! that ends now, and [`Lives::complete_since_ticks`] says where it begins.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::event::{Act, Event, Ring};
use crate::history::SiteIndex;
use crate::history::blocks::Dead;
use crate::source::{Interval, Kind, Weight};

/// One sampled block that is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it was born, ticks; `None` where that is forgotten, which is only so when it was before
    /// [`Lives::complete_since_ticks`].
    pub birth_ticks: Option<u64>,
    /// When it died, ticks; the latest that it can have been where `is_death_seen` is false.
    pub death_ticks: u64,
    /// Bytes asked for.
    pub size_bytes: u64,
    /// Bytes the allocator gave beyond those, where a slot still says so.
    pub slack_bytes: Option<u32>,
    /// Its site.
    pub site: u32,
    /// Row of the thread that allocated it, where that is known.
    pub thread: Option<u32>,
    /// Row of the thread that freed it.
    pub freed_by: u32,
    /// The sampling interval it was drawn at.
    pub interval: Interval,
    /// Which function gave it.
    pub kind: Kind,
    /// Whether it ended by going into a realloc, as far as the ring still says so.
    pub by_realloc: bool,
    /// Whether its death was seen; it was found dead otherwise, some time after.
    pub is_death_seen: bool,
}

impl Life {
    /// The place of its site.
    pub fn site(&self) -> SiteIndex {
        self.site as SiteIndex
    }

    /// What it stands for.
    pub fn weight(&self) -> Weight {
        Weight::of(self.size_bytes, self.interval)
    }

    /// How long it lived, ticks, where both ends are known.
    pub fn lifetime_ticks(&self) -> Option<u64> {
        let birth_ticks = self.birth_ticks.filter(|_| self.is_death_seen)?;
        Some(self.death_ticks.saturating_sub(birth_ticks))
    }
}

/// The sampled blocks that died last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lives {
    /// By death, the earliest first.
    pub all: Vec<Life>,
    /// From these ticks on every death is here, as [`Ring::complete_since_ticks`] understands it;
    /// `None` where nothing was forgotten since the start.
    pub complete_since_ticks: Option<u64>,
}

impl Lives {
    /// Brings the dead blocks of slots and of the ring together; those of sites that `place` does
    /// not find by row are left out.
    pub(crate) fn of(
        ring: &Ring,
        dead: Vec<Dead>,
        place: impl Fn(u64) -> Option<SiteIndex>,
    ) -> Lives {
        let mut lives: HashMap<(u64, u64), Life> = HashMap::with_capacity(dead.len());
        for dead in dead {
            lives.insert((dead.address, dead.death_ticks), of_slot(&dead));
        }
        let mut births: HashMap<u64, &Event> = HashMap::new();
        for event in &ring.events {
            if event.act == Act::Birth {
                births.insert(event.address, event);
                continue;
            }
            let birth = births.remove(&event.address);
            match lives.entry((event.address, event.ticks)) {
                Entry::Occupied(known) => {
                    known.into_mut().by_realloc = event.act == Act::Reallocated;
                }
                Entry::Vacant(place) => {
                    place.insert(of_events(birth, event));
                }
            }
        }
        let mut all: Vec<Life> = lives.into_values().collect();
        all.retain_mut(|life| {
            let site = place(life.site.into()).and_then(|site| u32::try_from(site).ok());
            life.site = site.unwrap_or(life.site);
            site.is_some()
        });
        // Whole order, so that equal input gives equal answers whatever the hash map did.
        all.sort_unstable_by_key(|life| (life.death_ticks, life.birth_ticks, life.site));
        Lives {
            all,
            complete_since_ticks: ring.complete_since_ticks,
        }
    }
}

fn of_slot(dead: &Dead) -> Life {
    Life {
        birth_ticks: Some(dead.birth_ticks),
        death_ticks: dead.death_ticks,
        size_bytes: dead.size_bytes,
        slack_bytes: Some(dead.slack_bytes),
        site: dead.site,
        thread: Some(dead.thread),
        freed_by: dead.freed_by,
        interval: dead.interval,
        kind: dead.kind,
        by_realloc: false,
        is_death_seen: dead.is_death_seen,
    }
}

fn of_events(birth: Option<&Event>, death: &Event) -> Life {
    Life {
        birth_ticks: birth.map(|birth| birth.ticks),
        death_ticks: death.ticks,
        size_bytes: death.size_bytes,
        slack_bytes: None,
        site: death.site,
        thread: birth.map(|birth| birth.thread),
        freed_by: death.thread,
        interval: death.interval,
        kind: death.kind,
        by_realloc: death.act == Act::Reallocated,
        is_death_seen: death.act != Act::FoundDead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: u64 = 4096;

    fn event(act: Act, ticks: u64) -> Event {
        Event {
            act,
            kind: Kind::Malloc,
            interval: Interval::EXACT,
            thread: 1,
            site: 7,
            ticks,
            address: ADDRESS,
            size_bytes: 24,
        }
    }

    fn slot(birth_ticks: u64, death_ticks: u64) -> Dead {
        Dead {
            address: ADDRESS,
            birth_ticks,
            death_ticks,
            size_bytes: 24,
            site: 7,
            thread: 1,
            freed_by: 2,
            slack_bytes: 8,
            interval: Interval::EXACT,
            kind: Kind::Malloc,
            is_death_seen: true,
        }
    }

    /// The births and deaths of the lives that come of these.
    fn check(events: &[Event], dead: Vec<Dead>, expected: &[(Option<u64>, u64)]) -> Vec<Life> {
        let ring = Ring {
            events: events.to_vec(),
            ..Ring::default()
        };
        let lives = Lives::of(&ring, dead, |row| (row == 7).then_some(0)).all;
        let ends = lives
            .iter()
            .map(|life| (life.birth_ticks, life.death_ticks));
        assert_eq!(ends.collect::<Vec<_>>(), expected);
        lives
    }

    #[test]
    fn a_birth_and_the_next_death_at_its_address_are_one_life() {
        let events = [
            event(Act::Birth, 10),
            event(Act::Death, 15),
            event(Act::Birth, 20),
            event(Act::Reallocated, 22),
            event(Act::Birth, 30),
        ];
        let lives = check(&events, vec![], &[(Some(10), 15), (Some(20), 22)]);
        assert_eq!(
            [false, true],
            [0, 1].map(|index: usize| lives[index].by_realloc)
        );
    }

    #[test]
    fn a_death_whose_birth_was_overwritten_is_a_life_without_a_birth() {
        let lives = check(&[event(Act::Death, 15)], vec![], &[(None, 15)]);
        assert_eq!(lives[0].lifetime_ticks(), None);
        assert_eq!(lives[0].thread, None);
    }

    #[test]
    fn what_slot_and_ring_both_know_is_one_life() {
        let lives = check(
            &[event(Act::Reallocated, 15)],
            vec![slot(3, 15)],
            &[(Some(3), 15)],
        );
        assert_eq!(lives[0].lifetime_ticks(), Some(12));
        assert_eq!(lives[0].freed_by, 2);
        assert!(lives[0].by_realloc);
    }

    #[test]
    fn a_block_that_was_found_dead_has_no_lifetime() {
        let events = [event(Act::Birth, 10), event(Act::FoundDead, 15)];
        let lives = check(&events, vec![], &[(Some(10), 15)]);
        assert_eq!(lives[0].lifetime_ticks(), None);
    }

    #[test]
    fn a_life_of_an_unknown_site_is_left_out() {
        let stray = Event {
            site: 8,
            ..event(Act::Death, 15)
        };
        check(&[stray], vec![], &[]);
    }
}
