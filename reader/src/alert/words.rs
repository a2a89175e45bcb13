//! The sentences of an alert: what happened, and what a person can do about it.

#![forbid(unsafe_code)]

use crate::alert::kind::{Kind, Level};

/// What is known when an alert is told of.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Whose heap it is.
    pub program: &'a str,
    /// The machine's name.
    pub host: &'a str,
    /// What was measured.
    pub value: Level,
    /// What it was measured against.
    pub threshold: Option<Level>,
    /// What was lost, or what else belongs to it; may be empty.
    pub detail: &'a str,
}

impl Kind {
    /// One line: who, where, how much.
    pub fn summary(self, told: &Told<'_>) -> String {
        let Told {
            program,
            host,
            detail,
            ..
        } = told;
        let value = self.text(told.value);
        match self {
            Kind::LeakSuspected => format!("{program} on {host} leaks {value}"),
            Kind::ContainerGrowing => format!("A container of {program} on {host} grows {value}"),
            Kind::HeapGrowing => format!("The heap of {program} on {host} is {detail} and grows"),
            Kind::LiveAbove => match told.value {
                Level::ShareOfLimit(_) => format!("{program} on {host} has {value} live"),
                Level::Number(_) => format!("{program} on {host} has {value} live"),
            },
            Kind::LimitNear => format!("{program} on {host} meets its memory limit in {value}"),
            Kind::AllocationJump => {
                format!("{program} on {host} allocates {detail} a second, {value} as much as usual")
            }
            Kind::LosingData => format!("memshim loses {detail} of {program} on {host}"),
            Kind::TooExpensive => format!("memshim takes {value} of {program} on {host}"),
            Kind::MarkPassed => format!("{program} on {host} passed {detail}"),
            Kind::OutOfMemory => format!("{program} on {host} was killed: {detail}"),
        }
    }

    /// What it means and what to do; PID stands for the process.
    pub fn description(self) -> &'static str {
        match self {
            Kind::LeakSuspected => {
                "Blocks of at least one call stack stop dying once they have reached some age, \
                 while new ones keep coming. `memshim-reader leaks PID` shows the stack and the \
                 evidence."
            }
            Kind::ContainerGrowing => {
                "One block is replaced by a larger one again and again: a vector, table or buffer \
                 that is never emptied. `memshim-reader leaks --verdict growing-container PID` \
                 shows where."
            }
            Kind::HeapGrowing => {
                "It is half as large again as it was for 95 % of the last day. `memshim-reader \
                 growth --for 60s PID` shows which call stacks gained."
            }
            Kind::LiveAbove => {
                "`memshim-reader report PID` shows who holds it, `memshim-reader growth --for 60s \
                 PID` who gains."
            }
            Kind::LimitNear => {
                "At the pace of the last hour. The segment survives an OOM kill: `memshim-reader \
                 report PID` answers afterwards, too."
            }
            Kind::AllocationJump => {
                "`memshim-reader top PID`, then s until allocates is marked, shows who."
            }
            Kind::LosingData => {
                "Figures are lower bounds until that ends. `blocks_untracked` and `sites_full` \
                 want a larger MEMSHIM_MAX_SEGMENT, `storage_refused` a larger file system under \
                 MEMSHIM_DIR."
            }
            Kind::TooExpensive => {
                "With MEMSHIM_INTERVAL=auto it keeps to MEMSHIM_BUDGET, 0.5 % by default; a fixed \
                 interval or exact mode costs what it costs."
            }
            Kind::MarkPassed => {
                "The recording has a snapshot of that moment, which is kept as long as the \
                 recording is."
            }
            Kind::OutOfMemory => {
                "Its last state is in its segment and in the recording: `memshim-reader report \
                 PID` shows who held the memory and what had grown."
            }
        }
    }
}
