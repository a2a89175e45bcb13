//! Alerts for people without Prometheus: rules over what a recorder sees, and telling of them.
//!
//! ```text
//!  segments ─► watch ─► series of each program ─► measure ─► standing ─► notice ─► deliver
//!                            ▲                                  │                  command, webhook
//!                     past: the recording              kept: alerts.json
//! ```
//!
//! The recorder calls [`Alerts::look`] after each of its own looks; everything that could wait for
//! somebody happens in the threads of [`deliver`].

#![forbid(unsafe_code)]

pub mod deliver;
pub mod kept;
pub mod kind;
pub mod measure;
pub mod notice;
mod past;
pub mod rules;
pub mod series;
pub mod standing;
pub mod trial;
pub mod watch;
pub mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::recording::Recording;
use crate::run::say;
use crate::source::directory::Found;

use deliver::Delivery;
use kept::Kept;
use kind::{Kind, Level};
use measure::Measured;
use notice::{News, Notice, Place};
use rules::Rules;
use standing::{Change, Standing};
use watch::Watch;
use words::Told;

/// After a look that took so long comes a pause of so many times that, which keeps alerts at two
/// percent of a core however many processes there are, but never so long that alerts come late.
const PAUSE: u32 = 50;
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// How long what is still to be told may take when the recorder ends.
const GRACE: Duration = Duration::from_secs(10);

/// The alerts of one recorder.
pub struct Alerts {
    rules: Rules,
    directory: PathBuf,
    host: String,
    watch: Watch,
    standing: BTreeMap<(String, String), Standing>,
    delivery: Delivery,
    due: Instant,
    kept: Kept,
    is_keeping_said: bool,
}

/// One process that passed a mark or was ended.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Which kind of rule it is for.
    pub kind: Kind,
    /// Whose heap it is.
    pub program: &'a str,
    /// The process.
    pub pid: u32,
    /// Where its segment is.
    pub segment: &'a Path,
    /// Live bytes.
    pub live_bytes: u64,
    /// The mark or limit, bytes.
    pub limit_bytes: u64,
    /// What happened, as a phrase.
    pub detail: &'a str,
}

impl Alerts {
    /// Alerts by these rules about what is recorded in `directory`; they go on where those of an
    /// earlier recorder ended.
    pub fn begin(rules: Rules, directory: &Path, before: Option<&Recording>) -> Alerts {
        let mut delivery = Delivery::begin(&rules.actions);
        let kept = Kept::read(directory).unwrap_or_default();
        delivery.go_on_from(&kept.actions);
        let mut standing = BTreeMap::new();
        for one in &kept.standing {
            // A rule that the file has no more has nobody to be told by.
            if rules.alerts.iter().any(|rule| rule.name == one.alert) {
                let key = (one.alert.clone(), one.program.clone());
                standing.insert(key, one.clone());
            }
        }
        Alerts {
            rules,
            directory: directory.to_path_buf(),
            host: host(),
            watch: Watch::begin(before),
            standing,
            delivery,
            due: Instant::now(),
            kept,
            is_keeping_said: false,
        }
    }

    /// Looks at the processes, and tells what is to be told.
    pub fn look(&mut self, found: &[Found], now_unix_ns: u64) {
        let begun = Instant::now();
        if begun < self.due {
            return;
        }
        self.watch.look(found, &self.rules.alerts, now_unix_ns);
        for place in 0..self.rules.alerts.len() {
            if !self.rules.alerts[place].kind.is_moment() {
                self.look_by(place, now_unix_ns);
            }
        }
        self.keep();
        self.due = Instant::now() + (begun.elapsed() * PAUSE).min(PAUSE_MOST);
    }

    /// Takes one rule to every program that it is about.
    fn look_by(&mut self, place: usize, now: u64) {
        let rule = &self.rules.alerts[place];
        let mut changes = Vec::new();
        for (name, program) in self.watch.programs() {
            if !rule.is_about(name) {
                continue;
            }
            let measured = measure::measure(rule, &program.series, &program.lost);
            let measured = measured.filter(|_| program.is_alive);
            let key = (rule.name.clone(), name.clone());
            let standing = self.standing.entry(key);
            let standing = standing.or_insert_with(|| Standing::new(rule, name));
            if let Some(change) = standing.step(rule, measured.as_ref(), now) {
                changes.push((name.clone(), measured, change));
            }
        }
        for (name, measured, change) in changes {
            self.tell(place, &name, measured.as_ref(), change, now);
        }
    }

