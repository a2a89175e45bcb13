//! The first words of a segment: whose it is, where everything lies, how it is doing.
//!
//! ```text
//!   0 magic + layout version      stored last with Release, loaded first with Acquire
//!   1 byte order mark             2 segment length, bytes
//!   3 pid | parent pid << 32      4 process start time, clock ticks since boot (proc(5), 22)
//!   5 boot id, upper half first   7 user id | group id << 32
//!   8 origin   9 state           10 when the state changed, ticks
//!  11 clock kind                 12 clock pair count, stored with Release after its pair
//!  13 first pair: ticks, CLOCK_MONOTONIC ns      15 CLOCK_REALTIME ns at the first pair
//!  16 even pair: ticks, ns       18 odd pair: ticks, ns      20 heartbeat, ticks
//!  21 interval exponent          22 entries at 256, stored with Release after the latest entry
//!  24 live bytes, weighted       25 live blocks, weighted
//!  26 peak epoch                 27 bytes at the peak     28 ticks at the peak
//!  30 storage                    31 errno that ended growth
//!  32 executable path            33 command line          34 bypass: who serves malloc instead
//!  35 latest serial of a ring lease     36 ring leases given     37 number of its `run`, or 0
//!  38 processor time of the process, ns, and  39 what memshim took of it, ns, both of one moment
//!  40 budget in millionths of the processor time, 0 for a fixed interval
//!  41 settings whose value was not understood, a bit each
//!  42 timeline: rows that hold a point | thinnings << 32, see there
//!  43 who writes it: 0 the shim; of a Go runtime how its profile came to be, see [`go`]
//!  44 mean bytes between the samples of a Go runtime, which need not be a power of two
//!  45 moments of a Go runtime that its sites remember, and 46 their ticks (16), see [`go`]
//!  64 region table, 8 words a region               128 counters (64)
//! 256 interval history, pairs of (ticks, exponent), 128 of them; the last is overwritten
//! 512 memory that the process may use, bytes, 0 while unknown, and 513 whose limit that is
//! 514 bytes of the process in memory, and 515 bytes of addresses in use, when that was looked at
//!     last; 0 before
//! 516 mean bytes between samples that the shim told the Go runtime of its program to take, or 0
//! 517 garbage collections of a Go runtime     518 how long the last one stopped it, ns, and
//! 519 all of them     520 when the last one ended, ns since 1970     521 heap at which the next one
//!     is due, bytes     522 goroutines     0 for each of them that is not known
//! ```
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::counters::COUNTER_CAPACITY;
use crate::region::{REGION_COUNT, REGION_WORDS, RegionShape};
use crate::sync::{AtomicU64, fence};
use crate::weight::Interval;
use crate::words::{Words, acquire_fence};
use crate::{LAYOUT_VERSION, PAGE_BYTES, WORD_BYTES};

/// Words in the header, two pages.
pub const HEADER_WORDS: u64 = 2 * PAGE_BYTES / WORD_BYTES;

/// The words of a header, as the writer sees them.
pub type HeaderRow = [AtomicU64; HEADER_WORDS as usize];

/// "MEMSHM" in the low six bytes of the first word; the version is in the two above.
pub const MAGIC: u64 = 0x4d48_534d_454d;

/// Reads back as itself only on a machine of the same byte order.
pub const BYTE_ORDER: u64 = 0x0102_0304_0506_0708;

