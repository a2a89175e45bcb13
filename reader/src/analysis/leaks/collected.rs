//! Leaks of a program of which only sums are known: what each site held after garbage collections.
//!
//! A Go runtime tells nothing of single blocks, so nothing is known of ages. But what a collection
//! left alive is no garbage, and a site of which every later one leaves more is a leak, or a
//! container that grows, as far as anybody can see from outside.
//!
//! ```text
//!  live    warm-up |  first third  |  second  |  last third: must go on rising
//!          0      0.1 ............................. now
//! ```

#![forbid(unsafe_code)]

use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::{Verdict, WARM_UP};
use crate::history::{History, Site};
use crate::report::{Estimate, Unit};

/// Fewer moments than these after the warm-up show no trend.
pub(super) const MOMENTS_MIN: usize = 5;

/// The rise must be so many standard errors of the sample.
const DEVIATIONS: f64 = 3.0;

/// And this share of all that went up and down on the way: a cache that is filled and emptied goes
/// far and gets nowhere.
const DIRECTNESS: f64 = 0.6;

/// Of the whole rise, the last third must have this share; an even one has a third.
const LATE_SHARE: f64 = 0.15;

/// Fewer sampled blocks than these are one container that was replaced by a larger one.
const CONTAINERS_MAX: u128 = 4;

/// What is alive of all that was allocated where blocks come and go.
const CHURN: f64 = 0.5;

/// The verdict of every site, in their order.
pub(super) fn verdicts(history: &History) -> Vec<Verdict> {
    let sites = history.sites.all.iter();
    let verdict = |site: &Site| Verdict {
        class: class(history, site),
        suspicion: None,
    };
    sites.map(verdict).collect()
}

/// How fast a site that leaks or grows does so.
pub(super) fn rate(history: &History, site: &Site) -> Option<Estimate> {
    let rise = Rise::of(history, site)?;
    let by_second = |bytes: f64| bytes / rise.seconds;
    let spread = 1.96 * rise.deviation;
    Some(Estimate::sampled(
        by_second(rise.bytes),
        by_second((rise.bytes - spread).max(0.0)),
        by_second(rise.bytes + spread),
        Unit::BytesPerSecond,
    ))
}

fn class(history: &History, site: &Site) -> Class {
    let Some(rise) = Rise::of(history, site) else {
        return Class::TooLittleData;
    };
    let live = site.live();
    if rise.is_sure() && rise.directness >= DIRECTNESS {
        let is_one = live.raw_objects <= CONTAINERS_MAX && site.sizes.iter().count() > 1;
        return match rise.late_share >= LATE_SHARE {
            true if is_one => Class::GrowingContainer,
            true => Class::Leak,
            false => Class::BoundedCache,
        };
    }
    let allocated = site.born().bytes as f64;
    match live.bytes as f64 <= CHURN * allocated {
        true => Class::Churn,
        false => Class::StartupResident,
    }
}

/// How what is live at a site changed after its warm-up.
struct Rise {
    /// The last moments against the first.
    bytes: f64,
    /// How far chance alone may take that.
    deviation: f64,
    /// From the middle of the first moments to the middle of the last.
    seconds: f64,
    /// The whole change by the sum of all changes.
    directness: f64,
    /// How much of the change came in the last third.
    late_share: f64,
}

impl Rise {
    /// `None` where there are too few moments.
    fn of(history: &History, site: &Site) -> Option<Rise> {
        let points = points(history, site);
        if points.len() < MOMENTS_MIN {
            return None;
        }
        let third = points.len() / 3;
        let (first, last) = (
            mean(&points[..third.max(1)]),
            mean(&points[points.len() - third.max(1)..]),
        );
        let middle = mean(&points[points.len() - 2 * third.max(1)..points.len() - third.max(1)]);
        let steps = points.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs());
        let way: f64 = steps.sum();
        let bytes = last.1 - first.1;
        let ends = points[points.len() - 1].1 - points[0].1;
        // What was alive at both ends was sampled once, so only what changed is uncertain; the
        // variance of all that is alive now is no less than that.
        let live = site.live();
        Some(Rise {
            bytes,
            deviation: live.bytes_variance.sqrt(),
            seconds: (last.0 - first.0).max(f64::MIN_POSITIVE),
            directness: if way > 0.0 { ends / way } else { 0.0 },
            late_share: if bytes > 0.0 {
                (last.1 - middle.1) / bytes
            } else {
                0.0
            },
        })
    }

    fn is_sure(&self) -> bool {
        self.bytes > DEVIATIONS * self.deviation && self.bytes > 0.0
    }
}

/// When, in seconds, and what was live then, after the warm-up.
fn points(history: &History, site: &Site) -> Vec<(f64, f64)> {
    let seconds = |ticks: u64| super::evidence::seconds(history, ticks);
    let start = history.clock.start_ticks;
    let end = history.moments.last().copied().unwrap_or(start);
    let warm = start + ((end.saturating_sub(start)) as f64 * WARM_UP) as u64;
    let points = history.moments.iter().zip(&site.moments);
    let points = points.filter(|(ticks, _)| **ticks > warm);
    points
        .map(|(ticks, bytes)| (seconds(ticks - start), *bytes as f64))
        .collect()
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len().max(1) as f64;
    let sums = points
        .iter()
        .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (sums.0 / count, sums.1 / count)
}

#[cfg(test)]
mod tests;
