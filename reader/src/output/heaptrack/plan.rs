//! From the figures of call stacks to the events that have the same figures.
//!
//! ```text
//!                    start        peak         end
//! temporary          +-+-+-
//! passing            + +-+-+ -
//! until_peak                 +++++ -----
//! surviving                  +++++
//! since_peak                              +++++
//! ```
//!
//! What a stack held at the peak and at the end are the same blocks as far as that is possible,
//! since the fewer blocks there are, the less is made up.

#![forbid(unsafe_code)]

use crate::output::contents::{Amount, Site};

/// More calls than this are counted down, all by one factor: a file of a few million lines opens
/// in seconds.
const CALLS_MAX: f64 = 2_000_000.0;

/// Which events there are, by when they happen.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// How many calls of the program each call of the file stands for.
    pub calls_per_event: u64,
    /// Size in bytes and trace, which events name by place. The first is not used: heaptrack takes
    /// the end of a block of entry 0 for that of a temporary one after any other end.
    pub infos: Vec<(u64, usize)>,
    /// Freed directly after they were allocated.
    pub temporary: Vec<Run>,
    /// Freed before the peak, but not directly; each has two equal entries.
    pub passing: Vec<Run>,
    /// Allocated before the peak, freed after it.
    pub until_peak: Vec<Run>,
    /// Allocated before the peak, and live at the end.
    pub surviving: Vec<Run>,
    /// Allocated after the peak, and live at the end.
    pub since_peak: Vec<Run>,
}

/// Equal blocks of one call stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    /// Their entry in [`Plan::infos`].
    pub info: u64,
    /// How many they are.
    pub count: u64,
}

