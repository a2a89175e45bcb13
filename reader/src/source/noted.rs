//! What the shim noted of the process's memory while it lived.

#![forbid(unsafe_code)]

use memshim_abi::header::{at, limit};
use serde::{Deserialize, Serialize};

use crate::source::Segment;
use crate::source::limit::Whose;

/// The limit and the use of a process's memory, as its segment tells after its death too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// Whose limit was the least, and how much it is, bytes.
    pub limit: Option<(Whose, u64)>,
    /// Bytes in memory at the last look, some tens of milliseconds before the last sample.
    pub resident_bytes: Option<u64>,
    /// Bytes of addresses in use then.
    pub mapped_bytes: Option<u64>,
}

/// What somebody saw of a process's end who was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The signal that ended it, where its parent told.
    pub signal: Option<i32>,
    /// How many processes of its control group, or of the machine, the kernel killed for lack of
    /// memory between the last look at it alive and its end.
    pub oom_kills: u64,
}

impl Segment {
    /// What was noted; what is unknown or nonsense is left out.
    pub fn noted(&self) -> Noted {
        let word = |place| Some(self.header().word(place)).filter(|word| *word > 0);
        let whose = match self.header().word(at::LIMIT_WHOSE) {
            limit::CONTROL_GROUP => Some(Whose::ControlGroup),
            limit::ADDRESS_SPACE => Some(Whose::AddressSpace),
            _ => None,
        };
        Noted {
            limit: whose.zip(word(at::LIMIT_BYTES)),
            resident_bytes: word(at::RESIDENT_BYTES),
            mapped_bytes: word(at::MAPPED_BYTES),
        }
    }
}
