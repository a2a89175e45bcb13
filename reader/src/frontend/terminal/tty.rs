//! The terminal as it was found: given back at the end, at a panic and at a signal.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use ratatui::DefaultTerminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What people and supervisors send to end a program.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// The screen while it is ours; dropping it gives it back.
///
/// The hook that [`ratatui::try_init`] installs gives it back at a panic, which comes before the
/// process aborts.
pub(super) struct Tty {
    pub(super) terminal: DefaultTerminal,
}

impl Tty {
    /// Takes the screen: raw mode, and the terminal's second page, so that the first stays.
    pub(super) fn enter() -> io::Result<Tty> {
        let terminal = ratatui::try_init()?;
        Ok(Tty { terminal })
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // The page that comes back has the cursor that it had, but shown only if we say so.
        drop(self.terminal.show_cursor());
        drop(ratatui::try_restore());
    }
}

/// From now on the signals of [`ENDING`] come through the channel instead of ending the process.
pub(super) fn signals() -> io::Result<Receiver<i32>> {
    let mut caught = Signals::new(ENDING)?;
    let (sender, receiver) = bounded(ENDING.len());
    thread::spawn(move || {
        for signal in caught.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Ends as the signal would have ended us, so that whoever waits for us learns of it.
pub(super) fn die_of(signal: i32) -> io::Result<ExitCode> {
    emulate_default_handler(signal)?;
    // Where the signal does not end us, shells would say it like this.
    Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(255)))
}
