//! The command line: subcommands and flags from the registries, and what each of them does.

#![forbid(unsafe_code)]

mod naming;
mod wanted;

use std::error::Error as _;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::analysis::ANALYSES;
use crate::error::Error;
use crate::frontend::terminal;
use crate::output::{OUTPUTS, Options, Output, can_draw, find, find_by_file_name, measure};
use crate::recording::reader::is_recording;
use crate::report::Report;
use crate::session::{Request, Session, recorded, target};
use crate::{check, clean, diff, digest, list, record, run, series, serve};

pub use naming::Naming;
pub use wanted::Wanted;

/// The exit status when the answer has what the question said must not be.
pub const STATUS_FOUND: u8 = 1;

/// The exit status when the input could not be read, or the answer not written.
pub const STATUS_UNREADABLE: u8 = 3;

/// Where an answer goes, and in which form.
#[derive(Debug, Clone, Args)]
pub struct Destination {
    /// Form of the answer; by default that of the file's extension, or else text
    #[arg(long, value_parser = format_names(), value_name = "FORMAT")]
    format: Option<String>,
    /// Write the answer to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which number a flame graph shows, such as live, allocated or peak
    ///
    /// Takes live, allocated, freed, peak, temporary and leaked for bytes; inuse_space,
    /// inuse_objects, alloc_space and alloc_objects as pprof has them; or the key of any column
    /// with numbers of the report's stacks, as --format json shows it. In a comparison a name means
    /// the change. Folded stacks have this number alone, pprof and speedscope show it first, and
    /// Markdown has the rows with most of it. By default it is the first number of the report.
    #[arg(long, value_name = "COLUMN")]
    measure: Option<String>,
}

/// What every analysis takes.
#[derive(Debug, Clone, Args)]
struct Question {
    /// Process id, segment file or recording; by default the newest segment of yours
    target: Option<String>,
    /// Switch the heap profile of a running Go program on, if it is off
    ///
    /// Sets the sampling rate of its runtime, one word in its memory, to one sample in 64 KiB; the
    /// program is not stopped. What it allocated before stays unknown.
    #[arg(long)]
    enable: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
}

/// The whole command line.
pub fn command() -> Command {
    let analyses = ANALYSES.iter().map(|entry| {
        let about = entry.command().get_about().cloned().unwrap_or_default();
        entry
            .augment(Question::augment_args(Command::new(entry.name)))
            .about(about)
    });
    Command::new("memshim-reader")
        .about("Answers about a program's heap, live or after its death")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(list::List::augment_args(Command::new("list")))
        .subcommand(run::Run::augment_args(Command::new("run")))
        .subcommands(analyses)
        .subcommand(record::Record::augment_args(Command::new("record")))
        .subcommand(digest::Digest::augment_args(Command::new("digest")))
        .subcommand(series::Series::augment_args(Command::new("series")))
        .subcommand(diff::Diff::augment_args(Command::new("diff")))
        .subcommand(check::Check::augment_args(Command::new("check")))
        .subcommand(serve::Serve::augment_args(Command::new("serve")))
        .subcommand(clean::Clean::augment_args(Command::new("clean")))
        .subcommand(terminal::Top::augment_args(Command::new("top")))
}

/// Does what was asked.
///
/// # Errors
///
/// Whatever kept it from answering; a question that was asked wrongly ends the process instead,
/// as clap does.
pub fn dispatch(matches: &ArgMatches) -> Result<ExitCode, Error> {
    match matches.subcommand() {
        Some(("list", matches)) => list::show(&parsed(matches)),
        Some(("clean", matches)) => clean::clean(&parsed(matches)),
        Some(("run", matches)) => run::run(&parsed(matches)),
        Some(("record", matches)) => record::record(&parsed(matches)),
        Some(("digest", matches)) => digest::digest(&parsed(matches)),
        Some(("series", matches)) => series::series(&parsed(matches)),
        Some(("diff", matches)) => diff::diff(&parsed(matches)),
        Some(("serve", matches)) => serve::serve(&parsed(matches)),
        Some(("check", matches)) => check::check(&parsed(matches)),
        Some(("top", matches)) => terminal::top(&parsed(matches)),
        Some((name, matches)) => answer(name, matches),
        None => Ok(ExitCode::from(STATUS_UNREADABLE)),
    }
}

fn answer(name: &str, matches: &ArgMatches) -> Result<ExitCode, Error> {
    let question: Question = parsed(matches);
    let request = question.wanted.request(&question.destination)?;
    let go_rate = question.enable.then_some(run::go::USUAL_RATE);
    let path = target::resolve_enabling(question.target.as_deref(), go_rate)?;
    let entry = crate::analysis::find(name).expect("every other subcommand is an analysis");
    let asked = entry.question(matches).unwrap_or_else(|error| error.exit());
    let mut session = match asked.window() {
        Some((since, until)) if is_recording(&path) => {
            recorded::between(&path, since, until, &request)?
        }
        _ => Session::open(&path, &request)?,
    };
    if let Some(time) = asked.watched() {
        session = watch(session, time, &request)?;
    }
    let report = session.ask(&request, &*asked);
    question.destination.write(&report, question.wanted.top)?;
    Ok(match report.findings {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(STATUS_FOUND),
    })
}

