//! The blocks that are alive, each in 32 bytes, and what all sampled blocks tell about sites.

#![forbid(unsafe_code)]

use crate::history::SiteIndex;
use crate::source::{Interval, Issues, Kind, Segment, Slot, Weight};

/// Rows of sites whose smallest block is kept: more than a program has, little enough to allocate
/// for a segment that lies.
const ROWS_MAX: usize = 1 << 20;

/// Dead blocks that are kept of a segment whose program freed millions at its end: as many as a
/// ring has events.
const DEAD_MAX: usize = 1 << 17;

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

/// One sampled block that is dead, as its slot tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) address: u64,
    pub(crate) birth_ticks: u64,
    pub(crate) death_ticks: u64,
    pub(crate) size_bytes: u64,
    /// Rows in the segment: of its site, of the thread that allocated it, of the one that freed it.
    pub(crate) site: u32,
    pub(crate) thread: u32,
    pub(crate) freed_by: u32,
    pub(crate) slack_bytes: u32,
    pub(crate) interval: Interval,
    pub(crate) kind: Kind,
    /// Whether it was freed, and not only found dead.
    pub(crate) is_death_seen: bool,
}

impl Dead {
    fn of(slot: &Slot) -> Dead {
        Dead {
            address: slot.address,
            birth_ticks: slot.birth_ticks,
            death_ticks: slot.death_ticks,
            size_bytes: slot.size_bytes,
            site: slot.site,
            thread: slot.thread,
            freed_by: slot.freed_by,
            slack_bytes: slot.slack_bytes,
            interval: slot.interval,
            kind: slot.kind,
            is_death_seen: slot.is_death_seen(),
        }
    }
}

/// What the slots of a segment hold.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// The blocks that are alive; their sites are rows still.
    live: Vec<Block>,
    /// The blocks that are dead and whose slots were not used again yet.
    dead: Vec<Dead>,
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
        } else {
            self.dead.push(Dead::of(slot));
            if self.dead.len() >= 2 * DEAD_MAX {
                self.forget();
            }
        }
    }

    /// Lets go of all dead blocks but the latest [`DEAD_MAX`].
    fn forget(&mut self) {
        if self.dead.len() > DEAD_MAX {
            let latest_first = |dead: &Dead| std::cmp::Reverse(dead.death_ticks);
            self.dead.select_nth_unstable_by_key(DEAD_MAX, latest_first);
            self.dead.truncate(DEAD_MAX);
        }
    }

    /// The dead blocks, the latest of them where there are very many, in no order.
    pub(crate) fn take_dead(&mut self) -> Vec<Dead> {
        self.forget();
        std::mem::take(&mut self.dead)
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
