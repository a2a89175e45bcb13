//! The two heaps of one process: what C allocates and what the Go runtime does.
//!
//! A Go program with C in it has a segment of each, and who asks about the process wants both, told
//! apart. The figures are of different kinds and are never added up.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::history::{History, State};
use crate::report::{Report, Section};
use crate::source::directory::{Name, Users, find};
use crate::source::go::preloaded;
use crate::source::{Issues, Segment, process};

/// The segment of the other heap of the program; none where it has one heap, or the other is empty.
pub(super) fn of(history: &History) -> Option<Segment> {
    let mut others = others(history).into_iter();
    others.find(|segment| segment.allocated_bytes(&mut Issues::default()) > 0)
}

/// Why the Go heap of a program is not in the answer, where its runtime samples that.
pub(super) fn unseen(history: &History) -> Option<String> {
    let identity = &history.process.identity;
    if !identity.has_go_beside || !others(history).is_empty() {
        return None;
    }
    if history.process.state != State::Running {
        let text = "sampled, but nobody looked while the program ran; memshim-reader run or record \
                    keeps it";
        return Some(text.to_owned());
    }
    let refusal = preloaded::refusal(identity.pid)?;
    Some(format!(
        "not seen: {refusal}; it takes the rights of a debugger, such as root has"
    ))
}

/// The segments of the other heap of the program, the newest first.
fn others(history: &History) -> Vec<Segment> {
    let Some(own) = history.path.file_name().and_then(Name::parse) else {
        return Vec::new();
    };
    // What root reads of other users' processes it keeps in a directory of its own.
    let users = match process::own_ids() {
        Some((0, _)) => Users::All,
        _ => Users::Own,
    };
    let beside = history.path.parent().and_then(|it| it.read_dir().ok());
    let beside = beside.into_iter().flatten().flatten();
    let paths = beside.map(|entry| entry.path());
    let found = paths.chain(find(users).into_iter().map(|found| found.path));
    let named = found.filter_map(|path| Some((Name::parse(path.file_name()?)?, path)));
    let mut others: Vec<(Name, PathBuf)> = named
        .filter(|(name, _)| {
            (name.pid, name.start_time) == (own.pid, own.start_time) && *name != own
        })
        .collect();
    others.sort_unstable();
    others.dedup();
    let opened = others.iter().rev();
    let opened = opened.filter_map(|(_, path)| Segment::open(path).ok());
    let is_go = history.process.identity.go.is_some();
    let is_other = |segment: &Segment| {
        let identity = segment.identity(&mut Issues::default());
        let is_of_same_program = identity.executable == history.process.identity.executable;
        identity.go.is_some() != is_go && is_of_same_program
    };
    opened.filter(is_other).collect()
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
