//! What is remembered of an earlier digest, and what is different since.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::digest::Account;
use crate::digest::program::{Program, Version};
use crate::digest::row::Row;
use crate::error::Error;
use crate::output::format;
use crate::report::Estimate;

/// A peak or rate must become so many times larger to be worth a line.
const LARGER: f64 = 1.25;
const FASTER: f64 = 1.5;

/// Smaller heaps and rates than these change by such factors without meaning anything, bytes.
const PEAK_LEAST: f64 = 1_048_576.0;
const RATE_LEAST: f64 = 65_536.0;

/// What an earlier digest said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier {
    /// Its window, ns since the Unix epoch.
    pub window_unix_ns: (u64, u64),
    programs: BTreeMap<Version, Known>,
    /// The ends of the rate of each leak, by program and by what its stack is in every build.
    leaks: BTreeMap<(String, String), (f64, f64)>,
}

/// What is remembered of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Known {
    peak_bytes: f64,
    allocated_per_second: f64,
    killed: f64,
}

/// A leak is faster from so much of its rate before on: an exact rate has no interval, and a file has
/// it with one digit less.
const LEAKS_FASTER: f64 = 1.05;

/// How a leak stands to the earlier digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It was not there.
    New,
    /// It is faster than it was, beyond chance and by what matters.
    Worse,
    /// It was there.
    Known,
}

impl News {
    /// The stable name, as it stands in reports.
    pub fn name(self) -> &'static str {
        match self {
            News::New => "new",
            News::Worse => "faster",
            News::Known => "known",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The program that it is about.
    pub program: String,
    /// What changed: `version`, `leak`, `peak`, `allocation rate`, `killed`.
    pub what: &'static str,
    /// How it was, for people.
    pub before: String,
    /// How it is.
    pub now: String,
}

impl Earlier {
    /// What an account of an earlier window says; `None` where nothing was recorded in it.
    pub fn of(account: &Account<'_>) -> Option<Earlier> {
        let programs = account.programs.iter().map(|(version, program)| {
            let known = Known {
                peak_bytes: program.peak_bytes as f64,
                allocated_per_second: program.allocated_per_second().unwrap_or(0.0),
                killed: program.killed as f64,
            };
            (version.clone(), known)
        });
        let leaks = account.leaks.iter().filter_map(|row| {
            let rate = row.rate.map_or((0.0, 0.0), |rate| (rate.low, rate.high));
            Some((key(row)?, rate))
        });
        let window = account.window;
        let earlier = Earlier {
            window_unix_ns: (window.since_unix_ns, window.until_unix_ns),
            programs: programs.collect(),
            leaks: leaks.collect(),
        };
        (!earlier.programs.is_empty()).then_some(earlier)
    }

    /// Reads a digest that was written as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], and [`Error::Content`] where it is something else.
    pub fn read(path: &Path) -> Result<Earlier, Error> {
        let bytes = fs::read(path).map_err(Error::open(path))?;
        let wrong = |line: usize, problem: String| Error::Content {
            path: path.to_path_buf(),
            line,
            problem,
        };
        let json: Json = serde_json::from_slice(&bytes).map_err(|error| {
            let problem = format!("no digest: {error}; write one with --format json");
            wrong(error.line(), problem)
        })?;
        if json["report"] != "digest" {
            return Err(wrong(1, "no digest, but another report".to_owned()));
        }
        Ok(Earlier::of_json(&json))
    }

    fn of_json(json: &Json) -> Earlier {
        let section = |name: &str| {
            let sections = json["sections"].as_array().into_iter().flatten();
            sections
                .into_iter()
                .find(|section| section["name"] == name)
                .cloned()
                .unwrap_or_default()
        };
        let rows = |name: &str| {
            let rows = section(name)["rows"].as_array().cloned();
            rows.unwrap_or_default()
        };
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let facts = section("digest")["facts"].clone();
        let moment = |name: &str| facts[name].as_u64().unwrap_or(0);
        let programs = rows("programs").into_iter().map(|row| {
            let version = Version {
                program: text(&row["program"]),
                build_id: text(&row["build_id"]),
            };
            let known = Known {
                peak_bytes: number(&row["peak_bytes"]),
                allocated_per_second: number(&row["allocated_bytes_per_second"]),
                killed: number(&row["killed"]),
            };
            (version, known)
        });
        let leaks = rows("leaks").into_iter().map(|row| {
            let rate = &row["rate_bytes_per_second"];
            let key = (text(&row["program"]), text(&row["stack_id"]));
            (key, (number(&rate["low"]), number(&rate["high"])))
        });
        Earlier {
            window_unix_ns: (moment("since_unix_ns"), moment("until_unix_ns")),
            programs: programs.collect(),
            leaks: leaks.collect(),
        }
    }

    /// How a leak stands to what was known; of rows without names nothing can be said.
    pub fn news(&self, row: &Row) -> Option<News> {
        let known = self.leaks.get(&key(row)?);
        Some(match (known, row.rate) {
            (None, _) => News::New,
            (Some((_, high)), Some(rate)) if rate.low > LEAKS_FASTER * high => News::Worse,
            (Some(_), _) => News::Known,
        })
    }

