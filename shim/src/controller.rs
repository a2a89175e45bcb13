//! The interval controller: as fine as the program can afford, and never finer.
//!
//! A process starts at a few KiB between samples, so that a small program is seen in detail.
//! What sampling costs is set against the processor time that the process has used:
//!
//! ```text
//!   balance = BURST + budget x processor time - cost        kept within -BURST .. BURST
//!   allowed = budget + balance / HORIZON if above 0         a share of the processor time
//!
//!   cost > allowed x time                       coarser, by as many doublings as that takes
//!   live blocks > what the interval may keep    coarser
//!   cost < budget / 4 since the last change,
//!   which was in the first half of its life     finer by one halving
//! ```
//!
//! The first rule spends the balance over some milliseconds, so a busy program is coarse within
//! that.
//! The last rule halves the interval at most once in each doubling of the age: a process that
//! lives for years changes its interval fewer times than the header has room for.
//!
//! The interval depends on time, and so on the past alone: the gap to the next sample is drawn
//! before the block that ends it is known, and a block keeps the interval of its gap.
//! That is what keeps the estimates unbiased (see `memshim_abi::weight`).

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use memshim_abi::counters;
use memshim_abi::header::{self, at};
use memshim_abi::weight::Interval;

use crate::clock::{self, Rate};
use crate::runtime::Runtime;
use crate::tls::Block;
use crate::turn::Turn;
use crate::{memory, sys};

/// The finest interval of the controller, with which a process starts.
pub const FINEST: Interval = Interval::at_most(4 << 10);

/// What may be spent before any processor time was used, and saved up at most.
const BURST_NS: i64 = 1_000_000;

/// The processor time in which the balance may be spent.
const HORIZON_NS: u64 = 8_000_000;

/// Less cost than this says too little about a rate: it is a hundred samples.
const GRAIN_NS: u64 = 300_000;

/// A process younger than this never refines.
const SETTLED_NS: u64 = 100_000_000;

/// Doublings at a time: the first samples cost several times what later ones do, and refining
/// again takes long.
const DOUBLINGS_MAX: u8 = 2;

/// Live blocks for each interval from the finest to the present one: a heap of 10 GiB then has
/// about 130,000, in 8 MiB of slots.
const LIVE_PER_INTERVAL: u64 = 1 << 14;

/// How many times the cost of its samples a process is charged for look-ups in vain.
///
/// They come of marked pages, and a coarser interval unmarks none: where blocks that were sampled
/// early live long, doubling would only lose detail.
const STRAYS_PER_SAMPLING: u64 = 1;

/// What the shim's own timing does not see of one event: the way in and out of the slow path, two
/// clock readings, and cache lines that the program misses afterwards. Measured; see the README.
const UNSEEN_PER_EVENT_NS: u64 = 150;

/// The same where every block is recorded, and what an event needs is at hand.
const UNSEEN_PER_EVENT_EXACT_NS: u64 = 25;

/// What a free or realloc takes that looks for its block and finds none. Measured likewise.
const STRAY_NS: u64 = 25;

/// The most that one event is charged: what is above comes once (a module met first, a table that
/// grows) or is the thread's wait for a processor, and says nothing about the next event.
const EVENT_TICKS_MAX: u64 = 1 << 16;

/// Ticks between two looks at the clocks: a millisecond or less when young, 0.1 s when old.
const PAUSE_TICKS_MIN: u64 = 1 << 21;
const PAUSE_TICKS_MAX: u64 = 1 << 28;

/// Ticks in the slow path after which to look at once, about a grain.
const SPENT_TICKS: u64 = 3 << 18;

/// One part in a million, the unit of budgets and rates.
pub const MILLION: u64 = 1_000_000;

/// What was used and what was spent, ns, over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spending {
    /// Processor time of the process.
    cpu: u64,
    /// Cost of its samples.
    sampling: u64,
    /// Cost of look-ups in vain.
    strays: u64,
}

impl Spending {
    fn since(self, start: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(start.cpu),
            sampling: self.sampling.saturating_sub(start.sampling),
            strays: self.strays.saturating_sub(start.strays),
        }
    }

    /// The cost that the interval answers for.
    fn charged(self) -> u64 {
        let most = self.sampling.saturating_mul(STRAYS_PER_SAMPLING);
        self.sampling.saturating_add(self.strays.min(most))
    }

    /// The cost that the interval answers for, as a share of the processor time.
    fn rate(self) -> u64 {
        share(self.charged(), self.cpu)
    }
}

