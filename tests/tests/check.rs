//! `check`: a regression is found with its function and line, and nothing else is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use memshim_tests::{Answer, Outcome, Scene, program, program_with, programs};
use serde_json::Value;

/// How often what must not fail is tried.
const TRIES: usize = 10;

/// What a project's CI would limit.
const LIMITS: &[&str] = &["--max-growth", "5%", "--max-leak", "0"];

/// The small project with these flags, built from `directory`.
fn project_in(directory: &Path, flags: &[&str]) -> PathBuf {
    let library = directory.join("index.cpp");
    // The hash of all its files, since only that of the first decides what is built anew.
    let mut hasher = DefaultHasher::new();
    for name in ["index.h", "index.cpp"] {
        let text = std::fs::read(directory.join(name)).expect("the project is there");
        text.hash(&mut hasher);
    }
    let built_from = format!("-DBUILT_FROM={}", hasher.finish());
    let library = library.to_str().expect("a plain path");
    let main = directory.join("main.cpp");
    let flags = [&[library, &built_from], flags].concat();
    program_with(main.to_str().expect("a plain path"), &flags)
}

fn project(flags: &[&str]) -> PathBuf {
    project_in(&programs::sources().join("regression"), flags)
}

/// Runs `check ARGS -- COMMAND`.
fn run_check(scene: &Scene, args: &[&str], command: &Path) -> Outcome {
    let check = scene.reader(["check"]).args(args);
    check.arg("--").arg(command).run()
}

/// A baseline of a command, of so many runs.
fn baseline(scene: &Scene, runs: &str, command: &Path) -> String {
    let path = scene.scratch_dir().join("baseline.json");
    let path = path.to_str().expect("a plain path").to_owned();
    let args = ["--runs", runs, "--write-baseline", &path];
    run_check(scene, &args, command).success();
    path
}

/// The checks that `check` writes with these arguments, and its exit status.
fn checked(scene: &Scene, args: &[&str], command: &Path) -> (Vec<Value>, Option<i32>) {
    let file = scene.scratch_dir().join("answer.json");
    let output = ["-o", file.to_str().expect("a plain path")];
    let outcome = run_check(scene, &[args, &output].concat(), command);
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{error}:\n{}", outcome.stderr));
    let answer = Answer::parse(&text);
    (answer.rows("checks").to_vec(), outcome.status.code())
}

fn is_broken(row: &Value) -> bool {
    row["verdict"] == "broken"
}

/// Compares a build with -DVARIANT with the plain one; a check must be broken in this function,
/// and the line of `marked` must stand in its stack.
fn check_regression(variant: &str, check: &str, function: &str, marked: &str) {
    let scene = Scene::new();
    let baseline = baseline(&scene, "1", &project(&[]));
    let args = [&["--baseline", &baseline], LIMITS].concat();
    let (rows, status) = checked(&scene, &args, &project(&[variant]));
    assert_eq!(status, Some(1), "{rows:#?}");
    let found = rows
        .iter()
        .find(|row| row["check"] == check && is_broken(row))
        .unwrap_or_else(|| panic!("{check} is not broken in {rows:#?}"));
    let message = found["message"].as_str().unwrap_or_default();
    assert!(message.contains(function), "{message}");
    let source = std::fs::read_to_string(programs::sources().join("regression/index.cpp"))
        .expect("the project is there");
    let line = source.lines().position(|line| line.contains(marked));
    let line = 1 + line.expect("the marked line is there");
    assert!(message.contains(&format!("index.cpp:{line}")), "{message}");
}

#[test]
fn a_leak_breaks_with_its_function_and_line() {
    check_regression("-DLEAK", "max-leak", "Index::log", "new char[64]");
}

#[test]
fn a_hot_spot_breaks_with_its_function_and_line() {
    let check = "max-growth of allocated objects";
    check_regression(
        "-DHOT_SPOT",
        check,
        "Index::split",
        "new char[end - start + 1]",
    );
}

#[test]
fn a_higher_peak_breaks_with_its_function_and_line() {
    let check = "max-growth of at peak";
    check_regression("-DHIGH_PEAK", check, "read_documents", "strdup(");
}

