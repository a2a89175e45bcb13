//! What a thread counts for itself, to be added to the header's counters now and then.
//!
//! In exact mode an addition to a shared word for each call would cost as much as the table does,
//! and so would two clock readings; there a thread adds every 64 calls and times every 32nd.
//! A killed process then misses a few calls in these counters, and in no table.
#![forbid(unsafe_code)]

use memshim_abi::counters;

use crate::runtime::Runtime;

/// How many calls go by between two additions, and between two measurements.
const BATCH_EXACT: u64 = 64;
const TIMED_EXACT: u64 = 32;

/// The longest that a call can take: what is above, the thread waited for a processor.
const LONGEST_TICKS: u64 = 1 << 20;

/// One thread's counts since it last added them.
pub struct Tally {
    batch: u64,
    /// One call in so many is timed, a power of two.
    timed: u64,
    calls: u64,
    ticks: u64,
    /// Blocks sampled.
    pub sampled: u64,
    /// Sampled blocks freed.
    pub freed: u64,
    /// Stacks walked down to their root.
    pub complete: u64,
    /// Events written to the ring.
    pub events: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub const fn new(is_exact: bool) -> Self {
        Self {
            batch: if is_exact { BATCH_EXACT } else { 1 },
            timed: if is_exact { TIMED_EXACT } else { 1 },
            calls: 0,
            ticks: 0,
            sampled: 0,
            freed: 0,
            complete: 0,
            events: 0,
        }
    }

    /// Counts a call; gives whether its time is to be taken.
    #[inline(always)]
    pub fn begin(&mut self) -> bool {
        self.calls += 1;
        self.calls & (self.timed - 1) == 0
    }

    /// Notes how long a timed call took.
    #[inline(always)]
    pub fn note(&mut self, ticks: u64) {
        self.ticks += ticks.min(LONGEST_TICKS) * self.timed;
    }

    /// Whether it is time to add.
    #[inline(always)]
    pub fn is_due(&self) -> bool {
        self.calls >= self.batch
    }

    /// Adds everything to the header; gives the blocks sampled meanwhile.
    pub fn flush(&mut self, runtime: &Runtime) -> u64 {
        let sampled = self.sampled;
        for (counter, count) in [
            (counters::SLOW_CALLS, &mut self.calls),
            (counters::SLOW_TICKS, &mut self.ticks),
            (counters::SAMPLED, &mut self.sampled),
            (counters::FREED, &mut self.freed),
            (counters::WALKS_COMPLETE, &mut self.complete),
            (counters::EVENTS, &mut self.events),
        ] {
            if *count > 0 {
                runtime.count(counter, core::mem::take(count));
            }
        }
        sampled
    }
}
