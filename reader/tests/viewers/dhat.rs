//! A DHAT profile by the fields that the viewer needs, and in the viewer itself.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use memshim_reader::report::Report;
use proptest::prelude::proptest;
use serde_json::Value as Json;

use crate::report::{self, Blocks, Site, nonsense, sites, total};
use crate::{draw, seeded};

/// Where Debian's valgrind keeps its viewer.
const VIEWER: &str = "/usr/libexec/valgrind/dh_view.js";

fn read(report: &Report) -> Json {
    let profile: Json = serde_json::from_str(&draw("dhat", report)).expect("it is JSON");
    check_form(&profile);
    profile
}

/// What `dh_view.js` relies on.
fn check_form(profile: &Json) {
    let needed = [
        "mode", "verb", "bklt", "bkacc", "tu", "Mtu", "tuth", "cmd", "pid", "te", "tg", "pps",
        "ftbl",
    ];
    for field in needed {
        assert!(profile.get(field).is_some(), "{field} is missing");
    }
    assert_eq!(profile["dhatFileVersion"], 2);
    assert_eq!(profile["bkacc"], false);
    assert!(profile["te"].as_u64().is_some_and(|end| end > 0));
    let frames = profile["ftbl"].as_array().expect("a list");
    assert_eq!(frames[0], "[root]");
    let mut paths = HashSet::new();
    for point in profile["pps"].as_array().expect("a list") {
        let mut needed = vec!["tb", "tbk", "mb", "mbk", "gb", "gbk", "eb", "ebk"];
        needed.extend((profile["bklt"] == true).then_some("tl"));
        for field in needed {
            assert!(point[field].is_u64(), "{field} in {point}");
        }
        let path = point["fs"].as_array().expect("a list");
        let is_known =
            |place: &Json| (1..frames.len() as u64).contains(&place.as_u64().unwrap_or(0));
        assert!(!path.is_empty() && path.iter().all(is_known), "{point}");
        assert!(paths.insert(path.clone()), "{path:?} comes twice");
    }
}

fn sum(profile: &Json, field: &str) -> u64 {
    let points = profile["pps"].as_array().expect("a list").iter();
    points.filter_map(|point| point[field].as_u64()).sum()
}

fn check_totals(sites: &[Site]) {
    let profile = read(&report::of(sites, 0));
    let check = |[bytes, blocks]: [&str; 2], expected: Blocks| {
        assert_eq!(sum(&profile, bytes), expected.bytes, "{bytes}");
        assert_eq!(sum(&profile, blocks), expected.objects, "{blocks}");
    };
    check(["tb", "tbk"], total(sites, Site::allocated));
    check(["gb", "gbk"], total(sites, Site::peak));
    check(["eb", "ebk"], total(sites, Site::live));
    assert_eq!(sum(&profile, "tl"), total(sites, Site::live).objects * 1000);
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn the_totals_of_any_program_survive(sites in sites()) {
        check_totals(&sites);
    }

    #[test]
    fn any_report_gives_a_file_with_all_that_the_viewer_needs(report in nonsense()) {
        read(&report);
    }
}

#[test]
fn without_lifetimes_the_viewer_is_told_that_there_are_none() {
    let mut report = report::of(&example(), 0);
    for section in &mut report.sections {
        if let memshim_reader::report::Body::Stacks(table) = &mut section.body {
            table.columns[8].key = "something_else".to_owned();
        }
    }
    let profile = read(&report);
    assert_eq!(profile["bklt"], false);
    assert!(profile["pps"][0].get("tl").is_none());
}

fn example() -> Vec<Site> {
    let blocks = |objects: u64, bytes: u64| Blocks { objects, bytes };
    let site = |functions: &[u8], scale: u64| Site {
        temporary: blocks(2, 32 * scale),
        passing: blocks(3, 300 * scale),
        until_peak: blocks(4, 4000 * scale),
        surviving: blocks(1, 8 * scale),
        since_peak: blocks(1, 2 * scale),
        functions: functions.to_vec(),
    };
    vec![
        site(&[1, 2], 1),
        site(&[1, 4], 10),
        site(&[1, 2], 100),
        site(&[], 1),
    ]
}

#[test]
fn the_viewer_builds_its_tree_from_it() {
    if !Path::new(VIEWER).exists() || Command::new("node").arg("--version").output().is_err() {
        return skip("node and valgrind's dh_view.js are needed");
    }
    let directory = tempfile::tempdir().expect("a directory for one file");
    let file = directory.path().join("profile.dhat.json");
    std::fs::write(&file, draw("dhat", &report::of(&example(), 0))).expect("it is writable");
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/viewers/dhat_viewer.js");
    let output = Command::new("node")
        .args([&driver, Path::new(VIEWER), &file])
        .output()
        .expect("node was there a moment ago");
    let page = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let shown = [
        "Mode:    memshim",
        "Command: inventory '#' --all",
        "t-gmax: 4,000,000 µs (40% of program duration)",
        "t-end:  10,000,000 µs",
        "Total:     486,304 bytes",
        "At t-gmax: 448,896 bytes",
        "At t-end:  1,120 bytes",
        "#1: 0x1010: f1<a; b> {closure#0} (src/a b.rs:2)",
        "[no stack]",
    ];
    for text in shown {
        assert!(page.contains(text), "{text:?} is not on the page:\n{page}");
    }
}

/// Says why a test proves nothing here; where tools are demanded it fails instead.
fn skip(reason: &str) {
    let is_demanded = std::env::var_os("MEMSHIM_TEST_DEMANDS_TOOLS").is_some();
    assert!(!is_demanded, "{reason}");
    eprintln!("skipped: {reason}");
}
