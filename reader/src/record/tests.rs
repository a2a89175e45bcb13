//! What a recorder promises, with the clock in our hand.

use std::path::Path;

use super::recorder::Recorder;
use crate::recording::Recording;
use crate::recording::rotate::Limits;
use crate::source::Interval;
use crate::source::directory::{Found, Name};
use crate::source::fixture::{PID, segment};

const LIMITS: Limits = Limits {
    keep_ns: 3_600_000_000_000,
    bytes_max: 1 << 20,
};

/// Snapshots after three looks at the segment of a process that was gone before the first.
fn check(wants_dead: bool, expected: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let name = Name {
        pid: PID,
        start_time: 12_345,
        number: 0,
    };
    let path = directory.path().join(name.to_string());
    std::fs::write(&path, segment(Interval::EXACT)).expect("it can be written");
    let into: &Path = &directory.path().join("recording");
    let mut recorder = Recorder::open(into, LIMITS, wants_dead).expect("nobody else is there");
    for look in 1..=3 {
        recorder.look(
            &[Found {
                name,
                path: path.clone(),
            }],
            look * 1_000_000_000,
        );
    }
    drop(recorder);
    let recording = Recording::open(into).expect("a recording");
    let snapshots = recording.files.iter().map(|file| file.index.entries.len());
    assert_eq!(snapshots.sum::<usize>(), expected);
    let round = recording.last_round().expect("it looked");
    assert_eq!((round.unix_ns, round.processes), (3_000_000_000, 0));
}

#[test]
fn a_process_that_is_gone_is_recorded_once_where_it_was_asked_for() {
    check(true, 1);
}

#[test]
fn a_process_that_was_gone_before_is_no_news_to_a_recorder_of_everything() {
    check(false, 0);
}
