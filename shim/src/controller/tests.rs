//! What the controller decides, and that its decisions leave every estimate unbiased.

#![forbid(unsafe_code)]

use super::*;

mod bias;

const BUDGET: u64 = 5_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A program that allocates at a steady speed, and what one of its samples costs.
#[derive(Clone, Copy)]
struct Load {
    bytes_per_cpu_ns: f64,
    sample_ns: f64,
    /// Look-ups in vain, as a share of the processor time, whatever the interval.
    strays: f64,
}

/// A process under the controller, seen from its outside.
struct Process {
    memory: Memory,
    now: Now,
    changes: u32,
    coarsest: Interval,
}

impl Process {
    fn new() -> Self {
        let now = Now {
            interval: FINEST,
            budget: BUDGET,
            total: Spending::default(),
            age_ns: 0,
            live: 0,
        };
        Self {
            memory: Control::default().memory(),
            now,
            changes: 0,
            coarsest: FINEST,
        }
    }

    /// Lets the program use processor time, with a look after every step of it.
    fn run(&mut self, load: Load, cpu_ns: u64, step_ns: u64) {
        for _ in 0..cpu_ns / step_ns {
            let interval_bytes = self.now.interval.bytes().expect("sampled") as f64;
            let cpu = step_ns as f64;
            let samples = cpu * load.bytes_per_cpu_ns / interval_bytes;
            self.now.total.cpu += step_ns;
            self.now.total.sampling += (samples * load.sample_ns) as u64;
            self.now.total.strays += (cpu * load.strays) as u64;
            self.pass(step_ns);
        }
    }

    /// Lets time pass, with a look at its end.
    fn pass(&mut self, ns: u64) {
        self.now.age_ns += ns;
        let next = self.memory.advance(&self.now);
        self.changes += u32::from(next != self.now.interval);
        self.coarsest = self.coarsest.max(next);
        self.now.interval = next;
    }

    fn kib(&self) -> u64 {
        self.now.interval.bytes().expect("sampled") >> 10
    }

    /// Its cost so far as a share of its processor time, in millionths.
    fn cost(&self) -> u64 {
        share(self.now.total.sampling, self.now.total.cpu)
    }
}

/// A load of so many megabytes in a second of processor time, at 3 us a sample.
fn megabytes(each_second: f64) -> Load {
    Load {
        bytes_per_cpu_ns: each_second / 1000.0,
        sample_ns: 3_000.0,
        strays: 0.0,
    }
}

#[test]
fn a_small_program_keeps_the_finest_interval() {
    let mut process = Process::new();
    process.run(megabytes(50.0), 10 * MS, MS / 10);
    assert_eq!(process.now.interval, FINEST);
}

#[test]
fn a_busy_program_is_coarse_within_ten_milliseconds() {
    let mut process = Process::new();
    process.run(megabytes(2_000.0), 10 * MS, MS / 2);
    assert!(process.kib() >= 128, "{} KiB", process.kib());
    assert!(process.now.total.sampling < 5 * MS);
}

#[test]
fn the_cost_of_a_steady_program_stays_under_its_budget() {
    for speed in [1.0, 10.0, 100.0, 1_000.0, 5_000.0] {
        let mut process = Process::new();
        process.run(megabytes(speed), 60 * SECOND, MS);
        assert!(process.cost() <= BUDGET, "{speed} MB/s: {}", process.cost());
    }
}

#[test]
fn an_interval_is_no_coarser_than_the_budget_demands() {
    for speed in [30.0, 100.0, 1_000.0, 5_000.0] {
        let mut process = Process::new();
        process.run(megabytes(speed), 60 * SECOND, MS);
        let enough = speed * 1e6 * 3_000.0 / (BUDGET as f64 / 1e6 * 1e9) / 1024.0;
        assert!(
            (process.kib() as f64) < 8.0 * enough,
            "{speed} MB/s: {} KiB, {enough} would do",
            process.kib()
        );
    }
}

#[test]
fn a_program_that_became_quiet_is_seen_finely_again() {
    let mut process = Process::new();
    process.run(megabytes(2_000.0), SECOND, MS);
    let busy = process.kib();
    process.run(megabytes(1.0), 600 * SECOND, 10 * MS);
    assert!(
        busy >= 256 && process.kib() <= 8,
        "{busy} {}",
        process.kib()
    );
}

