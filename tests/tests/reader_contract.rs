//! What scripts rely on: exit codes, one line for an error, and the shape of the JSON.

use memshim_tests::{Answer, Outcome, Scene, Segment, program};
use serde_json::Value;

const SUMMARY_FACTS: &[&str] = &[
    "allocated_bytes",
    "allocated_objects",
    "freed_bytes",
    "freed_objects",
    "live_bytes",
    "live_objects",
    "peak_live_bytes",
];

const SITE_COLUMNS: &[&str] = &[
    "allocated_objects",
    "freed_objects",
    "live_bytes",
    "live_objects",
];

#[test]
fn every_answer_has_schema_target_losses_and_sections() {
    let (scene, segment) = profiled();
    for analysis in ["report", "sites", "leaks", "sizes"] {
        let json = scene.ask(analysis, &segment.path).json;
        assert_eq!(json["schema"], "memshim.report/1", "{analysis}");
        assert_eq!(json["report"], analysis);
        assert!(
            json["target"].is_object() && json["losses"].is_object(),
            "{analysis}: {json:#}"
        );
        for section in json["sections"].as_array().expect("sections are a list") {
            check_section(section);
        }
    }
}

#[test]
fn the_summary_has_all_facts() {
    let (scene, segment) = profiled();
    let report = scene.report(&segment);
    for fact in SUMMARY_FACTS {
        assert!(report.fact(fact).exact, "{fact}");
    }
}

#[test]
fn every_site_has_its_columns_and_a_stack_of_full_frames() {
    let (scene, segment) = profiled();
    let sites = scene.sites(&segment);
    assert!(sites.sites().count() >= 256, "one row a stack");
    for site in sites.sites() {
        for column in SITE_COLUMNS {
            site.count(column);
        }
        for frame in site.frames() {
            for key in [
                "function", "file", "line", "module", "build_id", "offset", "inlined",
            ] {
                assert!(frame.get(key).is_some(), "no {key} in {frame:#}");
            }
        }
    }
}

#[test]
fn every_row_of_leaks_has_a_verdict() {
    let (scene, segment) = profiled();
    let leaks = scene.ask("leaks", &segment.path);
    let rows = leaks.rows("leaks");
    assert!(!rows.is_empty(), "10,000 blocks are alive");
    assert!(
        rows.iter().all(|row| row["verdict"].is_string()),
        "{:#}",
        rows[0]
    );
}

#[test]
fn a_target_is_a_file_a_process_or_the_newest_segment() {
    let (scene, segment) = profiled();
    let by_file = scene.report(&segment).exact_fact("allocated_objects");
    let by_pid = scene.ask("report", segment.pid.to_string());
    assert_eq!(by_pid.exact_fact("allocated_objects"), by_file);
    let newest = scene.preloaded(program("die.c")).run().success().pid;
    let by_nothing = Answer::parse(
        &scene
            .reader(["report", "--format", "json"])
            .run()
            .success()
            .stdout,
    );
    let of_newest = scene.report(&scene.segment_of(newest));
    assert_eq!(
        by_nothing.exact_fact("allocated_objects"),
        of_newest.exact_fact("allocated_objects")
    );
}

#[test]
fn an_output_file_holds_what_standard_output_would() {
    let (scene, segment) = profiled();
    let file = scene.scratch_dir().join("answer.json");
    let launch = scene
        .reader(["sizes"])
        .arg(&segment.path)
        .args(["--format", "json"]);
    let printed = launch.run().success().stdout;
    let launch = scene
        .reader(["sizes"])
        .arg(&segment.path)
        .args(["--format", "json", "-o"]);
    let outcome = launch.arg(&file).run().success();
    assert_eq!(outcome.stdout, "");
    let (printed, written) = (
        Answer::parse(&printed),
        std::fs::read_to_string(&file).expect("the file is written"),
    );
    assert_eq!(
        printed.json["sections"],
        Answer::parse(&written).json["sections"]
    );
}

#[test]
fn text_is_the_default_and_has_no_colour_in_a_pipe() {
    let (scene, segment) = profiled();
    let text = scene
        .reader(["report"])
        .arg(&segment.path)
        .run()
        .success()
        .stdout;
    assert!(text.contains("branch"), "{text}");
    assert!(!text.contains('\u{1b}'), "escape sequences in a pipe");
}

