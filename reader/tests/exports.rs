//! Whatever a report holds, the files that are made of it can be read, and add up to the same.

#![forbid(unsafe_code)]

mod any_report;
mod protobuf;

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value as Json;

use memshim_reader::output::{self, Options};
use memshim_reader::report::Report;

use any_report::{MEASURES, any_report};
use protobuf::Fields;

/// The sample types that a pprof file of [`any_report`] has, with their columns.
const SAMPLE_TYPES: &[(&str, &str)] = &[
    ("alloc_objects", "allocated_objects"),
    ("alloc_space", "allocated_bytes"),
    ("inuse_objects", "live_objects"),
    ("inuse_space", "live_bytes"),
    ("peak_space", "peak_live_bytes"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_pprof_file_is_whole_and_adds_up_to_the_report(report in any_report()) {
        check_pprof(&report);
    }

    #[test]
    fn a_speedscope_file_is_whole_and_adds_up_to_the_report(report in any_report()) {
        check_speedscope(&report);
    }

    #[test]
    fn a_csv_file_has_a_row_for_each_row_and_no_formula(report in any_report()) {
        check_csv(&report);
    }

    #[test]
    fn markdown_keeps_its_tables_and_shows_no_control_characters(report in any_report()) {
        check_markdown(&report);
    }
}

fn draw(format: &str, report: &Report) -> Vec<u8> {
    let output = output::find(format).expect("the format is in the registry");
    let mut bytes = Vec::new();
    output
        .write(report, &Options::default(), &mut bytes)
        .expect("a vector takes everything");
    bytes
}

/// The rounded sum of a measure over all rows.
fn total(report: &Report, key: &str) -> i64 {
    let table = report.sections[0].table().expect("sites are a table");
    let index = table.index(key).expect("every report has the measure");
    let numbers = table.rows.iter().filter_map(|row| row[index].number());
    let sum: f64 = numbers.filter(|number| number.is_finite()).sum();
    sum.round() as i64
}

/// Sums in the order of rows and in another may differ in the last bit, and be rounded apart.
fn assert_same(written: i64, expected: i64, key: &str) {
    assert!(
        written.abs_diff(expected) <= 1,
        "{key}: {written} is not {expected}"
    );
}

fn check_pprof(report: &Report) {
    let mut plain = Vec::new();
    GzDecoder::new(draw("pprof", report).as_slice())
        .read_to_end(&mut plain)
        .expect("it is gzip");
    let profile = Fields::read(&plain).expect("it is a message");
    let texts: Vec<&str> = profile
        .all(6)
        .map(|text| std::str::from_utf8(text).expect("texts are UTF-8"))
        .collect();
    assert_eq!(texts[0], "");
    let has_control = |text: &&str| text.contains(char::is_control);
    assert_eq!(texts.iter().find(|text| has_control(text)), None);

    let locations = check_locations(&profile);
    let types = profile.messages(1).into_iter();
    let types: Vec<&str> = types.map(|row| texts[row.number(1) as usize]).collect();
    let names = SAMPLE_TYPES.iter().map(|(name, _)| *name);
    assert_eq!(types, names.collect::<Vec<&str>>());
    let mut sums = [0; SAMPLE_TYPES.len()];
    for sample in profile.messages(2) {
        let stack = sample.numbers(1);
        assert!(!stack.is_empty());
        assert!(stack.iter().all(|id| (1..=locations).contains(id)));
        let values = sample.numbers(2);
        assert_eq!(values.len(), sums.len());
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value as i64;
        }
        for label in sample.messages(3) {
            assert_eq!(texts[label.number(1) as usize], "verdict");
        }
    }
    for (sum, (_, key)) in sums.into_iter().zip(SAMPLE_TYPES) {
        assert_same(sum, total(report, key), key);
    }
}

/// Checks what Parca refuses a file for, and gives how many locations there are.
fn check_locations(profile: &Fields<'_>) -> u64 {
    let [mappings, locations, functions] = [3, 4, 5].map(|field| {
        let ids: Vec<u64> = profile
            .messages(field)
            .iter()
            .map(|row| row.number(1))
            .collect();
        let count = ids.len() as u64;
        assert_eq!(ids, (1..=count).collect::<Vec<u64>>(), "ids are in order");
        count
    });
    for mapping in profile.messages(3) {
        let (start, limit) = (mapping.number(2), mapping.number(3));
        assert!(start < limit, "{start:#x} .. {limit:#x}");
    }
    for location in profile.messages(4) {
        assert!(location.number(2) <= mappings);
        let lines = location.messages(4);
        assert!(!lines.is_empty(), "every location has a name");
        for line in lines {
            assert!((1..=functions).contains(&line.number(1)));
        }
    }
    locations
}

