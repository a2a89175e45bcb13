//! Tells a command: facts on its standard input and in its environment, and a time that it has.

#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::alert::deliver::{ATTENTION, Ending};
use crate::alert::notice::Notice;

/// Runs a command to its end, or kills it with all that it started when its time is over.
///
/// # Errors
///
/// Why it did not do what it should, for people.
pub(super) fn run(
    words: &[String],
    timeout: Duration,
    notice: &Notice,
    ending: &Ending,
) -> Result<(), String> {
    let (name, arguments) = words.split_first().ok_or("it has no words")?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .envs(notice.variables())
        // What profiles the programs has no business in those that tell of them.
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // Its own group, so that what it started can be killed along with it.
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run {name}: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        let text = notice.json() + "\n";
        // A command that reads nothing would block whoever writes more than a pipe holds.
        thread::spawn(move || drop(input.write_all(text.as_bytes())));
    }
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{name} ended with {status}")),
            Ok(None) if Instant::now() >= deadline || ending.is_now() => {
                kill(&mut child);
                let seconds = timeout.as_secs_f64();
                return Err(match ending.is_now() {
                    true => format!("{name} was killed because the recorder ends"),
                    false => format!("{name} was killed: it had not ended after {seconds:.0} s"),
                });
            }
            Ok(None) => thread::sleep(ATTENTION),
            Err(error) => return Err(format!("cannot wait for {name}: {error}")),
        }
    }
}

fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Nobody has waited for the leader yet, so the number is still its group's.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
