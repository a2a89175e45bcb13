//! From an address to a slot where every block is recorded: a table laid out like the heap itself.
//!
//! ```text
//!  top: one pointer for each 64 MiB of addresses ---> leaf: one u32 for each 16 bytes, slot + 1
//! ```
//!
//! A look-up is two loads that are near each other when the blocks are, where a hash table would
//! miss the cache; it costs 4 bytes for each 16 bytes of heap in use, by the page.
//! Leaves are not given to forked children, whose top is wiped with the rest of private memory.
//! The thread that got a block from the allocator stores its entry, and the one that frees it
//! takes it out: between them the program hands the block over, so no locked instruction is needed.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::{private, sys};

/// log2 of the bytes that one entry stands for: the least alignment of most allocators' blocks.
const GRANULE_SHIFT: u32 = 4;

/// log2 of the bytes that one leaf stands for.
const LEAF_SHIFT: u32 = 26;

/// Addresses of user space; a block above has no entry.
const ADDRESS_BITS: u32 = 47;

/// Entries of the top.
pub const TOP_ENTRIES: usize = 1 << (ADDRESS_BITS - LEAF_SHIFT);

const LEAF_ENTRIES: usize = 1 << (LEAF_SHIFT - GRANULE_SHIFT);

/// A pointer to a leaf, null while nothing of its range was recorded.
pub type Top = AtomicPtr<[AtomicU32; LEAF_ENTRIES]>;

/// The map over its top in private memory, which has [`TOP_ENTRIES`], or none.
#[derive(Clone, Copy)]
pub struct AddressMap;

impl AddressMap {
    /// Whether an address has a place of its own; two blocks may share the granule of any other.
    pub const fn has_place(address: u64) -> bool {
        address & ((1 << GRANULE_SHIFT) - 1) == 0 && address >> ADDRESS_BITS == 0
    }

    /// Notes the slot of the block at an address.
    ///
    /// Gives the slot of a block there that nobody saw being freed; an error where there is no
    /// memory for the entry.
    #[inline(always)]
    pub fn insert(self, address: u64, slot: u32) -> Result<Option<u32>, NoRoom> {
        let place = match self.place(address) {
            Some(place) => place,
            None => self
                .make_leaf(address)
                .and_then(|()| self.place(address))
                .ok_or(NoRoom)?,
        };
        // Relaxed: the program hands the address over, which orders this entry too.
        let before = place.load(Ordering::Relaxed);
        place.store(slot.wrapping_add(1), Ordering::Relaxed);
        Ok(before.checked_sub(1))
    }

    /// Takes out the slot of the block at an address.
    #[inline(always)]
    pub fn take(self, address: u64) -> Option<u32> {
        let place = self.place(address)?;
        // Relaxed: as in `insert`.
        let slot = place.load(Ordering::Relaxed).checked_sub(1)?;
        place.store(0, Ordering::Relaxed);
        Some(slot)
    }

    /// Has the entry of an address brought into the cache, for a look-up that comes soon.
    #[inline(always)]
    pub fn expect(self, address: u64) {
        if let Some(place) = self.place(address) {
            sys::prefetch(place);
        }
    }

    #[inline(always)]
    fn place(self, address: u64) -> Option<&'static AtomicU32> {
        // Acquire pairs with the Release in `make_leaf`.
        let leaf = self.top_of(address)?.load(Ordering::Acquire);
        // SAFETY: a leaf is a mapping of this size that is never unmapped once it is in the top.
        let leaf = unsafe { leaf.as_ref() }?;
        leaf.get((address >> GRANULE_SHIFT) as usize & (LEAF_ENTRIES - 1))
    }

    #[inline(always)]
    fn top_of(self, address: u64) -> Option<&'static Top> {
        private::address_top((address >> LEAF_SHIFT) as usize)
    }

    #[cold]
    fn make_leaf(self, address: u64) -> Option<()> {
        const BYTES: usize = LEAF_ENTRIES * size_of::<AtomicU32>();
        let top = self.top_of(address)?;
        let leaf = sys::map_private(BYTES).ok()?;
        // A huge page would be cleared as a whole for a single block.
        // SAFETY: the mapping was just made. A refusal only means more memory.
        let _ = unsafe { sys::advise(leaf, BYTES, libc::MADV_NOHUGEPAGE) };
        // SAFETY: as above. A refusal only means that children carry an empty mapping along.
        let _ = unsafe { sys::advise(leaf, BYTES, libc::MADV_DONTFORK) };
        let none = core::ptr::null_mut();
        // Release pairs with the Acquire in `place`.
        let is_ours = top
            .compare_exchange(none, leaf.cast(), Ordering::Release, Ordering::Relaxed)
            .is_ok();
        if !is_ours {
            // SAFETY: another thread's leaf is in place; nothing refers to this one.
            unsafe { sys::unmap(leaf, BYTES) };
        }
        Some(())
    }
}

/// There is no memory for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> AddressMap {
        let room = private::Room {
            sites: 1,
            slots: 1,
            is_exact: true,
        };
        private::create(room).expect("private memory");
        AddressMap
    }

    #[test]
    fn a_slot_comes_out_once_at_the_address_it_was_put_in() {
        let map = map();
        let addresses = [0x10, 0x20, 0x5555_0000_0010, 0x7fff_ffff_fff0];
        for (slot, address) in (0..).zip(addresses) {
            assert_eq!(map.insert(address, slot), Ok(None));
        }
        for (slot, address) in (0..).zip(addresses) {
            assert_eq!(map.take(address), Some(slot));
            assert_eq!(map.take(address), None);
        }
        assert_eq!(map.take(0x30), None);
        assert_eq!(map.take(0x6000_0000_0000), None);
    }

    #[test]
    fn a_block_whose_death_nobody_saw_is_found_when_its_address_comes_again() {
        let map = map();
        assert_eq!(map.insert(0x40, 7), Ok(None));
        assert_eq!(map.insert(0x40, 8), Ok(Some(7)));
        assert_eq!(map.take(0x40), Some(8));
    }

    #[test]
    fn only_aligned_addresses_of_user_space_have_a_place() {
        for (address, has_place) in [(0x10, true), (0x18, false), (0x11, false), (1 << 47, false)] {
            assert_eq!(AddressMap::has_place(address), has_place, "{address:#x}");
        }
    }
}
