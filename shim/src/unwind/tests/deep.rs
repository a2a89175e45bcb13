//! Deep and wide stacks: they must reach `main`'s caller all the same.

#![forbid(unsafe_code)]

use std::hint::black_box;

use super::{End, frames_by_libgcc, ignore, registers_here};
use crate::unwind::{StackRange, walk};

#[inline(never)]
fn recurse(depth: u32, then: &mut dyn FnMut()) {
    if depth == 0 {
        then();
    } else {
        recurse(depth - 1, then);
    }
    black_box(depth);
}

fn on_a_thread_with_stack_of(size_bytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(size_bytes)
        .spawn(run);
    assert!(thread.is_ok_and(|thread| thread.join().is_ok()));
}

#[test]
fn ten_thousand_frames_keep_both_ends() {
    on_a_thread_with_stack_of(8 << 20, || {
        recurse(10_000, &mut || {
            let mut frames = [0; 64];
            let mut range = StackRange::new();
            let start = registers_here!();
            for _ in 0..2 {
                let walk = walk(start, &mut range, &mut ignore, &mut frames);
                assert_eq!(walk.end, End::Complete);
                assert!(walk.elided > 9_900);
                let all = frames_by_libgcc();
                let outer = &frames[32..];
                assert!(all.ends_with(outer), "{outer:x?}");
                // The innermost frame is this closure's own, at another call.
                assert!(
                    all.windows(31)
                        .take(12)
                        .any(|window| window == &frames[1..32])
                );
            }
        });
    });
}

#[test]
fn more_frames_than_the_limit_are_cut() {
    on_a_thread_with_stack_of(64 << 20, || {
        recurse(70_000, &mut || {
            let mut frames = [0; 64];
            let walk = walk(
                registers_here!(),
                &mut StackRange::new(),
                &mut ignore,
                &mut frames,
            );
            assert_eq!((walk.end, walk.len), (End::TooDeep, 64));
            assert_eq!(walk.elided, 65_536 - 64);
        });
    });
}

#[inline(never)]
fn with_a_wide_frame(then: &mut dyn FnMut()) {
    let wide = black_box([0_u8; 600 << 10]);
    then();
    black_box(&wide);
}

#[test]
fn frames_of_hundreds_of_kilobytes_are_crossed() {
    on_a_thread_with_stack_of(8 << 20, || {
        let mut check = || {
            super::check_against_libgcc();
        };
        with_a_wide_frame(&mut || with_a_wide_frame(&mut check));
    });
}
