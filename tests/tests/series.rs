//! Curves of recordings of real programs: what they end with is what was live.

use std::path::PathBuf;

use memshim_tests::programs::program;
use memshim_tests::reading::Answer;
use memshim_tests::scene::Scene;
use serde_json::Value;

/// Rounds of the program, each of which keeps a block and forks.
const ROUNDS: &str = "30";

#[test]
fn curves_of_a_recording_end_with_what_was_live() {
    let scene = Scene::new();
    let recording = record(&scene);
    let pid = parent(&scene, &recording);
    let sites = series(
        &scene,
        &recording,
        &["--by", "site", "--process", &pid, "-n", "100"],
    );
    let columns = sites.json["sections"][0]["columns"].as_array();
    let columns = columns.expect("a series has columns");
    let kept: Vec<&str> = columns
        .iter()
        .filter(|column| column["title"] == "kept_block")
        .filter_map(|column| column["key"].as_str())
        .collect();
    assert!(!kept.is_empty(), "{columns:?}");
    let sums: Vec<f64> = points(&sites, &kept);
    assert!(sums.is_sorted(), "blocks are kept: {sums:?}");
    let answer = scene
        .reader(["sites", "--format", "json", "--process", &pid])
        .arg(&recording)
        .run();
    let answer = Answer::parse(&answer.success().stdout);
    let live = answer.rows("sites").iter().filter_map(|row| {
        let stack = row["stack"].to_string();
        let live = row["live_bytes"]["value"].as_f64();
        live.filter(|_| stack.contains("kept_block"))
    });
    assert_eq!(sums.last(), Some(&live.sum()));
}

#[test]
fn every_metric_of_every_process_has_its_curve() {
    let scene = Scene::new();
    let recording = record(&scene);
    for (metric, beginning) in [
        ("live", "live_bytes_"),
        ("rate", "allocated_bytes_per_second_"),
        ("rss", "resident_bytes_"),
    ] {
        let answer = series(&scene, &recording, &["--metric", metric]);
        let columns = answer.json["sections"][0]["columns"].as_array();
        let keys = columns.into_iter().flatten();
        let keys: Vec<&str> = keys.filter_map(|column| column["key"].as_str()).collect();
        let first = keys.get(1).expect("there is a curve");
        assert!(first.starts_with(beginning), "{first}");
        let most = points(&answer, &[first]).into_iter().fold(0.0, f64::max);
        assert!(most > 0.0, "{metric}");
    }
    let refused = scene.reader(["series", "--metric", "rss", "--by", "site"]);
    let refused = refused.arg(&recording).run();
    assert_eq!(refused.status.code(), Some(3));
    assert!(refused.one_error_line().contains("--by process"));
}

/// The sum of some columns at each moment.
fn points(answer: &Answer, keys: &[&str]) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().or(value["value"].as_f64());
    let rows = answer.rows("series").iter();
    let sum = |row: &Value| {
        let values = keys.iter().map(|key| number(&row[*key]).expect("a number"));
        values.sum()
    };
    rows.map(sum).collect()
}

fn series(scene: &Scene, recording: &PathBuf, args: &[&str]) -> Answer {
    let launch = scene.reader(["series", "--format", "json"]).arg(recording);
    Answer::parse(&launch.args(args).run().success().stdout)
}

fn record(scene: &Scene) -> PathBuf {
    let directory = scene.scratch_dir().join("recording");
    scene
        .reader(["record", "--every", "20ms", "--output"])
        .arg(&directory)
        .arg("--")
        .arg(program("grow_and_fork.c"))
        .arg(ROUNDS)
        .interval("exact")
        .run()
        .success();
    directory
}

/// The process that kept the blocks: the parent of all others.
fn parent(scene: &Scene, recording: &PathBuf) -> String {
    let status = scene
        .reader(["record", "--format", "json", "--status"])
        .arg(recording);
    let status = Answer::parse(&status.run().success().stdout);
    let rows = status.rows("processes");
    let parents: Vec<&Value> = rows.iter().map(|row| &row["parent_pid"]).collect();
    let parent = rows.iter().find(|row| parents.contains(&&row["pid"]));
    parent.expect("it forked")["pid"].to_string()
}
