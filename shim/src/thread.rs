//! The states of threads: made at a thread's first slow path, given back at its end.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use memshim_abi::region::Region;
use memshim_abi::ring::Lease;
use memshim_abi::{counters, threads};

use crate::runtime::Runtime;
use crate::sample::Random;
use crate::site_cache::SiteCache;
use crate::slot_cache::SlotCache;
use crate::tally::Tally;
use crate::tls::Block;
use crate::unwind::{Memo, StackRange};
use crate::{clock, lifecycle, private, sys};

/// Thread states at most; threads beyond that are passed through and counted.
pub const THREADS: usize = 1 << 14;

/// One thread's state; a dead thread's is used again.
#[repr(C, align(64))]
pub struct Thread {
    /// Its row in the segment's thread table.
    pub row: AtomicU32,
    next_free: AtomicU32,
    /// What a call of the thread may change.
    pub own: UnsafeCell<Own>,
}

// SAFETY: `own` is only reached through a `Call`, of which a thread has one at a time.
unsafe impl Sync for Thread {}

/// Threads at a time that have rows of sites to themselves; the others share one set.
const WRITERS: u32 = 32;

/// What only the thread itself looks at.
pub struct Own {
    /// Its random numbers.
    pub random: Random,
    /// Its place in the ring.
    pub lease: Lease,
    /// The part of its stack known to be readable.
    pub stack: StackRange,
    /// What it has not yet added to the header's counters.
    pub tally: Tally,
    /// The number that rows of sites know it by; 0 when it shares them with others.
    pub writer: u16,
    /// Which of the process's states this is.
    pub number: u32,
}

/// What a thread keeps for itself where every block is recorded.
pub struct Exact {
    /// Slots that are free for its next blocks.
    pub slots: SlotCache,
    /// The stacks that it met lately.
    pub sites: SiteCache,
    /// Its last walk.
    pub memo: Memo,
}

/// The place of one thread's.
pub struct ExactCell(pub UnsafeCell<Exact>);

// SAFETY: only reached through a `Call` of the thread that holds the state of the same number.
unsafe impl Sync for ExactCell {}

/// Gives the calling thread a state and a row.
pub fn attach(
    runtime: &'static Runtime,
    block: &Block,
    generation: u64,
) -> Option<&'static Thread> {
    let Some((number, thread)) = take_state(runtime) else {
        runtime.count(counters::THREADS_LOST, 1);
        return None;
    };
    let row = runtime.claim(Region::Threads, 1);
    if row.is_none() {
        runtime.count(counters::THREADS_LOST, 1);
    }
    // Row 0 stands for the threads that found no row.
    thread.row.store(row.unwrap_or(0) as u32, Ordering::Relaxed);
    // Relaxed: set before the phase became RUNNING.
    let seed = runtime.seed.load(Ordering::Relaxed);
    let is_exact = private::is_exact();
    let stream = Random::new(seed ^ u64::from(number).wrapping_mul(0xd6e8_feb8_6659_fd93)).next();
    let own = Own {
        random: Random::new(stream),
        lease: Lease::default(),
        stack: StackRange::new(),
        tally: Tally::new(is_exact),
        writer: if is_exact && number < WRITERS {
            number as u16 + 1
        } else {
            0
        },
        number,
    };
    // SAFETY: the state was just taken; no other thread reaches it.
    unsafe { thread.own.get().write(own) };
    if let Some(words) = row.and_then(|row| runtime.thread(row as u32)) {
        threads::publish(words, sys::thread_id(), &sys::thread_name(), clock::now());
    }
    // Relaxed: only this thread touches the block. The countdown of a previous state (after a
    // fork) goes on; it is re-armed when it runs out.
    block
        .thread
        .store(core::ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
    block.generation.store(generation, Ordering::Relaxed);
    lifecycle::note_call(runtime);
    // Relaxed: a hint for threads that might be alone.
    runtime.attached.fetch_add(1, Ordering::Relaxed);
    lifecycle::watch_thread_end(thread);
    Some(thread)
}

/// A thread state nobody uses, with its number.
fn take_state(runtime: &Runtime) -> Option<(u32, &'static Thread)> {
    let threads = private::threads();
    // Acquire pairs with the Release in `give_back`.
    let mut head = runtime.threads_free.load(Ordering::Acquire);
    while let Some(number) = (head as u32).checked_sub(1) {
        let thread = threads.get(number as usize)?;
        // Relaxed: made visible by the exchange that put this state in front.
        let next = u64::from(thread.next_free.load(Ordering::Relaxed));
        let rest = ((head >> 32) + 1) << 32 | next;
        match runtime.threads_free.compare_exchange_weak(
            head,
            rest,
            Ordering::Acquire,
            Ordering::Acquire,
        ) {
            Ok(_) => return Some((number, thread)),
            Err(now) => head = now,
        }
    }
    // Relaxed: a number carries no data.
    let number = runtime.threads_used.fetch_add(1, Ordering::Relaxed);
    threads
        .get(number as usize)
        .map(|thread| (number as u32, thread))
}

/// Lets another thread have the state.
pub fn give_back(runtime: &Runtime, thread: &Thread) {
    let offset = core::ptr::from_ref(thread).addr() - private::threads().as_ptr().addr();
    let number = (offset / size_of::<Thread>()) as u64 + 1;
    // Relaxed: the exchange decides.
    let mut head = runtime.threads_free.load(Ordering::Relaxed);
    loop {
        thread.next_free.store(head as u32, Ordering::Relaxed);
        let front = ((head >> 32) + 1) << 32 | number;
        // Release pairs with the Acquire in `take_state`.
        match runtime.threads_free.compare_exchange_weak(
            head,
            front,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}
