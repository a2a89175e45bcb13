//! What all processes of one version of a program did together.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::digest::reading::Reading;
use crate::digest::window::{Trace, Window};
use crate::history::State;
use crate::report::{Estimate, Unit};
use crate::statistics::interval::{Sums, difference};

/// A program of one build; what is not read yet is of no build.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The program's name.
    pub program: String,
    /// The build-id of its executable in hexadecimal; empty where it has none.
    pub build_id: String,
}

/// Digits of a build-id that are enough to tell builds apart.
const BUILD_DIGITS: usize = 12;

impl Version {
    /// The build, short enough for a column.
    pub fn short_build(&self) -> &str {
        self.build_id.get(..BUILD_DIGITS).unwrap_or(&self.build_id)
    }

    /// `server 4f2ac1`, or the name alone where there is no build-id.
    pub fn label(&self) -> String {
        match self.build_id.as_str() {
            "" => self.program.clone(),
            _ => format!("{} {}", self.program, self.short_build()),
        }
    }
}

/// What the processes of a version did in a window.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Processes that were seen.
    pub processes: u64,
    /// Of these, those that still ran.
    pub running: u64,
    /// Those that went through exit, or became another program.
    pub exited: u64,
    /// Those that are gone without a word.
    pub killed: u64,
    /// When it was seen first and last, ns since the Unix epoch.
    pub seen_unix_ns: Option<(u64, u64)>,
    /// How long its processes were seen, one after the other, ns.
    pub seen_ns: u64,
    /// What those that ran held at the end, bytes.
    pub live_bytes: u64,
    /// What of them was in memory, bytes.
    pub resident_bytes: u64,
    /// The most that one process held, bytes.
    pub peak_bytes: u64,
    /// Bytes that were allocated.
    pub allocated_bytes: u64,
    /// What was lost, counted.
    pub losses: u64,
    /// Processor time that memshim took, and that was used, seconds.
    pub cost_seconds: (f64, f64),
    /// The least that one of those that ran might still use, bytes.
    pub left_bytes: Option<u64>,
    gained: Sums,
    lost: Sums,
}

impl Program {
    /// What it gained, of the processes that did not give all back by their exit.
    pub fn growth(&self) -> Estimate {
        difference(&self.gained, &self.lost, Unit::Bytes)
    }

    /// What it allocated each second while it was seen; `None` of one moment.
    pub fn allocated_per_second(&self) -> Option<f64> {
        let (first, last) = self.seen_unix_ns?;
        let seconds = last.saturating_sub(first) as f64 / 1e9;
        (seconds > 0.0).then(|| self.allocated_bytes as f64 / seconds)
    }

    fn add(&mut self, trace: &Trace<'_>, reading: Option<&Reading>, window: Window) {
        let Some((first, last)) = trace.first().zip(trace.last()) else {
            return;
        };
        self.processes += 1;
        let seen_since = first.entry.unix_ns.max(window.since_unix_ns);
        let (from, to) = self
            .seen_unix_ns
            .unwrap_or((seen_since, last.entry.unix_ns));
        self.seen_unix_ns = Some((from.min(seen_since), to.max(last.entry.unix_ns)));
        self.seen_ns += trace.seen_ns(window);
        self.allocated_bytes += trace.allocated_bytes();
        self.peak_bytes = self.peak_bytes.max(trace.peak_live_bytes());
        let Some(reading) = reading else {
            return;
        };
        self.peak_bytes = self.peak_bytes.max(reading.peak_bytes);
        self.losses += reading.losses;
        self.cost_seconds.0 += reading.cost_seconds.0;
        self.cost_seconds.1 += reading.cost_seconds.1;
        match reading.state {
            State::Running | State::Unknown => {
                self.running += 1;
                self.live_bytes += last.entry.live_bytes;
                self.resident_bytes += last.entry.resident_bytes.unwrap_or(0);
                let left = self.left_bytes.into_iter().chain(reading.left_bytes);
                self.left_bytes = left.min();
            }
            State::Exited | State::Replaced => self.exited += 1,
            State::Killed => self.killed += 1,
        }
        if keeps_growth(reading.state) {
            for site in &reading.sites {
                self.gained.merge(&site.gained);
                self.lost.merge(&site.lost);
            }
        }
    }
}

/// Whether what a process gained counts: one that went through exit gave everything back.
pub fn keeps_growth(state: State) -> bool {
    !matches!(state, State::Exited | State::Replaced)
}

/// The version of a trace; unknown builds are of their own.
pub fn version_of(trace: &Trace<'_>, reading: Option<&Reading>) -> Version {
    Version {
        program: trace.process.program.clone(),
        build_id: reading.map_or_else(String::new, |reading| reading.build_id.clone()),
    }
}

/// All programs by version.
pub fn programs(
    traces: &[Trace<'_>],
    readings: &[Option<Reading>],
    window: Window,
) -> BTreeMap<Version, Program> {
    let mut programs: BTreeMap<Version, Program> = BTreeMap::new();
    for (trace, reading) in traces.iter().zip(readings) {
        let program = programs
            .entry(version_of(trace, reading.as_ref()))
            .or_default();
        program.add(trace, reading.as_ref(), window);
    }
    programs
}
