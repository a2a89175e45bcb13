//! The records of the runtime's heap profile, read from a program that goes on meanwhile.
//!
//! Records are never freed or moved, their headers never change, and new ones come to the head of
//! the list: so it is walked without any lock, and past each record once. Their counts do change,
//! and a collection moves them from one cycle to the next, so every record is read until two
//! readings agree; the sum over its cycles is then right whatever moved.

#![forbid(unsafe_code)]

mod counts;

use std::ops::Range;

use crate::source::go::Refusal;
use crate::source::go::layout::{DEPTH_MAX, KIND_MEMORY, Layout, at};
use crate::source::go::memory::Memory;
use counts::Reading;

/// More records than are read: each takes some 400 bytes of the program that is looked at.
pub const BUCKETS_MAX: usize = 1 << 20;

/// More return addresses than are read of all records together.
const FRAMES_MAX: usize = 1 << 26;

/// An allocation larger than any address space.
const SIZE_MAX: u64 = 1 << 47;

/// Records that must lie right behind another for a layout that was only guessed.
const NEIGHBOURS_LEAST: usize = 2;

/// Sampled allocations and frees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks allocated.
    pub allocated: u64,
    /// Those of them that a collection found dead.
    pub freed: u64,
}

/// What was sampled with one call stack and one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it lies in the program.
    pub address: u64,
    /// Bytes of each block.
    pub size_bytes: u64,
    /// Addresses in its call stack.
    pub depth: usize,
    /// All that was sampled so far.
    pub newest: Counts,
    /// What the runtime itself would say: all up to a collection or two ago.
    pub published: Counts,
}

/// Every record that was read so far.
#[derive(Debug, Default)]
pub struct Records {
    /// The oldest first.
    all: Vec<Record>,
    /// Their places, by address.
    by_address: Vec<usize>,
    is_cut: bool,
    news: News,
}

/// What a reading found that the one before did not.
#[derive(Debug, Default)]
pub struct News {
    /// Addresses of the calls of new records, each where it returns to; one for each logical call.
    frames: Vec<u64>,
    /// Which of them are of each new record, the oldest first.
    stacks: Vec<Range<usize>>,
    /// Places of records whose counts changed; some are there twice, new ones need not be.
    pub changed: Vec<usize>,
}

impl News {
    /// The call stacks of the new records, the oldest first, each with its leaf first.
    pub fn stacks(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        let frames = |range: &Range<usize>| self.frames.get(range.clone()).unwrap_or_default();
        self.stacks.iter().map(frames)
    }
}

impl Records {
    /// The records, the oldest first.
    pub fn all(&self) -> &[Record] {
        &self.all
    }

    /// Whether there are more than [`BUCKETS_MAX`], or than fit.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What all readings since the last call found.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Reads the list whose head lies at `list`: its new records, and the counts of all.
    ///
    /// # Errors
    ///
    /// [`Refusal::Inconsistent`] where they are not what the layout says; what is known is of no
    /// use then.
    pub fn read(&mut self, memory: &mut Memory, list: u64, layout: Layout) -> Result<(), Refusal> {
        if !self.is_cut {
            self.walk(memory, list, layout)?;
        }
        self.settle(memory, layout)
    }

    /// Adds the records that are new.
    fn walk(&mut self, memory: &mut Memory, list: u64, layout: Layout) -> Result<(), Refusal> {
        let head = memory.word_now(list);
        let mut next = head.ok_or(Refusal::Inconsistent("the list begins nowhere"))?;
        let known = self.all.last().map_or(0, |newest| newest.address);
        let (before, mut circle, mut bytes) = (self.all.len(), Circle::default(), Vec::new());
        memory.forget();
        while next != known {
            if next == 0 {
                return Err(Refusal::Inconsistent("records are gone from its list"));
            }
            if circle.closes_at(next) {
                return Err(Refusal::Inconsistent("its list runs in a circle"));
            }
            if self.all.len() >= BUCKETS_MAX || self.news.frames.len() >= FRAMES_MAX {
                self.is_cut = true;
                break;
            }
            next = self.add(memory, next, layout, &mut bytes)?;
        }
        let added = self.all.len() - before;
        if added == 0 {
            return Ok(());
        }
        self.all[before..].reverse();
        let stacks = self.news.stacks.len();
        self.news.stacks[stacks - added..].reverse();
        self.by_address.extend(before..self.all.len());
        // What is there is in order, so this only merges.
        self.by_address
            .sort_by_key(|place| self.all[*place].address);
        self.check_neighbours(layout)
    }