/// A part of a whole in millionths.
fn share(part: u64, whole: u64) -> u64 {
    let millionths = part.saturating_mul(MILLION).checked_div(whole);
    millionths.unwrap_or(u64::MAX)
}

/// What a decision is made of, beside what is remembered.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// The interval in force.
    interval: Interval,
    /// The share of the processor time that may be spent, in millionths.
    budget: u64,
    /// All that was used and spent since the start.
    total: Spending,
    /// Age of the process.
    age_ns: u64,
    /// Sampled blocks that are alive.
    live: u64,
}

/// What is remembered from one look to the next.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// What is left of the budget, with the burst.
    balance_ns: i64,
    /// The totals when the present grain began, and those at the last change.
    grain: Spending,
    changed: Spending,
    /// Age of the process at that change.
    changed_age_ns: u64,
}

impl Memory {
    /// The interval that should be in force from now on.
    fn advance(&mut self, now: &Now) -> Interval {
        let lately = now.total.since(self.grain);
        let balance_ns = settle(self.balance_ns, lately, now.budget);
        let view = View {
            now: *now,
            balance_ns,
            lately,
            since_change: now.total.since(self.changed),
            changed_age_ns: self.changed_age_ns,
        };
        let next = view.decide();
        let is_changed = next != now.interval;
        if is_changed {
            self.changed = now.total;
            self.changed_age_ns = now.age_ns;
        }
        if is_changed || lately.charged() >= GRAIN_NS {
            self.grain = now.total;
            self.balance_ns = balance_ns;
        }
        next
    }
}

/// All that a decision is made of.
#[derive(Clone, Copy, Debug)]
struct View {
    now: Now,
    balance_ns: i64,
    /// What happened lately, and since the interval was last changed.
    lately: Spending,
    since_change: Spending,
    changed_age_ns: u64,
}

impl View {
    /// The interval that should be in force from now on.
    fn decide(&self) -> Interval {
        let doublings = self.doublings();
        if doublings > 0 {
            let exponent = self.now.interval.exponent().saturating_add(doublings);
            return Interval::from_exponent(exponent);
        }
        if self.may_refine() {
            return Interval::from_exponent(self.now.interval.exponent().saturating_sub(1));
        }
        self.now.interval
    }

    /// How much coarser the interval must become.
    fn doublings(&self) -> u8 {
        let mut doublings = 0;
        if self.lately.charged() >= GRAIN_NS {
            let (mut rate, allowed) = (self.lately.rate(), self.allowed());
            while rate > allowed && doublings < DOUBLINGS_MAX {
                rate /= 2;
                doublings += 1;
            }
        }
        let is_crowded = self.now.live > live_max(self.now.interval.exponent());
        doublings.max(u8::from(is_crowded))
    }

    /// The share of the processor time that may be spent now: more while there is a balance.
    ///
    /// It is not less in a debt: the present interval need not be wrong because an earlier one was.
    fn allowed(&self) -> u64 {
        let balance = u64::try_from(self.balance_ns).unwrap_or(0);
        let extra = balance.saturating_mul(MILLION) / HORIZON_NS;
        self.now.budget.saturating_add(extra)
    }

    /// Whether half the interval would stay far below the budget and the limit of live blocks, and
    /// the last change is old enough.
    fn may_refine(&self) -> bool {
        let exponent = self.now.interval.exponent();
        exponent > FINEST.exponent()
            && self.now.age_ns >= SETTLED_NS
            && self.now.age_ns / 2 >= self.changed_age_ns
            && self.balance_ns > 0
            && self.since_change.rate() < self.now.budget / 4
            && self.now.live < live_max(exponent.saturating_sub(1)) / 2
    }
}

/// How many sampled blocks may be alive at an interval.
fn live_max(exponent: u8) -> u64 {
    let intervals = exponent.saturating_sub(FINEST.exponent()).saturating_add(1);
    u64::from(intervals) * LIVE_PER_INTERVAL
}

/// The balance after some spending.
fn settle(balance_ns: i64, lately: Spending, budget: u64) -> i64 {
    // Divided first: a million of nanoseconds hardly loses anything, and nothing overflows.
    let whole = (lately.cpu / MILLION).saturating_mul(budget);
    let earned = whole.saturating_add((lately.cpu % MILLION) * budget / MILLION);
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    balance_ns
        .saturating_add(signed(earned))
        .saturating_sub(signed(lately.charged()))
        .clamp(-BURST_NS, BURST_NS)
}

