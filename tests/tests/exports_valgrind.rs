//! A session of sqlite3 in valgrind's own viewers, ms_print and dh_view.
//!
//! Needs the Debian packages nodejs, sqlite3 and valgrind.

use std::path::{Path, PathBuf};

use memshim_tests::{Scene, Segment, is_installed, skip, workspace_root};

/// Where Debian's valgrind keeps its viewer.
const DHAT_VIEWER: &str = "/usr/libexec/valgrind/dh_view.js";

#[test]
fn ms_print_shows_the_peak_and_who_held_it() {
    let Some((scene, segment)) = session(&["ms_print"]) else {
        return;
    };
    let report = scene.report(&segment);
    let file = export(&scene, &segment, "massif");
    let shown = scene.plain("ms_print").arg(&file).run().success().stdout;
    let (_, snapshots) = shown
        .split_once("Number of snapshots: ")
        .expect("a number of snapshots");
    let snapshots = snapshots.lines().next().unwrap_or_default();
    assert!(
        snapshots.parse::<u32>().is_ok_and(|number| number > 10),
        "the heap over time has points: {snapshots}"
    );
    assert!(shown.contains(" (peak), "), "{shown}");
    for fact in ["peak_live_bytes", "live_bytes"] {
        let whole = format!(
            "100.00% ({}B) (heap allocation functions) malloc/new/new[], --alloc-fns, etc.",
            with_commas(report.exact_fact(fact))
        );
        assert!(shown.contains(&whole), "no {whole} in {shown}");
    }
    assert!(shown.contains("sqlite3_step"), "{shown}");
}

#[test]
fn dh_view_shows_the_totals() {
    let Some((scene, segment)) = session(&["node"]) else {
        return;
    };
    if !Path::new(DHAT_VIEWER).exists() {
        return skip("dh_view.js of valgrind is not installed");
    }
    let report = scene.report(&segment);
    let file = export(&scene, &segment, "dhat");
    let driver = workspace_root().join("reader/tests/viewers/dhat_viewer.js");
    let launch = scene.plain("node").args([&driver, Path::new(DHAT_VIEWER)]);
    let shown = launch.arg(&file).run().success().stdout;
    let total = format!(
        "Total:     {} bytes (100%",
        with_commas(report.exact_fact("allocated_bytes"))
    );
    assert!(shown.contains(&total), "no {total} in {shown}");
    let blocks = format!(
        "in {} blocks (100%",
        with_commas(report.exact_fact("allocated_objects"))
    );
    assert!(shown.contains(&blocks), "no {blocks} in {shown}");
    assert!(shown.contains("sqlite3_step"), "{shown}");
}

fn session(tools: &[&str]) -> Option<(Scene, Segment)> {
    for tool in tools.iter().chain(&["sqlite3"]) {
        if !is_installed(tool) {
            skip(&format!("{tool} is not installed"));
            return None;
        }
    }
    let scene = Scene::new();
    let mut script = String::from("CREATE TABLE t(a);\nBEGIN;\n");
    for row in 0..2_000 {
        script.push_str(&format!("INSERT INTO t VALUES('text of row {row}');\n"));
    }
    script.push_str("COMMIT;\nCREATE INDEX i ON t(a);\n");
    let launch = scene.preloaded("sqlite3").env("HOME", scene.scratch_dir());
    let launch = launch.args(["-batch", "-init", "/dev/null", ":memory:"]);
    let outcome = launch.input(script).run().success();
    let segment = scene.segment_of(outcome.pid);
    Some((scene, segment))
}

fn export(scene: &Scene, segment: &Segment, format: &str) -> PathBuf {
    let file = scene.scratch_dir().join(format!("session.{format}"));
    let launch = scene.reader(["export", "--format", format, "-o"]);
    launch.arg(&file).arg(&segment.path).run().success();
    file
}

/// `1,234,567`, as both viewers write numbers.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let tail = tail.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let groups = [head.into()]
        .into_iter()
        .filter(|head: &std::borrow::Cow<str>| !head.is_empty());
    groups.chain(tail).collect::<Vec<_>>().join(",")
}
