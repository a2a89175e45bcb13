//! How much memory a process may use yet: its control group's limit, its own, or the machine's.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::process::kibibytes;

/// What will end the growth of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Whose limit it is.
    pub whose: Whose,
    /// Bytes that may be used.
    pub limit_bytes: u64,
    /// Bytes that are in use.
    pub used_bytes: u64,
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Of the control group, or of one above it: memory.max, or memory.limit_in_bytes (cgroups(7)).
    ControlGroup,
    /// Of the process's address space: RLIMIT_AS (getrlimit(2)).
    AddressSpace,
    /// Of the machine: all of its memory.
    Machine,
}

impl Limit {
    /// Bytes that are left.
    pub fn left_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes)
    }
}

/// The limit that process `pid` will meet first; `None` where the kernel tells none.
pub fn of(pid: u32) -> Option<Limit> {
    let limits = [control_group(pid), address_space(pid), machine()];
    limits.into_iter().flatten().min_by_key(Limit::left_bytes)
}

/// The limit of its control group, or of one above it, that leaves the least room to `pid`.
pub fn control_group(pid: u32) -> Option<Limit> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut limits: Vec<Limit> = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let has_memory = controllers.split(',').any(|name| name == "memory");
        match (number, has_memory) {
            ("0", _) => limits.extend(least(
                Path::new("/sys/fs/cgroup"),
                path,
                ["memory.max", "memory.current"],
            )),
            (_, true) => limits.extend(least(
                Path::new("/sys/fs/cgroup/memory"),
                path,
                ["memory.limit_in_bytes", "memory.usage_in_bytes"],
            )),
            _ => {}
        }
    }
    limits.into_iter().min_by_key(Limit::left_bytes)
}

/// The least that is left in a group and those above it, up to the root of what is mounted here.
///
/// In a container the path may be that on the host, of which only the root is visible.
fn least(root: &Path, path: &str, [limit, used]: [&str; 2]) -> Option<Limit> {
    let group = root.join(path.trim_start_matches('/'));
    let groups = group
        .ancestors()
        .take_while(|group| group.starts_with(root));
    let groups: Vec<PathBuf> = groups.map(Path::to_path_buf).collect();
    let limits = groups.iter().filter_map(|group| {
        let number = |name| parse(&fs::read_to_string(group.join(name)).ok()?);
        Some(Limit {
            whose: Whose::ControlGroup,
            limit_bytes: number(limit)?,
            used_bytes: number(used)?,
        })
    });
    limits.min_by_key(Limit::left_bytes)
}

/// A number of bytes; `max`, and what version 1 writes for it, is none.
fn parse(text: &str) -> Option<u64> {
    const UNLIMITED: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED)
}

fn address_space(pid: u32) -> Option<Limit> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Limit {
        whose: Whose::AddressSpace,
        limit_bytes: parse(line.split_ascii_whitespace().next()?)?,
        used_bytes: kibibytes(&status, "VmSize:")?,
    })
}

fn machine() -> Option<Limit> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let all_bytes = kibibytes(&text, "MemTotal:")?;
    Some(Limit {
        whose: Whose::Machine,
        limit_bytes: all_bytes,
        used_bytes: all_bytes.saturating_sub(kibibytes(&text, "MemAvailable:")?),
    })
}

/// All memory of this machine, bytes.
pub fn machine_bytes() -> Option<u64> {
    Some(machine()?.limit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_limit_that_it_has_not_met() {
        let limit = of(std::process::id()).expect("/proc is mounted");
        assert!(limit.left_bytes() > 0, "{limit:?}");
    }

    #[test]
    fn the_group_with_the_least_left_counts_and_unlimited_ones_do_not() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |group: &str, max: &str, current: &str| {
            let group = root.path().join(group);
            fs::create_dir_all(&group).expect("a directory");
            fs::write(group.join("memory.max"), max).expect("a file");
            fs::write(group.join("memory.current"), current).expect("a file");
        };
        write("a", "1000\n", "400\n");
        write("a/b", "max\n", "300\n");
        write("a/b/c", "900\n", "200\n");
        let limit = least(root.path(), "/a/b/c", ["memory.max", "memory.current"]);
        assert_eq!(limit.map(|limit| limit.left_bytes()), Some(600));
        let none = least(root.path(), "/x/y", ["memory.max", "memory.current"]);
        assert_eq!(none, None);
    }
}
