//! States for the tests of the screen: four processes, and one of them in full.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::analysis::glance::{Glance, Reading};
use crate::analysis::leaks::class::Class;
use crate::analysis::watch::Watched;
use crate::frontend::terminal::news::{Leaks, News, ProcessRow, SiteRow, Sites};
use crate::frontend::terminal::state::State;
use crate::history::State as Life;
use crate::report::{Estimate, Frame, Stack, Unit};
use crate::session::Followed;

const MIB: f64 = 1_048_576.0;

/// Three processes that run, the second of which leaks, and one that was killed.
pub(in crate::frontend::terminal) fn processes() -> State {
    let mut state = State::new(true);
    let leaks = |sites, bytes_per_second| {
        Some(Leaks {
            sites,
            bytes_per_second,
        })
    };
    state.take(News::Processes(vec![
        process(100, "redis-server", 12.5, 2048.0, leaks(1, 1900.0)),
        process(200, "\u{1b}[2Jcc1plus", 300.0, -5.0 * MIB, leaks(0, 0.0)),
        process(300, "python3", 0.75, 0.0, None),
        ProcessRow {
            followed: Followed {
                change_per_second: None,
                allocated_per_second: None,
                ..process(400, "crashed", 64.0, 0.0, None).followed
            },
            leaks: None,
        }
        .ended(),
    ]));
    state
}

/// The second of them in full: one call stack of each kind, of which the last has no names yet.
pub(in crate::frontend::terminal) fn opened() -> State {
    let mut state = processes();
    let path = PathBuf::from("100-1-0.seg");
    state.open(path.clone());
    let rows = vec![
        site(1, 10.0, 0.0, 0.0, Class::StartupResident),
        site(2, 2.0, 1900.0, 4096.0, Class::Leak),
        site(3, 0.5, -100.0, 30.0 * MIB, Class::Churn),
    ];
    state.take(News::Sites(Box::new(Sites {
        path: path.clone(),
        curve: vec![
            (0.0, 0.0),
            (30.0, 8.0 * MIB),
            (60.0, 4.0 * MIB),
            (90.0, 12.5 * MIB),
        ],
        window_seconds: Some(60.0),
        is_complete: true,
        rows,
        all: 3,
    })));
    let start = call("fill_table", "src/table.c", 12, "redis-server");
    let read = call("read_line", "src/reader.c", 345, "redis-server");
    let main = call("main", "src/main.c", 7, "redis-server");
    let libc = Frame {
        function: None,
        module: Some("/lib/libc.so.6".into()),
        offset: Some(0x271ca),
        ..Frame::default()
    };
    state.take(News::Names {
        path,
        stacks: vec![
            (1, Stack::from_iter([start, main.clone(), libc.clone()])),
            (2, Stack::from_iter([read, main, libc])),
        ],
    });
    state
}

impl ProcessRow {
    fn ended(mut self) -> ProcessRow {
        self.followed.glance.state = Life::Killed;
        self.followed.glance.is_alive = false;
        self
    }
}

fn process(
    pid: u32,
    program: &str,
    live_mib: f64,
    change: f64,
    leaks: Option<Leaks>,
) -> ProcessRow {
    let live = live_mib * MIB;
    ProcessRow {
        followed: Followed {
            glance: Glance {
                path: PathBuf::from(format!("{pid}-1-0.seg")),
                pid,
                program: program.to_owned(),
                state: Life::Running,
                is_alive: true,
                age_ns: Some(90_000_000_000),
                live: Estimate::sampled(live, live * 0.9, live * 1.25, Unit::Bytes),
                reading: Reading::default(),
                interval: "512 KiB".to_owned(),
                losses: u64::from(pid == 200) * 3,
                own_cost_percent: Some(0.42),
            },
            change_per_second: Some(change),
            allocated_per_second: Some(live / 10.0),
        },
        leaks,
    }
}

fn site(row: u64, live_mib: f64, growth: f64, allocated: f64, verdict: Class) -> SiteRow {
    let live = live_mib * MIB;
    let growth = Estimate::sampled(growth, growth - 500.0, growth + 500.0, Unit::BytesPerSecond);
    SiteRow {
        row,
        watched: Watched {
            site: row as usize,
            live: Estimate::sampled(live, live * 0.8, live * 1.5, Unit::Bytes),
            live_objects: Estimate::exact(live / 1024.0, Unit::Count),
            growth: Some(growth),
            allocated_per_second: Some(allocated),
            verdict,
            leak: (verdict == Class::Leak).then_some(growth),
        },
    }
}

fn call(function: &str, file: &str, line: u32, module: &str) -> Frame {
    Frame {
        function: Some(function.into()),
        file: Some(file.into()),
        line: Some(line),
        module: Some(module.into()),
        ..Frame::default()
    }
}
