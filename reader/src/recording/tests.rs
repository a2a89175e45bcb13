//! Recordings written and read back: whole, torn, hostile and thinned out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::reader::Recording;
use super::*;
use crate::error::Error;
use crate::moment::Moment;
use crate::source::fixture::{PID, segment};
use crate::source::process::Liveness;
use crate::source::{Frozen, Image, Interval, Segment};

const SECOND_NS: u64 = 1_000_000_000;

/// When the first snapshot of a test is taken.
const START_NS: u64 = 1_795_331_433 * SECOND_NS;

/// The image of a small process.
static FIRST: LazyLock<Image> = LazyLock::new(|| {
    let bytes = segment(Interval::EXACT);
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
    Image::of(&segment, usize::MAX).expect("nothing is too much")
});

/// The image of a process that allocated more the later it is.
fn image(step: u64) -> Image {
    let mut image = FIRST.clone();
    for stretch in &mut image.stretches {
        // Counters of the header, which every call changes, and some words of the tables.
        match stretch.first_word {
            0 => stretch.words[128..136].fill(step),
            _ => stretch.words[7] = step.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }
    image
}

fn about(pid: u32, unix_ns: u64) -> About {
    About {
        process: ProcessKey {
            pid,
            start_time: 12_345,
            number: 0,
            boot_id: [1, 2],
        },
        parent_pid: 1,
        program: format!("program{pid}"),
        frozen: Frozen {
            unix_ns,
            now_ticks: Some(20_000),
            ns_per_tick: Some(2.0),
            liveness: Liveness::Alive,
            successor: None,
            left_bytes: None,
            death: None,
            memory: None,
        },
        live_bytes: 1_000,
        allocated_bytes: 2_000,
        resident_bytes: Some(3_000),
        key_unix_ns: None,
        parts: 0,
        mark_bytes: None,
    }
}

/// A recording of one process with a snapshot at each of `seconds`.
fn recorded(directory: &Path, seconds: impl IntoIterator<Item = u64>) -> PathBuf {
    let mut writer = Writer::open(directory).expect("a directory that can be written");
    for second in seconds {
        let about = about(PID, START_NS + second * SECOND_NS);
        writer
            .snapshot(about, image(second))
            .expect("there is room");
    }
    let path = writer
        .current_path()
        .expect("something was written")
        .to_path_buf();
    writer.rotate().expect("there is room");
    path
}

/// The moments of all snapshots in seconds, each of which is read and compared with what it was.
fn check_readable(recording: &Recording) -> Vec<u64> {
    let mut seconds = Vec::new();
    for (process, _) in recording.processes() {
        for place in recording.snapshots(&process.key) {
            let second = (place.entry.unix_ns - START_NS) / SECOND_NS;
            let segment = place.segment().expect("every snapshot can be read");
            let read = Image::of(&segment, usize::MAX).expect("as large as before");
            assert!(read == image(second), "the words of second {second}");
            seconds.push(second);
        }
    }
    seconds
}

fn for_all<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]);
    let result = TestRunner::new_with_rng(config, random).run(&strategy, |value| {
        check(value);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_snapshot_is_read_back_word_for_word() {
    let directory = tempfile::tempdir().expect("a directory");
    recorded(directory.path(), 0..10);
    let recording = Recording::open(directory.path()).expect("a recording");
    assert_eq!(check_readable(&recording), (0..10).collect::<Vec<u64>>());
    let entries = &recording.files[0].index.entries;
    assert!(entries[0].key_unix_ns.is_none());
    assert!(
        entries[1..]
            .iter()
            .all(|it| it.key_unix_ns == Some(START_NS))
    );
    assert!(entries[9].bytes * 4 < entries[0].bytes, "{entries:?}");
}

#[test]
fn an_image_of_several_frames_is_read_back_word_for_word() {
    let directory = tempfile::tempdir().expect("a directory");
    let words = 2 * columns::PART_WORDS + 640;
    let mut large = image(1);
    large.file_bytes = 1 << 30;
    large.stretches.retain(|stretch| stretch.first_word == 0);
    large.rows.truncate(1);
    large.stretches.push(crate::source::image::Stretch {
        first_word: 1 << 20,
        words: (1..=words as u64).collect(),
    });
    let mut writer = Writer::open(directory.path()).expect("a directory that can be written");
    for second in [0, 1] {
        large.stretches[1].words[words - 1] = second;
        let about = about(PID, START_NS + second * SECOND_NS);
        writer
            .snapshot(about, large.clone())
            .expect("there is room");
    }
    drop(writer);
    let recording = Recording::open(directory.path()).expect("a recording");
    let key = recording.processes()[0].0.key;
    let last = recording.snapshots(&key).last().expect("two snapshots");
    let segment = last.segment().expect("it can be read");
    let mut read = vec![0; words];
    segment.words().copy(1 << 20, &mut read);
    assert!(read == large.stretches[1].words);
}

#[test]
fn a_moment_means_the_last_snapshot_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    recorded(directory.path(), [0, 30, 60, 90]);
    let recording = Recording::open(directory.path()).expect("a recording");
    let key = recording.process(None, None).expect("there is one");
    let check = |text: &str, expected: u64| {
        let moment: Moment = text.parse().expect("a moment");
        let place = recording.at(&key, Some(moment)).expect("a snapshot");
        assert_eq!(
            (place.entry.unix_ns - START_NS) / SECOND_NS,
            expected,
            "{text}"
        );
    };
    check("45s", 30);
    check("60s", 60);
    check("-1s", 60);
    check("0s", 0);
    check("2h", 90);
    // The recording began at 07:10:33.
    check("@07:11", 0);
    check("@07:11:05", 30);
}

#[test]
fn an_unclear_process_is_answered_with_those_there_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = Writer::open(directory.path()).expect("a directory that can be written");
    for pid in [7, 8, 9] {
        writer
            .snapshot(about(pid, START_NS), image(0))
            .expect("there is room");
    }
    let recording = Recording::open(directory.path()).expect("a recording");
    let several = recording.process(None, None).expect_err("three processes");
    assert!(matches!(several, Error::ManyProcesses { ref processes, .. } if processes.len() == 3));
    let none = recording.process(Some("10"), None).expect_err("nobody");
    assert!(none.to_string().contains("8 program8"), "{none}");
    for wanted in ["8", "program8"] {
        let found = recording.process(Some(wanted), None).expect("it is there");
        assert_eq!(found.pid, 8);
    }
}

