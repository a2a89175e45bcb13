//! The moment of which a copy of a segment is, with what only that moment's machine could tell.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::source::noted::Death;
use crate::source::process::Liveness;
use crate::source::{Clock, Segment};

/// What the kernel and the clock said when a segment was copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// When it was, ns since the Unix epoch.
    pub unix_ns: u64,
    /// The same moment on the clock of the segment.
    pub now_ticks: Option<u64>,
    /// Nanoseconds in a tick, for segments whose own clock pairs do not tell.
    pub ns_per_tick: Option<f64>,
    /// Whether the process was there.
    pub liveness: Liveness,
    /// The program that it had become by then.
    pub successor: Option<String>,
    /// Bytes that it might still use then, of the limit that it would meet first; not in
    /// recordings of the first days.
    #[serde(default)]
    pub left_bytes: Option<u64>,
    /// What was seen of its end, where it was gone.
    #[serde(default)]
    pub death: Option<Death>,
    /// Where its memory was, in those snapshots for which the kernel was asked.
    #[serde(default)]
    pub memory: Option<Memory>,
}

/// Where the memory of a process was at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// When, ns since the Unix epoch.
    pub unix_ns: u64,
    /// Which allocator served it.
    pub allocator: String,
    /// What each kind of mapping held.
    pub kinds: Vec<Held>,
}

/// Memory of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The number of the kind.
    pub kind: u8,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Bytes in swap.
    pub swapped_bytes: u64,
    /// Mappings.
    pub mappings: u64,
    /// What live blocks take of it: total, variance, seen, and what one more sample would add.
    pub live: [f64; 4],
}

impl Frozen {
    /// The moment `unix_ns` of an open segment, which is now.
    pub fn now(segment: &Segment, unix_ns: u64, liveness: Liveness) -> Frozen {
        let clock = segment.clock();
        Frozen {
            unix_ns,
            now_ticks: clock.now_ticks,
            ns_per_tick: clock.ns_per_tick,
            liveness,
            successor: None,
            left_bytes: None,
            death: None,
            memory: None,
        }
    }

    /// The clock as it was then; the counter of the machine that reads says nothing about it.
    pub(crate) fn clock(&self, told: Clock) -> Clock {
        Clock {
            ns_per_tick: self.ns_per_tick,
            now_ticks: self.now_ticks,
            ..told
        }
    }
}

impl Segment {
    /// The moment of which it is a copy; `None` for a segment itself.
    pub fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }
}
