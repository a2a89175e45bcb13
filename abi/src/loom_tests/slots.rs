//! Slots: a reader never takes parts of two blocks for one, nor of one block's two ends.

use core::ops::Range;
use core::sync::atomic::Ordering;

use super::{Switches, View, explore, spawn, words};
use crate::event::Kind;
use crate::region::RegionShape;
use crate::slots::{
    SLOT_WORDS, Slot, SlotRow, end, owned, publish, read, read_batch, set_state, state,
};
use crate::weight::Interval;
use crate::{AtomicU64, Words};

const REGION: RegionShape = RegionShape {
    first_word: 0,
    rows: 1,
    row_words: SLOT_WORDS as u64,
};

/// The head, the address and the size.
const MOVING: &[Range<u64>] = &[0..3];

/// The nth block of a slot: every figure tells which one it is.
const fn block(n: u64) -> Slot {
    Slot {
        state: state::LIVE,
        address: n,
        size_bytes: n,
        slack_bytes: 0,
        birth_ticks: n,
        death_ticks: 0,
        site: n as u32,
        thread: n as u32,
        freed_by: 0,
        interval: Interval::EXACT,
        kind: Kind::Malloc,
        writer: 0,
    }
}

fn row(words: &[AtomicU64]) -> &SlotRow {
    words.first_chunk().expect("a whole row")
}

/// Panics unless `slot` is one block; only the first one ever dies.
fn check(slot: &Slot) {
    assert_eq!(slot.address, slot.size_bytes, "{slot:?}");
    assert!(
        slot.address == 1 || slot.address == 2 && slot.is_live(),
        "{slot:?}"
    );
}

/// A slot's first block dies and another takes its place, while `look` reads.
fn reuse(switches: Switches, moving: &'static [Range<u64>], look: fn(&View)) {
    explore(switches, move || {
        let words = words(SLOT_WORDS);
        publish(row(&words), &block(1));
        let view = View::new(&words, moving);
        let reader = spawn(move || look(&view));
        end(row(&words), 10, 1, state::FREED);
        publish(row(&words), &block(2));
        reader.join().unwrap();
    });
}

#[test]
fn a_fresh_block_is_seen_whole_or_not_at_all() {
    explore(Switches::UpTo(3), || {
        let words = words(SLOT_WORDS);
        let view = View::new(&words, MOVING);
        let reader = spawn(move || {
            if let Some(slot) = read(&view, REGION, 0) {
                check(&slot);
            }
        });
        publish(row(&words), &block(1));
        reader.join().unwrap();
    });
}

#[test]
fn a_row_never_mixes_two_blocks() {
    reuse(Switches::UpTo(3), MOVING, |view| {
        if let Some(slot) = read(view, REGION, 0) {
            check(&slot);
        }
    });
}

#[test]
fn a_batch_never_mixes_two_blocks() {
    reuse(Switches::UpTo(3), MOVING, |view| {
        let mut seen = 0;
        let torn = read_batch(view, REGION, 0, |_, slot| {
            check(&slot);
            seen += 1;
        });
        assert_eq!(seen + torn, 1);
    });
}

#[test]
fn a_batch_sees_a_fresh_block_whole_or_not_at_all() {
    explore(Switches::UpTo(3), || {
        let words = words(SLOT_WORDS);
        let view = View::new(&words, MOVING);
        let reader = spawn(move || read_batch(&view, REGION, 0, |_, slot| check(&slot)));
        publish(row(&words), &block(1));
        reader.join().unwrap();
    });
}

#[test]
fn a_block_in_realloc_is_live_until_its_end_is_known() {
    explore(Switches::UpTo(3), || {
        let words = words(SLOT_WORDS);
        publish(row(&words), &block(1));
        let view = View::new(&words, &[0..1, 4..5, 7..8]);
        let reader = spawn(move || {
            let Some(slot) = read(&view, REGION, 0) else {
                return;
            };
            let end = if slot.is_live() { (0, 0) } else { (10, 3) };
            assert_eq!((slot.death_ticks, slot.freed_by), end);
        });
        set_state(row(&words), state::REALLOCATING);
        set_state(row(&words), state::LIVE);
        set_state(row(&words), state::REALLOCATING);
        end(row(&words), 10, 3, state::FREED);
        reader.join().unwrap();
    });
}

#[test]
fn the_thread_that_frees_a_block_sees_what_the_one_that_allocated_it_stored() {
    explore(Switches::UpTo(3), || {
        // The second array stands for the private index, through which a slot changes hands.
        let (words, index) = (words(SLOT_WORDS), words(1));
        let (slot, place) = (words.clone(), index.clone());
        let freeing = spawn(move || {
            if place.load(0) == 1 {
                assert_eq!(owned(row(&slot)), block(1));
                end(row(&slot), 10, 2, state::FREED);
            }
        });
        publish(row(&words), &block(1));
        index[0].store(1, Ordering::Release);
        freeing.join().unwrap();
    });
}