    /// Adds one record; gives where the next lies. `bytes` is room to read into.
    fn add(
        &mut self,
        memory: &mut Memory,
        address: u64,
        layout: Layout,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, Refusal> {
        let outside = || Refusal::Inconsistent("a record lies outside of its memory");
        if !address.is_multiple_of(8) {
            return Err(Refusal::Inconsistent("a record lies across words"));
        }
        let mut header = [0; at::HEADER_BYTES];
        if !memory.copy(address, &mut header) {
            return Err(outside());
        }
        let (size_bytes, depth) = (word(&header, at::SIZE), word(&header, at::DEPTH));
        if word(&header, at::KIND) != KIND_MEMORY || depth > DEPTH_MAX || size_bytes > SIZE_MAX {
            return Err(Refusal::Inconsistent("a record is of no known kind"));
        }
        let depth = depth as usize;
        bytes.resize(8 * depth + layout.record_bytes(), 0);
        let after_header = address.checked_add(at::HEADER_BYTES as u64);
        if !after_header.is_some_and(|address| memory.copy(address, bytes)) {
            return Err(outside());
        }
        let (stack, counts) = bytes.split_at(8 * depth);
        let stack = stack.as_chunks().0.iter();
        let start = self.news.frames.len();
        let words = stack.map(|word| u64::from_le_bytes(*word));
        self.news.frames.extend(words);
        self.news.stacks.push(start..start + depth);
        // What makes no sense now may be in the middle of a change; the second reading decides.
        let reading = Reading::of(counts, size_bytes, layout).unwrap_or_default();
        self.all.push(Record {
            address,
            size_bytes,
            depth,
            newest: reading.newest,
            published: reading.published,
        });
        Ok(word(&header, at::NEXT))
    }

    /// Records are cut one after the other from the same chunks, so none may reach into the next,
    /// and with a layout that was only guessed some must end where the next begins.
    fn check_neighbours(&self, layout: Layout) -> Result<(), Refusal> {
        let records = self.by_address.iter().map(|place| &self.all[*place]);
        let (mut before, mut touching) = (0, 0);
        for record in records {
            if before > record.address {
                return Err(Refusal::Inconsistent("records lie in each other"));
            }
            touching += usize::from(before == record.address);
            before = record.end(layout);
        }
        if layout.is_guess && touching < NEIGHBOURS_LEAST {
            return Err(Refusal::Inconsistent(
                "it is of a later Go than memshim knows, and too few records fit",
            ));
        }
        Ok(())
    }
}

impl Record {
    /// One past its last byte.
    fn end(&self, layout: Layout) -> u64 {
        self.address
            .saturating_add(layout.bucket_bytes(self.depth) as u64)
    }
}

/// Notices a list that comes back to where it was (Brent's algorithm): some addresses are kept in
/// mind, each for twice as long as the one before.
#[derive(Default)]
struct Circle {
    kept: u64,
    steps: usize,
    lasts: usize,
}

impl Circle {
    fn closes_at(&mut self, address: u64) -> bool {
        if address == self.kept {
            return true;
        }
        self.steps += 1;
        if self.steps > self.lasts {
            (self.kept, self.steps, self.lasts) = (address, 0, 2 * self.lasts + 1);
        }
        false
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests;
