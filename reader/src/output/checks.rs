//! The checks of a report, for the outputs that CI systems read.

#![forbid(unsafe_code)]

use crate::report::{Kind, Report, Section, Stack, Value};

/// One row of the table `checks`.
pub(crate) struct Check<'a> {
    pub(crate) name: &'a str,
    /// `ok`, `broken` or `uncertain`.
    pub(crate) verdict: &'a str,
    pub(crate) message: &'a str,
    pub(crate) stack: Option<&'a Stack>,
}

/// Whether a section is the table of checks.
pub(crate) fn has_checks(section: &Section) -> bool {
    section.kind() == Kind::Table && section.name == "checks"
}

/// All checks of a report, in their order.
pub(crate) fn checks(report: &Report) -> Vec<Check<'_>> {
    let tables = report.sections.iter().filter(|section| has_checks(section));
    let tables = tables.filter_map(Section::table);
    let rows = tables.flat_map(|table| table.rows.iter().map(move |row| (table, row)));
    rows.map(|(table, row)| {
        let value = |key: &str| table.index(key).and_then(|index| row.get(index));
        let text = |key: &str| match value(key) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        Check {
            name: text("check"),
            verdict: text("verdict"),
            message: text("message"),
            stack: match value("stack") {
                Some(Value::Stack(stack)) => Some(stack),
                _ => None,
            },
        }
    })
    .collect()
}
