//! Profiles of all processes of a program, with what those allocated that have ended since.
//!
//! Whoever computes rates from sums must never see one fall. So the sums of a process stay when it
//! ends, by call stack; only what lives goes with it.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::history::History;
use crate::report::{Body, Column, Estimate, Fact, Frame, Report, Section, Stack, Table};
use crate::report::{Unit, Value};

/// Call stacks of ended processes that are kept apart; those beyond are one.
const STACKS_MAX: usize = 20_000;

/// Columns whose values only rise while a process lives.
const SUMS: &[&str] = &[
    "allocated_bytes",
    "allocated_objects",
    "freed_bytes",
    "freed_objects",
    "temporary_bytes",
    "temporary_objects",
    "lifetimes_ns",
];

/// A program of one build.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The program's name.
    pub program: String,
    /// The build-id of its executable in hexadecimal; empty where it has none.
    pub build_id: String,
}

impl Version {
    pub(super) fn of(history: &History) -> Version {
        let identity = &history.process.identity;
        let mut modules = history.modules.all.iter();
        let executable = modules.find(|module| *module.path == *identity.executable);
        let build_id = executable.map_or(&[][..], |module| &module.build_id);
        Version {
            program: identity.program().to_owned(),
            build_id: build_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// Every stack of one process, or of all ended ones of a version.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Whose it is.
    pub version: Version,
    /// The segment, or a name for all that have ended.
    pub path: PathBuf,
    /// A report with one section of stacks, without columns of text.
    pub report: Report,
}

/// What was allocated by those that have ended, and what the others had when they were last asked.
#[derive(Debug, Default)]
pub(super) struct Kept {
    ended: BTreeMap<Version, Ended>,
    last: BTreeMap<PathBuf, Profile>,
}

#[derive(Debug, Default)]
struct Ended {
    columns: Vec<Column>,
    /// What is said of a target, of the one that ended last.
    target: Vec<Fact>,
    rows: HashMap<u64, Vec<Value>>,
}

impl Kept {
    /// Notes what a living process has.
    pub(super) fn note(&mut self, profile: &Profile) {
        self.last.insert(profile.path.clone(), profile.clone());
    }

    /// Settles a process that has ended: by its last profile, or else by the last that was noted.
    pub(super) fn settle(&mut self, path: &Path, last: Option<Profile>) {
        let noted = self.last.remove(path);
        if let Some(profile) = last.or(noted) {
            let ended = self.ended.entry(profile.version.clone()).or_default();
            ended.add(profile.report);
        }
    }

    /// The sums of those that have ended, a profile each version.
    pub(super) fn ended(&self, program: Option<&str>) -> impl Iterator<Item = Profile> {
        let is_wanted = move |version: &Version| program.is_none_or(|it| it == version.program);
        let ended = self
            .ended
            .iter()
            .filter(move |(version, _)| is_wanted(version));
        ended.map(|(version, ended)| Profile {
            version: version.clone(),
            path: PathBuf::from(format!("ended/{}/{}", version.program, version.build_id)),
            report: ended.report(),
        })
    }
}

impl Ended {
    fn add(&mut self, mut report: Report) {
        self.target = std::mem::take(&mut report.target);
        let Some(table) = stacks_of(&mut report) else {
            return;
        };
        if self.columns.is_empty() {
            self.columns.clone_from(&table.columns);
        }
        let Some(stack) = table.stack_index() else {
            return;
        };
        for mut row in std::mem::take(&mut table.rows) {
            let known = identity(row.get(stack));
            let id = match self.rows.contains_key(&known) || self.rows.len() < STACKS_MAX {
                true => known,
                false => {
                    let marker = Frame::marker("[further stacks of ended processes]");
                    row[stack] = Value::Stack(Stack::from_iter([marker]));
                    identity(row.get(stack))
                }
            };
            let sums = self.rows.entry(id).or_insert_with(|| {
                let columns = self.columns.iter().zip(&row);
                columns
                    .map(|(column, value)| nothing(column, value))
                    .collect()
            });
            for ((sum, value), column) in sums.iter_mut().zip(&row).zip(&self.columns) {
                if SUMS.contains(&column.key.as_str()) {
                    let total = sum.number().unwrap_or(0.0) + value.number().unwrap_or(0.0);
                    *sum = Estimate::exact(total, column.unit).into();
                }
            }
        }
    }

    fn report(&self) -> Report {
        let mut rows: Vec<(&u64, &Vec<Value>)> = self.rows.iter().collect();
        rows.sort_by_key(|(id, _)| **id);
        let table = Table {
            columns: self.columns.clone(),
            rows: rows.into_iter().map(|(_, row)| row.clone()).collect(),
        };
        let mut report = Report::new("export");
        report.target.clone_from(&self.target);
        report
            .sections
            .push(Section::new("sites", "Who allocates", Body::Stacks(table)));
        report
    }
}

/// The stack itself, and nothing of all that is counted.
fn nothing(column: &Column, value: &Value) -> Value {
    match column.unit {
        Unit::Stack => value.clone(),
        unit => Estimate::exact(0.0, unit).into(),
    }
}

/// The section that has all stacks.
pub fn stacks_of(report: &mut Report) -> Option<&mut Table> {
    let sections = report.sections.iter_mut();
    let mut bodies = sections.map(|section| &mut section.body);
    bodies.find_map(|body| match body {
        Body::Stacks(table) => Some(table),
        _ => None,
    })
}

/// The same for the same stack in every process that runs the same builds.
pub fn identity(stack: Option<&Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(Value::Stack(stack)) = stack {
        for frame in &stack.0 {
            frame.function.hash(&mut hasher);
            frame.build_id.hash(&mut hasher);
            frame.module.hash(&mut hasher);
            match frame.offset {
                Some(offset) => offset.hash(&mut hasher),
                None => frame.address.hash(&mut hasher),
            }
        }
    }
    hasher.finish()
}

/// Leaves out what would become labels and may change, such as a verdict: those who compute rates
/// would take a sample with another label for another sample.
pub(super) fn forget_texts(report: &mut Report) {
    let Some(table) = stacks_of(report) else {
        return;
    };
    let is_text = |column: &Column| column.unit == Unit::Text;
    let texts: Vec<usize> = (0..table.columns.len())
        .filter(|index| is_text(&table.columns[*index]))
        .collect();
    for index in texts.into_iter().rev() {
        table.columns.remove(index);
        for row in &mut table.rows {
            row.remove(index);
        }
    }
}

/// Takes from every sum what it was before; what is live now is left, as it is no sum.
pub fn subtract(report: &mut Report, before: &HashMap<u64, Vec<Value>>) {
    let Some(table) = stacks_of(report) else {
        return;
    };
    let Some(stack) = table.stack_index() else {
        return;
    };
    let is_sum = |column: &Column| SUMS.contains(&column.key.as_str());
    for row in &mut table.rows {
        let Some(earlier) = before.get(&identity(row.get(stack))) else {
            continue;
        };
        let values = row.iter_mut().zip(earlier);
        for ((value, was), column) in values.zip(&table.columns).filter(|(_, it)| is_sum(it)) {
            let grown = value.number().unwrap_or(0.0) - was.number().unwrap_or(0.0);
            *value = Estimate::exact(grown.max(0.0), column.unit).into();
        }
    }
}

/// The rows of a report by their stack; those of one stack are added up.
pub fn by_stack(report: &mut Report) -> HashMap<u64, Vec<Value>> {
    let mut rows: HashMap<u64, Vec<Value>> = HashMap::new();
    let Some(table) = stacks_of(report) else {
        return rows;
    };
    let Some(stack) = table.stack_index() else {
        return rows;
    };
    let units: Vec<Unit> = table.columns.iter().map(|column| column.unit).collect();
    for row in &table.rows {
        let id = identity(row.get(stack));
        let Some(sums) = rows.get_mut(&id) else {
            rows.insert(id, row.clone());
            continue;
        };
        for ((sum, value), unit) in sums.iter_mut().zip(row).zip(&units) {
            if let (Some(one), Some(other)) = (sum.number(), value.number()) {
                *sum = Estimate::exact(one + other, *unit).into();
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(path: &str, rows: &[(&str, u64, u64)]) -> Profile {
        let mut table = Table::new(vec![
            Column::new("live_bytes", "live", Unit::Bytes),
            Column::new("allocated_bytes", "allocated", Unit::Bytes),
            Column::new("stack", "stack", Unit::Stack),
        ]);
        let rows = rows.iter().map(|(function, live, allocated)| {
            let frame = Frame {
                function: Some((*function).into()),
                ..Frame::default()
            };
            vec![
                Value::Bytes(*live),
                Value::Bytes(*allocated),
                Value::Stack(Stack::from_iter([frame])),
            ]
        });
        table.rows = rows.collect();
        let mut report = Report::new("export");
        let section = Section::new("sites", "sites", Body::Stacks(table));
        report.sections.push(section);
        Profile {
            version: Version {
                program: "program".to_owned(),
                build_id: String::new(),
            },
            path: path.into(),
            report,
        }
    }

    /// What is kept of those that ended: live and allocated bytes together, and the stacks.
    fn sums(kept: &Kept) -> (f64, f64, usize) {
        let mut sums = (0.0, 0.0, 0);
        for mut profile in kept.ended(None) {
            let table = stacks_of(&mut profile.report).expect("it has stacks");
            for row in &table.rows {
                sums.0 += row[0].number().expect("a number");
                sums.1 += row[1].number().expect("a number");
                sums.2 += 1;
            }
        }
        sums
    }

    #[test]
    fn what_ended_processes_allocated_stays_and_what_they_held_goes() {
        let mut kept = Kept::default();
        let first = profile("1", &[("load", 10, 100), ("parse", 0, 50)]);
        kept.settle(Path::new("1"), Some(first));
        kept.settle(Path::new("2"), Some(profile("2", &[("load", 30, 300)])));
        assert_eq!(sums(&kept), (0.0, 450.0, 2));
    }

    #[test]
    fn one_whose_segment_vanished_has_what_was_noted_last() {
        let mut kept = Kept::default();
        kept.note(&profile("1", &[("load", 10, 100)]));
        kept.note(&profile("1", &[("load", 10, 120)]));
        kept.settle(Path::new("1"), None);
        kept.settle(Path::new("2"), None);
        assert_eq!(sums(&kept), (0.0, 120.0, 1));
    }

    #[test]
    fn stacks_beyond_the_limit_are_one_and_lose_nothing() {
        let names: Vec<String> = (0..STACKS_MAX + 5).map(|it| format!("f{it}")).collect();
        let rows: Vec<(&str, u64, u64)> = names.iter().map(|name| (&**name, 0, 2)).collect();
        let mut kept = Kept::default();
        kept.settle(Path::new("1"), Some(profile("1", &rows)));
        let all = 2.0 * names.len() as f64;
        assert_eq!(sums(&kept), (0.0, all, STACKS_MAX + 1));
    }

    #[test]
    fn a_difference_is_of_sums_and_leaves_what_lives() {
        let mut before = profile("1", &[("load", 10, 100), ("load", 1, 20)]);
        let before = by_stack(&mut before.report);
        let mut now = profile("1", &[("load", 12, 150), ("new", 3, 4)]);
        subtract(&mut now.report, &before);
        let table = stacks_of(&mut now.report).expect("it has stacks");
        let numbers = |row: &Vec<Value>| (row[0].number(), row[1].number());
        let found: Vec<_> = table.rows.iter().map(numbers).collect();
        assert_eq!(found, [(Some(12.0), Some(30.0)), (Some(3.0), Some(4.0))]);
    }
}
