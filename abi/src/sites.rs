//! Sites: the call stacks that allocate, each with its running totals.
//!
//! ```text
//!   0 stack hash, never 0; stored with Release after words 1 to 3
//!   1 first frame (frames region) | depth << 32 | flags << 48
//!   2 modules known when it was made                3 made, ticks    4 last birth, ticks
//!   5 born: blocks/1024, bytes, raw blocks, raw bytes, variance of blocks, of bytes (f64 bits)
//!  11 died: the same six
//!  17 reallocs, raw   18 deaths on another thread than the birth, raw
//!  19 peak epoch      20 bytes, blocks, variance of bytes, of blocks that were live at that peak
//!  24 sizes of the born, blocks/1024 by bucket (32)
//!  56 lifetimes of the died, blocks/1024 by bucket (40)
//! ```
//!
//! Row 0 stands for all stacks that found the table full.
//! Totals are added to with Relaxed: each is right by itself, and two of them are together right
//! up to the calls in flight.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::histogram::{LIFETIME_BUCKETS, SIZE_BUCKETS, lifetime_bucket, size_bucket};
use crate::region::RegionShape;
use crate::sync::AtomicU64;
use crate::weight::Weight;
use crate::words::Words;

/// Words in a row.
pub const SITE_WORDS: usize = 96;

/// The row of the stacks that found no row of their own.
pub const UNKNOWN_SITE: u64 = 0;

/// The deepest stack that is kept whole; of deeper ones the two ends are kept.
pub const FRAMES_MAX: usize = 256;

/// Bits of a site's flags.
pub mod flag {
    /// The walk ended before the root.
    pub const TRUNCATED: u16 = 1;
    /// The middle of the stack is left out; the first half of the frames are the innermost.
    pub const ELIDED: u16 = 2;
}

const BORN: usize = 5;
const DIED: usize = 11;
const REALLOCS: usize = 17;
const FOREIGN_DEATHS: usize = 18;
pub(crate) const PEAK: usize = 19;
const SIZES: usize = 24;
const LIFETIMES: usize = 56;

const _: () = assert!(SIZES + SIZE_BUCKETS == LIFETIMES);
const _: () = assert!(LIFETIMES + LIFETIME_BUCKETS == SITE_WORDS);

/// What a site is, fixed when it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the stack, never 0 in a published row.
    pub hash: u64,
    /// Row of its leaf in the frames region; the caller's frames follow.
    pub first_frame: u32,
    /// Frames kept.
    pub depth: u16,
    /// Bits of [`flag`].
    pub flags: u16,
    /// Module rows that existed when the site was made.
    pub modules: u64,
    /// When it was made, ticks.
    pub made_ticks: u64,
}

/// Sums over sampled blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Blocks they stand for, in 1/1024.
    pub objects: u64,
    /// Bytes they stand for.
    pub bytes: u64,
    /// Blocks sampled.
    pub raw_objects: u64,
    /// Bytes of the blocks sampled.
    pub raw_bytes: u64,
    /// Estimated variance of the blocks, in blocks squared.
    pub objects_variance: f64,
    /// Estimated variance of the bytes, in bytes squared.
    pub bytes_variance: f64,
}

/// What was live at a site when the process's heap was at a peak.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AtPeak {
    /// The peak these figures belong to; older than the process's means "unchanged since".
    pub epoch: u64,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks, in 1/1024.
    pub objects: u64,
    /// Variance of the bytes.
    pub bytes_variance: f64,
    /// Variance of the blocks.
    pub objects_variance: f64,
}

/// One site, as a reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// What it is.
    pub identity: Identity,
    /// The latest birth, ticks.
    pub last_ticks: u64,
    /// All blocks that were born here.
    pub born: Totals,
    /// Those of them that died.
    pub died: Totals,
    /// Blocks of this site that were passed to realloc, raw.
    pub reallocs: u64,
    /// Deaths on another thread than the birth, raw.
    pub foreign_deaths: u64,
    /// Live at the peak.
    pub at_peak: AtPeak,
    /// Blocks born by size bucket, in 1/1024.
    pub sizes: [u64; SIZE_BUCKETS],
    /// Blocks died by lifetime bucket, in 1/1024.
    pub lifetimes: [u64; LIFETIME_BUCKETS],
}

/// The writer's half: fills a fresh row and publishes it.
pub fn publish(row: &[AtomicU64], identity: &Identity) {
    let shape = u64::from(identity.first_frame)
        | u64::from(identity.depth) << 32
        | u64::from(identity.flags) << 48;
    let [hash, place, modules, made, ..] = row else {
        return;
    };
    // Relaxed: these three are published by the hash.
    place.store(shape, Ordering::Relaxed);
    modules.store(identity.modules, Ordering::Relaxed);
    made.store(identity.made_ticks, Ordering::Relaxed);
    // Release pairs with the Acquire in `read`, also for the frames.
    hash.store(identity.hash, Ordering::Release);
}

