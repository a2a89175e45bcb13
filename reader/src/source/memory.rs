//! How much memory a running process may use: the limit of its control group (cgroups(7)).

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// Limits above this are none: the first version of control groups writes a number near 2^63.
const LIMIT_MOST: u64 = 1 << 62;

/// The tightest limit among a process's control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What its processes may use together.
    pub bytes: u64,
    /// What they use now, files in the page cache among it.
    pub used_bytes: u64,
}

/// The limit that leaves the least room to `pid`; none where nothing is limited, or nobody tells.
pub fn limit(pid: u32) -> Option<Limit> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let limits = groups
        .lines()
        .filter_map(folder)
        .flat_map(|(root, path, names)| {
            // Every group above limits it too.
            let folders: Vec<PathBuf> = path.ancestors().map(|path| root.join(path)).collect();
            folders
                .into_iter()
                .filter_map(move |folder| read(&folder, names))
        });
    limits.min_by_key(|limit| limit.bytes.saturating_sub(limit.used_bytes))
}

/// The two files of a group that hold limit and use.
type Names = (&'static str, &'static str);

/// Where a line of /proc/PID/cgroup leads: `0::/path`, or `N:memory:/path` in the first version.
fn folder(line: &str) -> Option<(&'static Path, PathBuf, Names)> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let path = PathBuf::from(path.trim_start_matches('/'));
    if number == "0" && controllers.is_empty() {
        let names = ("memory.max", "memory.current");
        return Some((Path::new("/sys/fs/cgroup"), path, names));
    }
    let is_memory = controllers.split(',').any(|name| name == "memory");
    let names = ("memory.limit_in_bytes", "memory.usage_in_bytes");
    is_memory.then_some((Path::new("/sys/fs/cgroup/memory"), path, names))
}

fn read(folder: &Path, (limit, used): Names) -> Option<Limit> {
    let number = |name| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let limit = Limit {
        bytes: number(limit)?,
        used_bytes: number(used)?,
    };
    (limit.bytes < LIMIT_MOST).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str)>) {
        let found = folder(line).map(|(root, path, (limit, _))| (root.join(path), limit));
        let expected = expected.map(|(path, limit)| (PathBuf::from(path), limit));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn both_versions_of_control_groups_are_found() {
        check(
            "0::/a/b.scope",
            Some(("/sys/fs/cgroup/a/b.scope", "memory.max")),
        );
        check(
            "7:cpu,memory:/docker/1",
            Some(("/sys/fs/cgroup/memory/docker/1", "memory.limit_in_bytes")),
        );
        check("3:cpuset:/docker/1", None);
        check("nonsense", None);
    }
}
