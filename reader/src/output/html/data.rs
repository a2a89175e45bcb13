//! The data in the page: `memshim.page/1`, a report in columns of numbers.
//!
//! The published JSON would be ten times larger, since it writes every frame of every stack out;
//! this form is between this folder's Rust and its scripts, and may change with them. A server
//! can send the same bytes to the same page.
//!
//! ```text
//! {"schema": "memshim.page/1", "report": NAME,
//!  "target": [FACT ..], "losses": [FACT ..], "sections": [SECTION ..],
//!  "texts": [TEXT ..],
//!  "frames": {"name": [T ..], "file": [T ..], "line": [N ..], "module": [T ..],
//!             "build_id": [T ..], "offset": [N|null ..], "inlined": [0|1 ..]},
//!  "stacks": {"caller": [N ..], "frame": [F ..]}}
//!
//! FACT     {"name": KEY, "title": TEXT, "values": VALUES of one row}
//! SECTION  {"kind", "name", "title", "note"} and
//!            facts                   "facts": [FACT ..]
//!            table, series, stacks   "row_count": N, "columns": [COLUMN ..]
//!            histogram               "measure": TEXT, "row_count": N, "columns": low, high, value
//! COLUMN   {"key", "title", "change": BOOL, "derived": BOOL, "values": VALUES}
//! VALUES   {"unit": UNIT, "value": [V|null ..]} and, where a row is an estimate that sampling
//!          left open, "low": [N|null ..], "high": [N|null ..]; null there means exact
//! V        a number in its unit; for text the index of a text T; for a stack the index of its
//!          leaf in "stacks"; null for what is unknown
//! ```
//!
//! `T` is an index into `texts`, of which 0 is empty, and `F` one into `frames`. Node `n` of
//! `stacks` is the frame `frame[n]`, called by the node `n - caller[n]`, or by nobody where that
//! is 0; so callers stand before what they call. Units are named as in `memshim.report/1`.

#![forbid(unsafe_code)]

use serde::Serialize;
use serde::ser::Serializer;

use crate::output::clean::clean;
use crate::output::html::intern::Tables;
use crate::report::{self, Body, Histogram, Report, Table, Unit, Value};

/// The name and version of this form.
const SCHEMA: &str = "memshim.page/1";

/// Rows of single blocks that a page holds; a program may have millions, and nobody reads them.
const BLOCKS_MAX: usize = 100_000;

/// A report as the page takes it.
#[derive(Debug, Serialize)]
pub(crate) struct Data {
    schema: &'static str,
    report: String,
    target: Vec<Fact>,
    losses: Vec<Fact>,
    sections: Vec<Section>,
    #[serde(flatten)]
    tables: Tables,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    title: String,
    values: Values,
}

#[derive(Debug, Serialize)]
struct Section {
    kind: &'static str,
    name: String,
    title: String,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Vec<Fact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<Column>>,
}

#[derive(Debug, Serialize)]
struct Column {
    key: String,
    title: String,
    change: bool,
    derived: bool,
    values: Values,
}

/// The values of one column, without what all of them would repeat.
#[derive(Debug, Serialize)]
struct Values {
    unit: &'static str,
    value: Vec<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    low: Vec<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    high: Vec<Number>,
}

/// A number, or null where nothing is known.
#[derive(Debug, Clone, Copy)]
enum Number {
    Unknown,
    Whole(u64),
    Fraction(f64),
}

impl Data {
    /// The sections of `report` that pass `is_wanted`.
    pub(crate) fn of(report: &Report, is_wanted: &dyn Fn(&report::Section) -> bool) -> Data {
        let mut tables = Tables::new();
        let sections = report.sections.iter().filter(|section| is_wanted(section));
        Data {
            schema: SCHEMA,
            report: clean(&report.name).into_owned(),
            target: facts(&report.target, &mut tables),
            losses: facts(&report.losses, &mut tables),
            sections: sections
                .map(|section| Section::of(section, &mut tables))
                .collect(),
            tables,
        }
    }
}

impl Section {
    fn of(section: &report::Section, tables: &mut Tables) -> Section {
        let mut data = Section {
            kind: section.kind().name(),
            name: section.name.clone(),
            title: clean(&section.title).into_owned(),
            note: clean(&section.note).into_owned(),
            facts: None,
            measure: None,
            row_count: None,
            columns: None,
        };
        match &section.body {
            Body::Facts(list) => data.facts = Some(facts(list, tables)),
            Body::Histogram(histogram) => {
                data.measure = Some(clean(&histogram.measure).into_owned());
                data.row_count = Some(histogram.buckets.len());
                data.columns = Some(bucket_columns(histogram, tables));
            }
            Body::Table(table) | Body::Stacks(table) => data.hold(table, usize::MAX, tables),
            Body::Series(table) if table.stack_index().is_some() => {
                data.hold(table, BLOCKS_MAX, tables);
            }
            Body::Series(table) => data.hold(table, usize::MAX, tables),
        }
        data
    }

