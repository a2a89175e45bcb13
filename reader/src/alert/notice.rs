//! What is told: the facts of one alert, as JSON and as environment variables.

#![forbid(unsafe_code)]

use serde::Serialize;

use crate::alert::kind::{Level, Scale};
use crate::alert::rules::Rule;
use crate::alert::words::Told;

/// The name and version of the JSON form; the number rises when a reader of it could break.
pub const SCHEMA: &str = "memshim.alert/1";

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum News {
    /// The condition has held for long enough, or the moment has come.
    Firing,
    /// It has been over for long enough.
    Resolved,
    /// Somebody tries whether it arrives.
    Trial,
}

/// Where the memory is, as far as one call stack tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Culprit {
    /// The process.
    pub pid: u32,
    /// The function that one can change.
    pub function: String,
    /// Function names, the innermost first.
    pub stack: Vec<String>,
    /// Live bytes of this call stack.
    pub live_bytes: f64,
    /// How fast they grow, where that is known.
    pub bytes_per_second: Option<f64>,
}

/// One telling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The rule's name.
    pub alert: String,
    /// The kind's name.
    pub kind: &'static str,
    /// Why it is told.
    pub state: News,
    /// How bad it is.
    pub severity: String,
    /// One line for people.
    pub summary: String,
    /// What it means and what to do.
    pub description: String,
    /// The machine.
    pub host: String,
    /// The program.
    pub program: String,
    /// Its processes that live, those with most live bytes first.
    pub pids: Vec<u32>,
    /// What was measured, in `unit`; `null` where it has no end.
    pub value: f64,
    /// What it was measured against.
    pub threshold: Option<f64>,
    /// `bytes`, `bytes_per_day`, `times`, `ns`, `percent` or `percent_of_limit`.
    pub unit: &'static str,
    /// Since when it holds, ns since the Unix epoch.
    pub since_unix_ns: u64,
    /// The moment it is told of, ns since the Unix epoch.
    pub unix_ns: u64,
    /// Where the recording is.
    pub recording: String,
    /// Where the memory is.
    pub culprit: Option<Culprit>,
}

/// When and where an alert holds.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Processes that live.
    pub pids: &'a [u32],
    /// Since when, ns since the Unix epoch.
    pub since_unix_ns: u64,
    /// Now, ns since the Unix epoch.
    pub unix_ns: u64,
    /// Where the recording is.
    pub recording: &'a str,
}

impl Notice {
    /// What a rule has to tell.
    pub fn new(
        rule: &Rule,
        news: News,
        told: &Told<'_>,
        place: Place<'_>,
        culprit: Option<Culprit>,
    ) -> Notice {
        let kind = rule.kind;
        let pid = culprit.as_ref().map(|culprit| culprit.pid);
        let pid = pid.or(place.pids.first().copied());
        let description = match pid {
            Some(pid) => kind.description().replace("PID", &pid.to_string()),
            None => kind.description().to_owned(),
        };
        let summary = match news {
            News::Firing => kind.summary(told),
            News::Resolved => format!("over: {} of {} on {}", rule.name, told.program, told.host),
            News::Trial => format!(
                "a trial of {} on {}; nothing is wrong",
                rule.name, told.host
            ),
        };
        Notice {
            schema: SCHEMA,
            alert: rule.name.clone(),
            kind: kind.word(),
            state: news,
            severity: rule.severity.clone(),
            summary,
            description,
            host: told.host.to_owned(),
            program: told.program.to_owned(),
            pids: place.pids.to_vec(),
            value: told.value.number(),
            threshold: told.threshold.map(Level::number),
            unit: unit(kind.usual().scale, told.value),
            since_unix_ns: place.since_unix_ns,
            unix_ns: place.unix_ns,
            recording: place.recording.to_owned(),
            culprit,
        }
    }

    /// All facts as one line of JSON.
    pub fn json(&self) -> String {
        // Numbers and texts always have a form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The facts that a script wants, as names and values.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let state = match self.state {
            News::Firing => "firing",
            News::Resolved => "resolved",
            News::Trial => "trial",
        };
        let culprit = self.culprit.as_ref();
        let pid = culprit.map(|culprit| culprit.pid);
        let pid = pid.or(self.pids.first().copied());
        let texts = [
            ("MEMSHIM_ALERT", self.alert.clone()),
            ("MEMSHIM_ALERT_KIND", self.kind.to_owned()),
            ("MEMSHIM_ALERT_STATE", state.to_owned()),
            ("MEMSHIM_ALERT_SEVERITY", self.severity.clone()),
            ("MEMSHIM_ALERT_SUMMARY", self.summary.clone()),
            ("MEMSHIM_ALERT_DESCRIPTION", self.description.clone()),
            ("MEMSHIM_ALERT_PROGRAM", self.program.clone()),
            (
                "MEMSHIM_ALERT_PID",
                pid.map(|pid| pid.to_string()).unwrap_or_default(),
            ),
            ("MEMSHIM_ALERT_VALUE", self.value.to_string()),
            ("MEMSHIM_ALERT_UNIT", self.unit.to_owned()),
            (
                "MEMSHIM_ALERT_FUNCTION",
                culprit.map(|it| it.function.clone()).unwrap_or_default(),
            ),
            ("MEMSHIM_ALERT_RECORDING", self.recording.clone()),
        ];
        // A zero byte ends a variable, and a program's name may hold one.
        let clean = |(name, text): (&'static str, String)| (name, text.replace('\0', ""));
        texts.into_iter().map(clean).collect()
    }
}

fn unit(scale: Scale, value: Level) -> &'static str {
    match (scale, value) {
        (_, Level::ShareOfLimit(_)) => "percent_of_limit",
        (Scale::BytesPerDay, _) => "bytes_per_day",
        (Scale::Times, _) => "times",
        (Scale::BytesOrShare | Scale::Event, _) => "bytes",
        (Scale::TimeLeft, _) => "ns",
        (Scale::Percent, _) => "percent",
    }
}
