//! What one process knows about itself: its segment and the ends of its private tables.
//!
//! It lies in memory that is wiped at fork, so "all 0" means "not started in this process".

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use memshim_abi::AtomicU64 as Word;
use memshim_abi::header::{self, HEADER_WORDS, HeaderRow};
use memshim_abi::peak::{self, Heap};
use memshim_abi::region::{Region, Table};
use memshim_abi::ring::{CHUNK_WORDS, Chunk};
use memshim_abi::sites::{SITE_WORDS, SiteRow};
use memshim_abi::slots::{SLOT_WORDS, SlotRow};
use memshim_abi::threads::{THREAD_WORDS, ThreadRow};

use crate::controller::Control;
use crate::memory::Notes;
use crate::private::{self, AddressIndex, SiteIndex};
use crate::recycle::Recycle;
use crate::segment;
use crate::timeline::Timeline;

/// Where a process stands.
pub mod phase {
    /// Nothing has happened yet in this process.
    pub const NEW: u64 = 0;
    /// One thread is making the segment; the others pass calls through.
    pub const STARTING: u64 = 1;
    /// Recording.
    pub const RUNNING: u64 = 2;
    /// There will be no recording in this process.
    pub const OFF: u64 = 3;
}

/// The rows of one of the segment's tables, found once so that a look-up is one comparison.
struct Rows<const WORDS: usize> {
    first: AtomicPtr<[Word; WORDS]>,
    count: AtomicUsize,
}

impl<const WORDS: usize> Rows<WORDS> {
    /// Notes where the rows are; before the phase becomes RUNNING.
    fn set(&self, rows: &'static [[Word; WORDS]]) {
        // Relaxed: published by the phase.
        self.first
            .store(rows.as_ptr().cast_mut(), Ordering::Relaxed);
        self.count.store(rows.len(), Ordering::Relaxed);
    }

    /// One row; `None` past the last, and before `set`, when there are none.
    #[inline(always)]
    fn row(&self, index: usize) -> Option<&'static [Word; WORDS]> {
        // Relaxed: published by the phase, which the caller has looked at.
        if index >= self.count.load(Ordering::Relaxed) {
            return None;
        }
        let row = self.first.load(Ordering::Relaxed).wrapping_add(index);
        // SAFETY: the count is 0 while there is no first row.
        unsafe { core::hint::assert_unchecked(!row.is_null()) };
        // SAFETY: `set` took both from one slice that lasts as long as the process, and the row is
        // in it.
        Some(unsafe { &*row })
    }

    fn count(&self) -> u64 {
        // Relaxed: as in `row`.
        self.count.load(Ordering::Relaxed) as u64
    }
}

/// The process's state; zeros are its first value.
#[repr(C)]
pub struct Runtime {
    /// One of [`phase`].
    pub phase: AtomicU64,
    /// Distinguishes this process from the one it was forked from; never 0 while running.
    pub generation: AtomicU64,
    base: AtomicPtr<Word>,
    words: AtomicUsize,
    header: Rows<{ HEADER_WORDS as usize }>,
    sites: Rows<SITE_WORDS>,
    slots: Rows<SLOT_WORDS>,
    threads: Rows<THREAD_WORDS>,
    ring: Rows<CHUNK_WORDS>,
    /// Exponent of the interval for gaps drawn from now on.
    pub interval: AtomicU64,
    /// 1 when pages come into being one extent at a time, 0 when all were reserved at the start.
    pub grows: AtomicU64,
    /// Seed of the threads' random numbers.
    pub seed: AtomicU64,
    /// Threads that have a state now.
    pub attached: AtomicU64,
    /// Thread states given out so far.
    pub threads_used: AtomicU64,
    /// Thread states given back, newest first, below a count of changes.
    pub threads_free: AtomicU64,
    /// Changes of the loaded objects; see [`crate::modules`].
    pub unloads: AtomicU64,
    /// 1 while a thread notes a clock pair.
    pub noting: AtomicU32,
    /// What the interval controller remembers.
    pub control: Control,
    /// When the next point of the timeline is due.
    pub timeline: Timeline,
    /// When memory was noted last.
    pub memory: Notes,
    recycle_head: AtomicU64,
    recycle_tail: AtomicU64,
    recycle_len: AtomicU64,
    index_grown: AtomicU64,
    sites_grown: AtomicU64,
}

