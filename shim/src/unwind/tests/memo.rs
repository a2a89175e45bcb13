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

impl Checked {
    pub(super) fn new() -> Checked {
        let layout = std::alloc::Layout::new::<Memo>();
        // SAFETY: a memo has a size.
        let memo = unsafe { std::alloc::alloc_zeroed(layout) };
        // SAFETY: all zeros are a memo, and the memory came from the allocator of boxes.
        let memo = unsafe { Box::from_raw(memo.cast::<Memo>()) };
        Checked {
            range: StackRange::new(),
            memo,
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
        let again = walk_again(start, &mut self.range, &mut self.memo, &mut ignore);
        let mut frames = [0; FRAMES_MAX];
        let full = walk(start, &mut self.range, &mut ignore, &mut frames);
        let full_frames = &frames[..full.len];
        let mut again_frames = [1; FRAMES_MAX];
        let len = self.memo.frames(&mut again_frames);
        assert_eq!(again_frames[..len], *full_frames, "{again:x?} {full:x?}");
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
