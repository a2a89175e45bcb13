//! Walks with a memo are walks without one.

use std::collections::HashMap;
use std::hint::black_box;

use memshim_abi::sites::FRAMES_MAX;

use super::{Registers, ignore, registers_here};
use crate::unwind::{Memo, StackRange, forget_rules, hash_of, walk, walk_again};

/// A thread's walks, each made in both ways.
pub(super) struct Checked {
    range: StackRange,
    memo: Box<Memo>,
    sites: HashMap<Vec<u64>, u32>,
    /// How many walks there were, and how many were of a stack whose site was remembered.
    pub(super) walks: u64,
    pub(super) recognised: u64,
}

/// A memo as the shim has it, in zero pages.
pub(super) fn new_memo() -> Box<Memo> {
    let layout = std::alloc::Layout::new::<Memo>();
    // SAFETY: a memo has a size.
    let memo = unsafe { std::alloc::alloc_zeroed(layout) };
    // SAFETY: all zeros are a memo, and the memory came from the allocator of boxes.
    unsafe { Box::from_raw(memo.cast::<Memo>()) }
}

impl Checked {
    pub(super) fn new() -> Checked {
        Checked {
            range: StackRange::new(),
            memo: new_memo(),
            sites: HashMap::new(),
            walks: 0,
            recognised: 0,
        }
    }

    /// For another thread: only the memo stays.
    pub(super) fn hand_on(&mut self) {
        self.range = StackRange::new();
    }

    /// Walks with the memo and without, and holds that everything is the same.
    pub(super) fn check(&mut self, start: Registers) -> Vec<u64> {
        let mut range = StackRange {
            lo: self.range.lo,
            hi: self.range.hi,
        };
        let again = walk_again(start, &mut self.range, &mut self.memo, &mut ignore);
        let mut frames = [0; FRAMES_MAX];
        let full = walk(start, &mut range, &mut ignore, &mut frames);
        let full_frames = &frames[..full.len];
        let mut again_frames = [1; FRAMES_MAX];
        let len = self.memo.frames(&mut again_frames);
        assert_eq!(
            again_frames[..len],
            *full_frames,
            "{again:x?} {full:x?}, pc {:x}, sp {:x}, bp {:x}, {:x?}",
            start.pc,
            start.sp,
            start.bp,
            (range.lo, range.hi)
        );
        assert_eq!(
            (again.len, again.elided, again.end),
            (full.len, full.elided, full.end)
        );
        assert_eq!(again.hash, hash_of(full_frames));
        let unused = self.sites.len() as u32 + 1;
        let site = match self.sites.get(full_frames) {
            Some(site) => *site,
            None => *self.sites.entry(full_frames.to_vec()).or_insert(unused),
        };
        if again.site == 0 {
            self.memo.set_site(site);
        } else {
            assert_eq!(again.site, site);
            self.recognised += 1;
        }
        self.walks += 1;
        full_frames.to_vec()
    }
}

#[inline(never)]
fn recurse(depth: u32, then: &mut dyn FnMut(Registers)) {
    if depth == 0 {
        then(registers_here!());
    } else {
        recurse(depth - 1, then);
    }
    black_box(depth);
}

#[inline(never)]
fn recurse_and_check(depth: u32, checked: &mut Checked) {
    checked.check(registers_here!());
    if depth != 0 {
        recurse_and_check(depth - 1, checked);
    }
    checked.check(registers_here!());
}

#[test]
fn the_same_stack_is_recognised_with_its_site() {
    let mut checked = Checked::new();
    for _ in 0..3 {
        recurse(20, &mut |start| {
            for _ in 0..3 {
                checked.check(start);
            }
        });
    }
    assert!(checked.recognised >= 6, "{}", checked.recognised);
}

/// How many of twelve walks are recognised, of three stacks in turns.
fn recognised_in_turns(depth: u32) -> u64 {
    let mut checked = Checked::new();
    recurse(depth, &mut |_| {
        for turn in 0..12 {
            match turn % 3 {
                0 => recurse(2, &mut |start| drop(checked.check(start))),
                1 => recurse(5, &mut |start| drop(checked.check(start))),
                _ => drop(checked.check(registers_here!())),
            }
        }
    });
    checked.recognised
}

