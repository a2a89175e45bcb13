//! One site of an invented program, sampled as the shim samples, and what the detector is told of
//! it.
//!
//! Only blocks that are sampled are made: choosing each block by itself with its own chance is the
//! same as making fewer blocks, of sizes that are more likely the larger they are.

use memshim_reader::analysis::leaks::container::Generations;
use memshim_reader::analysis::leaks::detector::{Evidence, Verdict, judge};
use memshim_reader::source::{
    Interval, LIFETIME_BUCKETS, OBJECT_UNIT, Weight, lifetime_bucket, lifetime_bucket_limit,
    lifetime_bucket_start, size_bucket,
};
use memshim_reader::statistics::hazard::{Ended, GoingOn, Lives};

/// How long every program runs, seconds.
pub const HOUR: f64 = 3600.0;

/// Sizes of small blocks, all equally frequent.
pub const SMALL: &[u64] = &[32, 64, 160, 512, 1024];

/// The default interval of the shim once a program has some size.
pub const INTERVAL: u64 = 512 << 10;

/// One sampled block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// When it was born, seconds after the start.
    pub birth: f64,
    /// When it dies; later than the end where it does not.
    pub death: f64,
    /// Bytes asked for.
    pub size_bytes: u64,
    /// The interval it was drawn at.
    pub interval: Interval,
}

/// A stream of blocks.
pub struct Stream<'a> {
    /// From and until when blocks are born.
    pub time: (f64, f64),
    /// Bytes allocated in a second, at most.
    pub bytes_per_second: f64,
    /// Their sizes.
    pub sizes: &'a [u64],
    /// The interval they are drawn at.
    pub interval: Interval,
}

impl Stream<'_> {
    /// Small blocks all along.
    pub fn of(bytes_per_second: f64) -> Stream<'static> {
        Stream {
            time: (0.0, HOUR),
            bytes_per_second,
            sizes: SMALL,
            interval: Interval::at_most(INTERVAL),
        }
    }

    /// The same in a part of the time.
    pub fn during(self, from: f64, to: f64) -> Self {
        Stream {
            time: (from, to),
            ..self
        }
    }

    /// The same at another interval.
    pub fn sampled_at(self, interval_bytes: u64) -> Self {
        Stream {
            interval: Interval::at_most(interval_bytes),
            ..self
        }
    }

    /// Its sampled blocks; `death` says when one that is born at a time dies.
    pub fn blocks(
        &self,
        random: &mut Random,
        mut death: impl FnMut(&mut Random, f64) -> f64,
    ) -> Vec<Block> {
        let chance =
            |size: u64| OBJECT_UNIT as f64 / Weight::of(size, self.interval).objects as f64;
        let mean_bytes = self.sizes.iter().sum::<u64>() as f64 / self.sizes.len() as f64;
        let chances: Vec<f64> = self.sizes.iter().map(|size| chance(*size)).collect();
        let all: f64 = chances.iter().sum();
        let rate = self.bytes_per_second / mean_bytes * all / self.sizes.len() as f64;
        let mut blocks = Vec::new();
        let mut birth = self.time.0 + random.exponential(1.0 / rate);
        while birth < self.time.1 {
            let mut left = random.uniform() * all;
            let index = chances.iter().position(|chance| {
                left -= chance;
                left < 0.0
            });
            let size_bytes = self.sizes[index.unwrap_or(0)];
            let death = death(random, birth);
            let interval = self.interval;
            blocks.push(Block {
                birth,
                death,
                size_bytes,
                interval,
            });
            birth += random.exponential(1.0 / rate);
        }
        blocks
    }
}

/// What the detector says about a site with these blocks.
pub fn verdict(blocks: &[Block]) -> Verdict {
    let verdicts = judge(std::iter::once(evidence(blocks)));
    verdicts.into_iter().next().expect("one site, one verdict")
}

/// What the segment of the program would tell the detector; its ticks are nanoseconds.
fn evidence(blocks: &[Block]) -> Evidence {
    let first = blocks.iter().map(|block| block.birth).fold(HOUR, f64::min);
    let mut buckets = [0u64; LIFETIME_BUCKETS];
    let (mut objects, mut variance) = (0.0, 0.0);
    let mut lives = Lives::default();
    for block in blocks {
        let weight = Weight::of(block.size_bytes, block.interval);
        if block.death < HOUR {
            let ticks = (block.death - block.birth).max(0.0) * 1e9;
            buckets[lifetime_bucket(ticks as u64)] += weight.objects;
            objects += weight.objects as f64 / OBJECT_UNIT as f64;
            variance += weight.objects_variance;
        } else {
            lives.going_on.push(GoingOn {
                age: HOUR - block.birth,
                objects: weight.objects as f64 / OBJECT_UNIT as f64,
            });
        }
    }
    let seconds = |ticks: u64| ticks as f64 / 1e9;
    let filled = (0..LIFETIME_BUCKETS).filter(|bucket| buckets[*bucket] > 0);
    lives.ended = filled
        .map(|bucket| Ended {
            from: seconds(lifetime_bucket_start(bucket)),
            to: lifetime_bucket_limit(bucket).map_or(f64::INFINITY, seconds),
            objects: buckets[bucket] as f64 / OBJECT_UNIT as f64,
        })
        .collect();
    lives.samples_per_object = match objects > 0.0 {
        true => objects / (objects + variance),
        false => 1.0,
    };
    let ends = |block: &Block| [block.birth, block.death];
    let last = blocks.iter().flat_map(ends).filter(|time| *time < HOUR);
    Evidence {
        run: HOUR,
        quiet: HOUR - last.fold(0.0, f64::max),
        site_age: HOUR - first,
        lives,
        range_end: seconds(1 << 30),
        generations: generations(blocks),
    }
}

/// The blocks by birth, all of which the slots and the ring remember here.
fn generations(blocks: &[Block]) -> Generations {
    let mut blocks = blocks.to_vec();
    blocks.sort_by(|a, b| a.birth.total_cmp(&b.birth));
    let alive = || blocks.iter().filter(|block| block.death >= HOUR);
    let range = |block: &Block| size_bucket(block.size_bytes);
    let ranges: std::collections::BTreeSet<usize> = blocks.iter().map(range).collect();
    Generations {
        sizes: blocks.iter().map(|block| block.size_bytes).collect(),
        born: blocks.len() as u64,
        size_ranges: ranges.len(),
        is_largest: alive().map(range).max() == ranges.last().copied(),
        alive: alive().count(),
        youngest_age: alive().map(|block| HOUR - block.birth).fold(HOUR, f64::min),
    }
}

/// Whether Mann and Kendall's test sees a rising trend in what is live at sixty moments, at 1 %.
pub fn has_rising_trend(blocks: &[Block]) -> bool {
    const POINTS: usize = 60;
    let bytes_at = |point: usize| {
        let time = HOUR * (point + 1) as f64 / POINTS as f64;
        let live = blocks
            .iter()
            .filter(|block| block.birth <= time && time < block.death);
        live.map(|block| Weight::of(block.size_bytes, block.interval).bytes)
            .sum::<u64>()
    };
    let curve: Vec<u64> = (0..POINTS).map(bytes_at).collect();
    let mut rising = 0i64;
    for (place, later) in curve.iter().enumerate() {
        for earlier in &curve[..place] {
            rising += later.cmp(earlier) as i64;
        }
    }
    let points = POINTS as f64;
    let variance = points * (points - 1.0) * (2.0 * points + 5.0) / 18.0;
    (rising as f64 - 1.0) / variance.sqrt() > 2.576
}

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// Evenly in 0 .. 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Without memory, of this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// The standard normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
