//! What an alert can be about: its name, its threshold, and what it tells a person to do.
//!
//! Names, thresholds, times and words are those of the alerts for Prometheus under `deploy/`, where
//! there are such; a test of these files holds both together.

#![forbid(unsafe_code)]

use serde::Deserialize;

use crate::output::format;
use crate::quantity;

const MINUTE_NS: u64 = 60_000_000_000;
const HOUR_NS: u64 = 60 * MINUTE_NS;
const MIB: f64 = 1_048_576.0;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Call stacks whose blocks stop dying.
    LeakSuspected,
    /// Blocks that are replaced by larger ones again and again.
    ContainerGrowing,
    /// The heap is far larger than on the day before, and rises.
    HeapGrowing,
    /// Much is live: of bytes, or of the memory limit.
    LiveAbove,
    /// The memory limit is met soon.
    LimitNear,
    /// Far more is allocated than on the day before.
    AllocationJump,
    /// memshim itself loses blocks, sites, threads or events.
    LosingData,
    /// memshim itself takes too much of the processor time.
    TooExpensive,
    /// A process passed a mark of `record --limit`.
    MarkPassed,
    /// A process was ended by the kernel because there was no memory left.
    OutOfMemory,
}

/// What a threshold is in, and so how it is written and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Bytes a day.
    BytesPerDay,
    /// So many times what is usual.
    Times,
    /// Bytes, or a share of the memory limit.
    BytesOrShare,
    /// A time that is left, ns.
    TimeLeft,
    /// Of 100.
    Percent,
    /// There is nothing to choose.
    Event,
}

/// A threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// A number in the scale's unit.
    Number(f64),
    /// A share of the memory limit, of 100.
    ShareOfLimit(f64),
}

impl Level {
    /// The number, whatever it is of.
    pub fn number(self) -> f64 {
        match self {
            Level::Number(number) | Level::ShareOfLimit(number) => number,
        }
    }

    /// The same level at another number.
    pub fn at(self, number: f64) -> Level {
        match self {
            Level::Number(_) => Level::Number(number),
            Level::ShareOfLimit(_) => Level::ShareOfLimit(number),
        }
    }
}

/// What holds where a rule says nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// What the alert is called.
    pub name: &'static str,
    /// What its threshold is in.
    pub scale: Scale,
    /// Its threshold; none where only the user can know it, or where there is none.
    pub level: Option<f64>,
    /// Below this it is never told of, bytes or bytes a second.
    pub at_least: Option<f64>,
    /// How long it must hold, ns.
    pub for_ns: u64,
    /// How bad it is.
    pub severity: &'static str,
}

impl Kind {
    /// All of them, in the order in which they are documented.
    pub const ALL: &[Kind] = &[
        Kind::LeakSuspected,
        Kind::ContainerGrowing,
        Kind::HeapGrowing,
        Kind::LiveAbove,
        Kind::LimitNear,
        Kind::AllocationJump,
        Kind::LosingData,
        Kind::TooExpensive,
        Kind::MarkPassed,
        Kind::OutOfMemory,
    ];

