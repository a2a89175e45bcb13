//! From a call to the tables: a block is born after it was allocated and dies before it is freed.

#![forbid(unsafe_code)]

use core::ffi::c_void;
use core::sync::atomic::Ordering;

use memshim_abi::event::{Act, Event, Kind};
use memshim_abi::header::at;
use memshim_abi::region::Region;
use memshim_abi::sites::{self, Death};
use memshim_abi::slots::{self, Slot, state};
use memshim_abi::weight::{Interval, Weight};
use memshim_abi::{AtomicU64, counters, header, peak, ring, threads};

use crate::real::Real;
use crate::runtime::Runtime;
use crate::thread::Call;
use crate::unwind::Registers;
use crate::{clock, filter, private, stack};

/// Freed slots that keep their block before the oldest is used again.
const RECENT_SAMPLED: u64 = 4096;
const RECENT_EXACT: u64 = 256;

/// A sampled allocation succeeded.
pub fn birth(
    call: &mut Call,
    kind: Kind,
    size: usize,
    ptr: *mut c_void,
    interval: Interval,
    registers: Registers,
) {
    let runtime = call.runtime;
    let address = ptr as u64;
    call.stamp();
    end_missed(call, address);
    let site = stack::site_of(call, registers);
    let usable = Real::usable_size(kind, ptr).unwrap_or(size);
    // Relaxed: this thread's own row number.
    let thread = call.thread.row.load(Ordering::Relaxed);
    let block = Slot {
        state: state::LIVE,
        address,
        size_bytes: size as u64,
        slack_bytes: u32::try_from(usable.saturating_sub(size)).unwrap_or(u32::MAX),
        birth_ticks: call.now,
        death_ticks: 0,
        site,
        thread,
        freed_by: 0,
        interval,
        kind,
    };
    let weight = Weight::of(block.size_bytes, interval);
    let is_tracked = track(runtime, &block);
    let words = runtime.segment();
    if let Some(row) = site_row(runtime, site) {
        peak::keep(words, row);
        sites::add_birth(row, block.size_bytes, &weight, call.now);
        if is_tracked {
            peak::grow(words, &weight, call.now);
        } else {
            // Nobody will see it die; counting it as live for ever would look like a leak.
            sites::add_death(row, block.size_bytes, &weight, Death::default());
        }
    }
    if !is_tracked {
        runtime.count(counters::SLOTS_LOST, 1);
        runtime.count(counters::UNTRACKED_BYTES, weight.bytes);
    }
    call.own().tally.sampled += 1;
    call.add(threads::at::SAMPLED, 1);
    write_event(call, Act::Birth, &block);
}

/// Gives the block a slot, and its address an entry and a mark; `false` when there is no room.
fn track(runtime: &'static Runtime, block: &Slot) -> bool {
    let Some(slot) = claim_slot(runtime, block.interval) else {
        return false;
    };
    let Some(row) = slot_row(runtime, slot) else {
        return false;
    };
    slots::publish(row, block);
    if !runtime.index().insert(block.address, slot) {
        slots::end(row, block.birth_ticks, 0, state::FOUND_DEAD);
        runtime.recycle().push(slot);
        return false;
    }
    filter::add(block.address);
    true
}

