//! Which slot stands for the block at an address.
//!
//! Sampled blocks are few and far between: a hash index costs least memory. Where every block is
//! recorded, a map laid out like the heap costs least time; the few addresses that it has no place
//! for (an allocator that aligns to 8 bytes, no memory for a leaf) are in the index there too.

#![forbid(unsafe_code)]

use crate::address_map::AddressMap;
use crate::private;
use crate::runtime::Runtime;

/// The blocks of the process that have a slot.
#[derive(Clone, Copy)]
pub struct Blocks {
    runtime: &'static Runtime,
}

impl Blocks {
    /// Those of this process.
    #[inline(always)]
    pub const fn of(runtime: &'static Runtime) -> Self {
        Self { runtime }
    }

    /// Notes the slot of the block at an address; `false` when there is no room for it.
    ///
    /// `on_missed` is given the slot of a block there that nobody saw being freed.
    #[inline(always)]
    pub fn insert(
        &self,
        address: u64,
        slot: u32,
        is_at: impl Fn(u32) -> bool,
        on_missed: impl FnMut(u32),
    ) -> bool {
        if private::is_exact()
            && AddressMap::has_place(address)
            && let Ok(missed) = AddressMap.insert(address, slot)
        {
            missed.into_iter().for_each(on_missed);
            return true;
        }
        self.insert_in_index(address, slot, is_at, on_missed)
    }

    #[inline(never)]
    fn insert_in_index(
        &self,
        address: u64,
        slot: u32,
        is_at: impl Fn(u32) -> bool,
        mut on_missed: impl FnMut(u32),
    ) -> bool {
        let index = self.runtime.index();
        if let Some(missed) = index.take(address, is_at) {
            on_missed(missed);
        }
        index.insert(address, slot)
    }

    /// Takes out the slot of the block at an address, which then belongs to the caller.
    ///
    /// `is_at` decides whether a slot is that address's.
    #[inline(always)]
    pub fn take(&self, address: u64, is_at: impl Fn(u32) -> bool) -> Option<u32> {
        if AddressMap::has_place(address)
            && let Some(slot) = AddressMap.take(address)
        {
            // Two threads that free one block at once could have spoilt the entry.
            return is_at(slot).then_some(slot);
        }
        self.take_from_index(address, is_at)
    }

    #[inline(never)]
    fn take_from_index(&self, address: u64, is_at: impl Fn(u32) -> bool) -> Option<u32> {
        self.runtime.index().take(address, is_at)
    }
}
