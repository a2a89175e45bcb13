//! The leak detector on programs whose call sites are known, and on a server with a planted leak.

use std::path::Path;

use memshim_tests::reading::is_named;
use memshim_tests::{Answer, Launch, Running, Scene, find_installed, library, program, skip};
use serde_json::Value;

/// The function of the table's rows that tells what kind a site is, and the kinds that are right.
const KINDS: &[(&str, &[&str])] = &[
    ("leak_slowly", &["leak"]),
    ("grow_vector", &["growing-container"]),
    ("grow_buffer", &["growing-container"]),
    ("fill_at_start", &["startup-resident"]),
    ("fill_until_half", &["bounded-cache"]),
    ("keep_for_a_while", &["bounded-cache"]),
    ("live_long", &["long-lived-churn"]),
];

#[test]
fn every_kind_of_call_site_gets_its_verdict_and_its_line() {
    let (scene, segment) = run_of_all_kinds("3000");
    let leaks = scene.ask("leaks", &segment);
    for (function, right) in KINDS {
        let row = row_through(&leaks, function);
        let verdict = row["verdict"].as_str().unwrap_or("none");
        assert!(right.contains(&verdict), "{function} is {verdict}: {row:#}");
    }
    let rows = leaks.rows("leaks");
    assert_eq!(verdicts(rows, "leak"), 1, "{:#}", leaks.json);
    assert_eq!(verdicts(rows, "growing-container"), 2, "{:#}", leaks.json);
    assert!(
        passes(&rows[0], "leak_slowly"),
        "leaks come first: {:#}",
        rows[0]
    );
    check_line(&rows[0], "leak_slowly", "leak_kinds.c");
    // 400 blocks of 48 bytes in three seconds.
    let rate = rows[0]["rate_bytes_per_second"]["value"]
        .as_f64()
        .expect("a rate");
    assert!((5_000.0..8_000.0).contains(&rate), "{rate} bytes a second");
    check_fact(&leaks, "answer", "one leak and 2 growing containers");
}

#[test]
fn a_leak_ends_with_status_one_if_asked_and_not_when_it_is_suppressed() {
    let (scene, segment) = run_of_all_kinds("1500");
    let status = |flags: &[&str]| {
        let launch = scene.reader(["leaks"]).arg(&segment).args(flags);
        launch.run().status.code()
    };
    assert_eq!(status(&[]), Some(0));
    assert_eq!(status(&["--fail"]), Some(1));
    assert_eq!(status(&["--fail-on-live"]), Some(1));
    let some = scene.file("some", "# known\nleak:leak_slowly\nleak:^grow_*r$\n");
    let some = some.to_str().expect("a plain path");
    assert_eq!(status(&["--fail", "--suppressions", some]), Some(0));
    assert_eq!(status(&["--fail-on-live", "--suppressions", some]), Some(1));
    let all = scene.file("all", "leak:leak_kinds\n");
    let all = all.to_str().expect("a plain path");
    assert_eq!(status(&["--fail-on-live", "--suppressions", all]), Some(0));
    let wrong = scene.file("wrong", "leaks:main\n");
    assert_eq!(
        status(&["--suppressions", wrong.to_str().expect("a plain path")]),
        Some(2)
    );
}

/// A server at night: blocks grow old, and nothing happens that could free them.
#[test]
fn a_program_that_fell_asleep_is_judged_as_it_was_when_awake() {
    let scene = Scene::new();
    let launch = scene.preloaded(program("leak_kinds.c")).arg("1500");
    let mut running = launch.start();
    running.wait_for("done");
    let is_old = |answer: &Answer| answer.json["target"]["age_ns"].as_u64() > Some(4_000_000_000);
    let leaks = loop {
        let leaks = scene.ask("leaks", running.pid.to_string());
        if is_old(&leaks) {
            break leaks;
        }
    };
    let rows = leaks.rows("leaks");
    assert_eq!(verdicts(rows, "leak"), 1, "{:#}", leaks.json);
    assert!(passes(&rows[0], "leak_slowly"), "{:#}", rows[0]);
    // 400 blocks of 48 bytes in 1.5 seconds.
    let rate = rows[0]["rate_bytes_per_second"]["value"]
        .as_f64()
        .unwrap_or(0.0);
    assert!((9_000.0..17_000.0).contains(&rate), "{:#}", rows[0]);
    running.kill();
}

#[test]
fn what_was_suppressed_is_counted_by_rule() {
    let (scene, segment) = run_of_all_kinds("1500");
    let rules = scene.file("rules", "leak:fill_*\nleak:no_such_function\n");
    let launch = scene
        .reader(["leaks", "--format", "json", "--suppressions"])
        .arg(rules);
    let answer = Answer::parse(&launch.arg(&segment).run().success().stdout);
    let rows = answer.rows("suppressions");
    let rule = rows
        .iter()
        .find(|row| row["pattern"] == "fill_*")
        .expect("the rule that matched");
    assert_eq!(rule["matches"], 2);
    assert_eq!(rule["live_bytes"]["value"], 100 * 1000 + 300 * 200);
    assert!(
        !answer
            .rows("leaks")
            .iter()
            .any(|row| passes(row, "fill_at_start"))
    );
}

