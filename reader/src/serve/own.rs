//! What the server itself takes, so that its users can see it.

#![forbid(unsafe_code)]

use crate::source::{process, resident};

/// Resident memory of this process.
pub fn resident_bytes() -> f64 {
    let resident = resident::of(std::process::id());
    resident.map_or(0.0, |resident| resident.bytes() as f64)
}

/// Processor time of this process.
pub fn cpu_seconds() -> f64 {
    let stat = process::stat(std::process::id());
    stat.map_or(0.0, |stat| stat.cpu_ns as f64 / 1e9)
}
