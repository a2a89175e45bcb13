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
        let infos = &mut self.infos;
        let mut add = |runs: &mut Vec<Run>, blocks, entries| {
            runs.extend(runs_of(blocks, trace, entries, infos));
        };
        add(&mut self.until_peak, blocks.until_peak, 1);
        add(&mut self.surviving, blocks.surviving, 1);
        add(&mut self.since_peak, blocks.since_peak, 1);
        // Of the blocks before the peak two are live at a time, and two must not make a peak.
        let size_max_bytes = most_bytes.saturating_sub(1) / 2;
        add(
            &mut self.temporary,
            blocks.temporary.at_most(size_max_bytes),
            1,
        );
        add(&mut self.passing, blocks.passing.at_most(size_max_bytes), 2);
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

    /// The same blocks, none larger than this on the whole.
    fn at_most(self, size_max_bytes: u64) -> Whole {
        let bytes_max = size_max_bytes.saturating_mul(self.objects);
        Whole {
            bytes: self.bytes.min(bytes_max),
            ..self
        }
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
        let whole = |amount: Amount, carried: &mut f64| Whole {
            objects: carry(amount.objects / calls_per_event, carried),
            bytes: amount.bytes.round() as u64,
        };
        let allocated = whole(site.allocated, &mut rounding.allocated);
        let held = |amount: Amount, carried: &mut f64| {
            let held = whole(amount, carried);
            Whole {
                // A site holds no more than it allocated, but no bytes without a block.
                objects: held.objects.min(allocated.objects).max(held.bytes.min(1)),
                ..held
            }
        };
        let peak = held(site.peak, &mut rounding.peak);
        let live = held(site.live, &mut rounding.live);
        let temporary = whole(site.temporary, &mut rounding.temporary);
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

/// What rounding took from each kind of number so far, or gave it.
#[derive(Debug, Default)]
struct Rounding {
    allocated: f64,
    peak: f64,
    live: f64,
    temporary: f64,
}

/// Rounds so that sums stay right: what one number loses the next of its kind gains.
fn carry(number: f64, carried: &mut f64) -> u64 {
    let wanted = number + *carried;
    let rounded = wanted.round().max(0.0);
    *carried = wanted - rounded;
    rounded as u64
}

/// One run for each of the two neighbouring sizes that make up the bytes of `blocks` exactly; each
/// gets as many `entries`, one after the other.
fn runs_of(blocks: Whole, trace: usize, entries: usize, infos: &mut Vec<(u64, usize)>) -> Vec<Run> {
    let Some(size_bytes) = blocks.bytes.checked_div(blocks.objects) else {
        return Vec::new();
    };
    let larger = blocks.bytes % blocks.objects;
    let sizes = [
        (size_bytes + 1, larger),
        (size_bytes, blocks.objects - larger),
    ];
    let mut runs = Vec::new();
    for (size_bytes, count) in sizes.into_iter().filter(|(_, count)| *count > 0) {
        let info = infos.len() as u64;
        infos.extend(std::iter::repeat_n((size_bytes, trace), entries));
        runs.push(Run { info, count });
    }
    runs
}
