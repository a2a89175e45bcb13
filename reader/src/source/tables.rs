//! The tables of a segment as rows that are safe to use, holes stepped over.
//!
//! Nothing here allocates for rows that are only claimed: memory follows the data that the file
//! really has.

#![forbid(unsafe_code)]

use std::sync::Arc;

use memshim_abi::counters::COUNTERS;
use memshim_abi::header::{at, go};
use memshim_abi::region::{Region, RegionShape};
use memshim_abi::{modules, sites, slots, threads};

use crate::source::texts::Texts;
use crate::source::{
    Clock, FRAMES_MAX, Interval, Issue, Issues, Segment, Site, Slot, StackIdentity, Subject,
};

/// Rows that are read of modules and of threads; many times what the shim ever makes room for.
const ROWS_MAX: usize = 1 << 16;

/// One loaded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its row: a later object has a larger one.
    pub generation: u64,
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// What was added to the addresses in the file.
    pub bias: u64,
    /// Path, as the loader had it.
    pub path: Arc<str>,
    /// GNU build-id; empty where it has none.
    pub build_id: Vec<u8>,
    /// Whether it was found gone.
    pub is_unloaded: bool,
}

/// One thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its row, which slots name.
    pub row: u64,
    /// The kernel's thread id.
    pub tid: u64,
    /// Its name.
    pub name: String,
    /// Bytes that it asked for, exact up to its last slow path.
    pub bytes: u64,
    /// Samples of other threads that it freed.
    pub foreign_frees: u64,
    /// Whether it was seen to end.
    pub is_ended: bool,
}

/// One counter with what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Stable name.
    pub name: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What a count of one means.
    pub meaning: &'static str,
    /// Its value.
    pub value: u64,
}

/// The process's heap at its largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peak {
    /// Tells whether what a site kept belongs to this peak.
    pub epoch: u64,
    /// Live bytes then, weighted.
    pub bytes: u64,
    /// When it was, ticks.
    pub ticks: u64,
}

impl Segment {
    /// The modules, oldest first.
    pub fn modules(&self, issues: &mut Issues) -> Vec<Module> {
        let region = self.header().region(Region::Modules);
        let mut texts = Texts::of(self);
        let mut found = Vec::new();
        for row in self.limited_rows(region, issues) {
            let Some(module) = modules::read(self.words(), region, row) else {
                continue;
            };
            if module.start >= module.end {
                issues.add(Issue::ModuleBackwards, 1);
                continue;
            }
            let id_bytes = module.build_id_len as usize;
            found.push(Module {
                generation: row,
                start: module.start,
                end: module.end,
                bias: module.bias,
                path: texts.text(module.path, issues),
                build_id: module.build_id.get(..id_bytes).unwrap_or_default().to_vec(),
                is_unloaded: module.state == modules::state::UNLOADED,
            });
        }
        found
    }

    /// The threads, oldest first.
    pub fn threads(&self, issues: &mut Issues) -> Vec<Thread> {
        let region = self.header().region(Region::Threads);
        let read = |row| Some((row, threads::read(self.words(), region, row)?));
        let rows = self.limited_rows(region, issues);
        let threads = rows
            .into_iter()
            .filter_map(read)
            .map(|(row, thread)| Thread {
                row,
                tid: thread.tid,
                name: String::from_utf8_lossy(thread.name.trim_ascii_end())
                    .trim_end_matches('\0')
                    .to_owned(),
                bytes: thread.bytes,
                foreign_frees: thread.foreign_frees,
                is_ended: thread.ended_ticks != 0,
            });
        threads.collect()
    }

    /// The sites with their rows, oldest first.
    pub fn sites(&self) -> impl Iterator<Item = (u64, Site)> {
        let region = self.header().region(Region::Sites);
        self.rows(region)
            .filter_map(move |row| Some((row, sites::read(self.words(), region, row)?)))
    }

    /// Appends the return addresses of a stack, leaf first, to `frames`; `false`, and nothing is
    /// appended, when it names some that do not exist.
    pub fn append_frames(&self, stack: &StackIdentity, frames: &mut Vec<u64>) -> bool {
        let region = self.header().region(Region::Frames);
        let first = u64::from(stack.first_frame);
        let depth = usize::from(stack.depth);
        if depth > FRAMES_MAX || first + depth as u64 > region.rows {
            return false;
        }
        let word = region.row(first);
        // Tells a file at rest how far it may be read ahead; stacks lie one after the other.
        self.words().next_data(word);
        let start = frames.len();
        frames.resize(start + depth, 0);
        self.words().copy(word, &mut frames[start..]);
        true
    }

