//! What speedscope's importer relies on.

use serde_json::Value as Json;

use super::*;
use crate::report::{Body, Column, Estimate, Fact, Stack};

/// A report with these columns of bytes; each row has its values and the frames of its stack,
/// leaf first.
fn report(keys: &[&str], rows: &[(&[f64], &[&str])]) -> Report {
    let columns = keys.iter().map(|key| match key.ends_with("_change") {
        true => Column::change(*key, *key, Unit::Bytes),
        false => Column::new(*key, *key, Unit::Bytes),
    });
    let mut table = Table::new(columns.collect());
    table
        .columns
        .push(Column::new("stack", "stack", Unit::Stack));
    for (numbers, names) in rows {
        let estimate = |number: &f64| Estimate::sampled(*number, 0.0, *number, Unit::Bytes).into();
        let mut row: Vec<Value> = numbers.iter().map(estimate).collect();
        let frames = names.iter().map(|name| Frame::marker(*name));
        row.push(Stack::from_iter(frames).into());
        table.rows.push(row);
    }
    let mut report = Report::new("sites");
    report
        .sections
        .push(Section::new("sites", "Sites", Body::Stacks(table)));
    report
}

fn read_back(report: &Report, options: &Options) -> Json {
    let mut bytes = Vec::new();
    Speedscope
        .write(report, options, &mut bytes)
        .expect("a vector takes everything");
    serde_json::from_slice(&bytes).expect("it is JSON")
}

/// The samples of a profile as `root;leaf weight`.
fn lines(file: &Json, profile: usize) -> Vec<String> {
    let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
    let profile = &file["profiles"][profile];
    let name = |frame: &Json| {
        let place = frame.as_u64().unwrap_or(u64::MAX) as usize;
        let name = &file["shared"]["frames"][place]["name"];
        name.as_str().expect("every frame has a name").to_owned()
    };
    let samples = list(&profile["samples"]);
    let weights = list(&profile["weights"]);
    assert_eq!(samples.len(), weights.len(), "a weight for each sample");
    let paths = samples.iter().map(|sample| {
        let names: Vec<String> = list(sample).iter().map(name).collect();
        names.join(";")
    });
    let lines = paths.zip(&weights);
    lines
        .map(|(path, weight)| format!("{path} {weight}"))
        .collect()
}

#[test]
fn each_measure_is_a_profile_of_stacks_from_the_root() {
    let rows: &[(&[f64], &[&str])] = &[
        (&[10.0, 30.0], &["b", "main"]),
        (&[0.0, 5.0], &["a", "main"]),
    ];
    let file = read_back(
        &report(&["live_bytes", "allocated_bytes"], rows),
        &Options::default(),
    );
    assert_eq!(lines(&file, 0), ["main;b 10"]);
    assert_eq!(lines(&file, 1), ["main;b 30", "main;a 5"]);
    let allocated = &file["profiles"][1];
    assert_eq!(allocated["name"], "allocated_bytes");
    assert_eq!(allocated["unit"], "bytes");
    assert_eq!(allocated["endValue"], 35);
}

#[test]
fn the_measure_that_was_asked_for_is_shown_first() {
    let options = Options {
        measure: Some("alloc_space".to_owned()),
        ..Options::default()
    };
    let file = read_back(&report(&["live_bytes", "allocated_bytes"], &[]), &options);
    assert_eq!(file["activeProfileIndex"], 1);
}

#[test]
fn what_grew_and_what_shrank_are_two_profiles() {
    let rows: &[(&[f64], &[&str])] = &[(&[7.0], &["a"]), (&[-3.0], &["b"])];
    let file = read_back(&report(&["live_bytes_change"], rows), &Options::default());
    assert_eq!(lines(&file, 0), ["a 7"]);
    assert_eq!(lines(&file, 1), ["b 3"]);
    assert_eq!(file["profiles"][1]["name"], "live_bytes_change, shrunk");
}

#[test]
fn a_row_without_a_stack_is_drawn_as_such() {
    let file = read_back(
        &report(&["live_bytes"], &[(&[1.0], &[])]),
        &Options::default(),
    );
    assert_eq!(lines(&file, 0), ["[no stack] 1"]);
}

#[test]
fn stacks_that_are_too_many_are_one_and_the_total_stays() {
    let rows: &[(&[f64], &[&str])] = &[
        (&[1.0], &["a", "main"]),
        (&[9.0], &["b", "main"]),
        (&[2.0], &["c", "main"]),
    ];
    let report = report(&["live_bytes"], rows);
    let table = report.sections[0].table().expect("stacks have columns");
    let stacks = Stacks::of(table);
    let profile = profile("live".into(), Unit::Bytes, &[1, 9, 2], &stacks, 3);
    assert_eq!(profile.name, "live (2 small stacks in [other])");
    assert_eq!(profile.weights, [9, 3]);
    assert_eq!(profile.samples[1], stacks.other);
    assert_eq!(profile.end_value, 12);
}

#[test]
fn the_name_of_each_profile_says_what_was_lost() {
    let mut report = report(&["live_bytes"], &[]);
    let lost = Fact::new("slots_refused", "blocks without a slot", Value::Count(7));
    report.losses.push(lost);
    let file = read_back(&report, &Options::default());
    let name = "live_bytes, lost: 7 blocks without a slot";
    assert_eq!(file["profiles"][0]["name"], name);
}
