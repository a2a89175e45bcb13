//! From a key to a row, in private memory: addresses to slots, stack hashes to sites.
//!
//! An entry packs 32 bits of the key's hash above the row's number plus one.
//! A key's entry is in one of two buckets of eight entries (one cache line each) of some level;
//! taking it out stores 0, so there are no tombstones to walk over.
//! Who takes an entry out owns the row.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::levels::Levels;

const BUCKET: usize = 8;

type Bucket = [AtomicU64; BUCKET];

/// An index over its entries in private memory.
#[derive(Clone, Copy)]
pub struct Index<const FIRST: usize, const STEP: u32> {
    /// All entries of all levels.
    pub entries: &'static [AtomicU64],
    /// Levels in use beyond the first.
    pub grown: &'static AtomicU64,
}

/// What a key's entry looks like, and which buckets it may be in.
struct Probe {
    tag: u64,
    hashes: [u64; 2],
}

impl Probe {
    fn of(key: u64) -> Self {
        // A multiplication by the golden ratio spreads the bits upwards; addresses are 8-aligned.
        let hash = (key >> 3 ^ key << 61).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let other = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self {
            tag: hash >> 32,
            hashes: [hash >> 20, other >> 24],
        }
    }

    fn entry(&self, row: u32) -> u64 {
        self.tag << 32 | (u64::from(row) + 1)
    }

    /// The row of an entry, if its tag is this key's.
    fn row(&self, entry: u64) -> Option<u32> {
        let row = (entry as u32).checked_sub(1)?;
        (entry >> 32 == self.tag).then_some(row)
    }
}

impl<const FIRST: usize, const STEP: u32> Index<FIRST, STEP> {
    /// Entries for at most `rows` keys: a quarter more than that, so that buckets rarely fill.
    pub fn entries_for(rows: usize) -> usize {
        Levels::<FIRST, STEP>::entries_for(rows + rows / 4)
    }

