//! The regions of a segment: where each lies, how it grows, who may touch which row.
//!
//! ```text
//!   0 offset, bytes   1 capacity, rows   2 words a row   3 rows used   4 rows ready   5.. 0
//! ```
//!
//! A row below `ready` has memory behind it; a row below `used` has been claimed by a writer.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::header::{HEADER_WORDS, at};
use crate::sync::AtomicU64;
use crate::{PAGE_BYTES, WORD_BYTES};

/// Words of one entry of the region table.
pub const REGION_WORDS: usize = 8;

/// Place in the header of the word that counts a region's rows in use.
pub const fn used(region: Region) -> usize {
    at::REGIONS + region as usize * REGION_WORDS + 3
}

/// The regions, in the order in which they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Bytes of paths and command lines.
    Strings,
    /// Loaded objects.
    Modules,
    /// Threads.
    Threads,
    /// How much was live when.
    Timeline,
    /// Call stacks with their totals.
    Sites,
    /// Return addresses of the call stacks.
    Frames,
    /// Chunks of events.
    Ring,
    /// Sampled blocks.
    Slots,
}

/// Pages of the timeline: enough for its [`crate::timeline::POINTS_MAX`] rows.
const TIMELINE_PAGES: u64 =
    (crate::timeline::POINTS_MAX * crate::timeline::POINT_WORDS) as u64 * WORD_BYTES / PAGE_BYTES;

/// Number of regions.
pub const REGION_COUNT: usize = 8;

impl Region {
    /// All of them, in order.
    pub const ALL: [Self; REGION_COUNT] = [
        Self::Strings,
        Self::Modules,
        Self::Threads,
        Self::Timeline,
        Self::Sites,
        Self::Frames,
        Self::Ring,
        Self::Slots,
    ];

    /// Words in one row.
    pub const fn row_words(self) -> u64 {
        match self {
            Self::Strings | Self::Frames => 1,
            Self::Modules => crate::modules::MODULE_WORDS as u64,
            Self::Threads => crate::threads::THREAD_WORDS as u64,
            Self::Timeline => crate::timeline::POINT_WORDS as u64,
            Self::Sites => crate::sites::SITE_WORDS as u64,
            Self::Ring => crate::ring::CHUNK_WORDS as u64,
            Self::Slots => crate::slots::SLOT_WORDS as u64,
        }
    }
}

/// Where a region lies, as a reader checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionShape {
    /// First word, counted from the start of the segment.
    pub first_word: u64,
    /// Rows that may hold something.
    pub rows: u64,
    /// Words in a row.
    pub row_words: u64,
}

impl RegionShape {
    /// A region that holds nothing.
    pub const EMPTY: Self = Self {
        first_word: 0,
        rows: 0,
        row_words: 1,
    };

    /// Index of the first word of a row.
    pub const fn row(&self, row: u64) -> u64 {
        self.first_word
            .saturating_add(row.saturating_mul(self.row_words))
    }

    /// Checks one entry of the region table against the length of the file.
    ///
    /// # Errors
    /// The contradiction, in words.
    pub(crate) fn read(index: usize, entry: &[u64], file_bytes: u64) -> Result<Self, &'static str> {
        let (Some(region), &[offset, capacity, row_words, used, ready, ..]) =
            (Region::ALL.get(index), entry)
        else {
            return Err("the region table is cut short");
        };
        if row_words != region.row_words() {
            return Err("a region has rows of another size");
        }
        if offset % WORD_BYTES != 0 || offset < HEADER_WORDS * WORD_BYTES {
            return Err("a region lies within the header");
        }
        let row_bytes = row_words * WORD_BYTES;
        let end = capacity
            .checked_mul(row_bytes)
            .and_then(|bytes| bytes.checked_add(offset));
        if end.is_none() {
            return Err("a region is larger than any file");
        }
        // A header that claims more than there is gets what there is.
        let rows_in_file = file_bytes.saturating_sub(offset) / row_bytes;
        let rows = used.min(ready).min(capacity).min(rows_in_file);
        Ok(Self {
            first_word: offset / WORD_BYTES,
            rows,
            row_words,
        })
    }
}

/// The writer's half: a region being filled row by row.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    rows: &'a [AtomicU64],
    row_words: usize,
    capacity: u64,
    used: &'a AtomicU64,
    ready: &'a AtomicU64,
}

impl<'a> Table<'a> {
    /// The table of `region` within the words of a segment; `None` where the header has none.
    pub fn of(segment: &'a [AtomicU64], region: Region) -> Option<Self> {
        let place = at::REGIONS + region as usize * REGION_WORDS;
        let [offset, capacity, _, used, ready, ..] = segment.get(place..place + REGION_WORDS)?
        else {
            return None;
        };
        // Relaxed: these two never change after the segment was laid out by this process.
        let first = usize::try_from(offset.load(Ordering::Relaxed) / WORD_BYTES).ok()?;
        let capacity = capacity.load(Ordering::Relaxed);
        let row_words = region.row_words() as usize;
        let len = usize::try_from(capacity).ok()?.checked_mul(row_words)?;
        let rows = segment.get(first..first.checked_add(len)?)?;
        Some(Self {
            rows,
            row_words,
            capacity,
            used,
            ready,
        })
    }