/// What one process's controller remembers; zeros are its first value.
#[derive(Default)]
pub struct Control {
    /// Of the thread that looks.
    turn: Turn,
    /// The budget in millionths; 0 where the interval is fixed.
    budget: AtomicU64,
    /// Processor time of the process when its segment was made, ns.
    cpu_start_ns: AtomicU64,
    /// What the events took, each up to its limit, ticks.
    event_ticks: AtomicU64,
    /// When the clocks were last looked at, and what the events had taken then.
    looked_ticks: AtomicU64,
    looked_event_ticks: AtomicU64,
    /// What has been spent of the burst, ns: `BURST_NS - balance`, so that it begins with 0.
    burst_spent_ns: AtomicU64,
    grain: [AtomicU64; 3],
    changed: [AtomicU64; 3],
    changed_age_ns: AtomicU64,
}

impl Control {
    fn memory(&self) -> Memory {
        // Relaxed: only the thread whose turn it is looks at these.
        let load = |place: &AtomicU64| place.load(Ordering::Relaxed);
        let spending = |places: &[AtomicU64; 3]| {
            let [cpu, sampling, strays] = places.each_ref().map(load);
            Spending {
                cpu,
                sampling,
                strays,
            }
        };
        Memory {
            balance_ns: BURST_NS.saturating_sub_unsigned(load(&self.burst_spent_ns)),
            grain: spending(&self.grain),
            changed: spending(&self.changed),
            changed_age_ns: load(&self.changed_age_ns),
        }
    }

    fn remember(&self, memory: &Memory) {
        // Relaxed: see `memory`.
        let store = |place: &AtomicU64, value: u64| place.store(value, Ordering::Relaxed);
        let spent = BURST_NS.saturating_sub(memory.balance_ns);
        store(&self.burst_spent_ns, u64::try_from(spent).unwrap_or(0));
        store(&self.changed_age_ns, memory.changed_age_ns);
        for (places, spending) in [(&self.grain, memory.grain), (&self.changed, memory.changed)] {
            let values = [spending.cpu, spending.sampling, spending.strays];
            for (place, value) in places.iter().zip(values) {
                store(place, value);
            }
        }
    }
}

/// Begins; before the phase becomes RUNNING. A budget of 0 leaves the interval as it is.
pub fn start(runtime: &Runtime, budget: u64) {
    let control = &runtime.control;
    // Relaxed: published by the phase.
    control.budget.store(budget, Ordering::Relaxed);
    let cpu_ns = sys::clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID);
    control.cpu_start_ns.store(cpu_ns, Ordering::Relaxed);
    crate::segment::set(runtime.segment(), at::BUDGET, budget);
}

/// Charges what one event took, where the interval follows the cost.
pub fn charge(runtime: &Runtime, ticks: u64) {
    let control = &runtime.control;
    // Relaxed: a sum by itself, and a number set before the phase became RUNNING.
    if control.budget.load(Ordering::Relaxed) > 0 {
        let charged = ticks.min(EVENT_TICKS_MAX);
        control.event_ticks.fetch_add(charged, Ordering::Relaxed);
    }
}

/// Looks at the clocks if it is time to, and changes the interval if it must be.
///
/// Called at the end of a slow path, with the thread's block for what its frees have counted.
pub fn tend(runtime: &Runtime, block: &Block, now_ticks: u64) {
    flush_strays(runtime, block);
    let control = &runtime.control;
    // Relaxed throughout: an old value only looks once more, or a call later.
    let looked_ticks = control.looked_ticks.load(Ordering::Relaxed);
    let start_ticks = runtime
        .header(at::FIRST_PAIR)
        .map_or(0, |word| word.load(Ordering::Relaxed));
    let age_ticks = now_ticks.saturating_sub(start_ticks);
    let pause = (age_ticks / 8).clamp(PAUSE_TICKS_MIN, PAUSE_TICKS_MAX);
    // Stays 0 where the interval is fixed.
    let event_ticks = control.event_ticks.load(Ordering::Relaxed);
    let looked_event_ticks = control.looked_event_ticks.load(Ordering::Relaxed);
    let is_busy = event_ticks.saturating_sub(looked_event_ticks) > SPENT_TICKS;
    if !is_busy && now_ticks.saturating_sub(looked_ticks.max(start_ticks)) < pause {
        return;
    }
    control.turn.run(now_ticks, || {
        control.looked_ticks.store(now_ticks, Ordering::Relaxed);
        control
            .looked_event_ticks
            .store(event_ticks, Ordering::Relaxed);
        if let Some(rate) = clock::rate(runtime) {
            look(runtime, &rate, age_ticks, now_ticks);
        }
        memory::tend(runtime, age_ticks, now_ticks);
    });
}

