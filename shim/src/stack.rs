//! From registers to a site: walk, hash, look up or make.

#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use memshim_abi::counters;
use memshim_abi::region::Region;
use memshim_abi::sites::{self, FRAMES_MAX, Identity, UNKNOWN_SITE, Writers, flag};

use crate::call::Call;
use crate::modules;
use crate::runtime::Runtime;
use crate::scratch;
use crate::tally::Tally;
use crate::unwind::{self, End, Memo, Registers};

/// The row of a site, and who adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// Its writer; 0 when any thread adds to it.
    pub writer: u16,
}

impl Row {
    /// Who adds to it while the calling thread does.
    pub const fn writers(self) -> Writers {
        if self.writer == 0 {
            Writers::Any
        } else {
            Writers::One
        }
    }
}

/// The row that stands for all stacks without one.
const UNKNOWN: Row = Row {
    number: UNKNOWN_SITE as u32,
    writer: 0,
};

/// The row, for this thread to add to, of the stack that begins at these registers.
#[inline(always)]
pub fn site_of<const EXACT: bool>(call: &mut Call, registers: Registers) -> Row {
    if EXACT {
        site_again(call, registers)
    } else {
        site_anew(call, registers)
    }
}

/// The site of a stack of which much is the same as at the thread's last call.
#[inline(always)]
fn site_again(call: &mut Call, registers: Registers) -> Row {
    let (runtime, now, writer) = (call.runtime, call.now, call.own().writer);
    let Some((own, exact)) = call.own_and_exact() else {
        return UNKNOWN;
    };
    let seen = &mut |object: &unwind::Object| modules::seen(runtime, object, now);
    let found = unwind::walk_again(registers, &mut own.stack, &mut exact.memo, seen);
    if found.site != 0 {
        note(runtime, &mut own.tally, found.end, found.elided);
        let number = found.site;
        return Row { number, writer };
    }
    let hash = odd(found.hash);
    let flags = note(runtime, &mut own.tally, found.end, found.elided);
    let generation = unwind::rules_generation();
    if let Some(number) = exact.sites.get(hash, generation) {
        exact.memo.set_site(number);
        return Row { number, writer };
    }
    let row = find(runtime, hash, writer)
        .unwrap_or_else(|| make_last(runtime, &exact.memo, hash, flags, now, writer));
    if row != UNKNOWN {
        exact.memo.set_site(row.number);
        exact.sites.put(hash, generation, row.number);
    }
    row
}

/// Makes a row for the stack of a thread's last walk.
#[cold]
fn make_last(
    runtime: &'static Runtime,
    memo: &Memo,
    hash: u64,
    flags: u16,
    now: u64,
    writer: u16,
) -> Row {
    let Some(mut scratch) = scratch::Lease::take(writer.into()) else {
        runtime.count(counters::STACKS_MISSING, 1);
        return UNKNOWN;
    };
    let frames = scratch.frames();
    let len = memo.frames(frames);
    let kept = frames.get(..len).unwrap_or(&[]);
    make(runtime, kept, hash, flags, now, writer)
}

/// The site of a stack that is walked for itself.
fn site_anew(call: &mut Call, registers: Registers) -> Row {
    let runtime = call.runtime;
    // Relaxed: a preference, nothing more.
    let preferred = call.thread.row.load(Ordering::Relaxed) as usize;
    let Some(mut scratch) = scratch::Lease::take(preferred) else {
        runtime.count(counters::STACKS_MISSING, 1);
        return UNKNOWN;
    };
    let now = call.now;
    let frames = scratch.frames();
    let stack = &mut call.own().stack;
    let seen = &mut |object: &unwind::Object| modules::seen(runtime, object, now);
    let walk = unwind::walk(registers, stack, seen, frames);
    let kept = frames.get(..walk.len.min(FRAMES_MAX)).unwrap_or(&[]);
    let flags = note(runtime, &mut call.own().tally, walk.end, walk.elided);
    let hash = odd(unwind::hash_of(kept));
    let writer = call.own().writer;
    find(runtime, hash, writer).unwrap_or_else(|| make(runtime, kept, hash, flags, now, writer))
}

/// The hash as sites have it.
const fn odd(hash: u64) -> u64 {
    hash | 1
}

/// The row of a stack that a writer already has.
fn find(runtime: &'static Runtime, hash: u64, writer: u16) -> Option<Row> {
    let key = sites::key(hash, writer.into());
    let is_same = |row: u32| {
        runtime
            .site(row)
            .is_some_and(|row| sites::key_of(row) == key)
    };
    let number = runtime.site_index().find_often(key, is_same)?;
    Some(Row { number, writer })
}

