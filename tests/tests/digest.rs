//! Digests of real programs: what leaked is told first, and only once as new.

use std::path::Path;

use memshim_tests::launch::Launch;
use memshim_tests::programs::program;
use memshim_tests::reading::Answer;
use memshim_tests::scene::Scene;

/// The most that GitHub takes as a comment, in characters.
const COMMENT_MAX: usize = 65_536;

#[test]
fn a_leak_is_told_once_as_new_and_then_as_known() {
    let scene = Scene::new();
    let recording = scene.scratch_dir().join("recording");
    let launch = scene.preloaded(program("leak_kinds.c")).arg("2500");
    let mut running = launch.start();
    let recorder = scene
        .reader(["record", "--every", "100ms", "--output"])
        .arg(&recording)
        .arg(running.pid.to_string())
        .start();
    running.wait_for("done");
    running.kill();
    recorder.finish().success();

    let digest = digest(&scene, &recording).args(["--format", "json", "--fail"]);
    let outcome = digest.run();
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr);
    let answer = Answer::parse(&outcome.stdout);
    let leaks = answer.rows("leaks");
    let leak = leaks.iter().find(|row| row["function"] == "leak_slowly");
    let leak = leak.unwrap_or_else(|| panic!("{}", outcome.stdout));
    assert_eq!(leak["verdict"], "leak");
    assert!(leak["rate_bytes_per_second"]["value"].as_f64() > Some(0.0));
    let programs = answer.rows("programs");
    let own = programs.iter().find(|row| row["program"] == "leak_kinds");
    let own = own.unwrap_or_else(|| panic!("{}", outcome.stdout));
    assert!(own["build_id"].as_str().is_some_and(|id| id.len() >= 16));

    let nothing = scene.file("nothing.json", r#"{"report":"digest","sections":[]}"#);
    let compared = |previous: &Path| {
        let digest = self::digest(&scene, &recording).args(["--format", "json", "--previous"]);
        Answer::parse(&digest.arg(previous).run().success().stdout)
    };
    let changed = |answer: &Answer, what: &str| {
        let rows = answer.rows("changes");
        rows.iter().any(|row| row["change"] == what)
    };
    assert!(changed(&compared(&nothing), "new leak"));
    let last = scene.file("last.json", &outcome.stdout);
    let again = compared(&last);
    assert!(again.rows("changes").is_empty(), "{:?}", again.json);
    assert!(again.rows("leaks").iter().all(|row| row["news"] == "known"));

    let comment = self::digest(&scene, &recording).args(["--format", "markdown"]);
    let comment = comment.run().success().stdout;
    assert!(comment.len() < COMMENT_MAX, "{}", comment.len());
    let first_screen: Vec<&str> = comment.lines().take(15).collect();
    let first_screen = first_screen.join("\n");
    assert!(first_screen.contains("leak"), "{first_screen}");
}

#[test]
fn forks_that_leave_by_themselves_were_not_killed() {
    let scene = Scene::new();
    let recording = scene.scratch_dir().join("recording");
    let record = scene.reader(["record", "--every", "20ms", "--output"]);
    let record = record.arg(&recording).arg("--");
    let record = record.arg(program("grow_and_fork.c")).arg("10");
    record.interval("exact").run().success();
    let digest = digest(&scene, &recording).args(["--format", "json"]);
    let answer = Answer::parse(&digest.run().success().stdout);
    let own = answer.rows("programs").iter();
    let sum = |key: &str| -> u64 {
        let rows = own.clone().filter(|row| row["program"] == "grow_and_fork");
        rows.filter_map(|row| row[key].as_u64()).sum()
    };
    assert_eq!(sum("processes"), 11);
    assert_eq!((sum("exited"), sum("killed")), (11, 0));
    assert!(answer.json.to_string().find("find out why").is_none());
}

#[test]
fn a_program_that_is_not_there_is_answered_with_those_that_are() {
    let scene = Scene::new();
    let recording = scene.scratch_dir().join("recording");
    let record = scene.reader(["record", "--every", "50ms", "--output"]);
    let record = record.arg(&recording).args(["--", "/bin/echo", "hello"]);
    record.run().success();
    let outcome = digest(&scene, &recording)
        .args(["--program", "nobody"])
        .run();
    assert_eq!(outcome.status.code(), Some(3));
    let line = outcome.one_error_line();
    assert!(line.contains("nobody") && line.contains("echo"), "{line}");
}

fn digest(scene: &Scene, recording: &Path) -> Launch {
    scene.reader(["digest"]).arg(recording)
}
