//! Looks at the processes and says what each program has, and had since the last look.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::alert::kind::Kind;
use crate::alert::notice::Culprit;
use crate::alert::rules::Rule;
use crate::alert::series::{Sample, Series};
use crate::analysis::Question;
use crate::metrics::{Counters, Figures, Place};
use crate::recording::Recording;
use crate::report::{Section, Stack, Value};
use crate::serve::question;
use crate::session::{Request, Session};
use crate::source::directory::{Found, Name};
use crate::source::limit;
use crate::source::process::{Liveness, liveness};

/// Programs that are watched; more than that on one machine are left out, and that is said.
const PROGRAMS_MAX: usize = 200;

/// Frames of a stack that are told.
const FRAMES_MAX: usize = 12;

/// Losses that say nothing about the figures: properties of the program's code.
const HARMLESS: [&str; 2] = ["reentrant_calls", "frees_missed"];

/// All programs that were seen.
pub struct Watch {
    request: Request,
    leaks: Box<dyn Question>,
    before: HashMap<Name, Before>,
    programs: BTreeMap<String, Program>,
    looked_unix_ns: Option<u64>,
}

/// What a process had counted at the last look.
#[derive(Debug, Clone)]
struct Before {
    allocated_bytes: f64,
    own_seconds: f64,
    program_seconds: f64,
    losses: BTreeMap<&'static str, f64>,
}

/// One program.
#[derive(Default)]
pub struct Program {
    /// Its day.
    pub series: Series,
    /// Its living processes, those with most live bytes first, and where their segments are.
    pub processes: Vec<(u32, PathBuf)>,
    /// What it lost since the last look, by name.
    pub lost: String,
    /// Whether the last look found a living process of it.
    pub is_alive: bool,
}

/// What a look adds up for one program.
#[derive(Default)]
struct Sum {
    sample: Sample,
    processes: Vec<(f64, u32, PathBuf)>,
    lost: BTreeSet<&'static str>,
}

impl Watch {
    /// Nothing was looked at yet; what a recording knows of the day before is.
    pub fn begin(recording: Option<&Recording>) -> Watch {
        let mut watch = Watch {
            request: Request {
                without_symbols: true,
                ..Request::default()
            },
            leaks: question("leaks", &["--verdict=leak", "--verdict=growing-container"]),
            before: HashMap::new(),
            programs: BTreeMap::new(),
            looked_unix_ns: None,
        };
        if let Some(recording) = recording {
            watch.programs = crate::alert::past::programs(recording);
        }
        watch
    }

    /// Looks at all of these that live.
    pub fn look(&mut self, found: &[Found], rules: &[Rule], now: u64) {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        let mut seen = HashMap::new();
        let needs_limit = rules.iter().any(|rule| rule.kind == Kind::LiveAbove);
        let is_alive = |it: &&Found| liveness(it.name.pid, it.name.start_time) != Liveness::Dead;
        for found in found.iter().filter(is_alive) {
            // One that is just starting, ended or cannot be read has nothing to say now; the
            // recorder tells of those that it cannot read.
            let Ok(mut session) = Session::open(&found.path, &self.request) else {
                continue;
            };
            let figures = Figures::of(&mut session, &*self.leaks, 0);
            if !figures.is_alive {
                continue;
            }
            let sum = sums.entry(figures.program.clone()).or_default();
            let before = self.before.get(&found.name);
            // A process that was not there at the last look did all that it did since then.
            sum.add(&figures, before, self.looked_unix_ns.is_some());
            if needs_limit {
                sum.add_limit(&figures);
            }
            let place = (figures.live_bytes, figures.pid, found.path.clone());
            sum.processes.push(place);
            seen.insert(found.name, Before::of(&figures.counters));
        }
        self.before = seen;
        let time_ns = self.looked_unix_ns.map(|then| now.saturating_sub(then));
        self.looked_unix_ns = Some(now);
        self.take(sums, now, time_ns.unwrap_or(0));
    }

    fn take(&mut self, sums: BTreeMap<String, Sum>, now: u64, time_ns: u64) {
        for program in self.programs.values_mut() {
            program.is_alive = false;
            program.processes.clear();
        }
        for (name, mut sum) in sums {
            if self.programs.len() >= PROGRAMS_MAX && !self.programs.contains_key(&name) {
                continue;
            }
            let program = self.programs.entry(name).or_default();
            sum.processes
                .sort_by(|left, right| right.0.total_cmp(&left.0));
            let places = sum.processes.into_iter();
            program.processes = places.map(|(_, pid, path)| (pid, path)).collect();
            program.is_alive = true;
            let lost: Vec<&str> = sum.lost.into_iter().collect();
            if !lost.is_empty() {
                program.lost = lost.join(", ");
            }
            program.series.push(Sample {
                unix_ns: now,
                time_ns,
                ..sum.sample
            });
        }
    }

    /// Every program that was seen, those that are gone included.
    pub fn programs(&self) -> impl Iterator<Item = (&String, &Program)> {
        self.programs.iter()
    }

