//! A heaptrack file read as heaptrack does: every line is taken, and events give the figures.

#![forbid(unsafe_code)]

use memshim_reader::report::Report;
use proptest::prelude::proptest;

use crate::report::{self, Blocks, Site, nonsense, sites, total};
use crate::{draw, seeded};

/// What heaptrack shows of a file.
#[derive(Debug, Default)]
struct Reading {
    debuggee: String,
    strings: Vec<String>,
    instructions: Vec<Vec<usize>>,
    traces: Vec<(usize, usize)>,
    /// Size and trace.
    infos: Vec<(u64, usize)>,
    time_ms: u64,
    calls: u64,
    temporary: u64,
    leaked: u64,
    peak: u64,
    peak_time_ms: u64,
    last: usize,
    /// Leaked, and leaked at the peak, by trace.
    held: Vec<(i64, i64)>,
}

impl Reading {
    fn of(report: &Report) -> Reading {
        let mut reading = Reading::default();
        let text = draw("heaptrack", report);
        for line in text.lines() {
            reading.take(line);
        }
        reading
    }

    fn take(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').expect("a letter, a space, the rest");
        if kind == "X" {
            self.debuggee = rest.to_owned();
            return;
        }
        if kind == "s" {
            let (len, text) = rest.split_once(' ').expect("a length, a space, a text");
            assert_eq!(usize::from_str_radix(len, 16), Ok(text.len()), "{line}");
            self.strings.push(text.to_owned());
            return;
        }
        let numbers: Vec<usize> = rest
            .split(' ')
            .map(|number| usize::from_str_radix(number, 16).expect("a hexadecimal number"))
            .collect();
        match (kind, numbers.as_slice()) {
            ("v", [0x10400, 3]) | ("I", [0x1000, 0]) => {}
            ("i", [_, module, frames @ ..]) => {
                assert!(
                    *module <= self.strings.len() && frames.len() % 3 == 0,
                    "{line}"
                );
                let names = frames
                    .iter()
                    .step_by(3)
                    .chain(frames.iter().skip(1).step_by(3));
                assert!(
                    names.into_iter().all(|name| *name <= self.strings.len()),
                    "{line}"
                );
                self.instructions
                    .push(frames.iter().step_by(3).copied().collect());
            }
            ("t", [instruction, caller]) => {
                assert!(
                    (1..=self.instructions.len()).contains(instruction),
                    "{line}"
                );
                assert!(*caller <= self.traces.len(), "{line}");
                self.traces.push((*instruction, *caller));
            }
            ("a", [size, trace]) => {
                assert!((1..=self.traces.len()).contains(trace), "{line}");
                self.infos.push((*size as u64, *trace));
            }
            ("c", [time_ms]) => {
                assert!(*time_ms as u64 >= self.time_ms, "{line}");
                self.time_ms = *time_ms as u64;
            }
            ("+", [info]) => self.allocate(*info),
            ("-", [info]) => self.free(*info),
            _ => panic!("not a line of version 3: {line}"),
        }
    }

    fn allocate(&mut self, info: usize) {
        let (size, trace) = self.infos[info];
        self.held.resize(self.traces.len() + 1, (0, 0));
        self.calls += 1;
        self.last = info;
        self.leaked += size;
        self.held[trace].0 += size as i64;
        if self.leaked > self.peak {
            self.peak = self.leaked;
            self.peak_time_ms = self.time_ms;
            self.held.iter_mut().for_each(|(now, peak)| *peak = *now);
        }
    }

    fn free(&mut self, info: usize) {
        let (size, trace) = self.infos[info];
        self.temporary += u64::from(self.last == info);
        self.last = 0;
        self.leaked -= size;
        self.held[trace].0 -= size as i64;
        assert!(self.held[trace].0 >= 0, "more was freed than allocated");
    }
}

