//! Runs a command with a time limit: a test may fail, but it never hangs.
//!
//! Every command leads a process group of its own, so that a late one is killed with all that it
//! started, and so that a program may kill its whole group without reaching the tests.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::processes::{kill_group, send_signal};

/// Long enough for the slowest program on a busy machine, short enough to notice a hang.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A command that is about to be run.
pub struct Launch {
    command: Command,
    limit: Duration,
    input: Vec<u8>,
}

/// What a command left when it had ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to its standard output.
    pub stdout: String,
    /// All that it wrote to its standard error.
    pub stderr: String,
    /// The process that was started directly.
    pub pid: u32,
    /// From start to end.
    pub elapsed: Duration,
}

/// A command that runs beside the test; it is killed when this is dropped.
pub struct Running {
    /// The process that was started directly.
    pub pid: u32,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: String,
    errors: Receiver<String>,
    ended: Receiver<ExitStatus>,
    deadline: Instant,
    started: Instant,
    name: String,
}

impl Launch {
    /// A command that knows nothing of memshim: no setting of the caller reaches it.
    pub fn new(program: impl AsRef<OsStr>) -> Launch {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name == "LD_PRELOAD" || name.to_string_lossy().starts_with("MEMSHIM_") {
                command.env_remove(name);
            }
        }
        Launch {
            command,
            limit: TIME_LIMIT,
            input: Vec::new(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Launch {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Launch {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Launch {
        self.command.env(name, value);
        self
    }

    /// Takes an environment variable away.
    pub fn without_env(mut self, name: &str) -> Launch {
        self.command.env_remove(name);
        self
    }

    /// Sets `MEMSHIM_INTERVAL`.
    pub fn interval(self, interval: &str) -> Launch {
        self.env("MEMSHIM_INTERVAL", interval)
    }

    /// Starts the command in `dir`.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Launch {
        self.command.current_dir(dir);
        self
    }

    /// What the command reads from its standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Launch {
        self.input = input.into();
        self
    }

    /// Kills the command, and fails the test, when it takes longer than this.
    pub fn limit(mut self, limit: Duration) -> Launch {
        self.limit = limit;
        self
    }

    /// The program with its arguments, to be started by another program.
    pub fn words(&self) -> Vec<OsString> {
        let program = std::iter::once(self.command.get_program());
        program
            .chain(self.command.get_args())
            .map(OsString::from)
            .collect()
    }

    /// The same environment and settings, but `wrapper` is started, with the command as the last
    /// of its arguments.
    pub fn wrapped_in<A: AsRef<OsStr>>(self, wrapper: impl IntoIterator<Item = A>) -> Launch {
        let mut words = wrapper.into_iter().map(|word| word.as_ref().to_os_string());
        let mut command = Command::new(words.next().expect("a wrapper has a name"));
        command.args(words).args(self.words());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Launch { command, ..self }
    }

    /// Runs the command to its end.
    pub fn run(self) -> Outcome {
        let input = self.input.clone();
        let mut running = self.start();
        if let Some(mut stdin) = running.input.take() {
            // A program that ends without reading all its input is no failure of the harness.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        running.finish()
    }

    /// Starts the command and returns at once; its standard input stays open.
    pub fn start(mut self) -> Running {
        let name = format!("{:?}", self.command);
        let mut child = self
            .command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let pid = child.id();
        let input = child.stdin.take();
        let lines = lines_of(child.stdout.take().expect("stdout is piped"));
        let errors = lines_of(child.stderr.take().expect("stderr is piped"));
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(child.wait().expect("a child can be waited for")));
        let started = Instant::now();
        let deadline = started + self.limit;
        Running {
            pid,
            input,
            lines,
            seen: String::new(),
            errors,
            ended,
            deadline,
            started,
            name,
        }
    }
}

impl Outcome {
    /// The outcome again, after a check that the program ended well.
    pub fn success(self) -> Outcome {
        assert!(
            self.status.success(),
            "ended with {}:\n{}",
            self.status,
            self.stderr
        );
        self
    }

    /// Fails the test when a user could tell this run from the other one.
    pub fn assert_same_as(&self, other: &Outcome) {
        assert_eq!(
            self.status, other.status,
            "the status differs:\n{}",
            self.stderr
        );
        assert_eq!(self.stdout, other.stdout, "standard output differs");
        assert_eq!(self.stderr, other.stderr, "standard error differs");
    }

    /// The signal that ended the program, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The only line of standard error; more or fewer fail the test.
    pub fn one_error_line(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(
            lines.len(),
            1,
            "one line on standard error, not:\n{}",
            self.stderr
        );
        lines[0]
    }
}

impl Running {
    /// Waits until the command has written a line that contains `text`, and returns that line.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(self.remaining()) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    if line.contains(text) {
                        return line.trim_end().to_string();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("never wrote {text:?}")),
                Err(RecvTimeoutError::Disconnected) => {
                    self.fail(&format!("ended without writing {text:?}"))
                }
            }
        }
    }

    /// Writes to the command's standard input.
    pub fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("standard input is open");
        input
            .write_all(text.as_bytes())
            .expect("the command reads its standard input");
        input.flush().expect("the command reads its standard input");
    }

    /// Sends a signal to the command itself.
    pub fn signal(&self, signal: i32) {
        send_signal(self.pid, signal);
    }

    /// Closes standard input and waits for the end.
    pub fn finish(mut self) -> Outcome {
        self.input = None;
        let status = match self.ended.recv_timeout(self.remaining()) {
            Ok(status) => status,
            Err(_) => self.fail("did not end in time"),
        };
        let elapsed = self.started.elapsed();
        let stdout = std::mem::take(&mut self.seen) + &self.rest_of(&self.lines);
        let stderr = self.rest_of(&self.errors);
        Outcome {
            status,
            stdout,
            stderr,
            pid: self.pid,
            elapsed,
        }
    }

    /// Kills the command with SIGKILL and waits for its end.
    pub fn kill(self) -> Outcome {
        self.signal(libc::SIGKILL);
        self.finish()
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What is still to come from a pipe, which a left-behind child may hold open too long.
    fn rest_of(&self, pipe: &Receiver<String>) -> String {
        let mut text = String::new();
        loop {
            match pipe.recv_timeout(self.remaining()) {
                Ok(line) => text.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return text,
                Err(RecvTimeoutError::Timeout) => self.fail("left a process that keeps its output"),
            }
        }
    }

    fn fail(&self, what: &str) -> ! {
        kill_group(self.pid);
        let grace = Duration::from_secs(1);
        let mut errors = String::new();
        while let Ok(line) = self.errors.recv_timeout(grace) {
            errors.push_str(&line);
        }
        panic!(
            "{} {what}\n--- stdout\n{}--- stderr\n{errors}",
            self.name, self.seen
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill_group(self.pid);
    }
}

/// Sends every line as it comes, so that a full pipe never stops the program.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receiver
}
