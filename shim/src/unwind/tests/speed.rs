//! What a walk costs. Run in a release build, with `--ignored --nocapture`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Instant;

use super::memo::new_memo;
use super::{Registers, ignore, registers_here};
use crate::unwind::eh_frame::describe;
use crate::unwind::{Memo, StackRange, find_object, forget_rules, walk, walk_again};

macro_rules! levels {
    ($($name:ident calls $next:ident,)*) => {
        $(#[inline(never)]
        fn $name(deeper: u32, run: &mut dyn FnMut(Registers)) {
            let room = [deeper; 1 + stringify!($name).len() * 3];
            if deeper == 0 { run(registers_here!()) } else { $next(deeper - 1, run) }
            black_box(room);
        })*
    };
}

levels! {
    l0 calls l1, l1 calls l2, l2 calls l3, l3 calls l4, l4 calls l5, l5 calls l6, l6 calls l7,
    l7 calls l8, l8 calls l9, l9 calls l10, l10 calls l11, l11 calls l12, l12 calls l13,
    l13 calls l14, l14 calls l15, l15 calls l16, l16 calls l17, l17 calls l18, l18 calls l19,
    l19 calls l20, l20 calls l21, l21 calls l22, l22 calls l23, l23 calls l24, l24 calls l25,
    l25 calls l26, l26 calls l27, l27 calls l28, l28 calls l29, l29 calls l0,
}

/// The least time of many batches, in nanoseconds a turn: what others do to the machine is noise.
fn least(batches: u32, turns: u32, mut turn: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..batches {
        let start = Instant::now();
        for _ in 0..turns {
            turn();
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(turns));
    }
    least
}

#[test]
#[ignore = "a measurement"]
fn nanoseconds_a_frame() {
    let mut frames = [0; 256];
    for depth in [2, 12, 29] {
        l0(depth, &mut |start| {
            let mut range = StackRange::new();
            let mut len = 0;
            let warm = least(400, 2_000, || {
                len = walk(start, &mut range, &mut ignore, black_box(&mut frames)).len;
            });
            let unknown_stack = least(200, 500, || {
                walk(
                    start,
                    &mut StackRange::new(),
                    &mut ignore,
                    black_box(&mut frames),
                );
            });
            let pcs = &frames[..len];
            let new = least(200, 20, || {
                for pc in pcs {
                    let object = find_object(*pc).expect("code of this program");
                    black_box(describe(&object, pc - 1).is_some());
                }
            });
            println!(
                "{len:3} frames: {:.2} ns a frame warm ({warm:.0} ns a walk), stack unknown {:.0} \
                 ns a walk, new rules {:.0} ns a frame",
                warm / len as f64,
                unknown_stack,
                new / len as f64,
            );
        });
    }
    let pc = registers_here!().pc;
    let find = least(200, 2_000, || {
        black_box(find_object(black_box(pc)));
    });
    println!(
        "find_object {find:.1} ns, forget_rules {:.0} ns",
        least(100, 1, forget_rules)
    );
}

/// The innermost three frames of a stack: from each of two callers, all three are other ones.
macro_rules! threes {
    ($($first:ident $second:ident $third:ident $number:literal,)*) => {
        $(#[inline(never)]
        fn $first(run: &mut dyn FnMut(Registers)) { $second(run); black_box($number); }
        #[inline(never)]
        fn $second(run: &mut dyn FnMut(Registers)) { $third(run); black_box($number); }
        #[inline(never)]
        fn $third(run: &mut dyn FnMut(Registers)) { run(registers_here!()); black_box($number); })*
    };
}

threes! { a1 a2 a3 1, b1 b2 b3 2, }

/// Runs something in a function that is called through so many frames, the test's own included.
fn with_frames(depth: u32, run: &mut dyn FnMut(Registers)) {
    let (mut own, mut frames) = (0, [0; 256]);
    let mut count = |start| {
        own = walk(start, &mut StackRange::new(), &mut ignore, &mut frames).len as u32;
    };
    l0(0, &mut count);
    l0(depth.saturating_sub(own), run);
}

#[test]
#[ignore = "a measurement"]
fn nanoseconds_a_walk_that_is_remembered() {
    for depth in [5, 15, 30, 60] {
        with_frames(depth, &mut |start| {
            let (mut range, mut memo, mut frames) = (StackRange::new(), new_memo(), [0; 256]);
            let mut len = 0;
            let full = least(400, 1_000, || {
                len = walk(start, &mut range, &mut ignore, black_box(&mut frames)).len;
            });
            let mut again = |start, memo: &mut Memo| {
                black_box(walk_again(start, &mut range, memo, &mut ignore).hash);
            };
            let same = least(400, 1_000, || again(start, &mut memo));
            let three_new = least(400, 500, || {
                a1(&mut |start| again(start, &mut memo));
                b1(&mut |start| again(start, &mut memo));
            });
            let calls = least(400, 500, || {
                a1(&mut |start| _ = black_box(start));
                b1(&mut |start| _ = black_box(start));
            });
            println!(
                "{len:3} frames: full {full:.1} ns, remembered {same:.1} ns, three new {:.1} ns",
                (three_new - calls) / 2.0
            );
        });
    }
}

const TURNS: u32 = 10_000;

// Each kind of walk in a function that is called once, for an instruction counter to toggle at.

#[inline(never)]
fn full_walks(start: Registers, range: &mut StackRange) {
    let mut frames = [0; 256];
    for _ in 0..TURNS {
        walk(start, range, &mut ignore, black_box(&mut frames));
    }
}

#[inline(never)]
fn same_walks(start: Registers, range: &mut StackRange, memo: &mut Memo) {
    for _ in 0..TURNS {
        black_box(walk_again(start, range, memo, &mut ignore).hash);
    }
}

#[inline(never)]
fn walks_with_three_new(range: &mut StackRange, memo: &mut Memo) {
    let mut again = |start| {
        black_box(walk_again(start, range, memo, &mut ignore).hash);
    };
    for _ in 0..TURNS / 2 {
        a1(&mut again);
        b1(&mut again);
    }
}

#[inline(never)]
fn calls_of_three() {
    for _ in 0..TURNS / 2 {
        a1(&mut |start| _ = black_box(start));
        b1(&mut |start| _ = black_box(start));
    }
}

/// `valgrind --tool=callgrind --toggle-collect='*same_walks*'` and the like, with the number of
/// frames in `MEMSHIM_DEPTH`.
#[test]
#[ignore = "run under an instruction counter"]
fn instructions_of_walks() {
    let depth = std::env::var("MEMSHIM_DEPTH").ok();
    let depth = depth.and_then(|depth| depth.parse().ok()).unwrap_or(30);
    let (mut range, mut memo) = (StackRange::new(), new_memo());
    with_frames(depth, &mut |start| {
        walk_again(start, &mut range, &mut memo, &mut ignore);
        full_walks(start, &mut range);
        same_walks(start, &mut range, &mut memo);
        walks_with_three_new(&mut range, &mut memo);
        calls_of_three();
    });
}