impl Runtime {
    /// The running state of this process; `None` before the start, after a fork, or when off.
    #[inline(always)]
    pub fn running() -> Option<&'static Self> {
        let runtime = private::runtime()?;
        // Acquire pairs with the Release in `lifecycle::start`: the segment is complete.
        (runtime.phase.load(Ordering::Acquire) == phase::RUNNING).then_some(runtime)
    }

    /// Notes the segment; before the phase becomes RUNNING.
    pub fn set_segment(&self, words: &'static [Word]) {
        // Relaxed: published by the phase.
        self.base
            .store(words.as_ptr().cast_mut(), Ordering::Relaxed);
        self.words.store(words.len(), Ordering::Relaxed);
        let header = words.get(..HEADER_WORDS as usize).unwrap_or(&[]);
        self.header.set(header.as_chunks().0);
        let rows = |region| Table::of(words, region).map_or(&[][..], |table| table.rows());
        self.sites.set(rows(Region::Sites).as_chunks().0);
        self.slots.set(rows(Region::Slots).as_chunks().0);
        self.threads.set(rows(Region::Threads).as_chunks().0);
        self.ring.set(rows(Region::Ring).as_chunks().0);
    }

    /// The words of the segment; empty before there is one.
    pub fn segment(&self) -> &'static [Word] {
        // Relaxed: published by the phase, which the caller has looked at.
        let base = self.base.load(Ordering::Relaxed);
        if base.is_null() {
            return &[];
        }
        // SAFETY: `set_segment` took both from one slice that lasts as long as the process.
        unsafe { core::slice::from_raw_parts(base, self.words.load(Ordering::Relaxed)) }
    }

    /// The words of the header; `None` before there is a segment.
    #[inline(always)]
    pub fn head(&self) -> Option<&'static HeaderRow> {
        self.header.row(0)
    }

    /// The words of the header about the live heap.
    pub fn heap(&self) -> Option<&'static Heap> {
        peak::heap(self.head()?)
    }

    /// The row of a site.
    #[inline(always)]
    pub fn site(&self, row: u32) -> Option<&'static SiteRow> {
        self.sites.row(row as usize)
    }

    /// The row of a slot.
    #[inline(always)]
    pub fn slot(&self, row: u32) -> Option<&'static SlotRow> {
        self.slots.row(row as usize)
    }

    /// The row of a thread.
    #[inline(always)]
    pub fn thread(&self, row: u32) -> Option<&'static ThreadRow> {
        self.threads.row(row as usize)
    }

    /// A chunk of the ring, which may have no memory yet.
    #[inline(always)]
    pub fn chunk(&self, row: u64) -> Option<&'static Chunk> {
        self.ring.row(row as usize)
    }

    /// How many chunks the ring can ever have.
    pub fn chunks(&self) -> u64 {
        self.ring.count()
    }

    /// One of the segment's tables.
    pub fn table(&self, region: Region) -> Option<Table<'static>> {
        Table::of(self.segment(), region)
    }

    /// Claims rows of a table, growing the segment where needed.
    pub fn claim(&self, region: Region, count: u64) -> Option<u64> {
        self.table(region)?
            .claim(count, |needed| segment::grow(self, region, needed))
    }

    /// A word of the header.
    pub fn header(&self, place: usize) -> Option<&'static Word> {
        self.head()?.get(place)
    }

    /// Adds to one of [`memshim_abi::counters`].
    pub fn count(&self, counter: usize, by: u64) {
        if let Some(word) = self.header(header::at::COUNTERS + counter) {
            // Relaxed: a count by itself.
            word.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// What one of [`memshim_abi::counters`] has counted.
    pub fn counted(&self, counter: usize) -> u64 {
        let word = self.header(header::at::COUNTERS + counter);
        // Relaxed: a count by itself.
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The index from addresses to slots.
    pub fn index(&'static self) -> AddressIndex {
        AddressIndex {
            entries: private::address_index(),
            grown: &self.index_grown,
        }
    }

    /// The index from stacks to sites.
    pub fn site_index(&'static self) -> SiteIndex {
        SiteIndex {
            entries: private::site_index(),
            grown: &self.sites_grown,
        }
    }

    /// The queue of freed slots.
    pub fn recycle(&'static self) -> Recycle {
        Recycle {
            links: private::recycle_links(),
            head: &self.recycle_head,
            tail: &self.recycle_tail,
            len: &self.recycle_len,
        }
    }
}
