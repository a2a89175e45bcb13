//! What viewers rely on, read back from the bytes of whole files.

use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

use crate::output::pprof::Pprof;
use crate::output::pprof::proto::{Mapping, Profile, ValueType};
use crate::output::{Options, Output};
use crate::report::{
    Body, Column, Estimate, Fact, Frame, Report, Section, Stack, Table, Unit, Value,
};

fn read_back(report: &Report, options: &Options) -> Profile {
    let mut bytes = Vec::new();
    Pprof
        .write(report, options, &mut bytes)
        .expect("a vector takes everything");
    let mut plain = Vec::new();
    GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut plain)
        .expect("it is gzip");
    Profile::decode(plain.as_slice()).expect("it is a profile")
}

impl Profile {
    fn text(&self, place: i64) -> &str {
        &self.string_table[place as usize]
    }

    fn types(&self) -> Vec<&str> {
        let name = |sample_type: &ValueType| self.text(sample_type.r#type);
        self.sample_type.iter().map(name).collect()
    }

    fn total(&self, name: &str) -> i64 {
        let index = self.types().iter().position(|found| *found == name);
        let index = index.unwrap_or_else(|| panic!("no {name} in {:?}", self.types()));
        self.sample.iter().map(|sample| sample.value[index]).sum()
    }

    /// The names in the lines of each location of the first sample, leaf first.
    fn first_stack(&self) -> Vec<Vec<&str>> {
        let locations = self.sample[0].location_id.iter();
        let names = locations.map(|id| {
            let lines = &self.location[*id as usize - 1].line;
            let function = |id: u64| &self.function[id as usize - 1];
            let names = lines.iter().map(|line| function(line.function_id).name);
            names.map(|name| self.text(name)).collect()
        });
        names.collect()
    }
}

/// A report with these columns of estimates; each row has a value for each, and a stack.
fn report(keys: &[(&str, Unit)], rows: Vec<(Vec<f64>, Stack)>) -> Report {
    let columns = keys
        .iter()
        .map(|(key, unit)| Column::new(*key, *key, *unit));
    let mut table = Table::new(columns.collect());
    table
        .columns
        .push(Column::new("stack", "stack", Unit::Stack));
    for (values, stack) in rows {
        let units = keys.iter().map(|(_, unit)| *unit);
        let values = values.into_iter().zip(units);
        let mut row: Vec<Value> = values
            .map(|(value, unit)| Estimate::sampled(value, 0.0, value, unit).into())
            .collect();
        row.push(stack.into());
        table.rows.push(row);
    }
    let mut report = Report::new("sites");
    report
        .sections
        .push(Section::new("sites", "Sites", Body::Stacks(table)));
    report
}

fn frame(name: &str, module: &str, offset: u64, bias: u64) -> Frame {
    Frame {
        address: bias + offset + 1,
        function: Some(name.into()),
        module: Some(module.into()),
        build_id: Some("c0ffee".into()),
        offset: Some(offset),
        ..Frame::default()
    }
}

fn one_stack(frames: impl IntoIterator<Item = Frame>) -> Report {
    let rows = vec![(vec![1.0], Stack::from_iter(frames))];
    report(&[("live_bytes", Unit::Bytes)], rows)
}

#[test]
fn the_first_four_types_are_gos_whatever_the_order_of_the_columns() {
    let keys = [
        ("live_bytes", Unit::Bytes),
        ("live_objects", Unit::Count),
        ("allocated_bytes", Unit::Bytes),
        ("freed_bytes", Unit::Bytes),
        ("size_classes", Unit::Count),
        ("peak_live_bytes", Unit::Bytes),
        ("allocated_objects", Unit::Count),
    ];
    let profile = read_back(&report(&keys, Vec::new()), &Options::default());
    let expected = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
        "peak_space",
        "size_classes",
    ];
    assert_eq!(profile.types(), expected);
    assert_eq!(profile.text(profile.default_sample_type), "inuse_space");
}

#[test]
fn a_comparison_is_first_shown_by_its_change() {
    let keys = ["live_bytes_before", "live_bytes_after", "live_bytes_change"];
    let keys = keys.map(|key| (key, Unit::Bytes));
    let row = (vec![50.0, 20.0, -30.0], Stack::default());
    let profile = read_back(&report(&keys, vec![row]), &Options::default());
    let default = profile.text(profile.default_sample_type);
    assert_eq!(default, "inuse_space_change");
    assert_eq!(profile.total("inuse_space_change"), -30);
    assert_eq!(profile.total("inuse_space_before"), 50);
}

#[test]
fn the_measure_that_was_asked_for_is_shown_first() {
    let keys = [
        ("live_bytes", Unit::Bytes),
        ("allocated_objects", Unit::Count),
    ];
    let options = Options {
        measure: Some("alloc_objects".to_owned()),
        ..Options::default()
    };
    let profile = read_back(&report(&keys, Vec::new()), &options);
    assert_eq!(profile.text(profile.default_sample_type), "alloc_objects");
}

