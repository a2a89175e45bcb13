//! Signals that are meant for the program, handed on while it runs.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

/// What a supervisor or a user at another terminal sends to end a program.
const FORWARDED: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Added to the number of a signal that ended this process, as shells do.
const SIGNALLED: i32 = 128;

/// The program's process, 0 before it runs and after it ended.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// A signal that came before the program ran, 0 when there was none.
static EARLY: AtomicI32 = AtomicI32::new(0);

/// While it lasts, the signals of [`FORWARDED`] no longer end this process.
pub(crate) struct Forwarding {
    before: [libc::sigaction; FORWARDED.len()],
}

impl Forwarding {
    /// Begins to catch the signals; one that is ignored, as under nohup, stays ignored.
    pub(crate) fn begin() -> Forwarding {
        Forwarding {
            before: FORWARDED.map(catch),
        }
    }

    /// Hands signals on to `child`, first the one that came too early.
    pub(crate) fn to(&self, child: u32) {
        // Sequentially consistent with the handler, which may run between any two of these: it
        // sees the child, or its signal is seen here.
        CHILD.store(child as i32, Ordering::SeqCst);
        let early = EARLY.swap(0, Ordering::SeqCst);
        if early != 0 {
            send(child as i32, early);
        }
    }

    /// Lets the signals do what they did before; the child has been waited for.
    pub(crate) fn end(&self) {
        // SeqCst as in `to`: no signal goes to a process id that may be another's by now.
        CHILD.store(0, Ordering::SeqCst);
        for (signal, before) in FORWARDED.iter().zip(&self.before) {
            // SAFETY: `before` is what sigaction gave for this signal.
            unsafe { libc::sigaction(*signal, before, std::ptr::null_mut()) };
        }
    }
}

/// Whether somebody asked this process to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// From its beginning on, the signals of [`FORWARDED`] ask this process to come to an end.
pub(crate) struct Stopping {}

impl Stopping {
    /// Begins to note the signals; one that is ignored, as under nohup, stays ignored.
    pub(crate) fn begin() -> Stopping {
        for signal in FORWARDED {
            install(signal, stop);
        }
        Stopping {}
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: nothing else is published with it.
        STOP.load(Ordering::Relaxed)
    }

    /// Waits for so long.
    pub(crate) fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// The handler: a second signal ends the process at once, in case it is stuck.
extern "C" fn stop(signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // Relaxed: nothing else is published with it.
    if STOP.swap(true, Ordering::Relaxed) {
        // SAFETY: _exit is allowed in a signal handler (signal-safety(7)) and does not return.
        unsafe { libc::_exit(SIGNALLED + signal) };
    }
}

/// Installs the handler for one signal; gives what was there.
fn catch(signal: i32) -> libc::sigaction {
    install(signal, hand_on)
}

/// A handler as SA_SIGINFO has it.
type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

fn install(signal: i32, handler: Handler) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction: the default action, no flags, an empty mask.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null new action only asks; `before` outlives the call.
    unsafe { libc::sigaction(signal, std::ptr::null(), &mut before) };
    if before.sa_sigaction == libc::SIG_IGN {
        return before;
    }
    let mut action = before;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the handler only calls what signal-safety(7) allows and keeps errno.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    before
}

/// The handler. What the terminal sends it sends to the program too, so that is not handed on.
extern "C" fn hand_on(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo to a handler installed with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    if code == libc::SI_KERNEL {
        return;
    }
    match CHILD.load(Ordering::SeqCst) {
        0 => EARLY.store(signal, Ordering::SeqCst),
        child => send(child, signal),
    }
}

fn send(child: i32, signal: i32) {
    // SAFETY: errno is a thread-local int that is always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: kill reads two numbers; the child was not waited for yet, so the id is its own.
    unsafe { libc::kill(child, signal) };
    // SAFETY: as above.
    unsafe { *errno = before };
}
