//! A profile that can be compared: figures by call stack, over one run or several.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use crate::comparison::{Key, key};
use crate::history::{History, Site, Sum};
use crate::report::{Stack, Unit};
use crate::session::{Request, Session};

/// What is compared of each call stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Bytes that live, or lived at the end.
    LiveBytes,
    /// Their blocks.
    LiveObjects,
    /// Bytes ever allocated.
    AllocatedBytes,
    /// Their blocks.
    AllocatedObjects,
    /// Bytes that lived when the process had most.
    PeakBytes,
    /// Their blocks.
    PeakObjects,
}

impl Measure {
    /// All of them, in the order of [`Row::figures`].
    pub const ALL: [Measure; 6] = [
        Measure::LiveBytes,
        Measure::LiveObjects,
        Measure::AllocatedBytes,
        Measure::AllocatedObjects,
        Measure::PeakBytes,
        Measure::PeakObjects,
    ];

    /// What programs call it, as in the table of sites.
    pub fn key(self) -> &'static str {
        match self {
            Measure::LiveBytes => "live_bytes",
            Measure::LiveObjects => "live_objects",
            Measure::AllocatedBytes => "allocated_bytes",
            Measure::AllocatedObjects => "allocated_objects",
            Measure::PeakBytes => "peak_live_bytes",
            Measure::PeakObjects => "peak_live_objects",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Measure::LiveBytes => "live",
            Measure::LiveObjects => "live objects",
            Measure::AllocatedBytes => "allocated",
            Measure::AllocatedObjects => "allocated objects",
            Measure::PeakBytes => "at peak",
            Measure::PeakObjects => "objects at peak",
        }
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        match self {
            Measure::LiveBytes | Measure::AllocatedBytes | Measure::PeakBytes => Unit::Bytes,
            Measure::LiveObjects | Measure::AllocatedObjects | Measure::PeakObjects => Unit::Count,
        }
    }

    /// The measure of the bytes of the same blocks.
    pub fn in_bytes(self) -> Measure {
        match self {
            Measure::LiveBytes | Measure::LiveObjects => Measure::LiveBytes,
            Measure::AllocatedBytes | Measure::AllocatedObjects => Measure::AllocatedBytes,
            Measure::PeakBytes | Measure::PeakObjects => Measure::PeakBytes,
        }
    }

    fn of(self, sums: &Sums) -> Quantity {
        let sum = match self.in_bytes() {
            Measure::LiveBytes => &sums.live,
            Measure::AllocatedBytes => &sums.allocated,
            _ => &sums.peak,
        };
        match self.unit() {
            Unit::Bytes => Quantity::bytes(sum),
            _ => Quantity::objects(sum),
        }
    }
}

/// One figure, and what is known about its uncertainty.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantity {
    /// The estimate; the mean where there were several runs.
    pub total: f64,
    /// How far sampling alone makes one run vary, as a variance; zero where it is exact.
    pub sampling_variance: f64,
    /// What was seen for certain in one run.
    pub seen: f64,
    /// How far the runs were from their mean, as the variance of one run; zero for a single run.
    pub run_variance: f64,
}

impl Quantity {
    /// A figure that nothing can make wrong, such as a limit.
    pub fn certain(total: f64) -> Quantity {
        Quantity {
            total,
            seen: total,
            ..Quantity::default()
        }
    }

    /// The bytes of a sum over samples.
    pub fn bytes(sum: &Sum) -> Quantity {
        Quantity {
            total: sum.bytes as f64,
            sampling_variance: sum.bytes_variance,
            seen: sum.raw_bytes as f64,
            run_variance: 0.0,
        }
    }

    /// The blocks of a sum over samples.
    pub fn objects(sum: &Sum) -> Quantity {
        Quantity {
            total: sum.objects(),
            sampling_variance: sum.objects_variance,
            seen: sum.raw_objects as f64,
            run_variance: 0.0,
        }
    }

    /// Both together, their samples being disjoint.
    pub fn plus(&self, other: &Quantity) -> Quantity {
        Quantity {
            total: self.total + other.total,
            sampling_variance: self.sampling_variance + other.sampling_variance,
            seen: self.seen + other.seen,
            run_variance: self.run_variance + other.run_variance,
        }
    }