/// The row of the same stack as another row's, for a writer who has none yet.
pub fn twin(runtime: &'static Runtime, row: u32, writer: u16) -> Row {
    let twin = (|| {
        let identity = sites::identity(runtime.site(row)?);
        find(runtime, identity.hash, writer).or_else(|| add_row(runtime, identity, writer))
    })();
    twin.unwrap_or_else(|| {
        runtime.count(counters::SITES_LOST, 1);
        UNKNOWN
    })
}

/// Counts what kind of walk it was; gives the site's flags.
fn note(runtime: &Runtime, tally: &mut Tally, end: End, elided: u64) -> u16 {
    let mut flags = 0;
    if end == End::Complete {
        tally.complete += 1;
    } else {
        runtime.count(counters::STACKS_TRUNCATED, 1);
        flags |= flag::TRUNCATED;
    }
    if elided > 0 {
        runtime.count(counters::STACKS_ELIDED, 1);
        flags |= flag::ELIDED;
    }
    flags
}

/// Any writer, as the index knows it: under this one it has some row of every stack.
const ANY_WRITER: u32 = u32::MAX;

/// Makes a row for a stack of which this writer has none; the common one when there is no room.
fn make(
    runtime: &'static Runtime,
    frames: &[u64],
    hash: u64,
    flags: u16,
    now: u64,
    writer: u16,
) -> Row {
    let row = match another(runtime, hash, writer) {
        Some(identity) => add_row(runtime, identity, writer),
        None => keep_frames(runtime, frames).and_then(|first_frame| {
            let identity = Identity {
                hash,
                writer: 0,
                first_frame,
                depth: frames.len() as u16,
                flags,
                modules: runtime.table(Region::Modules)?.used(),
                made_ticks: now,
            };
            let row = add_row(runtime, identity, writer)?;
            if writer != 0 {
                // Without it another writer of this stack keeps the frames once more.
                let key = sites::key(hash, ANY_WRITER);
                runtime.site_index().insert(key, row.number);
            }
            Some(row)
        }),
    };
    row.unwrap_or_else(|| {
        runtime.count(counters::SITES_LOST, 1);
        UNKNOWN
    })
}

/// What some other writer's row of a stack is.
fn another(runtime: &'static Runtime, hash: u64, writer: u16) -> Option<Identity> {
    if writer == 0 {
        return None;
    }
    let identity = |row: u32| runtime.site(row).map(sites::identity);
    let is_same = |row: u32| identity(row).is_some_and(|identity| identity.hash == hash);
    let key = sites::key(hash, ANY_WRITER);
    identity(runtime.site_index().find(key, is_same)?)
}

fn keep_frames(runtime: &Runtime, frames: &[u64]) -> Option<u32> {
    let count = frames.len() as u64;
    let first = runtime.claim(Region::Frames, count)?;
    let place = runtime.table(Region::Frames)?.span(first, count)?;
    for (word, frame) in place.iter().zip(frames) {
        // Relaxed: published with the site.
        word.store(*frame, Ordering::Relaxed);
    }
    Some(first as u32)
}

fn add_row(runtime: &'static Runtime, identity: Identity, writer: u16) -> Option<Row> {
    let row = runtime.claim(Region::Sites, 1)?;
    let identity = Identity {
        writer: writer.into(),
        ..identity
    };
    sites::publish(runtime.site(row as u32)?, &identity);
    // Two threads may make the same row at once; readers add such twins together.
    let number = row as u32;
    let key = sites::key(identity.hash, identity.writer);
    let is_known = runtime.site_index().insert(key, number);
    is_known.then_some(Row { number, writer })
}

/// Lets go of every site with a frame in a range that was unmapped.
///
/// A stack with the same addresses is then a new site, of the modules loaded by then.
pub fn forget(runtime: &'static Runtime, start: u64, end: u64) {
    let Some(frames) = runtime.table(Region::Frames) else {
        return;
    };
    let is_outside = |row: u32| {
        let Some(site) = runtime.site(row).map(sites::identity) else {
            return true;
        };
        let frames = frames.span(site.first_frame.into(), site.depth.into());
        // Relaxed: the row was published before it came into the index.
        !frames
            .unwrap_or(&[])
            .iter()
            .any(|frame| (start..end).contains(&frame.load(Ordering::Relaxed)))
    };
    runtime.site_index().retain(is_outside);
}