/// The writer's half: a block was born.
pub fn add_birth(row: &[AtomicU64], size_bytes: u64, weight: &Weight, now_ticks: u64) {
    if let [_, _, _, _, last, ..] = row {
        // Relaxed: a time stamp by itself.
        last.store(now_ticks, Ordering::Relaxed);
    }
    add_totals(row, BORN, size_bytes, weight);
    add(row, SIZES + size_bucket(size_bytes), weight.objects);
}

/// How a block came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// How long it lived, ticks; `None` when nobody saw it die.
    pub lifetime_ticks: Option<u64>,
    /// By a successful realloc.
    pub by_realloc: bool,
    /// On another thread than it was born on.
    pub on_other_thread: bool,
}

/// The writer's half: a block died.
pub fn add_death(row: &[AtomicU64], size_bytes: u64, weight: &Weight, death: Death) {
    add_totals(row, DIED, size_bytes, weight);
    if let Some(ticks) = death.lifetime_ticks {
        add(row, LIFETIMES + lifetime_bucket(ticks), weight.objects);
    }
    if death.by_realloc {
        add(row, REALLOCS, 1);
    }
    if death.on_other_thread {
        add(row, FOREIGN_DEATHS, 1);
    }
}

/// The reader's half: the site of a row, `None` while it is not published.
pub fn read<W: Words + ?Sized>(words: &W, region: RegionShape, row: u64) -> Option<Site> {
    let first = region.row(row);
    // Acquire (in `load`) pairs with the Release in `publish`.
    if words.load(first) == 0 {
        return None;
    }
    let mut copy = [0; SITE_WORDS];
    words.copy(first, &mut copy);
    let [hash, shape, modules, made_ticks, last_ticks, ..] = copy;
    let word = |place: usize| copy.get(place).copied().unwrap_or(0);
    let mut sizes = [0; SIZE_BUCKETS];
    sizes.copy_from_slice(copy.get(SIZES..SIZES + SIZE_BUCKETS)?);
    let mut lifetimes = [0; LIFETIME_BUCKETS];
    lifetimes.copy_from_slice(copy.get(LIFETIMES..LIFETIMES + LIFETIME_BUCKETS)?);
    Some(Site {
        identity: Identity {
            hash,
            first_frame: shape as u32,
            depth: (shape >> 32) as u16,
            flags: (shape >> 48) as u16,
            modules,
            made_ticks,
        },
        last_ticks,
        born: totals(&copy, BORN),
        died: totals(&copy, DIED),
        reallocs: word(REALLOCS),
        foreign_deaths: word(FOREIGN_DEATHS),
        at_peak: AtPeak {
            epoch: word(PEAK),
            bytes: word(PEAK + 1),
            objects: word(PEAK + 2),
            bytes_variance: variance(word(PEAK + 3)),
            objects_variance: variance(word(PEAK + 4)),
        },
        sizes,
        lifetimes,
    })
}

/// What is live at a site right now, by the writer's own view of its row.
pub(crate) fn live(row: &[AtomicU64]) -> AtPeak {
    // Relaxed: totals are each right by themselves.
    let word = |place: usize| {
        row.get(place)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    };
    let lasting = |place: usize| word(BORN + place).saturating_sub(word(DIED + place));
    let spread = |place: usize| variance(word(BORN + place)) - variance(word(DIED + place));
    AtPeak {
        epoch: 0,
        objects: lasting(0),
        bytes: lasting(1),
        objects_variance: spread(4).max(0.0),
        bytes_variance: spread(5).max(0.0),
    }
}

fn add_totals(row: &[AtomicU64], place: usize, size_bytes: u64, weight: &Weight) {
    add(row, place, weight.objects);
    add(row, place + 1, weight.bytes);
    add(row, place + 2, 1);
    add(row, place + 3, size_bytes);
    add_variance(row, place + 4, weight.objects_variance);
    add_variance(row, place + 5, weight.bytes_variance);
}

fn add(row: &[AtomicU64], place: usize, value: u64) {
    if let Some(word) = row.get(place) {
        // Relaxed: a sum by itself.
        word.fetch_add(value, Ordering::Relaxed);
    }
}

fn add_variance(row: &[AtomicU64], place: usize, value: f64) {
    let Some(word) = row.get(place) else { return };
    if value == 0.0 {
        return;
    }
    // Relaxed: a sum by itself; the loop only guards against losing another thread's addition.
    let mut bits = word.load(Ordering::Relaxed);
    loop {
        let sum = (f64::from_bits(bits) + value).to_bits();
        match word.compare_exchange_weak(bits, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => bits = now,
        }
    }
}

fn totals(copy: &[u64; SITE_WORDS], place: usize) -> Totals {
    let word = |offset: usize| copy.get(place + offset).copied().unwrap_or(0);
    Totals {
        objects: word(0),
        bytes: word(1),
        raw_objects: word(2),
        raw_bytes: word(3),
        objects_variance: variance(word(4)),
        bytes_variance: variance(word(5)),
    }
}

/// A variance from its bits; whatever is not a finite, positive number reads as 0.
fn variance(bits: u64) -> f64 {
    let value = f64::from_bits(bits);
    if value.is_finite() && value > 0.0 {
        value
    } else {
        0.0
    }
}