impl Plan {
    /// The events of these call stacks, each with the place of its trace.
    pub fn of(sites: &[(&Site<'_>, usize)]) -> Plan {
        let calls: f64 = sites.iter().map(|(site, _)| site.allocated.objects).sum();
        let total = |amount: fn(&Site<'_>) -> Amount| -> f64 {
            sites.iter().map(|(site, _)| amount(site).bytes).sum()
        };
        let mut plan = Plan {
            calls_per_event: ((calls / CALLS_MAX).ceil() as u64).max(1),
            ..Plan::default()
        };
        let mut rounding = Rounding::default();
        let most_bytes = total(|site| site.peak).max(total(|site| site.live));
        for (site, trace) in sites {
            let blocks = Blocks::of(site, plan.calls_per_event as f64, &mut rounding);
            plan.add(&blocks, *trace, most_bytes as u64);
        }
        plan.end_peak_apart();
        plan
    }

    fn add(&mut self, blocks: &Blocks, trace: usize, most_bytes: u64) {
        if self.infos.is_empty() {
            self.infos.push((0, trace));
        }
        self.until_peak
            .extend(runs(&mut self.infos, blocks.until_peak, trace));
        self.surviving
            .extend(runs(&mut self.infos, blocks.surviving, trace));
        self.since_peak
            .extend(runs(&mut self.infos, blocks.since_peak, trace));
        // Of the blocks before the peak two are live at a time, and two must not make a peak.
        let small = |mut blocks: Whole| {
            let size_max_bytes = most_bytes.saturating_sub(1) / 2;
            blocks.bytes = blocks
                .bytes
                .min(size_max_bytes.saturating_mul(blocks.objects));
            blocks
        };
        self.temporary
            .extend(runs(&mut self.infos, small(blocks.temporary), trace));
        for run in runs(&mut self.infos, small(blocks.passing), trace) {
            let first = self.infos.len() as u64;
            let entry = self.infos[run.info as usize];
            self.infos.extend([entry, entry]);
            self.passing.push(Run { info: first, ..run });
        }
    }

    /// Gives the last block before the peak an entry of its own where it is also freed: the first
    /// to be freed is another one then, and does not look temporary.
    fn end_peak_apart(&mut self) {
        let Some(last) = self.until_peak.last_mut() else {
            return;
        };
        if self.surviving.is_empty() && last.count > 1 {
            last.count -= 1;
            let (entry, info) = (self.infos[last.info as usize], self.infos.len() as u64);
            self.infos.push(entry);
            self.until_peak.push(Run { info, count: 1 });
        }
    }
}

/// Blocks as whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Whole {
    objects: u64,
    bytes: u64,
}

impl Whole {
    fn minus(self, other: Whole) -> Whole {
        Whole {
            objects: self.objects.saturating_sub(other.objects),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Whether these blocks can be among `others`: where they are all of them, all bytes are theirs.
    fn fits_into(self, others: Whole) -> bool {
        let is_all = self.objects == others.objects;
        self.objects <= others.objects
            && self.bytes <= others.bytes
            && (!is_all || self.bytes == others.bytes)
    }

    /// The bytes of the first `objects` of these blocks.
    fn bytes_of(self, objects: u64) -> u64 {
        let bytes = u128::from(self.bytes) * u128::from(objects) / u128::from(self.objects.max(1));
        u64::try_from(bytes).unwrap_or(self.bytes)
    }
}

/// The blocks of one call stack, by when they live.
#[derive(Debug, Default, PartialEq)]
struct Blocks {
    temporary: Whole,
    passing: Whole,
    until_peak: Whole,
    surviving: Whole,
    since_peak: Whole,
}

impl Blocks {
    fn of(site: &Site<'_>, calls_per_event: f64, rounding: &mut Rounding) -> Blocks {
        let allocated = rounding.whole(site.allocated, calls_per_event, 0);
        let [peak, live] = [(site.peak, 1), (site.live, 2)].map(|(amount, kind)| {
            let mut held = rounding.whole(amount, calls_per_event, kind);
            held.objects = held.objects.min(allocated.objects);
            if held.bytes > 0 {
                held.objects = held.objects.max(1);
            }
            held
        });
        let temporary = rounding.whole(site.temporary, calls_per_event, 3);
        let surviving = in_both(peak, live);
        let (until_peak, since_peak) = (peak.minus(surviving), live.minus(surviving));
        let held = [surviving, until_peak, since_peak];
        let freed_before = held.into_iter().fold(allocated, Whole::minus);
        let temporary = Whole {
            objects: temporary.objects.min(freed_before.objects),
            bytes: temporary.bytes.min(freed_before.bytes),
        };
        Blocks {
            temporary,
            passing: freed_before.minus(temporary),
            until_peak,
            surviving,
            since_peak,
        }
    }
}

/// The most blocks that can have been live both at the peak and at the end.
fn in_both(peak: Whole, live: Whole) -> Whole {
    if live.fits_into(peak) {
        return live;
    }
    if peak.fits_into(live) {
        return peak;
    }
    // One block on each side takes up the difference in bytes.
    let objects = peak.objects.min(live.objects).saturating_sub(1);
    Whole {
        objects,
        bytes: peak.bytes_of(objects).min(live.bytes_of(objects)),
    }
}

/// Rounds so that sums stay right: what one number loses the next of its kind gains.
#[derive(Debug, Default)]
struct Rounding {
    carried: [f64; 4],
}

impl Rounding {
    fn whole(&mut self, amount: Amount, calls_per_event: f64, kind: usize) -> Whole {
        let wanted = amount.objects / calls_per_event + self.carried[kind];
        let objects = wanted.round().max(0.0);
        self.carried[kind] = wanted - objects;
        Whole {
            objects: objects as u64,
            bytes: amount.bytes.round() as u64,
        }
    }
}

/// One run for each of the two neighbouring sizes that make up the bytes of `blocks` exactly.
fn runs(infos: &mut Vec<(u64, usize)>, blocks: Whole, trace: usize) -> Vec<Run> {
    let Some(size_bytes) = blocks.bytes.checked_div(blocks.objects) else {
        return Vec::new();
    };
    let larger = blocks.bytes % blocks.objects;
    let sizes = [
        (size_bytes + 1, larger),
        (size_bytes, blocks.objects - larger),
    ];
    let mut runs = Vec::new();
    for (size_bytes, count) in sizes {
        if count > 0 {
            let info = infos.len() as u64;
            infos.push((size_bytes, trace));
            runs.push(Run { info, count });
        }
    }
    runs
}
