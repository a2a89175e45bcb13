//! How fast a report of many stacks is written in each form: `cargo bench -p memshim-reader`.

use divan::Bencher;
use divan::counter::BytesCount;
use memshim_reader::output::{OUTPUTS, Options, find};
use memshim_reader::report::{
    Body, Column, Estimate, Frame, Report, Section, Stack, Table, Unit, Value,
};
use std::sync::Arc;

fn main() {
    divan::main();
}

/// Stacks in the report, and frames in each.
const STACKS: usize = 2_000;
const DEPTH: usize = 40;

/// Different frames in all of them.
const FRAMES: usize = 4_000;

#[divan::bench(args = OUTPUTS.iter().map(|output| output.name()), sample_count = 20)]
fn write(bencher: Bencher<'_, '_>, form: &str) {
    let report = report();
    let output = find(form).expect("a form of the registry");
    let options = Options {
        rows_max: usize::MAX,
        ..Options::default()
    };
    let draw = |bytes: &mut Vec<u8>| output.write(&report, &options, bytes);
    let mut bytes = Vec::new();
    draw(&mut bytes).expect("memory can be written");
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| {
            bytes.clear();
            draw(&mut bytes)
        });
}

fn report() -> Report {
    let frames: Vec<Arc<Frame>> = (0..FRAMES).map(|number| Arc::new(frame(number))).collect();
    let mut table = Table::new(vec![
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = (0..STACKS)
        .map(|row| {
            // Leaves differ most, roots are the same.
            let frame = |depth: usize| frames[(row >> (depth / 2)) * 31 % FRAMES].clone();
            let bytes = Estimate::exact(row as f64 * 64.0, Unit::Bytes);
            vec![
                bytes.into(),
                Value::Stack(Stack((0..DEPTH).map(frame).collect())),
            ]
        })
        .collect();
    let mut report = Report::new("sites");
    let section = Section::new("sites", "Sites", Body::Table(table));
    report.sections.push(section);
    report
}

fn frame(number: usize) -> Frame {
    Frame {
        function: Some(format!("std::vector<Thing{number}>::_M_realloc_insert(int)").into()),
        file: Some(format!("/usr/include/c++/12/bits/vector{number}.tcc").into()),
        line: Some(number as u32),
        column: Some(5),
        module: Some("/usr/bin/program".into()),
        build_id: Some("00ff12a75b310b90b90a042b31ba82ab".into()),
        offset: Some(number as u64 * 16),
        ..Frame::new(0x5500_0000_0000 + number as u64, Some(0))
    }
}
