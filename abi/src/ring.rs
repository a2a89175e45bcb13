//! The ring: recent events, in chunks that threads lease; the oldest chunk is overwritten.
//!
//! ```text
//!  chunk:  0 lease: serial << 1 | busy      1 committed: serial << 16 | events     2.. 0
//!          8 events, four words each (510)
//! ```
//!
//! Serials count up from 1 and order the chunks; the leases given are counted beside them, so a
//! reader knows exactly how many chunks it missed.
//! A writer holds the busy bit while it stores one event and never waits for another: a chunk
//! that is busy is passed over, and after a few of those the event is dropped and counted.
//! An idle thread's chunk may be taken over; its owner notices at its next event.
//! Where events are many, a writer may hold on to its chunk from one event to the next, which
//! saves two locked instructions an event; nobody takes that chunk over.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::event::EVENT_WORDS;
use crate::region::RegionShape;
use crate::sync::{AtomicU64, fence};
use crate::words::{Words, acquire_fence};

/// Words in a chunk: 16 KiB.
pub const CHUNK_WORDS: usize = 2048;

/// The words of one chunk, as the writer sees them.
pub type Chunk = [AtomicU64; CHUNK_WORDS];

/// Where the events begin in a chunk.
const EVENTS_AT: usize = 8;

/// Events in a full chunk.
pub const CHUNK_EVENTS: usize = (CHUNK_WORDS - EVENTS_AT) / EVENT_WORDS;

/// Busy chunks a writer passes over before it drops the event: a quarter may be held at a time, and
/// all of those may lie in a row. Fewer for loom, which tries every one.
const TRIES: usize = if cfg!(loom) { 8 } else { 128 };

/// A thread's right to append to one chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Which chunk.
    pub chunk: u64,
    /// The serial of the lease; 0 when the thread holds none.
    pub serial: u64,
    /// Events written under it.
    pub events: u64,
    /// Whether the busy bit was left set, so that the chunk is still this thread's.
    pub is_held: bool,
}

/// The two words of the header that all writers share.
#[derive(Clone, Copy)]
pub struct Serials<'a> {
    /// The latest serial; one that met a busy chunk is not used again.
    pub latest: &'a AtomicU64,
    /// Leases given.
    pub given: &'a AtomicU64,
}

/// The writer's half: appends one event, leasing another chunk when needed.
///
/// `chunk` gives the words of a chunk, which was leased before if it is told so; `None` where there
/// is no memory for it.
/// With `hold` the chunk stays this thread's until [`release`], or a call without it.
/// Gives `false` when the event had to be dropped.
pub fn write<'a>(
    serials: Serials<'_>,
    chunks: u64,
    chunk: impl Fn(u64, bool) -> Option<&'a [AtomicU64]>,
    lease: &mut Lease,
    event: &[u64; EVENT_WORDS],
    hold: bool,
) -> bool {
    let Some(words) = go_on(&chunk, lease).or_else(|| take(serials, chunks, &chunk, lease)) else {
        return false;
    };
    if !append(words, lease, event) {
        return false;
    }
    lease.is_held = hold;
    if !hold && let Some(lease_word) = words.first() {
        // Release pairs with the Acquire in `take`: the next owner stores after this one.
        lease_word.store(lease.serial << 1, Ordering::Release);
    }
    true
}

/// The writer's half: appends one event to a chunk that is busy for this thread; `false` when it is
/// full.
#[inline(always)]
pub fn append(words: &[AtomicU64], lease: &mut Lease, event: &[u64; EVENT_WORDS]) -> bool {
    let Some(([_, committed, ..], events)) = words.split_first_chunk::<EVENTS_AT>() else {
        return false;
    };
    let (events, _) = events.as_chunks::<EVENT_WORDS>();
    let Some(place) = events.get(lease.events as usize) else {
        return false;
    };
    for (word, value) in place.iter().zip(event) {
        // Relaxed: published by the committed count below.
        word.store(*value, Ordering::Relaxed);
    }
    lease.events += 1;
    // Release pairs with the Acquire in `read`.
    committed.store(lease.serial << 16 | lease.events, Ordering::Release);
    true
}

