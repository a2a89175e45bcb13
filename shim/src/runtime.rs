//! What one process knows about itself: its segment and the ends of its private tables.
//!
//! It lies in memory that is wiped at fork, so "all 0" means "not started in this process".

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use memshim_abi::region::{Region, Table};
use memshim_abi::{AtomicU64 as Word, header};

use crate::controller::Control;
use crate::private::{self, AddressIndex, SiteIndex};
use crate::recycle::Recycle;
use crate::segment;

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

/// The process's state; zeros are its first value.
#[repr(C)]
pub struct Runtime {
    /// One of [`phase`].
    pub phase: AtomicU64,
    /// Distinguishes this process from the one it was forked from; never 0 while running.
    pub generation: AtomicU64,
    base: AtomicPtr<Word>,
    words: AtomicUsize,
    /// Exponent of the interval for gaps drawn from now on.
    pub interval: AtomicU64,
    /// 1 when pages come into being one extent at a time, 0 when all were reserved at the start.
    pub grows: AtomicU64,
    /// Seed of the threads' random numbers.
    pub seed: AtomicU64,
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
    recycle_head: AtomicU64,
    recycle_tail: AtomicU64,
    recycle_len: AtomicU64,
    index_grown: AtomicU64,
    sites_grown: AtomicU64,
}

impl Runtime {
    /// The running state of this process; `None` before the start, after a fork, or when off.
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
        self.segment().get(place)
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
