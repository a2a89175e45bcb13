//! Finds the runtime's variables in an executable, stripped or not.

#![forbid(unsafe_code)]

pub mod code;
pub mod table;

use crate::source::go::{Refusal, Symbolizer};

/// Where the runtime keeps what is wanted, before any bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables {
    /// The pointer to the newest record.
    pub list: u64,
    /// The word that changes whenever records are moved from one garbage collection to the next.
    pub cycle: u64,
    /// The mean bytes between samples, 0 for none.
    pub rate: u64,
    /// The byte that makes the runtime clear the rate at its start; older linkers leave it out
    /// where the program uses its profile.
    pub disabled: Option<u64>,
}

/// Finds the variables: by their symbols, or by the code that uses them.
///
/// # Errors
///
/// [`Refusal::NotFound`] with the first that is missing.
pub fn variables(symbolizer: &Symbolizer) -> Result<Variables, Refusal> {
    let executable = symbolizer.executable();
    let by_symbol = |name| {
        let address = executable.symbol(name)?;
        executable.is_writable(address).then_some(address)
    };
    let named = [
        by_symbol("runtime.mbuckets"),
        by_symbol("runtime.mProfCycle"),
        by_symbol("runtime.MemProfileRate"),
    ];
    if let [Some(list), Some(cycle), Some(rate)] = named {
        return Ok(Variables {
            list,
            cycle,
            rate,
            disabled: by_symbol("runtime.disableMemoryProfiling"),
        });
    }
    code::variables(symbolizer)
}
