//! What the kernel says about the memory of a running process, mapping by mapping
//! (proc_pid_smaps(5)).

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::ops::Range;

/// One mapping, with what of it is in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The addresses.
    pub range: Range<u64>,
    /// Whether the program may write to it.
    pub is_writable: bool,
    /// Whether nothing may be done with it, as with a guard page or a reserve.
    pub is_inaccessible: bool,
    /// Whether others see what is written to it.
    pub is_shared: bool,
    /// The file, a name in brackets such as `[heap]`, or nothing.
    pub name: String,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Of these, bytes that are no copy of a file.
    pub anonymous_bytes: u64,
    /// Bytes that were written to swap.
    pub swapped_bytes: u64,
    /// Whether a forked child finds it empty; the shim's private memory is such.
    pub is_wiped_at_fork: bool,
}

impl Mapping {
    /// Whether it is memory of the process alone, with no file behind it.
    pub fn is_anonymous(&self) -> bool {
        !self.is_shared && (self.name.is_empty() || self.name.starts_with("[anon"))
    }

    /// Its length.
    pub fn len_bytes(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn set(&mut self, field: &str, value: &str) {
        let kib = || value.split_whitespace().next()?.parse::<u64>().ok();
        let bytes = || kib().unwrap_or(0).saturating_mul(1024);
        match field {
            "Rss" => self.resident_bytes = bytes(),
            "Anonymous" => self.anonymous_bytes = bytes(),
            "Swap" => self.swapped_bytes = bytes(),
            "VmFlags" => {
                self.is_wiped_at_fork = value.split_whitespace().any(|flag| flag == "wf");
            }
            _ => {}
        }
    }
}

/// The mappings of `pid`, by address.
///
/// The kernel looks at every page for it, which takes some milliseconds for each gigabyte.
///
/// # Errors
///
/// Those of the kernel: the process is gone, or is another user's.
pub fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/smaps"))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(mapping) = head(line) {
            mappings.push(mapping);
        } else if let (Some(mapping), Some((field, value))) =
            (mappings.last_mut(), line.split_once(':'))
        {
            mapping.set(field, value);
        }
    }
    mappings
}

/// The line that a mapping begins with: `start-end rwxp offset device inode name`.
fn head(line: &str) -> Option<Mapping> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    let mut fields = rest.splitn(5, ' ');
    let rights = fields.next()?;
    Some(Mapping {
        range: address(start)?..address(end)?,
        is_writable: rights.contains('w'),
        is_inaccessible: rights.starts_with("---"),
        is_shared: rights.ends_with('s'),
        name: fields.nth(3).unwrap_or_default().trim().to_owned(),
        ..Mapping::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
55d0c000-55d0e000 rw-p 00000000 00:00 0                          [heap]
Size:                  8 kB
Rss:                   4 kB
Anonymous:             4 kB
Swap:                  2 kB
VmFlags: rd wr mr mw me ac sd
7f1000-7f2000 ---p 00000000 00:00 0
VmFlags: mr mw me sd
7f2000-7f9000 rw-s 00001000 00:1a 77    /dev/shm/a name: with parts (deleted)
Rss:                  28 kB
VmFlags: rd wr sh mr mw wf
";

    #[test]
    fn mappings_are_read_with_what_is_resident() {
        let expected = [
            Mapping {
                range: 0x55d0_c000..0x55d0_e000,
                is_writable: true,
                name: "[heap]".to_owned(),
                resident_bytes: 4096,
                anonymous_bytes: 4096,
                swapped_bytes: 2048,
                ..Mapping::default()
            },
            Mapping {
                range: 0x7f_1000..0x7f_2000,
                is_inaccessible: true,
                ..Mapping::default()
            },
            Mapping {
                range: 0x7f_2000..0x7f_9000,
                is_writable: true,
                is_shared: true,
                name: "/dev/shm/a name: with parts (deleted)".to_owned(),
                resident_bytes: 28 << 10,
                is_wiped_at_fork: true,
                ..Mapping::default()
            },
        ];
        assert_eq!(parse(TEXT), expected);
    }

    #[test]
    fn this_process_has_a_stack_and_code() {
        let mappings = mappings(std::process::id()).expect("/proc is mounted");
        let stack = mappings.iter().find(|mapping| mapping.name == "[stack]");
        assert!(stack.is_some_and(|stack| stack.resident_bytes > 0));
        assert!(mappings.is_sorted_by_key(|mapping| mapping.range.start));
    }
}
