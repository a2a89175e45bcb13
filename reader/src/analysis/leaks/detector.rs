//! Leak or not: what the lives of one site's blocks say, and how sure it is.
//!
//! A site leaks when blocks that reach a certain age stop dying, while new ones keep reaching it:
//!
//! ```text
//!  born  |warm-up|   first   |  second   |   third   | too young |  now
//!        0      0.1 ........ cohorts of survivors ....   now - cut
//! ```
//!
//! Three chances must all be small, for one of the age cuts between a 32nd and a half of the
//! site's life, and are paid for by the number of cuts:
//!
//! * that so few die after the cut, although their tail index is one, the least with which a
//!   population ever stops growing (see [`crate::statistics::hazard`]), or more where completed
//!   lifetimes lie close together;
//! * that so few die after the cut, although the hazard is still half of what it was before;
//! * where some do die and lifetimes are spread wide, that so few do, although the tail index is
//!   still half of what it was just before the cut. Heavy tails have an index that rises with age;
//!   a leak's falls.
//!
//! What passes must also go on: the cohorts may not have run dry. And it must have passed already
//! before the site last fell quiet, since blocks that nobody touches grow old without dying.

#![forbid(unsafe_code)]

use crate::analysis::leaks::class::{self, Class};
use crate::analysis::leaks::container::Generations;
use crate::statistics::cohorts::Cohorts;
use crate::statistics::discovery;
use crate::statistics::hazard::{GoingOn, Lives, Risk};
use crate::statistics::rare;

/// The share of a site's life in which it is filled for the first time.
pub const WARM_UP: f64 = 0.1;

/// The share of false leaks among all that are called leaks.
pub const FALSE_LEAKS: f64 = 0.05;

/// Fewer survivors than these are no evidence, however long they survive.
pub const SURVIVORS_MIN: u32 = 4;

/// Nor are they where they stand for fewer blocks than these: pools take a large chunk now and
/// then for as long as their load finds new heights.
pub const OBJECTS_MIN: f64 = 10.0;

/// A program that ran shorter than this, in seconds, has shown no ages to speak of.
pub const RUN_MIN: f64 = 1.0;

/// A site is old enough to be judged after this share of the run, or so many seconds.
const SITE_SHARE_MIN: f64 = 0.1;
const SITE_SECONDS_ENOUGH: f64 = 600.0;

/// The shortest and the longest age cut, as shares of the site's life.
const CUT_MIN: f64 = 1.0 / 32.0;
const CUT_MAX: f64 = 0.5;

/// The hazard after the cut must be less than this share of that before it.
const HAZARD_RATIO: f64 = 0.5;

/// The tail index after the cut must be less than this share of that just before it, surely and
/// as far as can be seen.
const INDEX_RATIO: f64 = 0.5;
const LOWER: f64 = 0.65;

/// A tail with this index or more is no heavy one.
const LIGHT: f64 = 1.5;

/// Where "just before" begins, as a share of the cut.
const JUST_BEFORE: f64 = 0.5;

/// A silence of so many usual gaps between births is none of them: one in fifty is as long.
const QUIET_GAPS: f64 = 4.0;

/// Below this chance births are taken to have stopped.
const STOPPED: f64 = 0.01;

/// All that is known of one site; times in seconds.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// How long the program has run.
    pub run: f64,
    /// How long nothing was born or died at the site.
    pub quiet: f64,
    /// How long ago the site's first block was born.
    pub site_age: f64,
    /// What became of its blocks.
    pub lives: Lives,
    /// The end of one range of `lives`; all others are it times a power of two.
    pub range_end: f64,
    /// Its blocks by birth, where they may be one container that grows.
    pub generations: Generations,
}

/// What was found about one site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub class: Class,
    /// Why it was taken for a leak, or nearly; `None` where too few blocks survive.
    pub suspicion: Option<Suspicion>,
}

impl Verdict {
    /// Nothing is known.
    pub const NONE: Verdict = Verdict {
        class: Class::TooLittleData,
        suspicion: None,
    };
}

