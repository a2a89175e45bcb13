//! What could be changed at one call stack, and what that would gain.

#![forbid(unsafe_code)]

use crate::analysis::patterns::conduct::Conduct;
use crate::report::{Estimate, Unit};

/// What one call of malloc and one of free cost together, in nanoseconds: from a block in the
/// thread's cache to one that is merged, split and not in the processor's cache.
pub(super) const PAIR_NS: Cost = Cost {
    low: 20.0,
    high: 100.0,
};

/// What a block of memory costs, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Cost {
    /// The middle of a range of factors is its geometric mean.
    fn middle(self) -> f64 {
        (self.low * self.high).sqrt()
    }

    /// Both together.
    pub(super) fn plus(self, other: Cost) -> Cost {
        Cost {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }
}

/// One finding with its remedy.
#[derive(Debug, Clone)]
pub(super) struct Advice {
    /// The name of the rule that found it, for programs.
    pub(super) rule: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
    /// What was seen, with its numbers.
    pub(super) finding: String,
    /// Why that costs something.
    pub(super) why: &'static str,
    /// Of one processor core, in percent.
    pub(super) cpu_percent: Option<Estimate>,
    /// Memory.
    pub(super) bytes: Option<Estimate>,
}

impl Advice {
    /// By which advice is ranked: the lower end of its gain, in percent of a core or of the heap's
    /// peak, whichever is more.
    pub(super) fn rank(&self, heap_bytes: f64) -> f64 {
        let cpu = self.cpu_percent.map_or(0.0, |gain| gain.low);
        let memory = self
            .bytes
            .map_or(0.0, |gain| gain.low / heap_bytes.max(1.0) * 100.0);
        cpu.max(memory)
    }
}

/// The processor time that `calls` cost, each as much as `each`, over the time that was watched.
pub(super) fn cpu_percent(conduct: &Conduct<'_>, calls: &Estimate, each: Cost) -> Estimate {
    let most = conduct.cpu_percent.unwrap_or(f64::INFINITY);
    let percent = |calls: f64, cost_ns: f64| {
        let share = calls * cost_ns / conduct.seconds / 1e9;
        (share * 100.0).min(most)
    };
    Estimate::sampled(
        percent(calls.value, each.middle()),
        percent(calls.low, each.low),
        percent(calls.high, each.high),
        Unit::Percent,
    )
}

/// A number of calls in a second, for a sentence.
pub(super) fn rate(conduct: &Conduct<'_>, calls: f64) -> String {
    let each_second = calls / conduct.seconds;
    let (number, unit) = match each_second {
        rate if rate >= 1e6 => (rate / 1e6, " million"),
        rate if rate >= 1e3 => (rate / 1e3, " thousand"),
        rate => (rate, ""),
    };
    format!("{number:.1}{unit} a second")
}

/// A number of bytes, for a sentence.
pub(super) fn size(bytes: f64) -> String {
    let units = [
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1_024.0, "KiB"),
    ];
    let unit = units.iter().find(|(size, _)| bytes >= *size);
    unit.map_or_else(
        || format!("{bytes:.0} bytes"),
        |(size, name)| format!("{:.1} {name}", bytes / size),
    )
}