fn check_speedscope(report: &Report) {
    let file: Json = serde_json::from_slice(&draw("speedscope", report)).expect("it is JSON");
    check_schema(&file);
    let frames = list(&file["shared"]["frames"]).len() as u64;
    let keys = MEASURES.iter().map(|(key, _)| *key);
    let keys = keys.filter(|key| key.ends_with("_bytes"));
    let profiles = list(&file["profiles"]);
    assert_eq!(profiles.len(), keys.clone().count());
    for (profile, key) in profiles.iter().zip(keys) {
        let name = profile["name"].as_str().unwrap_or_default();
        assert!(name.starts_with(key), "{name}");
        let (samples, weights) = (list(&profile["samples"]), list(&profile["weights"]));
        assert_eq!(samples.len(), weights.len());
        let is_known = |frame: &Json| frame.as_u64().is_some_and(|place| place < frames);
        for sample in samples {
            assert!(!list(sample).is_empty() && list(sample).iter().all(is_known));
        }
        let sum: i64 = weights.iter().filter_map(Json::as_i64).sum();
        assert_eq!(profile["endValue"], sum);
        assert_same(sum, total(report, key), key);
    }
}

/// Checks what speedscope's own schema demands of a file of sampled profiles, and that nothing
/// else is in it.
fn check_schema(file: &Json) {
    let keys = |json: &Json| -> Vec<String> {
        let object = json.as_object().expect("it is an object");
        object.keys().cloned().collect()
    };
    let schema = "https://www.speedscope.app/file-format-schema.json";
    assert_eq!(file["$schema"], schema);
    assert_eq!(
        keys(file),
        [
            "$schema",
            "activeProfileIndex",
            "exporter",
            "name",
            "profiles",
            "shared"
        ]
    );
    assert!(file["activeProfileIndex"].is_u64());
    for frame in list(&file["shared"]["frames"]) {
        assert!(frame["name"].is_string(), "{frame}");
        for key in keys(frame) {
            let is_number = ["line", "col"].contains(&key.as_str()) && frame[&key].is_u64();
            let is_text = ["name", "file"].contains(&key.as_str()) && frame[&key].is_string();
            assert!(is_number || is_text, "{key} in {frame}");
        }
    }
    for profile in list(&file["profiles"]) {
        assert_eq!(
            keys(profile),
            [
                "endValue",
                "name",
                "samples",
                "startValue",
                "type",
                "unit",
                "weights"
            ]
        );
        assert_eq!(profile["type"], "sampled");
        assert_eq!(profile["unit"], "bytes");
        assert_eq!(profile["startValue"], 0);
        assert!(profile["name"].is_string());
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().expect("it is a list")
}

fn check_csv(report: &Report) {
    let bytes = draw("csv", report);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let rows = reader.records().collect::<Result<Vec<_>, _>>();
    let rows = rows.expect("every row has all fields");
    let table = report.sections[0].table().expect("sites are a table");
    assert_eq!(rows.len(), table.rows.len());
    for field in rows.iter().flatten() {
        let begins_formula = field.trim_start().starts_with(['=', '+', '-', '@']);
        assert!(
            !begins_formula && !field.contains(char::is_control),
            "{field:?}"
        );
    }
}

fn check_markdown(report: &Report) {
    let text = String::from_utf8(draw("markdown", report)).expect("it is UTF-8");
    let is_forbidden = |character: char| character.is_control() && character != '\n';
    assert!(!text.contains(is_forbidden));
    let heading = text.lines().find(|line| line.starts_with("| # |"));
    let columns = heading.map_or(0, cells);
    let rows = text.lines().filter(|line| {
        let rest = line.strip_prefix("| ").unwrap_or_default();
        rest.starts_with(|first: char| first.is_ascii_digit())
    });
    let mut count = 0;
    for row in rows {
        assert_eq!(cells(row), columns, "{row}");
        count += 1;
    }
    let table = report.sections[0].table().expect("sites are a table");
    assert_eq!(count, table.rows.len().min(Options::default().rows_max));
}

/// How many cells GitHub sees in a line: a pipe ends one, unless a backslash stands before it
/// that itself is not the second of two.
fn cells(line: &str) -> usize {
    let mut pipes = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '|' => pipes += 1,
            _ => {}
        }
    }
    pipes
}
