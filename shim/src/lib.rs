//! libmemshim.so: the half of memshim inside the profiled process.
//!
//! It stands in for malloc and its kin, passes every call on to the real allocator, and records a
//! sample of them in a file that readers share (see `memshim_abi`).
//!
//! Promises to the host:
//! it never allocates from the host's heap, never blocks, prints, panics, starts a thread or
//! changes errno; trouble is passed through and counted.
//! It is `no_std` without an allocator, so the compiler proves the first of these.
//!
//! ```text
//!  exports -> real (-> bootstrap)            the fast path: count down, or test a bit, and jump
//!     |
//!     v
//!   slow -> call -> thread, tls              once per sample
//!     |        |----> controller              how many bytes lie between two samples
//!     |        '----> lifecycle -> config, segment, private, clock, go
//!     v
//!  record -> stack -> unwind, modules        the tables of the segment
//!     '----> filter, blocks, recycle         private: which addresses are sampled, where they are
//! ```
#![cfg_attr(not(test), no_std)]
// The entry points are left out of the unit tests, which would otherwise interpose themselves.
#![cfg_attr(test, allow(dead_code))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(not(test))]
pub mod exports;

mod address_map;
mod blocks;
mod bootstrap;
mod call;
mod clock;
mod config;
mod controller;
mod elf;
mod filter;
mod go;
mod index;
mod levels;
mod lifecycle;
mod memory;
mod memory_functions;
mod modules;
mod path;
mod private;
mod real;
mod record;
mod recycle;
mod runtime;
mod sample;
mod scratch;
mod segment;
mod site_cache;
mod slot_cache;
mod slow;
mod stack;
mod sys;
mod tally;
mod thread;
mod timeline;
mod tls;
mod turn;
mod unwind;

/// Not reached in the release build: the code is written so that nothing can panic, and the linker
/// finds no caller.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::abort()
}

// Code that is not optimized names the personality routine of unwinding, although it is built to
// abort; without a definition the library would not load.
#[cfg(all(not(test), debug_assertions))]
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    "rust_eh_personality:",
    "ud2",
);
