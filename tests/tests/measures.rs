//! `--measure` chooses the number of a flame graph, by the names that people know.

use memshim_tests::{Scene, Segment, program};

#[test]
fn folded_stacks_add_up_to_the_measure_that_was_asked_for() {
    let (scene, segment) = profiled();
    let report = scene.report(&segment);
    for (measure, fact) in [
        ("live", "live_bytes"),
        ("alloc_space", "allocated_bytes"),
        ("alloc_objects", "allocated_objects"),
        ("freed_objects", "freed_objects"),
    ] {
        let launch = scene.reader(["sites"]).arg(&segment.path);
        let launch = launch.args(["--format", "folded", "--measure", measure]);
        let folded = launch.run().success().stdout;
        let number = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
        let sum: u64 = folded.lines().filter_map(number).sum();
        assert_eq!(sum, report.exact_fact(fact), "{measure}");
    }
}

#[test]
fn markdown_has_the_rows_with_most_of_the_measure() {
    let (scene, segment) = profiled();
    let sites = scene.sites(&segment);
    let largest = sites.sites().map(|site| site.count("allocated_objects"));
    let largest = largest.max().expect("there are sites");
    let launch = scene.reader(["sites", "--top", "1", "--format", "markdown"]);
    let launch = launch.args(["--measure", "alloc_objects"]);
    let drawn = launch.arg(&segment.path).run().success().stdout;
    let rows: Vec<&str> = drawn
        .lines()
        .skip_while(|line| !line.starts_with("| # | objects |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 1, "{drawn}");
    let cell = rows[0].split('|').nth(2).unwrap_or_default();
    assert_eq!(cell.trim().replace(',', ""), largest.to_string());
}

#[test]
fn a_measure_that_is_not_there_is_answered_with_those_that_are() {
    let (scene, segment) = profiled();
    let launch = scene.reader(["sites", "--format", "folded", "--measure", "weight"]);
    let outcome = launch.arg(&segment.path).run();
    assert_eq!(outcome.status.code(), Some(3));
    assert_eq!(outcome.stdout, "");
    let line = outcome.one_error_line();
    assert!(
        line.contains("no measure weight") && line.contains("live_bytes"),
        "{line}"
    );
}

fn profiled() -> (Scene, Segment) {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("many_sites.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    (scene, segment)
}
