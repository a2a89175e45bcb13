//! `series`: how a recording's processes and call stacks went over time.

#![forbid(unsafe_code)]

mod curve;
mod processes;
mod sites;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::{Destination, Naming};
use crate::digest::window::{Since, Window};
use crate::error::Error;
use crate::moment::Moment;
use crate::recording::Recording;
use crate::report::{Body, Column, Estimate, Fact, Report, Section, Table, Unit, Value};

use curve::Curve;

/// Curves that are drawn apart; the rest is one.
const CURVES_USUAL: usize = 8;

/// What is drawn over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Metric {
    /// Bytes in live blocks
    Live,
    /// Bytes allocated each second
    Rate,
    /// Bytes of the process in memory
    Rss,
}

impl Metric {
    fn key(self) -> &'static str {
        match self {
            Metric::Live => "live_bytes",
            Metric::Rate => "allocated_bytes_per_second",
            Metric::Rss => "resident_bytes",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Metric::Live => "Live bytes",
            Metric::Rate => "Bytes allocated each second",
            Metric::Rss => "Bytes in memory",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Metric::Rate => Unit::BytesPerSecond,
            Metric::Live | Metric::Rss => Unit::Bytes,
        }
    }
}

/// What has a curve of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Each process
    Process,
    /// All processes of a program together
    Program,
    /// Each call stack of one process
    Site,
}

/// Draw a recording over time: live bytes, allocation rate or memory, by process or call stack
///
/// By process and program everything is in the index, so that a day of hundreds of processes is
/// drawn at once. By site some sixty snapshots of one process are unpacked, as many as a curve can
/// show; memory has no call stacks. Between two snapshots live bytes and memory stay what they were,
/// and what was allocated is spread evenly. A process has nothing before its first snapshot and
/// after its end.
///
/// The largest have curves of their own, the others one together. text draws them, csv and json
/// have every point.
#[derive(Debug, Args)]
pub struct Series {
    /// A recording: the directory of `record --output`, or a file of it
    directory: PathBuf,
    /// The process with this id, or those with this program name
    #[arg(long, value_name = "PROCESS")]
    process: Option<String>,
    /// What has a curve of its own
    #[arg(long, value_enum, default_value_t = By::Process)]
    by: By,
    /// What is drawn
    #[arg(long, value_enum, default_value_t = Metric::Live)]
    metric: Metric,
    /// Begin so long before the end, as 24h; or at a moment such as @14:05 in UTC
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    since: Option<Since>,
    /// End at this moment instead of at the recording's end
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    until: Option<Moment>,
    /// Show at most this many curves beside that of all others
    #[arg(long, short = 'n', value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    naming: Naming,
    #[command(flatten)]
    destination: Destination,
}

/// Writes the curves.
///
/// # Errors
///
/// Those of [`Recording::open`] and of [`Recording::process`], [`Error::Argument`] where memory is
/// wanted by call stack, and those of [`Destination::write`].
pub fn series(series: &Series) -> Result<ExitCode, Error> {
    let recording = Recording::open(&series.directory)?;
    let whole = "-100000d".parse().expect("a moment");
    let window = Window::of(
        recording.life(),
        series.since.unwrap_or(whole),
        series.until,
    );
    let (curves, note) = curves(series, &recording, window)?;
    let mut report = Report::new("series");
    let directory = Value::text(series.directory.to_string_lossy());
    report.target = vec![Fact::new("recording", "recording", directory)];
    report
        .sections
        .push(section(series.metric, &curves, series.top, note));
    series.destination.write(&report, series.top)?;
    Ok(ExitCode::SUCCESS)
}

fn curves(
    series: &Series,
    recording: &Recording,
    window: Window,
) -> Result<(Vec<Curve>, String), Error> {
    if series.by != By::Site {
        let wanted = series.process.as_deref();
        let is_by_program = series.by == By::Program;
        let curves = processes::curves(recording, window, wanted, is_by_program, series.metric);
        if let Some(wanted) = wanted.filter(|_| curves.is_empty()) {
            // The error of a process that is not there names those that are.
            recording.process(Some(wanted), None)?;
        }
        return Ok((curves, String::new()));
    }
    if series.metric == Metric::Rss {
        return Err(Error::Argument {
            argument: "--metric rss --by site".to_owned(),
            wanted: "possible: the kernel knows no call stacks; ask --by process",
        });
    }
    let request = series.naming.request();
    let key = recording.process(series.process.as_deref(), series.until)?;
    sites::curves(recording, &key, window, series.metric, &request)
}

/// One column a curve, the largest first, and the rest as one.
fn section(metric: Metric, curves: &[Curve], top: Option<usize>, note: String) -> Section {
    let mut order: Vec<&Curve> = curves.iter().filter(|curve| curve.most() > 0.0).collect();
    order.sort_by(|left, right| right.most().total_cmp(&left.most()));
    let count = top.unwrap_or(CURVES_USUAL).min(order.len());
    let (apart, others) = order.split_at(count);
    let mut drawn: Vec<Curve> = apart.iter().map(|curve| (*curve).clone()).collect();
    if let Some(rest) = Curve::sum("other", others) {
        drawn.push(rest);
    }
    if let (true, Some(all)) = (order.len() > 1, Curve::sum("all", &order)) {
        drawn.insert(0, all);
    }
    let mut table = Table::new(vec![Column::new("unix_ns", "time", Unit::Time)]);
    for (place, curve) in drawn.iter().enumerate() {
        let key = format!("{}_{}", metric.key(), curve.key(place));
        table
            .columns
            .push(Column::new(key, &*curve.title, metric.unit()));
    }
    let times = curves.first().map_or(&[][..], |curve| &curve.times);
    for (place, unix_ns) in times.iter().enumerate() {
        let mut row = vec![Value::Time(*unix_ns)];
        let values = drawn.iter().map(|curve| curve.values[place]);
        row.extend(values.map(|value| match metric {
            Metric::Live | Metric::Rss => Value::Bytes(value as u64),
            Metric::Rate => Estimate::exact(value, metric.unit()).into(),
        }));
        table.rows.push(row);
    }
    if drawn.is_empty() {
        table.rows.clear();
    }
    let plot = drawn
        .first()
        .map(|curve| format!("the plot is of {}", curve.title));
    let notes: Vec<String> = [Some(note), plot].into_iter().flatten().collect();
    let notes: Vec<String> = notes.into_iter().filter(|it| !it.is_empty()).collect();
    Section::new("series", metric.title(), Body::Series(table)).with_note(notes.join("; "))
}
