//! From a call to the tables: a block is born after it was allocated and dies before it is freed.

#![forbid(unsafe_code)]

use core::ffi::c_void;
use core::sync::atomic::Ordering;

use memshim_abi::event::{Act, EVENT_WORDS, Event, Kind};
use memshim_abi::header::at;
use memshim_abi::peak::{Change, Heap};
use memshim_abi::region::{self, Region};
use memshim_abi::sites::{self, Death};
use memshim_abi::slots::{self, Slot, state};
use memshim_abi::weight::{Interval, Weight};
use memshim_abi::{counters, header, peak, ring, threads};

use crate::address_map::AddressMap;
use crate::blocks::Blocks;
use crate::call::Call;
use crate::real::Real;
use crate::runtime::Runtime;
use crate::slot_cache::SlotCache;
use crate::unwind::Registers;
use crate::{clock, filter, private, stack, timeline};

/// Freed slots that keep their block before the oldest is used again.
const RECENT: u64 = 4096;

/// A sampled allocation succeeded.
///
/// `EXACT` says whether every block is recorded, as `interval` does, to the compiler.
pub fn birth<const EXACT: bool>(
    call: &mut Call,
    kind: Kind,
    size: usize,
    ptr: *mut c_void,
    interval: Interval,
    registers: Registers,
) {
    let runtime = call.runtime;
    if EXACT {
        AddressMap.expect(ptr as u64);
    }
    call.stamp();
    let site = stack::site_of::<EXACT>(call, registers);
    let usable = Real::usable_size(kind, ptr).unwrap_or(size);
    let block = Slot {
        state: state::LIVE,
        address: ptr as u64,
        size_bytes: size as u64,
        slack_bytes: u32::try_from(usable.saturating_sub(size)).unwrap_or(u32::MAX),
        birth_ticks: call.now,
        death_ticks: 0,
        site: site.number,
        // Relaxed: this thread's own row number.
        thread: call.thread.row.load(Ordering::Relaxed),
        freed_by: 0,
        interval: if EXACT { Interval::EXACT } else { interval },
        kind,
        writer: site.writer,
    };
    let weight = Weight::of(block.size_bytes, block.interval);
    let is_tracked = track::<EXACT>(call, &block);
    if let (Some(row), Some(heap)) = (runtime.site(site.number), call.heap()) {
        let writers = site.writers();
        peak::keep(heap, row);
        sites::add_birth(row, block.size_bytes, &weight, call.now, writers);
        if is_tracked {
            change_live::<EXACT>(call, heap, Change::birth(&weight));
        } else {
            // Nobody will see it die; counting it as live for ever would look like a leak.
            let death = Death::default();
            sites::add_death(row, block.size_bytes, &weight, death, writers);
        }
    }
    if !is_tracked {
        call.runtime.count(counters::SLOTS_LOST, 1);
        call.runtime.count(counters::UNTRACKED_BYTES, weight.bytes);
    }
    call.own().tally.sampled += 1;
    write_event::<EXACT>(call, Act::Birth, &block);
    if EXACT {
        // A thread that allocates rarely reports itself too rarely for this.
        timeline::tend(runtime, call.now);
    }
}

/// The live totals change, on this thread's account where every block is recorded.
#[inline(always)]
fn change_live<const EXACT: bool>(call: &Call, heap: &Heap, by: Change) {
    let pending = if EXACT { call.pending() } else { None };
    peak::change(heap, pending, by, call.now);
}

