//! How often the kernel killed for lack of memory: in a control group, or on the whole machine.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel counts the kills that a process may become one of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OomCounter {
    path: PathBuf,
}

impl OomCounter {
    /// That of the control group of a living process, or of the machine where the group has none.
    pub fn of(pid: u32) -> OomCounter {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let in_group = groups.lines().filter_map(file_of_line);
        let known = in_group.map(|path| OomCounter { path });
        let machine = OomCounter {
            path: "/proc/vmstat".into(),
        };
        // The first version's come first where both are mounted, and then it has the memory.
        let mut counting = known.filter(|counter| counter.read().is_some());
        counting.next().unwrap_or(machine)
    }

    /// How many there were until now; `None` where the group is gone.
    pub fn read(&self) -> Option<u64> {
        count(&fs::read_to_string(&self.path).ok()?)
    }
}

/// The file that counts in the group of a line: `0::/path`, or `N:memory:/path` in version 1.
fn file_of_line(line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = path.trim_start_matches('/');
    let has_memory = controllers.split(',').any(|name| name == "memory");
    match (number, has_memory) {
        ("0", _) => Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events")),
        (_, true) => {
            let root = Path::new("/sys/fs/cgroup/memory");
            Some(root.join(path).join("memory.oom_control"))
        }
        _ => None,
    }
}

/// The number in the line `oom_kill N`, which all three files have.
fn count(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_files_has_its_count() {
        assert_eq!(count("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n"), Some(1));
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            Some(3)
        );
        assert_eq!(count("nr_free_pages 9\noom_kill 4\n"), Some(4));
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn this_process_has_a_counter() {
        assert!(OomCounter::of(std::process::id()).read().is_some());
    }
}
