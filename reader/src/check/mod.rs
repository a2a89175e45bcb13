//! `check`: limits on a program's heap, and what broke them, for people and for CI.

#![forbid(unsafe_code)]

mod budget;
mod judge;
mod limit;
mod section;
mod trial;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use crate::analysis::suppressions::{self, Suppressions};
use crate::baseline;
use crate::check::budget::Budget;
use crate::check::judge::{Verdict, judge};
use crate::check::limit::{Growth, Limits};
use crate::check::trial::{Outcome, Plan, Trial};
use crate::cli::{Destination, Wanted};
use crate::comparison::{Comparison, Profile};
use crate::error::Error;
use crate::report::Report;
use crate::run::{interval, say};
use crate::session::{Request, target};

/// The exit status when a limit is broken.
const STATUS_BROKEN: u8 = 1;

/// How much more than the baseline is allowed where nobody says it, of 1.
const USUAL_GROWTH: f64 = 0.05;

/// Check a command or a target against limits and a baseline, and say what broke them
///
/// `check --write-baseline FILE -- CMD` records what a command does now, and
/// `check --baseline FILE -- CMD` tells later whether it does more. A baseline is JSON that is
/// made to live in the repository. `--budget FILE` reads limits from TOML, for the whole program
/// and, under `[[site]]`, for functions, modules and source files.
///
/// The command runs in exact mode, so a deterministic program always gives the same figures. One
/// that does not is run several times (`--runs 5`, for the baseline too): the variance between the
/// runs is estimated and Welch's t-test at 5 % decides whether a limit is broken, corrected by
/// Benjamini and Hochberg where many call stacks are tested. It assumes that runs are independent
/// and differ about normally. What is above a limit but may be chance is `uncertain`, which does
/// not fail. With `--interval` blocks are sampled, and that variance counts too.
///
/// All processes that the command starts count, unless --program names one: what they allocate and
/// leave is added up, call stack by call stack, and the peak is that of the one with the highest.
/// Their segments are removed afterwards.
///
/// Exit status: 0 all within limits, 1 a limit is broken, 2 wrong usage, 3 something cannot be
/// read or nothing was recorded. A command that fails is never within limits: then nothing is
/// compared or written, standard error says so, the report has the broken check `command`, and the
/// exit status is that of the command.
#[derive(Debug, Args)]
pub struct Check {
    /// Process id or segment file to check in the place of a command; by default your newest segment
    #[arg(conflicts_with = "command")]
    target: Option<String>,
    /// Compare with this baseline
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what was found as a baseline
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// Read more limits from this file; the command line's go first
    #[arg(long, value_name = "FILE")]
    budget: Option<PathBuf>,
    /// Do not count as left what the file says, in LeakSanitizer's syntax; may be given several times
    #[arg(long, value_name = "FILE", value_parser = suppressions::read)]
    suppressions: Vec<Suppressions>,
    /// Run the command this many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Mean bytes between samples; `exact` counts every block
    #[arg(long, value_name = "BYTES", default_value = "exact", value_parser = interval)]
    interval: String,
    /// Count only processes of the program of this name
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Checks and writes the answer.
///
/// # Errors
///
/// Whatever kept it from reading a file or from running the command.
pub fn check(check: &Check) -> Result<ExitCode, Error> {
    let request = check.wanted.request(&check.destination)?;
    let mut budget = match &check.budget {
        Some(path) => Budget::read(path)?,
        None => Budget::default(),
    };
    let before = check.baseline.as_deref().map(baseline::read).transpose()?;
    let mut limits = check.limits.clone().or(std::mem::take(&mut budget.limits));
    if before.is_some() && limits.max_growth.is_none() {
        limits.max_growth = Some(Growth::Share(USUAL_GROWTH));
    }
    check.refuse_to_check_nothing(&limits, &budget);
    let trial = match check.trial(&request)? {
        Outcome::Recorded(trial) => *trial,
        Outcome::Failed { code, message } => {
            say(&message);
            let report = section::failed(code, &message);
            check.destination.write(&report, None)?;
            return Ok(ExitCode::from(code));
        }
    };
    if let Some(path) = &check.write_baseline {
        baseline::write(path, &trial.profile)?;
        say(&format!("the baseline is in {}", path.display()));
    }
    check.answer(&request, &limits, &budget, before, &trial)
}

impl Check {
    fn trial(&self, request: &Request) -> Result<Outcome, Error> {
        if self.command.is_empty() {
            let path = target::resolve(self.target.as_deref())?;
            let trial = trial::of_target(&path, request)?;
            return Ok(Outcome::Recorded(Box::new(trial)));
        }
        let plan = Plan {
            command: &self.command,
            runs: self.runs,
            interval: &self.interval,
            program: self.program.as_deref(),
        };
        trial::of_command(&plan, request)
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        budget: &Budget,
        before: Option<Profile>,
        trial: &Trial,
    ) -> Result<ExitCode, Error> {
        let has_baseline = before.is_some();
        // Without a baseline all is new, and limits are on what is there.
        let before = before.unwrap_or_else(|| trial.nothing());
        let comparison = Comparison::of(&before, &trial.profile);
        let suppressions = self
            .suppressions
            .iter()
            .fold(Suppressions::builtin(), |all, more| all.and(more));
        let findings = judge(
            limits,
            budget,
            trial,
            &comparison,
            has_baseline,
            &suppressions,
        );
        let mut report: Report = trial.report.clone();
        let compared = has_baseline.then_some(&comparison);
        report
            .sections
            .extend(section::sections(&findings, compared, trial, request));
        let broken = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Broken);
        if !self.destination.is_for_people()? {
            // The answer may go to a file that nobody looks at before they know this.
            broken.clone().for_each(|finding| say(&finding.message));
        }
        self.destination.write(&report, None)?;
        match broken.count() {
            0 => Ok(ExitCode::SUCCESS),
            _ => Ok(ExitCode::from(STATUS_BROKEN)),
        }
    }

    /// Ends the process, as clap does, when every answer would be that all is well.
    fn refuse_to_check_nothing(&self, limits: &Limits, budget: &Budget) {
        let has_limits = !limits.is_empty() || !budget.sites.is_empty();
        let grows_from = self.baseline.is_none() && limits.max_growth.is_some();
        let problem = match (has_limits, grows_from && self.write_baseline.is_none()) {
            (_, true) => "growth needs a --baseline to grow from",
            (false, _) if self.write_baseline.is_none() => {
                "nothing to check: give a limit such as --max-leak 0, a --budget or a --baseline"
            }
            _ => return,
        };
        crate::cli::command()
            .error(ErrorKind::MissingRequiredArgument, problem)
            .exit()
    }
}

impl Trial {
    /// What there is before anything was allocated, known for certain.
    fn nothing(&self) -> Profile {
        Profile {
            runs: 0,
            ..Profile::default()
        }
    }
}