/// Gives the block a slot, and its address an entry and a mark; `false` when there is no room.
#[inline(always)]
fn track<const EXACT: bool>(call: &mut Call, block: &Slot) -> bool {
    let runtime = call.runtime;
    let claimed = if EXACT {
        claim_own_slot(call)
    } else {
        claim_shared_slot(runtime, block.interval)
    };
    let Some(slot) = claimed else {
        return false;
    };
    let Some(row) = runtime.slot(slot) else {
        return false;
    };
    slots::publish(row, block);
    let address = block.address;
    let mut missed = None;
    let is_noted = Blocks::of(runtime).insert(address, slot, is_at(runtime, address), |slot| {
        missed = Some(slot);
    });
    if is_noted && EXACT {
        filter::mark_for_good(address);
    } else if is_noted {
        filter::add(address);
    } else {
        slots::end(row, block.birth_ticks, 0, state::FOUND_DEAD);
        give_back(Some(call), runtime, slot);
    }
    if let Some(slot) = missed {
        end_missed(call, slot);
    }
    is_noted
}

/// Whether a slot is that of the block at an address.
#[inline(always)]
fn is_at(runtime: &'static Runtime, address: u64) -> impl Fn(u32) -> bool {
    move |slot| {
        let row = runtime.slot(slot);
        row.is_some_and(|row| slots::address(row) == address)
    }
}

/// The allocator gave out the address of a block that nobody saw being freed.
#[cold]
fn end_missed(call: &mut Call, slot: u32) {
    let runtime = call.runtime;
    let Some(block) = runtime.slot(slot).map(slots::owned) else {
        return;
    };
    filter::remove(block.address);
    call.runtime.count(counters::FREES_MISSED, 1);
    let taken = Taken { slot, block };
    death(call, &taken, Act::FoundDead);
}

/// A slot of the thread's own.
#[inline(always)]
fn claim_own_slot(call: &mut Call) -> Option<u32> {
    let slot = call.exact()?.slots.take();
    slot.or_else(|| claim_more_slots(call))
}

#[cold]
fn claim_more_slots(call: &mut Call) -> Option<u32> {
    let runtime = call.runtime;
    // Slots that other threads had too many of.
    let spilled = runtime.recycle();
    if spilled.len() > 1
        && let Some(slot) = spilled.pop()
    {
        return Some(slot);
    }
    let most = private::recycle_links().len() as u64;
    let fresh = runtime.claim(Region::Slots, SlotCache::CLAIM.into());
    let slots = &mut call.exact()?.slots;
    if let Some(first) = fresh.filter(|first| first + u64::from(SlotCache::CLAIM) <= most) {
        slots.add_fresh(first as u32);
        return slots.take();
    }
    let last = runtime.claim(Region::Slots, 1).filter(|slot| *slot < most);
    last.map(|slot| slot as u32).or_else(|| slots.take_freed())
}

/// A slot that all threads share: a fresh one while few were freed, else the one freed longest ago.
fn claim_shared_slot(runtime: &'static Runtime, interval: Interval) -> Option<u32> {
    let recycle = runtime.recycle();
    if recycle.len() > RECENT
        && let Some(slot) = recycle.pop()
    {
        return Some(slot);
    }
    let table = runtime.table(Region::Slots)?;
    let most = table.capacity().min(private::recycle_links().len() as u64);
    let live = table.used().saturating_sub(recycle.len());
    if live > most / 4 * 3 && interval != Interval::EXACT {
        coarsen(runtime, interval);
    }
    if table.used() >= most {
        return recycle.pop();
    }
    let fresh = runtime.claim(Region::Slots, 1).filter(|slot| *slot < most);
    fresh.map(|slot| slot as u32).or_else(|| recycle.pop())
}

/// Keeps a slot whose block is dead for another.
#[inline(always)]
fn give_back(call: Option<&mut Call>, runtime: &'static Runtime, slot: u32) {
    let recycle = runtime.recycle();
    match call.and_then(Call::exact) {
        Some(exact) => exact.slots.keep(slot, |older| recycle.push(older)),
        None => recycle.push(slot),
    }
}