#[test]
fn the_same_program_never_breaks() {
    let scene = Scene::new();
    let baseline = baseline(&scene, "1", &project(&[]));
    let args = [&["--baseline", &baseline], LIMITS].concat();
    for _ in 0..TRIES {
        let (rows, status) = checked(&scene, &args, &project(&[]));
        assert_eq!(status, Some(0), "{rows:#?}");
    }
}

#[test]
fn a_rebuild_with_other_lines_is_the_same_program() {
    let scene = Scene::new();
    let plain = programs::sources().join("regression");
    let moved = scene.scratch_dir().join("moved");
    std::fs::create_dir(&moved).expect("a scene is writable");
    for name in ["index.h", "index.cpp", "main.cpp"] {
        let text = std::fs::read_to_string(plain.join(name)).expect("the project is there");
        let text = "\n".repeat(37) + &text;
        std::fs::write(moved.join(name), text).expect("a scene is writable");
    }
    for flags in [&["-O0"][..], &["-O2"]] {
        let baseline = baseline(&scene, "1", &project_in(&plain, flags));
        let args = [&["--baseline", &baseline], LIMITS].concat();
        let (rows, status) = checked(&scene, &args, &project_in(&moved, flags));
        assert_eq!(status, Some(0), "{rows:#?}");
    }
}

#[test]
fn a_threaded_program_that_varies_never_breaks_and_its_hot_spot_does() {
    let scene = Scene::new();
    let workers = program("regression/workers.cpp");
    let baseline = baseline(&scene, "3", &workers);
    let args = [&["--baseline", &baseline, "--runs", "3"], LIMITS].concat();
    for _ in 0..TRIES {
        let (rows, status) = checked(&scene, &args, &workers);
        assert_eq!(status, Some(0), "{rows:#?}");
    }
    let hot = program_with("regression/workers.cpp", &["-DHOT_SPOT"]);
    let (rows, status) = checked(&scene, &args, &hot);
    assert_eq!(status, Some(1), "{rows:#?}");
    let broken = rows
        .iter()
        .find(|row| is_broken(row))
        .expect("one is broken");
    let message = broken["message"].as_str().unwrap_or_default();
    assert!(message.contains("prepare"), "{message}");
}

#[test]
fn a_command_that_fails_is_never_within_limits() {
    let scene = Scene::new();
    for (how, status) in [("exit 7", 7), ("kill -SEGV $$", 128 + 11)] {
        let check = scene.reader(["check", "--max-peak", "1G", "--", "sh", "-c", how]);
        let outcome = check.run();
        assert_eq!(outcome.status.code(), Some(status), "{}", outcome.stderr);
        let line = outcome.one_error_line();
        assert!(line.contains("nothing was checked"), "{line}");
        assert!(outcome.stdout.contains("broken"), "{}", outcome.stdout);
    }
    let baseline = scene.scratch_dir().join("never.json");
    let write = scene.reader(["check", "--write-baseline"]).arg(&baseline);
    write.args(["--", "false"]).run();
    assert!(!baseline.exists(), "a failed run is no baseline");
}

#[test]
fn a_command_that_cannot_be_recorded_is_no_success() {
    let scene = Scene::new();
    let args = ["--max-peak", "1G", "--program", "another"];
    let outcome = run_check(&scene, &args, &project(&[]));
    assert_eq!(outcome.status.code(), Some(3));
    outcome.one_error_line();
}

#[test]
fn segments_of_a_check_are_removed() {
    let scene = Scene::new();
    run_check(&scene, &["--max-peak", "1G"], &project(&[])).success();
    assert_eq!(scene.segments(), []);
}

#[test]
fn limits_without_a_baseline_hold_for_what_is_there() {
    let scene = Scene::new();
    for (limit, value, status) in [
        ("--max-peak", "64K", 1),
        ("--max-peak", "64MiB", 0),
        ("--max-allocations", "1000", 1),
        ("--max-allocated", "1G", 0),
        ("--max-live", "1", 1),
        ("--max-leak", "0", 0),
    ] {
        let (rows, found) = checked(&scene, &[limit, value], &project(&[]));
        assert_eq!(found, Some(status), "{limit} {value}: {rows:#?}");
    }
}

