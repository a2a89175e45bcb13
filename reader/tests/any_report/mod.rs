//! Reports of any shape, with stacks: what an analysis might say, and what a hostile program
//! might make it say.

#![forbid(unsafe_code)]

use proptest::collection::vec;
use proptest::prelude::*;

use memshim_reader::report::{
    Body, Column, Estimate, Fact, Frame, Report, Section, Stack, Table, Unit, Value,
};

/// The measures of [`any_report`], as columns of its section `sites`.
pub const MEASURES: &[(&str, Unit)] = &[
    ("live_bytes", Unit::Bytes),
    ("live_objects", Unit::Count),
    ("allocated_bytes", Unit::Bytes),
    ("allocated_objects", Unit::Count),
    ("peak_live_bytes", Unit::Bytes),
];

/// A report with a section `sites` of all stacks, whose rows have estimates of each measure, a
/// verdict and a stack.
pub fn any_report() -> impl Strategy<Value = Report> {
    (vec(any_row(), 0..12), hostile_text(), any::<u64>()).prop_map(|(rows, program, lost)| {
        let columns = MEASURES
            .iter()
            .map(|(key, unit)| Column::new(*key, *key, *unit));
        let mut table = Table::new(columns.collect());
        table
            .columns
            .push(Column::new("verdict", "verdict", Unit::Text));
        table
            .columns
            .push(Column::new("stack", "stack", Unit::Stack));
        table.rows = rows;
        let mut report = Report::new("sites");
        report.target = vec![
            Fact::new("program", "program", Value::Text(program)),
            Fact::new("pid", "process", Value::Id(lost)),
            Fact::new("interval_bytes", "interval", Value::Bytes(lost)),
        ];
        report.losses = vec![Fact::new("lost", "lost", Value::Count(lost))];
        let section = Section::new("sites", "Sites", Body::Stacks(table));
        report.sections.push(section);
        report
    })
}

fn any_row() -> impl Strategy<Value = Vec<Value>> {
    let measures = MEASURES.iter().map(|(_, unit)| any_number(*unit));
    let measures: Vec<_> = measures.collect();
    let words = prop_oneof![Just(Value::Unknown), hostile_text().prop_map(Value::Text),];
    (measures, words, any_stack()).prop_map(|(mut row, verdict, stack)| {
        row.push(verdict);
        row.push(Value::Stack(stack));
        row
    })
}

/// A quantity of a heap: mostly whole, sometimes a fraction, unknown or none.
fn any_number(unit: Unit) -> impl Strategy<Value = Value> {
    let sampled = move |value: f64| Estimate::sampled(value, 0.0, value * 2.0, unit).into();
    prop_oneof![
        (0.0..1e12f64).prop_map(sampled),
        (0.0..3.0f64).prop_map(sampled),
        (0u64..1 << 40).prop_map(move |value| Estimate::exact(value as f64, unit).into()),
        Just(Value::Unknown),
        Just(sampled(0.0)),
        Just(sampled(f64::NAN)),
    ]
}

fn any_stack() -> impl Strategy<Value = Stack> {
    prop_oneof![
        4 => vec(any_frame(), 0..6).prop_map(Stack::from_iter),
        // Deeper than any unwinder of ours goes, with a recursion of one frame.
        1 => any_frame().prop_map(|frame| Stack::from_iter(vec![frame; 300])),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let text = || prop::option::of(hostile_text());
    let number = || prop_oneof![Just(0), Just(u64::MAX), 0u64..1 << 47, any::<u64>()];
    let names = (text(), text(), text(), text());
    let places = (number(), prop::option::of(number()), any::<bool>());
    (names, places, any::<Option<u32>>()).prop_map(
        |((function, file, module, build_id), (address, offset, inlined), line)| Frame {
            address,
            module_index: None,
            function: function.map(Into::into),
            file: file.map(Into::into),
            line,
            column: line,
            module: module.map(Into::into),
            build_id: build_id.map(Into::into),
            offset,
            inlined,
        },
    )
}

/// Texts that mean something to a terminal, a spreadsheet, Markdown, JSON or a flame graph.
fn hostile_text() -> impl Strategy<Value = String> {
    let parts = [
        "main",
        "f<a, b>",
        "=1+2",
        "@team",
        "|",
        "`",
        "\\",
        "\u{1b}[2J",
        "\n",
        "\r\n",
        ";",
        "\"",
        "</details>",
        "\u{202e}",
        "\u{0}",
        "ß",
        "#1",
        ",",
        " ",
        "```",
        "_[i]",
    ];
    let part = prop::sample::select(parts.to_vec());
    prop_oneof![
        vec(part, 0..5).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}
