//! The slow paths: what the entry points jump to when a sample is due or a block may be sampled.
//!
//! Each gets the program's arguments followed by the caller's return address, stack pointer and
//! frame pointer, from which the walk begins: there are no frames of ours to skip.
//! In all of them a sampled allocation is recorded after it succeeded, and a sampled block is
//! ended before the real free.

use core::ffi::{c_int, c_void};

use memshim_abi::event::{Act, Kind};
use memshim_abi::weight::Interval;

use crate::call::Call;
use crate::real::Real;
use crate::record::Taken;
use crate::runtime::Runtime;
use crate::unwind::Registers;
use crate::{bootstrap, private, record, tls};

/// Runs one allocation and records it if it is sampled and succeeds.
///
/// Takes the bytes off the countdown first where the entry point has not.
fn allocate(
    kind: Kind,
    size: usize,
    registers: Registers,
    is_counted: bool,
    real: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(mut call) = Call::enter() else {
        return real();
    };
    if !is_counted {
        call.take_bytes(size);
    }
    let interval = call.charge(size);
    if interval.is_none() {
        call.leave_untimed();
    }
    call.expect_slot();
    let ptr = real();
    if let Some(interval) = interval
        && !ptr.is_null()
    {
        born(&mut call, kind, size, ptr, interval, registers);
    }
    ptr
}

/// Records a block, by the code made for the interval.
fn born(
    call: &mut Call,
    kind: Kind,
    size: usize,
    ptr: *mut c_void,
    interval: Interval,
    registers: Registers,
) {
    if interval == Interval::EXACT && call.exact().is_some() {
        record::birth::<true>(call, kind, size, ptr, interval, registers);
    } else {
        record::birth::<false>(call, kind, size, ptr, interval, registers);
    }
}

/// malloc(3) when the countdown has run out.
pub extern "C" fn malloc(size: usize, pc: u64, sp: u64, bp: u64) -> *mut c_void {
    allocate(Kind::Malloc, size, Registers { pc, sp, bp }, true, || {
        Real::malloc(size)
    })
}

/// calloc(3) when the countdown has run out or the product is too large.
pub extern "C" fn calloc(count: usize, size: usize, pc: u64, sp: u64, bp: u64) -> *mut c_void {
    let real = || Real::calloc(count, size);
    match count.checked_mul(size) {
        Some(bytes) => allocate(Kind::Calloc, bytes, Registers { pc, sp, bp }, true, real),
        None => real(),
    }
}

/// aligned_alloc(3).
pub extern "C" fn aligned_alloc(
    alignment: usize,
    size: usize,
    pc: u64,
    sp: u64,
    bp: u64,
) -> *mut c_void {
    let real = || Real::aligned_alloc(alignment, size);
    allocate(
        Kind::AlignedAlloc,
        size,
        Registers { pc, sp, bp },
        false,
        real,
    )
}

/// memalign(3).
pub extern "C" fn memalign(
    alignment: usize,
    size: usize,
    pc: u64,
    sp: u64,
    bp: u64,
) -> *mut c_void {
    let real = || Real::memalign(alignment, size);
    allocate(Kind::Memalign, size, Registers { pc, sp, bp }, false, real)
}

/// valloc(3).
pub extern "C" fn valloc(size: usize, pc: u64, sp: u64, bp: u64) -> *mut c_void {
    allocate(Kind::Valloc, size, Registers { pc, sp, bp }, false, || {
        Real::valloc(size)
    })
}

/// pvalloc(3).
pub extern "C" fn pvalloc(size: usize, pc: u64, sp: u64, bp: u64) -> *mut c_void {
    allocate(Kind::Pvalloc, size, Registers { pc, sp, bp }, false, || {
        Real::pvalloc(size)
    })
}

/// posix_memalign(3).
pub extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    alignment: usize,
    size: usize,
    pc: u64,
    sp: u64,
    bp: u64,
) -> c_int {
    let mut result = 0;
    allocate(
        Kind::PosixMemalign,
        size,
        Registers { pc, sp, bp },
        false,
        || {
            result = Real::posix_memalign(place, alignment, size);
            if result != 0 {
                return core::ptr::null_mut();
            }
            // SAFETY: the real function succeeded, so it stored a pointer there.
            unsafe { place.read() }
        },
    );
    result
}

/// realloc(3) when the countdown has run out or the old block may be sampled.
pub extern "C" fn realloc(ptr: *mut c_void, size: usize, pc: u64, sp: u64, bp: u64) -> *mut c_void {
    if bootstrap::owns(ptr) {
        return bootstrap::move_out(ptr, size);
    }
    let mut call = Call::enter();
    let interval = call.as_mut().and_then(|call| call.charge(size));
    let runtime = Runtime::running();
    let old = runtime.filter(|_| !ptr.is_null()).and_then(|runtime| {
        let taken = record::take(runtime, ptr as u64)?;
        record::suspend(runtime, &taken);
        Some((runtime, taken))
    });
    if old.is_none() && interval.is_none() {
        tls::count_stray();
    }
    call.iter_mut().for_each(Call::stamp);
    let new = Real::realloc(ptr, size);
    call.iter_mut().for_each(Call::restart);
    // NULL for a size of 0 means that the block was freed; any other NULL, that it lives on.
    let is_done = !new.is_null() || size == 0;
    match old {
        Some((runtime, taken)) if is_done => {
            let act = if new.is_null() {
                Act::Death
            } else {
                Act::Reallocated
            };
            died(runtime, call.as_mut(), &taken, act);
        }
        Some((runtime, taken)) => record::restore(runtime, &taken),
        None => {}
    }
    if let (Some(call), Some(interval), false) = (&mut call, interval, new.is_null()) {
        born(
            call,
            Kind::Realloc,
            size,
            new,
            interval,
            Registers { pc, sp, bp },
        );
    }
    new
}

/// Ends the block at `ptr` if it was sampled; `true` when the real allocator is to free it.
#[inline(always)]
fn before_free(ptr: *mut c_void) -> bool {
    if bootstrap::owns(ptr) {
        return false;
    }
    if private::is_exact()
        && let Some(mut call) = Call::enter()
    {
        record::free(&mut call, ptr as u64);
    } else {
        end_sampled(ptr as u64);
    }
    true
}

/// Ends a block where few are sampled: looks first, since most calls find none.
#[inline(never)]
fn end_sampled(address: u64) {
    let Some(runtime) = Runtime::running() else {
        return;
    };
    let Some(taken) = record::take(runtime, address) else {
        tls::count_stray();
        return;
    };
    let mut call = Call::enter();
    call.iter_mut().for_each(Call::stamp);
    died(runtime, call.as_mut(), &taken, Act::Death);
}

/// Ends a taken block, also where the thread is inside another slow path.
fn died(runtime: &'static Runtime, call: Option<&mut Call>, taken: &Taken, act: Act) {
    match call {
        Some(call) => record::death(call, taken, act),
        None => record::death_inside(runtime, taken, act),
    }
}

/// free(3) of a block that may be sampled.
pub extern "C" fn free(ptr: *mut c_void) {
    if before_free(ptr) {
        Real::free(ptr);
    }
}

/// free_sized (C23) of a block that may be sampled.
pub extern "C" fn free_sized(ptr: *mut c_void, size: usize) {
    if before_free(ptr) {
        Real::free_sized(ptr, size);
    }
}

/// free_aligned_sized (C23) of a block that may be sampled.
pub extern "C" fn free_aligned_sized(ptr: *mut c_void, alignment: usize, size: usize) {
    if before_free(ptr) {
        Real::free_aligned_sized(ptr, alignment, size);
    }
}
