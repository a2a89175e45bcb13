//! One pass through the slow path: the guard that keeps a thread from entering itself, and the
//! countdown that decides what is sampled.

use core::ffi::c_void;
use core::sync::atomic::{AtomicI64, Ordering, compiler_fence};

use memshim_abi::counters;
use memshim_abi::header::HeaderRow;
use memshim_abi::peak::{self, Heap, Pending};
use memshim_abi::ring;
use memshim_abi::threads::{self, ThreadRow, at};
use memshim_abi::weight::Interval;

use crate::runtime::{Runtime, phase};
use crate::thread::{Exact, Own, Thread, attach, give_back};
use crate::tls::{self, Block};
use crate::{clock, controller, lifecycle, private, sys, timeline};

/// Calls that pass through a slow path in progress before it is taken for dead.
///
/// A signal handler may leave by longjmp and never come back; no handler allocates this often.
const PASSES_MAX: u64 = 4096;

/// One pass through the slow path: the calling thread is inside until this is dropped.
pub struct Call {
    block: &'static Block,
    /// The process's state.
    pub runtime: &'static Runtime,
    /// The thread's state.
    pub thread: &'static Thread,
    /// The words of the header.
    pub head: &'static HeaderRow,
    /// When it happened, ticks, once [`Self::stamp`] was called.
    pub now: u64,
    /// When it began, ticks, if it is timed; else 0.
    entered: u64,
    countdown: i64,
}

impl Call {
    /// Enters; `None` when the call must be passed through: the thread is inside already, the
    /// shim is starting or off, or there is no room for another thread.
    #[inline(always)]
    pub fn enter() -> Option<Self> {
        let block = tls::block();
        let (runtime, thread) = match known_thread(block) {
            Some(known) => known,
            None => enter_anew(block)?,
        };
        let head = runtime.head()?;
        // Relaxed here and below: only this thread and its signal handlers touch the block.
        block.inside.store(1, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let mut call = Self {
            block,
            head,
            runtime,
            thread,
            now: 0,
            entered: 0,
            countdown: block.countdown.load(Ordering::Relaxed),
        };
        if call.own().tally.begin() {
            call.entered = clock::now();
        }
        Some(call)
    }

    /// Notes the time: for a birth after the real allocator returned, for a death before it is
    /// called, so that the events of one address are in order.
    #[inline(always)]
    pub fn stamp(&mut self) {
        self.now = clock::now();
        if self.entered != 0 {
            self.entered = self.now;
        }
    }

    /// Leaves what the real allocator took until now out of the call's time.
    pub fn restart(&mut self) {
        if self.entered != 0 {
            self.entered = clock::now();
        }
    }

    /// Leaves the call out of the time: it records nothing, and the rest is the real allocator's.
    pub fn leave_untimed(&mut self) {
        self.entered = 0;
    }

    /// The thread's own part.
    #[inline(always)]
    pub fn own(&mut self) -> &mut Own {
        // SAFETY: the thread is inside, so this is the only reference, and it borrows the call.
        unsafe { &mut *self.thread.own.get() }
    }

    /// What the thread keeps for itself where every block is recorded; `None` elsewhere.
    #[inline(always)]
    pub fn exact(&mut self) -> Option<&mut Exact> {
        let cell = private::exact_state(self.own().number)?;
        // SAFETY: the thread is inside and holds the state of this number, so this is the only
        // reference, and it borrows the call.
        Some(unsafe { &mut *cell.0.get() })
    }

    /// Has the slot of the next block brought into the cache, while the real allocator works.
    #[inline(always)]
    pub fn expect_slot(&mut self) {
        let slot = self.exact().and_then(|exact| exact.slots.next());
        if let Some(row) = slot.and_then(|slot| self.runtime.slot(slot)) {
            sys::prefetch(row);
        }
    }

    /// Both parts of the thread's own.
    #[inline(always)]
    pub fn own_and_exact(&mut self) -> Option<(&mut Own, &mut Exact)> {
        // SAFETY: as in `own`.
        let own = unsafe { &mut *self.thread.own.get() };
        let cell = private::exact_state(own.number)?;
        // SAFETY: as in `exact`; the two lie apart.
        let exact = unsafe { &mut *cell.0.get() };
        Some((own, exact))
    }

    /// Whether the thread may hold on to its chunk of the ring: while there are chunks enough for
    /// all, and events enough that it is worth it.
    #[inline(always)]
    pub fn holds_chunk(&self, chunks: u64) -> bool {
        // Relaxed: a hint.
        self.runtime.attached.load(Ordering::Relaxed) <= chunks / 4
    }

    /// The words of the header about the live heap.
    #[inline(always)]
    pub fn heap(&self) -> Option<&'static Heap> {
        peak::heap(self.head)
    }

