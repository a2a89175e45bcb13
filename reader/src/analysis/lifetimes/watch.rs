//! From what a segment remembers of a site's blocks to the curve of their lifetimes.
//!
//! The histogram of a site knows how many died at which lifetime, in buckets of a factor of two,
//! since the start. The lives that are known one by one are only the last ones, but they know their
//! lifetimes to the tick. So each bucket is filled with the lives that are known of it, counted for
//! as many as the histogram has there (post-stratification); where none is known, the bucket is
//! filled evenly on a logarithmic scale. The blocks that are alive are censored at their ages.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::by_site::BySite;
use crate::history::{History, Life, Site, SiteIndex};
use crate::source::{
    LIFETIME_BUCKETS, OBJECT_UNIT, Weight, lifetime_bucket, lifetime_bucket_limit,
};
use crate::statistics::survival::{Curve, Mass, Observations};

/// Points over which a bucket without known lives is spread.
const POINTS: u32 = 16;

/// Buckets with more of the known lives than this share are known as a whole.
pub(crate) const WHOLE: f64 = 0.999;

/// What a block counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// Every block counts the same
    Objects,
    /// A block counts for its bytes
    Bytes,
}

impl By {
    /// What a sampled block stands for.
    pub(crate) fn mass(self, weight: &Weight) -> Mass {
        match self {
            By::Objects => Mass::of_one(
                weight.objects as f64 / OBJECT_UNIT as f64,
                weight.objects_variance,
            ),
            By::Bytes => Mass::of_one(weight.bytes as f64, weight.bytes_variance),
        }
    }

    /// What one block that died at a site stands for on average, where nothing else is known of
    /// it.
    fn mean_mass(self, site: &Site) -> Mass {
        let died = site.died();
        let objects = died.objects();
        if objects <= 0.0 {
            return Mass::default();
        }
        // A squared weight is its variance and its weight times what one block counts for.
        let (weight, variance, each) = match self {
            By::Objects => (objects, died.objects_variance, 1.0),
            By::Bytes => (
                died.bytes as f64,
                died.bytes_variance,
                died.bytes as f64 / objects,
            ),
        };
        let all = Mass {
            weight,
            variance,
            squares: variance + weight * each,
        };
        all.times(1.0 / objects)
    }
}

/// The blocks of a history, ready to be watched site by site.
pub(crate) struct Watch<'a> {
    history: &'a History,
    by: By,
    now_ticks: u64,
    blocks: BySite,
    lives: BySite,
    /// Where only a part of the blocks counts, the time from which on all that were born are
    /// known; totals since the start are not.
    window_start: Option<u64>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(subject: &Subject<'a>, by: By) -> Watch<'a> {
        let history = subject.history;
        let count = history.sites.all.len();
        let since = history.lives.complete_since_ticks;
        Watch {
            history,
            by,
            now_ticks: history.now_ticks(),
            blocks: BySite::new(count, history.blocks.iter().map(|block| block.site())),
            lives: BySite::new(count, history.lives.all.iter().map(Life::site)),
            window_start: history.part.as_ref().map(|_| since.unwrap_or(0)),
        }
    }

    /// All that is known of the lifetimes at a site.
    pub(crate) fn site(&self, index: SiteIndex) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        let is_in_window =
            |birth_ticks: u64| self.window_start.is_none_or(|start| birth_ticks >= start);
        for place in self.blocks.of(index) {
            let block = &self.history.blocks[place];
            if is_in_window(block.birth_ticks) {
                let age = self.now_ticks.saturating_sub(block.birth_ticks);
                let mass = self.by.mass(&block.weight());
                lifetimes.observations.add_living(age, mass);
            }
        }
        let lives = self
            .lives
            .of(index)
            .map(|place| &self.history.lives.all[place]);
        let lives = lives.filter(|life| life.birth_ticks.is_some_and(is_in_window));
        let mut known = vec![Vec::new(); LIFETIME_BUCKETS];
        for life in lives {
            if let Some(ticks) = life.lifetime_ticks() {
                known[lifetime_bucket(ticks)].push((ticks, life.weight()));
            }
        }
        match self.window_start {
            Some(_) => {
                for (ticks, weight) in known.iter().flatten() {
                    lifetimes
                        .observations
                        .add_dead(*ticks, self.by.mass(weight));
                }
            }
            None => self.fill(&mut lifetimes, index, &known),
        }
        lifetimes
    }

    /// Adds the deaths of a site's histogram, in the places of those that are known.
    fn fill(&self, lifetimes: &mut Lifetimes, index: SiteIndex, known: &[Vec<(u64, Weight)>]) {
        let site = &self.history.sites.all[index];
        for (bucket, parts) in site.lifetimes.iter() {
            let Some(known) = known.get(bucket) else {
                continue;
            };
            let known_parts: u128 = known
                .iter()
                .map(|(_, weight)| u128::from(weight.objects))
                .sum();
            let objects = parts as f64 / OBJECT_UNIT as f64;
            if known_parts == 0 {
                let mass = self.by.mean_mass(site).times(objects / f64::from(POINTS));
                for ticks in points(bucket) {
                    lifetimes.observations.add_dead(ticks, mass);
                }
            } else {
                let scale = parts as f64 / known_parts as f64;
                for (ticks, weight) in known {
                    let mass = self.by.mass(weight).times(scale);
                    lifetimes.observations.add_dead(*ticks, mass);
                }
            }
            let is_whole = known_parts as f64 >= WHOLE * parts as f64;
            lifetimes.strata.add(bucket, objects, known.len(), is_whole);
        }
    }
}

