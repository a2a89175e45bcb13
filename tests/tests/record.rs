//! Recordings of real programs: what is kept of them, however the recorder ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memshim_reader::history::History;
use memshim_reader::recording::reader::files_in;
use memshim_reader::recording::{FileIndex, Recording};
use memshim_tests::launch::Running;
use memshim_tests::programs::program;
use memshim_tests::reading::Answer;
use memshim_tests::scene::Scene;

/// No snapshot of a program that is killed here takes more.
const FRAME_BYTES_MAX: u64 = 64 << 10;

/// Rounds that a recorded program has before it ends by itself.
const ROUNDS: u64 = 60;

#[test]
fn a_recorder_killed_at_fifty_moments_loses_at_most_the_frame_it_was_writing() {
    check_kills(50);
}

#[test]
fn every_moment_of_a_recorded_command_can_be_asked_about() {
    let scene = Scene::new();
    let directory = record_command(&scene);
    let last = ask(&scene, "sites", &directory, &[]);
    assert_eq!(kept(&last), ROUNDS);
    let mut before = 0;
    for at in ["0s", "100ms", "300ms", "-100ms", "-0s"] {
        let live = kept(&ask(&scene, "sites", &directory, &["--at", at]));
        assert!(live >= before, "{live} at {at} after {before}");
        before = live;
    }
    assert_eq!(before, ROUNDS);
}

#[test]
fn growth_between_two_moments_is_the_difference_of_what_was_live() {
    let scene = Scene::new();
    let directory = record_command(&scene);
    let at = |at: &str| kept(&ask(&scene, "sites", &directory, &["--at", at]));
    let growth = ask(
        &scene,
        "growth",
        &directory,
        &["--since", "0s", "--until", "-0s"],
    );
    let gained: f64 = growth
        .rows("growth")
        .iter()
        .filter(|row| row["stack"].to_string().contains("kept_block"))
        .filter_map(|row| {
            row["net_objects"]["value"]
                .as_f64()
                .or(row["net_objects"].as_f64())
        })
        .sum();
    assert_eq!(gained, (at("-0s") - at("0s")) as f64);
    assert!(gained > 0.0);
}

#[test]
fn two_moments_of_a_recording_can_be_compared() {
    let scene = Scene::new();
    let directory = record_command(&scene);
    let moment = |at: &str| format!("{}@{at}", directory.display());
    let diff = scene
        .reader(["diff", "--format", "json", "--process"])
        .arg(parent(&directory).to_string())
        .args([moment("0s"), moment("-0s")]);
    let diff = diff.run().success().stdout;
    assert!(diff.contains("kept_block"), "{diff}");
}

#[test]
fn a_recording_of_several_programs_asks_which_is_meant() {
    let scene = Scene::new();
    let directory = record_command(&scene);
    let outcome = scene.reader(["report"]).arg(&directory).run();
    assert_eq!(outcome.status.code(), Some(3));
    let line = outcome.one_error_line();
    assert!(
        line.contains("grow_and_fork") && line.contains("--process"),
        "{line}"
    );
}

#[test]
fn the_status_says_what_there_is_and_what_it_cost() {
    let scene = Scene::new();
    let directory = record_command(&scene);
    let status = scene
        .reader(["record", "--format", "json", "--status"])
        .arg(&directory);
    let text = status.run().success().stdout;
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let [holdings, cost] = [0, 1].map(|section| &json["sections"][section]["facts"]);
    assert_eq!(holdings["files"].as_u64(), Some(1), "{text}");
    assert!(holdings["snapshots"].as_u64() >= Some(ROUNDS), "{text}");
    assert!(cost["resident_bytes"].as_u64() > Some(0), "{text}");
    let status = Answer::parse(&text);
    // Every fork has a segment, and none escapes although it lives for less than an interval.
    let forks = status.rows("processes").len() as u64;
    assert_eq!(forks, ROUNDS + 1);
}

#[test]
fn a_recorded_command_keeps_its_status() {
    let scene = Scene::new();
    let outcome = scene
        .reader(["record", "--every", "10ms", "--output"])
        .arg(scene.scratch_dir().join("recording"))
        .args(["--", "sh", "-c", "exit 7"])
        .run();
    assert_eq!(outcome.status.code(), Some(7));
}

/// Records a command to its end.
fn record_command(scene: &Scene) -> PathBuf {
    let directory = scene.scratch_dir().join("recording");
    scene
        .reader(["record", "--every", "20ms", "--output"])
        .arg(&directory)
        .arg("--")
        .arg(program("grow_and_fork.c"))
        .arg(ROUNDS.to_string())
        .interval("exact")
        .run()
        .success();
    directory
}

