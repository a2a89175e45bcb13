//! Digests of recordings that were made for it, with the clock in our hand.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use crate::cli::Naming;
use crate::digest::coverage;
use crate::digest::earlier::Earlier;
use crate::digest::window::Window;
use crate::digest::{Account, Digest};
use crate::recording::{About, ProcessKey, Recording, Round, Writer};
use crate::session::Request;
use crate::source::fixture::segment;
use crate::source::process::Liveness;
use crate::source::{Frozen, Image, Interval, Segment};

const MINUTE_NS: u64 = 60_000_000_000;
const HOUR_NS: u64 = 60 * MINUTE_NS;

/// When the first recording of a test begins.
const START_NS: u64 = 1_795_331_433_000_000_000;

static FIRST: LazyLock<Image> = LazyLock::new(|| {
    let bytes = segment(Interval::EXACT);
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
    Image::of(&segment, usize::MAX).expect("nothing is too much")
});

fn about(pid: u32, unix_ns: u64, minute: u64) -> About {
    About {
        process: ProcessKey {
            pid,
            start_time: 12_345,
            number: 0,
            boot_id: [1, 2],
        },
        parent_pid: 1,
        program: format!("program{}", pid % 10),
        mark_bytes: None,
        frozen: Frozen {
            unix_ns,
            now_ticks: Some(20_000),
            ns_per_tick: Some(2.0),
            liveness: Liveness::Alive,
            successor: None,
            left_bytes: Some(1 << 30),
            death: None,
            memory: None,
        },
        live_bytes: 1_000 * minute,
        allocated_bytes: 60_000 * minute,
        resident_bytes: Some(3_000),
        key_unix_ns: None,
        parts: 0,
    }
}

/// What a recorder writes that looks at `processes` at each of `minutes`.
fn record(directory: &Path, processes: u32, minutes: impl IntoIterator<Item = u64>) {
    let mut writer = Writer::open(directory).expect("a directory that can be written");
    let mut started_unix_ns = None;
    for minute in minutes {
        let unix_ns = START_NS + minute * MINUTE_NS;
        let started = *started_unix_ns.get_or_insert(unix_ns);
        for pid in 1..=processes {
            let mut image = FIRST.clone();
            image.stretches[0].words[128..136].fill(minute);
            let about = about(pid, unix_ns, minute);
            writer.snapshot(about, image).expect("there is room");
        }
        let round = Round {
            unix_ns,
            started_unix_ns: started,
            ..Round::default()
        };
        writer.round(round).expect("there is room");
        if minute % 60 == 59 {
            writer.rotate().expect("there is room");
        }
    }
    writer.rotate().expect("there is room");
}

fn window(hours: std::ops::Range<u64>) -> Window {
    Window {
        since_unix_ns: START_NS + hours.start * HOUR_NS,
        until_unix_ns: START_NS + hours.end * HOUR_NS,
    }
}

fn request() -> Request {
    Request {
        without_symbols: true,
        ..Request::default()
    }
}

fn digest(directory: &Path, since: &str) -> Digest {
    Digest {
        directory: directory.to_path_buf(),
        since: since.parse().expect("a duration"),
        until: None,
        program: None,
        previous: None,
        fail: false,
        top: None,
        naming: Naming {
            no_symbols: true,
            ..Naming::default()
        },
        destination: crate::cli::Destination::standard_output(Some("json".to_owned())),
    }
}

#[test]
fn what_was_allocated_in_the_window_is_that_of_its_two_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 3, (0..=120).step_by(5));
    let recording = Recording::open(directory.path()).expect("a recording");
    let account = Account::of(&recording, window(1..2), None, 10, &request());
    assert_eq!(account.programs.len(), 3);
    for program in account.programs.values() {
        assert_eq!((program.processes, program.running), (1, 1));
        assert_eq!(program.allocated_bytes, 60 * 60_000);
        assert_eq!(program.allocated_per_second(), Some(1_000.0));
        assert_eq!(program.live_bytes, 120 * 1_000);
        assert_eq!(program.left_bytes, Some(1 << 30));
    }
}

#[test]
fn a_process_that_was_quiet_is_there_as_it_was_left() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 1, 0..10);
    let recording = Recording::open(directory.path()).expect("a recording");
    let account = Account::of(&recording, window(1..2), None, 10, &request());
    let program = account.programs.values().next().expect("it lives");
    assert_eq!((program.processes, program.running), (1, 1));
    assert_eq!(program.allocated_bytes, 0);
}

#[test]
fn a_recorder_that_was_not_running_leaves_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 1, 0..30);
    record(directory.path(), 1, 50..=60);
    let recording = Recording::open(directory.path()).expect("a recording");
    let coverage = coverage::of(&recording, window(0..1));
    let gaps: Vec<(u64, u64)> = coverage
        .gaps
        .iter()
        .map(|gap| {
            let minute = |unix_ns: u64| (unix_ns - START_NS) / MINUTE_NS;
            (minute(gap.since_unix_ns), minute(gap.until_unix_ns))
        })
        .collect();
    assert_eq!(gaps, [(29, 50)]);
    assert_eq!(coverage.covered_ns, 39 * MINUTE_NS);
}

#[test]
fn a_digest_as_json_says_all_that_the_next_one_compares_with() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 12, (0..=120).step_by(10));
    let report = super::report(&digest(directory.path(), "1h")).expect("a digest");
    let file = directory.path().join("digest.json");
    let json = serde_json::to_vec(&report).expect("a report is JSON");
    std::fs::write(&file, json).expect("it can be written");
    let recording = Recording::open(directory.path()).expect("a recording");
    let account = Account::of(&recording, window(1..2), None, 10, &request());
    let read = Earlier::read(&file).expect("a digest");
    assert_eq!(Some(&read), Earlier::of(&account).as_ref());
    assert_eq!(read.changes(&account), []);
}

#[test]
fn what_is_no_digest_is_not_compared_with() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("digest.json");
    for (text, part) in [
        ("{\"report\":\"sites\"}", "another report"),
        ("memshim digest", "--format json"),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        let error = Earlier::read(&file).expect_err(text);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// What issue 5 asks for: a day of many processes is told in two seconds.
#[test]
#[ignore = "nightly: three hundred thousand snapshots"]
fn a_day_of_two_hundred_processes_is_told_in_two_seconds() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 200, 0..=24 * 60);
    for since in ["24h", "12h"] {
        let begin = Instant::now();
        let report = super::report(&digest(directory.path(), since)).expect("a digest");
        let elapsed = begin.elapsed();
        let json = serde_json::to_string(&report).expect("a report is JSON");
        assert!(json.contains("\"processes\":200"), "{json}");
        eprintln!("{elapsed:?} for {since}");
        assert!(elapsed.as_secs_f64() < 2.0, "{elapsed:?} for {since}");
    }
}
