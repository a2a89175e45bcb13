//! Alerts of a recorder on real programs: who is told what, when it is over, and who is not.

use std::path::{Path, PathBuf};
use std::time::Instant;

use memshim_reader::alert::kind::Kind;
use memshim_reader::recording::Recording;
use memshim_tests::deploy::list;
use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::reading::Answer;
use memshim_tests::{Running, Scene, program, workspace_root};
use serde_json::Value;

/// Everything that a recorder of the scene tells is appended to a file.
struct Told {
    path: PathBuf,
}

impl Told {
    fn rules(scene: &Scene, alerts: &str) -> (Told, PathBuf) {
        let path = scene.scratch_dir().join("told");
        let action = format!(
            "\n[[action]]\nname = \"note\"\nshell = \"cat >> '{}'\"\n",
            path.display()
        );
        let rules = scene.file("rules.toml", format!("{alerts}{action}"));
        (Told { path }, rules)
    }

    fn all(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let lines = text.lines().filter_map(|it| serde_json::from_str(it).ok());
        lines.collect()
    }

    /// Waits for the first notice of a state from `skip` on.
    fn wait_for(&self, state: &str, skip: usize) -> Value {
        let begun = Instant::now();
        loop {
            let all = self.all();
            let mut later = all.iter().skip(skip);
            if let Some(found) = later.find(|it| it["state"] == state) {
                return found.clone();
            }
            assert!(begun.elapsed() < TIME_LIMIT, "never {state}: {all:#?}");
            std::thread::yield_now();
        }
    }
}

fn recorder(scene: &Scene, rules: &Path, more: &[&str]) -> Running {
    scene
        .reader(["record", "--all", "--every", "50ms", "--output"])
        .arg(scene.scratch_dir().join("recording"))
        .arg("--alert")
        .arg(rules)
        .args(more)
        .start()
}

fn status(scene: &Scene) -> Answer {
    let launch = scene
        .reader(["record", "--format", "json", "--status"])
        .arg(scene.scratch_dir().join("recording"));
    Answer::parse(&launch.run().success().stdout)
}

/// How often recorders have looked in all.
fn looks(scene: &Scene) -> usize {
    let directory = scene.scratch_dir().join("recording");
    let recording = Recording::open(&directory).expect("a recording");
    recording.files.iter().map(|it| it.index.rounds.len()).sum()
}

fn stop(recorder: Running) -> String {
    recorder.signal(libc::SIGTERM);
    recorder.finish().success().stderr
}

#[test]
fn a_heap_above_its_level_is_told_of_and_so_is_its_end_and_a_restart_forgets_neither() {
    let scene = Scene::new();
    let (told, rules) = Told::rules(
        &scene,
        "[[alert]]\nkind = \"live-above\"\nprograms = [\"grow_*\"]\nabove = \"32MiB\"\n\
         clear = \"16MiB\"\nfor = \"0s\"\nagain = \"1d\"\n",
    );
    let mut grower = scene.preloaded(program("grow_on_demand.c")).start();
    grower.write("40\n");
    grower.wait_for("holds 40");
    let first = recorder(&scene, &rules, &[]);
    let firing = told.wait_for("firing", 0);
    assert_eq!(firing["alert"], "MemshimLiveAbove");
    assert_eq!(firing["program"], "grow_on_demand");
    assert_eq!(firing["pids"][0], grower.pid);
    assert!(
        firing["value"].as_f64() >= Some(40.0 * 1_048_576.0),
        "{firing}"
    );
    let culprit = &firing["culprit"];
    assert_eq!(culprit["function"], "hold_block", "{firing}");
    let description = firing["description"].as_str().expect("a text");
    assert!(
        description.contains(&format!("report {}`", grower.pid)),
        "{firing}"
    );
    // Below the level, but not clear of it: nothing changes, not even across a restart.
    grower.write("20\n");
    grower.wait_for("holds 20");
    let log = stop(first);
    assert!(log.contains("[MemshimLiveAbove]"), "{log}");
    let before = looks(&scene);
    let second = recorder(&scene, &rules, &[]);
    let begun = Instant::now();
    while looks(&scene) < before + 3 {
        assert!(
            begun.elapsed() < TIME_LIMIT,
            "the second recorder never looks"
        );
    }
    assert_eq!(told.all().len(), 1);
    grower.write("1\n");
    let resolved = told.wait_for("resolved", 1);
    assert_eq!(resolved["program"], "grow_on_demand");
    // What was told today is not told again, but stands in the status.
    grower.write("50\n");
    let begun = Instant::now();
    while status(&scene).rows("alerts")[0]["state"] != "firing" {
        assert!(begun.elapsed() < TIME_LIMIT, "it never fires again");
    }
    stop(second);
    assert_eq!(told.all().len(), 2);
    let actions = status(&scene);
    assert_eq!(actions.rows("actions")[0]["told"], 2);
}

