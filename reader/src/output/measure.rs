//! Which numbers an output of stacks takes: the section that has them, and the column in it.

#![forbid(unsafe_code)]

use crate::report::{Kind, Report, Section, Table};

/// Names that people know from other tools and from speech, and the columns that they mean.
const ALIASES: &[(&str, &str)] = &[
    ("live", "live_bytes"),
    ("inuse_space", "live_bytes"),
    ("inuse_objects", "live_objects"),
    ("allocated", "allocated_bytes"),
    ("alloc_space", "allocated_bytes"),
    ("alloc_objects", "allocated_objects"),
    ("freed", "freed_bytes"),
    ("peak", "peak_live_bytes"),
    ("temporary", "temporary_bytes"),
    ("leaked", "leaked_bytes"),
];

/// Whether a section has stacks, whole or only the largest.
pub(crate) fn has_stacks(section: &Section) -> bool {
    let table = section.table();
    matches!(section.kind(), Kind::Stacks | Kind::Table)
        && table.is_some_and(|table| table.stack_index().is_some())
}

/// The section whose stacks an output draws: the first with all of them, or else the first table
/// that has some.
pub(crate) fn section_with_stacks(report: &Report) -> Option<&Section> {
    let drawable = || report.sections.iter().filter(|section| has_stacks(section));
    drawable()
        .find(|section| section.kind() == Kind::Stacks)
        .or_else(|| drawable().next())
}

/// The column that `measure` names, by its key or by an alias; the first number where nothing was
/// asked for, or where what was asked for is not there.
///
/// An alias means the change where a report compares two others.
pub(crate) fn column(table: &Table, measure: Option<&str>) -> Option<usize> {
    let columns = table.columns.iter();
    let first = || columns.clone().position(|column| column.unit.is_number());
    measure.and_then(|name| find(table, name)).or_else(first)
}

/// The column that `measure` names, by its key or by an alias.
pub(crate) fn find(table: &Table, measure: &str) -> Option<usize> {
    let number = |key: &str| {
        let index = table.index(key)?;
        table.columns[index].unit.is_number().then_some(index)
    };
    let alias = ALIASES.iter().find(|(alias, _)| *alias == measure);
    number(measure).or_else(|| {
        let (_, key) = alias?;
        number(key).or_else(|| number(&format!("{key}_change")))
    })
}

/// The measures that `--measure` can name in this report; none where it has no stacks.
pub fn all(report: &Report) -> Vec<&str> {
    let table = section_with_stacks(report).and_then(Section::table);
    let columns = table.into_iter().flat_map(|table| &table.columns);
    let numbers = columns.filter(|column| column.unit.is_number());
    numbers.map(|column| column.key.as_str()).collect()
}

/// Whether `--measure` can name `measure` in this report.
pub fn is_in(report: &Report, measure: &str) -> bool {
    let table = section_with_stacks(report).and_then(Section::table);
    table.is_some_and(|table| find(table, measure).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Body, Column, Unit};

    fn report(keys: &[&str]) -> Report {
        let mut columns = vec![Column::new("verdict", "verdict", Unit::Text)];
        columns.extend(keys.iter().map(|key| Column::new(*key, *key, Unit::Bytes)));
        columns.push(Column::new("stack", "stack", Unit::Stack));
        let mut report = Report::new("sites");
        let body = Body::Stacks(Table::new(columns));
        report.sections.push(Section::new("sites", "Sites", body));
        report
    }

    fn check(keys: &[&str], measure: Option<&str>, expected: Option<&str>) {
        let report = report(keys);
        let table = report.sections[0].table().expect("stacks have columns");
        let found = column(table, measure).map(|index| table.columns[index].key.as_str());
        assert_eq!(found, expected);
    }

    #[test]
    fn a_measure_is_found_by_its_key_and_by_the_names_of_other_tools() {
        let keys = ["live_bytes", "allocated_bytes", "peak_live_bytes"];
        check(&keys, Some("allocated_bytes"), Some("allocated_bytes"));
        check(&keys, Some("alloc_space"), Some("allocated_bytes"));
        check(&keys, Some("peak"), Some("peak_live_bytes"));
    }

    #[test]
    fn the_first_number_is_taken_where_nothing_is_asked_for() {
        check(&["live_bytes", "allocated_bytes"], None, Some("live_bytes"));
        check(&[], None, None);
    }

    #[test]
    fn a_name_means_the_change_where_two_reports_are_compared() {
        let keys = ["live_bytes_before", "live_bytes_after", "live_bytes_change"];
        check(&keys, Some("live"), Some("live_bytes_change"));
    }

    #[test]
    fn a_text_is_no_measure() {
        assert!(!is_in(&report(&["live_bytes"]), "verdict"));
        assert_eq!(all(&report(&["live_bytes"])), ["live_bytes"]);
    }
}
