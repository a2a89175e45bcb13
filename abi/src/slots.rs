//! Slots: one sampled block each, from its birth to its death and until the slot is needed again.
//!
//! ```text
//!   0 generation << 8 | state    1 address   2 requested size   3 birth, ticks   4 death, ticks
//!   5 site | thread << 32        6 slack | interval exponent << 32 | kind << 40 | writer << 48
//!   7 thread that freed it
//! ```
//!
//! ```text
//!   EMPTY -> WRITING -> LIVE -> FREED -> WRITING ...        a slot is reused, oldest first
//!                        |  ^     ^
//!                        v  |     |
//!                    REALLOCATING-+                          restored when realloc fails
//! ```
//!
//! Whoever took the block's address out of the shim's private index owns the slot and is the only
//! one to change it.
//! The state word is stored with Release after every change of the others.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::event::Kind;
use crate::region::RegionShape;
use crate::sync::{AtomicU64, fence};
use crate::weight::Interval;
use crate::words::{Words, acquire_fence};

/// Words in a row: one cache line.
pub const SLOT_WORDS: usize = 8;

/// The words of one row, as the writer sees them.
pub type SlotRow = [AtomicU64; SLOT_WORDS];

/// The states of a slot, the low byte of its first word.
pub mod state {
    /// Never used.
    pub const EMPTY: u64 = 0;
    /// Being filled; the other words mean nothing.
    pub const WRITING: u64 = 1;
    /// A block in use.
    pub const LIVE: u64 = 2;
    /// A block inside a call of realloc; in use as far as anyone can tell.
    pub const REALLOCATING: u64 = 3;
    /// A block that was freed at the time noted.
    pub const FREED: u64 = 4;
    /// A block that was found dead: freed at some time before the one noted.
    pub const FOUND_DEAD: u64 = 5;
}

/// One sampled block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// One of [`state`].
    pub state: u64,
    /// Where it was.
    pub address: u64,
    /// Bytes asked for.
    pub size_bytes: u64,
    /// Bytes the allocator gave beyond those; `u32::MAX` stands for that or more.
    pub slack_bytes: u32,
    /// When it was born, ticks.
    pub birth_ticks: u64,
    /// When it died, ticks; 0 while it lives.
    pub death_ticks: u64,
    /// Row of its site.
    pub site: u32,
    /// Row of the thread that allocated it.
    pub thread: u32,
    /// Row of the thread that freed it.
    pub freed_by: u32,
    /// The sampling interval it was drawn at.
    pub interval: Interval,
    /// Which function gave it.
    pub kind: Kind,
    /// The writer of the site's row when it was born; see [`crate::sites`].
    pub writer: u16,
}

impl Slot {
    /// Whether the block is in use as far as anyone can tell.
    pub const fn is_live(&self) -> bool {
        matches!(self.state, state::LIVE | state::REALLOCATING)
    }

    /// Whether the block is dead and its death was seen when it happened.
    pub const fn is_death_seen(&self) -> bool {
        matches!(self.state, state::FREED)
    }
}

/// The writer's half: fills a slot that the caller owns and publishes it as live.
#[inline(always)]
pub fn publish(row: &SlotRow, block: &Slot) {
    let [head, address, size, birth, death, origin, shape, freed_by] = row;
    // Relaxed: only the owner of the slot writes it.
    let generation = (head.load(Ordering::Relaxed) >> 8).wrapping_add(1);
    head.store(generation << 8 | state::WRITING, Ordering::Relaxed);
    // Release pairs with the `acquire_fence` in `read`: a reader that copied any word stored
    // below finds the state changed when it looks again.
    fence(Ordering::Release);
    let words = [
        (address, block.address),
        (size, block.size_bytes),
        (birth, block.birth_ticks),
        (death, 0),
        (origin, crate::header::pack(block.site, block.thread)),
        (
            shape,
            u64::from(block.slack_bytes)
                | u64::from(block.interval.exponent()) << 32
                | (block.kind as u64) << 40
                | u64::from(block.writer) << 48,
        ),
        (freed_by, 0),
    ];
    for (word, value) in words {
        // Relaxed: published by the state below.
        word.store(value, Ordering::Relaxed);
    }
    // Release pairs with the Acquire in `read`.
    head.store(generation << 8 | state::LIVE, Ordering::Release);
}

/// The writer's half: the block died.
#[inline(always)]
pub fn end(row: &SlotRow, now_ticks: u64, thread: u32, final_state: u64) {
    let [_, _, _, _, death, _, _, freed_by] = row;
    // Relaxed: published by the state.
    death.store(now_ticks, Ordering::Relaxed);
    freed_by.store(u64::from(thread), Ordering::Relaxed);
    set_state(row, final_state);
}

/// The writer's half: the block enters or leaves a call of realloc.
#[inline(always)]
pub fn set_state(row: &SlotRow, state: u64) {
    let [head, ..] = row;
    // Relaxed load: only the owner changes the word.
    let generation = head.load(Ordering::Relaxed) >> 8;
    // Release pairs with the Acquire in `read`.
    head.store(generation << 8 | state, Ordering::Release);
}