    /// The changes of the live totals that the thread has not told yet; for exact mode.
    #[inline(always)]
    pub fn pending(&self) -> Option<Pending<'static>> {
        let (bytes, objects) = threads::pending(self.own_row()?);
        // Relaxed: a thread that comes meanwhile has nothing pending yet.
        let is_alone = self.runtime.attached.load(Ordering::Relaxed) == 1;
        Some(Pending {
            bytes,
            objects,
            is_alone,
        })
    }

    /// The thread's row, unless it shares row 0.
    #[inline(always)]
    fn own_row(&self) -> Option<&'static ThreadRow> {
        // Relaxed: this thread's own row number.
        let row = self.thread.row.load(Ordering::Relaxed);
        self.runtime.thread(row).filter(|_| row != 0)
    }

    /// Whether the countdown has run out.
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(never)]
    fn report(&mut self) {
        let runtime = self.runtime;
        let sampled = self.own().tally.flush(runtime);
        self.add(at::SAMPLED, sampled);
        let now = clock::now();
        // Before the heartbeat, which tells it since when nothing happened.
        timeline::tend(runtime, now);
        if let Some(heartbeat) = runtime.header(memshim_abi::header::at::HEARTBEAT) {
            // Relaxed: a time stamp by itself.
            heartbeat.store(now, Ordering::Relaxed);
        }
        clock::tend(runtime, now);
        controller::tend(runtime, self.block, now);
    }

    /// Gives up what the thread kept for itself: it ends.
    fn let_go(&mut self) {
        let runtime = self.runtime;
        if let (Some(heap), Some(pending)) = (self.heap(), self.pending()) {
            peak::tell(heap, pending);
        }
        if let Some(exact) = self.exact() {
            exact.slots.empty(|slot| runtime.recycle().push(slot));
        }
        let chunk = |index: u64, _| Some(&runtime.chunk(index)?[..]);
        ring::release(chunk, &mut self.own().lease);
    }

    /// Adds to a word of the thread's row.
    pub fn add(&self, place: usize, by: u64) {
        // Relaxed: this thread's own row number.
        let row = self.thread.row.load(Ordering::Relaxed);
        let Some(word) = self.runtime.thread(row).and_then(|row| row.get(place)) else {
            return;
        };
        if row == 0 {
            // Relaxed: a sum by itself, of all the threads without a row.
            word.fetch_add(by, Ordering::Relaxed);
            return;
        }
        // Relaxed: only this thread changes its row.
        let sum = word.load(Ordering::Relaxed).wrapping_add(by);
        word.store(sum, Ordering::Relaxed);
    }
}

impl Drop for Call {
    #[inline(always)]
    fn drop(&mut self) {
        if self.entered != 0 {
            let ticks = clock::now().wrapping_sub(self.entered);
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

/// The states of the process and of the calling thread, which is outside, where nothing is unusual.
#[inline(always)]
fn known_thread(block: &'static Block) -> Option<(&'static Runtime, &'static Thread)> {
    // Relaxed: only this thread and its signal handlers touch the block.
    if block.inside.load(Ordering::Relaxed) != 0 {
        return None;
    }
    let runtime = Runtime::running()?;
    // Relaxed: set before the phase, which `running` acquired.
    let generation = runtime.generation.load(Ordering::Relaxed);
    if block.generation.load(Ordering::Relaxed) != generation {
        return None;
    }
    let thread = block.thread.load(Ordering::Relaxed);
    // SAFETY: a pointer of this generation is one of the process's thread states.
    Some((runtime, unsafe { thread.as_ref() }?))
}

/// The same at the first call of a thread or a process; `None` also where the thread is inside.
#[cold]
#[inline(never)]
fn enter_anew(block: &'static Block) -> Option<(&'static Runtime, &'static Thread)> {
    if !lifecycle::boot() {
        return None;
    }
    // Relaxed here and below: see `known_thread`.
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
    let known = find_thread(block);
    // Whoever called goes in, if at all.
    block.inside.store(0, Ordering::Relaxed);
    known
}

/// The state of the calling thread, made where it is new, and that of the process, likewise.
fn find_thread(block: &'static Block) -> Option<(&'static Runtime, &'static Thread)> {
    let Some(runtime) = Runtime::running().or_else(lifecycle::start) else {
        if lifecycle::phase() == phase::OFF {
            // Nothing will ever be due again.
            arm(block, i64::MAX, 0);
        }
        return None;
    };
    // Relaxed: set before the phase, which `running` acquired.
    let generation = runtime.generation.load(Ordering::Relaxed);
    let thread = block.thread.load(Ordering::Relaxed);
    let is_known = block.generation.load(Ordering::Relaxed) == generation;
    // SAFETY: a pointer of this generation is one of the process's thread states.
    let thread = match unsafe { thread.as_ref() } {
        Some(thread) if is_known => thread,
        _ => attach(runtime, block, generation)?,
    };
    Some((runtime, thread))
}

/// Adds what the calling thread has counted for itself, its exact bytes among it.
pub fn flush() {
    // A thread that never came here has nothing, and is not to look as if it had.
    if known_thread(tls::block()).is_none() {
        return;
    }
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
    call.let_go();
    if let Some(words) = call.own_row() {
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
    // Relaxed: see `attach`.
    runtime.attached.fetch_sub(1, Ordering::Relaxed);
    give_back(runtime, thread);
}
