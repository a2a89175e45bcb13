//! The processes that a command became, by the segments they left.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::source::directory::{Found, Users, find};
use crate::source::{Issues, Segment};

/// A number that no other run on this machine has; the shim puts it into each segment.
pub(crate) fn number() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = since_epoch.map_or(0, |time| time.as_nanos() as u64);
    // Two runs in one nanosecond differ by their process.
    (ns ^ u64::from(std::process::id()) << 44).max(1)
}

/// The process to report on.
pub(crate) struct Heaviest {
    pub(crate) path: PathBuf,
    pub(crate) pid: u32,
    /// How many programs of the family were recorded.
    pub(crate) programs: usize,
}

struct Member {
    path: PathBuf,
    pid: u32,
    allocated_bytes: u64,
    /// Whether it is the Go heap of its process, which may have a segment of its C heap too.
    is_go: bool,
}

/// The segments of all programs that came of a run, by process, oldest first.
pub(crate) fn members(run: u64) -> Vec<Found> {
    let is_member = |found: &Found| Member::read(found.path.clone(), run).is_some();
    find(Users::Own).into_iter().filter(is_member).collect()
}

/// Of all programs that came of a run, the one that allocated the most.
pub(crate) fn heaviest(run: u64) -> Option<Heaviest> {
    let found = find(Users::Own).into_iter();
    let members: Vec<Member> = found
        .filter_map(|found| Member::read(found.path, run))
        .collect();
    let is_second = |member: &&Member| {
        let mut others = members.iter();
        member.is_go && others.any(|other| other.pid == member.pid && !other.is_go)
    };
    let programs = members.len() - members.iter().filter(is_second).count();
    let heaviest = members
        .into_iter()
        .max_by_key(|member| member.allocated_bytes)?;
    Some(Heaviest {
        path: heaviest.path,
        pid: heaviest.pid,
        programs,
    })
}

impl Member {
    fn read(path: PathBuf, run: u64) -> Option<Member> {
        let segment = Segment::open(&path).ok()?;
        let mut issues = Issues::default();
        let identity = segment.identity(&mut issues);
        (identity.run == run).then(|| Member {
            pid: identity.pid,
            is_go: identity.go.is_some(),
            allocated_bytes: segment.allocated_bytes(&mut issues),
            path,
        })
    }
}