#[test]
fn a_leak_is_told_of_and_nothing_else() {
    let scene = Scene::new();
    let (told, rules) = Told::rules(
        &scene,
        "[[alert]]\nkind = \"leak-suspected\"\nfor = \"0s\"\n\
         [[alert]]\nkind = \"losing-data\"\nfor = \"0s\"\n",
    );
    let mut steady = scene.preloaded(program("grow_on_demand.c")).start();
    steady.write("8\n");
    steady.wait_for("holds 8");
    let leaker = scene.preloaded(program("grow_and_fork.c")).start();
    let recorder = recorder(&scene, &rules, &[]);
    let firing = told.wait_for("firing", 0);
    assert_eq!(firing["alert"], "MemshimLeakSuspected");
    assert_eq!(firing["program"], "grow_and_fork");
    assert_eq!(firing["culprit"]["function"], "kept_block", "{firing}");
    drop(leaker);
    stop(recorder);
    let programs: Vec<Value> = told
        .all()
        .into_iter()
        .map(|it| it["program"].clone())
        .collect();
    assert!(
        programs.iter().all(|it| it == "grow_and_fork"),
        "{programs:?}"
    );
}

#[test]
fn the_moment_of_a_passed_mark_is_kept_between_two_looks() {
    let scene = Scene::new();
    let (told, rules) = Told::rules(&scene, "[[alert]]\nkind = \"mark-passed\"\n");
    let mut grower = scene.preloaded(program("grow_on_demand.c")).start();
    grower.write("1\n");
    grower.wait_for("holds 1");
    let recorder = scene
        .reader(["record", "--every", "1h", "--limit", "32MiB", "--output"])
        .arg(scene.scratch_dir().join("recording"))
        .arg("--alert")
        .arg(&rules)
        .arg(grower.pid.to_string())
        .start();
    grower.write("48\n");
    let passed = told.wait_for("firing", 0);
    assert_eq!(passed["alert"], "MemshimMarkPassed");
    assert_eq!(passed["threshold"].as_f64(), Some(32.0 * 1_048_576.0));
    grower.write("2\n");
    grower.wait_for("holds 2");
    let pid = grower.pid.to_string();
    grower.finish().success();
    let log = recorder.finish().success().stderr;
    assert!(log.contains("passed its mark of 32.0 MiB: "), "{log}");
    // The log says what to ask, and the answer is the heap of that moment and not of the end.
    let advice = log.split('`').nth(1).expect("a command between backticks");
    let words: Vec<&str> = advice.split(' ').skip(1).collect();
    let answer = scene
        .reader(&words)
        .args(["--format", "json"])
        .run()
        .success();
    let live = Answer::parse(&answer.stdout).exact_fact("live_bytes");
    assert!(live >= 32 << 20, "{live}");
    let end = scene
        .reader(["report", "--format", "json", "--process", &pid])
        .arg(scene.scratch_dir().join("recording"))
        .run()
        .success();
    assert!(Answer::parse(&end.stdout).exact_fact("live_bytes") < 8 << 20);
    let marks = status(&scene);
    assert_eq!(marks.rows("marks").len(), 1, "{:#}", marks.json);
    assert_eq!(
        marks.rows("marks")[0]["mark_bytes"].as_u64(),
        Some(32 << 20)
    );
}

