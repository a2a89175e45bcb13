//! Read-outs of which segments are made, and what readers see in them.

use std::path::Path;

use super::*;
use crate::analysis::{self, Subject};
use crate::history::{History, Site};
use crate::recording::columns::{Columns, Meaning};
use crate::source::{Image, OBJECT_UNIT, Segment, Totals, size_bucket};

const SECOND: u64 = 1_000_000_000;

fn about() -> Description {
    Description {
        pid: 1 << 30,
        start_time: 5,
        how: go::FROM_START,
        path: b"/no/such/place/server".to_vec(),
        command_line: b"server\0--port\0".to_vec(),
        range: (0x40_0000, 0x50_0000),
        monotonic_ns: 10 * SECOND,
        realtime_ns: 1_700_000_000 * SECOND,
        ..Description::default()
    }
}

/// What a site with blocks of 100 bytes that were all sampled has.
fn totals(blocks: u64) -> Totals {
    Totals {
        objects: blocks * OBJECT_UNIT,
        bytes: blocks * 100,
        raw_objects: blocks,
        raw_bytes: blocks * 100,
        ..Totals::default()
    }
}

/// Takes over a read-out with these blocks allocated and freed, a stack each.
fn update(ledger: &mut Ledger, blocks: &[(u64, u64)], ticks: u64) {
    let stacks = (0..).zip(blocks).map(|(number, (born, died))| {
        let mut stack = StackTotals::of([0x40_1000 + number, 0x40_2000].into());
        (stack.born, stack.died) = (totals(*born), totals(*died));
        stack.published_live_bytes = (born - died) * 100;
        stack.sizes[size_bucket(100)] = born * OBJECT_UNIT;
        stack
    });
    let stacks: Vec<StackTotals> = stacks.collect();
    let readout = Readout {
        rate: 1,
        stacks: &stacks,
        changed: (0..stacks.len()).collect(),
        is_cut: false,
    };
    ledger.update(&readout, ticks);
}

fn history(ledger: &Ledger) -> History {
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &ledger.bytes());
    History::of(&segment.expect("a good segment"))
}

fn live(history: &History) -> Vec<u128> {
    history
        .sites
        .all
        .iter()
        .map(|site| site.live().bytes)
        .collect()
}

#[test]
fn every_site_of_a_read_out_is_in_the_segment() {
    let mut ledger = Ledger::new(&about());
    update(&mut ledger, &[(10, 4), (7, 0)], 11 * SECOND);
    let history = history(&ledger);
    assert_eq!(live(&history), [600, 700]);
    assert_eq!(history.process.identity.program(), "server");
    assert_eq!(
        history.sites.frames(&history.sites.all[1]),
        [0x40_1001, 0x40_2000]
    );
    assert_eq!(history.threads[0].bytes, 1_700);
    assert!(history.process.identity.go.is_some());
}

#[test]
fn every_analysis_has_an_answer_or_says_why_it_has_none() {
    let mut ledger = Ledger::new(&about());
    update(&mut ledger, &[(10, 4), (7, 0)], 11 * SECOND);
    let history = history(&ledger);
    let without = ["lifetimes", "threads", "patterns", "resident"];
    for entry in analysis::ANALYSES {
        let question = entry.default_question().expect("no flag is needed");
        let report = question.ask(&Subject::new(&history));
        let says_why = report.section("not_available").is_some();
        assert_eq!(says_why, without.contains(&entry.name), "{}", entry.name);
    }
}

#[test]
fn a_segment_grows_and_keeps_what_it_knew() {
    let mut ledger = Ledger::new(&about());
    update(&mut ledger, &[(10, 0)], 11 * SECOND);
    let many: Vec<(u64, u64)> = (0..5_000).map(|number| (number + 20, 1)).collect();
    update(&mut ledger, &many, 12 * SECOND);
    let mut again = Ledger::of_bytes(&ledger.bytes()).expect("a segment");
    update(&mut again, &many[..4_999], 13 * SECOND);
    let history = history(&again);
    assert_eq!(history.sites.all.len(), 5_000);
    assert_eq!(history.sites.all[0].identity.made_ticks, 11 * SECOND);
    assert_eq!(live(&history)[..3], [1_900, 2_000, 2_100]);
}

