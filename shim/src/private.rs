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

use crate::index::Index;
use crate::modules;
use crate::runtime::Runtime;
use crate::scratch::{SCRATCHES, Scratch};
use crate::sys::{self, Errno};
use crate::thread::{THREADS, Thread};

const PAGE: usize = 4096;

/// From addresses to slots: 32 KiB at first, then eight times the last.
pub type AddressIndex = Index<{ 1 << 12 }, 3>;

/// From stacks to sites: 8 KiB at first, then four times the last.
pub type SiteIndex = Index<{ 1 << 10 }, 2>;

/// Where a part lies; fixed when the program starts, so that children use the same mapping.
///
/// Only of types for which zeros are a value, and which are changed as atomics or by one owner.
struct Part<T> {
    first: AtomicPtr<T>,
    count: AtomicUsize,
}

impl<T: 'static> Part<T> {
    const fn new() -> Self {
        Self {
            first: AtomicPtr::new(core::ptr::null_mut()),
            count: AtomicUsize::new(0),
        }
    }

    /// Bytes that `count` values take, in whole pages.
    const fn bytes(count: usize) -> usize {
        (count * size_of::<T>()).next_multiple_of(PAGE)
    }

    /// Puts the part at `place`; gives the place of the next one.
    fn put(&self, place: *mut u8, count: usize) -> *mut u8 {
        // Relaxed: set before the process has a second thread.
        self.count.store(count, Ordering::Relaxed);
        self.first.store(place.cast(), Ordering::Relaxed);
        place.wrapping_add(Self::bytes(count))
    }

    /// The values; none before `create`.
    fn values(&self) -> &'static [T] {
        // Relaxed: see `put`.
        let first = self.first.load(Ordering::Relaxed);
        if first.is_null() {
            return &[];
        }
        // SAFETY: `create` made the mapping with room for all parts, page-aligned and zeroed; it
        // lasts as long as the process, and zeros are a value of every T named below.
        unsafe { core::slice::from_raw_parts(first, self.count.load(Ordering::Relaxed)) }
    }
}

static RUNTIME: Part<Runtime> = Part::new();
static THREAD_STATES: Part<Thread> = Part::new();
static SCRATCH_BUFFERS: Part<Scratch> = Part::new();
static MODULE_ROWS: Part<AtomicU32> = Part::new();
static SITES: Part<AtomicU64> = Part::new();
static ADDRESSES: Part<AtomicU64> = Part::new();
static LINKS: Part<AtomicU32> = Part::new();

/// Makes the mapping for at most so many sites, and sampled blocks at a time.
///
/// A process that may have only few blocks, because its address space is limited, gets room for
/// fewer threads too.
///
/// # Errors
/// The errno of the system call that failed; without wiping at fork the shim must stay off.
pub fn create(sites: usize, slots: usize) -> Result<(), Errno> {
    let (sites, addresses) = (
        SiteIndex::entries_for(sites),
        AddressIndex::entries_for(slots),
    );
    let threads = (slots / 16).clamp(64, THREADS);
    let bytes = Part::<Runtime>::bytes(1)
        + Part::<Thread>::bytes(threads)
        + Part::<Scratch>::bytes(SCRATCHES)
        + Part::<AtomicU32>::bytes(modules::CACHE)
        + Part::<AtomicU64>::bytes(sites)
        + Part::<AtomicU64>::bytes(addresses)
        + Part::<AtomicU32>::bytes(slots);
    let base = sys::map_private(bytes)?;
    // SAFETY: the mapping was just made and holds nothing.
    if let Err(errno) = unsafe { sys::advise(base, bytes, libc::MADV_WIPEONFORK) } {
        // SAFETY: nothing refers to the mapping.
        unsafe { sys::unmap(base, bytes) };
        return Err(errno);
    }
    let place = RUNTIME.put(base, 1);
    let place = THREAD_STATES.put(place, threads);
    let place = SCRATCH_BUFFERS.put(place, SCRATCHES);
    let place = MODULE_ROWS.put(place, modules::CACHE);
    let place = SITES.put(place, sites);
    let place = ADDRESSES.put(place, addresses);
    LINKS.put(place, slots);
    Ok(())
}

/// The process's own state; `None` before `create`.
pub fn runtime() -> Option<&'static Runtime> {
    RUNTIME.values().first()
}

/// All thread states.
pub fn threads() -> &'static [Thread] {
    THREAD_STATES.values()
}

/// All scratch buffers.
pub fn scratches() -> &'static [Scratch] {
    SCRATCH_BUFFERS.values()
}

/// The rows of recently seen modules.
pub fn module_cache() -> &'static [AtomicU32] {
    MODULE_ROWS.values()
}

/// The entries of the site index, all levels.
pub fn site_index() -> &'static [AtomicU64] {
    SITES.values()
}

/// The entries of the address index, all levels.
pub fn address_index() -> &'static [AtomicU64] {
    ADDRESSES.values()
}

/// The links between freed slots, one for each block that can be tracked at a time.
pub fn recycle_links() -> &'static [AtomicU32] {
    LINKS.values()
}