#[test]
fn fractions_of_objects_are_kept_in_the_total() {
    let row = |place: u64| {
        let stack = Stack::from_iter([frame("f", "/bin/a", place, 0)]);
        (vec![1.5, 0.3], stack)
    };
    let keys = [("live_objects", Unit::Count), ("live_bytes", Unit::Bytes)];
    let rows = (0..1000).map(row).collect();
    let profile = read_back(&report(&keys, rows), &Options::default());
    assert_eq!(profile.total("inuse_objects"), 1500);
    assert_eq!(profile.total("inuse_space"), 300);
}

#[test]
fn functions_that_were_folded_into_another_share_its_location() {
    let inlined = |name: &str| Frame {
        inlined: true,
        ..frame(name, "/bin/a", 0x10, 0x1000)
    };
    let report = one_stack([
        inlined("innermost"),
        inlined("inner"),
        frame("outer", "/bin/a", 0x10, 0x1000),
        frame("main", "/bin/a", 0x40, 0x1000),
    ]);
    let profile = read_back(&report, &Options::default());
    assert_eq!(
        profile.first_stack(),
        [vec!["innermost", "inner", "outer"], vec!["main"]]
    );
    assert_eq!(profile.location[0].address, 0x1010);
}

#[test]
fn a_module_is_a_mapping_at_its_bias_that_needs_no_symbols() {
    let report = one_stack([
        frame("f", "/lib/libc.so.6", 0x2_3456, 0x7f00_0000_0000),
        frame("g", "/lib/libc.so.6", 0x10, 0x7f00_0000_0000),
    ]);
    let profile = read_back(&report, &Options::default());
    let [mapping] = profile.mapping.as_slice() else {
        panic!("one mapping, not {:?}", profile.mapping);
    };
    let expected = Mapping {
        id: 1,
        memory_start: 0x7f00_0000_0000,
        memory_limit: 0x7f00_0002_4000,
        file_offset: 0,
        filename: mapping.filename,
        build_id: mapping.build_id,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
    };
    assert_eq!(mapping, &expected);
    assert_eq!(profile.text(mapping.filename), "/lib/libc.so.6");
    assert_eq!(profile.text(mapping.build_id), "c0ffee");
}

#[test]
fn the_program_is_the_first_mapping() {
    let mut report = one_stack([
        frame("malloc_caller", "/lib/libc.so.6", 0x10, 0x7f00_0000_0000),
        frame("main", "/bin/a", 0x20, 0x5500_0000_0000),
    ]);
    let executable = Fact::new("executable", "executable", Value::text("/bin/a"));
    report.target.push(executable);
    let profile = read_back(&report, &Options::default());
    assert_eq!(profile.text(profile.mapping[0].filename), "/bin/a");
    let mappings = profile.location.iter().map(|location| location.mapping_id);
    assert_eq!(mappings.collect::<Vec<u64>>(), [2, 1]);
}

#[test]
fn a_frame_without_a_name_is_called_by_its_module_and_offset() {
    let nameless = Frame {
        function: None,
        ..frame("", "/lib/libstripped.so", 0x1234, 0x7f00_0000_0000)
    };
    let profile = read_back(&one_stack([nameless]), &Options::default());
    assert_eq!(profile.first_stack(), [["libstripped.so+0x1234"]]);
}

#[test]
fn names_cannot_write_to_the_terminal_of_whoever_looks_at_them() {
    let profile = read_back(
        &one_stack([frame("f\u{1b}[2Jg\nh", "/bin/a", 1, 0)]),
        &Options::default(),
    );
    assert_eq!(profile.first_stack(), [["fg h"]]);
}

#[test]
fn what_was_lost_is_said_in_a_comment() {
    let mut report = one_stack([]);
    let lost = Fact::new("slots_refused", "blocks without a slot", Value::Count(7));
    report.losses.push(lost);
    let profile = read_back(&report, &Options::default());
    let mut comments = profile.comment.iter().map(|place| profile.text(*place));
    assert!(comments.any(|comment| comment == "lost: 7 blocks without a slot"));
}

#[test]
fn the_file_says_when_and_how_finely_it_was_sampled() {
    let mut report = one_stack([]);
    report.target = vec![
        Fact::new(
            "as_of_unix_ns",
            "as of",
            Value::Time(1_795_331_433_000_000_000),
        ),
        Fact::new("age_ns", "age", Value::Duration(5_000)),
        Fact::new("interval_bytes", "interval", Value::Bytes(4096)),
    ];
    let profile = read_back(&report, &Options::default());
    assert_eq!(profile.time_nanos, 1_795_331_433_000_000_000);
    assert_eq!(profile.duration_nanos, 5_000);
    assert_eq!(profile.period, 4096);
}