/// The case against one site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspicion {
    /// The age from which on a block counts as a survivor.
    pub cut: f64,
    /// Survivors may be as old as this: born after the warm-up.
    pub age_max: f64,
    /// Survivors by when they were born, the earliest first.
    pub cohorts: [u32; 3],
    /// What happened after the cut.
    pub late: Risk,
    /// What happened before it.
    pub early: Risk,
    /// The chance of this without a leak.
    pub p: f64,
    /// The same, adjusted for the number of sites that were tested.
    pub p_adjusted: f64,
    /// Whether the site still feeds it.
    pub goes_on: bool,
}

impl Suspicion {
    /// Notes the chance adjusted for the number of sites, and tells whether this is a leak.
    fn adjust(&mut self, p_adjusted: f64) -> bool {
        self.p_adjusted = p_adjusted;
        self.goes_on && p_adjusted <= FALSE_LEAKS
    }

    /// The time in which the survivors were born.
    pub fn span(&self) -> f64 {
        self.age_max - self.cut
    }
}

/// Judges all sites together, since each that is tested makes a false alarm likelier.
///
/// One verdict a site, in their order; the evidence of each is let go before the next is made.
pub fn judge(sites: impl Iterator<Item = Evidence>) -> Vec<Verdict> {
    let examine = |evidence: Evidence| {
        let suspicion = suspicion(&evidence);
        Verdict {
            class: class::without_leaks(&evidence, suspicion.as_ref()),
            suspicion,
        }
    };
    let mut verdicts: Vec<Verdict> = sites.map(examine).collect();
    let tested = verdicts.iter().filter_map(|verdict| verdict.suspicion);
    let adjusted = discovery::adjusted(&tested.map(|tested| tested.p).collect::<Vec<f64>>());
    let tested = verdicts
        .iter_mut()
        .filter(|verdict| verdict.suspicion.is_some());
    for (verdict, p_adjusted) in tested.zip(adjusted) {
        let mut suspicion = verdict.suspicion.iter_mut();
        let is_leak = suspicion.any(|suspicion| suspicion.adjust(p_adjusted));
        if is_leak && verdict.class != Class::GrowingContainer {
            verdict.class = Class::Leak;
        }
    }
    verdicts
}

impl Evidence {
    /// Whether the site is old enough to tell long from short.
    pub fn has_reach(&self) -> bool {
        let enough = (self.run * SITE_SHARE_MIN).min(SITE_SECONDS_ENOUGH);
        self.run >= RUN_MIN && self.site_age >= enough && self.site_age > 0.0
    }

    /// Whether nothing has happened at the site for much longer than it used to take.
    fn has_fallen_quiet(&self) -> bool {
        let births = self.generations.born.max(1) as f64;
        self.quiet > QUIET_GAPS * (self.site_age - self.quiet) / births
    }

    /// The same as it stood when something last happened at the site.
    fn when_active(&self) -> Evidence {
        let mut then = self.clone();
        then.run -= self.quiet;
        then.site_age -= self.quiet;
        for block in &mut then.lives.going_on {
            block.age = (block.age - self.quiet).max(0.0);
        }
        then
    }

    /// The age cuts that lifetimes can be divided at, the shortest first.
    fn cuts(&self) -> impl Iterator<Item = f64> {
        let (min, max) = (self.site_age * CUT_MIN, self.site_age * CUT_MAX);
        let first = (min / self.range_end).log2().ceil().exp2() * self.range_end;
        let cuts = (0..8).map(move |number| first * f64::from(1 << number));
        cuts.take_while(move |cut| *cut <= max && *cut > 0.0)
    }

    /// When the living of these ages were born, counted from the site's first block.
    fn births(&self, age_min: f64) -> impl Iterator<Item = f64> {
        let old = self.lives.going_on.iter();
        old.filter(move |block| block.age > age_min)
            .map(|block| self.site_age - block.age)
    }
}

/// The case against a site as it stands; `None` where there is none, or where there was none
/// before the site fell quiet: what nobody touches survives without being leaked.
fn suspicion(evidence: &Evidence) -> Option<Suspicion> {
    let now = strongest_case(evidence)?;
    if !evidence.has_fallen_quiet() {
        return Some(now);
    }
    let then = strongest_case(&evidence.when_active())?;
    Some(Suspicion {
        p: now.p.max(then.p),
        p_adjusted: now.p.max(then.p),
        ..now
    })
}

