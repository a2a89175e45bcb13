//! Counts the remembered walks that are not what a full walk finds: none, it is hoped.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use memshim_abi::sites::FRAMES_MAX;

use super::{Memo, Recognised, Registers, StackRange, hash_of, walk};

/// How many remembered walks were compared with full ones.
pub static WALKS_CHECKED: AtomicU64 = AtomicU64::new(0);
/// How many of them differed.
pub static WALKS_DIFFERENT: AtomicU64 = AtomicU64::new(0);

/// Compares the walk that the memo was just used for with a full one.
pub(super) fn compare(start: Registers, range: &mut StackRange, memo: &Memo, found: &Recognised) {
    let (mut remembered, mut frames) = ([0; FRAMES_MAX], [0; FRAMES_MAX]);
    let len = memo.frames(&mut remembered);
    let full = walk(start, range, &mut |_| {}, &mut frames);
    let frames = frames.get(..full.len).unwrap_or(&[]);
    let is_same = remembered.get(..len) == Some(frames)
        && (found.len, found.elided, found.end) == (full.len, full.elided, full.end)
        && found.hash == hash_of(frames);
    // Relaxed: counts by themselves.
    WALKS_CHECKED.fetch_add(1, Relaxed);
    WALKS_DIFFERENT.fetch_add(u64::from(!is_same), Relaxed);
}
