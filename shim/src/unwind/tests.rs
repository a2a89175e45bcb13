//! Holds the unwinder against three oracles: gimli for single rows, libgcc and framehop for whole
//! stacks.

mod damage;
mod deep;
mod fibers;
mod framehop;
mod holes;
mod loaded;
mod memo;
mod rows;
mod signals;
mod speed;
mod stacks;
mod switched;
mod trees;

use core::arch::naked_asm;

use super::{End, Object, Registers, StackRange, Walk, walk};

/// What the entry point of an interposed function passes on: its caller's pc, sp and bp.
#[unsafe(naked)]
extern "C" fn callers_registers(into: &mut [u64; 3]) {
    naked_asm!(
        "mov rax, [rsp]",
        "mov [rdi], rax",
        "lea rax, [rsp + 8]",
        "mov [rdi + 8], rax",
        "mov [rdi + 16], rbp",
        "ret",
    )
}

fn registers(of: [u64; 3]) -> Registers {
    let [pc, sp, bp] = of;
    Registers { pc, sp, bp }
}

fn ignore(_: &Object) {}

/// The registers of the function that uses it.
macro_rules! registers_here {
    () => {{
        let mut here = [0; 3];
        super::callers_registers(&mut here);
        super::registers(here)
    }};
}
use registers_here;

/// A walk from registers, with nothing known about the stack beforehand.
fn frames_from(start: Registers, room: usize) -> (Vec<u64>, Walk) {
    let mut frames = vec![0; room];
    let walk = walk(start, &mut StackRange::new(), &mut ignore, &mut frames);
    frames.truncate(walk.len);
    (frames, walk)
}

/// Fresh zero pages.
fn new_memory(size: usize) -> *mut libc::c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses an address that nobody uses.
    let memory = unsafe { libc::mmap(core::ptr::null_mut(), size, protection, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    memory
}

/// What libgcc says, from a function inside it outwards.
fn frames_by_libgcc() -> Vec<u64> {
    let mut frames = Vec::new();
    // SAFETY: the lock that this variant leaves out guards symbolization, which is not used here.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let pc = frame.ip() as u64;
            // It shows the bottom of a stack as one more frame, at address 0.
            if pc != 0 {
                frames.push(pc);
            }
            true
        });
    }
    frames
}

/// Holds that the caller's frames are those of libgcc, down to the bottom of the stack, and those
/// of framehop as far as it can go.
#[inline(never)]
fn check_against_libgcc() -> Vec<u64> {
    let here = registers_here_in_tests();
    let (ours, walk) = frames_from(here, 4096);
    framehop::check_against_framehop(here, &ours);
    let theirs = frames_by_libgcc();
    check_same_callers(&ours, &theirs);
    assert_eq!(walk.end, End::Complete, "{walk:?}");
    assert_eq!(walk.elided, 0);
    ours
}

/// As `registers_here`, for this module: the frame of `check_against_libgcc` itself would differ,
/// so it begins with its caller.
#[inline(always)]
fn registers_here_in_tests() -> Registers {
    let mut here = [0; 3];
    callers_registers(&mut here);
    registers(here)
}

/// Two stacks begin at different calls of one function; from its caller on they are the same.
fn check_same_callers(ours: &[u64], theirs: &[u64]) {
    let callers = &ours[1..];
    let same = theirs.ends_with(callers) && theirs.len() <= ours.len() + 8;
    assert!(same, "ours: {ours:x?}\nlibgcc: {theirs:x?}");
}
