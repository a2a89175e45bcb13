//! What reading the heap profile of a Go program costs, by how many call stacks it has.
//!
//! `scripts/bench go` builds the program and gives its path; without one nothing is measured.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use memshim_reader::source::go::{How, Keeper, Process};

/// The programs have 2 to these powers of call stacks.
const DEPTHS: [u32; 3] = [10, 15, 18];

/// Later read-outs of which the fastest counts.
const TURNS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let Some(program) = arguments.next() else {
        return;
    };
    println!("| stacks | open | read first | again | all changed | keep first | again | segment |");
    println!("|---|---|---|---|---|---|---|---|");
    for depth in DEPTHS {
        println!("{}", row(&program, depth));
    }
}

/// The figures of one program.
fn row(path: &str, depth: u32) -> String {
    let mut program = Program::start(path, depth);
    let pid = program.child.id();
    let (open, mut process) = timed(|| Process::open(pid).expect("a Go program"));
    let (first, stacks) = timed(|| process.read_out().expect("its profile").stacks.len());
    let again = (0..TURNS).map(|_| timed(|| process.read_out().map(drop)).0);
    let again = again.min().unwrap_or_default();
    let changed = (0..TURNS).map(|_| {
        program.go_on();
        timed(|| process.read_out().map(drop)).0
    });
    let changed = changed.min().unwrap_or_default();
    let process = Process::open(pid).expect("a Go program");
    let mut keeper = Keeper::begin(process, How::Own).expect("a place for its segment");
    let (keep_first, kept) = timed(|| keeper.refresh());
    kept.expect("its profile");
    let keep_again = (0..TURNS).map(|_| timed(|| keeper.refresh()).0);
    let keep_again = keep_again.min().unwrap_or_default();
    let file = std::fs::metadata(keeper.path()).expect("a segment");
    std::fs::remove_file(keeper.path()).expect("a segment of its own");
    let times = [open, first, again, changed, keep_first, keep_again].map(shown);
    let megabytes = file.len() >> 20;
    format!("| {stacks} | {} | {megabytes} MiB |", times.join(" | "))
}

fn timed<T>(act: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = act();
    (begun.elapsed(), result)
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// `many_stacks`, which goes on when it is told to.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(path: &str, depth: u32) -> Program {
        let mut command = Command::new(path);
        let command = command.arg(depth.to_string());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut program = Program {
            child,
            input,
            output,
        };
        program.await_quiet();
        program
    }

    fn go_on(&mut self) {
        self.input.write_all(b"\n").expect("it waits for this");
        self.await_quiet();
    }

    fn await_quiet(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it says so");
        assert!(line.starts_with("quiet"), "{line}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
