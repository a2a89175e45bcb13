//! A thread's state, and the guard that keeps its slow path from entering itself.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicI64, AtomicU32, Ordering, compiler_fence};

use memshim_abi::counters;
use memshim_abi::region::Region;
use memshim_abi::ring::Lease;
use memshim_abi::threads::{self, at};
use memshim_abi::weight::Interval;

use crate::runtime::{Runtime, phase};
use crate::sample::Random;
use crate::tally::Tally;
use crate::tls::{self, Block};
use crate::unwind::StackRange;
use crate::{clock, controller, lifecycle, private, sys};

/// Thread states at most; threads beyond that are passed through and counted.
pub const THREADS: usize = 1 << 14;

/// Calls that pass through a slow path in progress before it is taken for dead.
///
/// A signal handler may leave by longjmp and never come back; no handler allocates this often.
const PASSES_MAX: u64 = 4096;

/// One thread's state; a dead thread's is used again.
#[repr(C, align(64))]
pub struct Thread {
    /// Its row in the segment's thread table.
    pub row: AtomicU32,
    next_free: AtomicU32,
    own: UnsafeCell<Own>,
}

// SAFETY: `own` is only reached through a `Call`, of which a thread has one at a time.
unsafe impl Sync for Thread {}

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
}

/// One pass through the slow path: the calling thread is inside until this is dropped.
pub struct Call {
    block: &'static Block,
    /// The process's state.
    pub runtime: &'static Runtime,
    /// The thread's state.
    pub thread: &'static Thread,
    /// When it happened, ticks, once [`Self::stamp`] was called.
    pub now: u64,
    /// When a call that is timed began, ticks.
    entered: Option<u64>,
    countdown: i64,
}

