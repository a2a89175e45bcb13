//! What a reader of an issue sees; the drawing as a whole is `tests/expected/report.md`.

use super::*;
use crate::report::{Column, Estimate, Frame, Stack, Table, Unit};

fn draw(report: &Report, options: &Options) -> String {
    let mut bytes = Vec::new();
    Markdown
        .write(report, options, &mut bytes)
        .expect("a vector takes everything");
    String::from_utf8(bytes).expect("it is UTF-8")
}

/// Two measures that disagree about which of three rows is the largest.
fn report() -> Report {
    let mut table = Table::new(vec![
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
        Column::derived("freed_bytes", "freed", Unit::Bytes),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    for (name, live, allocated) in [("a", 3.0, 10.0), ("b", 2.0, 40.0), ("c", 1.0, 20.0)] {
        let number = |value| Estimate::exact(value, Unit::Bytes).into();
        let stack = Stack::from_iter([Frame::marker(name)]).into();
        let row = vec![number(live), number(allocated), number(0.0), stack];
        table.rows.push(row);
    }
    let mut report = Report::new("sites");
    let section = Section::new("sites", "Sites", Body::Stacks(table));
    report.sections.push(section);
    report
}

#[test]
fn the_largest_rows_by_the_measure_stand_first_and_so_does_its_column() {
    let options = Options {
        measure: Some("alloc_space".to_owned()),
        rows_max: 2,
        ..Options::default()
    };
    let expected = "## memshim sites\n\n### Sites\n\n\
        | # | allocated | live | stack |\n\
        | --: | --: | --: | :-- |\n\
        | 1 | 40 B | 2 B | `b` |\n\
        | 2 | 20 B | 1 B | `c` |\n\n\
        2 of 3 rows\n";
    assert_eq!(draw(&report(), &options), expected);
}

#[test]
fn rows_keep_their_order_and_derived_columns_stay_out_where_nothing_was_asked_for() {
    let drawn = draw(&report(), &Options::default());
    assert!(
        drawn.contains("| # | live | allocated | stack |"),
        "{drawn}"
    );
    assert!(drawn.contains("| 1 | 3 B | 10 B | `a` |"), "{drawn}");
}

#[test]
fn losses_come_before_everything() {
    let mut report = report();
    let losses = [("events", 3), ("nothing", 0), ("slots", 4)];
    report.losses = losses
        .map(|(name, count)| Fact::new(name, name, Value::Count(count)))
        .into();
    let drawn = draw(&report, &Options::default());
    let expected = "## memshim sites\n\n> **Lost:** 3 events\n>\n> **Lost:** 4 slots\n\n###";
    assert!(drawn.starts_with(expected), "{drawn}");
}
