//! The page for browsers works in a browser: without a network, by mouse and by keyboard, with
//! hostile names and with a hundred thousand stacks.
//!
//! Needs the Debian packages chromium and nodejs.

#[path = "html/contract.rs"]
mod contract;
#[path = "html/hostile.rs"]
mod hostile;
#[path = "html/sites.rs"]
mod sites;

use std::path::Path;
use std::time::Duration;

use memshim_reader::output::{self, Options};
use memshim_reader::report::Report;
use memshim_tests::{Launch, Scene, is_installed, program, skip, workspace_root};

/// A busy machine may take long to start a browser.
const TIME_LIMIT: Duration = Duration::from_secs(300);

#[test]
fn every_view_of_a_report_works_by_mouse_and_keyboard() {
    check("html", &contract::report(), "report.mjs");
}

#[test]
fn a_comparison_shows_signs_and_both_sides() {
    check("html", &contract::difference(), "diff.mjs");
}

#[test]
fn the_flame_graph_stands_alone() {
    check("flamegraph", &contract::report(), "flamegraph.mjs");
}

#[test]
fn hostile_names_stay_names() {
    check("html", &hostile::report(), "hostile.mjs");
}

#[test]
fn a_large_report_stays_fluid() {
    check("html", &hostile::large(100_000), "large.mjs");
}

#[test]
fn a_real_report_opens_from_the_file_that_the_reader_wrote() {
    if !has_browser() {
        return;
    }
    let scene = Scene::new();
    let outcome = scene.preloaded(program("fifo.c")).run().success();
    let file = scene.scratch_dir().join("report.html");
    let reader = scene
        .reader(["sites"])
        .arg(&scene.segment_of(outcome.pid).path);
    reader.arg("-o").arg(&file).run().success();
    browse(&file, "real.mjs");
}

#[test]
fn no_name_can_end_the_data_or_the_script() {
    let page = page("html", &hostile::report());
    let page = String::from_utf8(page).expect("a page is UTF-8");
    let (_, data) = page
        .split_once("id=\"report-data\">")
        .expect("the page has its data");
    let (data, _) = data.split_once("</script>").expect("the data ends");
    assert!(!data.contains('<') && !data.contains('>'));
    let parsed: serde_json::Value = serde_json::from_str(data).expect("the data is JSON");
    assert_eq!(parsed["schema"], "memshim.page/1");
}

#[test]
fn the_same_report_gives_the_same_page() {
    assert!(page("html", &contract::report()) == page("html", &contract::report()));
}

/// Draws the report and lets a script of `tests/browser` look at the page.
fn check(format: &str, report: &Report, script: &str) {
    if !has_browser() {
        return;
    }
    let scene = Scene::new();
    let file = scene.file("page.html", page(format, report));
    browse(&file, script);
}

/// Opens the page in a browser as the script says.
fn browse(file: &Path, script: &str) {
    let mut launch = Launch::new("node")
        .arg(workspace_root().join("tests/browser").join(script))
        .arg(file)
        .limit(TIME_LIMIT);
    for name in ["MEMSHIM_TEST_CHROMIUM", "MEMSHIM_TEST_SCREENSHOTS"] {
        if let Some(value) = std::env::var_os(name) {
            launch = launch.env(name, value);
        }
    }
    let outcome = launch.run();
    let output = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.status.success(), "{output}");
    println!("{output}");
}

fn page(format: &str, report: &Report) -> Vec<u8> {
    let output = output::find(format).expect("the format is in the registry");
    let mut page = Vec::new();
    output
        .write(report, &Options::default(), &mut page)
        .expect("memory can be written");
    page
}

/// Whether there is a browser and what drives it; where tools are demanded, there must be.
fn has_browser() -> bool {
    let chromium = std::env::var_os("MEMSHIM_TEST_CHROMIUM");
    let has_chromium = chromium.map_or_else(
        || is_installed("chromium"),
        |path| Path::new(&path).is_file(),
    );
    let is_there = has_chromium && is_installed("node");
    let is_demanded = std::env::var_os("MEMSHIM_TEST_DEMANDS_TOOLS").is_some();
    assert!(is_there || !is_demanded, "chromium or node is missing");
    if !is_there {
        skip("chromium or node is not installed");
    }
    is_there
}