    /// Everything that is different now, program by program.
    pub fn changes(&self, account: &Account<'_>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut names: Vec<&str> = account.programs.keys().map(|it| &*it.program).collect();
        names.dedup();
        for name in names {
            self.versions(name, account, &mut changes);
            let now = sum(account.programs.iter().filter(|(it, _)| it.program == name));
            let before = known(self.programs.iter().filter(|(it, _)| it.program == name));
            if let Some(before) = before {
                figures(name, before, now, &mut changes);
            }
            self.leaks(name, account, &mut changes);
        }
        changes
    }

    fn versions(&self, name: &str, account: &Account<'_>, changes: &mut Vec<Change>) {
        let before: Vec<&Version> = self
            .programs
            .keys()
            .filter(|it| it.program == name)
            .collect();
        let now = account.programs.keys().filter(|it| it.program == name);
        let new: Vec<&Version> = now.filter(|version| !before.contains(version)).collect();
        let builds = |versions: &[&Version]| {
            let builds = versions.iter().map(|it| match it.short_build() {
                "" => "no build-id",
                build => build,
            });
            builds.collect::<Vec<_>>().join(", ")
        };
        let (what, was) = match before.is_empty() {
            true => ("program", "not there".to_owned()),
            false => ("version", builds(&before)),
        };
        if !new.is_empty() {
            changes.push(Change {
                program: name.to_owned(),
                what,
                before: was,
                now: builds(&new),
            });
        }
    }

    fn leaks(&self, name: &str, account: &Account<'_>, changes: &mut Vec<Change>) {
        let own = || {
            account
                .leaks
                .iter()
                .filter(|row| row.version.program == name)
        };
        for row in own() {
            let Some(news) = self.news(row).filter(|news| *news != News::Known) else {
                continue;
            };
            let known = key(row).and_then(|key| self.leaks.get(&key));
            let before = known.map_or("none".to_owned(), |(low, high)| {
                let ends = [low, high].map(|end| format::bytes(*end));
                format!("{} to {} a second", ends[0], ends[1])
            });
            changes.push(Change {
                program: name.to_owned(),
                what: if news == News::New {
                    "new leak"
                } else {
                    "faster leak"
                },
                before,
                now: format!("{} in {}", rate_text(row.rate), row.function()),
            });
        }
        let gone = self.leaks.keys().filter(|(program, _)| program == name);
        let here: Vec<(String, String)> = own().filter_map(key).collect();
        let gone = gone.filter(|key| !here.contains(key)).count();
        if gone > 0 {
            changes.push(Change {
                program: name.to_owned(),
                what: "leaks gone",
                before: gone.to_string(),
                now: "none of them found".to_owned(),
            });
        }
    }
}

/// A rate for people.
pub fn rate_text(rate: Option<Estimate>) -> String {
    let Some(rate) = rate else {
        return "at an unknown rate".to_owned();
    };
    let cell = format::estimate(&rate);
    match cell.interval.as_str() {
        "" => cell.main,
        interval => format!("{} {interval}", cell.main),
    }
}

fn key(row: &Row) -> Option<(String, String)> {
    let place = row.place.as_ref()?;
    Some((row.version.program.clone(), place.stack.clone()))
}

/// A number of the JSON form, be it an estimate or plain.
fn number(value: &Json) -> f64 {
    let plain = value.as_f64();
    plain.or(value["value"].as_f64()).unwrap_or(0.0)
}

/// The versions of one program together: rates and deaths add up, of peaks the largest counts.
fn known<'a>(versions: impl Iterator<Item = (&'a Version, &'a Known)>) -> Option<Known> {
    versions
        .map(|(_, known)| *known)
        .reduce(|one, other| Known {
            peak_bytes: one.peak_bytes.max(other.peak_bytes),
            allocated_per_second: one.allocated_per_second + other.allocated_per_second,
            killed: one.killed + other.killed,
        })
}

fn sum<'a>(versions: impl Iterator<Item = (&'a Version, &'a Program)>) -> Known {
    let mut sum = Known::default();
    for (_, program) in versions {
        sum.peak_bytes = sum.peak_bytes.max(program.peak_bytes as f64);
        sum.allocated_per_second += program.allocated_per_second().unwrap_or(0.0);
        sum.killed += program.killed as f64;
    }
    sum
}

fn figures(name: &str, before: Known, now: Known, changes: &mut Vec<Change>) {
    let mut add = |what, before, now| {
        changes.push(Change {
            program: name.to_owned(),
            what,
            before,
            now,
        });
    };
    let rate = |bytes: f64| format!("{}/s", format::bytes(bytes));
    if now.peak_bytes > PEAK_LEAST && now.peak_bytes > before.peak_bytes * LARGER {
        let [was, is] = [before.peak_bytes, now.peak_bytes].map(format::bytes);
        add("higher peak", was, is);
    }
    let (was, is) = (before.allocated_per_second, now.allocated_per_second);
    if is > RATE_LEAST && is > was * FASTER {
        add("allocates faster", rate(was), rate(is));
    }
    if now.killed > before.killed {
        let [was, is] = [before.killed, now.killed].map(format::count);
        add("killed more often", was, is);
    }
}
