//! The timeline: how much was live when, over the whole life of the process in bounded room.
//!
//! ```text
//!   0 ticks, 0 while the row is written   1 live bytes   2 live blocks/1024
//!   3 bytes that all threads asked for so far, 0 where they are too many to add up
//! ```
//!
//! ```text
//!   rows    a b c d e f g h          full: every second one goes, and from now on
//!           a c e g                  points are taken half as often
//!           a c e g i k m o          ...
//! ```
//!
//! So there are always between half a table and a whole one, evenly over the life, and the rows
//! stand in the order of their ticks.
//! The header's word `TIMELINE` holds the number of rows in use and, above it, how many thinnings
//! have begun and ended: odd during one.
//! One thread writes at a time.
//! If it dies in a thinning, the rows that still rise are all that it would have kept and more.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::{at, pack, unpack};
use crate::region::RegionShape;
use crate::sync::{AtomicU64, fence};
use crate::words::{Words, acquire_fence};

/// Words in a row.
pub const POINT_WORDS: usize = 4;

/// The most rows there can be.
pub const POINTS_MAX: usize = 1024;

/// The words of one row, as the writer sees them.
pub type PointRow = [AtomicU64; POINT_WORDS];

/// What was live at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// When, ticks; never 0, and later than the point before.
    pub ticks: u64,
    /// Bytes, weighted; below 0 where a thread has not told yet what it allocated.
    pub live_bytes: i64,
    /// Blocks, weighted, in 1/1024.
    pub live_objects: i64,
    /// Bytes that all threads asked for so far, exact; 0 where that is not known.
    pub asked_bytes: u64,
}

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It has a row.
    Yes,
    /// It has a row, and every second one of the others is gone.
    AfterThinning,
    /// There is no memory for a single row.
    No,
}

/// The writer's half: adds the latest point, for which every second one goes if it must.
///
/// `state` is the header's word, `rows` are all that there can ever be, and `has_memory` says
/// whether a row may be touched, having made memory for it where it can.
/// Called by one thread at a time, with ticks that rise.
pub fn append(
    state: &AtomicU64,
    rows: &[PointRow],
    has_memory: impl Fn(u64) -> bool,
    point: &Point,
) -> Appended {
    // Relaxed: only the writer changes it.
    let (used, thinnings) = unpack(state.load(Ordering::Relaxed));
    let room = |used: u32| rows.get(used as usize).filter(|_| has_memory(used.into()));
    // An odd number is left by a writer that was killed by a signal handler's longjmp.
    let is_whole = thinnings & 1 == 0;
    if let Some(row) = room(used).filter(|_| is_whole) {
        write(row, point);
        // Release pairs with the Acquire load of the state in `read`.
        state.store(pack(used + 1, thinnings), Ordering::Release);
        return Appended::Yes;
    }
    let (used, thinnings) = thin(state, rows);
    let Some(row) = room(used) else {
        return Appended::No;
    };
    write(row, point);
    // Release: as above.
    state.store(pack(used + 1, thinnings), Ordering::Release);
    Appended::AfterThinning
}

/// Drops every second row; gives the rows in use and the number of thinnings.
fn thin(state: &AtomicU64, rows: &[PointRow]) -> (u32, u32) {
    // Relaxed: only the writer changes it.
    let (used, thinnings) = unpack(state.load(Ordering::Relaxed));
    let begun = thinnings | 1;
    state.store(pack(used, begun), Ordering::Relaxed);
    // Release pairs with the `acquire_fence` in `read`: a reader that copied a row which was moved
    // below finds the number of thinnings changed.
    fence(Ordering::Release);
    let (mut kept, mut last_ticks, mut is_next_kept) = (0, 0, true);
    for (number, row) in (0..used).zip(rows) {
        let point = load(row);
        // A row that was moved by a thinning which never ended stands at its old place too.
        if point.ticks <= last_ticks {
            continue;
        }
        last_ticks = point.ticks;
        if is_next_kept {
            // A row that stays must not be torn for a moment: its point stands nowhere else.
            if let Some(place) = rows.get(kept as usize).filter(|_| kept != number) {
                write(place, &point);
            }
            kept += 1;
        }
        is_next_kept = !is_next_kept;
    }
    let ended = begun.wrapping_add(1);
    // Release pairs with the Acquire load of the state in `read`.
    state.store(pack(kept, ended), Ordering::Release);
    (kept, ended)
}

