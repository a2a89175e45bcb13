//! What stays in front of people and keeps showing: each frontend owns a loop of its own.
//!
//! Frontends may use `session`, `analysis`, `report` and `output`, and nobody imports them but the
//! subcommands that start them.

#![forbid(unsafe_code)]

pub mod http;
pub mod terminal;