    /// Takes `count` rows that follow each other; gives the first.
    ///
    /// `grow` is asked when rows beyond those ready are wanted: given the number of rows needed,
    /// it makes memory for at least as many and says how many are ready now.
    /// `None` when the region is full or `grow` gave too little.
    pub fn claim(&self, count: u64, grow: impl Fn(u64) -> u64) -> Option<u64> {
        // Relaxed throughout: row numbers carry no data; each row is published by its own word.
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let end = used.checked_add(count)?;
            if end > self.capacity {
                return None;
            }
            if end > self.ready.load(Ordering::Relaxed) {
                let ready = grow(end);
                if ready < end {
                    return None;
                }
                self.ready
                    .fetch_max(ready.min(self.capacity), Ordering::Relaxed);
            }
            match self
                .used
                .compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(used),
                Err(now) => used = now,
            }
        }
    }

    /// The words of all rows that there can ever be; those beyond the rows claimed have no memory.
    pub fn rows(&self) -> &'a [AtomicU64] {
        self.rows
    }

    /// The words of a row; `None` past the capacity.
    pub fn row(&self, row: u64) -> Option<&'a [AtomicU64]> {
        self.span(row, 1)
    }

    /// The words of `count` rows from `row` on.
    pub fn span(&self, row: u64, count: u64) -> Option<&'a [AtomicU64]> {
        let first = usize::try_from(row).ok()?.checked_mul(self.row_words)?;
        let len = usize::try_from(count).ok()?.checked_mul(self.row_words)?;
        self.rows.get(first..first.checked_add(len)?)
    }

    /// Rows claimed so far.
    pub fn used(&self) -> u64 {
        // Relaxed: a count for decisions that tolerate being a little late.
        self.used.load(Ordering::Relaxed)
    }

    /// Rows the region can ever have.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }
}

/// Where the regions lie in a segment of a given length.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Offset in bytes and capacity in rows, by region.
    pub regions: [(u64, u64); REGION_COUNT],
}

impl Plan {
    /// The smallest segment that can hold one row of everything.
    pub const SMALLEST_BYTES: u64 = 16 * PAGE_BYTES;

    /// Divides a segment of `segment_bytes`; `None` below [`Self::SMALLEST_BYTES`].
    ///
    /// Paths, modules, threads and the timeline get what they need at most, the ring a sixteenth,
    /// the sites and their frames a fifth, and the slots, which grow with the heap, all the rest.
    pub fn of(segment_bytes: u64, ring_chunks_wanted: u64) -> Option<Self> {
        let pages = segment_bytes / PAGE_BYTES;
        if segment_bytes < Self::SMALLEST_BYTES {
            return None;
        }
        let header_pages = HEADER_WORDS * WORD_BYTES / PAGE_BYTES;
        let chunk_pages = crate::ring::CHUNK_WORDS as u64 * WORD_BYTES / PAGE_BYTES;
        let share = |divisor: u64, most: u64| (pages / divisor).clamp(1, most);
        let ring_pages = (pages / 16 / chunk_pages).clamp(0, ring_chunks_wanted) * chunk_pages;
        let wanted = [
            share(16, 256),
            share(32, 128),
            share(32, 1024),
            share(64, TIMELINE_PAGES),
            share(8, u64::MAX),
            share(16, u64::MAX),
            ring_pages,
        ];
        let taken = header_pages + wanted.iter().sum::<u64>();
        let mut regions = [(0, 0); REGION_COUNT];
        let mut page = header_pages;
        let all = wanted.iter().copied().chain([pages.saturating_sub(taken)]);
        for ((region, entry), pages) in Region::ALL.iter().zip(&mut regions).zip(all) {
            let row_bytes = region.row_words() * WORD_BYTES;
            *entry = (page * PAGE_BYTES, pages * PAGE_BYTES / row_bytes);
            page += pages;
        }
        Some(Self { regions })
    }

    /// Rows of a region.
    pub fn capacity(&self, region: Region) -> u64 {
        self.regions
            .get(region as usize)
            .map_or(0, |(_, rows)| *rows)
    }

    /// Writes the region table into the header.
    pub fn store(&self, segment: &[AtomicU64]) {
        for (index, (region, &(offset, capacity))) in
            Region::ALL.iter().zip(&self.regions).enumerate()
        {
            let place = at::REGIONS + index * REGION_WORDS;
            let values = [offset, capacity, region.row_words(), 0, 0];
            for (word, value) in segment.get(place..).unwrap_or(&[]).iter().zip(values) {
                // Relaxed: the header is published as a whole by its magic word.
                word.store(value, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn check(segment_bytes: u64) {
        let plan = Plan::of(segment_bytes, 64).expect("a plan");
        let mut end = HEADER_WORDS * WORD_BYTES;
        for (region, (offset, capacity)) in Region::ALL.iter().zip(plan.regions) {
            assert!(offset >= end, "{region:?} overlaps in {segment_bytes}");
            assert!(
                capacity > 0 || *region == Region::Ring,
                "{region:?} in {segment_bytes}"
            );
            end = offset + capacity * region.row_words() * WORD_BYTES;
        }
        assert!(end <= segment_bytes, "{end} > {segment_bytes}");
    }

    #[test]
    fn regions_never_overlap_and_fit_at_any_length() {
        for pages in (16..600).chain([1 << 14, 1 << 20, 1 << 24]) {
            check(pages * PAGE_BYTES);
        }
        assert!(Plan::of(Plan::SMALLEST_BYTES - 1, 64).is_none());
    }
}
