//! The questions that can be asked about a history, and the one list of them.
//!
//! A new one is a file and its line in [`ANALYSES`]: its subcommand, its flags, its help (the doc
//! comment) and every output format follow.

#![forbid(unsafe_code)]

mod by_site;
mod cost;
mod death;
mod estimate;
mod export;
pub mod glance;
mod growth;
pub mod leaks;
mod lifetimes;
mod patterns;
mod peak;
pub mod resident;
mod sites;
mod sizes;
pub mod span;
mod stack;
mod summary;
pub mod suppressions;
mod target;
mod threads;
mod timeline;
mod tree;
pub mod watch;

use std::collections::HashSet;
use std::time::Duration;

use clap::{ArgMatches, Args, Command};

use crate::history::{History, Site, SiteIndex};
use crate::moment::Moment;
use crate::report::{Report, Section};

pub(crate) use patterns::frame_to_change;
pub use stack::Stacks;

/// Every analysis, in the order in which help lists them.
pub const ANALYSES: &[Entry] = &[
    Entry::of::<summary::Summary>(),
    Entry::of::<sites::Sites>(),
    Entry::of::<tree::Tree>(),
    Entry::of::<leaks::Leaks>(),
    Entry::of::<lifetimes::Lifetimes>(),
    Entry::of::<sizes::Sizes>(),
    Entry::of::<peak::Peak>(),
    Entry::of::<threads::Threads>(),
    Entry::of::<patterns::Patterns>(),
    Entry::of::<growth::Growth>(),
    Entry::of::<resident::Resident>(),
    Entry::of::<export::Export>(),
];

/// From one moment to another, each where it was said.
pub type Window = (Option<Moment>, Option<Moment>);

/// A question about a history.
///
/// The doc comment of its type is its line of help, its fields are its own flags.
pub trait Analysis: Args {
    /// Its name on the command line.
    const NAME: &'static str;

    /// The answer, in the order in which it should be read.
    fn sections(&self, subject: &Subject<'_>) -> Vec<Section>;

    /// What it needs that a garbage-collected runtime does not tell, as the start of a sentence;
    /// `None` for what works with sums.
    const NEEDS_BLOCKS: Option<&'static str> = None;

    /// How long a running process is to be watched before it is asked about; most need no time.
    fn watched(&self) -> Option<Duration> {
        None
    }

    /// The ends of the time that it is about, where it is about more than a moment; see
    /// [`Question::window`].
    fn window(&self) -> Option<Window> {
        None
    }

    /// What is left to do once the frames have names; most have nothing.
    fn finish(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}

/// An analysis with its flags, ready to be asked: first the answer, then, when its frames have
/// names, the rest of it.
pub trait Question {
    /// How long to watch a running process before asking; see [`Subject::earlier`].
    fn watched(&self) -> Option<Duration>;

    /// The ends of the time that it is about, of which a recording has readings of its own; none
    /// for a question about one moment.
    fn window(&self) -> Option<Window>;

    /// The answer with frames that are addresses.
    fn ask(&self, subject: &Subject<'_>) -> Report;

    /// Completes an answer whose frames have names by now.
    fn finish(&self, subject: &Subject<'_>, report: &mut Report);
}

impl<A: Analysis> Question for A {
    fn watched(&self) -> Option<Duration> {
        Analysis::watched(self)
    }

    fn window(&self) -> Option<Window> {
        Analysis::window(self)
    }

    fn ask(&self, subject: &Subject<'_>) -> Report {
        let mut report = opening(A::NAME, subject);
        match A::NEEDS_BLOCKS {
            Some(what) if subject.history.process.identity.go.is_some() => {
                report.sections.push(target::not_told(what));
            }
            _ => report.sections.extend(self.sections(subject)),
        }
        report
    }

    fn finish(&self, subject: &Subject<'_>, report: &mut Report) {
        Analysis::finish(self, subject, report);
    }
}

/// What an analysis is asked about.
pub struct Subject<'a> {
    /// All that is known.
    pub history: &'a History,
    /// The same process at the time that [`Question::watched`] asked for before.
    pub earlier: Option<&'a History>,
    /// Makes the stacks of its sites.
    pub stacks: Stacks<'a>,
    /// The sites that count; all where nothing was filtered.
    pub selected: Option<HashSet<SiteIndex>>,
    /// How many rows a table may have, if the user said so.
    pub top: Option<usize>,
    /// Whether people will read it, who want the largest rows and not all.
    pub is_for_people: bool,
}

impl<'a> Subject<'a> {
    /// A subject without filters, with all rows.
    pub fn new(history: &'a History) -> Subject<'a> {
        Subject {
            history,
            earlier: None,
            stacks: Stacks::new(history),
            selected: None,
            top: None,
            is_for_people: false,
        }
    }

    /// The sites that count, with their places in the history.
    pub fn sites(&self) -> impl Iterator<Item = (SiteIndex, &'a Site)> {
        let sites = self.history.sites.all.iter().enumerate();
        sites.filter(|(index, _)| self.is_selected(*index))
    }

    /// Whether a site counts.
    pub fn is_selected(&self, index: SiteIndex) -> bool {
        self.selected
            .as_ref()
            .is_none_or(|selected| selected.contains(&index))
    }

    /// Whether something was filtered out.
    pub fn is_filtered(&self) -> bool {
        self.selected.is_some() || self.history.part.is_some()
    }

    /// How many rows a table may have where people usually want `usual`.
    pub fn rows_max(&self, usual: usize) -> usize {
        match self.top {
            Some(top) => top,
            None if self.is_for_people => usual,
            None => usize::MAX,
        }
    }
}

/// One analysis as the command line sees it.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    augment: fn(Command) -> Command,
    question: fn(&ArgMatches) -> Result<Box<dyn Question>, clap::Error>,
}

impl Entry {
    const fn of<A: Analysis + 'static>() -> Entry {
        Entry {
            name: A::NAME,
            augment: A::augment_args,
            question: question::<A>,
        }
    }

    /// A subcommand of its name, with its help and its own flags.
    pub fn command(&self) -> Command {
        self.augment(Command::new(self.name))
    }

    /// Adds its own flags to a command that has others.
    pub fn augment(&self, command: Command) -> Command {
        (self.augment)(command)
    }

    /// The question that these flags ask.
    ///
    /// # Errors
    ///
    /// Only when `matches` are not those of [`Entry::command`].
    pub fn question(&self, matches: &ArgMatches) -> Result<Box<dyn Question>, clap::Error> {
        (self.question)(matches)
    }

    /// The question with all its flags as they are by default.
    ///
    /// # Errors
    ///
    /// When it has a flag that must be given.
    pub fn default_question(&self) -> Result<Box<dyn Question>, clap::Error> {
        let matches = self.command().no_binary_name(true);
        self.question(&matches.try_get_matches_from::<_, &str>([])?)
    }
}

/// The analysis called `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    ANALYSES.iter().find(|entry| entry.name == name)
}

fn question<A: Analysis + 'static>(matches: &ArgMatches) -> Result<Box<dyn Question>, clap::Error> {
    Ok(Box::new(A::from_arg_matches(matches)?))
}

/// A report with what every answer about a target begins with: whom it is about, what is missing,
/// and what must be said first.
pub(crate) fn opening(name: &str, subject: &Subject<'_>) -> Report {
    let mut report = Report::new(name);
    report.target = target::facts(subject.history);
    if !subject.is_for_people {
        report.target.push(target::interval_bytes(subject.history));
    }
    report.losses = target::losses(subject.history);
    report.sections = target::notices(subject);
    report
}
