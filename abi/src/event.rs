//! One line of history in four words.
//!
//! ```text
//!   0 act (4 bits) | function (6) << 4 | interval exponent (6) << 10 | thread (16) << 16 | site << 32
//!   1 time, ticks   2 address   3 requested size, bytes
//! ```
//!
//! Threads beyond 65,535 share that number.
#![forbid(unsafe_code)]

use crate::weight::Interval;

/// Words in an event.
pub const EVENT_WORDS: usize = 4;

/// Which function gave a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A number this version does not know.
    Unknown = 0,
    /// malloc(3)
    Malloc = 1,
    /// calloc(3)
    Calloc = 2,
    /// realloc(3), the block that comes out
    Realloc = 3,
    /// posix_memalign(3)
    PosixMemalign = 4,
    /// aligned_alloc(3)
    AlignedAlloc = 5,
    /// memalign(3)
    Memalign = 6,
    /// valloc(3)
    Valloc = 7,
    /// pvalloc(3)
    Pvalloc = 8,
}

impl Kind {
    /// The kind a number stands for.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Malloc,
            2 => Self::Calloc,
            3 => Self::Realloc,
            4 => Self::PosixMemalign,
            5 => Self::AlignedAlloc,
            6 => Self::Memalign,
            7 => Self::Valloc,
            8 => Self::Pvalloc,
            _ => Self::Unknown,
        }
    }
}

/// What happened to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Act {
    /// It was allocated.
    Birth = 1,
    /// It was freed.
    Death = 2,
    /// It went into a realloc that succeeded.
    Reallocated = 3,
    /// It was found dead when its address was given out again.
    FoundDead = 4,
}

impl Act {
    const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Birth),
            2 => Some(Self::Death),
            3 => Some(Self::Reallocated),
            4 => Some(Self::FoundDead),
            _ => None,
        }
    }
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub act: Act,
    /// Which function gave the block.
    pub kind: Kind,
    /// The interval the block was drawn at.
    pub interval: Interval,
    /// Row of the acting thread.
    pub thread: u32,
    /// Row of the block's site.
    pub site: u32,
    /// When, ticks.
    pub ticks: u64,
    /// The block's address.
    pub address: u64,
    /// The block's requested size.
    pub size_bytes: u64,
}

impl Event {
    /// The four words of the event.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; EVENT_WORDS] {
        let thread = if self.thread < 0xffff {
            self.thread
        } else {
            0xffff
        };
        let head = self.act as u64
            | (self.kind as u64 & 0x3f) << 4
            | (self.interval.exponent() as u64 & 0x3f) << 10
            | (thread as u64) << 16
            | (self.site as u64) << 32;
        [head, self.ticks, self.address, self.size_bytes]
    }

    /// The event of four words; `None` when its act is not known.
    pub const fn decode(words: [u64; EVENT_WORDS]) -> Option<Self> {
        let [head, ticks, address, size_bytes] = words;
        let Some(act) = Act::from_code(head & 0xf) else {
            return None;
        };
        Some(Self {
            act,
            kind: Kind::from_code((head >> 4 & 0x3f) as u8),
            interval: Interval::from_exponent((head >> 10 & 0x3f) as u8),
            thread: (head >> 16 & 0xffff) as u32,
            site: (head >> 32) as u32,
            ticks,
            address,
            size_bytes,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_comes_back_as_it_was_written(
            act in 1u64..5, kind in 0u8..9, exponent in 0u8..41, thread in 0u32..0xffff,
            site: u32, ticks: u64, address: u64, size_bytes: u64,
        ) {
            let event = Event {
                act: Act::from_code(act).expect("known"),
                kind: Kind::from_code(kind),
                interval: Interval::from_exponent(exponent),
                thread, site, ticks, address, size_bytes,
            };
            prop_assert_eq!(Event::decode(event.encode()), Some(event));
        }

        #[test]
        fn any_four_words_decode_to_an_event_or_to_nothing(words: [u64; 4]) {
            let _ = Event::decode(words);
        }
    }
}