    /// What is left when a part is taken away; never below nothing.
    pub(crate) fn minus(&self, part: &Quantity) -> Quantity {
        let rest = |whole: f64, part: f64| (whole - part).max(0.0);
        Quantity {
            total: rest(self.total, part.total),
            sampling_variance: rest(self.sampling_variance, part.sampling_variance),
            seen: rest(self.seen, part.seen),
            run_variance: self.run_variance,
        }
    }

    /// The mean of several runs of one thing, with how much they differ.
    fn mean(runs: &[Quantity]) -> Quantity {
        let count = runs.len().max(1) as f64;
        let mean = |part: fn(&Quantity) -> f64| runs.iter().map(part).sum::<f64>() / count;
        let total = mean(|run| run.total);
        let squares: f64 = runs.iter().map(|run| (run.total - total).powi(2)).sum();
        Quantity {
            total,
            sampling_variance: mean(|run| run.sampling_variance),
            seen: mean(|run| run.seen),
            run_variance: match runs.len() {
                0 | 1 => 0.0,
                _ => squares / (count - 1.0),
            },
        }
    }
}

/// What one call stack did.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stack with files and lines, where they are known.
    pub stack: Stack,
    /// Its figures, in the order of [`Measure::ALL`].
    pub figures: [Quantity; 6],
}

impl Row {
    /// One of its figures.
    pub fn figure(&self, measure: Measure) -> &Quantity {
        &self.figures[measure as usize]
    }

    pub(crate) fn add(&mut self, figures: &[Quantity; 6]) {
        for (own, other) in self.figures.iter_mut().zip(figures) {
            *own = own.plus(other);
        }
    }
}

/// Where a profile comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// The program.
    pub program: String,
    /// The file name of its executable, as keys have it.
    pub executable: String,
    /// The build-id of its executable in hexadecimal; empty where it has none.
    pub build_id: String,
    /// When it started, ns since the Unix epoch; 0 where that is not known.
    pub started_unix_ns: u64,
    /// Which process it was, if it was one: pid, start time, boot.
    pub process: Option<(u32, u64, [u64; 2])>,
}

/// Figures by call stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Where it comes from.
    pub origin: Origin,
    /// How many runs it is the mean of.
    pub runs: u32,
    /// The mean of bytes between samples, as far as it matters for what was not seen; 0 where
    /// every block was recorded.
    pub interval_bytes: f64,
    /// One row a call stack.
    pub rows: BTreeMap<Key, Row>,
    /// The sums over all rows, in the order of [`Measure::ALL`].
    pub totals: [Quantity; 6],
    /// The part of each total below which rows may have been merged into one, of 1.
    pub merged_share: f64,
}

/// What is added up of a site.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) live: Sum,
    pub(crate) allocated: Sum,
    pub(crate) peak: Sum,
}

impl Sums {
    fn of(site: &Site) -> Sums {
        Sums {
            live: site.live(),
            allocated: site.born(),
            peak: site.at_peak(),
        }
    }

    /// The same in the order of [`Row::figures`].
    pub(crate) fn figures(&self) -> [Quantity; 6] {
        Measure::ALL.map(|measure| measure.of(self))
    }
}

impl Profile {
    /// The profile of one process.
    pub fn of(session: &mut Session, request: &Request) -> Profile {
        let mut profile = Profile {
            runs: 1,
            ..Profile::default()
        };
        let mut sampled = Sum::default();
        for (index, stack) in session.named_sites(request) {
            let site = &session.history().sites.all[index];
            sampled = sampled.plus(&site.born());
            profile.add(Key::of(&stack), stack, &Sums::of(site).figures());
        }
        let history = session.history();
        profile.origin = origin(history);
        profile.interval_bytes = effective_interval(history, &sampled);
        profile.sum_up();
        profile
    }

    /// Adds the figures of a stack to the row of its key.
    pub fn add(&mut self, key: Key, stack: Stack, figures: &[Quantity; 6]) {
        let row = self.rows.entry(key).or_insert_with(|| Row {
            stack,
            figures: Default::default(),
        });
        row.add(figures);
    }

