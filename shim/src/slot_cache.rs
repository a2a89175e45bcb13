//! A thread's own freed slots, so that births and deaths of one thread share nothing with others.

#![forbid(unsafe_code)]

/// Freed slots that a thread keeps at most; the older half goes to the common queue then.
const FREED_MAX: usize = 512;

/// Freed slots that keep their block before the oldest is used again: the latest lifetimes.
const RECENT: usize = 128;

/// One thread's slots; zeros are its first value.
pub struct SlotCache {
    freed: [u32; FREED_MAX],
    /// Place of the slot freed longest ago.
    first: usize,
    len: usize,
    /// The next of the fresh slots claimed in one go, and how many are left.
    fresh: u32,
    fresh_left: u32,
}

impl SlotCache {
    /// Fresh slots to claim at a time.
    pub const CLAIM: u32 = 32;

    /// A slot for a new block: the one freed longest ago if there are enough, else a fresh one.
    #[inline(always)]
    pub fn take(&mut self) -> Option<u32> {
        if self.len > RECENT {
            return self.take_freed();
        }
        self.fresh_left = self.fresh_left.checked_sub(1)?;
        let slot = self.fresh;
        self.fresh += 1;
        Some(slot)
    }

    /// The slot that [`Self::take`] would give.
    #[inline(always)]
    pub fn next(&self) -> Option<u32> {
        if self.len > RECENT {
            return self.freed.get(self.first).copied();
        }
        (self.fresh_left > 0).then_some(self.fresh)
    }

    /// The slot freed longest ago, however few there are.
    #[inline(always)]
    pub fn take_freed(&mut self) -> Option<u32> {
        let slot = *self.freed.get(self.first)?;
        self.len = self.len.checked_sub(1)?;
        self.first = (self.first + 1) % FREED_MAX;
        Some(slot)
    }

    /// Takes over [`Self::CLAIM`] fresh slots.
    pub fn add_fresh(&mut self, first: u32) {
        (self.fresh, self.fresh_left) = (first, Self::CLAIM);
    }

    /// Keeps a freed slot; gives the older ones to `spill` when there are too many.
    #[inline(always)]
    pub fn keep(&mut self, slot: u32, spill: impl FnMut(u32)) {
        if self.len == FREED_MAX {
            self.spill(FREED_MAX / 2, spill);
        }
        if let Some(place) = self.freed.get_mut((self.first + self.len) % FREED_MAX) {
            *place = slot;
            self.len += 1;
        }
    }

    /// Gives everything to `spill`: the thread ends.
    pub fn empty(&mut self, mut spill: impl FnMut(u32)) {
        self.spill(self.len, &mut spill);
        for _ in 0..core::mem::take(&mut self.fresh_left) {
            spill(self.fresh);
            self.fresh += 1;
        }
    }

    fn spill(&mut self, count: usize, mut spill: impl FnMut(u32)) {
        for _ in 0..count {
            self.take_freed().into_iter().for_each(&mut spill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn empty() -> SlotCache {
        SlotCache {
            freed: [0; FREED_MAX],
            first: 0,
            len: 0,
            fresh: 0,
            fresh_left: 0,
        }
    }

    #[test]
    fn fresh_slots_come_first_then_those_freed_longest_ago() {
        let mut cache = empty();
        assert_eq!(cache.take(), None);
        cache.add_fresh(1000);
        let taken: Vec<u32> = std::iter::from_fn(|| cache.take()).collect();
        assert_eq!(taken, (1000..1032).collect::<Vec<_>>());
        (0..=RECENT as u32).for_each(|slot| cache.keep(slot, |_| unreachable!()));
        assert_eq!([cache.take(), cache.take()], [Some(0), None]);
        assert_eq!(cache.take_freed(), Some(1));
    }

    #[test]
    fn what_is_too_much_is_spilled_oldest_first_and_nothing_is_lost() {
        let mut cache = empty();
        let mut spilled = Vec::new();
        cache.add_fresh(5000);
        (0..1000).for_each(|slot| cache.keep(slot, |slot| spilled.push(slot)));
        assert_eq!(spilled, (0..spilled.len() as u32).collect::<Vec<_>>());
        cache.empty(|slot| spilled.push(slot));
        let expected: Vec<u32> = (0..1000).chain(5000..5032).collect();
        assert_eq!(spilled, expected);
        assert_eq!(cache.take_freed(), None);
    }
}
