//! The figures of one process, from one reading of its segment.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use crate::analysis::Question;
use crate::history::{History, Site, SiteIndex, State, Sum};
use crate::metrics::{Counters, Place};
use crate::report::{Report, Table, Value};
use crate::session::{Request, Session};
use crate::source::go::preloaded;
use crate::source::go::vitals::Vitals;
use crate::source::limit;
use crate::source::resident::{self, Resident};

/// What is known of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The process.
    pub pid: u32,
    /// The name of its program, which may hold any character.
    pub program: String,
    /// Whether this is the Go heap of a process of which other figures tell what C allocates, and
    /// all that belongs to the process as a whole.
    pub is_beside: bool,
    /// Where it is in its life, as reports say it.
    pub state: &'static str,
    /// Whether it runs, and still as this program.
    pub is_alive: bool,
    /// How long it has lived, ns.
    pub age_ns: Option<u64>,
    /// What only rises.
    pub counters: Counters,
    /// Bytes in live blocks.
    pub live_bytes: f64,
    /// Live blocks.
    pub live_objects: f64,
    /// Bytes in live blocks when they were the most.
    pub peak_bytes: f64,
    /// What of it is in memory, while it is alive.
    pub resident: Option<Resident>,
    /// Memory that it may use yet, of the limit that it will meet first, while it is alive.
    pub left_bytes: Option<u64>,
    /// What its Go runtime says of itself, while it is alive.
    pub go: Option<Vitals>,
    /// Mean bytes between two samples; 1 where all are recorded.
    pub interval_bytes: f64,
    /// Bytes that its segment takes.
    pub segment_bytes: f64,
    /// Places in the segment that cannot be right.
    pub issues: f64,
    /// The sites with most live bytes, largest first.
    pub largest: Vec<Kept>,
    /// The sites that leak or grow, as `leaks` has them.
    pub growing: Vec<Grown>,
}

/// What lives of one site.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The site.
    pub place: Place,
    /// Its live bytes.
    pub live_bytes: f64,
    /// Its live blocks.
    pub live_objects: f64,
}

/// One site that leaks or grows.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    /// The site.
    pub place: Place,
    /// `leak` or `growing-container`.
    pub verdict: String,
    /// Its live bytes.
    pub live_bytes: f64,
    /// How fast they grow.
    pub bytes_per_second: f64,
}

impl Figures {
    /// The figures of an open session, with the `sites_max` largest sites; `leaks` is the question
    /// which sites leak or grow.
    pub fn of(session: &mut Session, leaks: &dyn Question, sites_max: usize) -> Figures {
        let is_alive = session.history().process.state == State::Running;
        // What a process that ended still held is nobody's memory any more.
        let (largest, growing) = match is_alive {
            true => (
                largest(session, sites_max),
                growing(&session.ask(&Request::default(), leaks)),
            ),
            false => Default::default(),
        };
        let history = session.history();
        let live: Sum = history.sites.all.iter().map(Site::live).sum();
        let held = |figure: f64| if is_alive { figure } else { 0.0 };
        let identity = &history.process.identity;
        Figures {
            pid: identity.pid,
            program: identity.program().to_owned(),
            is_beside: false,
            state: history.process.state.name(),
            is_alive,
            age_ns: history.age_ns(history.clock.start_ticks),
            counters: Counters::of(history),
            live_bytes: held(live.bytes as f64),
            live_objects: held(live.objects()),
            peak_bytes: history.peak.bytes as f64,
            resident: is_alive.then(|| resident::of(identity.pid)).flatten(),
            left_bytes: is_alive
                .then(|| limit::of(identity.pid))
                .flatten()
                .map(|limit| limit.left_bytes()),
            go: identity.go.filter(|_| is_alive).map(|go| go.vitals),
            interval_bytes: history.intervals.now().bytes().unwrap_or(1) as f64,
            segment_bytes: history.stored_bytes as f64,
            issues: issues(history),
            largest,
            growing,
        }
    }

    /// Leaves what belongs to the process as a whole to the figures of its other heap.
    pub fn stand_beside(&mut self) {
        self.is_beside = true;
        self.resident = None;
        self.left_bytes = None;
        self.counters.program_seconds = 0.0;
    }

    /// The program, and which heap of it this is where it has two.
    pub fn label(&self) -> Cow<'_, str> {
        preloaded::label(&self.program, self.is_beside)
    }

    /// Bytes a second by which all that leaks or grows here grows.
    pub fn growth_bytes_per_second(&self) -> f64 {
        let rates = self.growing.iter().map(|site| site.bytes_per_second);
        // The sum of nothing would be minus zero.
        rates.fold(0.0, |sum, rate| sum + rate)
    }
}

fn issues(history: &History) -> f64 {
    let all = crate::source::Issue::ALL.iter();
    let counts = all.map(|issue| history.issues.count(*issue));
    counts.map(|count| count as f64).sum()
}

fn largest(session: &mut Session, sites_max: usize) -> Vec<Kept> {
    let sites = &session.history().sites.all;
    let mut order: Vec<(u128, SiteIndex)> = sites
        .iter()
        .enumerate()
        .map(|(index, site)| (site.live().bytes, index))
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    order.sort_unstable_by(|left, right| right.cmp(left));
    order.truncate(sites_max);
    let indices: Vec<SiteIndex> = order.into_iter().map(|(_, index)| index).collect();
    let stacks = session.stacks_of(&indices);
    let sites = &session.history().sites.all;
    let kept = indices.iter().zip(&stacks).map(|(index, stack)| {
        let live = sites[*index].live();
        Kept {
            place: Place::of(stack),
            live_bytes: live.bytes as f64,
            live_objects: live.objects(),
        }
    });
    kept.collect()
}

/// The rows of the report on leaks, of which only those that leak or grow were asked for.
fn growing(report: &Report) -> Vec<Grown> {
    let table = report
        .section("leaks")
        .and_then(crate::report::Section::table);
    let Some(table) = table else {
        return Vec::new();
    };
    let rows = table.rows.iter();
    rows.filter_map(|row| Grown::of(table, row)).collect()
}

impl Grown {
    fn of(table: &Table, row: &[Value]) -> Option<Grown> {
        let cell = |key: &str| row.get(table.index(key)?);
        let number = |key: &str| cell(key).and_then(Value::number).unwrap_or(0.0);
        let Value::Text(verdict) = cell("verdict")? else {
            return None;
        };
        let Value::Stack(stack) = cell("stack")? else {
            return None;
        };
        Some(Grown {
            place: Place::of(stack),
            verdict: verdict.clone(),
            live_bytes: number("live_bytes"),
            bytes_per_second: number("rate_bytes_per_second"),
        })
    }
}
