//! The processes that a command became, by the segments they left.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use crate::source::directory::{Users, find};
use crate::source::{Issues, Segment};

/// The segments that were there before.
pub(crate) struct Before {
    paths: HashSet<PathBuf>,
}

/// The process to report on.
pub(crate) struct Heaviest {
    pub(crate) path: PathBuf,
    pub(crate) pid: u32,
    /// How many processes of the family were recorded.
    pub(crate) processes: usize,
}

struct Member {
    path: PathBuf,
    pid: u32,
    parent_pid: u32,
    allocated_bytes: u64,
}

impl Before {
    pub(crate) fn now() -> Before {
        Before {
            paths: find(Users::Own)
                .into_iter()
                .map(|found| found.path)
                .collect(),
        }
    }
}

/// Of `pid` and all its recorded descendants, the program that allocated the most.
pub(crate) fn heaviest(pid: u32, before: &Before) -> Option<Heaviest> {
    let fresh = find(Users::Own)
        .into_iter()
        .filter(|found| !before.paths.contains(&found.path));
    let fresh: Vec<Member> = fresh.filter_map(|found| Member::read(found.path)).collect();
    let family = family(pid, &fresh);
    let members = fresh
        .into_iter()
        .filter(|member| family.contains(&member.pid));
    let members: Vec<Member> = members.collect();
    let recorded: BTreeSet<u32> = members.iter().map(|member| member.pid).collect();
    let heaviest = members
        .into_iter()
        .max_by_key(|member| member.allocated_bytes)?;
    Some(Heaviest {
        path: heaviest.path,
        pid: heaviest.pid,
        processes: recorded.len(),
    })
}

/// `pid` and every process whose recorded ancestors lead to it.
fn family(pid: u32, members: &[Member]) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([pid]);
    let mut pending = vec![pid];
    while let Some(parent) = pending.pop() {
        for member in members.iter().filter(|member| member.parent_pid == parent) {
            if family.insert(member.pid) {
                pending.push(member.pid);
            }
        }
    }
    family
}

impl Member {
    fn read(path: PathBuf) -> Option<Member> {
        let segment = Segment::open(&path).ok()?;
        let mut issues = Issues::default();
        let identity = segment.identity(&mut issues);
        Some(Member {
            pid: identity.pid,
            parent_pid: identity.parent_pid,
            allocated_bytes: segment.allocated_bytes(&mut issues),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parents: &[(u32, u32)], expected: &[u32]) {
        let member = |(pid, parent_pid): &(u32, u32)| Member {
            path: PathBuf::new(),
            pid: *pid,
            parent_pid: *parent_pid,
            allocated_bytes: 0,
        };
        let members: Vec<Member> = parents.iter().map(member).collect();
        assert_eq!(
            family(10, &members),
            BTreeSet::from_iter(expected.iter().copied())
        );
    }

    #[test]
    fn grandchildren_belong_and_strangers_do_not() {
        check(
            &[(12, 11), (11, 10), (10, 1), (20, 1), (21, 20)],
            &[10, 11, 12],
        );
    }

    #[test]
    fn a_circle_of_parents_ends() {
        check(&[(11, 10), (10, 11)], &[10, 11]);
    }
}
