//! Freed slots, given back oldest first, so that the slab keeps the latest completed lifetimes.
//!
//! A lock-free queue (Michael and Scott 1996) whose nodes are the slots themselves: a link for
//! each slot, and a head and a tail that carry a count against ABA.
//! The queue always keeps its last node; the node taken is the head itself.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The queue over its parts in private memory.
#[derive(Clone, Copy)]
pub struct Recycle {
    /// For each slot, the number plus one of the slot freed after it; 0 for none.
    pub links: &'static [AtomicU32],
    /// Oldest freed slot plus one, below a count of changes.
    pub head: &'static AtomicU64,
    /// Latest freed slot plus one, below a count of changes.
    pub tail: &'static AtomicU64,
    /// Slots in the queue, about.
    pub len: &'static AtomicU64,
}

const fn node(word: u64) -> u32 {
    word as u32
}

const fn moved(word: u64, node: u32) -> u64 {
    ((word >> 32) + 1) << 32 | node as u64
}

impl Recycle {
    /// Starts the queue with a slot that will never hold a block before another is freed.
    pub fn start(&self, slot: u32) {
        // Relaxed: done before the segment is open to other threads.
        self.head.store(u64::from(slot) + 1, Ordering::Relaxed);
        self.tail.store(u64::from(slot) + 1, Ordering::Relaxed);
    }

    fn link(&self, node: u32) -> Option<&'static AtomicU32> {
        self.links.get(node.checked_sub(1)? as usize)
    }

    /// Gives a slot back.
    pub fn push(&self, slot: u32) {
        let fresh = slot + 1;
        let Some(link) = self.link(fresh) else { return };
        // Relaxed: made visible by the exchange that links the node in.
        link.store(0, Ordering::Relaxed);
        loop {
            // Acquire pairs with the Release exchanges below.
            let tail = self.tail.load(Ordering::Acquire);
            let Some(last) = self.link(node(tail)) else {
                return;
            };
            let next = last.load(Ordering::Acquire);
            if next != 0 {
                // Another thread linked its node but has not moved the tail yet: help it.
                self.exchange(self.tail, tail, next);
                continue;
            }
            // Release pairs with the Acquire in `pop`.
            if last
                .compare_exchange(0, fresh, Ordering::Release, Ordering::Relaxed)
                .is_ok()
            {
                self.exchange(self.tail, tail, fresh);
                // Relaxed: an approximate count.
                self.len.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// The slot that was freed longest ago.
    pub fn pop(&self) -> Option<u32> {
        loop {
            // Acquire pairs with the Release exchanges of `push` and of other pops.
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let next = self.link(node(head))?.load(Ordering::Acquire);
            if self.head.load(Ordering::Acquire) != head {
                continue;
            }
            if next == 0 {
                return None;
            }
            if node(head) == node(tail) {
                self.exchange(self.tail, tail, next);
                continue;
            }
            if self.exchange(self.head, head, next) {
                // Relaxed: an approximate count.
                self.len.fetch_sub(1, Ordering::Relaxed);
                return node(head).checked_sub(1);
            }
        }
    }

    fn exchange(&self, end: &AtomicU64, from: u64, to: u32) -> bool {
        // AcqRel: hands the nodes before it on to the next thread that looks at this end.
        end.compare_exchange(from, moved(from, to), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Slots waiting, about.
    pub fn len(&self) -> u64 {
        // Relaxed: an approximate count.
        self.len.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn queue(slots: u32) -> Recycle {
        let links: Vec<AtomicU32> = (0..slots).map(|_| AtomicU32::new(0)).collect();
        let word = || Box::leak(Box::new(AtomicU64::new(0)));
        let queue = Recycle {
            links: links.leak(),
            head: word(),
            tail: word(),
            len: word(),
        };
        queue.start(0);
        queue
    }

    #[test]
    fn slots_come_back_in_the_order_they_were_freed() {
        let queue = queue(8);
        assert_eq!(queue.pop(), None);
        for slot in [3, 1, 5] {
            queue.push(slot);
        }
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop()],
            [Some(0), Some(3), Some(1)]
        );
        assert_eq!(queue.pop(), None);
        queue.push(3);
        assert_eq!(queue.pop(), Some(5));
    }

    #[test]
    fn no_slot_is_given_to_two_threads() {
        const SLOTS: u32 = 64;
        let queue = queue(SLOTS);
        (1..SLOTS).for_each(|slot| queue.push(slot));
        let held: &'static [AtomicU32] = (0..SLOTS)
            .map(|_| AtomicU32::new(0))
            .collect::<Vec<_>>()
            .leak();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Some(slot) = queue.pop() else { continue };
                        assert_eq!(held[slot as usize].swap(1, Ordering::SeqCst), 0);
                        held[slot as usize].store(0, Ordering::SeqCst);
                        queue.push(slot);
                    }
                });
            }
        });
        let left = std::iter::from_fn(|| queue.pop()).count();
        assert_eq!(left, SLOTS as usize - 1);
    }
}
