//! Notes how much memory the process may use and has in memory, for whoever reads the segment after
//! its death: nobody can ask the control group of a process that is gone.
//!
//! It is done when the controller looks at its clocks, never at a start, which has no time for it.

#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering};

use memshim_abi::header::{at, limit};
use memshim_abi::{AtomicU64 as Word, PAGE_BYTES};

use crate::path::Path;
use crate::runtime::Runtime;
use crate::segment::set;
use crate::sys;

/// Ticks between two notes of resident memory, some tens of milliseconds: a note takes 3 us.
const RESIDENT_TICKS: u64 = 1 << 27;

/// The age at which the limit is looked for first, some milliseconds: most processes never reach it.
const FIRST_AGE_TICKS: u64 = 1 << 24;

/// Groups above one another that are looked through.
const DEPTH_MAX: usize = 24;

/// What version 1 of control groups writes for no limit is a little below 2^63.
const UNLIMITED: u64 = 1 << 60;

/// Room for /proc/self/cgroup, which has a line for each hierarchy of version 1.
const ROOM_BYTES: usize = 4096;

/// When something was noted last; zeros are its first value.
#[derive(Default)]
pub struct Notes {
    resident_ticks: AtomicU64,
    /// The age at which the limit was looked for last; it may have been changed since.
    limit_age_ticks: AtomicU64,
}

/// Notes what is due; called by one thread at a time.
pub fn tend(runtime: &Runtime, age_ticks: u64, now_ticks: u64) {
    let notes = &runtime.memory;
    // Relaxed throughout: only the thread whose turn it is gets here.
    let noted_ticks = notes.resident_ticks.load(Ordering::Relaxed);
    if age_ticks < FIRST_AGE_TICKS || now_ticks.saturating_sub(noted_ticks) < RESIDENT_TICKS {
        return;
    }
    notes.resident_ticks.store(now_ticks, Ordering::Relaxed);
    if let Some([mapped, resident]) = in_use() {
        set(runtime.segment(), at::MAPPED_BYTES, mapped);
        set(runtime.segment(), at::RESIDENT_BYTES, resident);
    }
    let asked_age_ticks = notes.limit_age_ticks.load(Ordering::Relaxed);
    if age_ticks / 4 >= asked_age_ticks {
        notes.limit_age_ticks.store(age_ticks, Ordering::Relaxed);
        note_limit(runtime.segment());
    }
}

/// Bytes of addresses in use, and of memory: the first numbers of /proc/self/statm (proc(5)).
fn in_use() -> Option<[u64; 2]> {
    let mut text = [0; 128];
    let len = sys::read_file(c"/proc/self/statm", &mut text);
    let mut fields = text.get(..len)?.split(|byte| *byte == b' ');
    let mut bytes = || number(fields.next()?)?.checked_mul(PAGE_BYTES);
    Some([bytes()?, bytes()?])
}

#[cold]
#[inline(never)]
fn note_limit(words: &[Word]) {
    let address_space = sys::limit(libc::RLIMIT_AS);
    let group = group_bytes().unwrap_or(u64::MAX);
    let (bytes, whose) = match address_space < group {
        true => (address_space, limit::ADDRESS_SPACE),
        false => (group, limit::CONTROL_GROUP),
    };
    if bytes < UNLIMITED {
        set(words, at::LIMIT_BYTES, bytes);
        set(words, at::LIMIT_WHOSE, whose);
    }
}

/// The least limit of the control groups that this process is in (cgroups(7)).
fn group_bytes() -> Option<u64> {
    // Whoever calls may be on a small stack, so the buffer is a mapping of its own.
    let mut room = sys::Room::new(ROOM_BYTES)?;
    let len = sys::read_file(c"/proc/self/cgroup", room.bytes());
    let text = room.bytes().get(..len)?;
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(least_of_line).min()
}

/// The least limit of one hierarchy: `0::/path`, or `N:memory:/path` in version 1.
fn least_of_line(line: &[u8]) -> Option<u64> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let mut names = controllers.split(|byte| *byte == b',');
    match (number, names.any(|name| name == b"memory")) {
        (b"0", _) => least(b"/sys/fs/cgroup", path, b"/memory.max"),
        (_, true) => least(b"/sys/fs/cgroup/memory", path, b"/memory.limit_in_bytes"),
        _ => None,
    }
}

/// The least limit of a group and those above it; in a container the path may be that on the host,
/// of which only the root is to be seen.
fn least(root: &[u8], path: &[u8], file: &[u8]) -> Option<u64> {
    let mut path = path.strip_suffix(b"/").unwrap_or(path);
    let mut least = None;
    for _ in 0..DEPTH_MAX {
        let mut whole = Path::new();
        whole.push(root).push(path).push(file);
        if let Some(bytes) = read_number(whole.as_c_str()) {
            least = Some(least.map_or(bytes, |known: u64| known.min(bytes)));
        }
        let Some(end) = path.iter().rposition(|byte| *byte == b'/') else {
            break;
        };
        path = path.get(..end).unwrap_or(&[]);
    }
    least
}

fn read_number(path: &CStr) -> Option<u64> {
    let mut text = [0; 32];
    let len = sys::read_file(path, &mut text);
    let text = text.get(..len)?;
    number(text.strip_suffix(b"\n").unwrap_or(text))
}

/// Digits and nothing else; `max` is none.
fn number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_something_in_memory() {
        let [mapped, resident] = in_use().expect("/proc is mounted");
        assert!(
            (1 << 20..mapped).contains(&resident),
            "{resident} of {mapped}"
        );
    }

    #[test]
    fn a_file_is_looked_for_in_a_group_and_in_all_above_it() {
        let directory = std::env::temp_dir().join(std::format!("memshim-{}", std::process::id()));
        let below = directory.join("a/b");
        std::fs::create_dir_all(&below).expect("it can be made");
        std::fs::write(below.join("limit"), "max\n").expect("it can be written");
        std::fs::write(directory.join("a/limit"), "300\n").expect("it can be written");
        std::fs::write(directory.join("limit"), "700\n").expect("it can be written");
        let root = directory.as_os_str().as_encoded_bytes();
        assert_eq!(least(root, b"/a/b", b"/limit"), Some(300));
        assert_eq!(least(root, b"/", b"/limit"), Some(700));
        // A path that is not to be seen here, as in a container.
        assert_eq!(least(root, b"/docker/1234", b"/limit"), Some(700));
        assert_eq!(least(root, b"/a/b", b"/other"), None);
        std::fs::remove_dir_all(directory).expect("it is there");
    }

    #[test]
    fn lines_of_other_hierarchies_say_nothing() {
        for line in [&b""[..], b"3:cpuset:/a", b"nonsense", b"4:name=systemd:/"] {
            assert_eq!(least_of_line(line), None);
        }
    }
}
