//! `diff`: what changed between two processes, two builds or two moments, and only that.

use std::path::Path;

use memshim_tests::{Answer, Launch, Scene, Segment, program, program_with};
use serde_json::Value;

/// The segment that a program leaves.
fn recorded(scene: &Scene, launch: Launch) -> Segment {
    scene.segment_of(launch.run().success().pid)
}

fn exact(scene: &Scene, program: &Path) -> Segment {
    recorded(scene, scene.preloaded(program).interval("exact"))
}

/// The samples of a program of one thread are the same in every run of the test: of a hundred
/// pairs without a change one is named, and which that is must not change from day to day.
fn sampled(scene: &Scene, program: &Path, args: &[&str], seed: u64) -> Segment {
    let launch = scene.preloaded(program).args(args).interval("16K");
    recorded(scene, launch.env("MEMSHIM_SEED", seed.to_string()))
}

fn diff(scene: &Scene, before: &Path, after: &Path, args: &[&str]) -> Answer {
    let diff = scene.reader(["diff"]).arg(before).arg(after).args(args);
    Answer::parse(&diff.args(["--format", "json"]).run().success().stdout)
}

fn verdicts(answer: &Answer) -> Vec<&str> {
    let rows = answer.rows("diff").iter();
    rows.map(|row| row["verdict"].as_str().unwrap_or_default())
        .collect()
}

fn has_function(row: &Value, function: &str) -> bool {
    let frames = row["stack"].as_array().into_iter().flatten();
    let mut names = frames.filter_map(|frame| frame["function"].as_str());
    names.any(|name| name.contains(function))
}

#[test]
fn two_runs_of_a_deterministic_program_do_not_differ() {
    let scene = Scene::new();
    let fifo = program("fifo.c");
    let (before, after) = (exact(&scene, &fifo), exact(&scene, &fifo));
    let answer = diff(&scene, &before.path, &after.path, &[]);
    assert_eq!(verdicts(&answer), [""; 0]);
    let all = diff(&scene, &before.path, &after.path, &["--all"]);
    assert!(verdicts(&all).contains(&"no significant change"));
}

#[test]
fn what_a_build_adds_is_new_and_alone() {
    let scene = Scene::new();
    let workers = |flags: &[&str]| program_with("regression/workers.cpp", flags);
    let before = sampled(&scene, &workers(&[]), &["30"], 1);
    let after = sampled(&scene, &workers(&["-DHOT_SPOT"]), &["30"], 2);
    let answer = diff(&scene, &before.path, &after.path, &[]);
    let rows = answer.rows("diff");
    assert_eq!(verdicts(&answer), ["new"], "{rows:#?}");
    assert!(has_function(&rows[0], "prepare"), "{rows:#?}");
    let change = &rows[0]["allocated_bytes_change"];
    let number = |key: &str| change[key].as_f64().unwrap_or(0.0);
    assert!(
        number("low") <= 800_000.0 && 800_000.0 <= number("high"),
        "{change:#}"
    );
    assert!(rows[0]["p_value"].is_string());
}

#[test]
fn samples_of_one_program_do_not_differ() {
    let scene = Scene::new();
    let fifo = program("fifo.c");
    for seed in 0..5 {
        let before = sampled(&scene, &fifo, &[], 2 * seed);
        let after = sampled(&scene, &fifo, &[], 2 * seed + 1);
        let answer = diff(&scene, &before.path, &after.path, &[]);
        assert_eq!(verdicts(&answer), [""; 0], "{:#}", answer.json);
    }
}

#[test]
fn a_baseline_is_a_target() {
    let scene = Scene::new();
    let fifo = program("fifo.c");
    let baseline = scene.scratch_dir().join("baseline.json");
    let check = scene.reader(["check", "--write-baseline"]).arg(&baseline);
    check.arg("--").arg(&fifo).run().success();
    let now = exact(&scene, &fifo);
    let answer = diff(&scene, &baseline, &now.path, &[]);
    assert_eq!(verdicts(&answer), [""; 0]);
    diff(&scene, &now.path, &baseline, &[]);
}

#[test]
fn two_moments_of_one_process_share_what_lived_at_both() {
    let scene = Scene::new();
    let mut running = scene.preloaded(program("churn.c")).start();
    running.wait_for("tick 1 ");
    let segment = scene.segment_of(running.pid);
    let earlier = scene
        .scratch_dir()
        .join(segment.path.file_name().unwrap_or_default());
    // A segment is nearly all holes, which others would write out as gigabytes of zeros.
    let copy = scene.plain("cp").arg("--sparse=always").arg(&segment.path);
    copy.arg(&earlier).run().success();
    running.wait_for("tick 2 ");
    let answer = diff(&scene, &earlier, &segment.path, &["--all"]);
    assert!(
        answer.json["sections"][0]["facts"]["one_process"].is_string(),
        "{:#}",
        answer.json
    );
    let none = diff(&scene, &earlier, &earlier, &[]);
    assert_eq!(verdicts(&none), [""; 0]);
    running.finish().success();
}

#[test]
fn what_is_no_target_is_said_in_one_line() {
    let scene = Scene::new();
    let text = scene.file("text.json", "{ \"schema\": \"other\" }");
    let outcome = scene.reader(["diff"]).arg(&text).arg(&text).run();
    assert_eq!(outcome.status.code(), Some(3));
    assert!(outcome.one_error_line().contains("text.json"));
}