/// A slot for a new block: a fresh one while few were freed, else the one freed longest ago.
fn claim_slot(runtime: &'static Runtime, interval: Interval) -> Option<u32> {
    let recycle = runtime.recycle();
    let is_exact = interval == Interval::EXACT;
    let recent = if is_exact {
        RECENT_EXACT
    } else {
        RECENT_SAMPLED
    };
    if recycle.len() > recent
        && let Some(slot) = recycle.pop()
    {
        return Some(slot);
    }
    let table = runtime.table(Region::Slots)?;
    let most = table.capacity().min(private::recycle_links().len() as u64);
    let live = table.used().saturating_sub(recycle.len());
    if !is_exact && live > most / 4 * 3 {
        coarsen(runtime, interval);
    }
    if table.used() >= most {
        return recycle.pop();
    }
    let fresh = runtime.claim(Region::Slots, 1).filter(|slot| *slot < most);
    fresh.map(|slot| slot as u32).or_else(|| recycle.pop())
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
pub fn take(runtime: &'static Runtime, address: u64) -> Option<Taken> {
    let table = runtime.table(Region::Slots)?;
    let is_at = |slot: u32| {
        table.row(u64::from(slot)).is_some_and(|row| match row {
            // Relaxed: the index entry was acquired.
            [_, at, ..] => at.load(Ordering::Relaxed) == address,
            _ => false,
        })
    };
    let slot = runtime.index().take(address, is_at)?;
    filter::remove(address);
    let block = slots::owned(slot_row(runtime, slot)?)?;
    Some(Taken { slot, block })
}

/// Marks a taken block as being inside realloc.
pub fn suspend(runtime: &'static Runtime, taken: &Taken) {
    if let Some(row) = slot_row(runtime, taken.slot) {
        slots::set_state(row, state::REALLOCATING);
    }
}

/// Puts a taken block back: its realloc failed, so it lives on.
pub fn restore(runtime: &'static Runtime, taken: &Taken) {
    let Some(row) = slot_row(runtime, taken.slot) else {
        return;
    };
    slots::set_state(row, state::LIVE);
    if runtime.index().insert(taken.block.address, taken.slot) {
        filter::add(taken.block.address);
        return;
    }
    // Nobody will see it die; see `birth`.
    runtime.count(counters::SLOTS_LOST, 1);
    death(runtime, None, taken, Act::FoundDead);
}

/// A taken block dies at the time stamped on `call`, which is `None` where the death is no event
/// of the program or comes inside another slow path of the same thread.
pub fn death(runtime: &'static Runtime, call: Option<&mut Call>, taken: &Taken, act: Act) {
    let block = &taken.block;
    let now = call.as_ref().map_or_else(clock::now, |call| call.now);
    let thread = call
        .as_ref()
        .map_or(0, |call| call.thread.row.load(Ordering::Relaxed));
    let is_seen = act != Act::FoundDead;
    let on_other_thread = is_seen && call.is_some() && thread != block.thread;
    let death = Death {
        lifetime_ticks: is_seen.then(|| now.saturating_sub(block.birth_ticks)),
        by_realloc: act == Act::Reallocated,
        on_other_thread,
    };
    let weight = Weight::of(block.size_bytes, block.interval);
    let words = runtime.segment();
    if let Some(row) = site_row(runtime, block.site) {
        peak::keep(words, row);
        sites::add_death(row, block.size_bytes, &weight, death);
        peak::shrink(words, &weight);
    }
    if let Some(row) = slot_row(runtime, taken.slot) {
        let final_state = if is_seen {
            state::FREED
        } else {
            state::FOUND_DEAD
        };
        slots::end(row, now, thread, final_state);
    }
    runtime.recycle().push(taken.slot);
    if act == Act::Reallocated {
        runtime.count(counters::REALLOCATED, 1);
    }
    match call {
        Some(call) => {
            call.own().tally.freed += 1;
            if on_other_thread {
                call.add(threads::at::FOREIGN_FREES, 1);
            }
            write_event(call, act, block);
        }
        None => {
            runtime.count(counters::FREED, 1);
            runtime.count(counters::EVENTS_LOST, 1);
        }
    }
}

/// The allocator gave out an address whose last block nobody saw being freed.
fn end_missed(call: &mut Call, address: u64) {
    let runtime = call.runtime;
    if let Some(taken) = take(runtime, address) {
        runtime.count(counters::FREES_MISSED, 1);
        death(runtime, Some(call), &taken, Act::FoundDead);
    }
}

fn write_event(call: &mut Call, act: Act, block: &Slot) {
    let runtime = call.runtime;
    let event = Event {
        act,
        kind: block.kind,
        interval: block.interval,
        // Relaxed: this thread's own row number.
        thread: call.thread.row.load(Ordering::Relaxed),
        site: block.site,
        ticks: call.now,
        address: block.address,
        size_bytes: block.size_bytes,
    };
    let (Some(table), Some(latest), Some(given)) = (
        runtime.table(Region::Ring),
        runtime.header(at::RING_SERIAL),
        runtime.header(at::RING_LEASES),
    ) else {
        return;
    };
    let chunk = |index: u64| {
        let missing = (index + 1).saturating_sub(table.used());
        if missing > 0 {
            runtime.claim(Region::Ring, missing);
        }
        if index < table.used() {
            table.row(index)
        } else {
            None
        }
    };
    let is_kept = ring::write(
        ring::Serials { latest, given },
        table.capacity(),
        chunk,
        &mut call.own().lease,
        &event.encode(),
    );
    runtime.count(
        if is_kept {
            counters::EVENTS
        } else {
            counters::EVENTS_LOST
        },
        1,
    );
}

fn slot_row(runtime: &'static Runtime, slot: u32) -> Option<&'static [AtomicU64]> {
    runtime.table(Region::Slots)?.row(u64::from(slot))
}

fn site_row(runtime: &'static Runtime, site: u32) -> Option<&'static [AtomicU64]> {
    runtime.table(Region::Sites)?.row(u64::from(site))
}
