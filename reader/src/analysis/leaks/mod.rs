//! Which sites leak, with the evidence; and what is still live, with its age.

#![forbid(unsafe_code)]

pub mod class;
pub mod collected;
pub mod container;
pub mod detector;
mod evidence;
mod findings;
mod rate;
mod table;

use std::time::Duration;

use clap::Args;

use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::Verdict;
use crate::analysis::leaks::table::Choice;
use crate::analysis::suppressions::{self, Suppressions};
use crate::analysis::{Analysis, Subject};
use crate::report::{Estimate, Report, Section};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// Call stacks that leak or grow, with the evidence, and all else that is still live
///
/// A leak is a call stack whose blocks stop dying once they have reached some age, while new ones
/// keep reaching it. That is judged from one segment, live or post mortem: lifetimes of the blocks
/// that died, ages of those that are alive, and when those were born. Every call stack gets one
/// verdict:
///
///   leak               blocks that reach a certain age die no more, or at less than half the rate
///                      of younger ones, with a tail index below one, the least with which any
///                      population stops growing; and they keep coming. Found at a false discovery
///                      rate of 5 % over all call stacks (Benjamini and Hochberg)
///   growing-container  one block that is replaced by a larger one again and again, by realloc or
///                      by malloc and free, and was until lately
///   too-little-data    old blocks that may be leaked or only live long; or a program that ran less
///                      than a second, or a call stack that is new
///   bounded-cache      blocks are kept, but no more are added; or all are kept for much the same
///                      time (a fixed capacity, a time to live)
///   long-lived-churn   blocks live for a twentieth of the run or more, and die
///   startup-resident   nearly all that is alive was born in the first tenth of the call stack's
///                      life
///   churn              blocks come and go
///
/// Assumed is that blocks die independently of each other, and that the future is like the past: a
/// program that builds something up for as long as it runs looks like a leak, since it is one as
/// far as anybody can see yet. A leak of R bytes a second needs some five survivors, which it has
/// after five sampling intervals' bytes: at 512 KiB, 1 KiB/s takes 43 minutes, 100 KiB/s 26 s.
///
/// `live` is what is alive now, leaked or not. `survivors` are the sampled blocks that are older
/// than the age in `older than`, by when they were born: in the first, second and last third of the
/// time. `younger live` is how long blocks live on average before that age, `older at least` how
/// long the survivors must, 95 % sure. `chance` is that of as much evidence without a leak, adjusted
/// for the number of call stacks. `limit in` is when the rate meets the limit of memory: that of the
/// control group, of the address space or of the machine, whichever has least left.
///
/// Of a Go program nothing is known of single blocks. There a call stack leaks when each garbage
/// collection leaves more of it alive than the one before, surely beyond the chance of the sample,
/// and still does so in the last third of the time. That is looked at once a second at most, so
/// watch it with --for, or run it under `run` or `record`.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Leaks {
    /// Watch a running process for so long before answering: 60s, 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::quantity::duration_ns)]
    watched_ns: Option<u64>,
    /// Leave out sites with fewer live bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    at_least: u64,
    /// Show only call stacks with this verdict; may be given several times
    #[arg(long, value_name = "NAME", value_parser = class_names())]
    verdict: Vec<String>,
    /// End with status 1 if there is a leak or a growing container
    #[arg(long)]
    fail: bool,
    /// End with status 1 if anything is still live at all, whatever its verdict
    ///
    /// That is what LeakSanitizer's users expect of a program that has ended, except that here a
    /// block counts although something may still point to it.
    #[arg(long)]
    fail_on_live: bool,
    /// Leave out what the file says, in LeakSanitizer's syntax; may be given several times
    ///
    /// A line is `leak:PATTERN`, matched against the function, source file and module of every
    /// frame; `*` stands for anything, `^` and `$` for the two ends.
    #[arg(long, value_name = "FILE", value_parser = suppressions::read)]
    suppressions: Vec<Suppressions>,
    /// Show what the C and C++ libraries and the loader keep for themselves, too
    #[arg(long)]
    no_builtin_suppressions: bool,
}

impl Analysis for Leaks {
    const NAME: &'static str = "leaks";

    fn watched(&self) -> Option<Duration> {
        self.watched_ns.map(Duration::from_nanos)
    }

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let verdicts = verdicts(subject);
        // What is suppressed is known only when frames have names, so nothing may be left out yet
        // where that decides about success.
        let choice = Choice {
            rows_max: match self.needs_all() {
                true => usize::MAX,
                false => subject.rows_max(USUAL_ROWS),
            },
            has_all_alarms: true,
            at_least: self.at_least,
            classes: self.classes(),
        };
        vec![table::section(subject, &verdicts, &choice)]
    }

    fn finish(&self, subject: &Subject<'_>, report: &mut Report) {
        let mut rules = self
            .suppressions
            .iter()
            .fold(Suppressions::default(), Suppressions::and);
        if !self.no_builtin_suppressions {
            rules = rules.and(&Suppressions::builtin());
        }
        let suppressed = suppressions::apply(&rules, report, "leaks");
        let found = findings::Found::of(report);
        report.findings = match (self.fail, self.fail_on_live) {
            (_, true) => found.rows,
            (true, false) => found.leaks + found.growing,
            (false, false) => 0,
        };
        table::shorten(report, subject.rows_max(USUAL_ROWS), self.needs_all());
        let found = findings::section(subject, &found);
        let place = report
            .sections
            .iter()
            .position(|section| section.name == "leaks");
        report.sections.insert(place.unwrap_or(0), found);
        report.sections.extend(suppressed);
    }
}

impl Leaks {
    fn needs_all(&self) -> bool {
        self.fail_on_live || !self.suppressions.is_empty()
    }

    fn classes(&self) -> Vec<Class> {
        let named = |class: &Class| self.verdict.iter().any(|name| name == class.name());
        Class::ALL.into_iter().filter(named).collect()
    }
}

/// The leak part of a longer answer: the leaks, and then what has the most live bytes.
pub(crate) fn section(subject: &Subject<'_>, rows_max: usize, at_least: u64) -> Section {
    let choice = Choice {
        rows_max,
        has_all_alarms: false,
        at_least,
        classes: Vec::new(),
    };
    table::section(subject, &verdicts(subject), &choice)
}

/// The verdict of every site, in the order of the history, filtered or not: whether a site leaks
/// does not depend on who asks.
///
/// Where only a part of the blocks is looked at, nothing can be said: what died is missing.
pub(crate) fn verdicts(subject: &Subject<'_>) -> Vec<Verdict> {
    match subject.history.part {
        None if subject.history.process.identity.go.is_some() => {
            collected::verdicts(subject.history)
        }
        None => detector::judge(evidence::of_all(subject.history)),
        Some(_) => vec![Verdict::NONE; subject.history.sites.all.len()],
    }
}

/// How fast the sites that leak or grow do so, in the order of the history.
pub(crate) fn rates(subject: &Subject<'_>, verdicts: &[Verdict]) -> Vec<Option<Estimate>> {
    rate::of_all(subject, verdicts)
}

fn class_names() -> clap::builder::PossibleValuesParser {
    Class::ALL.map(Class::name).into()
}
