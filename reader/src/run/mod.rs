//! `run`: starts a program under the shim, waits for it, and reports on it.
//!
//! The program comes first: whatever goes wrong here, it runs as it would without memshim, and
//! its exit status is ours.

#![deny(unsafe_code)]

pub(crate) mod family;
pub(crate) mod go;
pub(crate) mod launch;
mod library;
mod program;
pub(crate) mod signals;
mod trace;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::analysis::{self, ANALYSES};
use crate::cli::{Destination, Wanted, is_closed_pipe, one_line};
use crate::error::Error;
use crate::run::launch::{Launch, Settings};
use crate::session::Session;

/// Run a program under memshim and report on it when it ends
#[derive(Debug, Args)]
pub struct Run {
    /// Mean bytes between samples, such as 512K; `exact` for every block, `auto` for what is cheap
    #[arg(long, value_name = "BYTES", value_parser = interval)]
    interval: Option<String>,
    /// The length that a segment may reach, such as 256M
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_segment: Option<String>,
    /// Mean bytes between samples of a Go program's own heap; 64K by default
    ///
    /// Go's runtime samples by itself; memshim switches that on where the program does not look at
    /// its profile, and leaves the program's own rate alone where it does.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    go_rate: Option<u64>,
    /// What to report
    #[arg(long, value_name = "NAME", default_value = "report", value_parser = analysis_names())]
    report: String,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
    /// The program and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    command: Vec<OsString>,
}

/// Runs the program and then writes the report.
///
/// # Errors
///
/// [`Error::NoShim`] before the program is started, for nothing was asked that could be done
/// without it; and [`Error::Spawn`] where the system cannot start the program for another reason
/// than that it is not there.
pub fn run(run: &Run) -> Result<ExitCode, Error> {
    let request = run.wanted.request(&run.destination)?;
    let mut settings = Settings {
        go_rate: run.go_rate,
        ..Settings::default()
    };
    settings.shim.extend(
        run.interval
            .iter()
            .map(|text| ("MEMSHIM_INTERVAL", text.as_str())),
    );
    let segment_bytes = run.max_segment.iter();
    settings
        .shim
        .extend(segment_bytes.map(|text| ("MEMSHIM_MAX_SEGMENT", text.as_str())));
    let ended = match launch::to_its_end(&run.command, &settings)? {
        Launch::Ended(ended) => ended,
        Launch::NotStarted(status) => return Ok(ExitCode::from(status)),
    };
    match family::heaviest(ended.run) {
        Some(found) => {
            let written = Session::open(&found.path, &request)
                .and_then(|mut session| write(run, &mut session, &request));
            if let Err(error) = written
                && !is_closed_pipe(&error)
            {
                say(&format!("no report: {}", one_line(&error)));
            }
            if found.programs > 1 {
                say(&format!(
                    "of the {} programs that were recorded, this is the one that allocated the \
                     most, process {}; `memshim-reader list` shows all",
                    found.programs, found.pid
                ));
            }
        }
        None if !ended.is_obstructed => say(&format!(
            "no report: {} left no segment; it may have been told not to, or found no room in {}",
            Path::new(&run.command[0]).display(),
            crate::source::directory::places_text(),
        )),
        None => {}
    }
    Ok(ExitCode::from(ended.code()))
}

fn write(run: &Run, session: &mut Session, request: &crate::session::Request) -> Result<(), Error> {
    let entry = analysis::find(&run.report).expect("clap knows the names");
    let question = entry
        .default_question()
        .unwrap_or_else(|error| error.exit());
    let report = session.ask(request, &*question);
    run.destination.write(&report, run.wanted.top)
}

/// One line beside the program's output.
pub(crate) fn say(line: &str) {
    eprintln!("memshim-reader: {line}");
}

fn analysis_names() -> clap::builder::PossibleValuesParser {
    ANALYSES
        .iter()
        .map(|entry| entry.name)
        .collect::<Vec<_>>()
        .into()
}

/// An interval as the shim takes it; the shim itself could not tell anybody that it is none.
pub(crate) fn interval(text: &str) -> Result<String, &'static str> {
    match text {
        "auto" | "exact" => Ok(text.to_owned()),
        _ => {
            size(text).map_err(|_| "not `auto`, not `exact` and not a number of bytes such as 512K")
        }
    }
}

/// A number of bytes, at least one.
fn bytes(text: &str) -> Result<u64, &'static str> {
    const PROBLEM: &str = "not a number of bytes such as 64K";
    let size = size(text).map_err(|_| PROBLEM)?;
    let digits = size.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| PROBLEM)?;
    let shift = match size
        .as_bytes()
        .get(digits.len())
        .map(u8::to_ascii_uppercase)
    {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => 0,
    };
    let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
    bytes.ok_or(PROBLEM)
}

/// A number of bytes as the shim takes it: digits and K, M, G or T with or without iB or B.
fn size(text: &str) -> Result<String, &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, suffix) = text.split_at(digits);
    let unit = suffix.to_ascii_uppercase();
    let unit = unit
        .strip_suffix("IB")
        .or(unit.strip_suffix('B'))
        .unwrap_or(&unit);
    let is_size = number.parse::<u64>().is_ok() && matches!(unit, "" | "K" | "M" | "G" | "T");
    let is_known = is_size && !suffix.eq_ignore_ascii_case("iB");
    is_known
        .then(|| text.to_owned())
        .ok_or("not a number of bytes such as 512K")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_size: bool, is_interval: bool) {
        assert_eq!(size(text).is_ok(), is_size, "{text}");
        assert_eq!(interval(text).is_ok(), is_interval, "{text}");
    }

    #[test]
    fn sizes_are_what_the_shim_understands() {
        for text in ["1", "512K", "512k", "4MiB", "4mb", "1G", "12B"] {
            check(text, true, true);
        }
        for text in [
            "",
            "K",
            "512X",
            "512 K",
            "-1",
            "1iB",
            "99999999999999999999",
        ] {
            check(text, false, false);
        }
        check("exact", false, true);
        check("auto", false, true);
    }
}