/// Watches a process, and says so to those who wait for the answer.
fn watch(session: Session, time: Duration, request: &Request) -> Result<Session, Error> {
    if io::stderr().is_terminal() {
        let pid = session.history().process.identity.pid;
        eprintln!("watching process {pid} for {:.1} s ...", time.as_secs_f64());
    }
    session.watch(time, request)
}

/// The flags of a subcommand, which clap has checked already.
fn parsed<A: FromArgMatches>(matches: &ArgMatches) -> A {
    A::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}

/// Whether the reader of our output went away, as `head` does when it has enough.
pub fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

/// An error with its causes and what to do, on one line whatever names it holds.
pub fn one_line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    if let Some(advice) = error.advice() {
        text.push_str(&format!(". {advice}"));
    }
    text.replace(char::is_control, " ")
}

impl Destination {
    /// The standard output, in this form or as text.
    pub fn standard_output(format: Option<String>) -> Destination {
        Destination {
            format,
            output: None,
            measure: None,
        }
    }

    /// The form of the answer.
    ///
    /// # Errors
    ///
    /// [`Error::NoFormat`] when there is none of this name.
    pub fn form(&self) -> Result<&'static dyn Output, Error> {
        let file_name = self.output.as_deref().and_then(Path::file_name);
        let by_file_name = file_name.and_then(|name| find_by_file_name(name.to_str()?));
        let name = match (&self.format, by_file_name) {
            (Some(name), _) => name.as_str(),
            (None, Some(output)) => return Ok(output),
            (None, None) => "text",
        };
        let known = || OUTPUTS.iter().map(|output| output.name()).collect();
        find(name).ok_or_else(|| Error::NoFormat {
            name: name.to_owned(),
            known: known(),
        })
    }

    /// Whether the form is made to be read and not to be processed.
    ///
    /// # Errors
    ///
    /// [`Error::NoFormat`] as [`Destination::form`].
    pub fn is_for_people(&self) -> Result<bool, Error> {
        Ok(self.form()?.name() == "text")
    }

    /// Writes the answer where it should go, with at most `top` rows where the form picks them.
    ///
    /// # Errors
    ///
    /// [`Error::CannotDraw`] when the form has no place for any of it, [`Error::NoMeasure`] when
    /// the report has not the column that was asked for, and [`Error::Write`].
    pub fn write(&self, report: &Report, top: Option<usize>) -> Result<(), Error> {
        let form = self.form()?;
        if !can_draw(form, report) {
            return Err(Error::CannotDraw {
                format: form.name(),
                report: report.name.clone(),
            });
        }
        if let Some(measure) = self
            .measure
            .as_ref()
            .filter(|it| !measure::is_in(report, it))
        {
            return Err(Error::NoMeasure {
                measure: measure.clone(),
                report: report.name.clone(),
                known: measure::all(report).into_iter().map(String::from).collect(),
            });
        }
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from("-"));
        let failed = |source| Error::Write { path, source };
        let options = Options {
            rows_max: top.unwrap_or(Options::default().rows_max),
            is_coloured: self.output.is_none() && wants_colour(),
            width: line_width(),
            measure: self.measure.clone(),
            source_root: source_root(),
            ..Options::default()
        };
        match &self.output {
            None => write_all(io::stdout().lock(), form, report, &options),
            Some(path) => {
                File::create(path).and_then(|file| write_all(file, form, report, &options))
            }
        }
        .map_err(failed)
    }
}

fn write_all(
    out: impl Write,
    form: &dyn Output,
    report: &Report,
    options: &Options,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    form.write(report, options, &mut out)?;
    out.flush()
}

/// Whether standard output is a terminal whose user did not ask for plain text
/// (<https://no-color.org>).
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Characters in a line, as the shell says, or what fits most screens.
fn line_width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    columns
        .filter(|columns| *columns >= 40)
        .unwrap_or(Options::default().width)
}

/// The repository that we stand in: where the CI system says it is, or else above.
fn source_root() -> Option<PathBuf> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").filter(|path| !path.is_empty());
    let above = || {
        let here = std::env::current_dir().ok()?;
        let root = here.ancestors().find(|path| path.join(".git").exists());
        root.map(Path::to_path_buf)
    };
    workspace.map(PathBuf::from).or_else(above)
}

fn format_names() -> clap::builder::PossibleValuesParser {
    let values = OUTPUTS
        .iter()
        .map(|output| clap::builder::PossibleValue::new(output.name()).help(output.about()));
    values.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_analysis_has_a_line_of_help() {
        for analysis in ANALYSES {
            assert!(
                analysis.command().get_about().is_some(),
                "{}",
                analysis.name
            );
        }
    }
}
