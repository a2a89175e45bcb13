//! Sites: the call stacks that allocate, each with its running totals.
//!
//! ```text
//!   0 key: stack hash, xor a number made from the writer; stored with Release after 1, 8 and 9
//!   1 first frame (frames region) | depth << 32 | flags << 48
//!   2 peak epoch        3 last birth, ticks
//!   4 certain blocks: born, 5 their bytes, 6 died, 7 their bytes
//!   8 modules known when it was made | writer << 32      9 made, ticks
//!  10 reallocs, raw    11 deaths on another thread than the birth, raw
//!  12 bytes, blocks/1024, variance of bytes, of blocks that were live at the peak of that epoch
//!  16 drawn blocks that were born: blocks/1024, bytes, raw blocks, raw bytes,
//!     variance of blocks, of bytes (f64 bits)
//!  22 drawn blocks that died: the same six
//!  28 sizes of the born, blocks/1024 by bucket (28)
//!  56 lifetimes of the died, blocks/1024 by bucket (40)
//! ```
//!
//! A block is certain when it was sure to be sampled, so that it stands for itself alone; in exact
//! mode all are, and a birth or a death touches the first line and a histogram.
//!
//! Where every block is recorded, threads that add to one row would fight for its cache lines.
//! So a stack may have several rows, each with one *writer*: only the thread that holds that
//! number adds to it, without locked instructions. Rows without one (0) are added to by any thread.
//! What is true of the stack is the sum over its rows; in a single one more blocks may have died
//! than were born, since a death is noted in the row of the thread that freed.
//!
//! Row 0 stands for all stacks that found the table full.
//! Totals are added to with Relaxed: each is right by itself, and two of them are together right
//! up to the calls in flight.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::{pack, unpack};
use crate::histogram::{LIFETIME_BUCKETS, SIZE_BUCKETS, lifetime_bucket, size_bucket};
use crate::region::RegionShape;
use crate::sync::AtomicU64;
use crate::weight::{OBJECT_UNIT, Weight};
use crate::words::Words;

/// Words in a row.
pub const SITE_WORDS: usize = 96;

/// The words of one row, as the writer sees them.
pub type SiteRow = [AtomicU64; SITE_WORDS];

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

const KEY: usize = 0;
const PLACE: usize = 1;
pub(crate) const EPOCH: usize = 2;
const LAST_BIRTH: usize = 3;
const CERTAIN_BORN: usize = 4;
const CERTAIN_DIED: usize = 6;
const ORIGIN: usize = 8;
const MADE: usize = 9;
const REALLOCS: usize = 10;
const FOREIGN_DEATHS: usize = 11;
pub(crate) const AT_PEAK: usize = 12;
const DRAWN_BORN: usize = 16;
const DRAWN_DIED: usize = 22;
const SIZES: usize = 28;
const LIFETIMES: usize = 56;

const _: () = assert!(SIZES + SIZE_BUCKETS == LIFETIMES);
const _: () = assert!(LIFETIMES + LIFETIME_BUCKETS == SITE_WORDS);

/// What a site is, fixed when it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the stack, odd, so never 0 in a published row.
    pub hash: u64,
    /// The only one who adds to the row; 0 when all threads may.
    pub writer: u32,
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
///
/// A row's share of its stack: below 0 where more of it died than was born.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AtPeak {
    /// The peak these figures belong to; older than the process's means "unchanged since".
    pub epoch: u64,
    /// Live bytes.
    pub bytes: i64,
    /// Live blocks, in 1/1024.
    pub objects: i64,
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

/// The first word of the row of a stack and a writer; never 0, since hashes are odd.
pub const fn key(hash: u64, writer: u32) -> u64 {
    hash ^ (writer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) << 1
}

/// The writer's half: fills a fresh row and publishes it.
pub fn publish(row: &SiteRow, identity: &Identity) {
    let shape = u64::from(identity.first_frame)
        | u64::from(identity.depth) << 32
        | u64::from(identity.flags) << 48;
    // Relaxed: these three are published by the key.
    row[PLACE].store(shape, Ordering::Relaxed);
    row[ORIGIN].store(
        pack(identity.modules as u32, identity.writer),
        Ordering::Relaxed,
    );
    row[MADE].store(identity.made_ticks, Ordering::Relaxed);
    // Release pairs with the Acquire in `read` and `key_of`, also for the frames.
    row[KEY].store(key(identity.hash, identity.writer), Ordering::Release);
}