#[test]
fn a_budget_limits_parts_and_a_mistake_in_it_has_its_line() {
    let scene = Scene::new();
    let budget = scene.file(
        "budget.toml",
        "max_peak = \"64MiB\"\n[[site]]\nname = \"splitting\"\nfunction = 'Index::split'\n\
         max_allocations = 100\n[[site]]\nfile = 'index\\.cpp$'\nmax_live = 0\n",
    );
    let budget = budget.to_str().expect("a plain path");
    let (rows, status) = checked(&scene, &["--budget", budget], &project(&[]));
    assert_eq!(status, Some(1), "{rows:#?}");
    let broken: Vec<&Value> = rows.iter().filter(|row| is_broken(row)).collect();
    assert_eq!(broken.len(), 1, "{rows:#?}");
    assert!(
        broken[0]["check"]
            .as_str()
            .is_some_and(|name| name.contains("splitting"))
    );

    let mistake = scene.file("mistake.toml", "max_leak = 0\n\nmax_peek = 3\n");
    let mistake = mistake.to_str().expect("a plain path");
    let outcome = run_check(&scene, &["--budget", mistake], &project(&[]));
    assert_eq!(outcome.status.code(), Some(3));
    assert!(
        outcome
            .one_error_line()
            .contains("mistake.toml:3: unknown field")
    );
}

#[test]
fn a_check_of_nothing_is_wrong_usage() {
    let scene = Scene::new();
    let outcome = run_check(&scene, &[], &project(&[]));
    assert_eq!(outcome.status.code(), Some(2), "{}", outcome.stderr);
    let outcome = run_check(&scene, &["--max-growth", "5%"], &project(&[]));
    assert_eq!(outcome.status.code(), Some(2), "{}", outcome.stderr);
}

#[test]
fn what_a_family_allocates_adds_up() {
    let scene = Scene::new();
    let child = project(&["-DLEAK"]);
    let line = format!("{0} && {0}", child.display());
    let count = |args: &[&str]| {
        let file = scene.scratch_dir().join("family.json");
        let check = scene.reader(["check", "--max-leak", "1G", "-o"]).arg(&file);
        check.args(args).run().success();
        let text = std::fs::read_to_string(&file).expect("the answer is written");
        let answer = Answer::parse(&text);
        answer.rows("checks")[0]["measured"]["value"]
            .as_u64()
            .unwrap_or(0)
    };
    let one = count(&["--", child.to_str().expect("a plain path")]);
    assert_eq!(one, 6400);
    assert_eq!(
        count(&["--program", "main", "--", "sh", "-c", &line]),
        2 * one
    );
}

#[test]
fn a_running_target_leaks_nothing_for_certain() {
    let scene = Scene::new();
    let mut running = scene.preloaded(program("churn.c")).start();
    running.wait_for("tick 1 ");
    let check = scene.reader(["check", "--max-leak", "0", "--format", "json"]);
    let outcome = check.arg(running.pid.to_string()).run().success();
    let rows = Answer::parse(&outcome.stdout);
    assert_eq!(rows.rows("checks")[0]["verdict"], "uncertain");
    running.finish().success();
}

#[test]
fn junit_has_a_failure_and_github_an_annotation_at_the_line() {
    let scene = Scene::new();
    let baseline = baseline(&scene, "1", &project(&[]));
    let args = [&["--baseline", &baseline], LIMITS].concat();
    let leaking = project(&["-DLEAK"]);
    let junit = run_check(
        &scene,
        &[&args[..], &["--format", "junit"]].concat(),
        &leaking,
    );
    assert_eq!(junit.status.code(), Some(1));
    assert!(junit.stdout.contains("failures=\"1\""), "{}", junit.stdout);
    assert!(junit.stdout.contains("Index::log"), "{}", junit.stdout);
    assert!(junit.stderr.contains("leaked"), "{}", junit.stderr);

    let check = scene.reader(["check", "--format", "github"]).args(args);
    let root = programs::sources();
    let github = check
        .env("GITHUB_WORKSPACE", &root)
        .arg("--")
        .arg(&leaking)
        .run();
    let annotation = github
        .stdout
        .lines()
        .find(|line| line.starts_with("::error "));
    let annotation = annotation.unwrap_or_else(|| panic!("no annotation:\n{}", github.stdout));
    assert!(
        annotation.contains("file=regression/index.cpp,line="),
        "{annotation}"
    );
}