/// Places of the single words of the header; the picture above says what each holds.
#[allow(missing_docs)]
pub mod at {
    pub const MAGIC: usize = 0;
    pub const BYTE_ORDER: usize = 1;
    pub const SEGMENT_BYTES: usize = 2;
    pub const PIDS: usize = 3;
    pub const START_TIME: usize = 4;
    pub const BOOT_ID: usize = 5;
    pub const IDS: usize = 7;
    pub const ORIGIN: usize = 8;
    pub const STATE: usize = 9;
    pub const STATE_TICKS: usize = 10;
    pub const CLOCK_KIND: usize = 11;
    pub const PAIR_COUNT: usize = 12;
    pub const FIRST_PAIR: usize = 13;
    pub const REALTIME: usize = 15;
    pub const PAIRS: usize = 16;
    pub const HEARTBEAT: usize = 20;
    pub const INTERVAL: usize = 21;
    pub const INTERVAL_CHANGES: usize = 22;
    pub const LIVE_BYTES: usize = 24;
    pub const LIVE_OBJECTS: usize = 25;
    pub const PEAK_EPOCH: usize = 26;
    pub const PEAK_BYTES: usize = 27;
    pub const PEAK_TICKS: usize = 28;
    pub const STORAGE: usize = 30;
    pub const STORAGE_ERRNO: usize = 31;
    pub const EXECUTABLE: usize = 32;
    pub const COMMAND_LINE: usize = 33;
    pub const BYPASS: usize = 34;
    pub const RING_SERIAL: usize = 35;
    pub const RING_LEASES: usize = 36;
    pub const RUN: usize = 37;
    pub const CPU_NS: usize = 38;
    pub const COST_NS: usize = 39;
    pub const BUDGET: usize = 40;
    pub const REJECTED: usize = 41;
    pub const TIMELINE: usize = 42;
    pub const GO: usize = 43;
    pub const GO_RATE: usize = 44;
    pub const GO_MOMENTS: usize = 45;
    pub const GO_TICKS: usize = 46;
    pub const REGIONS: usize = 64;
    pub const COUNTERS: usize = 128;
    pub const INTERVALS: usize = 256;
    pub const LIMIT_BYTES: usize = 512;
    pub const LIMIT_WHOSE: usize = 513;
    pub const RESIDENT_BYTES: usize = 514;
    pub const MAPPED_BYTES: usize = 515;
    pub const GO_SET: usize = 516;
    pub const GO_COLLECTIONS: usize = 517;
    pub const GO_LAST_PAUSE: usize = 518;
    pub const GO_PAUSES: usize = 519;
    pub const GO_LAST_COLLECTION: usize = 520;
    pub const GO_GOAL: usize = 521;
    pub const GO_GOROUTINES: usize = 522;
}

/// Entries of the interval history.
pub const INTERVAL_HISTORY: usize = 128;

const _: () = assert!(at::GO_TICKS + go::MOMENTS_MAX <= at::REGIONS);
const _: () = assert!(at::REGIONS + REGION_COUNT * REGION_WORDS <= at::COUNTERS);
const _: () = assert!(at::COUNTERS + COUNTER_CAPACITY <= at::INTERVALS);
const _: () = assert!(at::INTERVALS + 2 * INTERVAL_HISTORY <= at::LIMIT_BYTES);
const _: () = assert!((at::GO_GOROUTINES as u64) < HEADER_WORDS);

/// Values of the word `ORIGIN`: how the process came to have this segment.
pub mod origin {
    /// The program was started, or replaced another by exec.
    pub const STARTED: u64 = 1;
    /// The process was forked from one that had a segment.
    pub const FORKED: u64 = 2;
}

/// Values of the word `GO`: a segment that a reader made of the heap profile of a Go runtime.
///
/// Such a segment has no slots, no events and no lifetimes, and is replaced as a whole.
/// Where the sites of others have lifetimes, its sites have what was live as of the last garbage
/// collection at up to [`MOMENTS_MAX`](go::MOMENTS_MAX) moments, evenly over the time since it began.
pub mod go {
    /// Moments that there are at most; then every second one goes.
    pub const MOMENTS_MAX: usize = 16;
    /// It is no such segment.
    pub const NONE: u64 = 0;
    /// The profile was switched on before the program's first instruction.
    pub const FROM_START: u64 = 1;
    /// It was switched on in the course of the program; what was before is unknown.
    pub const SWITCHED_ON: u64 = 2;
    /// The program has its profile by itself.
    pub const OWN: u64 = 3;
}

/// Values of the word `STATE`.
pub mod state {
    /// No end was seen; the process runs, or was killed.
    pub const RUNNING: u64 = 1;
    /// The program went through exit(3).
    pub const EXITED: u64 = 2;
    /// The process goes on as another program, which has a segment of its own.
    pub const REPLACED: u64 = 3;
}

/// Values of the word `CLOCK_KIND`.
pub mod clock {
    /// Ticks are nanoseconds of CLOCK_MONOTONIC.
    pub const MONOTONIC: u64 = 1;
    /// Ticks are the processor's time stamp counter; the pairs give its frequency.
    pub const COUNTER: u64 = 2;
}

/// Values of the word `STORAGE`: what the file system granted.
pub mod storage {
    /// Every request for room was granted.
    pub const GROWING: u64 = 1;
    /// A request was refused; what was there goes on being used.
    pub const REFUSED: u64 = 2;
}

/// Values of the word `BYPASS`.
pub mod bypass {
    /// The program's calls reach the shim.
    pub const NONE: u64 = 0;
    /// The executable defines malloc itself, so a preloaded one is never called.
    pub const OWN_MALLOC: u64 = 1;
    /// operator new does not go through malloc (shared jemalloc, tcmalloc, mimalloc).
    pub const OWN_NEW: u64 = 2;
}

/// Values of the word `LIMIT_WHOSE`.
pub mod limit {
    /// Of the control group or of one above it (cgroups(7)).
    pub const CONTROL_GROUP: u64 = 1;
    /// Of the process's address space: RLIMIT_AS (getrlimit(2)).
    pub const ADDRESS_SPACE: u64 = 2;
}

