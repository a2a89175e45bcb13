//! The shim's private memory: one mapping that a forked child finds empty.
//!
//! ```text
//!  runtime page | threads | scratch | module cache | site index | address index | recycle links
//! ```
//!
//! MADV_WIPEONFORK (Linux 4.14) makes it all 0 in a child, which is how the child learns that it
//! has no segment yet; nothing has to run at fork.
//! Untouched parts need no memory.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::index::entries_for;
use crate::levels::Levels;
use crate::modules;
use crate::runtime::Runtime;
use crate::scratch::{SCRATCHES, Scratch};
use crate::sys::{self, Errno};
use crate::thread::{THREADS, Thread};

const PAGE: usize = 4096;

/// From addresses to slots: 32 KiB at first, then eight times the last.
pub const ADDRESS_LEVELS: Levels = Levels {
    first: 1 << 12,
    step: 3,
};

/// From stacks to sites: 8 KiB at first, then four times the last.
pub const SITE_LEVELS: Levels = Levels {
    first: 1 << 10,
    step: 2,
};

/// Where the mapping lies and what it has room for; fixed when the program starts, so that
/// children use the same mapping.
struct Layout {
    base: AtomicPtr<u8>,
    sites: AtomicUsize,
    slots: AtomicUsize,
}

static LAYOUT: Layout = Layout {
    base: AtomicPtr::new(core::ptr::null_mut()),
    sites: AtomicUsize::new(0),
    slots: AtomicUsize::new(0),
};

const THREADS_AT: usize = PAGE;
const SCRATCH_AT: usize = THREADS_AT + round(THREADS * size_of::<Thread>());
const MODULES_AT: usize = SCRATCH_AT + round(SCRATCHES * size_of::<Scratch>());
const SITES_AT: usize = MODULES_AT + round(modules::CACHE * size_of::<u32>());

const _: () = assert!(size_of::<Runtime>() <= PAGE);

const fn round(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

const fn index_at(sites: usize) -> usize {
    SITES_AT + round(entries_for(SITE_LEVELS, sites) * size_of::<u64>())
}

const fn links_at(sites: usize, slots: usize) -> usize {
    index_at(sites) + round(entries_for(ADDRESS_LEVELS, slots) * size_of::<u64>())
}

/// Makes the mapping for at most so many sites, and sampled blocks at a time.
///
/// # Errors
/// The errno of the system call that failed; without wiping at fork the shim must stay off.
pub fn create(sites: usize, slots: usize) -> Result<(), Errno> {
    let bytes = links_at(sites, slots) + round(slots * size_of::<u32>());
    let base = sys::map_private(bytes)?;
    // SAFETY: the mapping was just made and holds nothing.
    if let Err(errno) = unsafe { sys::advise(base, bytes, libc::MADV_WIPEONFORK) } {
        // SAFETY: nothing refers to the mapping.
        unsafe { sys::unmap(base, bytes) };
        return Err(errno);
    }
    // Relaxed: set before the process has a second thread.
    LAYOUT.sites.store(sites, Ordering::Relaxed);
    LAYOUT.slots.store(slots, Ordering::Relaxed);
    LAYOUT.base.store(base, Ordering::Relaxed);
    Ok(())
}

/// The part that begins at `offset`, as `count` values; empty before `create`.
fn part<T>(offset: usize, count: usize) -> &'static [T] {
    // Relaxed: see `create`.
    let base = LAYOUT.base.load(Ordering::Relaxed);
    if base.is_null() {
        return &[];
    }
    // SAFETY: `create` made the mapping at least this long.
    let first = unsafe { base.add(offset) };
    // SAFETY: the range lies in the mapping, which lasts as long as the process; it is only read
    // and written as atomics, for which zeros are a value (the callers below name the types).
    unsafe { core::slice::from_raw_parts(first.cast(), count) }
}

/// The process's own state; `None` before `create`.
pub fn runtime() -> Option<&'static Runtime> {
    part(0, 1).first()
}

/// All thread states.
pub fn threads() -> &'static [Thread] {
    part(THREADS_AT, THREADS)
}

/// All scratch buffers.
pub fn scratches() -> &'static [Scratch] {
    part(SCRATCH_AT, SCRATCHES)
}

/// The rows of recently seen modules.
pub fn module_cache() -> &'static [AtomicU32] {
    part(MODULES_AT, modules::CACHE)
}

fn sites() -> usize {
    // Relaxed: see `create`.
    LAYOUT.sites.load(Ordering::Relaxed)
}

/// Blocks that can be tracked at a time.
pub fn slots() -> usize {
    // Relaxed: see `create`.
    LAYOUT.slots.load(Ordering::Relaxed)
}

/// The entries of the site index, all levels.
pub fn site_index() -> &'static [AtomicU64] {
    part(SITES_AT, entries_for(SITE_LEVELS, sites()))
}

/// The entries of the address index, all levels.
pub fn address_index() -> &'static [AtomicU64] {
    part(index_at(sites()), entries_for(ADDRESS_LEVELS, slots()))
}

/// The links between freed slots.
pub fn recycle_links() -> &'static [AtomicU32] {
    part(links_at(sites(), slots()), slots())
}
