//! Claims: no row is given twice, and none beyond what is ready.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use super::{Switches, explore, spawn, words};
use crate::header::at;
use crate::region::{REGION_WORDS, Region, Table};

/// Claims `count` rows where three are ready in all.
fn claim(words: &[crate::AtomicU64], count: u64) -> Option<u64> {
    let table = Table::of(words, Region::Strings).expect("a table");
    table.claim(count, |rows| rows.min(3))
}

#[test]
fn two_claimers_get_different_rows_and_only_rows_that_are_ready() {
    explore(Switches::Any, || {
        let words = words(at::REGIONS + REGION_WORDS);
        words[at::REGIONS + 1].store(4, Ordering::Relaxed);
        let other = Arc::clone(&words);
        let theirs = spawn(move || (claim(&other, 1), claim(&other, 1)));
        let mine = claim(&words, 2);
        let theirs = theirs.join().unwrap();
        let mut taken = [false; 3];
        for (first, count) in [(mine, 2), (theirs.0, 1), (theirs.1, 1)] {
            for row in first.into_iter().flat_map(|first| first..first + count) {
                assert!(
                    !core::mem::replace(&mut taken[row as usize], true),
                    "{row} given twice"
                );
            }
        }
        let used = taken.iter().filter(|taken| **taken).count() as u64;
        let table = Table::of(&words, Region::Strings).expect("a table");
        assert_eq!(table.used(), used);
        assert!(words[at::REGIONS + 4].load(Ordering::Relaxed) >= used);
    });
}
