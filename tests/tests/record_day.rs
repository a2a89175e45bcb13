//! A day of two hundred processes, with the segments of real programs and the clock in our hand.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use memshim_reader::recording::rotate::{Limits, rotate};
use memshim_reader::recording::{About, ProcessKey, Round, Writer};
use memshim_reader::source::process::Liveness;
use memshim_reader::source::{Frozen, Image, Segment};
use memshim_tests::processes::resident_bytes_max;
use memshim_tests::{Running, Scene, artefacts, find_installed, program};

const SECOND_NS: u64 = 1_000_000_000;

/// Midnight of some day.
const START_NS: u64 = 1_795_305_600 * SECOND_NS;

const HOURS: u64 = 24;

/// Between two looks, as `record` has it by default.
const EVERY_SECONDS: u64 = 30;

const PROCESSES: u32 = 200;

/// Of so many processes one does something between two looks; the segments of the others are as
/// they were, and are not written again.
const ONE_IS_BUSY_OF: u64 = 5;

const LIMITS: Limits = Limits {
    keep_ns: 7 * 24 * 3600 * SECOND_NS,
    bytes_max: 2 << 30,
};

/// States that each program is caught in, one after the other.
const STATES: usize = 6;

/// Python and perl as their users run them, and a program of ours.
fn programs(scene: &Scene) -> Vec<(&'static str, Running)> {
    let parse = "
import json
text = json.dumps({'rows': [{'id': n, 'name': 'row %d' % n} for n in range(200)]})
kept = {}
number = 0
while True:
    number += 1
    kept[number % 700] = json.loads(text)
    if number % 50 == 0: print('turn', flush=True)
";
    let hash = "$| = 1; while (1) { $kept{int rand 20000} = 'x' x rand 2000 for 1..20000; \
                print \"turn\\n\" }";
    let start = |path: &Path, args: &[&str]| {
        let launch = scene.preloaded(path).without_env("MEMSHIM_INTERVAL");
        launch.args(args).limit(Duration::from_secs(3600)).start()
    };
    let installed = |name: &str| find_installed(name).expect("nightly has all tools");
    vec![
        ("python3", start(&installed("python3"), &["-c", parse])),
        ("perl", start(&installed("perl"), &["-e", hash])),
        ("churn", start(&program("churn.c"), &[])),
    ]
}

/// What was caught of one program at one moment.
struct State {
    about: About,
    image: Image,
}

/// Copies the segments of real programs, each several times while they run.
fn catch(scene: &Scene) -> Vec<Vec<State>> {
    let states = |(name, mut running): (&'static str, Running)| {
        // The segment comes with the first sample.
        running.wait_for("t");
        let path = scene.segment_of(running.pid).path;
        let moments = (0..STATES).map(|_| {
            running.wait_for("t");
            state(name, &path)
        });
        moments.collect()
    };
    programs(scene).into_iter().map(states).collect()
}

fn state(program: &'static str, path: &Path) -> State {
    let segment = Segment::open(path).expect("a segment of a living process");
    let image = Image::of(&segment, usize::MAX).expect("nothing is too much");
    let mut issues = Default::default();
    let about = About {
        mark_bytes: None,
        process: ProcessKey {
            pid: 0,
            start_time: 1,
            number: 0,
            boot_id: [0; 2],
        },
        parent_pid: 1,
        program: program.to_owned(),
        live_bytes: segment.live_bytes(),
        allocated_bytes: segment.allocated_bytes(&mut issues),
        resident_bytes: Some(50 << 20),
        key_unix_ns: None,
        parts: 0,
        frozen: Frozen::now(&segment, START_NS, Liveness::Alive),
    };
    State { about, image }
}

/// The recording of a day, and the most bytes that it had.
fn record_a_day(directory: &Path, states: &[Vec<State>]) -> u64 {
    let mut writer = Writer::open(directory).expect("nobody else is there");
    let mut most_bytes = 0;
    for look in 0..HOURS * 3600 / EVERY_SECONDS {
        let now_ns = START_NS + look * EVERY_SECONDS * SECOND_NS;
        for pid in 1..=PROCESSES {
            if look > 0 && !(look + u64::from(pid)).is_multiple_of(ONE_IS_BUSY_OF) {
                continue;
            }
            let of_program = &states[pid as usize % states.len()];
            let state = &of_program[(look / ONE_IS_BUSY_OF) as usize % of_program.len()];
            let mut about = state.about.clone();
            about.process.pid = pid;
            about.frozen.unix_ns = now_ns;
            writer
                .snapshot(about, state.image.clone())
                .expect("there is room");
        }
        let round = Round {
            unix_ns: now_ns,
            ..Round::default()
        };
        writer.round(round).expect("there is room");
        let (began_ns, bytes) = writer.current().expect("it was just written to");
        if now_ns - began_ns >= LIMITS.file_age_max_ns() || bytes >= LIMITS.file_bytes_max() {
            most_bytes = most_bytes.max(bytes_in(directory));
            writer.rotate().expect("there is room");
            rotate(directory, None, &LIMITS, now_ns).expect("it can rotate");
        }
    }
    writer.rotate().expect("there is room");
    most_bytes.max(bytes_in(directory))
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("it is there").flatten();
    entries
        .map(|entry| entry.metadata().map_or(0, |it| it.len()))
        .sum()
}

/// The most memory that this process had.
fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .and_then(|kib| kib.parse().ok())
        .expect("proc(5) has it");
    kib << 10
}

#[test]
#[ignore = "nightly: a hundred thousand snapshots of real segments"]
fn a_day_of_two_hundred_real_processes_is_kept_and_answers_at_once() {
    let scene = Scene::new();
    let states = catch(&scene);
    let directory = scene.scratch_dir().join("recording");
    let begin = Instant::now();
    let most_bytes = record_a_day(&directory, &states);
    let resident = peak_resident_bytes();
    eprintln!(
        "recorded in {:?}; {} MiB on disk and {} MiB of memory at most",
        begin.elapsed(),
        most_bytes >> 20,
        resident >> 20
    );
    assert!(most_bytes <= LIMITS.bytes_max, "{most_bytes} bytes");
    assert!(resident < 100 << 20, "{resident} bytes of memory");
    let target = directory.to_str().expect("a path of letters");
    let [first, last] = [format!("{target}@0s"), format!("{target}@-0s")];
    for question in [
        &["record", "--status", target][..],
        &["report", target, "--process", "117", "--at", "-12h"],
        &["leaks", target, "--process", "118", "--at", "-23h"],
        &[
            "growth",
            target,
            "--process",
            "119",
            "--since",
            "0s",
            "--until",
            "-0s",
        ],
        &["diff", "--process", "117", &first, &last],
        &["export", target, "--process", "118", "--format", "json"],
    ] {
        let mut command = Command::new(&artefacts().reader);
        let begin = Instant::now();
        let resident = resident_bytes_max(command.args(question));
        let elapsed = begin.elapsed();
        eprintln!("{elapsed:?}, {} MiB: {question:?}", resident >> 20);
        assert!(
            elapsed < Duration::from_secs(2),
            "{question:?} took {elapsed:?}"
        );
        assert!(resident < 150 << 20, "{question:?} took {resident} bytes");
    }
}
