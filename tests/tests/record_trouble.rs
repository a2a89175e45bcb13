//! Recorders in trouble: a full disk, a process that forks on, and the end of what is followed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use memshim_reader::recording::Recording;
use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Answer, Launch, Running, Scene, not_allowed_here, program};

/// A file system of some MiB that a test may fill; unmounted at the end.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Nothing where the tests may not mount.
    fn mount(scene: &Scene, size: &str) -> Option<SmallDisk> {
        let path = scene.scratch_dir().join("disk");
        std::fs::create_dir(&path).expect("a scene is writable");
        let outcome = Launch::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .run();
        if !outcome.status.success() {
            not_allowed_here(&format!("cannot mount: {}", outcome.stderr));
            return None;
        }
        Some(SmallDisk { path })
    }

    /// Leaves no page of it, and gives none back on the way.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = File::create(&path).expect("an entry needs no page");
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Launch::new("umount").arg("-l").arg(&self.path).run();
    }
}

/// Waits until a program has read from files so many times more, as a recorder does at each look.
fn wait_for_reads(running: &Running, more: u64) {
    let reads = || {
        let text = std::fs::read_to_string(format!("/proc/{}/io", running.pid));
        let text = text.expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix("syscr: "));
        line.and_then(|line| line.parse::<u64>().ok())
            .expect("a number")
    };
    let (begun, before) = (Instant::now(), reads());
    while reads() < before + more {
        assert!(begun.elapsed() < TIME_LIMIT, "it reads nothing any more");
        std::thread::yield_now();
    }
}

/// Moments of all snapshots, each of which can be read.
fn moments(directory: &Path) -> Vec<u64> {
    let recording = Recording::open(directory).expect("a recording");
    assert_eq!(recording.losses(), [""; 0]);
    let mut moments = Vec::new();
    for (process, _) in recording.processes() {
        for place in recording.snapshots(&process.key) {
            place.segment().expect("a closed frame can be read");
            moments.push(place.entry.unix_ns);
        }
    }
    moments
}

fn wait_for_snapshots(directory: &Path, least: usize) -> usize {
    let begun = Instant::now();
    loop {
        let count = Recording::open(directory).map_or(0, |recording| {
            recording
                .files
                .iter()
                .map(|it| it.index.entries.len())
                .sum()
        });
        if count >= least {
            return count;
        }
        assert!(begun.elapsed() < TIME_LIMIT, "{count} snapshots of {least}");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_stops_a_recorder_with_one_line_and_it_goes_on_when_there_is_room() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(&scene, "4m") else {
        return;
    };
    let directory = disk.path.join("recording");
    let mut program = scene.preloaded(program("grow_and_fork.c")).start();
    program.wait_for("round 1");
    let recorder = scene
        .reader([
            "record",
            "--every",
            "20ms",
            "--max-bytes",
            "1MiB",
            "--output",
        ])
        .arg(&directory)
        .arg(program.pid.to_string())
        .start();
    wait_for_snapshots(&directory, 5);
    let filler = disk.fill();
    wait_for_reads(&recorder, 2_000);
    let stopped = moments(&directory).len();
    wait_for_reads(&recorder, 2_000);
    let still = moments(&directory);
    assert!(
        still.len() <= stopped + 1,
        "{stopped} and then {}",
        still.len()
    );
    std::fs::remove_file(filler).expect("it is there");
    wait_for_snapshots(&directory, still.len() + 5);
    let pid = program.pid.to_string();
    let outcome = program.finish().success();
    let rounds = outcome.stdout.lines().count() as u64;
    let log = recorder.finish().success().stderr;
    assert_eq!(log.matches("cannot write to").count(), 1, "{log}");
    assert!(log.contains("No space left on device"), "{log}");
    assert_eq!(log.matches("there is room in").count(), 1, "{log}");
    // Nothing that was written before is lost, and the end is there.
    let all = moments(&directory);
    assert!(still.iter().all(|moment| all.contains(moment)));
    let last = scene
        .reader(["sites", "--format", "json", "--process", &pid])
        .arg(&directory);
    let last = Answer::parse(&last.run().success().stdout);
    assert_eq!(last.through("kept_block").live, rounds);
    let status = scene.reader(["record", "--format", "json", "--status"]);
    let status = status.arg(&directory).run().success().stdout;
    let json: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert!(
        json["sections"][1]["facts"]["paused_ns"].as_u64() > Some(0),
        "{status}"
    );
}

#[test]
fn a_followed_process_is_recorded_with_its_children_and_nobody_elses() {
    let scene = Scene::new();
    let directory = scene.scratch_dir().join("recording");
    let mut followed = scene.preloaded(program("grow_and_fork.c")).start();
    let stranger = scene.preloaded(program("grow_and_fork.c")).start();
    followed.wait_for("round 3");
    let recorder = scene
        .reader(["record", "--every", "20ms", "--output"])
        .arg(&directory)
        .arg(followed.pid.to_string())
        .start();
    // The parent's own, and a snapshot of each of some children.
    wait_for_snapshots(&directory, 10);
    let pid = followed.pid;
    let rounds = followed.finish().success().stdout.lines().count();
    recorder.finish().success();
    stranger.finish().success();
    let recording = Recording::open(&directory).expect("a recording");
    let processes = recording.processes();
    let parents = processes.iter().map(|(it, _)| (it.key.pid, it.parent_pid));
    let (own, children): (Vec<_>, Vec<_>) = parents.partition(|(it, _)| *it == pid);
    assert_eq!(own.len(), 1, "{own:?}");
    assert!(
        children.iter().all(|(_, parent)| *parent == pid),
        "{children:?}"
    );
    // Those of the first rounds were gone before anybody followed.
    assert!(
        (1..=rounds - 3).contains(&children.len()),
        "{} of {rounds}",
        children.len()
    );
}
