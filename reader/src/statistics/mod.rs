//! How sure a number is that was estimated from a sample, and how surprising.

#![forbid(unsafe_code)]

pub mod cohorts;
pub mod discovery;
pub mod hazard;
pub mod interval;
pub mod onset;
pub mod quantiles;
pub mod rare;
pub mod survival;
