//! How finely a process was sampled, and when that changed.

#![forbid(unsafe_code)]

use crate::source::{Interval, Segment};

/// The sampling intervals of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// From these ticks on, this interval; oldest first, never empty.
    pub changes: Vec<(u64, Interval)>,
}

impl Intervals {
    pub(crate) fn of(segment: &Segment) -> Intervals {
        let mut changes = segment.intervals();
        let now = segment.interval();
        if changes.last().is_none_or(|(_, last)| *last != now) {
            let ticks = changes.last().map_or(0, |(ticks, _)| *ticks);
            changes.push((ticks, now));
        }
        Intervals { changes }
    }

    /// The interval in force.
    pub fn now(&self) -> Interval {
        self.changes
            .last()
            .map_or(Interval::COARSEST, |(_, interval)| *interval)
    }

    /// The coarsest that was in force until `ticks`.
    pub fn coarsest_until(&self, ticks: u64) -> Interval {
        let earlier = self.changes.iter().enumerate();
        // Whatever the clock says, the first was in force from the start.
        let earlier = earlier.filter(|(index, (since, _))| *index == 0 || *since <= ticks);
        let intervals = earlier.map(|(_, (_, interval))| *interval);
        intervals.max().unwrap_or(Interval::COARSEST)
    }

    /// The coarsest that was ever in force.
    pub fn coarsest(&self) -> Interval {
        let intervals = self.changes.iter().map(|(_, interval)| *interval);
        intervals.max().unwrap_or(Interval::COARSEST)
    }

    /// Whether every block was recorded, always.
    pub fn are_exact(&self) -> bool {
        self.coarsest() == Interval::EXACT
    }
}