/// Doubles the interval for gaps drawn from now on; each block keeps the one it was drawn at.
fn coarsen(runtime: &Runtime, interval: Interval) {
    let (from, to) = (interval.exponent(), interval.doubled());
    // Relaxed: whoever wins the exchange notes the change, and the next doubling needs far more
    // than the time that takes.
    let changed = runtime.interval.compare_exchange(
        u64::from(from),
        u64::from(to.exponent()),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    if changed.is_ok() {
        header::note_interval(runtime.segment(), clock::now(), to);
    }
}

/// A block that a program's pointer led to, taken out of the index: the caller ends it or puts it
/// back.
#[derive(Clone, Copy)]
pub struct Taken {
    slot: u32,
    block: Slot,
}

/// Takes the block at an address, if it was sampled.
#[inline(always)]
pub fn take(runtime: &'static Runtime, address: u64) -> Option<Taken> {
    let slot = Blocks::of(runtime).take(address, is_at(runtime, address))?;
    let block = slots::owned(runtime.slot(slot)?);
    if block.interval != Interval::EXACT {
        filter::remove(address);
    }
    Some(Taken { slot, block })
}

/// Marks a taken block as being inside realloc.
pub fn suspend(runtime: &'static Runtime, taken: &Taken) {
    if let Some(row) = runtime.slot(taken.slot) {
        slots::set_state(row, state::REALLOCATING);
    }
}

/// Puts a taken block back: its realloc failed, so it lives on.
pub fn restore(runtime: &'static Runtime, taken: &Taken) {
    let Some(row) = runtime.slot(taken.slot) else {
        return;
    };
    slots::set_state(row, state::LIVE);
    let address = taken.block.address;
    let is_at = is_at(runtime, address);
    if Blocks::of(runtime).insert(address, taken.slot, is_at, |_| {}) {
        filter::add(address);
        return;
    }
    // Nobody will see it die; see `birth`.
    runtime.count(counters::SLOTS_LOST, 1);
    death_inside(runtime, taken, Act::FoundDead);
}

/// The block at an address dies, where every block is recorded.
#[inline(always)]
pub fn free(call: &mut Call, address: u64) {
    let Some(taken) = take(call.runtime, address) else {
        return;
    };
    call.stamp();
    if call.exact().is_some() {
        end::<true>(call, &taken, Act::Death);
    } else {
        death(call, &taken, Act::Death);
    }
}

/// A taken block dies at the time stamped on `call`.
#[inline(never)]
pub fn death(call: &mut Call, taken: &Taken, act: Act) {
    if taken.block.interval == Interval::EXACT && call.exact().is_some() {
        end::<true>(call, taken, act);
    } else {
        end::<false>(call, taken, act);
    }
}

#[inline(always)]
fn end<const EXACT: bool>(call: &mut Call, taken: &Taken, act: Act) {
    let block = &taken.block;
    // Relaxed: this thread's own row number.
    let thread = call.thread.row.load(Ordering::Relaxed);
    let how = how(taken, act, call.now, thread);
    let own_writer = call.own().writer;
    let weight = Weight::of(
        block.size_bytes,
        if EXACT {
            Interval::EXACT
        } else {
            block.interval
        },
    );
    let site = row_to_end(call.runtime, own_writer, block);
    if let (Some(row), Some(heap)) = (call.runtime.site(site.number), call.heap()) {
        peak::keep(heap, row);
        sites::add_death(row, block.size_bytes, &weight, how, site.writers());
        change_live::<EXACT>(call, heap, Change::death(&weight));
    }
    close(call.runtime, taken, act, call.now, thread);
    let runtime = call.runtime;
    give_back(Some(call), runtime, taken.slot);
    call.own().tally.freed += 1;
    if how.on_other_thread {
        call.add(threads::at::FOREIGN_FREES, 1);
    }
    write_event::<EXACT>(call, act, block);
}

/// A taken block dies where there is no call to tell it: inside another slow path of this thread.
pub fn death_inside(runtime: &'static Runtime, taken: &Taken, act: Act) {
    let block = &taken.block;
    let now = clock::now();
    // Nobody knows better which thread it is.
    let how = how(taken, act, now, block.thread);
    let weight = Weight::of(block.size_bytes, block.interval);
    let site = row_to_end(runtime, 0, block);
    if let (Some(row), Some(heap)) = (runtime.site(site.number), runtime.heap()) {
        peak::keep(heap, row);
        sites::add_death(row, block.size_bytes, &weight, how, site.writers());
        peak::change(heap, None, Change::death(&weight), now);
    }
    close(runtime, taken, act, now, 0);
    give_back(None, runtime, taken.slot);
    runtime.count(counters::FREED, 1);
    runtime.count(counters::EVENTS_LOST, 1);
}

/// What a death adds to its site, beside the weight.
#[inline(always)]
fn how(taken: &Taken, act: Act, now: u64, thread: u32) -> Death {
    let block = &taken.block;
    let is_seen = act != Act::FoundDead;
    Death {
        lifetime_ticks: is_seen.then(|| now.saturating_sub(block.birth_ticks)),
        by_realloc: act == Act::Reallocated,
        on_other_thread: is_seen && thread != block.thread,
    }
}

/// Notes in the slot that its block is dead.
#[inline(always)]
fn close(runtime: &Runtime, taken: &Taken, act: Act, now: u64, thread: u32) {
    if let Some(row) = runtime.slot(taken.slot) {
        let final_state = if act == Act::FoundDead {
            state::FOUND_DEAD
        } else {
            state::FREED
        };
        slots::end(row, now, thread, final_state);
    }
    if act == Act::Reallocated {
        runtime.count(counters::REALLOCATED, 1);
    }
}

/// The row that a block's death is added to: the one of its birth, unless that is another's.
#[inline(always)]
fn row_to_end(runtime: &'static Runtime, own_writer: u16, block: &Slot) -> stack::Row {
    let row = stack::Row {
        number: block.site,
        writer: block.writer,
    };
    if block.writer == 0 || block.writer == own_writer {
        row
    } else {
        stack::twin(runtime, block.site, own_writer)
    }
}

#[inline(always)]
fn write_event<const EXACT: bool>(call: &mut Call, act: Act, block: &Slot) {
    let runtime = call.runtime;
    let event = Event {
        act,
        kind: block.kind,
        interval: if EXACT {
            Interval::EXACT
        } else {
            block.interval
        },
        // Relaxed: this thread's own row number.
        thread: call.thread.row.load(Ordering::Relaxed),
        site: block.site,
        ticks: call.now,
        address: block.address,
        size_bytes: block.size_bytes,
    };
    let words = event.encode();
    let lease = &mut call.own().lease;
    let appended = (EXACT && lease.is_held)
        .then(|| runtime.chunk(lease.chunk))
        .flatten()
        .is_some_and(|chunk| ring::append(chunk, lease, &words));
    if appended || lease_and_write::<EXACT>(call, &words) {
        call.own().tally.events += 1;
    } else {
        call.runtime.count(counters::EVENTS_LOST, 1);
    }
}

#[inline(never)]
fn lease_and_write<const EXACT: bool>(call: &mut Call, words: &[u64; EVENT_WORDS]) -> bool {
    let runtime = call.runtime;
    let serials = ring::Serials {
        latest: &call.head[at::RING_SERIAL],
        given: &call.head[at::RING_LEASES],
    };
    let chunk = |index: u64, is_leased: bool| {
        let chunk = runtime.chunk(index)?;
        (is_leased || has_memory(runtime, index)).then_some(&chunk[..])
    };
    let count = runtime.chunks();
    let hold = EXACT && call.holds_chunk(count);
    ring::write(serials, count, chunk, &mut call.own().lease, words, hold)
}

/// Whether a chunk of the ring has memory behind it, which is made where it is missing.
fn has_memory(runtime: &Runtime, chunk: u64) -> bool {
    let Some(used) = runtime.header(region::used(Region::Ring)) else {
        return false;
    };
    // Relaxed: chunks that were ready stay so.
    let missing = (chunk + 1).saturating_sub(used.load(Ordering::Relaxed));
    missing == 0 || runtime.claim(Region::Ring, missing).is_some()
}
