//! Notes how much is live, often at first and half as often whenever the segment's table is full.
//!
//! Without any reader there is then a curve of the whole life, and a kill does not take it away.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use memshim_abi::header::at;
use memshim_abi::region::Region;
use memshim_abi::threads::{self, at::BYTES};
use memshim_abi::timeline::{Appended, Point, append};

use crate::runtime::Runtime;
use crate::turn::Turn;

/// Ticks between the first points: about a millisecond.
const FIRST_SPACING_TICKS: u64 = 1 << 21;

/// Threads that are added up for a point: some microseconds, if they are not in the cache.
const THREADS_MAX: u64 = 256;

/// When the next point is due; zeros are its first value.
#[derive(Default)]
pub struct Timeline {
    due_ticks: AtomicU64,
    /// When the last point was noted, ticks.
    noted_ticks: AtomicU64,
    /// 0 before the first point.
    spacing_ticks: AtomicU64,
    /// Of the thread that notes a point.
    turn: Turn,
}

/// Notes a point if it is time to.
#[inline(always)]
pub fn tend(runtime: &Runtime, now_ticks: u64) {
    // Relaxed: an old value only looks once more.
    if now_ticks >= runtime.timeline.due_ticks.load(Ordering::Relaxed) {
        take_turn(runtime, now_ticks);
    }
}

#[cold]
#[inline(never)]
fn take_turn(runtime: &Runtime, now_ticks: u64) {
    runtime.timeline.turn.run(now_ticks, || {
        // Relaxed: ordered by the turn. A thread that comes late would note a time that has passed.
        if now_ticks >= runtime.timeline.due_ticks.load(Ordering::Relaxed) {
            note(runtime, now_ticks);
        }
    });
}

fn note(runtime: &Runtime, now_ticks: u64) {
    let (Some(state), Some(table)) = (
        runtime.header(at::TIMELINE),
        runtime.table(Region::Timeline),
    ) else {
        return;
    };
    let has_memory = |row: u64| row < table.used() || runtime.claim(Region::Timeline, 1).is_some();
    let rows = table.rows().as_chunks().0;
    let timeline = &runtime.timeline;
    // Relaxed throughout: only the thread whose turn it is stores these.
    let spacing = timeline.spacing_ticks.load(Ordering::Relaxed);
    let mut spacing = spacing.max(FIRST_SPACING_TICKS);
    let point = now(runtime, now_ticks);
    let quiet = quiet_since(runtime, now_ticks, spacing).map(|ticks| Point { ticks, ..point });
    for point in quiet.iter().chain([&point]) {
        if append(state, rows, has_memory, point) == Appended::AfterThinning {
            spacing = spacing.saturating_mul(2);
        }
    }
    timeline.spacing_ticks.store(spacing, Ordering::Relaxed);
    timeline.noted_ticks.store(now_ticks, Ordering::Relaxed);
    let due_ticks = now_ticks.saturating_add(spacing);
    timeline.due_ticks.store(due_ticks, Ordering::Relaxed);
}

/// When the last call was, if it was not noted and nothing happened for long after it.
///
/// What it left was live all the while, up to the call that is going on now; without a point there
/// the curve would go on with what was live some calls earlier.
fn quiet_since(runtime: &Runtime, now_ticks: u64, spacing: u64) -> Option<u64> {
    // Relaxed: a time stamp by itself, and a word that only the thread whose turn it is stores.
    let heard_ticks = runtime.header(at::HEARTBEAT)?.load(Ordering::Relaxed);
    let noted_ticks = runtime.timeline.noted_ticks.load(Ordering::Relaxed);
    let is_new = noted_ticks > 0 && heard_ticks > noted_ticks;
    let is_long_ago = heard_ticks.saturating_add(spacing) < now_ticks;
    (is_new && is_long_ago).then_some(heard_ticks)
}

/// What is live now, with what the threads have not told yet.
fn now(runtime: &Runtime, now_ticks: u64) -> Point {
    let mut point = Point {
        ticks: now_ticks,
        ..Point::default()
    };
    if let Some([bytes, objects, ..]) = runtime.heap() {
        // Relaxed here and below: sums by themselves.
        point.live_bytes = bytes.load(Ordering::Relaxed) as i64;
        point.live_objects = objects.load(Ordering::Relaxed) as i64;
    }
    let threads = runtime
        .table(Region::Threads)
        .map_or(0, |table| table.used());
    for row in 0..threads.min(THREADS_MAX) as u32 {
        let Some(row) = runtime.thread(row) else {
            break;
        };
        let (bytes, objects) = threads::pending(row);
        let pending = [bytes, objects].map(|word| word.load(Ordering::Relaxed) as i64);
        point.live_bytes = point.live_bytes.wrapping_add(pending[0]);
        point.live_objects = point.live_objects.wrapping_add(pending[1]);
        let asked = row
            .get(BYTES)
            .map_or(0, |word| word.load(Ordering::Relaxed));
        point.asked_bytes = point.asked_bytes.wrapping_add(asked);
    }
    if threads > THREADS_MAX {
        point.asked_bytes = 0;
    }
    point
}
