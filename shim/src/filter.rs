//! The free filter: one bit for each 2 KiB of addresses, set while a sampled block begins there.
//!
//! free tests that bit and goes on to the real allocator when it is 0.
//!
//! ```text
//!   address   ..|31 granule 11|10 0| granules 4 GiB apart share a mark, which costs a look-up
//!   MARKS     256 KiB, one bit a granule: all that the entry points look at
//!   COUNTS    2 MiB, one byte a granule: how many sampled blocks begin in it
//! ```
//!
//! A line of 64 bytes of marks covers 1 MiB of heap, so they stay in the first caches.
//! With coarser granules more frees of a small heap look in vain for blocks that were sampled early
//! and live long, each of which costs more than all of free; finer ones need more address space
//! than a process with a limit has.
//!
//! A mark that stays too long costs time; a mark that is missing loses a free.
//! Bit and count are two words, so a thread that clears a bit may be overtaken, even be stopped,
//! between the two.
//! It therefore says first that it is [`CLEARING`], and clears by an exchange of the whole word,
//! never of one that is [`ALL`] marks.
//! Who finds a granule in that state sets the whole word to [`ALL`]: the late exchange then fails,
//! whenever it comes, because such a word never changes again.
//! Nobody waits, and the price is 32 granules marked for good once in a very long while.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::sys;

/// log2 of the bytes of address space that one mark stands for.
pub const GRANULE_SHIFT: u32 = 11;

const GRANULES: usize = 1 << (32 - GRANULE_SHIFT);
const GRANULES_PER_WORD: usize = u32::BITS as usize;

/// A word that keeps all its marks for good.
const ALL: u32 = u32::MAX;

/// The most blocks that a granule can count.
const MOST: u8 = 253;
/// State of a granule whose last block went and whose mark is about to go.
const CLEARING: u8 = 254;
/// State of a granule whose mark is set and never goes.
const FOR_GOOD: u8 = 255;

/// The marks, tested by the entry points in assembly.
#[repr(C, align(4096))]
pub struct Marks([AtomicU32; GRANULES / GRANULES_PER_WORD]);

/// The marks of this process; in .bss like the counts, so untouched parts need no memory.
pub static MARKS: Marks = Marks([const { AtomicU32::new(0) }; GRANULES / GRANULES_PER_WORD]);

#[repr(C, align(4096))]
struct Counts([AtomicU8; GRANULES]);

static COUNTS: Counts = Counts([const { AtomicU8::new(0) }; GRANULES]);

/// One granule's mark and count.
#[derive(Clone, Copy)]
struct Granule<'a> {
    word: &'a AtomicU32,
    mark: u32,
    count: &'a AtomicU8,
}

impl Granule<'static> {
    #[inline(always)]
    fn of(address: u64) -> Option<Self> {
        let granule = (address as u32 >> GRANULE_SHIFT) as usize;
        Some(Self {
            word: MARKS.0.get(granule / GRANULES_PER_WORD)?,
            mark: 1 << (granule % GRANULES_PER_WORD),
            count: COUNTS.0.get(granule)?,
        })
    }
}

impl Granule<'_> {
    fn add(self) {
        // Acquire pairs with the Release in `keep` and `mark_for_good`: the mark is there.
        let mut count = self.count.load(Ordering::Acquire);
        while count != FOR_GOOD {
            if count >= MOST {
                return self.keep(count);
            }
            // Acquire pairs with the Release at the end of `clear`: a mark seen below is not one
            // that is already gone.
            match self.count.compare_exchange_weak(
                count,
                count + 1,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return self.set_mark(),
                Err(now) => count = now,
            }
        }
    }

    /// Sets the mark of a granule that counts a block of the caller's, so that nobody clears it.
    fn set_mark(self) {
        // Relaxed: the program's own hand-over of the pointer orders the mark before its free.
        if self.word.load(Ordering::Relaxed) & self.mark == 0 {
            self.word.fetch_or(self.mark, Ordering::Relaxed);
        }
    }

    /// Marks the granule, and those that share its word, for good: it is full, or somebody is about
    /// to clear it.
    fn keep(self, count: u8) {
        // Relaxed: see `set_mark`. From here on no exchange in `clear` succeeds on this word.
        self.word.fetch_or(ALL, Ordering::Relaxed);
        // Release pairs with the Acquire in `add`. When the count has changed meanwhile it goes on
        // counting beside a mark that stays.
        let _ = self
            .count
            .compare_exchange(count, FOR_GOOD, Ordering::Release, Ordering::Relaxed);
    }

    fn remove(self) {
        // Relaxed: the block's own count, handed over with the pointer, is part of what is read.
        let mut count = self.count.load(Ordering::Relaxed);
        while (1..=MOST).contains(&count) {
            let after = if count == 1 { CLEARING } else { count - 1 };
            // Acquire on the way to `clear`: its exchange comes after the state that announces it.
            match self.count.compare_exchange_weak(
                count,
                after,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) if after == CLEARING => return self.clear(),
                Ok(_) => return,
                Err(now) => count = now,
            }
        }
    }

    /// Clears the mark of a granule in the state CLEARING, unless the word is to stay.
    fn clear(self) {
        // Relaxed: nothing but the mark itself is read through it.
        let mut word = self.word.load(Ordering::Relaxed);
        while word != ALL {
            match self.word.compare_exchange_weak(
                word,
                word & !self.mark,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // Release pairs with the Acquire in `add`. It fails when the granule is kept for good.
        let _ = self
            .count
            .compare_exchange(CLEARING, 0, Ordering::Release, Ordering::Relaxed);
    }

    #[inline(always)]
    fn mark_for_good(self) {
        // Acquire pairs with the Releases that store FOR_GOOD: the mark is there.
        if self.count.load(Ordering::Acquire) != FOR_GOOD {
            self.mark_anew_for_good();
        }
    }

    #[cold]
    fn mark_anew_for_good(self) {
        // The block added here is never removed, so nobody can be clearing when the state is set.
        self.add();
        self.count.store(FOR_GOOD, Ordering::Release);
    }
}

/// A sampled block begins at this address.
///
/// Done before the program gets the pointer, so whoever frees it later sees the mark.
pub fn add(address: u64) {
    if let Some(granule) = Granule::of(address) {
        granule.add();
    }
}

/// A sampled block no longer begins at this address; once for each `add`.
pub fn remove(address: u64) {
    if let Some(granule) = Granule::of(address) {
        granule.remove();
    }
}

/// Sends every free in the granule of this address to the slow path from now on.
///
/// Costs one load when the granule is marked for good already. `remove` may be left out or not.
#[inline(always)]
pub fn mark_for_good(address: u64) {
    if let Some(granule) = Granule::of(address) {
        granule.mark_for_good();
    }
}

/// Forgets all marks, for a forked child that has no sampled blocks yet.
pub fn clear() {
    forget(MARKS.0.as_ptr() as *mut u8, size_of::<Marks>());
    forget(COUNTS.0.as_ptr() as *mut u8, size_of::<Counts>());
}

fn forget(start: *mut u8, bytes: usize) {
    // SAFETY: both tables are whole pages of private anonymous memory (.bss, page-aligned), for
    // which MADV_DONTNEED means zeros; only hints about blocks of the parent's are lost.
    let _ = unsafe { sys::advise(start, bytes, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests;
