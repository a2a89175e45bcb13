//! Every output draws one report that has every kind of section; the drawings are files.
//!
//! `UPDATE=1 cargo test -p memshim-reader --test outputs` rewrites them; read the difference.

#![forbid(unsafe_code)]

mod fixture;

use std::path::Path;

use memshim_reader::output::{self, OUTPUTS, Options};
use memshim_reader::report::Report;

/// Draws the report, and compares with `tests/expected/FILE` or rewrites it.
fn check(format: &str, report: &Report, options: &Options, file: &str) {
    let written = draw(format, report, options);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).expect("the expected drawing can be rewritten");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "{file} differs; UPDATE=1 rewrites it. Now:\n{written}"
    );
}

fn draw(format: &str, report: &Report, options: &Options) -> String {
    let bytes = draw_bytes(format, report, options);
    String::from_utf8(bytes).expect("all outputs here are UTF-8")
}

fn draw_bytes(format: &str, report: &Report, options: &Options) -> Vec<u8> {
    let output = output::find(format).expect("the format is in the registry");
    let mut bytes = Vec::new();
    output
        .write(report, options, &mut bytes)
        .expect("a vector takes everything");
    bytes
}

#[test]
fn text_shows_all_kinds_of_sections() {
    check(
        "text",
        &fixture::report(),
        &Options::default(),
        "report.txt",
    );
}

#[test]
fn a_narrow_terminal_gets_the_same_facts_on_more_lines() {
    let options = Options {
        width: 60,
        ..Options::default()
    };
    check("text", &fixture::report(), &options, "report-narrow.txt");
}

#[test]
fn colour_is_used_only_when_told() {
    let options = Options {
        is_coloured: true,
        ..Options::default()
    };
    check("text", &fixture::report(), &options, "report-coloured.txt");
    assert!(!draw("text", &fixture::report(), &Options::default()).contains('\u{1b}'));
}

#[test]
fn text_without_losses_says_so_in_one_line() {
    let mut report = fixture::report();
    report.sections.clear();
    for loss in &mut report.losses {
        loss.value = memshim_reader::report::Value::Count(0);
    }
    check("text", &report, &Options::default(), "nothing-lost.txt");
}

#[test]
fn json_has_everything() {
    check(
        "json",
        &fixture::report(),
        &Options::default(),
        "report.json",
    );
}

#[test]
fn folded_stacks_have_the_first_number() {
    check(
        "folded",
        &fixture::report(),
        &Options::default(),
        "report.folded",
    );
}

#[test]
fn folded_stacks_have_the_number_that_was_asked_for() {
    let options = Options {
        measure: Some("live_objects".to_owned()),
        ..Options::default()
    };
    check(
        "folded",
        &fixture::report(),
        &options,
        "report-objects.folded",
    );
}

#[test]
fn markdown_shows_all_kinds_of_sections() {
    check(
        "markdown",
        &fixture::report(),
        &Options::default(),
        "report.md",
    );
}

#[test]
fn csv_has_the_stacks() {
    check("csv", &fixture::report(), &Options::default(), "report.csv");
}

#[test]
fn speedscope_has_a_profile_for_each_measure() {
    let file = "report.speedscope.json";
    check("speedscope", &fixture::report(), &Options::default(), file);
}

#[test]
fn an_output_that_needs_stacks_cannot_draw_facts() {
    let mut report = fixture::report();
    report.sections.truncate(1);
    let drawn_by: Vec<&str> = OUTPUTS
        .iter()
        .filter(|output| output::can_draw(**output, &report))
        .map(|output| output.name())
        .collect();
    assert_eq!(drawn_by, ["text", "json", "html", "markdown"]);
}

#[test]
fn names_and_extensions_find_their_output() {
    for output in OUTPUTS {
        let by_name = output::find(output.name()).map(|found| found.name());
        assert_eq!(by_name, Some(output.name()));
        let by_extension = output::find_by_extension(output.extension()).map(|found| found.name());
        assert_eq!(by_extension, Some(output.name()));
    }
}

#[test]
fn the_longest_extension_of_a_file_decides() {
    let of_file = |name| output::find_by_file_name(name).map(|found| found.name());
    assert_eq!(of_file("heap.pb.gz"), Some("pprof"));
    assert_eq!(of_file("heap.v2.pprof"), Some("pprof"));
    assert_eq!(of_file("heap.speedscope.json"), Some("speedscope"));
    assert_eq!(of_file("heap.json"), Some("json"));
    assert_eq!(of_file("heap.gz"), None);
    assert_eq!(of_file("json"), None);
}

#[test]
fn every_output_takes_an_empty_report_and_any_width() {
    for output in OUTPUTS {
        for width in [0, 1, 10, usize::MAX] {
            let options = Options {
                width,
                frames_max: 0,
                rows_max: 0,
                ..Options::default()
            };
            draw_bytes(output.name(), &Report::new("empty"), &options);
            draw_bytes(output.name(), &fixture::report(), &options);
        }
    }
}
