//! Every analysis in every form, on a good segment and on damaged ones.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use regex::Regex;

use super::*;
use crate::analysis::ANALYSES;
use crate::output::{OUTPUTS, Options, can_draw, find};
use crate::source::Interval;
use crate::source::fixture::{ALLOCATED, FREED, segment};

/// Words of the header, the part that can do most harm.
const HEADER_WORDS: usize = 1024;

/// No report of half a mebibyte may be larger, whatever the bytes say.
const REPORT_BYTES_MAX: usize = 16 << 20;

fn report(name: &str, bytes: &[u8], request: &Request) -> Report {
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), bytes).expect("a good header");
    let mut session = Session::of(&segment, request);
    let entry = crate::analysis::find(name).expect("a known analysis");
    session.ask(request, &*entry.default_question().expect("default flags"))
}

fn json(name: &str, bytes: &[u8], request: &Request) -> serde_json::Value {
    serde_json::to_value(report(name, bytes, request)).expect("reports are JSON")
}

fn fact(json: &serde_json::Value, name: &str) -> serde_json::Value {
    let sections = json["sections"].as_array().expect("sections are a list");
    let found = sections
        .iter()
        .find_map(|section| section["facts"].get(name));
    found
        .unwrap_or_else(|| panic!("no fact {name} in {json:#}"))
        .clone()
}

/// Asks everything about `bytes`, in every form; gives how many answers there were.
fn ask_everything(bytes: &[u8]) -> usize {
    let Ok(segment) = Segment::from_bytes(Path::new("1-1-0.seg"), bytes) else {
        return 0;
    };
    let request = Request::default();
    let mut session = Session::of(&segment, &request);
    let mut answers = 0;
    for analysis in ANALYSES {
        let question = analysis.default_question().expect("default flags");
        let report = session.ask(&request, &*question);
        for output in OUTPUTS.iter().filter(|output| can_draw(**output, &report)) {
            let mut out = Vec::new();
            output
                .write(&report, &Options::default(), &mut out)
                .expect("memory can be written");
            assert!(
                out.len() < REPORT_BYTES_MAX,
                "{} bytes of {}",
                out.len(),
                analysis.name
            );
            answers += 1;
        }
    }
    answers
}

/// The same cases in every run; a failing one is shrunk before it is shown.
fn for_all<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result = TestRunner::new_with_rng(config, random).run(&strategy, |value| {
        check(value);
        Ok::<(), TestCaseError>(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn set(bytes: &mut [u8], word: usize, value: u64) {
    bytes[word * 8..word * 8 + 8].copy_from_slice(&value.to_le_bytes());
}

/// Words that do harm: extremes, places inside the file, and anything at all.
fn hostile_word() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX / 8),
        Just(1 << 63),
        0u64..100_000,
        (0u32..64).prop_map(|shift| 1 << shift),
        any::<u64>(),
    ]
}

/// The outputs that have a place for something of an analysis.
fn outputs_of(name: &str) -> Vec<&'static str> {
    let report = report(name, &segment(Interval::at_most(4096)), &Request::default());
    let drawing = OUTPUTS.iter().filter(|output| can_draw(**output, &report));
    drawing.map(|output| output.name()).collect()
}

#[test]
fn every_form_has_a_place_for_the_export() {
    let all = OUTPUTS.iter().map(|output| output.name());
    // Two draw the results of checks and nothing else.
    let expected: Vec<&str> = all
        .filter(|name| !["junit", "github"].contains(name))
        .collect();
    assert_eq!(outputs_of("export"), expected);
}

#[test]
fn text_and_json_have_a_place_for_every_analysis() {
    for analysis in ANALYSES {
        let outputs = outputs_of(analysis.name);
        assert!(
            outputs.starts_with(&["text", "json"]),
            "{}: {outputs:?}",
            analysis.name
        );
    }
}

#[test]
fn exact_figures_are_what_was_written() {
    let json = json("report", &segment(Interval::EXACT), &Request::default());
    let check = |name: &str, expected: u64| {
        let expected = serde_json::json!({
            "value": expected, "low": expected, "high": expected, "exact": true,
        });
        assert_eq!(fact(&json, name), expected, "{name}");
    };
    let bytes = |range: std::ops::Range<u64>| range.map(|number| 1u64 << (number % 20)).sum();
    check("allocated_objects", ALLOCATED);
    check("freed_objects", FREED);
    check("live_objects", ALLOCATED - FREED);
    check("allocated_bytes", bytes(0..ALLOCATED));
    check("live_bytes", bytes(FREED..ALLOCATED));
}

#[test]
fn sampled_figures_have_an_interval_around_them() {
    let json = json(
        "report",
        &segment(Interval::at_most(4096)),
        &Request::default(),
    );
    for name in [
        "allocated_objects",
        "freed_bytes",
        "live_bytes",
        "peak_live_bytes",
    ] {
        let fact = fact(&json, name);
        assert_eq!(fact["exact"], false, "{name}");
        assert!(
            fact["low"].as_f64() < fact["value"].as_f64(),
            "{name}: {fact}"
        );
        assert!(
            fact["high"].as_f64() > fact["value"].as_f64(),
            "{name}: {fact}"
        );
    }
}

