//! Reads the heap profile of a running Go program again and again, for `scripts/bench go`, which
//! asks the program meanwhile how fast it is: `go_reader PID PAUSE_MS`.
//!
//! It prints a line when it begins; at the end of its input it prints how often it read, and how
//! long that took at the median and at most, nanoseconds.

#![forbid(unsafe_code)]

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use memshim_reader::source::go::Process;

/// As `run` does it.
const RATE: u64 = 64 << 10;

static IS_OVER: AtomicBool = AtomicBool::new(false);

fn main() {
    // cargo adds `--bench` behind them.
    let numbers = std::env::args().skip(1).map_while(|text| text.parse().ok());
    let [pid, pause_ms] = numbers.collect::<Vec<u64>>()[..] else {
        println!("go_reader PID PAUSE_MS, by scripts/bench go");
        return;
    };
    let mut process = Process::open(pid as u32).expect("a Go program");
    if process.rate().expect("it runs") == 0 {
        process.enable(RATE, false).expect("it may be written to");
    }
    process.read_out().expect("it can be read");
    println!("ready");
    let reader = std::thread::current();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        // Relaxed: nothing else is handed over.
        IS_OVER.store(true, Ordering::Relaxed);
        reader.unpark();
    });
    let mut taken = Vec::new();
    while !IS_OVER.load(Ordering::Relaxed) {
        let begin = Instant::now();
        process.read_out().expect("it can be read");
        taken.push(begin.elapsed().as_nanos());
        if pause_ms > 0 {
            std::thread::park_timeout(Duration::from_millis(pause_ms));
        }
    }
    taken.sort_unstable();
    let longest = taken.last().copied().unwrap_or(0);
    let median = taken.get(taken.len() / 2).copied().unwrap_or(0);
    println!("{} {median} {longest}", taken.len());
}