/// The writer's half: the key of a row, 0 while it is not published.
#[inline(always)]
pub fn key_of(row: &SiteRow) -> u64 {
    // Acquire pairs with the Release in `publish`.
    row[KEY].load(Ordering::Acquire)
}

/// The writer's half: what a row that was published is.
pub fn identity(row: &SiteRow) -> Identity {
    let key = key_of(row);
    // Relaxed: published by the key.
    let word = |place: usize| word(row, place);
    identity_of(key, word(PLACE), word(ORIGIN), word(MADE))
}

fn identity_of(first: u64, shape: u64, origin: u64, made_ticks: u64) -> Identity {
    let (modules, writer) = unpack(origin);
    Identity {
        // The same operation leads back.
        hash: key(first, writer),
        writer,
        first_frame: shape as u32,
        depth: (shape >> 32) as u16,
        flags: (shape >> 48) as u16,
        modules: modules.into(),
        made_ticks,
    }
}

/// Who else may add to a row at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Nobody: the caller holds the row's writer number.
    One,
    /// Any thread.
    Any,
}

/// The writer's half: a block was born.
#[inline(always)]
pub fn add_birth(
    row: &SiteRow,
    size_bytes: u64,
    weight: &Weight,
    now_ticks: u64,
    writers: Writers,
) {
    // Relaxed: a time stamp by itself.
    row[LAST_BIRTH].store(now_ticks, Ordering::Relaxed);
    add_totals(row, (CERTAIN_BORN, DRAWN_BORN), size_bytes, weight, writers);
    if let Some(sum) = row.get(SIZES + size_bucket(size_bytes)) {
        add(sum, weight.objects, writers);
    }
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
#[inline(always)]
pub fn add_death(row: &SiteRow, size_bytes: u64, weight: &Weight, death: Death, writers: Writers) {
    add_totals(row, (CERTAIN_DIED, DRAWN_DIED), size_bytes, weight, writers);
    if let Some(ticks) = death.lifetime_ticks
        && let Some(sum) = row.get(LIFETIMES + lifetime_bucket(ticks))
    {
        add(sum, weight.objects, writers);
    }
    if death.by_realloc {
        add(&row[REALLOCS], 1, writers);
    }
    if death.on_other_thread {
        add(&row[FOREIGN_DEATHS], 1, writers);
    }
}

/// The writer's half, for who learns of sums only: all that was ever sampled at a site.
pub fn set_sampled(
    row: &SiteRow,
    born: &Totals,
    died: &Totals,
    sizes: &[u64; SIZE_BUCKETS],
    last_ticks: u64,
) {
    // Relaxed throughout: sums by themselves.
    row[LAST_BIRTH].store(last_ticks, Ordering::Relaxed);
    for (place, totals) in [(DRAWN_BORN, born), (DRAWN_DIED, died)] {
        let values = [
            totals.objects,
            totals.bytes,
            totals.raw_objects,
            totals.raw_bytes,
            totals.objects_variance.to_bits(),
            totals.bytes_variance.to_bits(),
        ];
        for (word, value) in row.iter().skip(place).zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    }
    for (word, objects) in row.iter().skip(SIZES).zip(sizes) {
        word.store(*objects, Ordering::Relaxed);
    }
}

/// The writer's half of a Go runtime's segment: the words for what was live at its moments.
pub fn moments(row: &SiteRow) -> &[AtomicU64] {
    row.get(LIFETIMES..LIFETIMES + crate::header::go::MOMENTS_MAX)
        .unwrap_or(&[])
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
    let word = |place: usize| copy.get(place).copied().unwrap_or(0);
    let mut sizes = [0; SIZE_BUCKETS];
    sizes.copy_from_slice(copy.get(SIZES..SIZES + SIZE_BUCKETS)?);
    let mut lifetimes = [0; LIFETIME_BUCKETS];
    lifetimes.copy_from_slice(copy.get(LIFETIMES..LIFETIMES + LIFETIME_BUCKETS)?);
    Some(Site {
        identity: identity_of(word(KEY), word(PLACE), word(ORIGIN), word(MADE)),
        last_ticks: word(LAST_BIRTH),
        born: totals(&copy, CERTAIN_BORN, DRAWN_BORN),
        died: totals(&copy, CERTAIN_DIED, DRAWN_DIED),
        reallocs: word(REALLOCS),
        foreign_deaths: word(FOREIGN_DEATHS),
        at_peak: AtPeak {
            epoch: word(EPOCH),
            bytes: word(AT_PEAK) as i64,
            objects: word(AT_PEAK + 1) as i64,
            bytes_variance: spread(word(AT_PEAK + 2)),
            objects_variance: spread(word(AT_PEAK + 3)),
        },
        sizes,
        lifetimes,
    })
}

/// What is live at a site right now, by the writer's own view of its row.
pub(crate) fn live(row: &SiteRow) -> AtPeak {
    // Relaxed: totals are each right by themselves.
    let word = |place: usize| word(row, place);
    let lasting = |born: usize, died: usize| word(born).wrapping_sub(word(died));
    let objects = lasting(CERTAIN_BORN, CERTAIN_DIED).wrapping_mul(OBJECT_UNIT);
    let bytes = lasting(CERTAIN_BORN + 1, CERTAIN_DIED + 1);
    let mut live = AtPeak {
        epoch: 0,
        objects: objects as i64,
        bytes: bytes as i64,
        ..AtPeak::default()
    };
    if word(DRAWN_BORN) != 0 || word(DRAWN_DIED) != 0 {
        let drawn = |place: usize| lasting(DRAWN_BORN + place, DRAWN_DIED + place) as i64;
        let variance =
            |place: usize| spread(word(DRAWN_BORN + place)) - spread(word(DRAWN_DIED + place));
        live.objects = live.objects.wrapping_add(drawn(0));
        live.bytes = live.bytes.wrapping_add(drawn(1));
        live.objects_variance = variance(4);
        live.bytes_variance = variance(5);
    }
    live
}

fn word(row: &SiteRow, place: usize) -> u64 {
    // Relaxed: a figure by itself.
    row.get(place)
        .map_or(0, |word| word.load(Ordering::Relaxed))
}

#[inline(always)]
fn add_totals(
    row: &SiteRow,
    (certain, drawn): (usize, usize),
    size_bytes: u64,
    weight: &Weight,
    writers: Writers,
) {
    if weight.is_certain() {
        if let Some([blocks, bytes, ..]) = row.get(certain..) {
            add(blocks, 1, writers);
            add(bytes, size_bytes, writers);
        }
    } else if let Some([objects, bytes, raw_objects, raw_bytes, variances @ ..]) = row.get(drawn..)
    {
        add(objects, weight.objects, writers);
        add(bytes, weight.bytes, writers);
        add(raw_objects, 1, writers);
        add(raw_bytes, size_bytes, writers);
        if let [objects, bytes, ..] = variances {
            add_variance(objects, weight.objects_variance);
            add_variance(bytes, weight.bytes_variance);
        }
    }
}

#[inline(always)]
fn add(sum: &AtomicU64, value: u64, writers: Writers) {
    match writers {
        // Relaxed: a sum by itself, which only the caller changes.
        Writers::One => {
            let more = sum.load(Ordering::Relaxed).wrapping_add(value);
            sum.store(more, Ordering::Relaxed);
        }
        // Relaxed: a sum by itself.
        Writers::Any => {
            sum.fetch_add(value, Ordering::Relaxed);
        }
    }
}

fn add_variance(sum: &AtomicU64, value: f64) {
    // Relaxed: a sum by itself; the loop only guards against losing another thread's addition.
    let mut bits = sum.load(Ordering::Relaxed);
    loop {
        let more = (f64::from_bits(bits) + value).to_bits();
        match sum.compare_exchange_weak(bits, more, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => bits = now,
        }
    }
}

fn totals(copy: &[u64; SITE_WORDS], certain: usize, drawn: usize) -> Totals {
    let word = |place: usize| copy.get(place).copied().unwrap_or(0);
    let (blocks, bytes) = (word(certain), word(certain + 1));
    Totals {
        objects: blocks.wrapping_mul(OBJECT_UNIT).wrapping_add(word(drawn)),
        bytes: bytes.wrapping_add(word(drawn + 1)),
        raw_objects: blocks.wrapping_add(word(drawn + 2)),
        raw_bytes: bytes.wrapping_add(word(drawn + 3)),
        objects_variance: variance(word(drawn + 4)),
        bytes_variance: variance(word(drawn + 5)),
    }
}

/// A variance from its bits; whatever is not a finite, positive number reads as 0.
fn variance(bits: u64) -> f64 {
    spread(bits).max(0.0)
}

/// A difference of variances from its bits; whatever is not finite reads as 0.
fn spread(bits: u64) -> f64 {
    let value = f64::from_bits(bits);
    if value.is_finite() { value } else { 0.0 }
}
