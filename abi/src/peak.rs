//! The heap at its peak, known at any time without copying anything.
//!
//! Each new maximum of the live bytes raises the peak epoch.
//! The first time a site changes after that, it keeps what was live there together with the
//! epoch; a site that has not changed since still holds its peak figure as its live figure.
//! Both steps cost the same whatever the number of sites.
//!
//! With several threads in their slow paths at once, a site's figure may be off by the calls in
//! flight at the peak.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::at;
use crate::sites::{self, AtPeak, Site};
use crate::sync::AtomicU64;
use crate::weight::Weight;

/// The writer's half: keeps the site's live figure if this is its first change since the peak.
///
/// Called before the totals of the site change.
pub fn keep(header: &[AtomicU64], site: &[AtomicU64]) {
    let (Some(epoch), Some([kept, bytes, objects, bytes_variance, objects_variance])) = (
        header.get(at::PEAK_EPOCH),
        site.get(sites::PEAK..sites::PEAK + 5),
    ) else {
        return;
    };
    // Relaxed throughout: the module's comment allows for calls in flight.
    let epoch = epoch.load(Ordering::Relaxed);
    // A maximum, so that a thread that comes late with an older epoch never takes a newer one back.
    if kept.load(Ordering::Relaxed) >= epoch || kept.fetch_max(epoch, Ordering::Relaxed) >= epoch {
        return;
    }
    let live = sites::live(site);
    bytes.store(live.bytes, Ordering::Relaxed);
    objects.store(live.objects, Ordering::Relaxed);
    bytes_variance.store(live.bytes_variance.to_bits(), Ordering::Relaxed);
    objects_variance.store(live.objects_variance.to_bits(), Ordering::Relaxed);
}

/// The writer's half: a block was born, the heap may be larger than ever.
///
/// Called after the totals of its site changed.
pub fn grow(header: &[AtomicU64], weight: &Weight, now_ticks: u64) {
    let (Some(live_bytes), Some(live_objects), Some([epoch, peak, ticks])) = (
        header.get(at::LIVE_BYTES),
        header.get(at::LIVE_OBJECTS),
        header.get(at::PEAK_EPOCH..at::PEAK_EPOCH + 3),
    ) else {
        return;
    };
    // Relaxed throughout: see the module's comment.
    live_objects.fetch_add(weight.objects, Ordering::Relaxed);
    let live = live_bytes
        .fetch_add(weight.bytes, Ordering::Relaxed)
        .wrapping_add(weight.bytes);
    if live > peak.load(Ordering::Relaxed) && peak.fetch_max(live, Ordering::Relaxed) < live {
        epoch.fetch_add(1, Ordering::Relaxed);
        ticks.store(now_ticks, Ordering::Relaxed);
    }
}

/// The writer's half: a block died.
pub fn shrink(header: &[AtomicU64], weight: &Weight) {
    if let (Some(bytes), Some(objects)) = (header.get(at::LIVE_BYTES), header.get(at::LIVE_OBJECTS))
    {
        // Relaxed: sums by themselves.
        bytes.fetch_sub(weight.bytes, Ordering::Relaxed);
        objects.fetch_sub(weight.objects, Ordering::Relaxed);
    }
}

/// The reader's half: what was live at `site` when the process was at the peak of `epoch`.
pub fn of_site(site: &Site, epoch: u64) -> AtPeak {
    if site.at_peak.epoch == epoch {
        return site.at_peak;
    }
    AtPeak {
        epoch,
        bytes: site.born.bytes.saturating_sub(site.died.bytes),
        objects: site.born.objects.saturating_sub(site.died.objects),
        bytes_variance: (site.born.bytes_variance - site.died.bytes_variance).max(0.0),
        objects_variance: (site.born.objects_variance - site.died.objects_variance).max(0.0),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
