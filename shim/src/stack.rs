//! From registers to a site: walk, hash, look up or make.

#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use memshim_abi::region::Region;
use memshim_abi::sites::{self, FRAMES_MAX, Identity, UNKNOWN_SITE, flag};
use memshim_abi::{counters, header};

use crate::modules;
use crate::runtime::Runtime;
use crate::scratch;
use crate::tally::Tally;
use crate::thread::Call;
use crate::unwind::{self, End, Registers, Walk};

/// The site of the stack that begins at these registers.
pub fn site_of(call: &mut Call, registers: Registers) -> u32 {
    let runtime = call.runtime;
    // Relaxed: a preference, nothing more.
    let preferred = call.thread.row.load(Ordering::Relaxed) as usize;
    let Some(mut scratch) = scratch::Lease::take(preferred) else {
        runtime.count(counters::STACKS_MISSING, 1);
        return UNKNOWN_SITE as u32;
    };
    let now = call.now;
    let frames = scratch.frames();
    let stack = &mut call.own().stack;
    let seen = &mut |object: &unwind::Object| modules::seen(runtime, object, now);
    let walk = unwind::walk(registers, stack, seen, frames);
    let kept = frames.get(..walk.len.min(FRAMES_MAX)).unwrap_or(&[]);
    let flags = note(runtime, &mut call.own().tally, &walk);
    let hash = hash(kept);
    let index = runtime.site_index();
    let sites = runtime.table(Region::Sites);
    let is_same = |row: u32| {
        // Acquire: pairs with the Release in `sites::publish`.
        sites
            .and_then(|table| table.row(u64::from(row))?.first())
            .is_some_and(|word| word.load(Ordering::Acquire) == hash)
    };
    index
        .find(hash, is_same)
        .unwrap_or_else(|| make(runtime, kept, hash, flags, now))
}

/// Counts what kind of walk it was; gives the site's flags.
fn note(runtime: &Runtime, tally: &mut Tally, walk: &Walk) -> u16 {
    let mut flags = 0;
    if matches!(walk.end, End::Complete) {
        tally.complete += 1;
    } else {
        runtime.count(counters::STACKS_TRUNCATED, 1);
        flags |= flag::TRUNCATED;
    }
    if walk.elided > 0 {
        runtime.count(counters::STACKS_ELIDED, 1);
        flags |= flag::ELIDED;
    }
    flags
}

/// A hash of a stack, never 0; each frame is multiplied in, so order counts.
fn hash(frames: &[u64]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15;
    for &frame in frames {
        hash = (hash ^ frame).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    hash | 1
}

/// Makes a site for a stack that has none; the common site when there is no room.
fn make(runtime: &'static Runtime, frames: &[u64], hash: u64, flags: u16, now: u64) -> u32 {
    let made = (|| {
        let first_frame = runtime.claim(Region::Frames, frames.len() as u64)?;
        let row = runtime.claim(Region::Sites, 1)?;
        let place = runtime
            .table(Region::Frames)?
            .span(first_frame, frames.len() as u64)?;
        for (word, frame) in place.iter().zip(frames) {
            // Relaxed: published with the site.
            word.store(*frame, Ordering::Relaxed);
        }
        let identity = Identity {
            hash,
            first_frame: first_frame as u32,
            depth: frames.len() as u16,
            flags,
            modules: runtime.table(Region::Modules)?.used(),
            made_ticks: now,
        };
        sites::publish(runtime.table(Region::Sites)?.row(row)?, &identity);
        Some(row as u32)
    })();
    match made {
        // Two threads may make the same site at once; readers add such twins together.
        Some(row) if runtime.site_index().insert(hash, row) => row,
        _ => {
            runtime.count(counters::SITES_LOST, 1);
            UNKNOWN_SITE as u32
        }
    }
}

/// Lets go of every site with a frame in a range that was unmapped.
///
/// A stack with the same addresses is then a new site, of the modules loaded by then.
pub fn forget(runtime: &'static Runtime, start: u64, end: u64) {
    let (Some(sites), Some(frames)) = (runtime.table(Region::Sites), runtime.table(Region::Frames))
    else {
        return;
    };
    let is_outside = |row: u32| {
        let Some([_, place, ..]) = sites.row(u64::from(row)) else {
            return true;
        };
        // Relaxed: the row was published before it came into the index.
        let (first, depth) = header::unpack(place.load(Ordering::Relaxed));
        let frames = frames
            .span(u64::from(first), u64::from(depth & 0xffff))
            .unwrap_or(&[]);
        !frames
            .iter()
            .any(|frame| (start..end).contains(&frame.load(Ordering::Relaxed)))
    };
    runtime.site_index().retain(is_outside);
}
