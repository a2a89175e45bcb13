//! One session of sqlite3, killed with its database in memory, as three viewers show it: the same
//! total and the same first function.
//!
//! Needs the Debian packages sqlite3, golang-go and heaptrack.

use std::collections::HashMap;
use std::path::Path;

use memshim_tests::{Scene, is_installed, skip};
use serde_json::Value;

#[test]
fn pprof_heaptrack_and_speedscope_show_one_session_alike() {
    for tool in ["sqlite3", "go", "heaptrack_print"] {
        if !is_installed(tool) {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let scene = Scene::new();
    let segment = killed_sqlite(&scene);
    let live_bytes = scene.report(&segment).exact_fact("live_bytes");
    let file = |name: &str| {
        let path = scene.scratch_dir().join(name);
        let export = scene.reader(["export", "-o"]).arg(&path);
        export.arg(&segment.path).run().success();
        path
    };
    let (pprof_total, pprof_first) = pprof(&scene, &file("sqlite.pb.gz"));
    let (speedscope_total, speedscope_first) = speedscope(&file("sqlite.speedscope.json"));
    let (heaptrack_total, heaptrack_first) = heaptrack(&scene, &file("sqlite.heaptrack"));
    assert_eq!([pprof_total, speedscope_total], [live_bytes; 2]);
    // It prints two decimals of a thousand times a unit.
    assert!(heaptrack_total.abs_diff(live_bytes) <= live_bytes / 100);
    assert_eq!(pprof_first, speedscope_first);
    assert_eq!(pprof_first, heaptrack_first);
}

fn killed_sqlite(scene: &Scene) -> memshim_tests::Segment {
    let mut script = String::from("CREATE TABLE t(a INTEGER, b TEXT);\nBEGIN;\n");
    for row in 0..20_000 {
        script.push_str(&format!("INSERT INTO t VALUES({row}, 'row {row}');\n"));
    }
    script.push_str("COMMIT;\n.shell kill -9 $PPID\n");
    let launch = scene.preloaded("sqlite3").interval("exact");
    let launch = launch.env("HOME", scene.scratch_dir());
    let launch = launch.args(["-batch", "-init", "/dev/null", ":memory:"]);
    let outcome = launch.input(script).run();
    assert_eq!(outcome.signal(), Some(9), "{}", outcome.stderr);
    scene.segment_of(outcome.pid)
}

/// The total and the first function of `go tool pprof -top`.
fn pprof(scene: &Scene, file: &Path) -> (u64, String) {
    let flags = [
        "tool",
        "pprof",
        "-unit=b",
        "-sample_index=inuse_space",
        "-top",
    ];
    let launch = scene.plain("go").args(flags).arg(file);
    let shown = launch
        .env("HOME", scene.scratch_dir())
        .run()
        .success()
        .stdout;
    let (before, _) = shown.split_once("B total").expect("a total");
    let total = before.rsplit(' ').next().expect("a number before it");
    let (_, rows) = shown.split_once("cum%\n").expect("a head line");
    let first = rows.lines().next().expect("a row");
    let name = first.split_whitespace().nth(5).expect("six columns");
    (total.parse().expect("bytes"), name.to_owned())
}

/// What is leaked and where most of it was allocated, of heaptrack_print.
fn heaptrack(scene: &Scene, file: &Path) -> (u64, String) {
    let launch = scene.plain("heaptrack_print").args(["-l", "-f"]).arg(file);
    let shown = launch.run().success().stdout;
    let (_, behind) = shown.split_once("total memory leaked: ").expect("a total");
    let amount = behind.lines().next().expect("an amount");
    let (number, unit) = amount.split_at(amount.len() - 1);
    let factor = match unit {
        "K" => 1e3,
        "M" => 1e6,
        _ => panic!("{amount}"),
    };
    let (_, leaks) = shown.split_once("MEMORY LEAKS\n").expect("a section");
    let name = leaks.lines().nth(1).expect("a function below the amount");
    let bytes = number.parse::<f64>().expect("a number") * factor;
    (bytes as u64, name.trim().to_owned())
}

/// The sum of the profile of live bytes and the leaf with the most of it.
fn speedscope(file: &Path) -> (u64, String) {
    let text = std::fs::read_to_string(file).expect("an export");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        json["$schema"],
        "https://www.speedscope.app/file-format-schema.json"
    );
    let profiles = json["profiles"].as_array().expect("profiles");
    let is_live = |profile: &&Value| {
        profile["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("live"))
    };
    let live = profiles.iter().find(is_live).expect("live bytes");
    assert_eq!(
        (&live["type"], &live["unit"]),
        (&"sampled".into(), &"bytes".into())
    );
    let weights = live["weights"].as_array().expect("weights").iter();
    let samples = live["samples"].as_array().expect("samples").iter();
    let mut leaves: HashMap<u64, u64> = HashMap::new();
    for (sample, weight) in samples.zip(weights) {
        let leaf = sample.as_array().and_then(|frames| frames.last()?.as_u64());
        *leaves.entry(leaf.expect("a frame")).or_default() += weight.as_u64().expect("bytes");
    }
    let (frame, _) = leaves
        .iter()
        .max_by_key(|(_, bytes)| **bytes)
        .expect("a leaf");
    let name = &json["shared"]["frames"][*frame as usize]["name"];
    (
        leaves.values().sum(),
        name.as_str().expect("a name").to_owned(),
    )
}
