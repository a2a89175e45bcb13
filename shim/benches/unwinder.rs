//! What a walk costs: ours, libgcc's and framehop's, on stacks of 11, 23 and 43 frames.
//!
//! `cargo bench -p memshim --bench unwinder`. An item is a frame: 250 Mitem/s are 4 ns a frame.
//! Trust ratios within one run and nothing else where the machine has other work.
//!
//! The shim is no library that could be linked, so its unwinder is compiled once more, as a part of
//! this program. Each frame of a stack is of another function, so that it has a rule of its own.

#![allow(missing_docs, reason = "nobody but divan calls these functions")]
#![allow(
    clippy::duplicate_mod,
    reason = "one file of the tests, which come along with the unwinder, is of use here too"
)]

use std::arch::asm;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use framehop::Unwinder as _;
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};

#[path = "../src/unwind/tests/loaded.rs"]
mod loaded;
#[path = "../src/unwind/mod.rs"]
#[allow(
    unused,
    reason = "the shim and its tests, which come along, use more of it"
)]
mod unwind;

use unwind::{End, Object, Registers, StackRange, find_object, forget_rules, walk};

/// From the frame that walks to the thread's first function.
const DEPTHS: [usize; 3] = [11, 23, 43];

fn main() {
    divan::main();
}

#[divan::bench(args = DEPTHS, sample_size = 1000, sample_count = 200)]
fn ours(bencher: Bencher<'_, '_>, depth: usize) {
    at_depth(bencher, depth, |bencher, start| {
        let (mut range, mut frames) = (StackRange::new(), [0; 256]);
        let bencher = bencher.counter(ItemsCount::new(depth));
        bencher.bench_local(|| walk(start, &mut range, &mut ignore, black_box(&mut frames)));
    });
}

/// All rules of the stack are new, as in a thread's first walks; one walk a sample.
#[divan::bench(args = DEPTHS, sample_size = 1, sample_count = 2000)]
fn ours_with_new_rules(bencher: Bencher<'_, '_>, depth: usize) {
    at_depth(bencher, depth, |bencher, start| {
        let (mut range, mut frames) = (StackRange::new(), [0; 256]);
        let bencher = bencher.counter(ItemsCount::new(depth));
        bencher
            .with_inputs(forget_rules)
            .bench_local_values(|()| walk(start, &mut range, &mut ignore, black_box(&mut frames)));
    });
}

#[divan::bench(args = DEPTHS, sample_size = 1000, sample_count = 200)]
fn libgcc(bencher: Bencher<'_, '_>, depth: usize) {
    at_depth(bencher, depth, |bencher, _| {
        // It begins here, a few frames further in.
        let bencher = bencher.counter(ItemsCount::new(walk_by_libgcc()));
        bencher.bench_local(walk_by_libgcc);
    });
}

#[divan::bench(args = DEPTHS, sample_size = 1000, sample_count = 200)]
fn framehop_with_its_cache(bencher: Bencher<'_, '_>, depth: usize) {
    let unwinder = framehop_of_this_process();
    at_depth(bencher, depth, |bencher, start| {
        let mut cache = CacheX86_64::new();
        assert_eq!(walk_by_framehop(&unwinder, &mut cache, start), depth);
        let bencher = bencher.counter(ItemsCount::new(depth));
        bencher.bench_local(|| walk_by_framehop(&unwinder, &mut cache, black_box(start)));
    });
}

#[divan::bench(args = DEPTHS, sample_size = 1, sample_count = 2000)]
fn framehop_with_new_rules(bencher: Bencher<'_, '_>, depth: usize) {
    let unwinder = framehop_of_this_process();
    at_depth(bencher, depth, |bencher, start| {
        let bencher = bencher.counter(ItemsCount::new(depth));
        let bencher = bencher.with_inputs(CacheX86_64::<framehop::MayAllocateDuringUnwind>::new);
        bencher.bench_local_refs(|cache| walk_by_framehop(&unwinder, cache, black_box(start)));
    });
}

