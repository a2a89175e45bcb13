//! From the shim's clock ticks to time.

#![allow(unsafe_code)]

use memshim_abi::header::{Header, at, clock};

use crate::source::process;

/// What a segment tells about its clock, with what this machine adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Ticks when the segment was made.
    pub start_ticks: u64,
    /// CLOCK_MONOTONIC then, ns.
    pub start_monotonic_ns: u64,
    /// CLOCK_REALTIME then, ns since the Unix epoch.
    pub start_unix_ns: u64,
    /// Nanoseconds in a tick; `None` when nobody knows.
    pub ns_per_tick: Option<f64>,
    /// Ticks now, if the segment was made since this machine was started.
    pub now_ticks: Option<u64>,
}

impl Clock {
    /// The clock of a segment.
    ///
    /// A process that died within its first second may have left one reading only; where the
    /// counter still runs, now is the second.
    pub(crate) fn of(header: &Header) -> Clock {
        let told = header.clock();
        let is_counter = header.word(at::CLOCK_KIND) == clock::COUNTER;
        let boot_id = [header.word(at::BOOT_ID), header.word(at::BOOT_ID + 1)];
        let now_ns = monotonic_ns().filter(|_| process::boot_id() == Some(boot_id));
        let elapsed_ns = now_ns.map(|now| now.saturating_sub(told.start_monotonic_ns));
        let measured = || {
            let ns = elapsed_ns.filter(|_| is_counter)?;
            let ticks = counter()?.checked_sub(told.start_ticks)?;
            (ns > 0 && ticks > 0).then(|| ns as f64 / ticks as f64)
        };
        let ns_per_tick = told.ns_per_tick.or_else(measured);
        let elapsed_ticks = |ns: u64| Some((ns as f64 / ns_per_tick?) as u64);
        let now_ticks = elapsed_ns
            .and_then(elapsed_ticks)
            .map(|ticks| told.start_ticks.saturating_add(ticks));
        Clock {
            start_ticks: told.start_ticks,
            start_monotonic_ns: told.start_monotonic_ns,
            start_unix_ns: told.start_realtime_ns,
            ns_per_tick,
            now_ticks,
        }
    }

    /// How long `ticks` are; `None` when the clock is unknown.
    pub fn ns(&self, ticks: u64) -> Option<u64> {
        Some((ticks as f64 * self.ns_per_tick?) as u64)
    }

    /// How many ticks `ns` nanoseconds are; `None` when the clock is unknown.
    pub fn ticks(&self, ns: u64) -> Option<u64> {
        Some((ns as f64 / self.ns_per_tick?) as u64)
    }

    /// The moment `ticks`, in nanoseconds since the Unix epoch.
    pub fn unix_ns(&self, ticks: u64) -> Option<u64> {
        let elapsed_ns = self.ns(ticks.saturating_sub(self.start_ticks))?;
        Some(self.start_unix_ns.saturating_add(elapsed_ns))
    }
}

/// CLOCK_MONOTONIC now.
pub(crate) fn monotonic_ns() -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one timespec, and `time` is one that outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let ns = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec as u64);
    (result == 0).then_some(ns)
}

/// The counter that the shim reads where it can, on this processor.
#[cfg(target_arch = "x86_64")]
fn counter() -> Option<u64> {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    Some(unsafe { std::arch::x86_64::_rdtsc() })
}

/// The counter that the shim reads where it can; elsewhere the pairs of the segment must do.
#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<u64> {
    None
}