/// The process that kept blocks; of all with its name it is the parent of the others.
fn parent(directory: &Path) -> u32 {
    let recording = Recording::open(directory).expect("a recording");
    let processes = recording.processes();
    let parents: Vec<u32> = processes
        .iter()
        .map(|(process, _)| process.parent_pid)
        .collect();
    let parent = processes
        .iter()
        .find(|(process, _)| parents.contains(&process.key.pid))
        .expect("it forked");
    parent.0.key.pid
}

/// An answer about the process that kept blocks.
fn ask(scene: &Scene, analysis: &str, directory: &Path, args: &[&str]) -> Answer {
    let launch = scene
        .reader([analysis, "--format", "json", "--process"])
        .arg(parent(directory).to_string())
        .arg(directory)
        .args(args);
    Answer::parse(&launch.run().success().stdout)
}

/// Live blocks of `kept_block`.
fn kept(answer: &Answer) -> u64 {
    answer.through("kept_block").live
}

/// Kills a recorder again and again while three programs run and fork, and looks after each kill
/// whether all that it had closed is there.
fn check_kills(kills: u64) {
    let scene = Scene::new();
    let directory = scene.scratch_dir().join("recording");
    let mut programs: Vec<Running> = (0..3)
        .map(|_| scene.preloaded(program("grow_and_fork.c")))
        // They outlive all the recorders.
        .map(|launch| launch.limit(Duration::from_secs(300)).start())
        .collect();
    let mut closed = BTreeMap::new();
    for kill in 0..kills {
        let recorder = scene
            .reader(["record", "--all", "--every", "10ms", "--output"])
            .arg(&directory)
            .start();
        // Rounds take some ten milliseconds: from before its first look to many files later.
        for _ in 0..kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59 {
            programs[0].wait_for("round");
        }
        recorder.kill();
        closed = check_whole(&directory, &closed);
    }
    assert!(closed.values().sum::<usize>() > 10, "{closed:?}");
    for program in programs {
        program.finish().success();
    }
}

/// Reads every snapshot of a directory; those that a file had before are still there.
fn check_whole(directory: &Path, before: &BTreeMap<PathBuf, usize>) -> BTreeMap<PathBuf, usize> {
    let mut closed = BTreeMap::new();
    for path in files_in(directory).unwrap_or_default() {
        let surveyed = FileIndex::survey(&path);
        // A file whose first bytes were not written yet has nothing.
        let Ok(index) = surveyed else {
            assert!(std::fs::metadata(&path).expect("it is there").len() < 24);
            continue;
        };
        assert_eq!(
            FileIndex::of(&path).expect("as surveyed").entries,
            index.entries
        );
        let length = std::fs::metadata(&path).expect("it is there").len();
        let torn = length - index.bytes;
        assert!(torn < FRAME_BYTES_MAX, "{torn} bytes cannot be read");
        let recording = Recording::open(&path).expect("as surveyed");
        for (process, _) in recording.processes() {
            for place in recording.snapshots(&process.key) {
                let segment = place.segment().expect("a closed frame can be read");
                let history = History::of(&segment);
                assert_eq!(history.process.identity.pid, process.key.pid);
            }
        }
        closed.insert(path, index.entries.len());
    }
    for (path, count) in before {
        assert_eq!(closed.get(path), Some(count), "{}", path.display());
    }
    closed
}

#[test]
fn where_the_memory_was_can_be_asked_when_the_process_is_gone() {
    let scene = Scene::new();
    let directory = scene.scratch_dir().join("recording");
    let mut keeper = scene.preloaded(program("growth_steps.c")).start();
    keeper.write("300\n");
    keeper.wait_for("now 300");
    let pid = keeper.pid.to_string();
    scene
        .reader(["record", "--every", "50ms", "--for", "200ms", "--output"])
        .arg(&directory)
        .arg(&pid)
        .run()
        .success();
    keeper.kill();
    let resident = scene.reader(["resident", "--format", "json"]);
    let resident = resident.arg(&directory).run().success().stdout;
    let resident = Answer::parse(&resident);
    let rows = resident.rows("resident_by_kind");
    let heap = rows.iter().find(|row| row["what"] == "heap");
    let heap = heap.unwrap_or_else(|| panic!("{:#}", resident.json));
    // 300 blocks of 4,096 bytes, every one of them recorded.
    assert!(heap["resident_bytes"].as_u64() >= Some(300 * 4096));
    assert!(heap["live_bytes"]["value"].as_f64() >= Some(300.0 * 4096.0));
}
