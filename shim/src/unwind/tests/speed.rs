//! What a walk costs. Run in a release build, with `--ignored --nocapture`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Instant;

use super::{Registers, ignore, registers_here};
use crate::unwind::eh_frame::describe;
use crate::unwind::{StackRange, find_object, forget_rules, walk};

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
