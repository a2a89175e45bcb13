//! The counts of records that are known, read in large pieces until two readings agree.

#![forbid(unsafe_code)]

use std::thread;
use std::time::Duration;

use super::{Counts, Record, Records, word};
use crate::source::go::Refusal;
use crate::source::go::layout::{CYCLES, KIND_MEMORY, Layout, at};
use crate::source::go::memory::Memory;

/// Readings of one record before what still changes is taken as it is.
const READINGS_MAX: usize = 8;

/// Readings after that of one that makes no sense, and the time between two of them.
const PATIENCE: usize = 20;
const PAUSE: Duration = Duration::from_millis(1);

/// Bytes that are read at once. They are copied twice, so they should fit the processor's caches.
const PIECE_BYTES: u64 = 256 << 10;

/// Bytes between two records that are read along: less than a page, so all of them are mapped.
const GAP_BYTES: u64 = 4000;

/// The counts of a record at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) newest: Counts,
    pub(super) published: Counts,
}

impl Reading {
    /// Takes the counts of a record apart.
    pub(super) fn of(bytes: &[u8], size_bytes: u64, layout: Layout) -> Result<Reading, Refusal> {
        let mut sums = [0_u64; 4];
        for cycle in 0..CYCLES {
            for (place, sum) in sums.iter_mut().enumerate().take(layout.cycle_words) {
                let at = 8 * (cycle * layout.cycle_words + place);
                *sum = sum.wrapping_add(word(bytes, at));
            }
        }
        let [allocated, freed, allocated_bytes, freed_bytes] = sums;
        let published = Counts {
            allocated: word(bytes, 0),
            freed: word(bytes, 8),
        };
        if freed > allocated || published.freed > published.allocated {
            return Err(Refusal::Inconsistent("more was freed than was allocated"));
        }
        let has_bytes = layout.cycle_words == 4;
        let fits = |count: u64, bytes: u64| count.checked_mul(size_bytes) == Some(bytes);
        if has_bytes && !(fits(allocated, allocated_bytes) && fits(freed, freed_bytes)) {
            return Err(Refusal::Inconsistent("counts and bytes do not fit"));
        }
        Ok(Reading {
            newest: Counts { allocated, freed },
            published,
        })
    }
}

impl Records {
    /// Reads the counts of all until each was read twice alike; those that did not change since the
    /// last time are read once.
    pub(super) fn settle(&mut self, memory: &mut Memory, layout: Layout) -> Result<(), Refusal> {
        let mut left = self.by_address.clone();
        let mut verdict = Ok(());
        for reading in 0..READINGS_MAX + PATIENCE {
            if reading > READINGS_MAX {
                // Whoever was changing it was interrupted in the middle, and goes on when it is its
                // turn.
                thread::sleep(PAUSE);
            }
            verdict = self.read_counts(memory, layout, &mut left, reading >= READINGS_MAX)?;
            if left.is_empty() {
                return Ok(());
            }
        }
        verdict
    }

    /// Reads the counts of the records at these places, which rise by address; those that need
    /// another reading are left, and one of them is what the inner result is about.
    ///
    /// # Errors
    ///
    /// The outer one, where no further reading will help.
    fn read_counts(
        &mut self,
        memory: &mut Memory,
        layout: Layout,
        places: &mut Vec<usize>,
        is_late: bool,
    ) -> Result<Result<(), Refusal>, Refusal> {
        let (mut verdict, mut unsettled, mut bytes) = (Ok(()), Vec::new(), Vec::new());
        let mut rest = places.as_slice();
        while let Some(first) = rest.first() {
            let start = self.all[*first].address;
            let (count, len) = self.piece(rest, layout);
            let (piece, after) = rest.split_at(count);
            bytes.resize(len, 0);
            if !memory.copy_now(start, &mut bytes) {
                return Err(Refusal::Inconsistent("a record lies outside of its memory"));
            }
            for place in piece {
                let record = &mut self.all[*place];
                let at = (record.address - start) as usize;
                let reading = record.read(bytes.get(at..).unwrap_or_default(), layout)?;
                let is_settled = match reading {
                    Ok(reading) if record.has(reading) => true,
                    Ok(reading) => {
                        record.take(reading);
                        self.news.changed.push(*place);
                        is_late
                    }
                    Err(refusal) => {
                        verdict = Err(refusal);
                        false
                    }
                };
                if !is_settled {
                    unsettled.push(*place);
                }
            }
            rest = after;
        }
        *places = unsettled;
        Ok(verdict)
    }

    /// How many of the records from the first on are read at once, and the bytes of that.
    fn piece(&self, places: &[usize], layout: Layout) -> (usize, usize) {
        let mut records = places.iter().map(|place| &self.all[*place]);
        let Some(first) = records.next() else {
            return (0, 0);
        };
        let (mut count, mut end) = (1, first.end(layout));
        for record in records {
            let is_near = record.address.saturating_sub(end) <= GAP_BYTES;
            if !is_near || record.end(layout) - first.address > PIECE_BYTES {
                break;
            }
            (count, end) = (count + 1, record.end(layout));
        }
        (count, (end - first.address) as usize)
    }
}

impl Record {
    /// What stands in its memory now, which begins `bytes`.
    ///
    /// # Errors
    ///
    /// Outside where it is not the record that it was, inside where its counts make no sense.
    fn read(&self, bytes: &[u8], layout: Layout) -> Result<Result<Reading, Refusal>, Refusal> {
        let header = [at::KIND, at::SIZE, at::DEPTH].map(|at| word(bytes, at));
        if header != [KIND_MEMORY, self.size_bytes, self.depth as u64] {
            return Err(Refusal::Inconsistent("a record has become another"));
        }
        let counts = bytes.get(at::HEADER_BYTES + 8 * self.depth..);
        Ok(Reading::of(
            counts.unwrap_or_default(),
            self.size_bytes,
            layout,
        ))
    }

    fn has(&self, reading: Reading) -> bool {
        (self.newest, self.published) == (reading.newest, reading.published)
    }

    fn take(&mut self, reading: Reading) {
        (self.newest, self.published) = (reading.newest, reading.published);
    }
}
