//! The blocks that are alive, each in 32 bytes, and what all sampled blocks tell about sites.

#![forbid(unsafe_code)]

use crate::history::SiteIndex;
use crate::source::{Interval, Issues, Kind, Segment, Slot, Weight};

/// Rows of sites whose smallest block is kept: more than a program has, little enough to allocate
/// for a segment that lies.
const ROWS_MAX: usize = 1 << 20;

/// One sampled block that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// When it was born, ticks.
    pub birth_ticks: u64,
    /// Bytes asked for.
    pub size_bytes: u64,
    /// Row of its site in the segment, and then its place among the sites.
    site: u32,
    /// Row of the thread that allocated it.
    pub thread: u32,
    /// Bytes the allocator gave beyond those asked for; `u32::MAX` stands for that or more.
    pub slack_bytes: u32,
    /// The sampling interval it was drawn at.
    pub interval: Interval,
    /// Which function gave it.
    pub kind: Kind,
}

// A live block's share of the reader's memory, which a test of the whole reader holds it to.
const _: () = assert!(size_of::<Block>() == 32);

impl Block {
    fn of(slot: &Slot) -> Block {
        Block {
            birth_ticks: slot.birth_ticks,
            size_bytes: slot.size_bytes,
            site: slot.site,
            thread: slot.thread,
            slack_bytes: slot.slack_bytes,
            interval: slot.interval,
            kind: slot.kind,
        }
    }

    /// The place of its site.
    pub fn site(&self) -> SiteIndex {
        self.site as SiteIndex
    }

    /// What it stands for.
    pub fn weight(&self) -> Weight {
        Weight::of(self.size_bytes, self.interval)
    }
}

/// What the slots of a segment hold.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// The blocks that are alive; their sites are rows still.
    live: Vec<Block>,
    /// The smallest block, dead or alive, by row of its site; `u64::MAX` where there is none.
    smallest: Vec<u64>,
}

impl Slots {
    /// Reads every slot.
    pub(crate) fn of(segment: &Segment, issues: &mut Issues) -> Slots {
        let mut slots = Slots::default();
        segment.slots(issues, |slot| slots.add(&slot));
        slots
    }

    fn add(&mut self, slot: &Slot) {
        let row = slot.site as usize;
        if row >= self.smallest.len() && row < ROWS_MAX {
            self.smallest.resize(row + 1, u64::MAX);
        }
        if let Some(smallest) = self.smallest.get_mut(row) {
            *smallest = slot.size_bytes.min(*smallest);
        }
        if slot.is_live() {
            self.live.push(Block::of(slot));
        }
    }

    /// The smallest block of a site's row that still has a slot.
    pub(crate) fn smallest_bytes(&self, row: u64) -> Option<u64> {
        let known = self.smallest.get(usize::try_from(row).ok()?);
        known.copied().filter(|bytes| *bytes != u64::MAX)
    }

    /// The blocks that are alive, with their sites as `place` finds them by row; those without
    /// one are left out and counted.
    pub(crate) fn into_blocks(
        mut self,
        place: impl Fn(u64) -> Option<SiteIndex>,
    ) -> (Vec<Block>, u64) {
        let all = self.live.len();
        self.live.retain_mut(|block| {
            let site = place(block.site.into()).and_then(|site| u32::try_from(site).ok());
            block.site = site.unwrap_or(block.site);
            site.is_some()
        });
        let lost = all - self.live.len();
        (self.live, lost as u64)
    }
}
