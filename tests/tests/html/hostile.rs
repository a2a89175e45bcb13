//! A report whose names try to break out of the page, and a report of great size.

use std::sync::Arc;

use memshim_reader::report::{
    Body, Bucket, Column, Estimate, Fact, Frame, Histogram, Report, Section, Stack, Table, Unit,
    Value,
};

/// Each would do harm where names are taken for markup, for a script, or for layout.
pub const NAMES: &[&str] = &[
    "</script><script>document.title='broken'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title='broken'\">",
    "\"quoted\" 'twice' `thrice` ${document.title='broken'}",
    "]]>&lt;b&gt;&amp;\\u003cb\\u003e",
    "javascript:document.title='broken'",
    "🦀 operator\"\"_名前 עברית",
    "reversed \u{202e}gnp.exe\u{2066}",
    "cleared\u{1b}[2Jscreen\nnext line\u{0}end",
    "__proto__",
    "constructor",
    "(((((((((([[[[*+?",
];

/// A report in which every text is hostile.
pub fn report() -> Report {
    let mut report = Report::new("</title><script>document.title='broken'</script>");
    report.target = vec![
        Fact::new("program", NAMES[0], Value::text(NAMES[0])),
        Fact::new("command_line", NAMES[1], Value::text(NAMES.join(" "))),
        Fact::new("state", NAMES[2], Value::text(NAMES[2])),
    ];
    report.losses = vec![Fact::new("lost", NAMES[2], Value::Count(3))];
    let facts = NAMES
        .iter()
        .map(|name| Fact::new(*name, *name, Value::text(*name)));
    report.sections = vec![
        Section::new("__proto__", NAMES[3], Body::Facts(facts.collect())).with_note(NAMES[0]),
        Section::new("sites", NAMES[2], Body::Stacks(stacks())),
        Section::new("<b>", NAMES[0], Body::Table(stacks())),
        Section::new("empty", "empty", Body::Series(Table::default())),
        Section::new("sizes", "odd numbers", Body::Histogram(odd_histogram())),
    ];
    report
}

fn stacks() -> Table {
    let mut table = Table::new(vec![
        Column::new("live_bytes", NAMES[2], Unit::Bytes),
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let long = "long_name_".repeat(1000);
    let names = NAMES.iter().copied().chain([long.as_str()]);
    table.rows = names
        .map(|name| {
            vec![
                Value::Estimate(Estimate::sampled(1024.0, 0.0, f64::INFINITY, Unit::Bytes)),
                Value::text(name),
                Value::Stack(Stack::from_iter([frame(name), frame("main")])),
            ]
        })
        .collect();
    table.rows.push(vec![
        Value::Unknown,
        Value::Unknown,
        Value::Stack(Stack::default()),
    ]);
    table
        .rows
        .push(vec![Estimate::exact(f64::NAN, Unit::Bytes).into()]);
    table
}

fn odd_histogram() -> Histogram {
    let bucket = |value| Bucket {
        low: u64::MAX,
        high: None,
        value,
    };
    Histogram {
        unit: Unit::Bytes,
        measure: NAMES[0].to_owned(),
        buckets: vec![
            bucket(Value::Unknown),
            bucket(Estimate::exact(f64::INFINITY, Unit::Count).into()),
            bucket(Value::Count(u64::MAX)),
        ],
    }
}

fn frame(name: &str) -> Frame {
    Frame {
        function: Some(name.into()),
        file: Some(format!("/src/{name}").into()),
        line: Some(u32::MAX),
        module: Some(name.into()),
        ..Frame::default()
    }
}

/// As many different stacks as asked for, thirty frames deep, out of five thousand functions.
///
/// Stacks share their outer calls with their neighbours and differ towards the leaf, as those of
/// programs do; every one of them differs in its last three.
pub fn large(stack_count: u64) -> Report {
    const FUNCTIONS: u64 = 5_000;
    const DEPTH: u64 = 30;
    let frames: Vec<Arc<Frame>> = (0..FUNCTIONS)
        .map(|number| Arc::new(named(number)))
        .collect();
    let mut table = Table::new(vec![
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = (0..stack_count)
        .map(|number| {
            let frame_at = |depth: u64| {
                // The path to a leaf in a tree that branches in two every other level.
                let shared = number >> (depth.min(34) / 2);
                let chosen = mix(shared * 64 + depth) % FUNCTIONS;
                Arc::clone(&frames[chosen as usize])
            };
            let stack = Stack((0..DEPTH).map(frame_at).collect());
            let bytes = 64.0 * (1 + mix(number) % 1000) as f64;
            let estimate = |value: f64, unit| {
                Value::Estimate(Estimate::sampled(value, value * 0.5, value * 2.0, unit))
            };
            vec![
                estimate(bytes, Unit::Bytes),
                estimate(bytes / 64.0, Unit::Count),
                estimate(bytes * 3.0, Unit::Bytes),
                Value::Stack(stack),
            ]
        })
        .collect();
    let mut report = Report::new("export");
    report.target = vec![Fact::new("program", "program", Value::text("large"))];
    report
        .sections
        .push(Section::new("sites", "Who allocates", Body::Stacks(table)));
    report
}

fn named(number: u64) -> Frame {
    Frame {
        function: Some(format!("library{}::Class{number}::method(int)", number % 40).into()),
        file: Some(format!("/build/library{}/src/class{number}.cpp", number % 40).into()),
        line: Some(number as u32 + 1),
        module: Some(format!("/usr/lib/library{}.so", number % 40).into()),
        ..Frame::default()
    }
}

/// Scatters numbers evenly and always in the same way (the finalizer of splitmix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
