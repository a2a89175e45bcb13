//! Names for stacks in a thread of their own: debug information of a large program takes seconds.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::analysis::Stacks;
use crate::history::SiteIndex;
use crate::report::{Body, Column, Report, Section, Stack, Table, Unit, Value};
use crate::session::{Request, Session};
use crate::symbols::{Module, Search, Symbols};

/// Stacks that need names, with all that it takes to find them; it can go to another thread.
#[derive(Debug, Clone)]
pub struct Unnamed {
    /// The file that they were read from.
    pub path: PathBuf,
    search: Search,
    modules: Vec<Module>,
    stacks: Vec<(u64, Stack)>,
}

/// Gives names to the stacks of one process after another.
///
/// It must stay in the thread that made it.
#[derive(Default)]
pub struct Namer {
    /// Those of the last process; the names of another are of no use to it.
    of: Option<(PathBuf, Symbols)>,
}

impl Session {
    /// The stacks of some sites, for [`Namer::name`].
    pub fn unnamed(&self, sites: &[SiteIndex], request: &Request) -> Unnamed {
        let history = self.history();
        let stacks = Stacks::new(history);
        let stack = |site: &SiteIndex| {
            let site = history.sites.all.get(*site)?;
            Some((site.row, stacks.of(site)))
        };
        Unnamed {
            path: history.path.clone(),
            search: super::search(history, request),
            modules: self.modules.clone(),
            stacks: sites.iter().filter_map(stack).collect(),
        }
    }
}

impl Namer {
    /// The stacks with all names that can be found, each under the row of its site.
    pub fn name(&mut self, unnamed: Unnamed) -> Vec<(u64, Stack)> {
        let is_of_another = |(path, _): &(PathBuf, Symbols)| *path != unnamed.path;
        if self.of.as_ref().is_none_or(is_of_another) {
            self.of = Some((unnamed.path.clone(), Symbols::new(unnamed.search)));
        }
        let (rows, stacks): (Vec<u64>, Vec<Stack>) = unnamed.stacks.into_iter().unzip();
        let mut table = Table::new(vec![Column::new("stack", "stack", Unit::Stack)]);
        let values = stacks.into_iter().map(|stack| vec![Value::Stack(stack)]);
        table.rows = values.collect();
        let mut report = Report::new("stacks");
        let section = Section::new("stacks", "stacks", Body::Stacks(table));
        report.sections.push(section);
        if let Some((_, symbols)) = &mut self.of {
            symbols.fill(&mut report, &unnamed.modules);
        }
        let named = report.stacks_mut().map(std::mem::take);
        rows.into_iter().zip(named).collect()
    }
}