#[test]
fn a_run_that_is_too_short_shows_no_leaks_but_all_that_is_live() {
    let (scene, segment) = run_of_all_kinds("50");
    let leaks = scene.ask("leaks", &segment);
    let rows = leaks.rows("leaks");
    assert!(
        rows.iter().all(|row| row["verdict"] == "too-little-data"),
        "{:#}",
        leaks.json
    );
    assert!(rows.iter().any(|row| passes(row, "leak_slowly")));
    check_fact(
        &leaks,
        "answer",
        "too short a run to tell a leak by the age of blocks",
    );
}

#[test]
fn what_is_found_does_not_depend_on_how_much_is_shown() {
    let (scene, segment) = run_of_all_kinds("1500");
    let launch = scene.reader(["leaks", "--format", "json", "--top", "1", "--fail"]);
    let outcome = launch.arg(&segment).run();
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr);
    let answer = Answer::parse(&outcome.stdout);
    assert_eq!(answer.rows("leaks").len(), 1);
    check_fact(&answer, "answer", "one leak and 2 growing containers");
}

#[test]
fn only_the_verdicts_that_were_asked_for_are_shown() {
    let (scene, segment) = run_of_all_kinds("1500");
    let flags = ["--verdict", "leak", "--verdict", "growing-container"];
    let launch = scene
        .reader(["leaks", "--format", "json"])
        .args(flags)
        .arg(&segment);
    let answer = Answer::parse(&launch.run().success().stdout);
    assert_eq!(answer.rows("leaks").len(), 3, "{:#}", answer.json);
}

/// The acceptance test: one object in a hundred of a plugin leaks inside a busy redis.
#[test]
fn a_planted_leak_of_one_percent_is_found_in_redis_and_nothing_else_is_called_one() {
    let tools = ["redis-server", "redis-benchmark"].map(find_installed);
    let [Some(server), Some(benchmark)] = tools else {
        skip("redis-server or redis-benchmark is not installed");
        return;
    };
    let scene = Scene::new();
    let plugin = library("leak_plugin.c");
    let socket = scene.scratch_dir().join("redis.sock");
    let server = start(
        scene.preloaded_with(&[&plugin], server).interval("4096"),
        &socket,
    );
    let load = scene.plain(benchmark).arg("-s").arg(&socket);
    let load = load.args(["-q", "-l", "-n", "20000", "-r", "2000", "-d", "300"]);
    let load = load.args(["-t", "set,get,incr,hset,sadd"]).start();
    let pid = server.pid.to_string();
    let answer = loop {
        let answer = scene.ask("leaks", &pid);
        let age_ns = answer.json["target"]["age_ns"].as_u64().expect("an age");
        if age_ns > 10_000_000_000 {
            break answer;
        }
    };
    load.kill();
    server.signal(memshim_tests::processes::SIGKILL);
    let rows = answer.rows("leaks");
    println!("of {} sites with live blocks:\n{:#}", rows.len(), rows[0]);
    assert_eq!(rows[0]["verdict"], "leak");
    check_line(&rows[0], "plugin_request", "leak_plugin.c");
    for row in &rows[1..] {
        let is_alarm = row["verdict"] == "leak" || row["verdict"] == "growing-container";
        assert!(!is_alarm, "a false alarm: {row:#}");
    }
}

fn start(launch: Launch, socket: &Path) -> Running {
    let flags = [
        "--port",
        "0",
        "--save",
        "",
        "--appendonly",
        "no",
        "--unixsocket",
    ];
    let mut server = launch.args(flags).arg(socket).start();
    server.wait_for("eady to accept connections");
    server
}

/// A run of the program with every kind of call site, killed at its end.
fn run_of_all_kinds(milliseconds: &str) -> (Scene, std::path::PathBuf) {
    let scene = Scene::new();
    let mut running = scene
        .preloaded(program("leak_kinds.c"))
        .arg(milliseconds)
        .start();
    running.wait_for("done");
    let pid = running.pid;
    running.kill();
    let segment = scene.segment_of(pid).path;
    (scene, segment)
}

fn verdicts(rows: &[Value], verdict: &str) -> usize {
    rows.iter().filter(|row| row["verdict"] == verdict).count()
}

fn functions(row: &Value) -> impl Iterator<Item = &str> {
    let frames = row["stack"].as_array().into_iter().flatten();
    frames.filter_map(|frame| frame["function"].as_str())
}

fn passes(row: &Value, function: &str) -> bool {
    functions(row).any(|name| is_named(name, function))
}

fn row_through<'a>(leaks: &'a Answer, function: &str) -> &'a Value {
    let found = leaks.rows("leaks").iter().find(|row| passes(row, function));
    found.unwrap_or_else(|| panic!("no row through {function}: {:#}", leaks.json))
}

/// The leaf is `function`, and its line that of the call in `file`.
fn check_line(row: &Value, function: &str, file: &str) {
    let leaf = &row["stack"][0];
    let is_function = leaf["function"]
        .as_str()
        .is_some_and(|name| is_named(name, function));
    let is_file = leaf["file"]
        .as_str()
        .is_some_and(|name| name.ends_with(file));
    let sources = memshim_tests::programs::sources().join(file);
    let source = std::fs::read_to_string(sources).expect("the source of the program");
    let line = leaf["line"].as_u64().unwrap_or(0) as usize;
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or("");
    assert!(
        is_function && is_file && text.contains(function),
        "{leaf:#}, line {text}"
    );
}

fn check_fact(leaks: &Answer, name: &str, expected: &str) {
    let sections = leaks.json["sections"].as_array().into_iter().flatten();
    let mut found = sections.filter_map(|section| section["facts"].get(name));
    assert_eq!(found.next(), Some(&Value::from(expected)));
}