impl Call {
    /// Enters; `None` when the call must be passed through: the thread is inside already, the
    /// shim is starting or off, or there is no room for another thread.
    pub fn enter() -> Option<Self> {
        if !lifecycle::boot() {
            return None;
        }
        let block = tls::block();
        // Relaxed here and below: only this thread and its signal handlers touch the block.
        let passes = block.inside.load(Ordering::Relaxed);
        if passes != 0 && passes < PASSES_MAX {
            block.inside.store(passes + 1, Ordering::Relaxed);
            if let Some(runtime) = Runtime::running() {
                runtime.count(counters::REENTRANT, 1);
            }
            return None;
        }
        block.inside.store(1, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let call = Self::begin(block);
        if call.is_none() {
            block.inside.store(0, Ordering::Relaxed);
        }
        call
    }

    fn begin(block: &'static Block) -> Option<Self> {
        let Some(runtime) = Runtime::running().or_else(lifecycle::start) else {
            if lifecycle::phase() == phase::OFF {
                // Nothing will ever be due again.
                arm(block, i64::MAX, 0);
            }
            return None;
        };
        let countdown = block.countdown.load(Ordering::Relaxed);
        // Relaxed: set before the phase, which `running` acquired.
        let generation = runtime.generation.load(Ordering::Relaxed);
        let thread = block.thread.load(Ordering::Relaxed);
        let is_known = block.generation.load(Ordering::Relaxed) == generation;
        // SAFETY: a pointer of this generation is one of the process's thread states.
        let thread = match unsafe { thread.as_ref() } {
            Some(thread) if is_known => thread,
            _ => attach(runtime, block, generation)?,
        };
        let mut call = Self {
            block,
            runtime,
            thread,
            now: 0,
            entered: None,
            countdown,
        };
        call.entered = call.own().tally.begin().then(clock::now);
        Some(call)
    }

    /// Notes the time: for a birth after the real allocator returned, for a death before it is
    /// called, so that the events of one address are in order.
    pub fn stamp(&mut self) {
        self.now = clock::now();
        self.entered = self.entered.map(|_| self.now);
    }

    /// Leaves what the real allocator took until now out of the call's time.
    pub fn restart(&mut self) {
        self.entered = self.entered.map(|_| clock::now());
    }

    /// Leaves the call out of the time: it records nothing, and the rest is the real allocator's.
    pub fn leave_untimed(&mut self) {
        self.entered = None;
    }

    /// The thread's own part.
    pub fn own(&mut self) -> &mut Own {
        // SAFETY: the thread is inside, so this is the only reference, and it borrows the call.
        unsafe { &mut *self.thread.own.get() }
    }

    /// Whether the countdown has run out.
    pub fn is_due(&self) -> bool {
        self.countdown < 0
    }

    /// Takes bytes off the countdown for an entry point that has no fast path of its own.
    pub fn take_bytes(&mut self, size: usize) {
        self.countdown = self.countdown.wrapping_sub(size as i64);
    }

    /// Draws the next gap when the countdown has run out on an allocation of `size` bytes.
    ///
    /// Gives the interval at which this allocation was sampled; `None` when it was not, which
    /// is so for a thread's first unless it crosses its first gap.
    pub fn charge(&mut self, size: usize) -> Option<Interval> {
        if !self.is_due() {
            return None;
        }
        let is_first = self.flush_bytes() && {
            // The first gap begins before this allocation.
            self.rearm();
            self.countdown = self.countdown.wrapping_sub(size as i64);
            true
        };
        // Relaxed: only this thread touches the block.
        let exponent = self.block.exponent.load(Ordering::Relaxed) as u8;
        if is_first && self.countdown >= 0 {
            return None;
        }
        if is_first {
            self.flush_bytes();
        }
        self.rearm();
        Some(Interval::from_exponent(exponent))
    }

    /// Adds what was asked for since the countdown was set to the thread's exact total.
    ///
    /// Gives whether the countdown was never set before.
    fn flush_bytes(&self) -> bool {
        // Relaxed: only this thread touches the block and this word of its row.
        let armed = self.block.armed.load(Ordering::Relaxed);
        let bytes = armed.wrapping_sub(self.countdown) as u64;
        let is_first = armed == 0;
        if !is_first {
            self.add(at::BYTES, bytes);
        }
        is_first
    }

    /// Sets the countdown to a fresh gap.
    fn rearm(&mut self) {
        // Relaxed: a gap drawn at the old interval is marked as such.
        let exponent = self.runtime.interval.load(Ordering::Relaxed) as u8;
        self.countdown = match Interval::from_exponent(exponent).bytes() {
            // Below 0 whatever the size of the next block.
            None => -1,
            Some(mean_bytes) => self.own().random.gap(mean_bytes),
        };
        // A gap of 0 is due at the next byte, but 0 also means "never set".
        let armed = if self.countdown == 0 {
            1
        } else {
            self.countdown
        };
        self.countdown = armed;
        arm(self.block, armed, exponent);
    }

    /// Adds the thread's counts to the header's and shows that the process lives.
    fn report(&mut self) {
        let runtime = self.runtime;
        self.own().tally.flush(runtime);
        let now = clock::now();
        if let Some(heartbeat) = runtime.header(memshim_abi::header::at::HEARTBEAT) {
            // Relaxed: a time stamp by itself.
            heartbeat.store(now, Ordering::Relaxed);
        }
        clock::tend(runtime, now);
        controller::tend(runtime, self.block, now);
    }

    /// Adds to a word of the thread's row.
    pub fn add(&self, place: usize, by: u64) {
        // Relaxed: only this thread writes its row; totals of row 0 tolerate any order.
        let row = u64::from(self.thread.row.load(Ordering::Relaxed));
        if let Some(word) = self
            .runtime
            .table(Region::Threads)
            .and_then(|table| table.row(row)?.get(place))
        {
            word.fetch_add(by, Ordering::Relaxed);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(entered) = self.entered {
            let ticks = clock::now().wrapping_sub(entered);
            self.own().tally.note(ticks);
            controller::charge(self.runtime, ticks);
        }
        if self.own().tally.is_due() {
            self.report();
        }
        // What the real allocator and signal handlers took off meanwhile was not the program's.
        self.block
            .countdown
            .store(self.countdown, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.block.inside.store(0, Ordering::Relaxed);
    }
}

fn arm(block: &Block, gap: i64, exponent: u8) {
    // Relaxed: only this thread touches the block.
    let set = |place: &AtomicI64| place.store(gap, Ordering::Relaxed);
    set(&block.countdown);
    set(&block.armed);
    block.exponent.store(u64::from(exponent), Ordering::Relaxed);
}

/// Gives the calling thread a state and a row.
fn attach(runtime: &'static Runtime, block: &Block, generation: u64) -> Option<&'static Thread> {
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
    let stream = Random::new(seed ^ u64::from(number).wrapping_mul(0xd6e8_feb8_6659_fd93)).next();
    let own = Own {
        random: Random::new(stream),
        lease: Lease::default(),
        stack: StackRange::new(),
        // Relaxed: set before the phase became RUNNING.
        tally: Tally::new(runtime.interval.load(Ordering::Relaxed) == 0),
    };
    // SAFETY: the state was just taken; no other thread reaches it.
    unsafe { thread.own.get().write(own) };
    if let Some(words) = row.and_then(|row| {
        runtime
            .table(Region::Threads)
            .and_then(|table| table.row(row))
    }) {
        threads::publish(words, sys::thread_id(), &sys::thread_name(), clock::now());
    }
    // Relaxed: only this thread touches the block. The countdown of a previous state (after a
    // fork) goes on; it is re-armed when it runs out.
    block
        .thread
        .store(core::ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
    block.generation.store(generation, Ordering::Relaxed);
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

fn give_back(runtime: &Runtime, thread: &Thread) {
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

/// Adds what the calling thread has counted for itself, its exact bytes among it.
pub fn flush() {
    let Some(mut call) = Call::enter() else {
        return;
    };
    call.report();
    if !call.flush_bytes() {
        // Relaxed: only this thread touches the block.
        call.block.armed.store(call.countdown, Ordering::Relaxed);
    }
}

/// The end of a thread: its bytes are flushed, its row closed, its state given back.
///
/// A destructor that runs after this one may allocate: the thread then attaches anew.
pub extern "C" fn end(_: *mut c_void) {
    let Some(mut call) = Call::enter() else {
        return;
    };
    call.flush_bytes();
    call.report();
    call.stamp();
    let row = u64::from(call.thread.row.load(Ordering::Relaxed));
    if row != 0
        && let Some(words) = call
            .runtime
            .table(Region::Threads)
            .and_then(|table| table.row(row))
    {
        threads::rename(words, &sys::thread_name());
        if let Some(ended) = words.get(at::ENDED) {
            // Relaxed: a time stamp by itself.
            ended.store(call.now, Ordering::Relaxed);
        }
    }
    let (block, runtime, thread) = (call.block, call.runtime, call.thread);
    drop(call);
    // Relaxed: only this thread touches the block.
    block.thread.store(core::ptr::null_mut(), Ordering::Relaxed);
    block.generation.store(0, Ordering::Relaxed);
    arm(block, 0, 0);
    give_back(runtime, thread);
}
