//! Coroutines: stacks of 16 KiB that come and go.

use std::cell::{Cell, RefCell, UnsafeCell};

use super::{End, ignore, new_memory, registers_here};
use crate::unwind::{StackRange, Walk, walk};

const FIBER_SIZE: usize = 16 << 10;

/// A thread and the fiber it runs. The range is the thread's own, used by both.
struct Fiber {
    main: UnsafeCell<libc::ucontext_t>,
    own: UnsafeCell<libc::ucontext_t>,
    range: RefCell<StackRange>,
    walk: Cell<Option<Walk>>,
}

thread_local! {
    static FIBER: Box<Fiber> = Box::new(Fiber {
        // SAFETY: contexts are plain numbers, and filled before they are used.
        main: UnsafeCell::new(unsafe { core::mem::zeroed() }),
        // SAFETY: as above.
        own: UnsafeCell::new(unsafe { core::mem::zeroed() }),
        range: RefCell::new(StackRange::new()),
        walk: Cell::new(None),
    });
}

fn walk_here() -> Walk {
    let mut frames = [0; 64];
    FIBER.with(|fiber| {
        let mut range = fiber.range.borrow_mut();
        walk(registers_here!(), &mut range, &mut ignore, &mut frames)
    })
}

#[inline(never)]
fn walk_in_fiber(depth: u32) {
    if depth == 0 {
        let walk = walk_here();
        FIBER.with(|fiber| fiber.walk.set(Some(walk)));
    } else {
        walk_in_fiber(depth - 1);
    }
    std::hint::black_box(depth);
}

extern "C" fn fiber_main() {
    walk_in_fiber(5);
}

fn run_fiber_on(stack: *mut libc::c_void, size: usize) -> Walk {
    FIBER.with(|fiber| {
        let (main, own) = (fiber.main.get(), fiber.own.get());
        // SAFETY: fills a context that nobody uses.
        assert_eq!(unsafe { libc::getcontext(own) }, 0);
        // SAFETY: as above; nobody else refers to it.
        let context = unsafe { &mut *own };
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = size;
        context.uc_link = main;
        // SAFETY: the stack is large enough and lives until the fiber has returned.
        unsafe { libc::makecontext(own, fiber_main, 0) };
        // SAFETY: returns here when `fiber_main` does.
        assert_eq!(unsafe { libc::swapcontext(main, own) }, 0);
        fiber.walk.take().expect("the fiber walked")
    })
}

#[test]
fn a_fiber_ends_at_its_start_and_is_not_remembered() {
    for round in 0..4 {
        let stack = new_memory(FIBER_SIZE);
        let inside = run_fiber_on(stack, FIBER_SIZE);
        assert_eq!(inside.end, End::Complete);
        assert!((7..16).contains(&inside.len), "{inside:?}");
        let (lo, hi) = FIBER.with(|fiber| {
            let range = fiber.range.borrow();
            (range.lo, range.hi)
        });
        let at = stack as u64;
        assert!(hi <= at || at + FIBER_SIZE as u64 <= lo, "round {round}");
        // SAFETY: the fiber has returned.
        unsafe { libc::munmap(stack, FIBER_SIZE) };
        // The native stack in between, with the same range.
        assert_eq!(walk_here().end, End::Complete);
    }
}

#[test]
fn a_native_stack_far_above_does_not_hide_a_fiber() {
    let stack = new_memory(FIBER_SIZE);
    let top = stack as u64 + (1 << 40);
    FIBER.with(|fiber| {
        *fiber.range.borrow_mut() = StackRange {
            lo: top,
            hi: top + 4096,
        }
    });
    assert_eq!(run_fiber_on(stack, FIBER_SIZE).end, End::Complete);
}

#[test]
fn a_fiber_in_an_array_of_the_native_stack_is_followed() {
    walk_here();
    let mut array = [0_u64; FIBER_SIZE / 8];
    let walk = run_fiber_on(array.as_mut_ptr().cast(), FIBER_SIZE);
    assert_eq!(walk.end, End::Complete);
}
