//! Buffers for one walk each, so that a slow path needs little of the program's stack.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use memshim_abi::sites::FRAMES_MAX;

use crate::private;

/// Threads that can walk at the same time; others record without a stack, and that is counted.
pub const SCRATCHES: usize = 64;

/// One buffer.
#[repr(C, align(64))]
pub struct Scratch {
    is_taken: AtomicU32,
    frames: UnsafeCell<[u64; FRAMES_MAX]>,
}

// SAFETY: `frames` is only reached through a `Lease`, of which there is one at a time.
unsafe impl Sync for Scratch {}

/// The right to use one buffer; gives it back when dropped.
pub struct Lease(&'static Scratch);

impl Lease {
    /// A free buffer, best the one this thread had before.
    pub fn take(preferred: usize) -> Option<Self> {
        let scratches = private::scratches();
        let (after, first) = scratches.split_at_checked(preferred % SCRATCHES)?;
        let free = first.iter().chain(after).find(|scratch| {
            // Acquire pairs with the Release in `drop`.
            scratch
                .is_taken
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })?;
        Some(Self(free))
    }

    /// The buffer.
    pub fn frames(&mut self) -> &mut [u64; FRAMES_MAX] {
        // SAFETY: this lease is the only one of the buffer, and it is borrowed mutably.
        unsafe { &mut *self.0.frames.get() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `take`.
        self.0.is_taken.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_buffer_is_never_leased_twice_and_a_failed_attempt_frees_none() {
        let room = private::Room {
            sites: 1,
            slots: 1,
            is_exact: false,
        };
        private::create(room).expect("private memory");
        let mut leases: Vec<Lease> = (0..SCRATCHES).filter_map(|_| Lease::take(7)).collect();
        assert_eq!(leases.len(), SCRATCHES);
        assert!(Lease::take(7).is_none());
        assert!(Lease::take(7).is_none());
        leases.pop();
        assert!(Lease::take(7).is_some());
    }
}