#[test]
fn a_program_that_became_busy_is_coarse_again_within_milliseconds() {
    let mut process = Process::new();
    process.run(megabytes(1.0), 100 * SECOND, 10 * MS);
    assert_eq!(process.now.interval, FINEST);
    process.run(megabytes(2_000.0), 10 * MS, MS / 2);
    assert!(process.kib() >= 128, "{} KiB", process.kib());
}

#[test]
fn a_short_burst_of_a_quiet_program_changes_nothing() {
    let mut process = Process::new();
    process.run(megabytes(1.0), 10 * SECOND, 10 * MS);
    process.run(megabytes(100.0), 5 * MS, MS / 2);
    assert_eq!(process.now.interval, FINEST);
}

#[test]
fn a_year_of_phases_fits_into_the_history() {
    let mut process = Process::new();
    for hour in 0..24 * 365 {
        let speed = if hour % 10 == 0 { 3_000.0 } else { 0.01 };
        // Two seconds of work in each hour.
        process.run(megabytes(speed), 2 * SECOND, 20 * MS);
        process.pass(3_598 * SECOND);
    }
    assert!(process.changes >= 6, "{}", process.changes);
    assert!(
        process.changes < memshim_abi::header::INTERVAL_HISTORY as u32,
        "{} changes",
        process.changes
    );
}

#[test]
fn lookups_in_vain_alone_never_end_the_sampling() {
    let mut process = Process::new();
    let load = Load {
        strays: 0.1,
        ..megabytes(100.0)
    };
    process.run(load, 60 * SECOND, MS);
    let mut alone = Process::new();
    alone.run(megabytes(100.0), 60 * SECOND, MS);
    assert!(
        process.coarsest.exponent() <= alone.coarsest.exponent() + 4,
        "{:?} {:?}",
        process.coarsest,
        alone.coarsest
    );
}

#[test]
fn a_growing_heap_stays_within_its_memory() {
    let mut process = Process::new();
    let mut heap_bytes: u64 = 0;
    while heap_bytes < 10 << 30 {
        heap_bytes += 1 << 20;
        process.now.live += (1 << 20) / process.now.interval.bytes().expect("sampled");
        process.now.total.cpu += SECOND;
        process.pass(SECOND);
    }
    // 64 bytes a slot.
    assert!(process.now.live * 64 <= 9 << 20, "{}", process.now.live);
    assert!(process.kib() <= 1024, "{} KiB", process.kib());
}

#[test]
fn an_interval_that_is_full_of_live_blocks_is_not_refined() {
    let mut process = Process::new();
    process.now.interval = Interval::at_most(64 << 10);
    process.now.live = live_max(15) / 2;
    process.run(megabytes(0.0), 100 * SECOND, 100 * MS);
    assert_eq!(process.kib(), 64);
    process.now.live -= 1;
    process.run(megabytes(0.0), 200 * SECOND, 100 * MS);
    assert_eq!(process.kib(), 32);
}

#[test]
fn the_worst_numbers_are_no_trouble() {
    let huge = Spending {
        cpu: u64::MAX,
        sampling: u64::MAX,
        strays: u64::MAX,
    };
    for total in [Spending::default(), huge] {
        for numbers in [0, 1, u64::MAX] {
            let now = Now {
                interval: Interval::COARSEST,
                budget: numbers.min(MILLION),
                total,
                age_ns: numbers,
                live: numbers,
            };
            let mut memory = Control::default().memory();
            memory.advance(&now);
            assert!(memory.advance(&now) <= Interval::COARSEST);
            assert!(memory.balance_ns.abs() <= BURST_NS);
        }
    }
}

#[test]
fn what_is_remembered_is_what_was_known() {
    let control = Control::default();
    let mut memory = control.memory();
    assert_eq!(memory.balance_ns, BURST_NS);
    memory.balance_ns = -BURST_NS;
    memory.grain.cpu = 7;
    memory.changed.strays = 8;
    memory.changed_age_ns = 9;
    control.remember(&memory);
    assert_eq!(format!("{:?}", control.memory()), format!("{memory:?}"));
}