#[test]
fn what_did_not_change_stays_and_counts() {
    let mut ledger = Ledger::new(&about());
    update(&mut ledger, &[(10, 4), (7, 0)], 11 * SECOND);
    let mut stack = StackTotals::of([0x40_1001, 0x40_2000].into());
    stack.born = totals(9);
    let readout = Readout {
        rate: 1,
        stacks: &[stack.clone(), stack],
        // The stack moved, and what stands in its old place is not said to be new.
        changed: vec![1],
        is_cut: false,
    };
    ledger.update(&readout, 12 * SECOND);
    let history = history(&ledger);
    assert_eq!(live(&history), [600, 900]);
    assert_eq!(history.threads[0].bytes, 1_900);
    assert_eq!(history.peak.bytes, 1_500);
}

#[test]
fn a_file_has_the_bytes_and_holes_where_nothing_is() {
    use std::os::unix::fs::MetadataExt;
    let mut ledger = Ledger::new(&about());
    let many: Vec<(u64, u64)> = (0..5_000).map(|number| (number + 20, 1)).collect();
    update(&mut ledger, &many, 11 * SECOND);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    ledger.write(file.as_file()).expect("a file can be written");
    let found = std::fs::read(file.path()).expect("a file");
    assert_eq!(found.len() as u64, ledger.word(at::SEGMENT_BYTES));
    assert!(found == ledger.bytes(), "the file is another segment");
    let taken = file.as_file().metadata().expect("a file").blocks() * 512;
    assert!(taken < found.len() as u64, "{taken} of {}", found.len());
}

#[test]
fn a_recording_gives_the_segment_back() {
    let mut ledger = Ledger::new(&about());
    update(&mut ledger, &[(10, 4), (7, 0)], 11 * SECOND);
    let bytes = ledger.bytes();
    let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good segment");
    let image = Image::of(&segment, usize::MAX).expect("nothing is too much");
    let columns = Columns::of(&image, Meaning::Words);
    let again = columns.into_image(Meaning::Words);
    assert_eq!(again.map(|it| it.stretches), Some(image.stretches));
}

#[test]
fn the_peak_is_that_of_the_largest_read_out() {
    let mut ledger = Ledger::new(&about());
    for (second, blocks) in [
        (1, [(10, 0), (5, 0)]),
        (2, [(50, 0), (5, 5)]),
        (3, [(50, 45), (9, 5)]),
    ] {
        update(&mut ledger, &blocks, (10 + second) * SECOND);
    }
    let history = history(&ledger);
    assert_eq!(
        (history.peak.bytes, history.peak.ticks),
        (5_000, 12 * SECOND)
    );
    let at_peak = history.sites.all.iter().map(Site::at_peak);
    assert_eq!(at_peak.map(|sum| sum.bytes).collect::<Vec<_>>(), [5_000, 0]);
    assert_eq!(live(&history), [500, 400]);
}

#[test]
fn sites_remember_moments_evenly_however_long_it_takes() {
    let mut ledger = Ledger::new(&about());
    for second in 1..=1_000 {
        update(&mut ledger, &[(second, 0)], (10 + second) * SECOND);
    }
    let history = history(&ledger);
    let moments = &history.moments;
    assert!((8..=16).contains(&moments.len()), "{moments:?}");
    let steps: Vec<u64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (least, most) = (steps.iter().min(), steps.iter().max());
    assert!(most <= least.map(|least| least * 2).as_ref(), "{steps:?}");
    let site = &history.sites.all[0];
    let expected: Vec<u64> = moments.iter().map(|at| (at / SECOND - 10) * 100).collect();
    assert_eq!(site.moments, expected);
}

#[test]
fn bytes_that_are_no_segment_of_go_are_refused() {
    let bytes = crate::source::fixture::segment(Interval::EXACT);
    assert!(Ledger::of_bytes(&bytes).is_none());
    assert!(Ledger::of_bytes(&bytes[..100]).is_none());
}
