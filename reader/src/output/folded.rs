//! The report as folded stacks, the input of flame graph tools: `root;caller;leaf 123`.
//!
//! The form is Brendan Gregg's; inlined frames end in `_[i]`, as his `flamegraph.pl` colours them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::output::clean::clean;
use crate::output::{Options, Output};
use crate::report::{Frame, Kind, Report, Section, Stack, Table, Value};

/// One line a distinct stack, sorted, with the whole number of one column.
///
/// The column is `Options::measure`, or the first number; the section is the first `stacks`
/// section, or else the first table with stacks, which may hold only the largest.
pub struct Folded;

impl Output for Folded {
    fn name(&self) -> &'static str {
        "folded"
    }

    fn about(&self) -> &'static str {
        "one line a stack with its number, for flame graph tools"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "folded"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        self.kinds().contains(&section.kind())
            && section
                .table()
                .is_some_and(|table| table.stack_index().is_some())
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let drawable = || report.sections.iter().filter(|section| self.draws(section));
        let section = drawable()
            .find(|section| section.kind() == Kind::Stacks)
            .or_else(|| drawable().next());
        let Some(table) = section.and_then(Section::table) else {
            return Ok(());
        };
        for (path, number) in fold(table, options.measure.as_deref()) {
            writeln!(out, "{path} {number}")?;
        }
        Ok(())
    }
}

/// The sum of the measured column by folded stack; stacks that sum to nothing are left out.
fn fold(table: &Table, measure: Option<&str>) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let first_number = || {
        table
            .columns
            .iter()
            .position(|column| column.unit.is_number())
    };
    let number_index = measure
        .and_then(|key| table.index(key))
        .or_else(first_number);
    let (Some(number_index), Some(stack_index)) = (number_index, table.stack_index()) else {
        return BTreeMap::new();
    };
    for row in &table.rows {
        let (Some(Value::Stack(stack)), Some(value)) =
            (row.get(stack_index), row.get(number_index))
        else {
            continue;
        };
        *sums.entry(path(stack)).or_insert(0.0) += value.number().unwrap_or(0.0);
    }
    let rounded = sums
        .into_iter()
        .map(|(path, sum)| (path, sum.round() as u64));
    rounded.filter(|(_, sum)| *sum > 0).collect()
}

/// The stack from the root to the leaf.
fn path(stack: &Stack) -> String {
    if stack.0.is_empty() {
        return "[no stack]".to_owned();
    }
    stack.0.iter().rev().map(name).collect::<Vec<_>>().join(";")
}

/// The frame's name without what the form uses itself: semicolons and line breaks.
fn name(frame: &Frame) -> String {
    let label = frame.label();
    let mut name = clean(&label).replace(';', ":");
    if frame.inlined {
        name.push_str("_[i]");
    }
    name
}