#[test]
fn rules_are_checked_and_tried_without_a_recording() {
    let scene = Scene::new();
    let (told, rules) = Told::rules(&scene, "[[alert]]\nkind = \"limit-near\"\n");
    let check = scene.reader(["record", "--check", "--alert"]).arg(&rules);
    let text = check.run().success().stdout;
    assert!(
        text.contains("MemshimMemoryLimitNear") && text.contains("4.0 h"),
        "{text}"
    );
    assert!(told.all().is_empty());
    let trial = scene.reader(["record", "--trial", "--alert"]).arg(&rules);
    trial.run().success();
    assert_eq!(told.all()[0]["state"], "trial");
    let failing = scene.file(
        "failing.toml",
        "[[alert]]\nkind = \"limit-near\"\n[[action]]\nname = \"no\"\ncommand = [\"/no/such\"]\n",
    );
    let outcome = scene
        .reader(["record", "--trial", "--alert"])
        .arg(failing)
        .run();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        outcome.stdout.contains("cannot run /no/such"),
        "{}",
        outcome.stdout
    );
    let wrong = scene.file(
        "wrong.toml",
        "[[alert]]\nkind = \"limit-near\"\nbellow = 3\n",
    );
    let outcome = scene
        .reader(["record", "--check", "--alert"])
        .arg(&wrong)
        .run();
    assert_eq!(outcome.status.code(), Some(3));
    let line = outcome.one_error_line();
    assert!(
        line.contains("wrong.toml:3:") && line.contains("`below`"),
        "{line}"
    );
}

#[test]
fn the_example_for_production_has_every_kind_of_alert() {
    let example = workspace_root().join("deploy/alerts/memshim-alerts.toml");
    let scene = Scene::new();
    let check = scene.reader(["record", "--format", "json", "--check", "--alert"]);
    let text = check.arg(example).run().success().stdout;
    let answer = Answer::parse(&text);
    let kinds = answer
        .rows("alerts")
        .iter()
        .filter_map(|row| row["kind"].as_str());
    let kinds: std::collections::BTreeSet<&str> = kinds.collect();
    for kind in Kind::ALL {
        assert!(
            kinds.contains(kind.word()),
            "{} is not in {kinds:?}",
            kind.word()
        );
    }
}

/// A text with all white space alike and without what differs by who fills it in.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn words_names_and_times_are_those_of_the_alerts_for_prometheus() {
    let text = memshim_tests::deploy::text("prometheus/memshim-alerts.yml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("good YAML");
    let groups = documents.iter().flat_map(|it| list(it, "groups"));
    let rules: Vec<&Value> = groups.flat_map(|group| list(group, "rules")).collect();
    let mebibytes = |number: u64| format!("> {number} * 1024 * 1024");
    let thresholds = [
        (Kind::LeakSuspected, mebibytes(16)),
        (Kind::ContainerGrowing, mebibytes(256)),
        (
            Kind::HeapGrowing,
            "> 1.5 * quantile_over_time(0.95".to_owned(),
        ),
        (Kind::HeapGrowing, mebibytes(64)),
        (Kind::LimitNear, "< 4 * 3600".to_owned()),
        (Kind::AllocationJump, "> 3 * avg_over_time".to_owned()),
        (Kind::AllocationJump, mebibytes(10)),
        (Kind::LosingData, "reentrant_calls|frees_missed".to_owned()),
        (Kind::TooExpensive, "> 0.02".to_owned()),
    ];
    for (kind, threshold) in thresholds {
        let usual = kind.usual();
        let rule = rules.iter().find(|rule| rule["alert"] == usual.name);
        let rule = rule.unwrap_or_else(|| panic!("no {}", usual.name));
        let query = rule["expr"].as_str().expect("a query");
        assert!(query.contains(&threshold), "{query}");
        let minutes = usual.for_ns / 60_000_000_000;
        assert_eq!(rule["for"], format!("{minutes}m"), "{}", usual.name);
        assert_eq!(rule["labels"]["severity"], usual.severity, "{}", usual.name);
        let description = rule["annotations"]["description"].as_str();
        let description = plain(description.expect("a description"));
        assert_eq!(description, plain(kind.description()), "{}", usual.name);
    }
    let usual = |kind: Kind| (kind.usual().level, kind.usual().at_least);
    const MIB: f64 = 1_048_576.0;
    assert_eq!(usual(Kind::LeakSuspected), (Some(16.0 * MIB), None));
    assert_eq!(usual(Kind::ContainerGrowing), (Some(256.0 * MIB), None));
    assert_eq!(usual(Kind::HeapGrowing), (Some(1.5), Some(64.0 * MIB)));
    assert_eq!(usual(Kind::LimitNear), (Some(4.0 * 3_600e9), None));
    assert_eq!(usual(Kind::AllocationJump), (Some(3.0), Some(10.0 * MIB)));
    assert_eq!(usual(Kind::TooExpensive), (Some(2.0), None));
}
