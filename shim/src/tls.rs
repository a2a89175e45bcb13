//! The shim's 64 bytes in every thread, reached in two instructions.
//!
//! ```text
//!   0 countdown: bytes until the next sample, signed; below 0 the slow path is taken
//!   8 armed: what the countdown was last set to     16 exponent of the interval it was drawn at
//!  24 inside: stack pointer of the slow path that this thread is in, 0 outside
//!  32 thread: its state in private memory           40 generation that state belongs to
//!  48 strays: frees that looked for a block that was not sampled, not yet added to the header's
//! ```
//!
//! A new thread's block is all 0, so its first allocation takes the slow path and sets it up.
//! Stable Rust has no way to ask for the initial-exec model; `thread_local!` in a shared library
//! calls `__tls_get_addr`, which costs 2.4 ns and may allocate.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering};

use crate::thread::Thread;

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".section .tbss.memshim, \"awT\", @nobits",
    ".balign 64",
    ".hidden memshim_tls",
    ".globl memshim_tls",
    ".type memshim_tls, @object",
    ".size memshim_tls, 64",
    "memshim_tls:",
    ".zero 64",
    ".text",
);

/// One thread's block; atomics because a signal handler may look at it at any instruction.
#[repr(C, align(64))]
pub struct Block {
    /// Bytes until the next sample.
    pub countdown: AtomicI64,
    /// What the countdown was last set to.
    pub armed: AtomicI64,
    /// Exponent of the interval of the present gap.
    pub exponent: AtomicU64,
    /// Stack pointer of the slow path the thread is in.
    pub inside: AtomicU64,
    /// The thread's state.
    pub thread: AtomicPtr<Thread>,
    /// The process generation that state belongs to.
    pub generation: AtomicU64,
    /// Look-ups in vain.
    pub strays: AtomicU64,
}

const _: () = assert!(size_of::<Block>() == 64);
const _: () = assert!(core::mem::offset_of!(Block, countdown) == 0);

/// Counts a look-up in vain.
pub fn count_stray() {
    let strays = &block().strays;
    // Relaxed, and no read-modify-write: only this thread touches the block.
    strays.store(
        strays.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

/// The calling thread's block.
#[cfg(target_arch = "x86_64")]
pub fn block() -> &'static Block {
    let address: *const Block;
    // SAFETY: the thread pointer plus the offset that the loader stored is this thread's copy.
    unsafe {
        asm!(
            "mov {address}, qword ptr fs:[0]",
            "add {address}, qword ptr [rip + memshim_tls@GOTTPOFF]",
            address = out(reg) address,
            options(pure, readonly, nostack),
        );
    }
    // SAFETY: the block is 64 zeroed, aligned bytes that last as long as the thread, and the
    // reference is not handed to another thread.
    unsafe { &*address }
}
