//! The few things tests ask of the kernel that std does not offer.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

pub use libc::{SIGCONT, SIGKILL, SIGSEGV, SIGSTOP};

/// Waits until this process alone holds `file`; closing the file gives it up.
pub fn lock_exclusively(file: &File) {
    // SAFETY: flock takes any descriptor, and `file` keeps this one open during the call.
    let result = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) };
    assert_eq!(
        result,
        0,
        "cannot lock {file:?}: {}",
        std::io::Error::last_os_error()
    );
}

/// Runs a command to its end, without output, and gives its largest resident set.
pub fn resident_bytes_max(command: &mut Command) -> u64 {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let pid = child.expect("the command starts").id();
    let mut status = 0;
    // SAFETY: rusage holds numbers only, and zeros are numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are valid for writes during the call; the child is one that nobody else
    // waits for, since its handle was dropped.
    let waited = unsafe { libc::wait4(pid as i32, &mut status, 0, &mut usage) };
    assert_eq!(waited, pid as i32, "the child can be waited for");
    let status = ExitStatus::from_raw(status);
    assert!(status.success(), "{command:?} ended with {status}");
    // Linux counts it in KiB (getrusage(2)).
    usage.ru_maxrss as u64 * 1024
}

/// Sends `signal` to one process; a process that is gone already is not an error.
pub fn send_signal(pid: u32, signal: i32) {
    // SAFETY: kill reads its two numbers only, and touches no memory of ours.
    unsafe { libc::kill(pid as i32, signal) };
}

/// Ends every process of the group that `leader` leads.
pub fn kill_group(leader: u32) {
    assert!(
        leader > 1,
        "group {leader} is not one that a test has started"
    );
    // SAFETY: kill reads its two numbers only, and touches no memory of ours.
    unsafe { libc::kill(-(leader as i32), libc::SIGKILL) };
}

/// The effective user of the tests.
pub fn user_id() -> u32 {
    std::fs::metadata("/proc/self")
        .expect("/proc is mounted")
        .uid()
}

/// Whether the tests may mount, chroot and change owners.
pub fn is_root() -> bool {
    user_id() == 0
}