/// The strongest case that any age cut makes; `None` where nearly nothing survives.
fn strongest_case(evidence: &Evidence) -> Option<Suspicion> {
    if !evidence.has_reach() {
        return None;
    }
    let cuts = evidence.cuts().count() as f64;
    let cases = evidence.cuts().filter_map(|cut| case(evidence, cut));
    let strongest = cases.min_by(|a, b| a.p.total_cmp(&b.p))?;
    let p = (strongest.p * cuts).min(1.0);
    Some(Suspicion {
        p,
        p_adjusted: p,
        ..strongest
    })
}

fn case(evidence: &Evidence, cut: f64) -> Option<Suspicion> {
    let lives = &evidence.lives;
    let begin = evidence.site_age * WARM_UP;
    let age_max = evidence.site_age - begin;
    let cohorts = Cohorts::of(evidence.births(cut), begin, evidence.site_age - cut);
    let is_fed = |block: &GoingOn| block.age <= age_max;
    let survivors = lives
        .going_on
        .iter()
        .filter(|block| block.age > cut && is_fed(block));
    let objects: f64 = survivors.map(|block| block.objects).sum();
    if cohorts.count() < SURVIVORS_MIN || objects < OBJECTS_MIN {
        return None;
    }
    let late = lives.between(cut, f64::INFINITY, is_fed);
    let early = lives.between(0.0, cut, |_| true);
    let before = lives.between(cut * JUST_BEFORE, cut, |_| true);
    let least_index = least_tail_index(lives);
    let tail = rare::at_most(late.deaths, late.folds * least_index);
    let ratio = match late.deaths + early.deaths {
        0.0 => 0.0,
        _ => lower_rate(&late, late.seconds * HAZARD_RATIO, &early, early.seconds),
    };
    let falls = index_falls(&late, &before, least_index)?;
    let [_, middle, last] = cohorts.parts();
    let young = Cohorts::of(evidence.births(0.0), begin, evidence.site_age);
    let is_going_on = |cohorts: &Cohorts| cohorts.chance_that_they_go_on() > STOPPED;
    Some(Suspicion {
        cut,
        age_max,
        cohorts: cohorts.parts(),
        late,
        early,
        p: tail.max(ratio).max(falls),
        p_adjusted: 1.0,
        goes_on: middle + last >= 2 && is_going_on(&cohorts) && is_going_on(&young),
    })
}

/// The tail index below which these blocks would have to fall to be leaked.
///
/// It is told by the spread of the completed lifetimes: of all usual shapes Pareto's has the
/// lowest index for its spread, the logarithm of fifty over that of the ninety-ninth percentile
/// over the median. Below one no population ever stops growing.
fn least_tail_index(lives: &Lives) -> f64 {
    let quantile = |share| lives.lifetime_quantile(share);
    match (quantile(0.5), quantile(0.99)) {
        (Some(median), Some(last)) => (50.0f64.ln() / (last / median).ln().max(1.0)).max(1.0),
        _ => 1.0,
    }
}

/// The chance of so low a tail index after the cut, were it half of what it was just before it;
/// `None` where it is not lower at all.
///
/// Lifetimes that are not spread wide have no heavy tail, and are not asked for a proof.
fn index_falls(late: &Risk, before: &Risk, least_index: f64) -> Option<f64> {
    if late.deaths == 0.0 {
        return Some(0.0);
    }
    let is_lower = late.deaths * before.folds <= LOWER * before.deaths * late.folds;
    let chance = || lower_rate(late, late.folds * INDEX_RATIO, before, before.folds);
    is_lower.then(|| match least_index >= LIGHT {
        true => 0.0,
        false => chance(),
    })
}

/// The chance of so few late deaths, were their rate by exposure no lower than the other's; none
/// where none died at all.
fn lower_rate(late: &Risk, late_exposure: f64, other: &Risk, other_exposure: f64) -> f64 {
    let share = late_exposure / (late_exposure + other_exposure);
    rare::share_at_most(late.deaths, late.deaths + other.deaths, share)
}
