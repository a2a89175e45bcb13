//! How sure a number is that was estimated from a sample.

#![forbid(unsafe_code)]

pub mod interval;
pub mod onset;
pub mod quantiles;
pub mod survival;
