//! Wrong registers, wrong unwind data and unreadable memory: the walk ends, and nothing crashes.

use std::path::Path;

use super::rows::Image;
use super::{End, Registers, ignore, new_memory, registers_here};
use crate::unwind::eh_frame::describe;
use crate::unwind::{StackRange, find_object, walk};

/// Marsaglia's xorshift64: the same numbers in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const ROUNDS: u64 = if cfg!(debug_assertions) {
    20_000
} else {
    1_000_000
};

#[test]
fn random_registers_end_the_walk() {
    let here = registers_here!();
    let text = [
        here.pc,
        libc::qsort as *const () as u64,
        libc::printf as *const () as u64,
    ]
    .map(|pc| find_object(pc).expect("loaded code"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut range = StackRange::new();
    let mut frames = [0; 64];
    let mut total = 0;
    for _ in 0..ROUNDS {
        let object = &text[random.below(3) as usize];
        let pc = match random.below(4) {
            0 => random.next() >> random.below(64),
            _ => object.start + random.below(object.end - object.start),
        };
        let mut address = || match random.below(6) {
            0 => random.next() >> random.below(64),
            1 => object.start + random.below(object.end - object.start),
            2 => here
                .sp
                .wrapping_add(random.below(1 << 24))
                .wrapping_sub(1 << 23),
            _ => here.sp + random.below(2048) * 8,
        };
        let start = Registers {
            pc,
            sp: address(),
            bp: address(),
        };
        let walk = walk(start, &mut range, &mut ignore, &mut frames);
        assert!(walk.len <= 64);
        total += walk.len;
    }
    println!("{total} frames in {ROUNDS} walks");
    assert!(walk(here, &mut range, &mut ignore, &mut frames).end == End::Complete);
}

#[test]
fn damaged_unwind_data_ends_the_search() {
    let path = Path::new("/usr/lib/x86_64-linux-gnu/libm.so.6");
    let mut image = Image::load(path).expect("a C library");
    let original = image.unwind_data().to_vec();
    let mut random = Random(88_172_645_463_325_252);
    let size = original.len() as u64;
    let mut described = 0;
    for round in 0..ROUNDS / 10 {
        for _ in 0..random.below(200) {
            let at = random.below(if round % 4 == 0 { 16 } else { size });
            image.unwind_data()[at as usize] = random.next() as u8;
        }
        for _ in 0..10 {
            let object = &image.object;
            let pc = object.start + random.below(object.end - object.start);
            described += u32::from(describe(object, pc).is_some());
        }
        if round % 64 == 0 {
            image.unwind_data().copy_from_slice(&original);
        }
    }
    assert_ne!(described, 0);
}

const PAGE: u64 = 4096;

/// Two pages of memory, and one behind them that cannot be read.
fn pages_before_a_guard() -> u64 {
    let memory = new_memory(3 * PAGE as usize);
    // SAFETY: the last of the three pages.
    let guard = unsafe { memory.byte_add(2 * PAGE as usize) };
    // SAFETY: our own memory, which nobody reads.
    let result = unsafe { libc::mprotect(guard, PAGE as usize, libc::PROT_NONE) };
    assert_eq!(result, 0);
    memory as u64
}

fn walk_from(pc: u64, sp: u64, bp: u64) -> super::Walk {
    let start = Registers { pc, sp, bp };
    walk(start, &mut StackRange::new(), &mut ignore, &mut [0; 16])
}

#[test]
fn a_frame_that_leads_into_a_guard_page_ends_the_walk() {
    let pages = pages_before_a_guard();
    let pc = registers_here!().pc;
    let top = pages + 2 * PAGE - 8;
    assert_eq!(walk_from(pc, top, top).end, End::UnreadableStack);
    assert_eq!(walk_from(pc, top + 8, top + 8).end, End::UnreadableStack);
}

#[test]
fn frame_pointers_are_followed_only_as_far_as_they_look_like_ones() {
    let pages = pages_before_a_guard();
    let code = new_memory(PAGE as usize) as u64 + 64;
    let write = |at: u64, value: u64| {
        // SAFETY: inside the two pages.
        unsafe { (at as *mut u64).write(value) };
    };
    let (first, second) = (pages + 1024, pages + PAGE + 256);
    write(first, second);
    write(first + 8, code);
    // A chain that ends with a zero frame pointer, in code of which nobody knows anything.
    write(second, 0);
    write(second + 8, code);
    let walk = walk_from(code, pages + 512, first);
    assert_eq!((walk.len, walk.end), (3, End::Complete));
    // The same zero without a chain proves nothing.
    assert_eq!(walk_from(code, pages + 512, 0).end, End::NoUnwindData);
    // Below the stack pointer, unaligned, in the guard page, at a number that is no code.
    assert_eq!(walk_from(code, first + 8, first).end, End::NoUnwindData);
    assert_eq!(
        walk_from(code, pages + 512, first + 4).end,
        End::NoUnwindData
    );
    assert_eq!(
        walk_from(code, pages + 512, pages + 2 * PAGE - 8).end,
        End::NoUnwindData
    );
    write(first + 8, 77);
    assert_eq!(walk_from(code, pages + 512, first).end, End::NoUnwindData);
}
