//! What the kernel says about a process: whether it is still the one that wrote a segment.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Clock ticks of proc(5) in a second; the kernel shows the same number on every machine.
const USER_TICKS_PER_SECOND: u64 = 100;

/// Whether the process that wrote a segment is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Liveness {
    /// It runs, perhaps by now as another program.
    Alive,
    /// It is gone, or the machine was started again since.
    Dead,
    /// Nobody can tell: there is no /proc.
    Unknown,
}

/// What /proc/PID/stat tells (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// One letter: `R` running, `S` sleeping, `Z` dead but not yet waited for.
    pub state: char,
    /// The parent's process id.
    pub parent_pid: u32,
    /// When it started, clock ticks since boot.
    pub start_time: u64,
    /// Processor time it has used, in user and system mode.
    pub cpu_ns: u64,
}

/// What the kernel says about `pid` now, if there is such a process.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The processes that any thread of `pid` started and that still have it as their parent.
pub fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let numbers = lists.flat_map(|list| {
        let numbers = list.split_ascii_whitespace().map(str::parse);
        numbers.filter_map(Result::ok).collect::<Vec<u32>>()
    });
    numbers.collect()
}

/// The line of /proc/PID/stat; the program's name in it may hold anything, parentheses included.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let after_name = line.iter().rposition(|byte| *byte == b')')? + 1;
    let text = std::str::from_utf8(line.get(after_name..)?).ok()?;
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    // The state is field 3 of the whole line and the first one here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let cpu_ticks = number(14)?.saturating_add(number(15)?);
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent_pid: number(4)? as u32,
        start_time: number(22)?,
        cpu_ns: cpu_ticks.saturating_mul(1_000_000_000 / USER_TICKS_PER_SECOND),
    })
}

/// Whether the process `pid` that started at `start_time` is still there.
pub fn liveness(pid: u32, start_time: u64) -> Liveness {
    match stat(pid) {
        Some(stat) if stat.start_time == start_time && !matches!(stat.state, 'Z' | 'X') => {
            Liveness::Alive
        }
        Some(_) => Liveness::Dead,
        None if stat(std::process::id()).is_some() => Liveness::Dead,
        None => Liveness::Unknown,
    }
}

/// How long ago the process `pid` began, if there is one that has not ended.
pub fn age(pid: u32) -> Option<Duration> {
    let stat = stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X'))?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    let began = stat.start_time as f64 / USER_TICKS_PER_SECOND as f64;
    Duration::try_from_secs_f64((seconds - began).max(0.0)).ok()
}

/// Bytes of a process that are in memory (VmRSS, proc_pid_status(5)).
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kibibytes(&status, "VmRSS:")
}

/// The bytes in a line of a file such as /proc/PID/status: `VmRSS:  1234 kB`.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

/// The id of the running boot, as the two words that a segment keeps, the upper half first.
pub fn boot_id() -> Option<[u64; 2]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let id = u128::from_str_radix(&digits, 16).ok()?;
    Some([(id >> 64) as u64, id as u64])
}

/// The user and group that this reader acts as.
pub fn own_ids() -> Option<(u32, u32)> {
    let metadata = fs::metadata("/proc/self").ok()?;
    Some((metadata.uid(), metadata.gid()))
}

/// The inode of every segment that some visible process has mapped.
///
/// A process in another pid namespace is not found by the pid it recorded, but its map is seen.
pub fn mapped_segments() -> HashSet<u64> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let maps = fs::read(entry.path().join("maps")).unwrap_or_default();
        let lines = maps
            .split(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b".seg"));
        inodes.extend(lines.filter_map(mapped_inode));
    }
    inodes
}

/// The inode in a line of /proc/PID/maps.
fn mapped_inode(line: &[u8]) -> Option<u64> {
    let mut fields = line
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    std::str::from_utf8(fields.nth(4)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_parentheses_and_blanks_in_its_name() {
        let line = b"7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 20 5 0 0 20 0 1 0 4711 0 0";
        let expected = Stat {
            state: 'S',
            parent_pid: 3,
            start_time: 4711,
            cpu_ns: 250_000_000,
        };
        assert_eq!(parse_stat(line), Some(expected));
    }

    #[test]
    fn this_process_is_alive_and_was_not_started_earlier() {
        let pid = std::process::id();
        let start_time = stat(pid).expect("/proc is mounted").start_time;
        assert_eq!(liveness(pid, start_time), Liveness::Alive);
        assert_eq!(liveness(pid, start_time + 1), Liveness::Dead);
    }

    #[test]
    fn a_mapped_file_is_known_by_its_inode() {
        let line = b"7f00-7f01 rw-s 00000000 00:1a 1234                       /dev/shm/m/1-2-0.seg";
        assert_eq!(mapped_inode(line), Some(1234));
    }
}
