//! What viewers of other tools find in our exports: the report's figures, whatever the report.
//!
//! Each form is read by rules of its own, written from what its viewers read.

#![forbid(unsafe_code)]

mod dhat;
mod firefox;
mod heaptrack;
mod massif;
mod report;

use memshim_reader::output::{self, Options};
use memshim_reader::report::Report;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// The report in the form `format`.
fn draw(format: &str, report: &Report) -> String {
    let output = output::find(format).expect("the format is in the registry");
    assert!(output::can_draw(output, report), "{format} cannot draw it");
    let mut bytes = Vec::new();
    output
        .write(report, &Options::default(), &mut bytes)
        .expect("a vector takes everything");
    String::from_utf8(bytes).expect("all forms here are UTF-8")
}

/// The same reports in every run.
fn seeded() -> ProptestConfig {
    ProptestConfig {
        cases: 100,
        rng_seed: RngSeed::Fixed(4),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn an_export_without_what_it_needs_says_no() {
    let mut report = report::of(&[], 0);
    report
        .sections
        .retain(|section| section.name == "heap" || section.name == "heap_over_time");
    for format in ["heaptrack", "dhat", "massif", "firefox"] {
        let output = output::find(format).expect("the format is in the registry");
        assert!(!output::can_draw(output, &report), "{format}");
    }
}

#[test]
fn every_export_takes_a_report_without_a_single_call() {
    for format in ["heaptrack", "dhat", "massif", "firefox"] {
        draw(format, &report::of(&[], 0));
    }
}
