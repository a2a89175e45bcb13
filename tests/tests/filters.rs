//! Every filter counts what it says and nothing else.

use memshim_tests::{Answer, Scene, Segment, program};

/// A scene in which named_threads.c ran in exact mode.
fn profiled() -> (Scene, Segment) {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("named_threads.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    (scene, segment)
}

fn ask(analysis: &str, flags: &[&str]) -> Answer {
    let (scene, segment) = profiled();
    let reader = scene.reader([analysis, "--format", "json"]);
    let outcome = reader.args(flags).arg(&segment.path).run().success();
    Answer::parse(&outcome.stdout)
}

/// What is live of keep_small and of keep_large, and all that was allocated in both.
fn check(flags: &[&str], small: u64, large: u64, allocated: u64) {
    let sites = ask("sites", flags);
    let (through_small, through_large) = (sites.through("keep_small"), sites.through("keep_large"));
    assert_eq!(
        (through_small.live, through_large.live),
        (small, large),
        "{flags:?}"
    );
    assert_eq!(
        through_small.allocated + through_large.allocated,
        allocated,
        "{flags:?}"
    );
}

#[test]
fn without_a_filter_everything_counts() {
    check(&[], 3000, 10, 3510);
}

#[test]
fn a_function_is_matched_by_a_regular_expression() {
    check(&["--function", "^keep_l.*e$"], 0, 10, 10);
    check(&["--function", "keep_(small|large)"], 3000, 10, 3510);
    check(&["--function", "^keep$"], 0, 0, 0);
}

#[test]
fn a_source_file_is_matched_by_its_path() {
    check(&["--source", r"named_threads\.c$"], 3000, 10, 3510);
    check(&["--source", r"other\.c$"], 0, 0, 0);
}

#[test]
fn a_module_is_matched_by_its_path() {
    check(&["--module", "named_threads"], 3000, 10, 3510);
    check(&["--module", "^libc"], 0, 0, 0);
}

#[test]
fn a_thread_is_matched_by_its_name() {
    check(&["--thread", "^late$"], 2000, 0, 2000);
    check(&["--thread", "^early$"], 1000, 10, 1510);
}

#[test]
fn blocks_are_chosen_by_size() {
    check(&["--min-size", "1K"], 0, 10, 10);
    check(&["--max-size", "100"], 3000, 0, 3500);
}

#[test]
fn blocks_are_chosen_by_age() {
    check(&["--min-age", "200ms"], 1000, 10, 1010);
    check(&["--max-age", "200ms"], 2000, 0, 2500);
}

#[test]
fn blocks_are_chosen_by_the_time_of_their_birth() {
    check(&["--born-since", "-200ms"], 2000, 0, 2000);
    check(&["--born-since", "200ms"], 2000, 0, 2000);
    check(&["--born-until", "-200ms"], 1000, 10, 1510);
}

#[test]
fn filters_together_choose_what_passes_all() {
    check(
        &[
            "--thread",
            "early",
            "--max-size",
            "200",
            "--function",
            "keep",
        ],
        1000,
        0,
        1500,
    );
}

#[test]
fn a_pattern_that_is_none_is_a_usage_error() {
    let outcome = Scene::new().reader(["sites", "--function", "("]).run();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(outcome.stderr.contains("--function"), "{}", outcome.stderr);
}

#[test]
fn a_tree_around_a_function_has_its_callers_and_callees() {
    let tree = ask("tree", &["--of", "^keep_small$", "--by", "live-objects"]);
    let names = |section: &str| -> Vec<String> {
        let rows = tree.rows(section).iter();
        rows.map(|row| row["function"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(tree.fact("live_objects").value, 3000.0);
    assert_eq!(names("callees"), ["keep_small"]);
    assert_eq!(names("callers")[..2], ["keep_small", "late"]);
    assert!(names("callers").contains(&"early".to_owned()));
}