/// Writes the last figures, at the end of the program.
pub fn finish(runtime: &Runtime) {
    if let Some(rate) = clock::rate(runtime) {
        show(runtime, &rate, total(runtime, &rate));
    }
}

/// Adds the calling thread's look-ups in vain to the header's.
fn flush_strays(runtime: &Runtime, block: &Block) {
    // Relaxed: only this thread touches the block.
    let strays = block.strays.load(Ordering::Relaxed);
    if strays > 0 {
        block.strays.store(0, Ordering::Relaxed);
        runtime.count(counters::STRAYS, strays);
    }
}

/// All that was used and charged since the start.
fn total(runtime: &Runtime, rate: &Rate) -> Spending {
    let cpu_ns = sys::clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID);
    // Relaxed: set before the phase became RUNNING.
    let start_ns = runtime.control.cpu_start_ns.load(Ordering::Relaxed);
    // Relaxed: a sum by itself.
    let seen = rate.ns(runtime.control.event_ticks.load(Ordering::Relaxed));
    Spending {
        cpu: cpu_ns.saturating_sub(start_ns),
        sampling: seen.saturating_add(unseen_ns(runtime)),
        strays: runtime.counted(counters::STRAYS).saturating_mul(STRAY_NS),
    }
}

/// What all events took beyond the time that they measured, ns.
fn unseen_ns(runtime: &Runtime) -> u64 {
    let [born, died] = [counters::SAMPLED, counters::FREED].map(|id| runtime.counted(id));
    // Relaxed: exact mode is chosen before the phase becomes RUNNING, and stays.
    let is_exact = runtime.interval.load(Ordering::Relaxed) == 0;
    let each = if is_exact {
        UNSEEN_PER_EVENT_EXACT_NS
    } else {
        UNSEEN_PER_EVENT_NS
    };
    born.saturating_add(died).saturating_mul(each)
}

/// Shows readers what was used, and all that it cost, one-time work included.
fn show(runtime: &Runtime, rate: &Rate, total: Spending) {
    let seen = rate.ns(runtime.counted(counters::SLOW_TICKS));
    let sampling = seen.saturating_add(unseen_ns(runtime));
    let words = runtime.segment();
    crate::segment::set(words, at::CPU_NS, total.cpu);
    crate::segment::set(words, at::COST_NS, sampling.saturating_add(total.strays));
}

/// Shows the figures, decides, and remembers.
fn look(runtime: &Runtime, rate: &Rate, age_ticks: u64, now_ticks: u64) {
    let total = total(runtime, rate);
    show(runtime, rate, total);
    let control = &runtime.control;
    // Relaxed throughout: only the thread whose turn it is gets here.
    let budget = control.budget.load(Ordering::Relaxed);
    if budget == 0 {
        return;
    }
    let exponent = runtime.interval.load(Ordering::Relaxed) as u8;
    let now = Now {
        interval: Interval::from_exponent(exponent),
        budget,
        total,
        age_ns: rate.ns(age_ticks),
        live: live(runtime),
    };
    let mut memory = control.memory();
    let next = memory.advance(&now);
    control.remember(&memory);
    if next != now.interval {
        change(runtime, now.interval, next, now_ticks);
    }
}

/// Sampled blocks that are alive and have a slot.
fn live(runtime: &Runtime) -> u64 {
    let gone = [counters::FREED, counters::SLOTS_LOST].map(|counter| runtime.counted(counter));
    let born = runtime.counted(counters::SAMPLED);
    gone.iter()
        .fold(born, |live, gone| live.saturating_sub(*gone))
}

/// Sets the interval for gaps drawn from now on, unless another thread did so meanwhile.
fn change(runtime: &Runtime, from: Interval, to: Interval, now_ticks: u64) {
    // Relaxed: the number carries no data, and each block keeps the interval of its gap.
    let changed = runtime.interval.compare_exchange(
        u64::from(from.exponent()),
        u64::from(to.exponent()),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    if changed.is_ok() {
        header::note_interval(runtime.segment(), now_ticks, to);
    }
}

#[cfg(test)]
mod tests;
