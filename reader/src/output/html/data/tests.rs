//! What the page gets of a report.

use serde_json::{Value as Json, json};

use super::*;
use crate::report::{Estimate, Frame, Stack};

/// The section of a report with this one section, as the page gets it.
fn section(body: Body) -> Json {
    let mut report = Report::new("test");
    report
        .sections
        .push(report::Section::new("name", "title", body));
    let data = Data::of(&report, &|_| true);
    let json = serde_json::to_value(&data).expect("the data is JSON");
    json["sections"][0].clone()
}

fn table(unit: Unit, values: Vec<Value>) -> Table {
    let mut table = Table::new(vec![report::Column::new("key", "title", unit)]);
    table.rows = values.into_iter().map(|value| vec![value]).collect();
    table
}

fn check(unit: Unit, values: Vec<Value>, expected: Json) {
    let section = section(Body::Table(table(unit, values)));
    assert_eq!(section["columns"][0]["values"], expected);
}

#[test]
fn exact_columns_have_no_intervals() {
    let exact = Estimate::exact(3.0, Unit::Bytes);
    check(
        Unit::Bytes,
        vec![exact.into(), Value::Bytes(4), Value::Unknown],
        json!({"unit": "bytes", "value": [3, 4, null]}),
    );
}

#[test]
fn one_open_row_gives_its_column_intervals() {
    let exact = Estimate::exact(3.0, Unit::Bytes);
    let open = Estimate::sampled(5.4, 4.6, 7.5, Unit::Bytes);
    check(
        Unit::Bytes,
        vec![exact.into(), open.into()],
        json!({"unit": "bytes", "value": [3, 5], "low": [null, 5], "high": [null, 8]}),
    );
}

#[test]
fn what_is_not_finite_is_unknown() {
    let odd = Estimate::sampled(f64::NAN, 0.0, f64::INFINITY, Unit::Bytes);
    check(
        Unit::Bytes,
        vec![odd.into()],
        json!({"unit": "bytes", "value": [null], "low": [0], "high": [null]}),
    );
}

#[test]
fn changes_may_be_negative_and_shares_have_fractions() {
    let change = Estimate::exact(-2.5, Unit::Bytes);
    check(
        Unit::Bytes,
        vec![change.into()],
        json!({"unit": "bytes", "value": [-3]}),
    );
    check(
        Unit::Percent,
        vec![Value::Percent(0.123_456)],
        json!({"unit": "percent", "value": [0.1235]}),
    );
}

#[test]
fn texts_and_stacks_are_numbers_of_tables() {
    check(
        Unit::Text,
        vec![Value::text("a"), Value::text(""), Value::text("a")],
        json!({"unit": "text", "value": [1, 0, 1]}),
    );
    let stack = Stack::from_iter([Frame::marker("leaf"), Frame::marker("main")]);
    check(
        Unit::Stack,
        vec![stack.into(), Value::Unknown],
        json!({"unit": "stack", "value": [1, null]}),
    );
}

#[test]
fn a_page_says_when_it_does_not_hold_all_blocks() {
    let blocks = vec![Value::Unknown; BLOCKS_MAX + 1];
    let section = section(Body::Series(table(Unit::Stack, blocks)));
    assert_eq!(section["row_count"], BLOCKS_MAX);
    assert_eq!(
        section["note"],
        "The page holds the first 100000 of 100001 rows; JSON has all."
    );
}