fn check_totals(sites: &[Site]) {
    let reading = Reading::of(&report::of(sites, 0));
    let peak = total(sites, Site::peak)
        .bytes
        .max(total(sites, Site::live).bytes);
    assert_eq!(reading.peak, peak, "peak");
    assert_eq!(reading.leaked, total(sites, Site::live).bytes, "leaked");
    assert_eq!(
        reading.calls,
        total(sites, Site::allocated).objects,
        "calls"
    );
    // A lone block is temporary for heaptrack, whatever the program did; before the peak there may
    // be one, and at it another.
    let temporary = total(sites, |site| site.temporary).objects;
    let allowed = temporary..=temporary + 2;
    assert!(
        allowed.contains(&reading.temporary),
        "{} temporary, not {allowed:?}",
        reading.temporary
    );
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn the_totals_of_any_program_survive(sites in sites()) {
        check_totals(&sites);
    }

    #[test]
    fn any_report_gives_a_file_that_heaptrack_reads(report in nonsense()) {
        Reading::of(&report);
    }
}

fn blocks(objects: u64, bytes: u64) -> Blocks {
    Blocks { objects, bytes }
}

fn site(functions: &[u8]) -> Site {
    let none = Blocks::default();
    Site {
        temporary: none,
        passing: none,
        until_peak: none,
        surviving: none,
        since_peak: none,
        functions: functions.to_vec(),
    }
}

#[test]
fn figures_of_each_site_are_exact() {
    let sites = [
        Site {
            temporary: blocks(5, 50),
            passing: blocks(7, 701),
            until_peak: blocks(3, 1000),
            surviving: blocks(2, 64),
            ..site(&[1, 2])
        },
        Site {
            passing: blocks(1, 9),
            surviving: blocks(4, 4001),
            ..site(&[2, 4])
        },
    ];
    let reading = Reading::of(&report::of(&sites, 0));
    assert_eq!((reading.calls, reading.temporary), (22, 5));
    assert_eq!((reading.peak, reading.leaked), (5065, 4065));
    assert_eq!(reading.peak_time_ms, report::PEAK_AGE_NS / 1_000_000);
    assert_eq!(reading.time_ms, report::AGE_NS / 1_000_000);
    let mut held: Vec<(i64, i64)> = reading.held.clone();
    held.sort_unstable();
    assert_eq!(held[held.len() - 2..], [(64, 1064), (4001, 4001)]);
}

#[test]
fn more_calls_than_a_file_should_have_are_counted_down_and_said() {
    let sites = [Site {
        passing: blocks(19_000_000, 19_000_000 * 16),
        until_peak: blocks(500_000, 8_000_000),
        surviving: blocks(500_001, 8_000_016),
        ..site(&[1])
    }];
    let reading = Reading::of(&report::of(&sites, 0));
    assert_eq!(reading.calls, 1_818_182);
    assert_eq!((reading.peak, reading.leaked), (16_000_016, 8_000_016));
    let said = "every call here stands for 11, with their bytes";
    assert!(reading.debuggee.contains(said), "{}", reading.debuggee);
}

#[test]
fn a_report_without_objects_at_the_peak_takes_the_mean_size() {
    let mut report = report::of(
        &[Site {
            until_peak: blocks(10, 1000),
            surviving: blocks(10, 1000),
            ..site(&[1])
        }],
        0,
    );
    let column = |column: &memshim_reader::report::Column| column.key == "peak_live_objects";
    for section in &mut report.sections {
        if let memshim_reader::report::Body::Stacks(table) = &mut section.body {
            let place = table.columns.iter().position(column).expect("it is there");
            table.columns[place].key = "something_else".to_owned();
        }
    }
    let reading = Reading::of(&report);
    assert_eq!(
        (reading.calls, reading.peak, reading.leaked),
        (20, 2000, 1000)
    );
}

#[test]
fn inlined_functions_share_the_line_of_their_holder() {
    let sites = [Site {
        surviving: blocks(1, 8),
        ..site(&[3, 1, 5, 2])
    }];
    let reading = Reading::of(&report::of(&sites, 0));
    let names = |functions: &Vec<usize>| -> Vec<&str> {
        let name = |place: &usize| reading.strings[place - 1].as_str();
        functions.iter().map(name).collect()
    };
    let names: Vec<Vec<&str>> = reading.instructions.iter().map(names).collect();
    let expected = [
        vec!["f2<a; b> {closure#0}"],
        vec!["inventory+0x1050"],
        vec!["f3<a; b> {closure#0}", "f1<a; b> {closure#0}"],
    ];
    assert_eq!(names, expected);
}
