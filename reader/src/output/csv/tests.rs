//! What spreadsheets and scripts rely on.

use super::*;
use crate::report::{Bucket, Estimate};

fn check(body: Body, expected: &[&str]) {
    let mut report = Report::new("sites");
    report.sections.push(Section::new("sites", "Sites", body));
    let mut bytes = Vec::new();
    Csv.write(&report, &Options::default(), &mut bytes)
        .expect("a vector takes everything");
    let written = String::from_utf8(bytes).expect("it is UTF-8");
    let expected: String = expected.iter().map(|line| format!("{line}\r\n")).collect();
    assert_eq!(written, expected);
}

fn one_column(unit: Unit, values: impl IntoIterator<Item = Value>) -> Body {
    let mut table = Table::new(vec![Column::new("key", "title", unit)]);
    table.rows = values.into_iter().map(|value| vec![value]).collect();
    Body::Table(table)
}

#[test]
fn an_estimate_has_its_ends_beside_it() {
    let values = [
        Estimate::sampled(10.6, 5.0, 20.0, Unit::Bytes).into(),
        Estimate::exact(3.0, Unit::Bytes).into(),
        Value::Bytes(4),
        Value::Unknown,
    ];
    let expected = ["key,key_low,key_high", "11,5,20", "3,3,3", "4,4,4", ",,"];
    check(one_column(Unit::Bytes, values), &expected);
}

#[test]
fn plain_numbers_have_no_ends() {
    let values = [Value::Count(1), Value::Count(u64::MAX)];
    check(
        one_column(Unit::Count, values),
        &["key", "1", "18446744073709551615"],
    );
}

#[test]
fn a_fraction_is_kept_where_it_means_something() {
    let values = [Value::Percent(12.5), Value::Percent(f64::NAN)];
    check(one_column(Unit::Percent, values), &["key", "12.5", "\"\""]);
}

#[test]
fn a_stack_is_one_field_from_the_root_with_offsets_for_names() {
    let nameless = Frame {
        module: Some("/lib/libstripped.so".into()),
        offset: Some(0x12),
        ..Frame::default()
    };
    let frames = [nameless, Frame::marker("f;g, h"), Frame::marker("main")];
    let values = [Stack::from_iter(frames).into()];
    let expected = ["key", "\"main;f:g, h;libstripped.so+0x12\""];
    check(one_column(Unit::Stack, values), &expected);
}

#[test]
fn no_text_becomes_a_formula_or_a_new_row() {
    let texts = ["=1+2", " @a", "-x", "+x", "\u{1b}[1m=1", "a\nb", "a-b"];
    let values = texts.map(Value::text);
    let expected = ["key", "'=1+2", "' @a", "'-x", "'+x", "'=1", "a b", "a-b"];
    check(one_column(Unit::Text, values), &expected);
}

#[test]
fn a_negative_number_is_no_formula() {
    let values = [Estimate::exact(-5.0, Unit::Bytes).into()];
    check(
        one_column(Unit::Bytes, values),
        &["key,key_low,key_high", "-5,-5,-5"],
    );
}

#[test]
fn a_histogram_is_a_row_for_each_bucket() {
    let bucket = |low, high| Bucket {
        low,
        high,
        value: Value::Count(3),
    };
    let histogram = Histogram {
        unit: Unit::Bytes,
        measure: "objects".to_owned(),
        buckets: vec![bucket(0, Some(16)), bucket(16, None)],
    };
    let expected = ["from_bytes,below_bytes,objects", "0,16,3", "16,,3"];
    check(Body::Histogram(histogram), &expected);
}

#[test]
fn stacks_come_before_tables() {
    let table = |key: &str| Table::new(vec![Column::new(key, "", Unit::Count)]);
    let mut report = Report::new("sites");
    let bodies = [Body::Table(table("first")), Body::Stacks(table("second"))];
    let sections = bodies.map(|body| Section::new("name", "title", body));
    report.sections.extend(sections);
    let mut bytes = Vec::new();
    Csv.write(&report, &Options::default(), &mut bytes)
        .expect("a vector takes everything");
    assert_eq!(bytes, b"second\r\n");
}
