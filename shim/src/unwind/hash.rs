//! One number for a whole stack, made from its outermost frame inwards.
//!
//! So the number of a stack is that of its caller's stack and one frame more: what a thread's next
//! walk shares with its last is not hashed again. Each step can be undone, so that two stacks that
//! differ in one frame never have the same number; for others it is as unlikely as 64 bits make it.

#![forbid(unsafe_code)]

/// The number of the stack without frames.
pub(super) const EMPTY: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a stack with one more frame inside.
#[inline]
pub(super) fn enter(outer: u64, pc: u64) -> u64 {
    let product = (outer ^ pc).wrapping_mul(0xff51_afd7_ed55_8ccd);
    // The upper half is the better mixed one: without this, high bits never reach low ones.
    product ^ product >> 32
}

/// The number as it is given away: 0 means that there is none.
#[inline]
pub(super) fn finish(hash: u64) -> u64 {
    hash.max(1)
}

/// The number of a stack, never 0. The frames are those that `walk` writes, innermost first; where
/// the middle is left out, it counts for nothing.
pub fn hash_of(frames: &[u64]) -> u64 {
    let inwards = frames.iter().rev();
    finish(inwards.fold(EMPTY, |outer, pc| enter(outer, *pc)))
}
