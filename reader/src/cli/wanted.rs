//! The flags that say what of a target counts, how much of the answer is wanted, and where names
//! come from.

#![forbid(unsafe_code)]

use std::ops::RangeInclusive;

use clap::Args;
use regex::Regex;

use crate::cli::{Destination, Naming};
use crate::error::Error;
use crate::moment::Moment;
use crate::quantity;
use crate::session::{Filter, Request};

/// Which part of the answer, and how its frames get their names.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// Show at most this many rows of each table
    #[arg(long, short = 'n', value_name = "N")]
    pub top: Option<usize>,
    /// Count only call stacks through a function whose name matches
    #[arg(long, value_name = "REGEX", help_heading = "What counts")]
    function: Option<Regex>,
    /// Count only call stacks through a module whose path matches
    #[arg(long, value_name = "REGEX", help_heading = "What counts")]
    module: Option<Regex>,
    /// Count only call stacks through a source file whose path matches
    #[arg(long, value_name = "REGEX", help_heading = "What counts")]
    source: Option<Regex>,
    /// Count only blocks allocated by threads whose name matches
    #[arg(long, value_name = "REGEX", help_heading = "What counts")]
    thread: Option<Regex>,
    /// Count only blocks of at least this size
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes, help_heading = "What counts")]
    min_size: Option<u64>,
    /// Count only blocks of at most this size
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes, help_heading = "What counts")]
    max_size: Option<u64>,
    /// Count only blocks that are at least so old, or were when they died
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration_ns, help_heading = "What counts")]
    min_age: Option<u64>,
    /// Count only blocks that are at most so old, or were when they died
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration_ns, help_heading = "What counts")]
    max_age: Option<u64>,
    /// Count only blocks born since then: 90s after the start, -5m before the end, @14:05 in UTC
    #[arg(
        long,
        value_name = "MOMENT",
        allow_hyphen_values = true,
        help_heading = "What counts"
    )]
    born_since: Option<Moment>,
    /// Count only blocks born until then
    #[arg(
        long,
        value_name = "MOMENT",
        allow_hyphen_values = true,
        help_heading = "What counts"
    )]
    born_until: Option<Moment>,
    /// Of a recording: as it was then, -5m before its end, @14:05 in UTC
    #[arg(
        long,
        value_name = "MOMENT",
        allow_hyphen_values = true,
        help_heading = "Recordings"
    )]
    at: Option<Moment>,
    /// Of a recording: the process with this id or program name
    #[arg(long, value_name = "PROCESS", help_heading = "Recordings")]
    process: Option<String>,
    #[command(flatten)]
    naming: Naming,
}

impl Wanted {
    /// The request that these flags make for an answer that goes to `destination`.
    ///
    /// # Errors
    ///
    /// [`Error::NoFormat`] as [`Destination::form`].
    pub fn request(&self, destination: &Destination) -> Result<Request, Error> {
        let is_picked_later = destination.form()?.picks_rows();
        Ok(Request {
            top: self.top.filter(|_| !is_picked_later),
            filter: self.filter(),
            at: self.at,
            process: self.process.clone(),
            is_for_people: destination.is_for_people()?,
            ..self.naming.request()
        })
    }

    fn filter(&self) -> Filter {
        Filter {
            function: self.function.clone(),
            module: self.module.clone(),
            source: self.source.clone(),
            thread: self.thread.clone(),
            size_bytes: range(self.min_size, self.max_size),
            age_ns: range(self.min_age, self.max_age),
            born_since: self.born_since,
            born_until: self.born_until,
        }
    }
}

/// The numbers between two ends; `None` where neither was given.
fn range(least: Option<u64>, most: Option<u64>) -> Option<RangeInclusive<u64>> {
    (least.is_some() || most.is_some()).then(|| least.unwrap_or(0)..=most.unwrap_or(u64::MAX))
}