    /// Adds up the rows of a single run.
    pub fn sum_up(&mut self) {
        self.totals = Default::default();
        for row in self.rows.values() {
            for (total, figure) in self.totals.iter_mut().zip(&row.figures) {
                *total = total.plus(figure);
            }
        }
    }

    /// Adds another process of the same run.
    ///
    /// What was allocated and what was left add up; the peaks were at different times, so the
    /// larger of the two stands for both.
    pub fn add_process(&mut self, other: Profile) {
        let peak = Measure::PeakBytes as usize;
        let is_higher = other.totals[peak].total > self.totals[peak].total;
        if is_higher {
            self.origin = other.origin.clone();
        }
        self.forget_peaks(is_higher);
        self.interval_bytes = self.interval_bytes.max(other.interval_bytes);
        for (key, row) in other.rows {
            let mut figures = row.figures;
            if !is_higher {
                forget_peaks(&mut figures);
            }
            self.add(key, row.stack, &figures);
        }
        self.sum_up();
    }

    fn forget_peaks(&mut self, wanted: bool) {
        for row in self.rows.values_mut().filter(|_| wanted) {
            forget_peaks(&mut row.figures);
        }
    }

    /// The mean of several runs of one thing; `None` of none.
    pub fn mean(runs: Vec<Profile>) -> Option<Profile> {
        let first = runs.first()?;
        let nothing = Quantity::default();
        let keys: BTreeSet<&Key> = runs.iter().flat_map(|run| run.rows.keys()).collect();
        let row = |key: &Key| {
            let found: Vec<Option<&Row>> = runs.iter().map(|run| run.rows.get(key)).collect();
            let stack = found.iter().flatten().next()?.stack.clone();
            let figures = Measure::ALL.map(|measure| {
                let figure = |row: &Option<&Row>| row.map_or(nothing, |row| *row.figure(measure));
                Quantity::mean(&found.iter().map(figure).collect::<Vec<_>>())
            });
            Some((key.clone(), Row { stack, figures }))
        };
        let totals = Measure::ALL.map(|measure| {
            let totals: Vec<Quantity> = runs.iter().map(|run| *run.total(measure)).collect();
            Quantity::mean(&totals)
        });
        let intervals = runs.iter().map(|run| run.interval_bytes);
        Some(Profile {
            origin: first.origin.clone(),
            runs: runs.len() as u32,
            interval_bytes: intervals.fold(0.0, f64::max),
            rows: keys.into_iter().filter_map(row).collect(),
            totals,
            merged_share: 0.0,
        })
    }

    /// The sum of a measure over all rows.
    pub fn total(&self, measure: Measure) -> &Quantity {
        &self.totals[measure as usize]
    }

    /// Whether every block was recorded.
    pub fn is_exact(&self) -> bool {
        self.interval_bytes == 0.0
    }
}

fn forget_peaks(figures: &mut [Quantity; 6]) {
    figures[Measure::PeakBytes as usize] = Quantity::default();
    figures[Measure::PeakObjects as usize] = Quantity::default();
}

fn origin(history: &History) -> Origin {
    let identity = &history.process.identity;
    let executable = history
        .modules
        .all
        .iter()
        .find(|module| *module.path == *identity.executable);
    let build_id = executable.map(|module| hex(&module.build_id));
    Origin {
        program: identity.program().to_owned(),
        executable: key::module_name(base_name(&identity.executable)),
        build_id: build_id.unwrap_or_default(),
        started_unix_ns: history
            .clock
            .unix_ns(history.clock.start_ticks)
            .unwrap_or(0),
        process: Some((identity.pid, identity.start_time, identity.boot_id)),
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The interval at which the bytes were sampled that were not seen: `V / (Y - seen)`, which for
/// small blocks is T, and where T changed its mean over those bytes; never above the coarsest.
fn effective_interval(history: &History, sampled: &Sum) -> f64 {
    if history.intervals.are_exact() {
        return 0.0;
    }
    let coarsest = history.intervals.coarsest().bytes().unwrap_or(0) as f64;
    let unseen = sampled.bytes as f64 - sampled.raw_bytes as f64;
    let effective = sampled.bytes_variance / unseen;
    match effective > 0.0 && effective.is_finite() {
        true => effective.min(coarsest),
        false => coarsest,
    }
}
