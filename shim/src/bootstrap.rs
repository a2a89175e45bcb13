//! A small arena for what the C library allocates while its own malloc is being looked up.
//!
//! Its pages are marked in the free filter for good, so a later free or realloc of such a block
//! comes to the slow path and is recognised by its address.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::filter;
use crate::real::Real;

const ARENA_BYTES: usize = 64 * 1024;

/// Bytes before each block that hold its size.
const HEAD_BYTES: usize = 16;

#[repr(C, align(4096))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

// SAFETY: the arena is only reached through blocks that `allocate` gave to one caller each.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// Zeroed memory, never given out again; null when the arena is used up.
pub fn allocate(size: usize, alignment: usize) -> *mut c_void {
    let alignment = alignment.max(16);
    if !alignment.is_power_of_two() {
        return core::ptr::null_mut();
    }
    let base = ARENA.0.get() as usize;
    // Relaxed: the range taken is the caller's alone; nothing is published through the counter.
    let mut used = USED.load(Ordering::Relaxed);
    loop {
        let start = (base + used + HEAD_BYTES).next_multiple_of(alignment) - base;
        let Some(end) = start.checked_add(size).filter(|end| *end <= ARENA_BYTES) else {
            return core::ptr::null_mut();
        };
        match USED.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                let ptr = (base + start) as *mut c_void;
                // SAFETY: the word before the block is within the arena and within this claim.
                unsafe { size_word(ptr).write(size) };
                mark();
                return ptr;
            }
            Err(now) => used = now,
        }
    }
}

/// Where a block's size is kept: in the word before it.
fn size_word(ptr: *mut c_void) -> *mut usize {
    ptr.cast::<usize>().wrapping_sub(1)
}

/// Whether a pointer is a block of the arena.
pub fn owns(ptr: *const c_void) -> bool {
    (ptr as usize).wrapping_sub(ARENA.0.get() as usize) < ARENA_BYTES
}

/// realloc of a block of the arena: a copy in the real allocator, or in the arena during boot.
pub fn move_out(ptr: *mut c_void, size: usize) -> *mut c_void {
    let moved = Real::malloc(size);
    if moved.is_null() {
        return moved;
    }
    // SAFETY: `ptr` is a block of the arena, which keeps its size in the word before it.
    let old_size = unsafe { size_word(ptr).read() };
    // SAFETY: both blocks have at least this many bytes and do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(ptr.cast::<u8>(), moved.cast(), old_size.min(size)) };
    moved
}

/// Marks the arena's pages again after the filter was cleared.
pub fn mark() {
    // Relaxed: see `allocate`.
    if USED.load(Ordering::Relaxed) > 0 {
        let start = ARENA.0.get() as u64;
        let pages = (start..start + ARENA_BYTES as u64).step_by(1 << filter::GRANULE_SHIFT);
        pages.for_each(filter::mark_for_good);
    }
}