fn write(row: &PointRow, point: &Point) {
    let [ticks, live_bytes, live_objects, asked_bytes] = row;
    // Relaxed: ordered by the fence.
    ticks.store(0, Ordering::Relaxed);
    // Release pairs with the `acquire_fence` in `clear_changed`: who copied one of the figures
    // below finds the ticks that stood here gone.
    fence(Ordering::Release);
    // Relaxed: published by the ticks.
    live_bytes.store(point.live_bytes as u64, Ordering::Relaxed);
    live_objects.store(point.live_objects as u64, Ordering::Relaxed);
    asked_bytes.store(point.asked_bytes, Ordering::Relaxed);
    // Release pairs with the `acquire_fence` in `clear_changed`: who copied these ticks finds the
    // figures that belong to them.
    ticks.store(point.ticks, Ordering::Release);
}

/// The writer's own look at a row.
fn load(row: &PointRow) -> Point {
    // Relaxed: only the writer changes it.
    decode(&row.each_ref().map(|word| word.load(Ordering::Relaxed)))
}

const fn decode(words: &[u64; POINT_WORDS]) -> Point {
    let [ticks, live_bytes, live_objects, asked_bytes] = *words;
    Point {
        ticks,
        live_bytes: live_bytes as i64,
        live_objects: live_objects as i64,
        asked_bytes,
    }
}

/// A reader's copy of the rows.
type Copy = [u64; POINTS_MAX * POINT_WORDS];

/// The reader's half: gives the points to `each`, in the order of their ticks.
///
/// Gives whether all are of one moment and none is missing: so it is unless the table keeps being
/// thinned, which a running process does a few times in its life.
pub fn read<W: Words + ?Sized>(words: &W, region: RegionShape, each: impl FnMut(Point)) -> bool {
    // Loom would try every order of eight.
    const TRIES: usize = if cfg!(loom) { 2 } else { 8 };
    let mut copy: Copy = [0; POINTS_MAX * POINT_WORDS];
    for tries_left in (0..TRIES).rev() {
        // Acquire (in `load`) pairs with the Release of the state in `append` and `thin`.
        let state = words.load(at::TIMELINE as u64);
        let (used, thinnings) = unpack(state);
        let rows = copy_rows(words, region, used, &mut copy);
        let is_thinned = thinnings & 1 != 0;
        let changed = if is_thinned {
            clear_changed(words, region, rows)
        } else {
            0
        };
        // Pairs with the Release fence in `thin`.
        acquire_fence();
        let (_, now) = unpack(words.load(at::TIMELINE as u64));
        // Between two thinnings rows are only added. One that never ends, because its process is
        // dead or stopped, has left every point in some row.
        let is_whole = now == thinnings && changed == 0;
        if is_whole || tries_left == 0 {
            give_rising(rows, each);
            return is_whole;
        }
    }
    false
}

/// Clears the rows of a copy that were changed while or after it was made; gives how many.
fn clear_changed<W: Words + ?Sized>(
    words: &W,
    region: RegionShape,
    rows: &mut [[u64; POINT_WORDS]],
) -> usize {
    let mut again: Copy = [0; POINTS_MAX * POINT_WORDS];
    // Pairs with the Release fence and the Release store of the ticks in `write`: the same ticks
    // never stand twice in one row, so a row that was changed meanwhile differs now.
    acquire_fence();
    let others = copy_rows(words, region, rows.len() as u32, &mut again);
    let differing = rows.iter_mut().zip(others);
    let differing = differing.filter(|(row, other)| row != other);
    differing.map(|(row, _)| row.fill(0)).count()
}

fn copy_rows<'a, W: Words + ?Sized>(
    words: &W,
    region: RegionShape,
    used: u32,
    into: &'a mut Copy,
) -> &'a mut [[u64; POINT_WORDS]] {
    let rows = region.rows.min(used.into()).min(POINTS_MAX as u64);
    let len = rows as usize * POINT_WORDS;
    let into = into.get_mut(..len).unwrap_or(&mut []);
    words.copy(region.row(0), into);
    into.as_chunks_mut().0
}

/// Gives the points whose ticks rise; the others are what an unfinished thinning left behind.
fn give_rising(rows: &[[u64; POINT_WORDS]], mut each: impl FnMut(Point)) {
    let mut last_ticks = 0;
    for point in rows.iter().map(decode) {
        if point.ticks > last_ticks {
            last_ticks = point.ticks;
            each(point);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
