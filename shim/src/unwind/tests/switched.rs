//! Stacks that are not the thread's own, and frames that compilers align.

use core::arch::global_asm;
use std::cell::UnsafeCell;
use std::ptr::null_mut;

use super::{End, check_against_libgcc, ignore, registers_here};
use crate::unwind::{StackRange, walk};

const FIBER_SIZE: usize = 16 << 10;

fn map(size: usize) -> *mut libc::c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory.
    let memory = unsafe { libc::mmap(null_mut(), size, protection, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    memory
}

struct Fiber {
    main: UnsafeCell<libc::ucontext_t>,
    own: UnsafeCell<libc::ucontext_t>,
    range: UnsafeCell<StackRange>,
    frames: UnsafeCell<[u64; 64]>,
    walk: UnsafeCell<Option<super::Walk>>,
}

thread_local! {
    static FIBER: Box<Fiber> = Box::new(Fiber {
        // SAFETY: contexts are filled before they are used.
        main: UnsafeCell::new(unsafe { core::mem::zeroed() }),
        // SAFETY: as above.
        own: UnsafeCell::new(unsafe { core::mem::zeroed() }),
        range: UnsafeCell::new(StackRange::new()),
        frames: UnsafeCell::new([0; 64]),
        walk: UnsafeCell::new(None),
    });
}

#[inline(never)]
fn walk_in_fiber(depth: u32) {
    if depth != 0 {
        walk_in_fiber(depth - 1);
        std::hint::black_box(depth);
        return;
    }
    FIBER.with(|fiber| {
        // SAFETY: one thread, and the switching function waits in swapcontext.
        unsafe {
            let (range, frames) = (&mut *fiber.range.get(), &mut *fiber.frames.get());
            *fiber.walk.get() = Some(walk(registers_here!(), range, &mut ignore, frames));
        }
    });
}

extern "C" fn fiber_main() {
    walk_in_fiber(5);
}

fn run_fiber_on(stack: *mut libc::c_void, size: usize) -> super::Walk {
    FIBER.with(|fiber| {
        // SAFETY: the stack is large enough and lives until the fiber returned.
        unsafe {
            let own = fiber.own.get();
            libc::getcontext(own);
            (*own).uc_stack.ss_sp = stack;
            (*own).uc_stack.ss_size = size;
            (*own).uc_link = fiber.main.get();
            libc::makecontext(own, fiber_main, 0);
            libc::swapcontext(fiber.main.get(), own);
            (*fiber.walk.get()).take().expect("the fiber walked")
        }
    })
}

fn known_range() -> (u64, u64) {
    // SAFETY: one thread, and no fiber runs.
    FIBER.with(|fiber| unsafe { ((*fiber.range.get()).lo, (*fiber.range.get()).hi) })
}

#[test]
fn a_fiber_ends_at_its_start_and_is_not_remembered() {
    for round in 0..4 {
        let stack = map(FIBER_SIZE);
        let inside = run_fiber_on(stack, FIBER_SIZE);
        assert_eq!(inside.end, End::Complete);
        assert!((7..16).contains(&inside.len), "{inside:?}");
        let (lo, hi) = known_range();
        let at = stack as u64;
        assert!(hi <= at || at + FIBER_SIZE as u64 <= lo, "round {round}");
        // SAFETY: the fiber has returned.
        unsafe { libc::munmap(stack, FIBER_SIZE) };
        // The native stack in between, from the same thread state.
        FIBER.with(|fiber| {
            // SAFETY: no fiber runs.
            let (range, frames) = unsafe { (&mut *fiber.range.get(), &mut *fiber.frames.get()) };
            let walk = walk(registers_here!(), range, &mut ignore, frames);
            assert_eq!(walk.end, End::Complete);
        });
    }
}

#[test]
fn a_fiber_in_an_array_of_the_native_stack_is_followed() {
    let mut array = [0_u64; FIBER_SIZE / 8];
    let walk = run_fiber_on(array.as_mut_ptr().cast(), FIBER_SIZE);
    assert_eq!(walk.end, End::Complete);
}

// gcc's code for a function that aligns its stack and calls alloca; and a function that calls
// another on a new stack, keeping the old one in rbp, as Rust's psm does.
global_asm!(
    "memshim_test_aligned: .cfi_startproc",
    "lea r10, [rsp + 8]",
    ".cfi_def_cfa r10, 0",
    "and rsp, -32",
    "push qword ptr [r10 - 8]",
    "push rbp",
    "mov rbp, rsp",
    ".cfi_escape 0x10, 6, 2, 0x76, 0",
    "push r10",
    ".cfi_escape 0x0f, 3, 0x76, 0x78, 6",
    "sub rsp, 40",
    "call rdi",
    "add rsp, 40",
    "pop r10",
    ".cfi_def_cfa r10, 0",
    "pop rbp",
    "lea rsp, [r10 - 8]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    "memshim_test_on_stack: .cfi_startproc",
    "push rbp",
    ".cfi_def_cfa rsp, 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rsi",
    "call rdi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
);

unsafe extern "C" {
    fn memshim_test_aligned(then: extern "C" fn());
    fn memshim_test_on_stack(then: extern "C" fn(), top: *mut u8);
}

extern "C" fn check() {
    check_against_libgcc();
}

extern "C" fn check_aligned_twice() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_aligned(check) };
}

#[test]
fn frames_that_gcc_aligns_are_followed() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_aligned(check_aligned_twice) };
}

#[test]
fn a_function_on_a_borrowed_stack_leads_back() {
    let size = 256 << 10;
    let stack = map(size);
    // SAFETY: the stack is large enough for the check.
    unsafe { memshim_test_on_stack(check, stack.cast::<u8>().add(size)) };
    // The other direction: the borrowed stack is above the thread's own.
    let mut array = vec![0_u64; size / 8];
    // SAFETY: as above.
    unsafe { memshim_test_on_stack(check, array.as_mut_ptr().cast::<u8>().add(size & !15)) };
}