    /// Gives every sampled block, live or dead, to `each`; notes those that could not be read.
    pub fn slots(&self, issues: &mut Issues, mut each: impl FnMut(Slot)) {
        let region = self.header().region(Region::Slots);
        let mut row = 0;
        while let Some(data_row) = self.next_data_row(region, row) {
            let torn = slots::read_batch(self.words(), region, data_row, |_, slot| each(slot));
            issues.add(Issue::SlotTorn, torn);
            row = data_row + slots::BATCH_ROWS as u64;
        }
    }

    /// The intervals that were in force, oldest first: from these ticks on, this interval.
    pub fn intervals(&self) -> Vec<(u64, Interval)> {
        self.header().intervals().collect()
    }

    /// The interval in force now.
    pub fn interval(&self) -> Interval {
        self.header().interval()
    }

    /// Every counter.
    pub fn counters(&self) -> Vec<Counter> {
        let with_value = |counter: &memshim_abi::counters::Counter| Counter {
            name: counter.name,
            subject: counter.subject,
            meaning: counter.meaning,
            value: self.header().counter(counter.id),
        };
        COUNTERS.iter().map(with_value).collect()
    }

    /// One counter by its stable name; 0 where it is not known.
    pub fn counter(&self, name: &str) -> u64 {
        let found = COUNTERS.iter().find(|counter| counter.name == name);
        found.map_or(0, |counter| self.header().counter(counter.id))
    }

    /// How its ticks become time.
    pub fn clock(&self) -> Clock {
        let clock = Clock::of(self.header());
        match self.frozen() {
            Some(frozen) => frozen.clock(clock),
            None => clock,
        }
    }

    /// The moments, in ticks, that the sites of a Go runtime's segment remember; `None` for the
    /// segment of a shim.
    pub fn go_moments(&self) -> Option<Vec<u64>> {
        let word = |place| self.header().word(place);
        let count = (word(at::GO_MOMENTS) as usize).min(go::MOMENTS_MAX);
        let ticks = (0..count).map(|index| word(at::GO_TICKS + index));
        (word(at::GO) != go::NONE).then(|| ticks.collect())
    }

    /// The heap at its largest.
    pub fn peak(&self) -> Peak {
        let word = |place| self.header().word(place);
        Peak {
            epoch: word(at::PEAK_EPOCH),
            bytes: word(at::PEAK_BYTES),
            ticks: word(at::PEAK_TICKS),
        }
    }

    /// Live bytes as the header and the threads sum them up, weighted.
    pub fn live_bytes(&self) -> u64 {
        let region = self.header().region(Region::Threads);
        let read = |row| threads::read(self.words(), region, row);
        let pending = self.rows(region).filter_map(read);
        let said = self.header().word(at::LIVE_BYTES) as i64;
        let live = pending.fold(said, |sum, thread| sum.wrapping_add(thread.pending_bytes));
        // Threads that free what others allocated may have told so first.
        live.max(0) as u64
    }

    /// Bytes that all threads asked for, exact up to their last slow paths.
    pub fn allocated_bytes(&self, issues: &mut Issues) -> u64 {
        let threads = self.threads(issues);
        threads
            .iter()
            .fold(0, |sum: u64, thread| sum.saturating_add(thread.bytes))
    }

    /// Rows that lie in data; a claimed row in a hole was never written.
    pub(crate) fn rows(&self, region: RegionShape) -> impl Iterator<Item = u64> {
        let first = self.next_data_row(region, 0);
        std::iter::successors(first, move |row| self.next_data_row(region, row + 1))
    }

    fn next_data_row(&self, region: RegionShape, row: u64) -> Option<u64> {
        if row >= region.rows {
            return None;
        }
        let word = self.words().next_data(region.row(row))?;
        let data_row = word.saturating_sub(region.first_word) / region.row_words;
        Some(data_row.max(row)).filter(|row| *row < region.rows)
    }

    /// The first rows in data, as many as any program needs; notes that there are more.
    fn limited_rows(&self, region: RegionShape, issues: &mut Issues) -> Vec<u64> {
        let mut rows: Vec<u64> = self.rows(region).take(ROWS_MAX + 1).collect();
        if rows.len() > ROWS_MAX {
            rows.truncate(ROWS_MAX);
            issues.add(
                Issue::RowsTooMany,
                region.rows.saturating_sub(ROWS_MAX as u64),
            );
        }
        rows
    }
}