/// Bits of the word `REJECTED`: settings that stayed at their default.
pub mod rejected {
    /// MEMSHIM_INTERVAL.
    pub const INTERVAL: u64 = 1;
    /// MEMSHIM_BUDGET.
    pub const BUDGET: u64 = 1 << 1;
    /// MEMSHIM_MAX_SEGMENT.
    pub const MAX_SEGMENT: u64 = 1 << 2;
    /// MEMSHIM_SEED.
    pub const SEED: u64 = 1 << 3;
    /// MEMSHIM_GO_RATE.
    pub const GO_RATE: u64 = 1 << 4;
}

/// Two 32-bit numbers as they share one word, the first in the low half.
pub const fn pack(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// The two halves of a packed word.
pub const fn unpack(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// The writer's half: stores the magic word, after which readers may look.
pub fn publish(words: &[AtomicU64]) {
    if let Some(magic) = words.get(at::MAGIC) {
        // Release pairs with the Acquire in `attach`: who sees the magic sees the whole header.
        magic.store(MAGIC | LAYOUT_VERSION << 48, Ordering::Release);
    }
}

/// The writer's half: notes a (ticks, ns) pair from which readers learn the clock's frequency.
///
/// Called by one thread at a time; others skip.
pub fn note_clock_pair(words: &[AtomicU64], ticks: u64, monotonic_ns: u64) {
    let Some(count) = words.get(at::PAIR_COUNT) else {
        return;
    };
    // Relaxed: only this writer changes the count.
    let next = count.load(Ordering::Relaxed) + 1;
    let place = at::PAIRS + 2 * (next as usize & 1);
    // Release pairs with the `acquire_fence` in `copy_header`: a reader that copied any word
    // stored below finds a newer count than that of the pair that stood there.
    fence(Ordering::Release);
    if let Some([pair_ticks, pair_ns]) = words.get(place..place + 2) {
        // Relaxed: published by the count below.
        pair_ticks.store(ticks, Ordering::Relaxed);
        pair_ns.store(monotonic_ns, Ordering::Relaxed);
    }
    // Release pairs with the Acquire load of the count in `copy_header`.
    count.store(next, Ordering::Release);
}

/// The writer's half: notes which interval is in force from `ticks` on.
///
/// When the history is full its last entry is overwritten.
/// Called by one thread at a time.
pub fn note_interval(words: &[AtomicU64], ticks: u64, interval: Interval) {
    let (Some(now), Some(count)) = (words.get(at::INTERVAL), words.get(at::INTERVAL_CHANGES))
    else {
        return;
    };
    let exponent = u64::from(interval.exponent());
    // Relaxed: only this writer changes the count.
    let entry = (count.load(Ordering::Relaxed) as usize).min(INTERVAL_HISTORY - 1);
    let place = at::INTERVALS + 2 * entry;
    if let Some([entry_ticks, entry_exponent]) = words.get(place..place + 2) {
        // Relaxed: published by the count below.
        entry_ticks.store(ticks, Ordering::Relaxed);
        entry_exponent.store(exponent, Ordering::Relaxed);
    }
    now.store(exponent, Ordering::Relaxed);
    // Release pairs with the Acquire load of the count in `copy_header`.
    count.store(entry as u64 + 1, Ordering::Release);
}

/// What a reader finds when it looks at a file that should be a segment.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made for each open, and nothing here may allocate"
)]
pub enum Attach {
    /// Shorter than a header.
    TooShort,
    /// Everything is 0 so far: a process is just creating it, or died while doing so.
    NotReady,
    /// Some other kind of file.
    NotASegment,
    /// Written by a memshim with another layout, whose version is given.
    OtherVersion(u64),
    /// Written on a machine of the other byte order.
    OtherByteOrder,
    /// The header contradicts itself; the text says where.
    Corrupt(&'static str),
    /// A segment; the copy of its header.
    Attached(Header),
}

/// A reader's copy of a header.
#[derive(Clone, Debug)]
pub struct Header {
    words: [u64; HEADER_WORDS as usize],
    regions: [RegionShape; REGION_COUNT],
}

/// The reader's half: from words of which nothing is known to a checked header.
pub fn attach<W: Words + ?Sized>(words: &W, file_bytes: u64) -> Attach {
    if file_bytes < HEADER_WORDS * WORD_BYTES {
        return Attach::TooShort;
    }
    // Acquire (in `load`) pairs with the Release in `publish`.
    let magic = words.load(at::MAGIC as u64);
    if magic == 0 {
        return Attach::NotReady;
    }
    if magic & 0xffff_ffff_ffff != MAGIC {
        return Attach::NotASegment;
    }
    if magic >> 48 != LAYOUT_VERSION {
        return Attach::OtherVersion(magic >> 48);
    }
    let mut copy = [0; HEADER_WORDS as usize];
    copy_header(words, &mut copy);
    let word = |place: usize| copy.get(place).copied().unwrap_or(0);
    if word(at::BYTE_ORDER) != BYTE_ORDER {
        return Attach::OtherByteOrder;
    }
    let mut regions = [RegionShape::EMPTY; REGION_COUNT];
    for (index, region) in regions.iter_mut().enumerate() {
        let place = at::REGIONS + index * REGION_WORDS;
        match RegionShape::read(index, copy.get(place..).unwrap_or(&[]), file_bytes) {
            Ok(shape) => *region = shape,
            Err(reason) => return Attach::Corrupt(reason),
        }
    }
    if word(at::SEGMENT_BYTES) > file_bytes {
        return Attach::Corrupt("the end of the segment is cut off");
    }
    if word(at::PIDS) as u32 == 0 {
        return Attach::Corrupt("the process id is 0");
    }
    Attach::Attached(Header {
        words: copy,
        regions,
    })
}

/// Copies a header such that its latest clock pair is whole; without one if that keeps changing.
fn copy_header<W: Words + ?Sized>(words: &W, into: &mut [u64; HEADER_WORDS as usize]) {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        // Acquire (in `load`) pairs with the Release of the count in `note_clock_pair`.
        let pairs = words.load(at::PAIR_COUNT as u64);
        // Acquire (in `load`) pairs with the Release of the count in `note_interval`.
        let changes = words.load(at::INTERVAL_CHANGES as u64);
        words.copy(0, into);
        if let Some(copied) = into.get_mut(at::INTERVAL_CHANGES) {
            *copied = changes;
        }
        // Pairs with the Release fence in `note_clock_pair`.
        acquire_fence();
        if words.load(at::PAIR_COUNT as u64) == pairs {
            return;
        }
    }
    if let Some(pairs) = into.get_mut(at::PAIRS..at::PAIRS + 4) {
        pairs.fill(0);
    }
}

