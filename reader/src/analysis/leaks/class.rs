//! What kind of site it is, where leaks are only one kind.

#![forbid(unsafe_code)]

use crate::analysis::leaks::container::Growth;
use crate::analysis::leaks::detector::{Evidence, SURVIVORS_MIN, Suspicion, WARM_UP};
use crate::statistics::hazard::Lives;

/// The kinds, in the order in which they deserve attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Blocks that reach a certain age stop dying, and new ones keep reaching it.
    Leak,
    /// One block that is replaced by a larger one again and again.
    GrowingContainer,
    /// Nothing can be said yet.
    TooLittleData,
    /// Blocks are kept for long, but are no more than they were.
    BoundedCache,
    /// Blocks live long, and die.
    LongLivedChurn,
    /// What was allocated at the site's first tenth of life is still there.
    StartupResident,
    /// Blocks come and go.
    Churn,
}

/// The share of the live blocks that must be from the warm-up, to be called resident.
const RESIDENT: f64 = 0.9;

/// Blocks that live this share of the run live long.
const LONG: f64 = 1.0 / 20.0;

/// The tenth and the ninetieth percentile of lifetimes that come from a fixed capacity or a fixed
/// time to live are no further apart than this; those without memory are 22 times apart.
const NARROW: f64 = 8.0;

impl Class {
    /// All of them.
    pub const ALL: [Class; 7] = [
        Class::Leak,
        Class::GrowingContainer,
        Class::TooLittleData,
        Class::BoundedCache,
        Class::LongLivedChurn,
        Class::StartupResident,
        Class::Churn,
    ];

    /// The stable name, as it stands in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Leak => "leak",
            Class::GrowingContainer => "growing-container",
            Class::TooLittleData => "too-little-data",
            Class::BoundedCache => "bounded-cache",
            Class::LongLivedChurn => "long-lived-churn",
            Class::StartupResident => "startup-resident",
            Class::Churn => "churn",
        }
    }
}

/// The kind of a site, apart from whether it leaks.
pub(super) fn without_leaks(evidence: &Evidence, suspicion: Option<&Suspicion>) -> Class {
    let lives = &evidence.lives;
    if !evidence.has_reach() {
        return match lives.going_on.is_empty() {
            true => Class::Churn,
            false => Class::TooLittleData,
        };
    }
    let whole = lives.between(0.0, f64::INFINITY, |_| true);
    let population = whole.seconds / evidence.site_age;
    match evidence.generations.growth(population, evidence.site_age) {
        Some(Growth::Going) => return Class::GrowingContainer,
        Some(Growth::Stopped) => return Class::BoundedCache,
        None => {}
    }
    if suspicion.is_some_and(has_stopped) {
        return Class::BoundedCache;
    }
    if is_resident(evidence) {
        return Class::StartupResident;
    }
    by_lifetimes(evidence, suspicion)
}

/// Whether survivors were born, do not die, and are no longer born.
fn has_stopped(suspicion: &Suspicion) -> bool {
    let [first, middle, last] = suspicion.cohorts;
    let is_enough = first + middle + last >= SURVIVORS_MIN;
    is_enough && !suspicion.goes_on && suspicion.p <= WARM_UP
}

/// Whether nearly all that is alive was born in the site's warm-up.
fn is_resident(evidence: &Evidence) -> bool {
    let warm = evidence.site_age * (1.0 - WARM_UP);
    let blocks = || evidence.lives.going_on.iter();
    let all: f64 = blocks().map(|block| block.objects).sum();
    let first = blocks().filter(|block| block.age >= warm);
    let first: f64 = first.map(|block| block.objects).sum();
    all > 0.0 && first >= all * RESIDENT
}

fn by_lifetimes(evidence: &Evidence, suspicion: Option<&Suspicion>) -> Class {
    let lives = &evidence.lives;
    let long = evidence.run * LONG;
    let Some(mean) = lives.mean_lifetime() else {
        return Class::TooLittleData;
    };
    let is_open = suspicion.is_some_and(|suspicion| suspicion.late.deaths == 0.0);
    if is_open {
        // They may leak or live long: none of the old ones has died yet.
        return Class::TooLittleData;
    }
    let is_old = |block: &&crate::statistics::hazard::GoingOn| block.age > long;
    let has_old = lives.going_on.iter().any(|block| is_old(&block));
    match (mean >= long, has_old) {
        _ if is_narrow(lives, long) => Class::BoundedCache,
        (true, _) => Class::LongLivedChurn,
        (false, true)
            if lives
                .lifetime_quantile(1.0)
                .is_some_and(|longest| longest > long) =>
        {
            Class::LongLivedChurn
        }
        (false, true) => Class::TooLittleData,
        (false, false) => Class::Churn,
    }
}

/// Whether blocks are kept for a time that is long, and much the same for all.
fn is_narrow(lives: &Lives, long: f64) -> bool {
    let quantile = |share| lives.lifetime_quantile(share).unwrap_or(0.0);
    let (low, high) = (quantile(0.1), quantile(0.9));
    low > 0.0 && high <= low * NARROW && quantile(0.5) >= long
}
