//! The rows of the stacks that a thread met lately, so that it need not ask the common index.

#![forbid(unsafe_code)]

/// Entries, a power of two: 32 KiB.
const ENTRIES: usize = 2048;

/// One thread's; zeros are its first value.
pub struct SiteCache {
    /// The unloading of objects that it has heard of; another empties it.
    generation: u64,
    entries: [Entry; ENTRIES],
}

#[derive(Clone, Copy)]
struct Entry {
    /// Hash of the stack, 0 in an empty entry.
    hash: u64,
    row: u32,
}

impl SiteCache {
    /// The row of a stack whose hash is not 0.
    #[inline(always)]
    pub fn get(&self, hash: u64, generation: u64) -> Option<u32> {
        let entry = self.entries.get(Self::place(hash))?;
        (entry.hash == hash && self.generation == generation).then_some(entry.row)
    }

    /// Remembers the row of a stack, in place of another's.
    pub fn put(&mut self, hash: u64, generation: u64, row: u32) {
        if self.generation != generation {
            self.entries.fill(Entry { hash: 0, row: 0 });
            self.generation = generation;
        }
        if let Some(entry) = self.entries.get_mut(Self::place(hash)) {
            *entry = Entry { hash, row };
        }
    }

    const fn place(hash: u64) -> usize {
        // The lowest bit is the same in all.
        (hash >> 1) as usize & (ENTRIES - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_forgotten_when_another_takes_its_place_or_an_object_is_unloaded() {
        let mut cache = SiteCache {
            generation: 0,
            entries: [Entry { hash: 0, row: 0 }; ENTRIES],
        };
        let (one, other) = (5, 5 + 2 * ENTRIES as u64);
        cache.put(one, 0, 7);
        assert_eq!([cache.get(one, 0), cache.get(other, 0)], [Some(7), None]);
        cache.put(other, 0, 8);
        assert_eq!([cache.get(one, 0), cache.get(other, 0)], [None, Some(8)]);
        assert_eq!(cache.get(other, 1), None);
        cache.put(one + 2, 1, 9);
        assert_eq!(
            [cache.get(other, 1), cache.get(one + 2, 1)],
            [None, Some(9)]
        );
    }
}