    /// The name in a file of rules.
    pub fn word(self) -> &'static str {
        match self {
            Kind::LeakSuspected => "leak-suspected",
            Kind::ContainerGrowing => "container-growing",
            Kind::HeapGrowing => "heap-growing",
            Kind::LiveAbove => "live-above",
            Kind::LimitNear => "limit-near",
            Kind::AllocationJump => "allocation-jump",
            Kind::LosingData => "losing-data",
            Kind::TooExpensive => "too-expensive",
            Kind::MarkPassed => "mark-passed",
            Kind::OutOfMemory => "out-of-memory",
        }
    }

    /// What holds where a rule says nothing else.
    pub fn usual(self) -> Usual {
        let (level, at_least) = self.usual_thresholds();
        let (minutes, severity) = match self {
            Kind::LeakSuspected => (10, "warning"),
            Kind::ContainerGrowing => (30, "warning"),
            Kind::HeapGrowing => (15, "warning"),
            Kind::LiveAbove => (5, "warning"),
            Kind::LimitNear => (10, "critical"),
            Kind::AllocationJump => (10, "info"),
            Kind::LosingData => (10, "warning"),
            Kind::TooExpensive => (15, "warning"),
            Kind::MarkPassed => (0, "warning"),
            Kind::OutOfMemory => (0, "critical"),
        };
        Usual {
            name: self.usual_name(),
            scale: self.scale(),
            level,
            at_least,
            for_ns: minutes * MINUTE_NS,
            severity,
        }
    }

    fn usual_name(self) -> &'static str {
        match self {
            Kind::LeakSuspected => "MemshimLeakSuspected",
            Kind::ContainerGrowing => "MemshimContainerGrowing",
            Kind::HeapGrowing => "MemshimHeapGrowingAbnormally",
            Kind::LiveAbove => "MemshimLiveAbove",
            Kind::LimitNear => "MemshimMemoryLimitNear",
            Kind::AllocationJump => "MemshimAllocationRateJump",
            Kind::LosingData => "MemshimLosesData",
            Kind::TooExpensive => "MemshimTooExpensive",
            Kind::MarkPassed => "MemshimMarkPassed",
            Kind::OutOfMemory => "MemshimOutOfMemory",
        }
    }

    fn scale(self) -> Scale {
        match self {
            Kind::LeakSuspected | Kind::ContainerGrowing => Scale::BytesPerDay,
            Kind::HeapGrowing | Kind::AllocationJump => Scale::Times,
            Kind::LiveAbove => Scale::BytesOrShare,
            Kind::LimitNear => Scale::TimeLeft,
            Kind::TooExpensive => Scale::Percent,
            Kind::LosingData | Kind::MarkPassed | Kind::OutOfMemory => Scale::Event,
        }
    }

    /// The threshold, and what must be reached besides.
    fn usual_thresholds(self) -> (Option<f64>, Option<f64>) {
        match self {
            Kind::LeakSuspected => (Some(16.0 * MIB), None),
            Kind::ContainerGrowing => (Some(256.0 * MIB), None),
            Kind::HeapGrowing => (Some(1.5), Some(64.0 * MIB)),
            Kind::LimitNear => (Some((4 * HOUR_NS) as f64), None),
            Kind::AllocationJump => (Some(3.0), Some(10.0 * MIB)),
            Kind::TooExpensive => (Some(2.0), None),
            Kind::LiveAbove | Kind::LosingData | Kind::MarkPassed | Kind::OutOfMemory => {
                (None, None)
            }
        }
    }

    /// Whether the alert is one moment, and not a state that holds and ends.
    pub fn is_moment(self) -> bool {
        matches!(self, Kind::MarkPassed | Kind::OutOfMemory)
    }

    /// Whether small values are the bad ones.
    pub fn is_below(self) -> bool {
        self == Kind::LimitNear
    }

    /// Reads a threshold of this kind.
    ///
    /// # Errors
    ///
    /// What is expected instead, for people.
    pub fn level(self, text: &str) -> Result<Level, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|it| *it >= 0.0);
        let share = text.trim().strip_suffix('%').and_then(number);
        match (self.usual().scale, share) {
            (Scale::BytesOrShare, Some(share)) => Ok(Level::ShareOfLimit(share)),
            (Scale::BytesOrShare, None) => quantity::bytes(text)
                .map(|bytes| Level::Number(bytes as f64))
                .map_err(|_| format!("{text:?} is neither a size such as 512MiB nor 80%")),
            (Scale::BytesPerDay, _) => {
                quantity::bytes(text).map(|bytes| Level::Number(bytes as f64))
            }
            (Scale::Times, _) => number(text)
                .map(Level::Number)
                .ok_or_else(|| format!("{text:?} is no number of times such as 1.5")),
            (Scale::TimeLeft, _) => quantity::duration_ns(text).map(|ns| Level::Number(ns as f64)),
            (Scale::Percent, _) => share
                .map(Level::Number)
                .ok_or_else(|| format!("{text:?} is no share such as 2%")),
            (Scale::Event, _) => Err(format!("{} has no threshold", self.word())),
        }
    }

    /// A value or threshold for people.
    pub fn text(self, level: Level) -> String {
        let number = level.number();
        match (self.usual().scale, level) {
            (_, Level::ShareOfLimit(share)) => format!("{share:.0} % of its memory limit"),
            (Scale::BytesPerDay, _) => format!("{} a day", format::bytes(number)),
            (Scale::Times, _) => format!("{number:.1} times"),
            (Scale::BytesOrShare | Scale::Event, _) => format::bytes(number),
            (Scale::TimeLeft, _) => format::duration(number),
            (Scale::Percent, _) => format!("{number:.1} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_thresholds_of_its_own_scale() {
        let check = |kind: Kind, text: &str, expected: Option<Level>| {
            assert_eq!(kind.level(text).ok(), expected, "{} {text}", kind.word());
        };
        check(
            Kind::LeakSuspected,
            "1MiB",
            Some(Level::Number(1_048_576.0)),
        );
        check(Kind::LiveAbove, "80%", Some(Level::ShareOfLimit(80.0)));
        check(Kind::LiveAbove, "2K", Some(Level::Number(2048.0)));
        check(Kind::LiveAbove, "much", None);
        check(Kind::LimitNear, "4h", Some(Level::Number(14_400e9)));
        check(Kind::LimitNear, "4", None);
        check(Kind::HeapGrowing, "1.5", Some(Level::Number(1.5)));
        check(Kind::HeapGrowing, "-1", None);
        check(Kind::TooExpensive, "2%", Some(Level::Number(2.0)));
        check(Kind::LosingData, "1", None);
    }
}
