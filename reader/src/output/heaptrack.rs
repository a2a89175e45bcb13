//! The report as a heaptrack file, for `heaptrack_gui` and `heaptrack_print`.
//!
//! The form is version 3 of heaptrack's own, plain text that both open by any name: lines of a
//! letter and hexadecimal numbers. It knows events only, so the figures of each call stack become
//! the fewest events that have the same number of calls, and the same bytes live at the peak and
//! at the end; what happened in between is not told. Read in heaptrack's
//! `src/analyze/accumulatedtracedata.cpp`.

#![forbid(unsafe_code)]

mod plan;
mod traces;

use std::io::{self, BufWriter, Write};

use crate::output::clean::clean;
use crate::output::contents::{Process, has_sites, sites};
use crate::output::{Options, Output};
use crate::report::{Kind, Report, Section};
use plan::{Plan, Run};
use traces::Traces;

/// Events whose totals, peak, leaks and temporary allocations are those of the report.
pub struct Heaptrack;

impl Output for Heaptrack {
    fn name(&self) -> &'static str {
        "heaptrack"
    }

    fn about(&self) -> &'static str {
        "for heaptrack_gui and heaptrack_print"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "heaptrack"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        has_sites(section)
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        // Millions of lines of a few bytes; a buffer of known type takes them without a call
        // through `dyn`.
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let process = Process::of(report);
        let mut traces = Traces::default();
        let sites = sites(report);
        let with_traces = sites.iter().map(|site| (site, traces.of(site.stack)));
        let plan = Plan::of(&with_traces.collect::<Vec<_>>());
        writeln!(out, "v {HEAPTRACK_VERSION:x} {FILE_VERSION:x}")?;
        writeln!(out, "X {}", debuggee(&process, &plan))?;
        // Pages of 4 KiB; how many the machine has is not known, nor is what was resident.
        writeln!(out, "I 1000 0")?;
        traces.write(&mut out)?;
        for (size_bytes, trace) in &plan.infos {
            writeln!(out, "a {size_bytes:x} {trace:x}")?;
        }
        write_events(&plan, &process, &mut out)?;
        out.flush()
    }
}

const BUFFER_BYTES: usize = 64 << 10;

/// heaptrack 1.4.0, the first that writes version 3.
const HEAPTRACK_VERSION: u32 = 0x01_04_00;
const FILE_VERSION: u32 = 3;

/// The command line, the only text about the whole that heaptrack shows, and what to know of the
/// figures below it.
fn debuggee(process: &Process<'_>, plan: &Plan) -> String {
    let mut notes = vec!["by memshim".to_owned()];
    if process.is_sampled {
        notes.push("estimated from samples".to_owned());
    }
    if plan.calls_per_event > 1 {
        notes.push(format!(
            "every call here stands for {}, with their bytes",
            plan.calls_per_event
        ));
    }
    notes.push("only the peak and the end have their times".to_owned());
    let command_line = clean(process.command_line);
    format!("{command_line} [{}]", notes.join("; "))
}

/// First everything that was neither live at the peak nor at the end, then the peak, then the end.
fn write_events(plan: &Plan, process: &Process<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "c 0")?;
    for run in &plan.temporary {
        for _ in 0..run.count {
            write!(out, "+ {0:x}\n- {0:x}\n", run.info)?;
        }
    }
    write_overlapping(&plan.passing, out)?;
    writeln!(out, "c {:x}", process.peak_age_ns / NS_PER_MS)?;
    for run in plan.until_peak.iter().chain(&plan.surviving) {
        write_many('+', run, out)?;
    }
    for run in &plan.until_peak {
        write_many('-', run, out)?;
    }
    writeln!(out, "c {:x}", process.age_ns / NS_PER_MS)?;
    for run in &plan.since_peak {
        write_many('+', run, out)?;
    }
    Ok(())
}

const NS_PER_MS: u64 = 1_000_000;

fn write_many(sign: char, run: &Run, out: &mut impl Write) -> io::Result<()> {
    (0..run.count).try_for_each(|_| writeln!(out, "{sign} {:x}", run.info))
}

/// Blocks each of which is freed after the next was allocated: heaptrack calls a block temporary
/// when nothing happened between its allocation and its end.
fn write_overlapping(runs: &[Run], out: &mut impl Write) -> io::Result<()> {
    let mut pending = None;
    for run in runs {
        for number in 0..run.count {
            // It looks at the entry, not at the block, so neighbours take two entries in turns.
            let info = run.info + number % 2;
            writeln!(out, "+ {info:x}")?;
            if let Some(pending) = pending.replace(info) {
                writeln!(out, "- {pending:x}")?;
            }
        }
    }
    pending.map_or(Ok(()), |info| writeln!(out, "- {info:x}"))
}
