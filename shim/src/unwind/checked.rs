//! Holds every remembered walk against a full one, and ends the program at the first difference.

#![forbid(unsafe_code)]

use memshim_abi::sites::FRAMES_MAX;

use super::{Memo, Registers, StackRange, hash_of, walk};
use crate::sys;

use super::memo::Recognised;

/// Compares the walk that the memo was just used for with a full one.
pub(super) fn compare(start: Registers, range: &mut StackRange, memo: &Memo, found: &Recognised) {
    let (mut remembered, mut frames) = ([0; FRAMES_MAX], [0; FRAMES_MAX]);
    let len = memo.frames(&mut remembered);
    let full = walk(start, range, &mut |_| {}, &mut frames);
    let frames = frames.get(..full.len).unwrap_or(&[]);
    let is_same = remembered.get(..len) == Some(frames)
        && (found.len, found.elided, found.end) == (full.len, full.elided, full.end)
        && found.hash == hash_of(frames);
    if !is_same {
        sys::abort();
    }
}
