//! One table of the report as CSV (RFC 4180), for spreadsheets, pandas and databases.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use csv::{Terminator, Writer, WriterBuilder};

use crate::output::clean::clean;
use crate::output::{Options, Output};
use crate::report::{
    Body, Column, Frame, Histogram, Kind, Report, Section, Stack, Table, Unit, Value,
};

/// The stacks of the report, else its first table, series or histogram.
///
/// The first line has the keys of the columns. A column with an estimate is followed by the ends
/// of its interval, `KEY_low` and `KEY_high`; a stack is one field, `root;caller;leaf`. Unknown
/// values are empty, numbers are as in JSON. There is no room for what was lost: JSON has it.
pub struct Csv;

/// The kinds by how much they say to a spreadsheet.
const KINDS: &[Kind] = &[Kind::Stacks, Kind::Table, Kind::Series, Kind::Histogram];

impl Output for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "the stacks, or else the first table, for spreadsheets and databases"
    }

    fn media_type(&self) -> &'static str {
        "text/csv; charset=utf-8; header=present"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn kinds(&self) -> &'static [Kind] {
        KINDS
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let first_of = |kind: &Kind| {
            let mut sections = report.sections.iter();
            sections.find(|section| section.kind() == *kind)
        };
        let section = KINDS.iter().find_map(first_of);
        let mut out = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .flexible(true)
            .from_writer(out);
        match section.map(|section: &Section| &section.body) {
            Some(Body::Table(table) | Body::Series(table) | Body::Stacks(table)) => {
                write_table(table, &mut out)?;
            }
            Some(Body::Histogram(histogram)) => write_table(&as_table(histogram), &mut out)?,
            Some(Body::Facts(_)) | None => {}
        }
        out.flush()
    }
}

fn write_table<W: Write>(table: &Table, out: &mut Writer<W>) -> io::Result<()> {
    let columns: Vec<(usize, &Column, bool)> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| (index, column, has_estimates(table, index)))
        .collect();
    let mut fields: Vec<String> = Vec::new();
    for (_, column, has_estimates) in &columns {
        fields.push(as_text(&column.key));
        if *has_estimates {
            fields.extend(["low", "high"].map(|end| as_text(&format!("{}_{end}", column.key))));
        }
    }
    out.write_record(&fields)?;
    for row in &table.rows {
        fields.clear();
        for (index, column, has_estimates) in &columns {
            let value = row.get(*index).unwrap_or(&Value::Unknown);
            fields.push(field(value, column.unit));
            if *has_estimates {
                fields.extend(ends(value, column.unit));
            }
        }
        out.write_record(&fields)?;
    }
    Ok(())
}

fn has_estimates(table: &Table, index: usize) -> bool {
    let mut values = table.rows.iter().filter_map(|row| row.get(index));
    values.any(|value| matches!(value, Value::Estimate(_)))
}

/// The two ends of what is known about a number; both are the number where it is exact.
fn ends(value: &Value, unit: Unit) -> [String; 2] {
    match value {
        Value::Estimate(estimate) => [estimate.low, estimate.high].map(|end| number(end, unit)),
        value => [field(value, unit), field(value, unit)],
    }
}

fn field(value: &Value, unit: Unit) -> String {
    match value {
        Value::Unknown => String::new(),
        Value::Text(text) => as_text(text),
        Value::Id(n) | Value::Count(n) | Value::Bytes(n) | Value::Duration(n) | Value::Time(n) => {
            n.to_string()
        }
        Value::Percent(percent) => number(*percent, Unit::Percent),
        Value::Estimate(estimate) => number(estimate.value, unit),
        Value::Stack(stack) => as_text(&path(stack)),
    }
}

/// A number without a fraction where its unit has none, as in JSON; empty where it is none.
fn number(value: f64, unit: Unit) -> String {
    match unit {
        _ if !value.is_finite() => String::new(),
        Unit::Count | Unit::Bytes | Unit::Duration | Unit::Time => {
            // Adding zero makes a negative zero a plain one.
            format!("{:.0}", value.round() + 0.0)
        }
        _ => value.to_string(),
    }
}

/// A stack as one text, root first; semicolons in names would look like more frames.
fn path(stack: &Stack) -> String {
    let name = |frame: &Frame| frame.label().replace(';', ":");
    let names = stack.0.iter().rev().map(|frame| name(frame));
    names.collect::<Vec<String>>().join(";")
}

/// A text that a spreadsheet will not run.
///
/// Spreadsheets take a field that begins with one of these for a formula, and a name in a hostile
/// binary could be one that sends the sheet away; an apostrophe makes it text
/// (<https://owasp.org/www-community/attacks/CSV_Injection>). Blanks in front do not stop all.
fn as_text(text: &str) -> String {
    let text = clean(text);
    let begins_formula = |first: char| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(first);
    match text.trim_start().starts_with(begins_formula) {
        true => format!("'{text}"),
        false => text.into_owned(),
    }
}

/// A histogram as a table, one row a bucket.
fn as_table(histogram: &Histogram) -> Table {
    let mut table = Table::new(vec![
        Column::new(
            format!("from_{}", histogram.unit.name()),
            "",
            histogram.unit,
        ),
        Column::new(
            format!("below_{}", histogram.unit.name()),
            "",
            histogram.unit,
        ),
        Column::new(histogram.measure.clone(), "", Unit::Count),
    ]);
    for bucket in &histogram.buckets {
        let bound = |bound: Option<u64>| bound.map_or(Value::Unknown, Value::Count);
        let bounds = [bound(Some(bucket.low)), bound(bucket.high)];
        let row = bounds.into_iter().chain([bucket.value.clone()]);
        table.rows.push(row.collect());
    }
    table
}

#[cfg(test)]
mod tests;
