//! Blocks that died young, site by site.

#![forbid(unsafe_code)]

use crate::analysis::lifetimes::watch::{WHOLE, bounds};
use crate::history::{History, SiteIndex, Sum};
use crate::source::{OBJECT_UNIT, Weight, lifetime_bucket};

/// How many blocks of each site lived shorter than some time.
pub(crate) struct Temporaries<'a> {
    history: &'a History,
    /// The first lifetime that is not temporary; `None` when nobody knows how long a tick is.
    below_ticks: Option<u64>,
    known: Vec<Known>,
}

/// What the lives that are known one by one tell of a site.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Blocks, in 1/[`OBJECT_UNIT`], and bytes of those that died young.
    young_parts: u64,
    young_bytes: u64,
    young_lives: u32,
    /// The weighted sum of their squared sizes.
    young_squares: f64,
    /// Those in the bucket that the limit cuts in two, and those of them that died young.
    cut_parts: u64,
    cut_young_parts: u64,
    cut_lives: u32,
}

impl<'a> Temporaries<'a> {
    /// Goes over all known lives once.
    pub(crate) fn new(history: &'a History, below_ns: u64) -> Temporaries<'a> {
        let mut known = vec![Known::default(); history.sites.all.len()];
        let below_ticks = history.clock.ticks(below_ns);
        if let Some(below_ticks) = below_ticks {
            for life in &history.lives.all {
                if let Some(ticks) = life.lifetime_ticks() {
                    let weight = life.weight();
                    known[life.site()].add(ticks, below_ticks, life.size_bytes, weight);
                }
            }
        }
        Temporaries {
            history,
            below_ticks,
            known,
        }
    }

    /// Those of one site; `None` when nobody knows how long a tick is.
    ///
    /// The histogram of lifetimes says how many, with the known lives for the bucket that the limit
    /// cuts in two. Their bytes are those of the known ones, or else of the mean block that died.
    pub(crate) fn of(&self, site: SiteIndex) -> Option<Sum> {
        let below_ticks = self.below_ticks?;
        let (site, known) = (&self.history.sites.all[site], &self.known[site]);
        let cut = lifetime_bucket(below_ticks);
        let (mut parts, mut shape_variance) = (0.0, 0.0);
        for (bucket, count) in site.lifetimes.iter() {
            let count = count as f64;
            if bucket < cut {
                parts += count;
            } else if bucket == cut {
                let share = known.cut_share(below_ticks, cut);
                parts += count * share;
                if (known.cut_parts as f64) < WHOLE * count {
                    let objects = count / OBJECT_UNIT as f64;
                    let lives = f64::from(known.cut_lives.max(1));
                    shape_variance = objects * objects * share * (1.0 - share) / lives;
                }
            }
        }
        let died = site.died();
        if parts <= 0.0 || died.object_parts == 0 {
            return Some(Sum::default());
        }
        let objects = parts / OBJECT_UNIT as f64;
        let share = (parts / died.object_parts as f64).min(1.0);
        let (mean, mean_variance) = match known.young_parts as f64 >= WHOLE * parts {
            true => (known.mean_bytes(), 0.0),
            false if known.young_lives > 0 => (known.mean_bytes(), known.mean_variance()),
            // Of sizes that nobody knows little can be said.
            false => {
                let mean = died.bytes as f64 / died.objects();
                (mean, mean * mean)
            }
        };
        let bytes = (objects * mean).min(died.bytes as f64);
        Some(Sum {
            object_parts: parts.round() as u128,
            bytes: bytes.round() as u128,
            raw_objects: (died.raw_objects as f64 * share) as u128,
            raw_bytes: 0,
            objects_variance: died.objects_variance * share + shape_variance,
            bytes_variance: died.bytes_variance * (bytes / died.bytes.max(1) as f64)
                + shape_variance * mean * mean
                + mean_variance * objects * objects,
        })
    }
}

impl Known {
    fn add(&mut self, ticks: u64, below_ticks: u64, size_bytes: u64, weight: Weight) {
        let is_young = ticks < below_ticks;
        if is_young {
            self.young_parts = self.young_parts.saturating_add(weight.objects);
            self.young_bytes = self.young_bytes.saturating_add(weight.bytes);
            self.young_lives = self.young_lives.saturating_add(1);
            self.young_squares += weight.bytes as f64 * size_bytes as f64;
        }
        if lifetime_bucket(ticks) == lifetime_bucket(below_ticks) {
            self.cut_lives = self.cut_lives.saturating_add(1);
            self.cut_parts = self.cut_parts.saturating_add(weight.objects);
            if is_young {
                self.cut_young_parts = self.cut_young_parts.saturating_add(weight.objects);
            }
        }
    }

    /// The mean size of the known young, in bytes.
    fn mean_bytes(&self) -> f64 {
        self.young_bytes as f64 / (self.young_parts.max(1) as f64 / OBJECT_UNIT as f64)
    }

    /// The variance of that mean over samples as large as theirs.
    fn mean_variance(&self) -> f64 {
        let objects = self.young_parts.max(1) as f64 / OBJECT_UNIT as f64;
        let mean = self.mean_bytes();
        let variance = (self.young_squares / objects - mean * mean).max(0.0);
        variance / f64::from(self.young_lives.max(1))
    }

    /// Which share of the bucket `cut` lies below the limit: as among the known lives, or as on an
    /// even logarithmic scale.
    fn cut_share(&self, below_ticks: u64, cut: usize) -> f64 {
        if self.cut_parts > 0 {
            return self.cut_young_parts as f64 / self.cut_parts as f64;
        }
        let (low, high) = bounds(cut);
        let (low, high) = (low.max(1) as f64, high as f64);
        ((below_ticks as f64 / low).ln() / (high / low).ln()).clamp(0.0, 1.0)
    }
}