    fn bucket(&self, level: usize, hash: u64) -> Option<&'static Bucket> {
        let buckets = Levels::<FIRST, STEP>::len(level) / BUCKET;
        let first = (hash as usize & (buckets - 1)) * BUCKET;
        let entries = self.entries.get(Levels::<FIRST, STEP>::start(level)..)?;
        entries.get(first..)?.first_chunk()
    }

    fn newest_level(&self) -> usize {
        // Relaxed: entries never move, so a level unknown here cannot hold a key that reached
        // this thread through a hand-over of the program's.
        self.grown.load(Ordering::Relaxed) as usize
    }

    /// Puts a key in; `false` when there is no room left anywhere.
    pub fn insert(&self, key: u64, row: u32) -> bool {
        let probe = Probe::of(key);
        loop {
            let newest = self.newest_level();
            if (0..=newest)
                .rev()
                .any(|level| self.insert_at(level, &probe, row))
            {
                return true;
            }
            if Levels::<FIRST, STEP>::start(newest + 2) > self.entries.len() {
                return false;
            }
            // Relaxed: the new level's entries are 0 since the mapping was made.
            self.grown.fetch_max(newest as u64 + 1, Ordering::Relaxed);
        }
    }

    fn insert_at(&self, level: usize, probe: &Probe, row: u32) -> bool {
        let entry = probe.entry(row);
        for hash in probe.hashes {
            for place in self.bucket(level, hash).into_iter().flatten() {
                // Relaxed: only looks for a place worth the exchange.
                if place.load(Ordering::Relaxed) == 0
                    // Release pairs with the Acquire in `search`: the row was filled before.
                    && place
                        .compare_exchange(0, entry, Ordering::Release, Ordering::Relaxed)
                        .is_ok()
                {
                    return true;
                }
            }
        }
        false
    }

    /// The row of a key; `is_row` decides between rows whose keys hash alike.
    pub fn find(&self, key: u64, is_row: impl Fn(u32) -> bool) -> Option<u32> {
        self.search(key, |_, _, row| is_row(row))
    }

    /// As [`Self::find`], for keys that are never taken out: one that is found in an older level is
    /// put into the newest one as well, where the next look begins.
    pub fn find_often(&self, key: u64, is_row: impl Fn(u32) -> bool) -> Option<u32> {
        let probe = Probe::of(key);
        let newest = self.newest_level();
        let (level, row) = (0..=newest).rev().find_map(|level| {
            let row = self.search_at(level, &probe, |_, _, row| is_row(row))?;
            Some((level, row))
        })?;
        if level != newest {
            self.insert_at(newest, &probe, row);
        }
        Some(row)
    }

    /// Takes a key out; gives its row, which then belongs to the caller.
    pub fn take(&self, key: u64, is_row: impl Fn(u32) -> bool) -> Option<u32> {
        self.search(key, |place, entry, row| {
            is_row(row)
                // Acquire: the next owner of the row comes after the last.
                && place
                    .compare_exchange(entry, 0, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
        })
    }

    fn search(&self, key: u64, accept: impl Fn(&AtomicU64, u64, u32) -> bool) -> Option<u32> {
        let probe = Probe::of(key);
        (0..=self.newest_level())
            .rev()
            .find_map(|level| self.search_at(level, &probe, &accept))
    }

    #[inline(always)]
    fn search_at(
        &self,
        level: usize,
        probe: &Probe,
        accept: impl Fn(&AtomicU64, u64, u32) -> bool,
    ) -> Option<u32> {
        for hash in probe.hashes {
            for place in self.bucket(level, hash).into_iter().flatten() {
                // Acquire pairs with the Release in `insert_at`.
                let entry = place.load(Ordering::Acquire);
                if let Some(row) = probe.row(entry)
                    && accept(place, entry, row)
                {
                    return Some(row);
                }
            }
        }
        None
    }

    /// Takes out every key whose row is no longer wanted.
    pub fn retain(&self, is_wanted: impl Fn(u32) -> bool) {
        let used = Levels::<FIRST, STEP>::start(self.newest_level() + 1);
        for place in self.entries.get(..used).unwrap_or(self.entries) {
            // Acquire pairs with the Release in `insert_at`.
            let entry = place.load(Ordering::Acquire);
            if let Some(row) = (entry as u32).checked_sub(1)
                && !is_wanted(row)
            {
                // Relaxed: an entry that changed meanwhile is another key's.
                let _ = place.compare_exchange(entry, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Small = Index<256, 3>;

    fn index(rows: usize) -> Small {
        let count = Small::entries_for(rows);
        let entries: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let grown = std::boxed::Box::leak(std::boxed::Box::default());
        Small {
            entries: entries.leak(),
            grown,
        }
    }

    #[test]
    fn every_key_put_in_comes_out_once_across_all_levels() {
        let index = index(100_000);
        let key = |row: u32| 0x7f00_0000_0000 + u64::from(row) * 48;
        for row in 0..100_000 {
            assert!(index.insert(key(row), row), "{row}");
        }
        for row in 0..100_000 {
            assert_eq!(index.find(key(row), |found| found == row), Some(row));
            assert_eq!(index.take(key(row), |found| found == row), Some(row));
            assert_eq!(index.take(key(row), |found| found == row), None);
        }
    }

    #[test]
    fn a_key_that_is_looked_for_often_is_found_in_every_level_and_stays_one_row() {
        let index = index(100_000);
        let key = |row: u32| u64::from(row) << 8;
        (0..50_000).for_each(|row| assert!(index.insert(key(row), row)));
        for row in (0..50_000).chain(0..50_000) {
            assert_eq!(index.find_often(key(row), |found| found == row), Some(row));
        }
        assert_eq!(index.find_often(key(60_000), |_| true), None);
    }

    #[test]
    fn a_full_index_says_so() {
        let index = index(100);
        let fitting = (0..1_000_000).take_while(|row| index.insert(u64::from(*row) * 16, *row));
        let fitting = fitting.count();
        assert!(
            (100..=Small::entries_for(100)).contains(&fitting),
            "{fitting}"
        );
    }

    #[test]
    fn rows_that_are_not_wanted_are_taken_out() {
        let index = index(1000);
        (0..1000).for_each(|row| assert!(index.insert(u64::from(row) << 12, row)));
        index.retain(|row| row % 2 == 0);
        for row in 0..1000 {
            let expected = (row % 2 == 0).then_some(row);
            assert_eq!(
                index.find(u64::from(row) << 12, |found| found == row),
                expected
            );
        }
    }
}
