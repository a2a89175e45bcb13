//! The records of the runtime's heap profile, read from a program that goes on meanwhile.
//!
//! Records are never freed and their headers never change, so the list can be walked without any
//! lock. Their counts do change, and a collection moves them from one cycle to the next, so every
//! record is read until two readings agree; the sum over its cycles is then right whatever moved.

#![forbid(unsafe_code)]

use std::collections::HashSet;

use crate::source::go::Refusal;
use crate::source::go::layout::{CYCLES, DEPTH_MAX, KIND_MEMORY, Layout, at};
use crate::source::go::memory::Memory;

/// More records than are read: each takes some 400 bytes of the program that is looked at.
pub const BUCKETS_MAX: usize = 1 << 20;

/// Readings of one record before what still changes is taken as it is.
const READINGS_MAX: usize = 8;

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
pub struct Bucket {
    /// Where it lies in the program.
    pub address: u64,
    /// Bytes of each block.
    pub size_bytes: u64,
    /// Addresses of the calls, leaf first, each where it returns to; one for each logical call.
    pub stack: Vec<u64>,
    /// All that was sampled so far.
    pub newest: Counts,
    /// What the runtime itself would say: all up to a collection or two ago.
    pub published: Counts,
}

/// Every record there is; `None` where there are more than [`BUCKETS_MAX`], of which the newest
/// are given.
#[derive(Debug, Default)]
pub struct Walk {
    /// The records, the newest first.
    pub buckets: Vec<Bucket>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// Reads all records of the list whose head lies at `list`.
///
/// # Errors
///
/// [`Refusal::Inconsistent`] where they are not what the layout says.
pub fn read(memory: &mut Memory, list: u64, layout: Layout) -> Result<Walk, Refusal> {
    memory.forget();
    let mut first = walk(memory, list, layout)?;
    memory.forget();
    for bucket in &mut first.buckets {
        settle(memory, bucket, layout)?;
    }
    check_neighbours(&first.buckets, layout)?;
    Ok(first)
}

fn walk(memory: &mut Memory, list: u64, layout: Layout) -> Result<Walk, Refusal> {
    let head = memory.word_now(list);
    let mut next = head.ok_or(Refusal::Inconsistent("the list begins nowhere"))?;
    let mut walk = Walk::default();
    let mut seen = HashSet::new();
    while next != 0 {
        if !seen.insert(next) {
            return Err(Refusal::Inconsistent("its list runs in a circle"));
        }
        if walk.buckets.len() >= BUCKETS_MAX {
            walk.is_cut = true;
            break;
        }
        let (bucket, following) = bucket(memory, next, layout)?;
        walk.buckets.push(bucket);
        next = following;
    }
    Ok(walk)
}

/// One record and where the next lies.
fn bucket(memory: &mut Memory, address: u64, layout: Layout) -> Result<(Bucket, u64), Refusal> {
    let outside = || Refusal::Inconsistent("a record lies outside of its memory");
    if !address.is_multiple_of(8) {
        return Err(Refusal::Inconsistent("a record lies across words"));
    }
    let mut header = [0; at::HEADER_BYTES];
    if !memory.copy(address, &mut header) {
        return Err(outside());
    }
    let field = |at: usize| word(&header, at);
    let (size_bytes, depth) = (field(at::SIZE), field(at::DEPTH));
    if field(at::KIND) != KIND_MEMORY || depth > DEPTH_MAX || size_bytes > SIZE_MAX {
        return Err(Refusal::Inconsistent("a record is of no known kind"));
    }
    let mut rest = vec![0; 8 * depth as usize + layout.record_bytes()];
    let after_header = address.checked_add(at::HEADER_BYTES as u64);
    if !after_header.is_some_and(|address| memory.copy(address, &mut rest)) {
        return Err(outside());
    }
    let (stack, record) = rest.split_at(8 * depth as usize);
    let stack = stack
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word));
    let mut bucket = Bucket {
        address,
        size_bytes,
        stack: stack.collect(),
        newest: Counts::default(),
        published: Counts::default(),
    };
    // What makes no sense now may be in the middle of a change; the second reading decides.
    let _ = bucket.take(record, layout);
    Ok((bucket, field(at::NEXT)))
}

/// Reads the counts again until two readings agree.
fn settle(memory: &mut Memory, bucket: &mut Bucket, layout: Layout) -> Result<(), Refusal> {
    let start = bucket.address + at::HEADER_BYTES as u64 + 8 * bucket.stack.len() as u64;
    let mut record = vec![0; layout.record_bytes()];
    let outside = Refusal::Inconsistent("a record lies outside of its memory");
    if !memory.copy(start, &mut record) {
        return Err(outside);
    }
    let mut verdict = Ok(());
    for _ in 0..READINGS_MAX {
        let before = (bucket.newest, bucket.published);
        verdict = bucket.take(&record, layout);
        if verdict.is_ok() && before == (bucket.newest, bucket.published) {
            return Ok(());
        }
        if !memory.copy_now(start, &mut record) {
            return Err(outside);
        }
    }
    verdict
}

impl Bucket {
    /// Takes the counts of a record.
    fn take(&mut self, record: &[u8], layout: Layout) -> Result<(), Refusal> {
        let mut sums = [0_u64; 4];
        for cycle in 0..CYCLES {
            for (place, sum) in sums.iter_mut().enumerate().take(layout.cycle_words) {
                let at = 8 * (cycle * layout.cycle_words + place);
                *sum = sum.wrapping_add(word(record, at));
            }
        }
        let [allocated, freed, allocated_bytes, freed_bytes] = sums;
        self.newest = Counts { allocated, freed };
        self.published = Counts {
            allocated: word(record, 0),
            freed: word(record, 8),
        };
        if freed > allocated || self.published.freed > self.published.allocated {
            return Err(Refusal::Inconsistent("more was freed than was allocated"));
        }
        let has_bytes = layout.cycle_words == 4;
        let fits = |count: u64, bytes: u64| count.checked_mul(self.size_bytes) == Some(bytes);
        if has_bytes && !(fits(allocated, allocated_bytes) && fits(freed, freed_bytes)) {
            return Err(Refusal::Inconsistent("counts and bytes do not fit"));
        }
        Ok(())
    }
}

/// Records are cut one after the other from the same chunks, so none may reach into the next, and
/// with a layout that was only guessed some must end where the next begins.
fn check_neighbours(buckets: &[Bucket], layout: Layout) -> Result<(), Refusal> {
    let mut extents: Vec<(u64, u64)> = buckets
        .iter()
        .map(|bucket| {
            let bytes = layout.bucket_bytes(bucket.stack.len());
            (bucket.address, bucket.address.saturating_add(bytes as u64))
        })
        .collect();
    extents.sort_unstable();
    let pairs = || extents.windows(2);
    if pairs().any(|pair| pair[0].1 > pair[1].0) {
        return Err(Refusal::Inconsistent("records lie in each other"));
    }
    let touching = pairs().filter(|pair| pair[0].1 == pair[1].0).count();
    if layout.is_guess && !buckets.is_empty() && touching < NEIGHBOURS_LEAST {
        return Err(Refusal::Inconsistent(
            "it is of a later Go than memshim knows, and too few records fit",
        ));
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests;