    /// Takes the first rows of a table, and says so where these are not all.
    fn hold(&mut self, table: &Table, rows_max: usize, tables: &mut Tables) {
        let all = table.rows.len();
        let held = all.min(rows_max);
        if held < all {
            let cut = format!("The page holds the first {held} of {all} rows; JSON has all.");
            self.note = format!("{} {cut}", self.note).trim().to_owned();
        }
        self.row_count = Some(held);
        self.columns = Some(columns(&table.columns, &table.rows[..held], tables));
    }
}

fn facts(facts: &[report::Fact], tables: &mut Tables) -> Vec<Fact> {
    let facts = facts.iter().map(|fact| Fact {
        name: fact.name.clone(),
        title: clean(&fact.title).into_owned(),
        values: Values::of(fact.value.unit(), [&fact.value].into_iter(), tables),
    });
    facts.collect()
}

fn columns(columns: &[report::Column], rows: &[Vec<Value>], tables: &mut Tables) -> Vec<Column> {
    let columns = columns.iter().enumerate().map(|(index, column)| {
        let values = rows.iter().map(|row| row.get(index));
        let values = values.map(|value| value.unwrap_or(&Value::Unknown));
        Column {
            key: column.key.clone(),
            title: clean(&column.title).into_owned(),
            change: column.is_change,
            derived: column.is_derived,
            values: Values::of(column.unit, values, tables),
        }
    });
    columns.collect()
}

fn bucket_columns(histogram: &Histogram, tables: &mut Tables) -> Vec<Column> {
    let buckets = &histogram.buckets;
    let column = |key: &str, values| Column {
        key: key.to_owned(),
        title: key.to_owned(),
        change: false,
        derived: false,
        values,
    };
    let bounds = |bound: &dyn Fn(&report::Bucket) -> Option<u64>| Values {
        unit: histogram.unit.name(),
        value: buckets
            .iter()
            .map(|bucket| bound(bucket).map_or(Number::Unknown, Number::Whole))
            .collect(),
        low: Vec::new(),
        high: Vec::new(),
    };
    let unit = buckets
        .first()
        .map_or(Unit::Count, |bucket| bucket.value.unit());
    let values = buckets.iter().map(|bucket| &bucket.value);
    vec![
        column("low", bounds(&|bucket| Some(bucket.low))),
        column("high", bounds(&|bucket| bucket.high)),
        column("value", Values::of(unit, values, tables)),
    ]
}

impl Values {
    fn of<'a>(
        unit: Unit,
        values: impl Iterator<Item = &'a Value> + Clone,
        tables: &mut Tables,
    ) -> Values {
        let is_open = |value: &Value| matches!(value, Value::Estimate(estimate) if !estimate.exact);
        let has_open = values.clone().any(is_open);
        let bound = |pick: fn(&report::Estimate) -> f64| match has_open {
            false => Vec::new(),
            true => values
                .clone()
                .map(|value| match value {
                    Value::Estimate(estimate) if !estimate.exact => {
                        Number::of(pick(estimate), estimate.unit)
                    }
                    _ => Number::Unknown,
                })
                .collect(),
        };
        Values {
            unit: unit.name(),
            low: bound(|estimate| estimate.low),
            high: bound(|estimate| estimate.high),
            value: values
                .map(|value| Number::of_value(value, unit, tables))
                .collect(),
        }
    }
}

impl Number {
    fn of_value(value: &Value, unit: Unit, tables: &mut Tables) -> Number {
        match value {
            Value::Unknown => Number::Unknown,
            Value::Text(text) => Number::Whole(tables.text(text).into()),
            Value::Stack(stack) => Number::Whole(tables.stack(stack).into()),
            Value::Id(number)
            | Value::Count(number)
            | Value::Bytes(number)
            | Value::Duration(number)
            | Value::Time(number) => Number::Whole(*number),
            Value::Percent(percent) => Number::of(*percent, unit),
            Value::Estimate(estimate) => Number::of(estimate.value, estimate.unit),
        }
    }

    /// What is counted in whole things is rounded; of other numbers four digits are enough.
    fn of(number: f64, unit: Unit) -> Number {
        let rounded = number.round();
        let is_whole = matches!(
            unit,
            Unit::Count | Unit::Bytes | Unit::Duration | Unit::Time
        );
        match number {
            number if !number.is_finite() => Number::Unknown,
            _ if is_whole && rounded >= 0.0 => Number::Whole(rounded as u64),
            _ if is_whole => Number::Fraction(rounded),
            number => Number::Fraction((number * 1e4).round() / 1e4),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Number::Unknown => serializer.serialize_none(),
            Number::Whole(number) => serializer.serialize_u64(*number),
            Number::Fraction(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                serializer.serialize_i64(*number as i64)
            }
            Number::Fraction(number) => serializer.serialize_f64(*number),
        }
    }
}

#[cfg(test)]
mod tests;
