//! The shim's private memory: one mapping that a forked child finds empty.
//!
//! ```text
//!  runtime page | threads | scratch | module cache | site index | address index | recycle links
//!  where every block is recorded: | address map | threads' own slots and walks
//! ```
//!
//! MADV_WIPEONFORK (Linux 4.14) makes it all 0 in a child, which is how the child learns that it
//! has no segment yet; nothing has to run at fork.
//! Untouched parts need no memory.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::address_map::{TOP_ENTRIES, Top};
use crate::index::Index;
use crate::modules;
use crate::runtime::Runtime;
use crate::scratch::{SCRATCHES, Scratch};
use crate::sys::{self, Errno};
use crate::thread::{ExactCell, THREADS, Thread};

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

    /// One value; `None` past the last, and before `create`, when there are none.
    #[inline(always)]
    fn value(&self, index: usize) -> Option<&'static T> {
        // Relaxed: see `put`.
        if index >= self.count.load(Ordering::Relaxed) {
            return None;
        }
        let value = self.first.load(Ordering::Relaxed).wrapping_add(index);
        // SAFETY: the count is 0 while there is no first value.
        unsafe { core::hint::assert_unchecked(!value.is_null()) };
        // SAFETY: as in `values`, and the value is one of them.
        Some(unsafe { &*value })
    }

    /// The values; none before `create`.
    #[inline(always)]
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
static ADDRESS_TOP: Part<Top> = Part::new();
static EXACT_STATES: Part<ExactCell> = Part::new();

/// Threads at a time that keep things for themselves in exact mode, some 700 KiB of addresses each.
const EXACT_THREADS: usize = 256;

/// Blocks in exact mode that the address map has no place for: few, or none.
const UNPLACED: usize = 1 << 20;

/// How much room to make.
#[derive(Clone, Copy)]
pub struct Room {
    /// Rows of sites.
    pub sites: usize,
    /// Sampled blocks at a time.
    pub slots: usize,
    /// Whether every block is recorded and threads keep what they can for themselves.
    pub is_exact: bool,
}

/// Makes the mapping.
///
/// A process that may have only few blocks, because its address space is limited, gets room for
/// fewer threads too.
///
/// # Errors
/// The errno of the system call that failed; without wiping at fork the shim must stay off.
pub fn create(room: Room) -> Result<(), Errno> {
    let Room { slots, .. } = room;
    let threads = (slots / 16).clamp(64, THREADS);
    // A row of a site is found by its writer's key, and by its stack alone.
    let (keys, blocks, top, exact) = if room.is_exact {
        let threads = threads.min(EXACT_THREADS);
        (2 * room.sites, slots.min(UNPLACED), TOP_ENTRIES, threads)
    } else {
        (room.sites, slots, 0, 0)
    };
    let (sites, addresses) = (
        SiteIndex::entries_for(keys),
        AddressIndex::entries_for(blocks),
    );
    let bytes = Part::<Runtime>::bytes(1)
        + Part::<Thread>::bytes(threads)
        + Part::<Scratch>::bytes(SCRATCHES)
        + Part::<AtomicU32>::bytes(modules::CACHE)
        + Part::<AtomicU64>::bytes(sites)
        + Part::<AtomicU64>::bytes(addresses)
        + Part::<AtomicU32>::bytes(slots)
        + Part::<Top>::bytes(top)
        + Part::<ExactCell>::bytes(exact);
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
    let place = LINKS.put(place, slots);
    let place = ADDRESS_TOP.put(place, top);
    EXACT_STATES.put(place, exact);
    Ok(())
}

/// The process's own state; `None` before `create`.
#[inline(always)]
pub fn runtime() -> Option<&'static Runtime> {
    RUNTIME.value(0)
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
#[inline(always)]
pub fn address_index() -> &'static [AtomicU64] {
    ADDRESSES.values()
}

/// The links between freed slots, one for each block that can be tracked at a time.
pub fn recycle_links() -> &'static [AtomicU32] {
    LINKS.values()
}

/// A place of the top of the address map; `None` unless every block is recorded.
#[inline(always)]
pub fn address_top(index: usize) -> Option<&'static Top> {
    ADDRESS_TOP.value(index)
}

/// What the thread with a state of this number keeps for itself where every block is recorded.
#[inline(always)]
pub fn exact_state(number: u32) -> Option<&'static ExactCell> {
    EXACT_STATES.value(number as usize)
}

/// Whether every block is recorded and threads keep what they can for themselves.
#[inline(always)]
pub fn is_exact() -> bool {
    EXACT_STATES.value(0).is_some()
}