    /// Where the memory is that a kind of alert is about, with names; it reads files of symbols.
    pub fn culprit(&self, kind: Kind, path: &Path) -> Option<Culprit> {
        let mut session = Session::open(path, &Request::default()).ok()?;
        match kind {
            Kind::LeakSuspected => self.grown(&mut session, "leak"),
            Kind::ContainerGrowing => self.grown(&mut session, "growing-container"),
            Kind::LosingData | Kind::TooExpensive | Kind::AllocationJump => None,
            _ => self
                .grown(&mut session, "leak")
                .or_else(|| largest(&mut session)),
        }
    }

    /// The call stack that grows fastest among those with a verdict.
    fn grown(&self, session: &mut Session, verdict: &str) -> Option<Culprit> {
        let pid = session.history().process.identity.pid;
        let report = session.ask(&Request::default(), &*self.leaks);
        let table = report.section("leaks").and_then(Section::table)?;
        let cell = |row: &[Value], key: &str| row.get(table.index(key)?).cloned();
        let number = |row: &[Value], key: &str| cell(row, key).and_then(|it| it.number());
        let is_wanted = |row: &&Vec<Value>| matches!(cell(row, "verdict"), Some(Value::Text(text)) if text == verdict);
        let rate = |row: &[Value]| number(row, "rate_bytes_per_second").unwrap_or(0.0);
        let wanted = table.rows.iter().filter(is_wanted);
        let worst = wanted.max_by(|left, right| rate(left).total_cmp(&rate(right)))?;
        let Some(Value::Stack(stack)) = cell(worst, "stack") else {
            return None;
        };
        Some(Culprit {
            pid,
            function: Place::of(&stack).function,
            stack: labels(&stack),
            live_bytes: number(worst, "live_bytes").unwrap_or(0.0),
            bytes_per_second: Some(rate(worst)),
        })
    }
}

/// The call stack with most live bytes.
fn largest(session: &mut Session) -> Option<Culprit> {
    let pid = session.history().process.identity.pid;
    let sites = &session.history().sites.all;
    let live = |index: &usize| sites[*index].live().bytes;
    let index = (0..sites.len()).max_by_key(live)?;
    let live_bytes = live(&index) as f64;
    let stack = session.stacks_of(&[index]).into_iter().next()?;
    Some(Culprit {
        pid,
        function: Place::of(&stack).function,
        stack: labels(&stack),
        live_bytes,
        bytes_per_second: None,
    })
}

fn labels(stack: &Stack) -> Vec<String> {
    let frames = stack.0.iter().take(FRAMES_MAX);
    frames.map(|frame| frame.label()).collect()
}

impl Before {
    fn of(counters: &Counters) -> Before {
        let counted =
            |name: &&'static str| !name.starts_with("stacks_") && !HARMLESS.contains(name);
        let losses = counters.losses.iter();
        Before {
            allocated_bytes: counters.allocated_bytes,
            own_seconds: counters.own_seconds,
            program_seconds: counters.program_seconds,
            losses: losses
                .filter(|(name, _)| counted(name))
                .map(|(name, count)| (*name, *count))
                .collect(),
        }
    }
}

impl Sum {
    fn add(&mut self, figures: &Figures, before: Option<&Before>, is_later_look: bool) {
        let sample = &mut self.sample;
        sample.live_bytes += figures.live_bytes;
        sample.resident_bytes += figures.resident.map_or(0.0, |it| it.bytes() as f64);
        let left = figures.left_bytes.map(|bytes| bytes as f64);
        sample.left_bytes = match (sample.left_bytes, left) {
            (Some(known), Some(left)) => Some(known.min(left)),
            (known, left) => known.or(left),
        };
        for grown in &figures.growing {
            match grown.verdict.as_str() {
                "leak" => sample.leak_rate += grown.bytes_per_second,
                _ => sample.container_rate += grown.bytes_per_second,
            }
        }
        if before.is_none() && !is_later_look {
            return;
        }
        let now = Before::of(&figures.counters);
        let more = |figure: fn(&Before) -> f64| {
            let then = before.map_or(0.0, figure);
            (figure(&now) - then).max(0.0)
        };
        sample.allocated_bytes += more(|it| it.allocated_bytes);
        sample.own_seconds += more(|it| it.own_seconds);
        sample.program_seconds += more(|it| it.program_seconds);
        for (name, count) in &now.losses {
            let then = before.and_then(|it| it.losses.get(name)).unwrap_or(&0.0);
            if count > then {
                sample.losses += count - then;
                self.lost.insert(name);
            }
        }
    }

    fn add_limit(&mut self, figures: &Figures) {
        let Some(limit) = limit::of(figures.pid) else {
            return;
        };
        let percent = figures.live_bytes / limit.limit_bytes.max(1) as f64 * 100.0;
        let most = self
            .sample
            .limit_percent
            .map_or(percent, |it| it.max(percent));
        self.sample.limit_percent = Some(most);
    }
}
