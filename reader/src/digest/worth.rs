//! The few things that are worth doing, the most urgent first.

#![forbid(unsafe_code)]

use crate::analysis::leaks::class::Class;
use crate::digest::Account;
use crate::digest::earlier::{Earlier, News, rate_text};
use crate::digest::row::Row;
use crate::history::State;
use crate::output::format;
use crate::report::Unit;

/// A screen has room for so many.
const THINGS_MAX: usize = 3;

/// A leak that uses the memory up sooner than this comes before anything else, ns.
const SOON_NS: u64 = 7 * 24 * 3_600_000_000_000;

/// Slower leaks than this are told in their table only, bytes a second: 100 KiB a day.
const SLOWEST: f64 = 1.2;

/// Growth below this is nobody's worry: bytes, and a part of what the program held at most.
const GROWTH_LEAST: f64 = 1_048_576.0;
const GROWTH_SHARE: f64 = 0.1;

/// What memshim may take of a program's processor time before somebody should know.
const COST_MOST: f64 = 0.02;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    urgency: (u8, f64),
    /// What to do: a sentence without its full stop.
    pub what: String,
    /// The command that tells more, without the name of this program.
    pub command: String,
}

/// The things worth doing, the most urgent first.
pub fn things(account: &Account<'_>, earlier: Option<&Earlier>, directory: &str) -> Vec<Thing> {
    let mut things: Vec<Thing> = Vec::new();
    things.extend(
        account
            .leaks
            .iter()
            .filter_map(|row| leak(row, earlier, directory)),
    );
    things.extend(killed(account, directory));
    let largest_leaks: Vec<&str> = account.leaks.iter().map(Row::function).collect();
    let grown = account.grown.iter();
    let grown = grown.filter(|row| !row.is_leak() && !largest_leaks.contains(&row.function()));
    things.extend(grown.filter_map(|row| growth(row, account, directory)));
    things.extend(trouble(account, directory));
    things.sort_by(|left, right| {
        let by_kind = left.urgency.0.cmp(&right.urgency.0);
        by_kind.then(right.urgency.1.total_cmp(&left.urgency.1))
    });
    things.truncate(THINGS_MAX);
    things
}

fn leak(row: &Row, earlier: Option<&Earlier>, directory: &str) -> Option<Thing> {
    let rate = row.rate.filter(|rate| rate.value >= SLOWEST)?;
    let news = earlier.and_then(|earlier| earlier.news(row));
    let soon = row.limit_in_ns.filter(|ns| *ns < SOON_NS);
    let kind = match (soon, news, row.verdict) {
        (Some(_), ..) => 0,
        (None, Some(News::New | News::Worse), _) => 2,
        (None, _, Class::Leak) => 3,
        (None, ..) => 4,
    };
    let verb = match row.verdict {
        Class::Leak => "fix the leak",
        _ => "bound the container that grows",
    };
    let mut what = format!(
        "{verb} in {}, {}: {}",
        row.version.label(),
        row.function(),
        rate_text(Some(rate))
    );
    if row.processes > 1 {
        what.push_str(&format!(" in {} processes", row.processes));
    }
    if let Some(ns) = row.limit_in_ns {
        let time = format::duration(ns as f64);
        what.push_str(&format!("; the memory is used up in {time}"));
    }
    match news {
        Some(News::New) => what.push_str("; it is new"),
        Some(News::Worse) => what.push_str("; it is faster than before"),
        Some(News::Known) | None => {}
    }
    Some(Thing {
        urgency: (kind, soon.map_or(rate.value, |ns| -(ns as f64))),
        what,
        command: format!("leaks {directory} --process {}", row.pid),
    })
}

/// The program whose processes were killed most often.
fn killed(account: &Account<'_>, directory: &str) -> Option<Thing> {
    let programs = account.programs.iter();
    let (version, program) = programs
        .filter(|(_, program)| program.killed > 0)
        .max_by_key(|(_, program)| program.killed)?;
    let deaths = account.deaths.iter();
    let last = deaths
        .filter(|death| death.version == *version && death.state == State::Killed)
        .max_by_key(|death| death.unix_ns)?;
    let times = match program.killed {
        1 => "was killed or left without exit".to_owned(),
        times => format!("was killed or left without exit {times} times"),
    };
    Some(Thing {
        urgency: (1, program.killed as f64),
        what: format!(
            "find out why {} {times}, last at {} with {} live",
            version.label(),
            format::time(last.unix_ns),
            format::bytes(last.live_bytes as f64)
        ),
        command: format!("report {directory} --process {}", last.pid),
    })
}

fn growth(row: &Row, account: &Account<'_>, directory: &str) -> Option<Thing> {
    let peak = account
        .programs
        .get(&row.version)
        .map_or(0.0, |program| program.peak_bytes as f64);
    let is_much = row.growth.low >= GROWTH_LEAST && row.growth.value >= peak * GROWTH_SHARE;
    is_much.then(|| Thing {
        urgency: (5, row.growth.value),
        what: format!(
            "see what {} keeps in {}: {} more than at the start",
            row.version.label(),
            row.function(),
            format::estimate(&row.growth).main
        ),
        command: format!("growth {directory} --process {}", row.pid),
    })
}

/// What makes the figures worse than they could be.
fn trouble(account: &Account<'_>, directory: &str) -> Vec<Thing> {
    let mut things = Vec::new();
    let missing_ns = account
        .coverage
        .gaps
        .iter()
        .map(|gap| gap.ns())
        .sum::<u64>();
    if missing_ns > 0 {
        things.push(Thing {
            urgency: (6, missing_ns as f64),
            what: format!(
                "keep the recorder running: {} of the window were not recorded",
                format::duration(missing_ns as f64)
            ),
            command: format!("record --status {directory}"),
        });
    }
    for (version, program) in &account.programs {
        let (own, used) = program.cost_seconds;
        if used > 1.0 && own > used * COST_MOST {
            let share = format::percent(own / used * 100.0);
            things.push(Thing {
                urgency: (7, own / used),
                what: format!(
                    "set MEMSHIM_BUDGET lower for {}: memshim takes {share} of its processor time",
                    version.label()
                ),
                command: format!("report {directory} --process {}", version.program),
            });
        }
        if program.losses > 0 {
            let count = crate::report::Estimate::exact(program.losses as f64, Unit::Count);
            things.push(Thing {
                urgency: (8, program.losses as f64),
                what: format!(
                    "see what is missing of {}: {} things were lost",
                    version.label(),
                    format::estimate(&count).main
                ),
                command: format!("report {directory} --process {}", version.program),
            });
        }
    }
    things
}
