//! How much of a process is in memory, at the price of one small file: no page is looked at.

#![forbid(unsafe_code)]

use std::fs;

use crate::source::process::kibibytes;

/// Resident memory by kind, as /proc/PID/status has it (proc_pid_status(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// Bytes of the process's own: heap, stacks, changed data.
    pub anonymous_bytes: u64,
    /// Bytes that stand in files too, such as code.
    pub file_bytes: u64,
    /// Bytes of shared memory, memshim's segment among them.
    pub shared_bytes: u64,
}

impl Resident {
    /// All kinds together.
    pub fn bytes(&self) -> u64 {
        self.anonymous_bytes + self.file_bytes + self.shared_bytes
    }
}

/// The resident memory of a process; `None` where the kernel does not say.
pub fn of(pid: u32) -> Option<Resident> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(status: &str) -> Option<Resident> {
    let bytes = |name| kibibytes(status, name);
    Some(Resident {
        anonymous_bytes: bytes("RssAnon:")?,
        file_bytes: bytes("RssFile:")?,
        shared_bytes: bytes("RssShmem:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_are_read() {
        let status = "Name:\tRssAnon: 7\nVmRSS:\t9 kB\nRssAnon:\t     4 kB\nRssFile:\t3 kB\nRssShmem:\t2 kB\n";
        let expected = Resident {
            anonymous_bytes: 4096,
            file_bytes: 3072,
            shared_bytes: 2048,
        };
        assert_eq!(parse(status), Some(expected));
    }

    #[test]
    fn a_kernel_thread_has_none() {
        assert_eq!(parse("Name:\tkthreadd\nThreads:\t1\n"), None);
    }
}