#[divan::bench]
fn the_object_of_an_address(bencher: Bencher<'_, '_>) {
    let pc = registers().pc;
    bencher.bench_local(|| find_object(black_box(pc)).is_some());
}

fn ignore(_: &Object) {}

/// What may be used by another thread as long as its owner waits.
struct Lent<T>(T);

// SAFETY: `at_depth` alone makes one, and blocks until the thread that it went to has ended; divan
// keeps nothing in thread-locals while it measures.
unsafe impl<T> Send for Lent<T> {}

/// Runs a measurement in a thread of its own, in a frame with that many frames from it outwards.
fn at_depth<'a, 'b>(
    bencher: Bencher<'a, 'b>,
    depth: usize,
    measure: impl FnOnce(Bencher<'a, 'b>, Registers),
) {
    let lent = Lent((bencher, measure));
    let run = move || {
        let Lent((bencher, measure)) = { lent };
        let mut once = Some((bencher, measure));
        Outermost::go_to(depth, &mut |start| {
            let (bencher, measure) = once.take().expect("it is run once");
            measure(bencher, start);
        });
    };
    std::thread::scope(|scope| scope.spawn(run).join()).expect("a measurement ends");
}

/// A function of its own for each type, so that each frame has a rule of its own.
trait Level {
    /// Goes deeper until there are that many frames.
    fn go_to(depth: usize, then: &mut dyn FnMut(Registers));
}

struct Deepest;
struct Above<T>(std::marker::PhantomData<T>);
type Two<T> = Above<Above<T>>;
type Eight<T> = Two<Two<Two<Two<T>>>>;
type Outermost = Eight<Eight<Eight<Eight<Eight<Eight<Deepest>>>>>>;

impl Level for Deepest {
    fn go_to(depth: usize, _: &mut dyn FnMut(Registers)) {
        unreachable!("{depth} frames are more than there are levels");
    }
}

impl<T: Level> Level for Above<T> {
    #[inline(never)]
    fn go_to(depth: usize, then: &mut dyn FnMut(Registers)) {
        let room = black_box([depth; 5]);
        let here = registers();
        let walk = walk(here, &mut StackRange::new(), &mut ignore, &mut [0; 256]);
        assert!(walk.end == End::Complete && walk.len <= depth, "{walk:?}");
        if walk.len == depth {
            then(here);
        } else {
            T::go_to(depth, then);
        }
        black_box(room);
    }
}

/// The registers of the function that this is inlined into.
#[inline(always)]
fn registers() -> Registers {
    let (pc, sp, bp);
    // SAFETY: copies three registers.
    unsafe {
        asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp,
            out(reg) bp, options(nomem, nostack, preserves_flags));
    }
    Registers { pc, sp, bp }
}

/// How many frames libgcc finds from here on.
#[inline(never)]
fn walk_by_libgcc() -> usize {
    let mut frames = 0;
    // SAFETY: the lock that this variant leaves out guards symbolization, which is not used here.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            black_box(frame.ip());
            frames += 1;
            true
        });
    }
    frames
}

fn framehop_of_this_process() -> UnwinderX86_64<loaded::Sections> {
    let mut unwinder = UnwinderX86_64::new();
    for (path, range) in loaded::loaded_files() {
        if let Some(module) = loaded::module(&path, range) {
            unwinder.add_module(module);
        }
    }
    unwinder
}

fn walk_by_framehop(
    unwinder: &UnwinderX86_64<loaded::Sections>,
    cache: &mut CacheX86_64,
    start: Registers,
) -> usize {
    let registers = UnwindRegsX86_64::new(start.pc, start.sp, start.bp);
    let mut read = |address: u64| {
        let pointer = std::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: framehop reads only this stack, whose frames the walk before found whole.
        Ok(unsafe { pointer.read_unaligned() })
    };
    let mut found = unwinder.iter_frames(start.pc, registers, cache, &mut read);
    let mut frames = 0;
    while let Ok(Some(frame)) = found.next() {
        black_box(frame.address());
        frames += 1;
    }
    frames
}