/// The writer's half: lets others take over the chunk that the thread held on to.
pub fn release<'a>(chunk: impl Fn(u64, bool) -> Option<&'a [AtomicU64]>, lease: &mut Lease) {
    if core::mem::take(&mut lease.is_held)
        && let Some(word) = chunk(lease.chunk, true).and_then(<[_]>::first)
    {
        // Release pairs with the Acquire in `take`.
        word.store(lease.serial << 1, Ordering::Release);
    }
}

/// The chunk that the thread wrote to last, if it has room and is still the thread's.
#[inline(always)]
fn go_on<'a>(
    chunk: &impl Fn(u64, bool) -> Option<&'a [AtomicU64]>,
    lease: &mut Lease,
) -> Option<&'a [AtomicU64]> {
    if lease.serial == 0 {
        return None;
    }
    if lease.events as usize >= CHUNK_EVENTS {
        release(chunk, lease);
        return None;
    }
    let words = chunk(lease.chunk, true)?;
    (lease.is_held || resume(words, lease.serial)).then_some(words)
}

/// Marks the thread's own chunk busy again; fails when another thread has taken it over.
#[inline(always)]
fn resume(words: &[AtomicU64], serial: u64) -> bool {
    words.first().is_some_and(|lease| {
        // Acquire pairs with the Release of the previous event's end.
        lease
            .compare_exchange(
                serial << 1,
                serial << 1 | 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
    })
}

/// Leases the next chunk that nobody is writing to and leaves it marked busy.
#[cold]
fn take<'a>(
    serials: Serials<'_>,
    chunks: u64,
    chunk: &impl Fn(u64, bool) -> Option<&'a [AtomicU64]>,
    lease: &mut Lease,
) -> Option<&'a [AtomicU64]> {
    lease.serial = 0;
    for _ in 0..TRIES {
        // Relaxed: a serial carries no data.
        let serial = serials.latest.fetch_add(1, Ordering::Relaxed) + 1;
        let index = (serial - 1).checked_rem(chunks)?;
        let words = chunk(index, false)?;
        let [lease_word, committed, ..] = words else {
            return None;
        };
        let before = lease_word.load(Ordering::Relaxed);
        let is_busy = before & 1 == 1;
        // A thread that was late finds a chunk already leased under a newer serial.
        let is_newer = before >> 1 > serial;
        // Acquire pairs with the Release that ended the previous owner's last event.
        if is_busy
            || is_newer
            || lease_word
                .compare_exchange(
                    before,
                    serial << 1 | 1,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_err()
        {
            continue;
        }
        // Release pairs with the `acquire_fence` in `read`: a reader that copied any event stored
        // from here on finds the serial changed when it looks again.
        fence(Ordering::Release);
        committed.store(serial << 16, Ordering::Relaxed);
        // Relaxed: a count by itself.
        serials.given.fetch_add(1, Ordering::Relaxed);
        *lease = Lease {
            chunk: index,
            serial,
            events: 0,
            is_held: true,
        };
        return Some(words);
    }
    None
}

/// The reader's half: copies the events of a chunk into `into`.
///
/// Gives the chunk's serial and how many events were copied; `None` for a chunk that was never
/// leased or was overwritten meanwhile.
pub fn read<W: Words + ?Sized>(
    words: &W,
    region: RegionShape,
    chunk: u64,
    into: &mut [u64; CHUNK_EVENTS * EVENT_WORDS],
) -> Option<(u64, usize)> {
    let first = region.row(chunk);
    let serial = words.load(first) >> 1;
    // Acquire (in `load`) pairs with the Release of the committed count in `write`.
    let committed = words.load(first + 1);
    if serial == 0 || committed >> 16 != serial {
        return None;
    }
    let events = (committed as usize & 0xffff).min(CHUNK_EVENTS);
    words.copy(
        first + EVENTS_AT as u64,
        into.get_mut(..events * EVENT_WORDS)?,
    );
    // Pairs with the Release fence in `take`.
    acquire_fence();
    (words.load(first) >> 1 == serial).then_some((serial, events))
}