/// How clock ticks turn into time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Ticks at the moment the segment was made.
    pub start_ticks: u64,
    /// CLOCK_MONOTONIC at that moment, ns.
    pub start_monotonic_ns: u64,
    /// CLOCK_REALTIME at that moment, ns.
    pub start_realtime_ns: u64,
    /// Nanoseconds in one tick; `None` when the process died before a second pair was noted.
    pub ns_per_tick: Option<f64>,
}

impl Header {
    /// One word of the header, 0 past its end.
    pub fn word(&self, place: usize) -> u64 {
        self.words.get(place).copied().unwrap_or(0)
    }

    /// The checked extent of a region.
    pub fn region(&self, region: crate::region::Region) -> RegionShape {
        self.regions
            .get(region as usize)
            .copied()
            .unwrap_or(RegionShape::EMPTY)
    }

    /// The value of a counter.
    pub fn counter(&self, id: usize) -> u64 {
        self.word(at::COUNTERS + id)
    }

    /// The interval in force now.
    pub fn interval(&self) -> Interval {
        Interval::from_exponent(self.word(at::INTERVAL).min(255) as u8)
    }

    /// The clock as far as the pairs tell.
    pub fn clock(&self) -> Clock {
        let start_ticks = self.word(at::FIRST_PAIR);
        let start_monotonic_ns = self.word(at::FIRST_PAIR + 1);
        let latest = at::PAIRS + 2 * (self.word(at::PAIR_COUNT) as usize & 1);
        let ticks = self.word(latest).saturating_sub(start_ticks);
        let ns = self.word(latest + 1).saturating_sub(start_monotonic_ns);
        let ns_per_tick = match self.word(at::CLOCK_KIND) {
            clock::MONOTONIC => Some(1.0),
            _ if ticks > 0 && ns > 0 => Some(ns as f64 / ticks as f64),
            _ => None,
        };
        Clock {
            start_ticks,
            start_monotonic_ns,
            start_realtime_ns: self.word(at::REALTIME),
            ns_per_tick,
        }
    }

    /// The intervals that were in force, oldest first: from these ticks on, this interval.
    pub fn intervals(&self) -> impl Iterator<Item = (u64, Interval)> + '_ {
        let count = (self.word(at::INTERVAL_CHANGES) as usize).min(INTERVAL_HISTORY);
        (0..count).map(|index| {
            let place = at::INTERVALS + 2 * index;
            (
                self.word(place),
                Interval::from_exponent(self.word(place + 1).min(255) as u8),
            )
        })
    }
}
