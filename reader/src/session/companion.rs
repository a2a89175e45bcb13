//! The two heaps of one process: what C allocates and what the Go runtime does.
//!
//! A Go program with C in it has a segment of each, and who asks about the process wants both, told
//! apart. The figures are of different kinds and are never added up.

#![forbid(unsafe_code)]

use std::ffi::OsStr;

use crate::history::{History, State};
use crate::report::{Report, Section};
use crate::source::directory::Name;
use crate::source::{Issues, Segment};

/// The segment of the other heap of the program; none where it has one heap, or the other is empty.
pub(super) fn of(history: &History) -> Option<Segment> {
    let own = Name::parse(history.path.file_name()?)?;
    let is_go = history.process.identity.go.is_some();
    let entries = std::fs::read_dir(history.path.parent()?).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let others = names.filter_map(|name| Name::parse(OsStr::new(&name)));
    let mut others: Vec<Name> = others
        .filter(|name| (name.pid, name.start_time) == (own.pid, own.start_time) && *name != own)
        .collect();
    others.sort_unstable();
    let opened = others
        .iter()
        .rev()
        .filter_map(|name| Segment::open(&history.path.with_file_name(name.to_string())).ok());
    let is_other = |segment: &Segment| {
        let identity = segment.identity(&mut Issues::default());
        let is_of_same_program = identity.executable == history.process.identity.executable;
        identity.go.is_some() != is_go && is_of_same_program
    };
    let mut others = opened.filter(is_other);
    others.find(|segment| segment.allocated_bytes(&mut Issues::default()) > 0)
}

/// Has both say that the program left by itself where one of them knows it: Go ends without a word
/// to C, which then can only guess.
pub(super) fn share_end(one: &mut History, other: &mut History) {
    let states = [&mut one.process.state, &mut other.process.state];
    if states.iter().any(|state| **state == State::Exited) {
        for state in states {
            if *state == State::Killed {
                *state = State::Exited;
            }
        }
    }
}

/// Adds the answer about the other heap behind the first, each section under its own name.
pub(super) fn append(report: &mut Report, other: Report, history: &History) {
    let (key, title) = match history.process.identity.go {
        Some(_) => ("go", "Go's heap"),
        None => ("c", "C's heap"),
    };
    let sections = other.sections.into_iter();
    report.sections.extend(sections.map(|section| Section {
        name: format!("{key}_{}", section.name),
        title: format!("{title}: {}", section.title),
        ..section
    }));
    report.findings += other.findings;
}
