//! What sampling may cost and did cost, and which settings it was not told in a way it understood.

#![forbid(unsafe_code)]

use memshim_abi::header::{at, rejected};

use crate::source::Segment;

/// The names of the settings that a header can note as not understood.
const SETTINGS: &[(u64, &str)] = &[
    (rejected::INTERVAL, "MEMSHIM_INTERVAL"),
    (rejected::BUDGET, "MEMSHIM_BUDGET"),
    (rejected::MAX_SEGMENT, "MEMSHIM_MAX_SEGMENT"),
    (rejected::SEED, "MEMSHIM_SEED"),
    (rejected::GO_RATE, "MEMSHIM_GO_RATE"),
];

/// The header's figures about the cost of sampling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Processor time of the process at the last look, ns; 0 before the first.
    pub cpu_ns: u64,
    /// All that memshim took until then, what its own timing does not see estimated, ns.
    pub cost_ns: u64,
    /// What it may take in millionths of the processor time; `None` where the interval is fixed.
    pub budget_millionths: Option<u64>,
    /// Settings that stayed at their defaults because their values were not understood.
    pub rejected: Vec<&'static str>,
}

impl Segment {
    /// What the header says about the cost of sampling.
    pub fn cost(&self) -> Cost {
        let word = |place| self.header().word(place);
        let is_rejected = |(bit, _): &&(u64, &str)| word(at::REJECTED) & bit != 0;
        Cost {
            cpu_ns: word(at::CPU_NS),
            cost_ns: word(at::COST_NS),
            budget_millionths: Some(word(at::BUDGET)).filter(|budget| *budget > 0),
            rejected: SETTINGS
                .iter()
                .filter(is_rejected)
                .map(|(_, name)| *name)
                .collect(),
        }
    }
}
