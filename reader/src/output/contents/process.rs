//! Whom the report is about, and when it began, held most and was looked at.

#![forbid(unsafe_code)]

use crate::output::contents::fact;
use crate::report::{Body, Report, Value};

/// The profiled process, as far as exports tell of it.
#[derive(Debug, Clone)]
pub(in crate::output) struct Process<'a> {
    pub pid: u64,
    pub program: &'a str,
    /// The command as a shell takes it; the program's name where that is not known.
    pub command_line: &'a str,
    /// When it started, ns since the Unix epoch.
    pub started_unix_ns: u64,
    /// From its start to the moment that the report is about.
    pub age_ns: u64,
    /// From its start to the moment when it held most; its end where that is not known.
    pub peak_age_ns: u64,
    /// Whether the figures are estimates from samples.
    pub is_sampled: bool,
}

impl Process<'_> {
    pub fn of(report: &Report) -> Process<'_> {
        let text = |name| match fact(&report.target, name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let started_unix_ns = nanoseconds(fact(&report.target, "started_unix_ns"));
        let peak_unix_ns = report.section("heap").and_then(|heap| match &heap.body {
            Body::Facts(facts) => fact(facts, "peak_unix_ns"),
            _ => None,
        });
        let age_ns = nanoseconds(fact(&report.target, "age_ns"));
        let peak_age_ns = match nanoseconds(peak_unix_ns) {
            0 => age_ns,
            peak => peak.saturating_sub(started_unix_ns).min(age_ns),
        };
        let program = text("program");
        Process {
            pid: match fact(&report.target, "pid") {
                Some(Value::Id(pid)) => *pid,
                _ => 0,
            },
            program,
            command_line: match text("command_line") {
                "" => program,
                command_line => command_line,
            },
            started_unix_ns,
            age_ns,
            peak_age_ns,
            is_sampled: !matches!(text("interval"), "exact" | ""),
        }
    }
}

/// A moment or a duration; 0 where it is not known.
fn nanoseconds(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Time(nanoseconds) | Value::Duration(nanoseconds)) => *nanoseconds,
        _ => 0,
    }
}
