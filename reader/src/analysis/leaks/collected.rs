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
//!
//! What is alive is known a second apart, but only a collection makes it known: with one in three
//! seconds, what goes up and down by chance rises twice in a row and seems to go nowhere else. So
//! it is collections that are counted, not moments. And a leak comes in many small parts, while what
//! is loaded once comes in one. `scripts/bench detector` prints how often this is right.

#![forbid(unsafe_code)]

use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::{Verdict, WARM_UP};
use crate::history::{History, Site};
use crate::report::{Estimate, Unit};

/// Fewer moments than these after the warm-up show no trend.
const MOMENTS_MIN: usize = 5;

/// Nor do fewer collections.
const COLLECTIONS_MIN: usize = 5;

/// The rise must be so many standard errors of the sample.
const DEVIATIONS: f64 = 3.0;

/// And this share of all that went up and down on the way: a cache that is filled and emptied goes
/// far and gets nowhere.
const DIRECTNESS: f64 = 0.6;

/// Of the whole rise, from the middle of the first third to that of the last, the second half must
/// have this share; an even one has a half.
const LATE_SHARE: f64 = 0.15;

/// No single step may be more than this share of the rise.
const STEP_SHARE_MAX: f64 = 0.5;

/// Fewer sampled blocks than these are one container that was replaced by a larger one.
const CONTAINERS_MAX: u128 = 4;

/// What is alive of all that was allocated where blocks come and go.
const CHURN: f64 = 0.5;

/// What is known of a site when it is judged.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// When, in seconds, and what was live then, after the warm-up.
    pub points: Vec<(f64, f64)>,
    /// At how many of these another collection had told it than at the one before.
    pub collections: usize,
    /// How far chance alone may take what is live; the standard deviation.
    pub deviation: f64,
    /// What is live by all that was allocated.
    pub live_share: f64,
    /// Whether all that is live may be one container that was replaced by a larger one.
    pub is_one: bool,
}

/// What kind of site it is.
pub fn judge(curve: &Curve) -> Class {
    let Some(rise) = Rise::of(&curve.points, curve.deviation) else {
        return Class::TooLittleData;
    };
    if !rise.is_sure() || rise.directness < DIRECTNESS {
        return match curve.live_share <= CHURN {
            true => Class::Churn,
            false => Class::StartupResident,
        };
    }
    if rise.late_share < LATE_SHARE {
        return Class::BoundedCache;
    }
    let is_many = rise.step_share <= STEP_SHARE_MAX;
    match curve.is_one {
        _ if curve.collections < COLLECTIONS_MIN => Class::TooLittleData,
        // It doubles in one step.
        true => Class::GrowingContainer,
        false if is_many => Class::Leak,
        false => Class::TooLittleData,
    }
}

/// The verdict of every site, in their order.
pub(super) fn verdicts(history: &History) -> Vec<Verdict> {
    let collected = collections(history);
    let sites = history.sites.all.iter();
    let verdict = |site: &Site| Verdict {
        class: judge(&curve(history, site, &collected)),
        suspicion: None,
    };
    sites.map(verdict).collect()
}

/// Whether nothing can be said of any site yet, and why.
pub(super) fn too_little(history: &History) -> Option<&'static str> {
    if history.moments.len() < MOMENTS_MIN {
        return Some("too short a time to tell a leak by what collections leave");
    }
    let has_few = collections(history).len() < COLLECTIONS_MIN;
    has_few.then_some("too few collections to tell a leak by what they leave")
}

/// How fast a site that leaks or grows does so.
pub(super) fn rate(history: &History, site: &Site) -> Option<Estimate> {
    let curve = curve(history, site, &[]);
    let rise = Rise::of(&curve.points, curve.deviation)?;
    let by_second = |bytes: f64| bytes / rise.seconds;
    let spread = 1.96 * curve.deviation;
    Some(Estimate::sampled(
        by_second(rise.bytes),
        by_second((rise.bytes - spread).max(0.0)),
        by_second(rise.bytes + spread),
        Unit::BytesPerSecond,
    ))
}

/// The moments before which a collection was: at some site it left something else than before.
fn collections(history: &History) -> Vec<u64> {
    let differs = |place: usize| {
        let mut sites = history.sites.all.iter();
        sites.any(|site| site.moments.get(place) != site.moments.get(place - 1))
    };
    let moments = history.moments.iter().enumerate().skip(1);
    let found = moments.filter(|(place, _)| differs(*place));
    found.map(|(_, ticks)| *ticks).collect()
}

fn curve(history: &History, site: &Site, collected: &[u64]) -> Curve {
    let seconds = |ticks: u64| super::evidence::seconds(history, ticks);
    let start = history.clock.start_ticks;
    let end = history.moments.last().copied().unwrap_or(start);
    let warm = start + ((end.saturating_sub(start)) as f64 * WARM_UP) as u64;
    let points = history.moments.iter().zip(&site.moments);
    let points = points.filter(|(ticks, _)| **ticks > warm);
    let live = site.live();
    let allocated = (site.born().bytes as f64).max(f64::MIN_POSITIVE);
    Curve {
        points: points
            .map(|(ticks, bytes)| (seconds(ticks - start), *bytes as f64))
            .collect(),
        collections: collected.iter().filter(|ticks| **ticks > warm).count(),
        // What was alive at both ends was sampled once, so only what changed is uncertain; the
        // variance of all that is alive now is no less than that.
        deviation: live.bytes_variance.sqrt(),
        live_share: live.bytes as f64 / allocated,
        is_one: live.raw_objects <= CONTAINERS_MAX && site.sizes.iter().count() > 1,
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
    /// How much of the change came late.
    late_share: f64,
    /// How much of the change came in one step.
    step_share: f64,
}

impl Rise {
    /// `None` where there are too few moments.
    fn of(points: &[(f64, f64)], deviation: f64) -> Option<Rise> {
        if points.len() < MOMENTS_MIN {
            return None;
        }
        let (third, count) = (points.len() / 3, points.len());
        let (first, last) = (mean(&points[..third]), mean(&points[count - third..]));
        let middle = mean(&points[count - 2 * third..count - third]);
        let steps = points.windows(2).map(|pair| pair[1].1 - pair[0].1);
        let way: f64 = steps.clone().map(f64::abs).sum();
        let bytes = last.1 - first.1;
        let ends = points[count - 1].1 - points[0].1;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Some(Rise {
            bytes,
            deviation,
            seconds: (last.0 - first.0).max(f64::MIN_POSITIVE),
            directness: share(ends, way),
            late_share: share(last.1 - middle.1, bytes),
            step_share: share(steps.fold(0.0, f64::max), ends),
        })
    }

    fn is_sure(&self) -> bool {
        self.bytes > DEVIATIONS * self.deviation && self.bytes > 0.0
    }
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
