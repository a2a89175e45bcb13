//! The heap at its peak, known at any time without copying anything.
//!
//! Each new maximum of the live bytes raises the peak epoch.
//! The first time a site changes after that, it keeps what was live there together with the
//! epoch; a site that has not changed since still holds its peak figure as its live figure.
//! Both steps cost the same whatever the number of sites.
//!
//! With several threads in their slow paths at once, a site's figure may be off by the calls in
//! flight at the peak, and in exact mode by what each thread has not told yet (see [`Pending`]).
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::at;
use crate::sites::{self, AtPeak, Site, SiteRow};
use crate::sync::AtomicU64;
use crate::weight::Weight;

/// The writer's half: keeps the site's live figure if this is its first change since the peak.
///
/// Called before the totals of the site change.
#[inline(always)]
pub fn keep(heap: &Heap, site: &SiteRow) {
    let ([_, _, epoch, ..], kept) = (heap, &site[sites::EPOCH]);
    // Relaxed throughout: the module's comment allows for calls in flight.
    let epoch = epoch.load(Ordering::Relaxed);
    // A maximum, so that a thread that comes late with an older epoch never takes a newer one back.
    if kept.load(Ordering::Relaxed) >= epoch || kept.fetch_max(epoch, Ordering::Relaxed) >= epoch {
        return;
    }
    keep_figures(site);
}

/// Stores what is live at a site as what was live at the peak.
fn keep_figures(site: &SiteRow) {
    let live = sites::live(site);
    let figures = [
        live.bytes as u64,
        live.objects as u64,
        live.bytes_variance.to_bits(),
        live.objects_variance.to_bits(),
    ];
    for (word, figure) in site.iter().skip(sites::AT_PEAK).zip(figures) {
        word.store(figure, Ordering::Relaxed);
    }
}

/// The words of the header about the live heap: bytes, blocks; the peak's epoch, bytes, ticks.
pub type Heap = [AtomicU64; 5];

/// These words within a segment's.
#[inline]
pub fn heap(segment: &[AtomicU64]) -> Option<&Heap> {
    segment.get(at::LIVE_BYTES..)?.first_chunk()
}

/// By how much the live totals change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Bytes, weighted.
    pub bytes: i64,
    /// Blocks, in 1/1024.
    pub objects: i64,
}

impl Change {
    /// A block of this weight was born.
    pub const fn birth(weight: &Weight) -> Self {
        Self {
            bytes: weight.bytes as i64,
            objects: weight.objects as i64,
        }
    }

    /// A block of this weight died.
    pub const fn death(weight: &Weight) -> Self {
        Self {
            bytes: (weight.bytes as i64).wrapping_neg(),
            objects: (weight.objects as i64).wrapping_neg(),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_add(other.bytes),
            objects: self.objects.wrapping_add(other.objects),
        }
    }
}

/// Changes that one thread keeps to itself before it adds them to the header's totals.
///
/// Where every block is recorded, threads that add to one word at each call would fight for it.
#[derive(Clone, Copy)]
pub struct Pending<'a> {
    /// A word of the thread's row, which only this thread changes: bytes.
    pub bytes: &'a AtomicU64,
    /// The next word: blocks.
    pub objects: &'a AtomicU64,
    /// Whether there is no other thread, so that nothing else is pending.
    pub is_alone: bool,
}

impl Pending<'_> {
    #[inline(always)]
    fn load(&self) -> Change {
        // Relaxed: only this thread changes them.
        Change {
            bytes: self.bytes.load(Ordering::Relaxed) as i64,
            objects: self.objects.load(Ordering::Relaxed) as i64,
        }
    }

    #[inline(always)]
    fn store(&self, change: Change) {
        // Relaxed: sums by themselves.
        self.bytes.store(change.bytes as u64, Ordering::Relaxed);
        self.objects.store(change.objects as u64, Ordering::Relaxed);
    }
}

/// The least number of bytes that a thread keeps to itself.
const PENDING_BYTES_LEAST: u64 = 4096;

/// The most that a thread keeps to itself: a 4096th of the peak.
const PENDING_SHIFT: u32 = 12;

/// The writer's half: a block was born or died, and the heap may be larger than ever.
///
/// Called after the totals of its site changed.
/// While there is one thread the peak is exact; with several, each may hide a 4096th of it.
#[inline(always)]
pub fn change(heap: &Heap, pending: Option<Pending<'_>>, by: Change, now_ticks: u64) {
    let [live_bytes, _, epoch, peak, ticks] = heap;
    // Relaxed throughout: see the module's comment.
    let highest = peak.load(Ordering::Relaxed);
    let live = match pending {
        Some(pending) => {
            let sum = pending.load().plus(by);
            let most = PENDING_BYTES_LEAST.max(highest >> PENDING_SHIFT);
            if sum.bytes.unsigned_abs() < most {
                pending.store(sum);
                if !pending.is_alone {
                    return;
                }
                let said = live_bytes.load(Ordering::Relaxed);
                said.wrapping_add(sum.bytes as u64)
            } else {
                pending.store(Change {
                    bytes: 0,
                    objects: 0,
                });
                add(heap, sum)
            }
        }
        None => add(heap, by),
    };
    // A total below 0 is one whose births another thread has not told yet.
    if live as i64 > highest as i64 && peak.fetch_max(live, Ordering::Relaxed) < live {
        epoch.fetch_add(1, Ordering::Relaxed);
        ticks.store(now_ticks, Ordering::Relaxed);
    }
}

/// The writer's half: a thread ends, or its row goes to another.
pub fn tell(heap: &Heap, pending: Pending<'_>) {
    add(heap, pending.load());
    pending.store(Change {
        bytes: 0,
        objects: 0,
    });
}

/// Adds to the header's totals; gives the live bytes.
fn add(heap: &Heap, change: Change) -> u64 {
    let [bytes, objects, ..] = heap;
    // Relaxed: sums by themselves.
    objects.fetch_add(change.objects as u64, Ordering::Relaxed);
    let by = change.bytes as u64;
    bytes.fetch_add(by, Ordering::Relaxed).wrapping_add(by)
}

/// The reader's half: what was live at `site` when the process was at the peak of `epoch`.
pub fn of_site(site: &Site, epoch: u64) -> AtPeak {
    if site.at_peak.epoch == epoch {
        return site.at_peak;
    }
    AtPeak {
        epoch,
        bytes: site.born.bytes.wrapping_sub(site.died.bytes) as i64,
        objects: site.born.objects.wrapping_sub(site.died.objects) as i64,
        bytes_variance: site.born.bytes_variance - site.died.bytes_variance,
        objects_variance: site.born.objects_variance - site.died.objects_variance,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
