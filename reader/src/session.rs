//! The spine: a target becomes a history, an analysis a report, addresses names.

#![forbid(unsafe_code)]

mod companion;
mod filter;
mod naming;
mod processes;
pub mod recorded;
pub mod target;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::analysis::{self, Question, Stacks, Subject};
use crate::error::Error;
use crate::history::{History, SiteIndex};
use crate::moment::Moment;
use crate::recording::reader::is_recording;
use crate::report::{Body, Column, Report, Section, Stack, Table, Unit, Value};
use crate::source::Segment;
use crate::source::directory::Name;
use crate::source::noted::Death;
use crate::symbols::{self, Search, Symbols};

pub use filter::Filter;
pub use naming::{Namer, Unnamed};
pub use processes::{Followed, Processes};

/// How a question is asked, whatever the question.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// How many rows a table may have, if the user said so.
    pub top: Option<usize>,
    /// What counts.
    pub filter: Filter,
    /// More places with binaries or debug files.
    pub symbol_directories: Vec<PathBuf>,
    /// Of a recording: the moment that is asked about; its end by default.
    pub at: Option<Moment>,
    /// Of a recording: the process that is asked about, by id or by name.
    pub process: Option<String>,
    /// Leave addresses as they are.
    pub without_symbols: bool,
    /// Whether people will read the answer.
    pub is_for_people: bool,
}

/// How often a Go program that is watched is looked at.
const GO_EVERY: Duration = Duration::from_secs(1);

/// A target that is open for questions.
pub struct Session {
    history: History,
    /// An earlier reading of the same process.
    earlier: Option<History>,
    modules: Vec<symbols::Module>,
    symbols: Option<Symbols>,
    /// What an answer says of the recording that it is from.
    recorded: Vec<Section>,
    /// The other heap of the same process, where it has one of C and one of Go.
    companion: Option<Box<Session>>,
}

/// The names of a process's code that were found so far, for the next reading of its segment.
#[derive(Default)]
pub struct Names {
    modules: Vec<symbols::Module>,
    symbols: Option<Symbols>,
}

impl Session {
    /// Reads the segment in the file `path`, or that of a process and moment in a recording.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::open`], and of a recording those of [`recorded::open`].
    pub fn open(path: &Path, request: &Request) -> Result<Session, Error> {
        if is_recording(path) {
            return recorded::open(path, request);
        }
        let segment = Segment::open(path)?;
        let mut session = Session::of(&segment, request);
        session.find_companion(request);
        Ok(session)
    }

    /// From now on answers are about the other heap of the process too.
    pub fn find_companion(&mut self, request: &Request) {
        self.companion =
            companion::of(&self.history).map(|segment| Box::new(Session::of(&segment, request)));
        if let Some(companion) = &mut self.companion {
            companion::share_end(&mut self.history, &mut companion.history);
        }
        self.history.process.go_unseen = companion::unseen(&self.history);
    }

    /// Reads the segment again after some time, and keeps what it read before beside it; at once and
    /// without waiting where the process is gone.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::open`].
    pub fn watch(self, time: Duration, request: &Request) -> Result<Session, Error> {
        if !self.history.process.is_alive() {
            return Ok(self);
        }
        let is_go = self.history.process.identity.go.is_some();
        let until = Instant::now() + time;
        // What a Go runtime keeps are sums, whose course only those see who look again and again.
        while is_go && until.saturating_duration_since(Instant::now()) > GO_EVERY {
            thread::sleep(GO_EVERY);
            Segment::open(&self.history.path)?;
        }
        thread::sleep(until.saturating_duration_since(Instant::now()));
        let later = Session::open(&self.history.path, request)?;
        Ok(Session {
            earlier: Some(self.history),
            ..later
        })
    }

    /// Reads the segment again, with the names that an earlier reading of it found, and nothing of
    /// the other heap of the process.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::open`].
    pub fn reopen(path: &Path, request: &Request, names: Names) -> Result<Session, Error> {
        let mut session = Session::of(&Segment::open(path)?, request);
        // Names are kept by the place of their module, which only ever gets successors.
        if session.modules.starts_with(&names.modules) && !request.without_symbols {
            session.symbols = names.symbols.or(session.symbols);
        }
        Ok(session)
    }

    /// Gives back what its history took, and keeps the names without the files they came from.
    pub fn into_names(self) -> Names {
        let mut symbols = self.symbols;
        if let Some(symbols) = &mut symbols {
            symbols.forget_files();
        }
        Names {
            modules: self.modules,
            symbols,
        }
    }

    /// Reads an open segment.
    pub fn of(segment: &Segment, request: &Request) -> Session {
        let mut history = History::of(segment);
        if segment.frozen().is_none() {
            history.process.successor = successor(&segment.path);
        }
        if let Some(part) = request.filter.part(&history) {
            history.restrict(part);
        }
        let search = search(&history, request);
        let modules = history.modules.all.iter().map(|module| symbols::Module {
            path: module.path.to_string(),
            build_id: module.build_id.clone(),
            bias: module.bias,
            start: module.start,
            end: module.end,
        });
        let modules = modules.collect();
        let symbols = (!request.without_symbols).then(|| Symbols::new(search));
        Session {
            history,
            earlier: None,
            modules,
            symbols,
            recorded: Vec::new(),
            companion: None,
        }
    }

