//! What the allocator rounds up is told by size and by call stack, and the peak by who held it.

use memshim_tests::{Answer, Scene, program};
use serde_json::Value;

#[test]
fn slack_is_what_the_allocator_gave_beyond_what_was_asked_for() {
    // glibc gives 24 bytes to the 50 blocks of 16, 104 to the 100 of 100, and 5,000 as asked.
    let answer = sizes(&["--function", "_blocks"]);
    assert_eq!(answer.exact_fact("slack_bytes"), 50 * 8 + 100 * 4);
    let classes = answer.rows("size_classes");
    let first = [&classes[0]["usable_bytes"], &classes[0]["requested_bytes"]];
    assert!(first == [24, 16] || first == [104, 100], "{first:?}");
    let sites = answer.rows("slack_sites");
    assert_eq!(sites.len(), 2, "large blocks have none: {sites:#?}");
}

#[test]
fn quantiles_of_live_sizes_are_right_to_a_hundredth() {
    let answer = sizes(&["--function", "_blocks"]);
    assert_near(answer.fact("median_requested_bytes").value, 100.0);
    assert_near(answer.fact("median_usable_bytes").value, 104.0);
    assert_near(answer.fact("p99_requested_bytes").value, 5_000.0);
}

#[test]
fn live_sizes_are_a_histogram_of_what_is_alive() {
    let answer = sizes(&["--function", "_blocks"]);
    let sections = answer.json["sections"]
        .as_array()
        .expect("sections are a list");
    let live = sections
        .iter()
        .find(|section| section["name"] == "live_sizes");
    let buckets = live.expect("a histogram")["buckets"]
        .as_array()
        .expect("buckets");
    let found: Vec<(u64, u64)> = buckets
        .iter()
        .map(|bucket| (number(&bucket["low"]), number(&bucket["value"]["value"])))
        .collect();
    assert_eq!(found, [(16, 50), (96, 100), (4_608, 150)]);
}

#[test]
fn the_peak_of_a_queue_was_held_by_its_allocations_and_all_of_it_is_gone() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("fifo.c")).run().success();
    let answer = scene.ask("peak", scene.segment_of(outcome.pid).path);
    assert_eq!(answer.exact_fact("peak_live_bytes"), 64_000);
    assert_eq!(answer.exact_fact("peak_live_objects"), 1_000);
    assert_eq!(answer.fact("change_bytes").value, -64_000.0);
    let sites = answer.rows("peak_sites");
    assert_eq!(sites.len(), 1);
    assert_eq!(sites[0]["share_percent"], 100.0);
    assert_eq!(sites[0]["live_bytes"]["value"], 0);
    assert_eq!(sites[0]["stack"][0]["function"], "fifo_allocate");
}

#[test]
fn the_peak_of_a_part_of_the_blocks_is_not_known() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("fifo.c")).run().success();
    let launch = scene.reader(["peak", "--format", "json", "--min-size", "1"]);
    let launch = launch.arg(scene.segment_of(outcome.pid).path);
    let answer = Answer::parse(&launch.run().success().stdout);
    let facts = &answer.json["sections"];
    let peak = facts
        .as_array()
        .and_then(|sections| sections.iter().find(|section| section["name"] == "peak"));
    assert_eq!(
        peak.expect("a section")["facts"]["peak_live_bytes"],
        Value::Null
    );
}

fn sizes(flags: &[&str]) -> Answer {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("size_steps.c")).run().success();
    let launch = scene.reader(["sizes", "--format", "json"]).args(flags);
    let launch = launch.arg(scene.segment_of(outcome.pid).path);
    Answer::parse(&launch.run().success().stdout)
}

fn number(json: &Value) -> u64 {
    json.as_u64()
        .unwrap_or_else(|| panic!("{json} is no whole number"))
}

fn assert_near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 0.01 * expected,
        "{found}, not {expected}"
    );
}
