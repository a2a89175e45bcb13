//! Time stamps: the processor's counter where it keeps time, the system's clock elsewhere.
//!
//! The counter takes 8 to 13 ns where a system call takes 60; pairs of both, noted now and then,
//! let the reader turn ticks into time.

use core::sync::atomic::{AtomicU64, Ordering};

use memshim_abi::header::{self, at, clock};

use crate::runtime::Runtime;
use crate::sys;

/// Which of [`header::clock`] is in use; chosen once.
static KIND: AtomicU64 = AtomicU64::new(0);

/// Chooses the clock; called once, at the start of the program.
pub fn choose() {
    let kind = if counter_keeps_time() {
        clock::COUNTER
    } else {
        clock::MONOTONIC
    };
    // Relaxed: set before the process has a second thread.
    KIND.store(kind, Ordering::Relaxed);
}

/// The kind chosen.
#[inline(always)]
pub fn kind() -> u64 {
    // Relaxed: see `choose`.
    KIND.load(Ordering::Relaxed)
}

/// Now, in ticks.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn now() -> u64 {
    if kind() == clock::COUNTER {
        // SAFETY: `choose` found that the instruction is allowed.
        unsafe { core::arch::x86_64::_rdtsc() }
    } else {
        sys::clock_ns(libc::CLOCK_MONOTONIC)
    }
}

/// Whether the counter runs at one rate whatever the processor does, and may be read.
#[cfg(target_arch = "x86_64")]
fn counter_keeps_time() -> bool {
    // Every 64-bit processor has this leaf. Asking costs microseconds under a hypervisor, so the
    // leaf that lists the leaves is not asked for.
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    core::arch::x86_64::__cpuid(POWER_MANAGEMENT).edx & INVARIANT != 0 && sys::may_read_counter()
}

/// Notes the pair from which all times are counted.
pub fn start(words: &[memshim_abi::AtomicU64]) {
    crate::segment::set(words, at::CLOCK_KIND, kind());
    crate::segment::set(words, at::FIRST_PAIR, now());
    crate::segment::set(
        words,
        at::FIRST_PAIR + 1,
        sys::clock_ns(libc::CLOCK_MONOTONIC),
    );
    crate::segment::set(words, at::REALTIME, sys::clock_ns(libc::CLOCK_REALTIME));
}

/// Notes a further pair once the time since the start has grown by half, or after a second or so.
///
/// Early on that is often, so a short life is timed well; later it costs nothing.
pub fn tend(runtime: &Runtime, now_ticks: u64) {
    const SOON: u64 = 1 << 20;
    const LATER: u64 = 1 << 32;
    let words = runtime.segment();
    // Relaxed throughout: an old value only notes a pair once more.
    let word = |place: usize| {
        words
            .get(place)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    };
    let start = word(at::FIRST_PAIR);
    let count = word(at::PAIR_COUNT);
    let latest = if count == 0 {
        start
    } else {
        word(at::PAIRS + 2 * (count as usize & 1))
    };
    let wait = ((latest.wrapping_sub(start)) / 2 + SOON).min(LATER);
    if now_ticks.wrapping_sub(latest) > wait {
        note(runtime);
    }
}

/// How ticks turn into nanoseconds, from the first and the latest pair.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    ns: u64,
    ticks: u64,
}

impl Rate {
    /// A rate that can be used without overflow; `None` where nothing is known.
    pub fn of(ns: u64, ticks: u64) -> Option<Self> {
        // 31 bits of each are precise to a billionth.
        let shift = 33u32.saturating_sub(ns.max(ticks).leading_zeros());
        let (ns, ticks) = (ns >> shift, ticks >> shift);
        (ns > 0 && ticks > 0).then_some(Self { ns, ticks })
    }

    /// So many ticks in nanoseconds.
    pub fn ns(&self, ticks: u64) -> u64 {
        let whole = ticks.checked_div(self.ticks).unwrap_or(0);
        let rest = ticks.checked_rem(self.ticks).unwrap_or(0) * self.ns;
        let part = rest.checked_div(self.ticks).unwrap_or(0);
        whole.saturating_mul(self.ns).saturating_add(part)
    }
}

/// The rate as far as the pairs tell, after noting one where there is none yet.
pub fn rate(runtime: &Runtime) -> Option<Rate> {
    if kind() == clock::MONOTONIC {
        return Rate::of(1, 1);
    }
    let words = runtime.segment();
    // Acquire pairs with the Release of the count in `note_clock_pair`.
    let load = |place: usize| {
        words
            .get(place)
            .map_or(0, |word| word.load(Ordering::Acquire))
    };
    if load(at::PAIR_COUNT) == 0 {
        note(runtime);
    }
    let count = load(at::PAIR_COUNT);
    let latest = at::PAIRS + 2 * (count as usize & 1);
    let ticks = load(latest).checked_sub(load(at::FIRST_PAIR))?;
    let ns = load(latest + 1).checked_sub(load(at::FIRST_PAIR + 1))?;
    // Two notes later this pair is overwritten: seconds in which this thread must have slept.
    (count > 0 && load(at::PAIR_COUNT) - count < 2)
        .then(|| Rate::of(ns, ticks))
        .flatten()
}

/// Notes a pair now, unless another thread is at it.
pub fn note(runtime: &Runtime) {
    // Acquire and Release pair with each other: one writer at a time.
    if runtime
        .noting
        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        return;
    }
    header::note_clock_pair(
        runtime.segment(),
        now(),
        sys::clock_ns(libc::CLOCK_MONOTONIC),
    );
    runtime.noting.store(0, Ordering::Release);
}