#[test]
fn a_filter_counts_only_the_stacks_that_pass() {
    let request = filtered(Filter {
        module: Some(Regex::new("module1$").expect("a pattern")),
        ..Filter::default()
    });
    let json = json("report", &segment(Interval::EXACT), &request);
    // 0x1810 lies in two modules, of which the later one wins; so does 0x2010 in one.
    assert_eq!(fact(&json, "allocated_objects")["value"], ALLOCATED / 2);
}

#[test]
fn a_filter_of_blocks_counts_those_that_are_known_one_by_one() {
    let bytes = segment(Interval::EXACT);
    let all = json("report", &bytes, &Request::default());
    let none = filtered(Filter {
        size_bytes: Some(0..=0),
        ..Filter::default()
    });
    let any = filtered(Filter {
        size_bytes: Some(1..=u64::MAX),
        ..Filter::default()
    });
    assert_eq!(
        fact(&json("report", &bytes, &none), "live_objects")["value"],
        0
    );
    let any = json("report", &bytes, &any);
    assert_eq!(fact(&any, "live_bytes"), fact(&all, "live_bytes"));
    // What was live at the peak is not known of a part.
    assert!(fact(&any, "peak_live_bytes").is_null());
}

fn filtered(filter: Filter) -> Request {
    Request {
        filter,
        ..Request::default()
    }
}

#[test]
fn a_table_has_no_more_rows_than_were_asked_for() {
    let request = Request {
        top: Some(1),
        ..Request::default()
    };
    let report = report("sites", &segment(Interval::EXACT), &request);
    assert_eq!(
        report
            .section("sites")
            .and_then(Section::table)
            .map(|table| table.rows.len()),
        Some(1)
    );
}

#[test]
fn every_truncation_is_survived() {
    let whole = segment(Interval::EXACT);
    for_all(96, 0..whole.len(), |len| {
        ask_everything(&whole[..len]);
    });
}

#[test]
fn every_word_of_the_header_may_hold_anything() {
    let whole = segment(Interval::at_most(4096));
    let damage = prop::collection::vec((1..HEADER_WORDS / 2, hostile_word()), 1..12);
    for_all(256, damage, |damage| {
        let mut bytes = whole.clone();
        damage
            .iter()
            .for_each(|(word, value)| set(&mut bytes, *word, *value));
        ask_everything(&bytes);
    });
}

#[test]
fn every_word_of_the_tables_may_hold_anything() {
    let whole = segment(Interval::at_most(4096));
    let words = HEADER_WORDS..whole.len() / 8;
    let damage = prop::collection::vec((words, hostile_word()), 1..2_000);
    for_all(64, damage, |damage| {
        let mut bytes = whole.clone();
        damage
            .iter()
            .for_each(|(word, value)| set(&mut bytes, *word, *value));
        ask_everything(&bytes);
    });
}

#[test]
fn every_used_word_may_have_bits_flipped() {
    let whole = segment(Interval::EXACT);
    let used: Vec<usize> = (0..whole.len()).filter(|byte| whole[*byte] != 0).collect();
    let damage = prop::collection::vec((0..used.len(), 0..8u32), 1..40);
    for_all(256, damage, |damage| {
        let mut bytes = whole.clone();
        damage
            .iter()
            .for_each(|(byte, bit)| bytes[used[*byte]] ^= 1 << bit);
        ask_everything(&bytes);
    });
}

#[test]
fn regions_that_claim_everything_are_read_as_far_as_they_go() {
    for place in 0..7 {
        for claim in [u64::MAX, u64::MAX / 4096, 1 << 40] {
            let mut bytes = segment(Interval::EXACT);
            // Used and ready, words 3 and 4 of a region's entry.
            set(&mut bytes, 64 + place * 8 + 3, claim);
            set(&mut bytes, 64 + place * 8 + 4, claim);
            assert!(ask_everything(&bytes) > 0, "region {place}, {claim:#x}");
        }
    }
}

#[test]
fn a_terabyte_of_holes_is_read_in_no_time() {
    let path = std::env::temp_dir().join(format!("memshim-holes-{}.seg", std::process::id()));
    let mut bytes = segment(Interval::EXACT);
    for place in 0..7 {
        for word in [1, 3, 4] {
            set(&mut bytes, 64 + place * 8 + word, 1 << 33);
        }
    }
    std::fs::write(&path, &bytes).expect("the temporary directory is writable");
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("it was just written");
    file.set_len(1 << 40).expect("a hole takes no room");
    let request = Request::default();
    let session = Session::open(&path, &request);
    std::fs::remove_file(&path).expect("a file can be removed");
    let mut session = session.expect("a good header");
    let entry = crate::analysis::find("report").expect("a known analysis");
    let question = entry.default_question().expect("default flags");
    let report = session.ask(&request, &*question);
    let mut out = Vec::new();
    let json = find("json").expect("JSON is always there");
    json.write(&report, &Options::default(), &mut out)
        .expect("memory can be written");
}