    /// Asks a question and gives the answer its names.
    pub fn ask(&mut self, request: &Request, question: &dyn Question) -> Report {
        let selected = self.select(&request.filter);
        let subject = self.subject(request, selected);
        let mut report = question.ask(&subject);
        let selected = subject.selected;
        self.name_frames(&mut report);
        question.finish(&self.subject(request, selected), &mut report);
        report.sections.extend(self.recorded.iter().cloned());
        if let Some(companion) = &mut self.companion {
            let other = companion.ask(request, question);
            companion::append(&mut report, other, &companion.history);
        }
        report
    }

    fn subject(&self, request: &Request, selected: Option<HashSet<SiteIndex>>) -> Subject<'_> {
        Subject {
            selected,
            top: request.top,
            is_for_people: request.is_for_people,
            earlier: self.earlier.as_ref(),
            ..Subject::new(&self.history)
        }
    }

    /// Every site that passes the filters, with its stack and the names in it.
    ///
    /// For what has to know functions before it can answer, as a comparison of two builds.
    pub(crate) fn named_sites(&mut self, request: &Request) -> Vec<(SiteIndex, Stack)> {
        let selected = self.select(&request.filter);
        let mut stacks = every_stack(&self.history);
        self.fill(&mut stacks);
        let stacks = stacks.stacks_mut().map(std::mem::take).enumerate();
        let is_selected = |index| selected.as_ref().is_none_or(|set| set.contains(&index));
        stacks.filter(|(index, _)| is_selected(*index)).collect()
    }

    /// The stacks of these sites with their names, in the order given.
    pub(crate) fn stacks_of(&mut self, sites: &[SiteIndex]) -> Vec<Stack> {
        let stacks = Stacks::new(&self.history);
        let all = &self.history.sites.all;
        let mut table = Table::new(vec![Column::new("stack", "stack", Unit::Stack)]);
        let row = |index: &SiteIndex| vec![Value::Stack(stacks.of(&all[*index]))];
        table.rows = sites.iter().map(row).collect();
        let mut report = Report::new("stacks");
        let section = Section::new("stacks", "stacks", Body::Stacks(table));
        report.sections.push(section);
        self.fill(&mut report);
        report.stacks_mut().map(std::mem::take).collect()
    }

    /// A report without an answer yet: whom it is about and what is missing.
    pub(crate) fn opening(&self, name: &str) -> Report {
        analysis::opening(name, &Subject::new(&self.history))
    }

    /// Takes in what somebody saw of the target's end.
    pub(crate) fn witness(&mut self, death: Death) {
        self.history.process.death = Some(death);
    }

    /// Everything known about the target.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The sites whose stacks pass the filter; `None` where it does not look at stacks.
    fn select(&mut self, filter: &Filter) -> Option<HashSet<SiteIndex>> {
        if !filter.is_of_names() {
            return None;
        }
        let mut stacks = every_stack(&self.history);
        if filter.needs_symbols() {
            self.fill(&mut stacks);
        }
        let history = &self.history;
        let passes = |(index, stack): (SiteIndex, &mut Stack)| {
            let modules = history.modules_of(&history.sites.all[index]);
            let mut paths = modules.map(|module| &*history.modules.all[module].path);
            filter.passes(stack, &mut paths).then_some(index)
        };
        Some(stacks.stacks_mut().enumerate().filter_map(passes).collect())
    }

    fn name_frames(&mut self, report: &mut Report) {
        let findings = self.fill(report);
        report.sections.extend(symbols::section(&findings));
    }

    fn fill(&mut self, report: &mut Report) -> Vec<symbols::Finding> {
        let modules = &self.modules;
        let symbols = self.symbols.as_mut();
        symbols.map_or_else(Vec::new, |symbols| symbols.fill(report, modules))
    }
}

/// Where the files of a process's modules may be.
fn search(history: &History, request: &Request) -> Search {
    let process = &history.process;
    Search {
        pid: process.is_alive().then_some(process.identity.pid),
        directories: request.symbol_directories.clone(),
        is_go: process.identity.go.is_some(),
    }
}

/// A report that holds nothing but the stack of every site, in their order.
fn every_stack(history: &History) -> Report {
    let mut table = Table::new(vec![Column::new("stack", "stack", Unit::Stack)]);
    let stacks = Stacks::new(history);
    let sites = history.sites.all.iter();
    table.rows = sites
        .map(|site| vec![Value::Stack(stacks.of(site))])
        .collect();
    let mut report = Report::new("stacks");
    report
        .sections
        .push(Section::new("stacks", "stacks", Body::Stacks(table)));
    report
}

/// The program in the next segment of the same process, which replaced this one.
fn successor(path: &Path) -> Option<String> {
    let name = Name::parse(path.file_name()?)?;
    let next = Name {
        number: name.number.checked_add(1)?,
        ..name
    };
    let next = Segment::open(&path.with_file_name(next.to_string())).ok()?;
    let identity = next.identity(&mut Default::default());
    Some(identity.program().to_owned())
}

#[cfg(test)]
mod tests;