    fn tell(
        &mut self,
        place: usize,
        program: &str,
        measured: Option<&Measured>,
        change: Change,
        now: u64,
    ) {
        let rule = &self.rules.alerts[place];
        let (news, is_told) = match change {
            Change::Fired { is_told } => (News::Firing, is_told),
            Change::Resolved { is_told } => (News::Resolved, is_told),
        };
        let watched = self.watch.programs().find(|(name, _)| *name == program);
        let processes = watched.map_or(&[][..], |(_, program)| &program.processes);
        let pids: Vec<u32> = processes.iter().map(|(pid, _)| *pid).collect();
        let largest = processes
            .first()
            .filter(|_| news == News::Firing && is_told);
        let culprit = largest.and_then(|(_, path)| self.watch.culprit(rule.kind, path));
        let standing = self.standing.get(&(rule.name.clone(), program.to_owned()));
        let since = standing.and_then(|it| it.since_unix_ns.or(it.told_unix_ns));
        let told = Told {
            program,
            host: &self.host,
            value: measured.map_or(Level::Number(0.0), |it| it.value),
            threshold: rule.level,
            detail: measured.map_or("", |it| it.detail.as_str()),
        };
        let recording = self.directory.to_string_lossy();
        let at = Place {
            pids: &pids,
            since_unix_ns: since.unwrap_or(now),
            unix_ns: now,
            recording: &recording,
        };
        let notice = Notice::new(rule, news, &told, at, culprit);
        self.hand(place, program, notice, is_told);
    }

    /// Tells of one moment, at most once in a while for each program.
    pub fn event(&mut self, event: &Event<'_>, now: u64) {
        let rules = self.rules.alerts.iter().enumerate();
        let about = rules.filter(|(_, rule)| rule.kind == event.kind);
        let places: Vec<usize> = about
            .filter(|(_, rule)| rule.is_about(event.program))
            .map(|(place, _)| place)
            .collect();
        for place in places {
            let rule = &self.rules.alerts[place];
            let key = (rule.name.clone(), event.program.to_owned());
            let standing = self.standing.entry(key);
            let standing = standing.or_insert_with(|| Standing::new(rule, event.program));
            standing.looked_unix_ns = now;
            let is_told = standing.tell(rule, now);
            let culprit = is_told
                .then(|| self.watch.culprit(rule.kind, event.segment))
                .flatten();
            let told = Told {
                program: event.program,
                host: &self.host,
                value: Level::Number(event.live_bytes as f64),
                threshold: Some(Level::Number(event.limit_bytes as f64)),
                detail: event.detail,
            };
            let recording = self.directory.to_string_lossy();
            let at = Place {
                pids: &[event.pid],
                since_unix_ns: now,
                unix_ns: now,
                recording: &recording,
            };
            let notice = Notice::new(rule, News::Firing, &told, at, culprit);
            self.hand(place, event.program, notice, is_told);
        }
        self.keep();
    }

    /// Says it in the recorder's own log, and to whom the rule means.
    fn hand(&mut self, place: usize, program: &str, notice: Notice, is_told: bool) {
        let rule = &self.rules.alerts[place];
        let key = (rule.name.clone(), program.to_owned());
        if let Some(standing) = self.standing.get_mut(&key)
            && notice.state == News::Firing
        {
            standing.summary.clone_from(&notice.summary);
        }
        if is_told {
            say(&format!("{} [{}]", notice.summary, rule.name));
            self.delivery.hand(&Arc::new(notice), &rule.actions);
        }
    }

    /// Keeps the state where it changed.
    fn keep(&mut self) {
        let standing = self.standing.values().filter(|it| !it.is_quiet());
        let kept = Kept::new(standing.cloned().collect(), self.delivery.tallies());
        if kept == self.kept {
            return;
        }
        match kept.write(&self.directory) {
            Ok(()) => {
                self.kept = kept;
                self.is_keeping_said = false;
            }
            // A full disk takes nobody's alerts away, but the memory of them.
            Err(error) if !self.is_keeping_said => {
                self.is_keeping_said = true;
                say(&format!(
                    "cannot keep the state of alerts in {}: {error}",
                    self.directory.display()
                ));
            }
            Err(_) => {}
        }
    }

    /// Lets what is to be told be told, for some seconds, and keeps the state.
    pub fn end(&mut self) {
        self.delivery.end(GRACE);
        self.keep();
    }
}

/// What the machine is called.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}
