//! The free filter: no mark is missing, whoever adds and removes meanwhile.

use super::*;
use std::thread;
use std::vec::Vec;

/// A word of marks with the counts of its first two granules.
#[derive(Default)]
struct Cell {
    word: AtomicU32,
    counts: [AtomicU8; 2],
}

impl Cell {
    fn granule(&self, number: usize) -> Granule<'_> {
        Granule {
            word: &self.word,
            mark: 1 << number,
            count: &self.counts[number],
        }
    }

    fn word(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }
}

#[test]
fn a_page_is_marked_while_blocks_begin_in_it() {
    let cell = Cell::default();
    let (granule, other) = (cell.granule(0), cell.granule(1));
    granule.add();
    granule.add();
    other.add();
    assert_eq!(cell.word(), 0b11);
    granule.remove();
    assert_eq!(cell.word(), 0b11);
    granule.remove();
    assert_eq!(cell.word(), 0b10);
    other.remove();
    assert_eq!(cell.word(), 0);
}

#[test]
fn the_bit_that_the_entry_points_test_is_the_one_that_is_set() {
    let address = 0x7fff_8765_4320u64;
    add(address);
    let granule = address as u32 as usize >> GRANULE_SHIFT;
    // The bit string of `bt`: bit n is bit n % 8 of byte n / 8.
    let byte = MARKS.0[granule / 32].load(Ordering::Relaxed).to_le_bytes()[granule % 32 / 8];
    assert_eq!(byte, 1 << (granule % 8));
    remove(address);
    assert_eq!(MARKS.0[granule / 32].load(Ordering::Relaxed), 0);
}

#[test]
fn every_address_has_a_page() {
    for address in [0, 1 << 12, u64::from(u32::MAX), u64::MAX] {
        assert!(Granule::of(address).is_some(), "{address:#x}");
    }
}

#[test]
fn a_mark_for_good_outlives_every_remove() {
    let cell = Cell::default();
    let granule = cell.granule(0);
    granule.add();
    granule.mark_for_good();
    granule.mark_for_good();
    granule.remove();
    granule.remove();
    assert_eq!(cell.word(), 1);
}

#[test]
fn a_page_with_more_blocks_than_it_can_count_stays_marked() {
    let cell = Cell::default();
    let granule = cell.granule(0);
    (0..300).for_each(|_| granule.add());
    (0..300).for_each(|_| granule.remove());
    assert_eq!(cell.word() & 1, 1);
}

#[test]
fn who_adds_while_another_thread_is_stopped_in_clearing_keeps_its_mark() {
    let cell = Cell::default();
    let granule = cell.granule(0);
    granule.add();
    // A thread that removes the block stops here, before its exchange of the word.
    cell.counts[0].store(CLEARING, Ordering::Relaxed);
    let seen = cell.word();
    granule.add();
    let late = cell
        .word
        .compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed);
    assert!(late.is_err());
    granule.clear();
    assert_eq!(cell.word(), ALL);
}

#[test]
fn a_word_that_is_full_keeps_its_marks() {
    let cell = Cell::default();
    cell.word.store(ALL & !1, Ordering::Relaxed);
    let granule = cell.granule(0);
    granule.add();
    granule.remove();
    assert_eq!(cell.word(), ALL);
}

#[test]
fn threads_that_share_a_page_never_miss_a_mark() {
    const CELLS: usize = 20_000;
    let cells: Vec<Cell> = (0..CELLS).map(|_| Cell::default()).collect();
    thread::scope(|scope| {
        for number in 0..4 {
            let cells = &cells;
            scope.spawn(move || {
                for cell in cells {
                    let granule = cell.granule(number % 2);
                    for _ in 0..20 {
                        granule.add();
                        assert_ne!(cell.word() & granule.mark, 0);
                        granule.remove();
                    }
                }
            });
        }
    });
    for cell in &cells {
        assert!(matches!(cell.word(), 0 | ALL), "{:#x}", cell.word());
    }
}