#[test]
fn stacks_that_come_in_turns_are_recognised() {
    // Two may want the same place, which their addresses decide, and another test may forget the
    // rules meanwhile: it does not happen to all.
    let recognised = (20..26).map(recognised_in_turns);
    let recognised: Vec<u64> = recognised.collect();
    // Each is new once; and the first of all had no other to be a branch of.
    assert_eq!(recognised.iter().max(), Some(&8), "{recognised:?}");
}

#[test]
fn forgotten_rules_make_a_memo_void() {
    let mut checked = Checked::new();
    recurse(20, &mut |start| {
        checked.check(start);
        checked.check(start);
        let before = checked.recognised;
        forget_rules();
        checked.check(start);
        assert_eq!(checked.recognised, before);
    });
}

fn on_a_stack_of(size_bytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(size_bytes);
    let thread = thread.spawn(run).expect("a thread");
    assert!(thread.join().is_ok());
}

#[test]
fn deep_recursion_keeps_both_ends() {
    on_a_stack_of(16 << 20, || {
        let mut checked = Checked::new();
        recurse_and_check(
            if cfg!(debug_assertions) { 700 } else { 3000 },
            &mut checked,
        );
    });
}

#[test]
fn stacks_deeper_than_the_memo_are_walked_all_the_same() {
    on_a_stack_of(256 << 20, || {
        let mut checked = Checked::new();
        for depth in [
            10, 16_000, 16_120, 16_300, 16_384, 17_000, 20_000, 65_000, 70_000, 40_000, 16_500, 5,
        ] {
            recurse(depth, &mut |start| {
                checked.check(start);
                checked.check(start);
                recurse(10, &mut |start| drop(checked.check(start)));
            });
        }
    });
}

/// A stack of which every word may be damaged, with a page behind it that cannot be read.
#[test]
fn damaged_stacks_are_walked_as_they_are() {
    const PAGE: u64 = 4096;
    let pages = 4;
    let memory = super::new_memory(6 * PAGE as usize) as u64;
    for guard in [memory, memory + (pages + 1) * PAGE] {
        // SAFETY: our own memory, which nobody reads.
        let result = unsafe { libc::mprotect(guard as *mut _, PAGE as usize, libc::PROT_NONE) };
        assert_eq!(result, 0);
    }
    let (lo, hi) = (memory + PAGE, memory + (pages + 1) * PAGE);
    let mut codes = vec![0, 8, 1 << 40];
    recurse(9, &mut |start| {
        codes.extend(super::frames_from(start, 64).0)
    });
    let mut random = super::damage::Random(0x2545_f491_4f6c_dd1d);
    let mut checked = Checked::new();
    checked.range = StackRange { lo, hi };
    let (mut start, mut recognised_frames) = (registers_here!(), 0);
    for round in 0..if cfg!(debug_assertions) {
        30_000
    } else {
        1_000_000
    } {
        for _ in 0..random.below(if round % 64 == 0 { 2000 } else { 4 }) {
            let at = lo + random.below(pages * PAGE / 8) * 8;
            let value = match random.below(4) {
                0 => lo.wrapping_sub(64) + random.below(pages * PAGE + 128),
                _ => codes[random.below(codes.len() as u64) as usize],
            };
            // SAFETY: inside the pages.
            unsafe { (at as *mut u64).write(value) };
        }
        if random.below(3) == 0 {
            start.pc = codes[random.below(codes.len() as u64) as usize];
            start.sp = lo.wrapping_sub(16) + random.below(pages * PAGE + 32);
            start.sp &= if random.below(8) == 0 { u64::MAX } else { !7 };
            start.bp = lo + random.below(pages * PAGE);
        }
        recognised_frames += checked.check(start).len();
    }
    println!(
        "{recognised_frames} frames, {} sites recognised",
        checked.recognised
    );
    assert!(checked.recognised > 1000);
}
