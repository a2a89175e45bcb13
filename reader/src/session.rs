//! The spine: a target becomes a history, an analysis a report, addresses names.

#![forbid(unsafe_code)]

pub mod target;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::analysis::{self, Stacks, Subject};
use crate::error::Error;
use crate::history::{History, Site, SiteIndex};
use crate::report::{Body, Column, Report, Section, Stack, Table, Unit, Value};
use crate::source::Segment;
use crate::source::directory::Name;
use crate::symbols::{self, Search, Symbols};

/// How a question is asked, whatever the question.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// How many rows a table may have, if the user said so.
    pub top: Option<usize>,
    /// Count only sites with a function whose name contains this.
    pub function: Option<String>,
    /// Count only sites with a module whose path contains this.
    pub module: Option<String>,
    /// More places with binaries or debug files.
    pub symbol_directories: Vec<PathBuf>,
    /// Leave addresses as they are.
    pub without_symbols: bool,
    /// Whether people will read the answer.
    pub is_for_people: bool,
}

/// A target that is open for questions.
pub struct Session {
    history: History,
    modules: Vec<symbols::Module>,
    symbols: Option<Symbols>,
}

impl Session {
    /// Reads the segment in the file `path`.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::open`].
    pub fn open(path: &Path, request: &Request) -> Result<Session, Error> {
        let segment = Segment::open(path)?;
        Ok(Session::of(&segment, request))
    }

    /// Reads an open segment.
    pub fn of(segment: &Segment, request: &Request) -> Session {
        let mut history = History::of(segment);
        history.process.successor = successor(&segment.path);
        let search = Search {
            pid: history
                .process
                .is_alive()
                .then_some(history.process.identity.pid),
            directories: request.symbol_directories.clone(),
        };
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
            modules,
            symbols,
        }
    }

    /// Asks a question and gives the answer its names.
    ///
    /// # Errors
    ///
    /// Those of `question`.
    pub fn ask<E>(
        &mut self,
        request: &Request,
        question: impl FnOnce(&Subject<'_>) -> Result<Report, E>,
    ) -> Result<Report, E> {
        let selected = self.select(request);
        let subject = Subject {
            selected,
            top: request.top,
            is_for_people: request.is_for_people,
            ..Subject::new(&self.history)
        };
        let mut report = question(&subject)?;
        self.name_frames(&mut report);
        Ok(report)
    }

    /// Every site that passes the filters, with its stack and the names in it.
    ///
    /// For what has to know functions before it can answer, as a comparison of two builds.
    pub(crate) fn named_sites(&mut self, request: &Request) -> Vec<(SiteIndex, Stack)> {
        let selected = self.select(request);
        let mut stacks = every_stack(&self.history);
        self.fill(&mut stacks);
        let stacks = stacks.stacks_mut().map(std::mem::take).enumerate();
        let is_selected = |index| selected.as_ref().is_none_or(|set| set.contains(&index));
        stacks.filter(|(index, _)| is_selected(*index)).collect()
    }

    /// A report without an answer yet: whom it is about and what is missing.
    pub(crate) fn opening(&self, name: &str) -> Report {
        analysis::opening(name, &Subject::new(&self.history))
    }

    /// Everything known about the target.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The sites that pass all filters; `None` where there is no filter.
    fn select(&mut self, request: &Request) -> Option<HashSet<SiteIndex>> {
        if request.function.is_none() && request.module.is_none() {
            return None;
        }
        let mut stacks = every_stack(&self.history);
        if request.function.is_some() {
            self.fill(&mut stacks);
        }
        let function = request.function.as_deref();
        let passes = |index: &SiteIndex, stack: &Stack| {
            function.is_none_or(|text| has_function(stack, text))
                && request
                    .module
                    .as_deref()
                    .is_none_or(|text| self.has_module(*index, text))
        };
        let stacks = stacks.stacks_mut().enumerate();
        let selected = stacks.filter(|(index, stack)| passes(index, stack));
        Some(selected.map(|(index, _)| index).collect())
    }

    fn has_module(&self, index: SiteIndex, text: &str) -> bool {
        let site: &Site = &self.history.sites.all[index];
        let mut modules = self.history.modules_of(site);
        modules.any(|module| self.history.modules.all[module].path.contains(text))
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

fn has_function(stack: &Stack, text: &str) -> bool {
    let mut functions = stack.0.iter().filter_map(|frame| frame.function.as_deref());
    functions.any(|function| function.contains(text))
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
