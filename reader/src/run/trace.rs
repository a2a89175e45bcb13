//! Stops a program twice in its life: before its first instruction, and when it is about to end.
//!
//! Its first thread alone is traced (ptrace(2)), so that its other threads never stop. Signals that
//! it gets pass through here and go on unchanged, and stops by SIGSTOP or the terminal stay stops.
//! If this process dies, the kernel lets the program go on.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use libc::{c_int, pid_t};

/// What a status says of a stop that is not for a signal: the event stands above the signal.
const fn event(status: c_int) -> c_int {
    status >> 16
}

/// Asks that a command stops as soon as it is executed.
pub(crate) fn stop_at_start(command: &mut Command) {
    let ask = || {
        // Where tracing is forbidden the program runs as it would anyway.
        // SAFETY: PTRACE_TRACEME takes no memory, and ptrace is a plain system call, as is
        // wanted between fork and exec (signal-safety(7)).
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
        Ok(())
    };
    // SAFETY: the closure makes one system call and touches no memory of this process.
    unsafe { command.pre_exec(ask) };
}

/// What is done at the two stops.
pub(crate) trait Stops {
    /// Before the first instruction; or at once where tracing is forbidden and nothing stops.
    fn at_start(&mut self, is_stopped: bool);
    /// When the program is about to end; `is_by_itself` where no signal ends it. Its memory is
    /// still there.
    fn at_end(&mut self, is_by_itself: bool);
    /// When it has become another program.
    fn at_exec(&mut self);
}

/// Waits for the end of a child that was started after [`stop_at_start`].
///
/// To be called by the thread that started it, since the kernel takes requests from no other.
///
/// # Errors
///
/// Those of waitpid(2).
pub(crate) fn wait(child: &mut Child, stops: &mut dyn Stops) -> io::Result<ExitStatus> {
    let pid = child.id() as pid_t;
    if !is_traced(pid) {
        stops.at_start(false);
        return child.wait();
    }
    let status = wait_once(pid)?;
    if !libc::WIFSTOPPED(status) {
        return Ok(ExitStatus::from_raw(status));
    }
    stops.at_start(true);
    follow(pid);
    loop {
        let status = wait_once(pid)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(ExitStatus::from_raw(status));
        }
        resume(pid, status, stops);
    }
}

/// Goes from the stop at the start to a kind of tracing that leaves stops to the shell.
///
/// Who asked to be traced cannot stay stopped by SIGSTOP and go on by SIGCONT; who was seized can.
/// So the program is let go into a stop, seized in it, and woken.
fn follow(pid: pid_t) {
    request(libc::PTRACE_DETACH, pid, libc::SIGSTOP as usize);
    let options = libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_TRACEEXEC;
    request(libc::PTRACE_SEIZE, pid, options as usize);
    // SAFETY: kill reads two numbers; the child was not waited for yet, so the id is its own.
    unsafe { libc::kill(pid, libc::SIGCONT) };
}

/// Lets a stopped program go on, as it would have without us.
fn resume(pid: pid_t, status: c_int, stops: &mut dyn Stops) {
    let signal = libc::WSTOPSIG(status);
    match event(status) {
        0 => request(libc::PTRACE_CONT, pid, signal as usize),
        libc::PTRACE_EVENT_EXIT => {
            let status = exit_status(pid);
            stops.at_end(status.is_none_or(|status| libc::WIFEXITED(status)));
            request(libc::PTRACE_CONT, pid, 0)
        }
        libc::PTRACE_EVENT_EXEC => {
            stops.at_exec();
            request(libc::PTRACE_CONT, pid, 0)
        }
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => {
            // It is stopped like any program, and wants to hear of the end of that.
            request(libc::PTRACE_LISTEN, pid, 0)
        }
        _ => request(libc::PTRACE_CONT, pid, 0),
    };
}

/// The status that the program is about to end with.
fn exit_status(pid: pid_t) -> Option<c_int> {
    let mut status: libc::c_ulong = 0;
    // SAFETY: PTRACE_GETEVENTMSG writes one long, and `status` is one that outlives the call.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut status) };
    (result == 0).then_some(status as c_int)
}

fn request(what: libc::c_uint, pid: pid_t, data: usize) -> bool {
    // SAFETY: the requests that are made here take a number and no memory. One that comes too late,
    // because the program was killed, fails and changes nothing.
    unsafe { libc::ptrace(what, pid, 0, data) == 0 }
}

fn wait_once(pid: pid_t) -> io::Result<c_int> {
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes one int, and `status` is one that outlives the call.
        let found = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        if found == pid {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether the child asked to be traced and was allowed to.
fn is_traced(pid: pid_t) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}
