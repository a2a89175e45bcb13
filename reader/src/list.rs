//! `list`: the segments there are, as the tree of the processes that wrote them.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::cli::Destination;
use crate::error::Error;
use crate::history::{Process, State};
use crate::report::{Body, Column, Report, Section, Table, Unit, Value};
use crate::source::directory::{Found, Users};
use crate::source::go::preloaded;
use crate::source::{Issues, Segment};

/// Segments there are: who wrote them, how they are doing, what they hold
#[derive(Debug, Args)]
pub struct List {
    /// Those of all users; only root may read them
    #[arg(long)]
    all_users: bool,
    #[command(flatten)]
    destination: Destination,
}

/// What the list shows of one segment.
struct Listed {
    found: Found,
    parent_pid: u32,
    /// Whether it is the Go heap of a program that has another one of what C allocates.
    is_beside_c: bool,
    /// What was read, or why nothing was.
    read: Result<Read, Error>,
}

struct Read {
    program: String,
    state: State,
    age_ns: Option<u64>,
    live_bytes: u64,
    allocated_bytes: u64,
    stored_bytes: u64,
}

/// Writes the list.
///
/// # Errors
///
/// Those of [`Destination::write`]; a segment that cannot be read is a row that says why.
pub fn show(list: &List) -> Result<ExitCode, Error> {
    let users = if list.all_users {
        Users::All
    } else {
        Users::Own
    };
    let is_for_people = list.destination.is_for_people()?;
    list.destination.write(
        &report(preloaded::find(users, |_| true), is_for_people),
        None,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The list as a report; for people the programs are drawn as a tree, and paths are short.
fn report(found: Vec<Found>, is_for_people: bool) -> Report {
    let mut listed: Vec<Listed> = found.into_iter().map(Listed::of).collect();
    tell_heaps_apart(&mut listed);
    let mut table = Table::new(vec![
        Column::new("pid", "pid", Unit::Id),
        Column::new("parent_pid", "parent", Unit::Id),
        Column::new("program", "program", Unit::Text),
        Column::new("state", "state", Unit::Text),
        Column::new("age_ns", "age", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
        Column::new("segment_bytes", "size", Unit::Bytes),
        Column::new(
            "path",
            if is_for_people { "file" } else { "path" },
            Unit::Text,
        ),
    ]);
    let rows = tree(&listed).into_iter();
    table.rows = rows
        .map(|(prefix, listed)| match is_for_people {
            true => listed.row(&prefix, listed.found.path.file_name().unwrap_or_default()),
            false => listed.row("", listed.found.path.as_os_str()),
        })
        .collect();
    let mut report = Report::new("list");
    let directories: BTreeSet<&Path> = listed
        .iter()
        .filter_map(|listed| listed.found.path.parent())
        .collect();
    let directories: Vec<String> = directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    let section = Section::new("segments", "Segments", Body::Table(table));
    report
        .sections
        .push(section.with_note(directories.join(", ")));
    report
}

impl Listed {
    fn of(found: Found) -> Listed {
        let opened = Segment::open(&found.path).map(|segment| read(&segment));
        let parent_pid = opened.as_ref().map_or(0, |(parent, _)| *parent);
        Listed {
            found,
            parent_pid,
            is_beside_c: false,
            read: opened.map(|(_, read)| read),
        }
    }

    fn row(&self, prefix: &str, path: &OsStr) -> Vec<Value> {
        let path = Value::text(path.to_string_lossy());
        let pid = Value::Id(self.found.name.pid.into());
        match &self.read {
            Ok(read) => vec![
                pid,
                Value::Id(self.parent_pid.into()),
                Value::Text(format!(
                    "{prefix}{}",
                    preloaded::label(&read.program, self.is_beside_c)
                )),
                Value::text(read.state.name()),
                read.age_ns.map_or(Value::Unknown, Value::Duration),
                Value::Bytes(read.live_bytes),
                Value::Bytes(read.allocated_bytes),
                Value::Bytes(read.stored_bytes),
                path,
            ],
            Err(error) => vec![
                pid,
                Value::Unknown,
                Value::Text(format!("{prefix}?")),
                Value::Text(format!("unreadable: {error}")),
                Value::Unknown,
                Value::Unknown,
                Value::Unknown,
                Value::Unknown,
                path,
            ],
        }
    }
}

/// Notes which are the Go heap of a program that has another one of what C allocates.
fn tell_heaps_apart(listed: &mut [Listed]) {
    let read = listed.iter();
    let read = read.filter_map(|one| Some((one.found.name, &*one.read.as_ref().ok()?.program)));
    let beside = preloaded::beside_c(read);
    for one in listed {
        one.is_beside_c = beside.contains_key(&one.found.name);
    }
}

/// What the list shows; only the header and the threads are read for it.
fn read(segment: &Segment) -> (u32, Read) {
    let mut issues = Issues::default();
    let process = Process::of(segment, &mut issues);
    let clock = segment.clock();
    let last_ticks = match process.is_alive() {
        true => clock.now_ticks.unwrap_or(process.identity.heartbeat_ticks),
        false => process
            .identity
            .heartbeat_ticks
            .max(process.identity.end_ticks),
    };
    let read = Read {
        program: process.identity.program().to_owned(),
        state: process.state,
        age_ns: clock.ns(last_ticks.saturating_sub(clock.start_ticks)),
        live_bytes: segment.live_bytes(),
        allocated_bytes: segment.allocated_bytes(&mut issues),
        stored_bytes: segment.stored_bytes,
    };
    (process.identity.parent_pid, read)
}

/// Every segment with what stands before its name in the drawing of the tree.
///
/// The segments that one process wrote as different programs stand below each other; a process
/// stands below its parent, if that has a segment. Recorded parents may form a circle when ids
/// were used again or a segment lies; whoever was drawn is not drawn again.
fn tree(listed: &[Listed]) -> Vec<(String, &Listed)> {
    let mut by_pid: BTreeMap<u32, Vec<&Listed>> = BTreeMap::new();
    for one in listed {
        by_pid.entry(one.found.name.pid).or_default().push(one);
    }
    let mut children: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (pid, segments) in &by_pid {
        let parent = segments.first().map_or(0, |first| first.parent_pid);
        if parent != *pid && by_pid.contains_key(&parent) {
            children.entry(parent).or_default().insert(*pid);
        } else {
            roots.push(*pid);
        }
    }
    let mut drawn = Vec::new();
    let mut done = HashSet::new();
    let in_circles = by_pid.keys().copied();
    for root in roots.into_iter().chain(in_circles) {
        draw(root, &by_pid, &children, &mut done, &mut drawn);
    }
    drawn
}

/// Draws one process and all below it, with a stack of our own: chains may be long.
fn draw<'a>(
    root: u32,
    by_pid: &BTreeMap<u32, Vec<&'a Listed>>,
    children: &BTreeMap<u32, BTreeSet<u32>>,
    done: &mut HashSet<u32>,
    drawn: &mut Vec<(String, &'a Listed)>,
) {
    /// Deeper levels are not indented further; nobody could read them.
    const DEPTH_MAX: usize = 16;
    let mut pending = vec![(root, 0)];
    while let Some((pid, depth)) = pending.pop() {
        if !done.insert(pid) {
            continue;
        }
        let indent = "  ".repeat(depth.min(DEPTH_MAX).saturating_sub(1));
        for (number, segment) in by_pid.get(&pid).into_iter().flatten().enumerate() {
            let mark = match (depth, number) {
                (0, 0) => "",
                (_, 0) => "\u{2514} ",
                (0, _) if segment.is_beside_c => "+ ",
                _ if segment.is_beside_c => "  + ",
                (0, _) => "\u{2192} ",
                _ => "  \u{2192} ",
            };
            drawn.push((format!("{indent}{mark}"), segment));
        }
        let below = children.get(&pid).into_iter().flatten().rev();
        pending.extend(below.map(|child| (*child, depth + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::directory::Name;

    /// Processes as (pid, parent, programs executed before) to lines of the drawing.
    fn check(processes: &[(u32, u32, u32)], expected: &[&str]) {
        let listed: Vec<Listed> = processes
            .iter()
            .map(|(pid, parent_pid, number)| Listed {
                found: Found {
                    name: Name {
                        pid: *pid,
                        start_time: 1,
                        number: *number,
                    },
                    path: "x.seg".into(),
                },
                parent_pid: *parent_pid,
                is_beside_c: false,
                read: Err(Error::NotReady {
                    path: "x.seg".into(),
                }),
            })
            .collect();
        let lines = tree(&listed);
        let lines: Vec<String> = lines
            .iter()
            .map(|(prefix, one)| format!("{prefix}{}", one.found.name.pid))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn children_stand_below_their_parents_and_programs_below_their_process() {
        check(
            &[
                (5, 1, 0),
                (6, 5, 0),
                (6, 5, 1),
                (7, 6, 0),
                (8, 5, 0),
                (9, 1, 0),
                (9, 1, 1),
            ],
            &[
                "5",
                "\u{2514} 6",
                "  \u{2192} 6",
                "  \u{2514} 7",
                "\u{2514} 8",
                "9",
                "\u{2192} 9",
            ],
        );
    }

    #[test]
    fn parents_in_a_circle_are_drawn_once() {
        check(
            &[(5, 6, 0), (6, 5, 0), (7, 7, 0)],
            &["7", "5", "\u{2514} 6"],
        );
    }
}