/// Places inside a bucket, evenly spaced on a logarithmic scale.
fn points(bucket: usize) -> impl Iterator<Item = u64> {
    let (low, high) = bounds(bucket);
    // A lifetime of no tick has no logarithm.
    let (low, high) = (low.max(1) as f64, high as f64);
    let place =
        move |point: u32| low * (high / low).powf((f64::from(point) + 0.5) / f64::from(POINTS));
    (0..POINTS).map(move |point| place(point) as u64)
}

/// The first lifetime of a bucket in ticks, and the first above it; the last bucket ends where a
/// further one would.
pub(crate) fn bounds(bucket: usize) -> (u64, u64) {
    let below = bucket.checked_sub(1).and_then(lifetime_bucket_limit);
    let low = below.unwrap_or(0);
    (
        low,
        lifetime_bucket_limit(bucket).unwrap_or(low.saturating_mul(2)),
    )
}

/// All that is known of the lifetimes of some blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifetimes {
    observations: Observations,
    strata: Strata,
}

impl Lifetimes {
    /// Adds what is known of other blocks.
    pub(crate) fn add(&mut self, other: &Lifetimes) {
        self.observations.add_all(&other.observations);
        for (own, other) in self.strata.0.iter_mut().zip(&other.strata.0) {
            own.objects += other.objects;
            own.spread += other.spread;
        }
    }

    /// Their curve; `None` of no blocks.
    pub(crate) fn curve(&self) -> Option<Curve> {
        if self.observations.is_empty() {
            return None;
        }
        let mut curve = self.observations.curve();
        for (bucket, stratum) in self.strata.0.iter().enumerate() {
            if stratum.spread > 0.0 {
                let (low, high) = bounds(bucket);
                let kept = stratum.objects * stratum.objects / stratum.spread;
                curve.blur(low, high, kept);
            }
        }
        Some(curve)
    }
}

/// How well the shape of the curve is known inside each bucket.
#[derive(Debug, Clone)]
struct Strata([Stratum; LIFETIME_BUCKETS]);

#[derive(Debug, Clone, Copy, Default)]
struct Stratum {
    /// Blocks that died with such a lifetime.
    objects: f64,
    /// The sum over sites of their square, by the lives known; nothing where all are.
    spread: f64,
}

impl Default for Strata {
    fn default() -> Strata {
        Strata([Stratum::default(); LIFETIME_BUCKETS])
    }
}

impl Strata {
    fn add(&mut self, bucket: usize, objects: f64, known: usize, is_whole: bool) {
        let stratum = &mut self.0[bucket];
        stratum.objects += objects;
        if !is_whole {
            stratum.spread += objects * objects / known.max(1) as f64;
        }
    }
}