#[test]
fn a_directory_has_one_recorder() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Writer::open(directory.path()).expect("nobody is there");
    let second = Writer::open(directory.path())
        .err()
        .expect("somebody is there");
    assert!(matches!(second, Error::Write { .. }), "{second}");
    drop(first);
    assert!(Writer::open(directory.path()).is_ok());
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..6);
    let whole = fs::read(&path).expect("it was written");
    let index = FileIndex::survey(&path).expect("a good file");
    let ends: Vec<u64> = index
        .entries
        .iter()
        .map(|it| it.offset + it.bytes)
        .collect();
    for_all(60, frame::FILE_HEADER_BYTES..whole.len() as u64, |cut| {
        fs::write(&path, &whole[..cut as usize]).expect("it can be written");
        let recording = Recording::open(&path).expect("its beginning is good");
        let expected = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(check_readable(&recording).len(), expected, "cut at {cut}");
        let is_between_frames = cut == frame::FILE_HEADER_BYTES || ends.contains(&cut);
        assert_eq!(
            recording.lost().count() == 0,
            is_between_frames,
            "cut at {cut}"
        );
    });
}

#[test]
fn a_file_torn_in_its_middle_is_read_on_behind_the_tear() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..8);
    fs::remove_file(index::path_beside(&path)).expect("it was kept");
    let whole = fs::read(&path).expect("it was written");
    let entries = FileIndex::survey(&path).expect("a good file").entries;
    let last = entries[7].offset;
    let hole = (entries[1].offset..last, 1..4_000u64, any::<bool>());
    for_all(60, hole, |(start, len, is_cut_out)| {
        let end = (start + len).min(last);
        let mut bytes = whole.clone();
        let range = start as usize..end as usize;
        match is_cut_out {
            true => drop(bytes.drain(range)),
            false => bytes[range].fill(0),
        }
        fs::write(&path, &bytes).expect("it can be written");
        let recording = Recording::open(&path).expect("its beginning is good");
        let is_hit = |it: &&Entry| it.offset < end && start < it.offset + it.bytes;
        let hit = entries.iter().filter(is_hit).count();
        let key = recording.processes()[0].0.key;
        let readable = recording.snapshots(&key).filter(|it| it.image().is_ok());
        assert_eq!(readable.count(), 8 - hit, "{start}..{end} {is_cut_out}");
        // The head of a frame is behind its header; what is lost is said where that is hit, and
        // where only what a frame stores is hit, when it is asked for.
        let asked = recording.readable(&key, None).expect("some can be read");
        assert_eq!(asked.0.entry.unix_ns, START_NS + 7 * SECOND_NS);
        let damaged = recording.snapshots(&key).filter(|it| it.image().is_err());
        assert!(damaged.count() + recording.lost().count() > 0);
    });
}

#[test]
fn what_builds_on_a_lost_snapshot_is_lost_with_it_and_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..5);
    fs::remove_file(index::path_beside(&path)).expect("it was kept");
    let mut bytes = fs::read(&path).expect("it was written");
    bytes[frame::FILE_HEADER_BYTES as usize] ^= 1;
    fs::write(&path, &bytes).expect("it can be written");
    let index = FileIndex::survey(&path).expect("its header is good");
    assert_eq!((index.entries.len(), index.orphans), (0, 4));
    let recording = Recording::open(&path).expect("its header is good");
    let losses = recording.losses();
    assert!(losses[0].contains("is torn at offset 24"), "{losses:?}");
    assert!(losses[1].contains("4 snapshots built on one"), "{losses:?}");
}