/// The writer's half: what the owner of a slot needs to end its block, which is live.
#[inline(always)]
pub fn owned(row: &SlotRow) -> Slot {
    let [_, address, size, birth, _, origin, shape, _] = row;
    // Relaxed: the owner took the address from the private index, whose Acquire pairs with the
    // Release that put it there after these words were stored.
    let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
    decode([
        state::LIVE,
        word(address),
        word(size),
        word(birth),
        0,
        word(origin),
        word(shape),
        0,
    ])
}

/// The writer's half: the address of a slot that the caller's look-up led to.
#[inline(always)]
pub fn address(row: &SlotRow) -> u64 {
    let [_, address, ..] = row;
    // Relaxed: as in `owned`.
    address.load(Ordering::Relaxed)
}

/// Rows a reader copies at once.
pub const BATCH_ROWS: usize = 64;

/// The reader's half: gives every block of up to [`BATCH_ROWS`] rows from `first` on to `each`.
///
/// Gives the number of rows that were being rewritten and could not be read.
pub fn read_batch<W: Words + ?Sized>(
    words: &W,
    region: RegionShape,
    first: u64,
    mut each: impl FnMut(u64, Slot),
) -> u64 {
    let rows = region.rows.saturating_sub(first).min(BATCH_ROWS as u64);
    let mut copy = [0; BATCH_ROWS * SLOT_WORDS];
    let mut again = [0; BATCH_ROWS * SLOT_WORDS];
    let used = rows as usize * SLOT_WORDS;
    let (Some(copy), Some(again)) = (copy.get_mut(..used), again.get_mut(..used)) else {
        return 0;
    };
    // Three looks, as in `read`: heads, whole rows, heads. One copy cannot give both a head and
    // its row, because its words may come from different moments.
    let mut heads = [0; BATCH_ROWS];
    words.copy(region.row(first), copy);
    for (head, row) in heads.iter_mut().zip(copy.chunks_exact(SLOT_WORDS)) {
        *head = row.first().copied().unwrap_or(0);
    }
    // Pairs with the Release of the state in `publish` and `end`.
    acquire_fence();
    words.copy(region.row(first), copy);
    // Pairs with the Release fence in `publish`.
    acquire_fence();
    words.copy(region.row(first), again);
    let mut torn = 0;
    let pairs = copy
        .chunks_exact(SLOT_WORDS)
        .zip(again.chunks_exact(SLOT_WORDS));
    for ((row, head), (copy, again)) in (first..).zip(&heads).zip(pairs) {
        if head & 0xff == state::EMPTY {
            continue;
        }
        let is_stable = copy.first() == Some(head) && again.first() == Some(head);
        let whole = if is_stable { whole(copy) } else { None };
        match whole.or_else(|| read(words, region, row)) {
            Some(slot) => each(row, slot),
            None => torn += 1,
        }
    }
    torn
}

/// The reader's half: the block of one row; `None` while it is empty or keeps being rewritten.
pub fn read<W: Words + ?Sized>(words: &W, region: RegionShape, row: u64) -> Option<Slot> {
    const TRIES: usize = 4;
    let first = region.row(row);
    let mut copy = [0; SLOT_WORDS];
    for _ in 0..TRIES {
        // Acquire (in `load`) pairs with the Release of the state in `publish` and `end`.
        let head = words.load(first);
        words.copy(first, &mut copy);
        // Pairs with the Release fence in `publish`.
        acquire_fence();
        if words.load(first) == head && copy.first() == Some(&head) {
            return whole(&copy);
        }
    }
    None
}

fn whole(copy: &[u64]) -> Option<Slot> {
    let mut slot = decode(<[u64; SLOT_WORDS]>::try_from(copy).ok()?);
    if slot.is_live() {
        // `end` stores these two first, so they may be there before the state is.
        slot.death_ticks = 0;
        slot.freed_by = 0;
    }
    let is_known = matches!(
        slot.state,
        state::LIVE | state::REALLOCATING | state::FREED | state::FOUND_DEAD
    );
    is_known.then_some(slot)
}

#[inline(always)]
fn decode(words: [u64; SLOT_WORDS]) -> Slot {
    let [
        head,
        address,
        size_bytes,
        birth_ticks,
        death_ticks,
        origin,
        shape,
        freed_by,
    ] = words;
    let (site, thread) = crate::header::unpack(origin);
    Slot {
        state: head & 0xff,
        address,
        size_bytes,
        slack_bytes: shape as u32,
        birth_ticks,
        death_ticks,
        site,
        thread,
        freed_by: freed_by as u32,
        interval: Interval::from_exponent((shape >> 32) as u8),
        kind: Kind::from_code((shape >> 40) as u8),
        writer: (shape >> 48) as u16,
    }
}
