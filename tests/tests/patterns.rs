//! Advice names the right call stack and the right remedy, gains what the program could gain, and
//! leaves alone what is well.

use memshim_tests::{Answer, Scene, program};
use serde_json::Value;

/// Each function of `pattern_sites.c` with the only rule that has something to say about it.
const EXPECTED: &[(&str, &str)] = &[
    ("reuse_me", "temporary"),
    ("reserve_me", "growth_by_steps"),
    ("pool_me", "many_equal_blocks"),
    ("map_me", "mapped_each_time"),
    ("hand_over", "freed_on_another_thread"),
];

#[test]
fn each_pattern_is_found_at_its_site_and_nowhere_else() {
    let found = advice("exact", "1");
    let named: Vec<(&str, &str)> = found.rows("advice").iter().map(site_and_rule).collect();
    for expected in EXPECTED {
        assert!(named.contains(expected), "no {expected:?} in {named:?}");
    }
    assert_eq!(named.len(), EXPECTED.len(), "{named:?}");
}

#[test]
fn a_sample_leads_to_the_same_advice() {
    for seed in 1..=5 {
        let found = advice("8K", &seed.to_string());
        let named: Vec<(&str, &str)> = found.rows("advice").iter().map(site_and_rule).collect();
        let wrong = named.iter().find(|named| !EXPECTED.contains(named));
        assert_eq!(wrong, None, "seed {seed}");
        // 9.6 MiB and 40 blocks of 40 MiB are seen at any seed.
        for sure in [("reuse_me", "temporary"), ("map_me", "mapped_each_time")] {
            assert!(
                named.contains(&sure),
                "seed {seed}: no {sure:?} in {named:?}"
            );
        }
    }
}

#[test]
fn a_pool_of_small_blocks_gains_their_headers() {
    let found = advice("exact", "1");
    let rows = found.rows("advice").iter();
    let mut pools = rows.filter(|row| row["rule"] == "many_equal_blocks");
    let saved = &pools.next().expect("a pool would gain")["saved_bytes"];
    // Blocks of 24 bytes fit their chunks of 32, of which the allocator keeps 8.
    assert_eq!(saved["value"], 50_000 * 8);
}

#[test]
fn gains_are_intervals_with_their_reason_and_their_place() {
    let found = advice("exact", "1");
    for row in found.rows("advice") {
        let gain = [&row["saved_cpu_percent"], &row["saved_bytes"]];
        let gain = gain.iter().find(|gain| gain.is_object()).expect("a gain");
        let [low, value, high] = ["low", "value", "high"].map(|key| gain[key].as_f64());
        assert!(low > Some(0.0) && low <= value && value <= high, "{row:#}");
        assert!(
            row["why"].is_string() && row["finding"].is_string(),
            "{row:#}"
        );
        let (site, _) = site_and_rule(row);
        let place = row["change_at"].as_str().unwrap_or_default();
        assert!(place.starts_with(site), "{place}");
    }
}

#[test]
fn rounding_of_other_allocators_is_found() {
    let place = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
    if !std::path::Path::new(place).is_file() {
        let demanded = std::env::var_os("MEMSHIM_TEST_DEMANDS_TOOLS").is_some();
        assert!(!demanded, "jemalloc is not installed, and CI demands it");
        return memshim_tests::skip("jemalloc is not installed");
    }
    let scene = Scene::new();
    let launch = scene.preloaded_with(&[place.as_ref()], program("pattern_rounded.c"));
    let outcome = launch.run().success();
    let found = ask(&scene, outcome.pid);
    let named: Vec<(&str, &str)> = found.rows("advice").iter().map(site_and_rule).collect();
    assert_eq!(named, [("too_large_by_one", "rounded_up")]);
}

#[test]
fn people_get_each_piece_of_advice_in_sentences() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("pattern_sites.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    let launch = scene
        .reader(["patterns", "--at-least", "0"])
        .arg(&segment.path);
    let text = launch.run().success().stdout;
    assert!(text.contains("Advice 1: "), "{text}");
    assert!(text.contains("change at          reuse_me at "), "{text}");
}

#[test]
fn what_gains_too_little_is_left_out() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("pattern_sites.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    let launch = scene.reader(["patterns", "--format", "json", "--at-least", "101"]);
    let text = launch.arg(&segment.path).run().success().stdout;
    assert!(Answer::parse(&text).rows("advice").is_empty(), "{text}");
}

#[test]
fn a_score_is_high_where_blocks_stay_and_low_where_they_do_not() {
    let found = advice("exact", "1");
    let score = |function: &str| {
        let rows = found.rows("hot_spots").iter();
        let mut rows = rows.filter(|row| innermost(row) == function);
        rows.next().and_then(|row| row["score"].as_u64())
    };
    assert_eq!(score("reuse_me"), Some(0));
    assert!(score("keeper") > Some(95), "{:?}", score("keeper"));
}

fn advice(interval: &str, seed: &str) -> Answer {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("pattern_sites.c"))
        .interval(interval);
    let outcome = launch.env("MEMSHIM_SEED", seed).run().success();
    ask(&scene, outcome.pid)
}

fn ask(scene: &Scene, pid: u32) -> Answer {
    let launch = scene.reader(["patterns", "--format", "json", "--at-least", "0"]);
    let launch = launch.arg(&scene.segment_of(pid).path);
    Answer::parse(&launch.run().success().stdout)
}

/// The function that allocates, and the rule that found something.
fn site_and_rule(row: &Value) -> (&str, &str) {
    (innermost(row), row["rule"].as_str().unwrap_or_default())
}

fn innermost(row: &Value) -> &str {
    row["stack"][0]["function"].as_str().unwrap_or_default()
}