#[test]
fn wrong_usage_ends_with_status_2() {
    let scene = Scene::new();
    for args in [
        &["no-such-command"][..],
        &["report", "--no-such-flag"],
        &["run"],
        &["run", "--"],
    ] {
        let outcome = scene.reader(args).run();
        assert_eq!(
            outcome.status.code(),
            Some(2),
            "{args:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "", "{args:?}");
    }
}

#[test]
fn a_target_that_is_not_there_ends_with_status_3_and_one_line() {
    let scene = Scene::new();
    for args in [
        &["report"][..],
        &["report", "999999999"],
        &["report", "/no/such/file.seg"],
        &["sites", "1"],
        &["leaks", "/etc/passwd"],
    ] {
        let outcome = scene.reader(args).run();
        assert_eq!(
            outcome.status.code(),
            Some(3),
            "{args:?}: {}",
            outcome.stderr
        );
        outcome.one_error_line();
    }
}

#[test]
fn run_ends_with_the_status_of_the_program() {
    for (how, status) in [("return", 0), ("_exit", 7), ("quick_exit", 6)] {
        assert_eq!(
            run_die(&Scene::new(), how).status.code(),
            Some(status),
            "{how}"
        );
    }
}

#[test]
fn run_of_a_program_killed_by_a_signal_ends_as_a_shell_would() {
    let outcome = run_die(&Scene::new(), "abort");
    let status = outcome
        .status
        .code()
        .or(outcome.signal().map(|signal| 128 + signal));
    assert_eq!(status, Some(128 + 6));
}

#[test]
fn run_prints_the_programs_output_and_then_a_report() {
    let scene = Scene::new();
    let launch = scene.reader(["run", "--"]).arg(program("many_sites.c"));
    let outcome = launch.env("MEMSHIM_INTERVAL", "exact").run().success();
    let own = scene.plain(program("many_sites.c")).run().stdout;
    assert!(outcome.stdout.starts_with(&own), "{}", outcome.stdout);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("branch"), "{said}");
}

#[test]
fn run_writes_its_report_where_it_is_told() {
    let scene = Scene::new();
    let file = scene.scratch_dir().join("answer.json");
    let launch = scene
        .reader(["run", "--format", "json", "-o"])
        .arg(&file)
        .arg("--");
    let outcome = launch
        .arg(program("die.c"))
        .env("MEMSHIM_INTERVAL", "exact")
        .run()
        .success();
    assert_eq!(outcome.stdout, "", "the program prints nothing");
    let text = std::fs::read_to_string(&file).expect("the report is written");
    assert!(Answer::parse(&text).exact_fact("allocated_objects") >= 5_000);
}

#[test]
fn run_of_a_program_that_is_not_there_is_no_crash() {
    let outcome = Scene::new().reader(["run", "--", "/no/such/program"]).run();
    assert!(
        matches!(outcome.status.code(), Some(2 | 3 | 127)),
        "{:?}",
        outcome.status
    );
    outcome.one_error_line();
}

#[test]
fn clean_removes_the_dead_and_keeps_the_living() {
    let (scene, dead) = profiled();
    let mut running = scene.preloaded(program("churn.c")).start();
    running.wait_for("tick 1 ");
    scene.reader(["clean"]).run().success();
    let left: Vec<u32> = scene.segments().iter().map(|segment| segment.pid).collect();
    assert_eq!(left, [running.pid], "{} is dead", dead.pid);
    running.finish().success();
}

#[test]
fn a_report_into_a_closed_pipe_ends_quietly() {
    let (scene, segment) = profiled();
    let line = "\"$0\" sites \"$1\" --top 1000000 | head -c 1 >/dev/null";
    let reader = scene.reader(["unused"]).words().remove(0);
    let outcome = scene
        .plain("sh")
        .args(["-c", line])
        .arg(reader)
        .arg(&segment.path)
        .run();
    assert_eq!(outcome.stderr, "");
}

fn profiled() -> (Scene, Segment) {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("many_sites.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    (scene, segment)
}

fn run_die(scene: &Scene, how: &str) -> Outcome {
    scene
        .reader(["run", "--"])
        .arg(program("die.c"))
        .arg(how)
        .run()
}

fn check_section(section: &Value) {
    let kind = section["kind"].as_str().unwrap_or_default();
    assert!(section["name"].is_string(), "{section:#}");
    match kind {
        "facts" => assert!(section["facts"].is_object(), "{section:#}"),
        "table" => assert!(section["rows"].is_array(), "{section:#}"),
        "histogram" | "series" | "stacks" => {}
        _ => panic!("unknown kind {kind:?}"),
    }
}