#[test]
fn the_snapshot_before_a_damaged_one_is_shown_in_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..5);
    let entries = FileIndex::of(&path).expect("a good file").entries;
    let mut bytes = fs::read(&path).expect("it was written");
    let end = (entries[3].offset + entries[3].bytes) as usize;
    bytes[end - 1] ^= 1;
    fs::write(&path, &bytes).expect("it can be written");
    let recording = Recording::open(&path).expect("a recording");
    let key = recording.processes()[0].0.key;
    let moment = Some(Moment::AfterStart(3 * SECOND_NS));
    let (place, _, problems) = recording.readable(&key, moment).expect("others are good");
    assert_eq!(place.entry.unix_ns, START_NS + 2 * SECOND_NS);
    assert!(
        problems[0].contains("does not match its checksum"),
        "{problems:?}"
    );
}

#[test]
fn flipped_bits_are_never_taken_for_a_snapshot() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..4);
    let whole = fs::read(&path).expect("it was written");
    let damage = prop::collection::vec((0..whole.len(), 0..8u32), 1..4);
    for_all(100, damage, |damage| {
        let mut bytes = whole.clone();
        damage
            .iter()
            .for_each(|(byte, bit)| bytes[*byte] ^= 1 << bit);
        fs::write(&path, &bytes).expect("it can be written");
        let Ok(recording) = Recording::open(&path) else {
            return;
        };
        for (process, _) in recording.processes() {
            for place in recording.snapshots(&process.key) {
                let second = (place.entry.unix_ns - START_NS) / SECOND_NS;
                if let Ok(segment) = place.segment() {
                    let read = Image::of(&segment, usize::MAX).expect("as large as before");
                    assert!(read == image(second), "second {second} with {damage:?}");
                }
            }
        }
    });
}

/// What only a liar writes, with checksums that are right.
#[test]
fn frames_that_lie_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("1.rec");
    let word = prop_oneof![0..200u64, any::<u64>(), Just(1 << 40), Just(u64::MAX)];
    let pairs = || prop::collection::vec((word.clone(), word.clone()), 0..5);
    let values = prop::collection::vec(word.clone(), 0..300);
    for_all(500, (word.clone(), pairs(), pairs(), values), |columns| {
        let raw = snapshot::encoded(&columns).expect("numbers can be written");
        let head = snapshot::encoded(&about(PID, START_NS)).expect("it can be written");
        let mut bytes = frame::file_header(START_NS);
        bytes.extend(frame::pack(frame::kind::SNAPSHOT, &head, &raw).expect("it is small"));
        fs::write(&path, &bytes).expect("it can be written");
        let recording = Recording::open(&path).expect("its frames are well made");
        let key = recording.processes()[0].0.key;
        let place = recording.at(&key, None).expect("there is one");
        if let Ok(segment) = place.segment() {
            crate::history::History::of(&segment);
        }
    });
}

#[test]
fn a_frame_of_an_unknown_kind_is_stepped_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..2);
    let mut bytes = fs::read(&path).expect("it was written");
    let first_end = FileIndex::survey(&path).expect("a good file").entries[1].offset as usize;
    let unknown = frame::pack(999, b"who knows", b"what this is").expect("it is small");
    bytes.splice(first_end..first_end, unknown);
    fs::write(&path, &bytes).expect("it can be written");
    let recording = Recording::open(&path).expect("a recording");
    assert_eq!(check_readable(&recording), [0, 1]);
    assert_eq!(recording.lost().count(), 0);
}

#[test]
fn an_index_is_made_again_where_it_is_missing_or_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = recorded(directory.path(), 0..5);
    let beside = index::path_beside(&path);
    let kept = fs::read(&beside).expect("it is kept when the file is ended");
    let surveyed = FileIndex::survey(&path).expect("a good file");
    let check = |bytes: Option<&[u8]>| {
        match bytes {
            Some(bytes) => fs::write(&beside, bytes).expect("it can be written"),
            None => fs::remove_file(&beside).expect("it can be removed"),
        }
        assert_eq!(FileIndex::of(&path).expect("a good file"), surveyed);
    };
    check(Some(&kept));
    check(None);
    check(Some(&kept[..kept.len() / 2]));
    check(Some(b"something else"));
    for_all(100, (0..kept.len(), 0..8u32), |(byte, bit)| {
        let mut bytes = kept.clone();
        bytes[byte] ^= 1 << bit;
        check(Some(&bytes));
    });
    // An index of another state of the file says nothing about this one.
    let mut longer = fs::read(&path).expect("it was written");
    longer.truncate(surveyed.entries[4].offset as usize);
    fs::write(&path, longer).expect("it can be written");
    fs::write(&beside, &kept).expect("it can be written");
    assert_eq!(FileIndex::of(&path).expect("a good file").entries.len(), 4);
}
