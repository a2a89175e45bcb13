//! A digest as a report: one screen first, then the tables that it was drawn from.

#![forbid(unsafe_code)]

use crate::analysis::leaks::class::Class;
use crate::digest::earlier::Earlier;
use crate::digest::program::{Program, Version};
use crate::digest::row::Row;
use crate::digest::worth::Thing;
use crate::digest::{Account, Death};
use crate::history::State;
use crate::output::format;
use crate::report::{Body, Column, Estimate, Fact, Section, Table, Unit, Value};

/// Deaths that are listed one by one.
const DEATHS_MAX: usize = 20;

/// The sentence that answers, and how much of the window it is about.
pub fn summary(account: &Account<'_>, earlier: Option<&Earlier>) -> Section {
    let window = account.window;
    let programs = account.programs.values();
    let processes: u64 = programs.map(|program| program.processes).sum();
    let share = account.coverage.covered_ns as f64 / window.ns().max(1) as f64 * 100.0;
    let mut facts = vec![
        Fact::new("answer", "answer", Value::Text(answer(account))),
        Fact::new("since_unix_ns", "from", Value::Time(window.since_unix_ns)),
        Fact::new("until_unix_ns", "until", Value::Time(window.until_unix_ns)),
        Fact::new(
            "covered_ns",
            "recorded",
            Value::Duration(account.coverage.covered_ns),
        ),
        Fact::new("covered_percent", "of the window", Value::Percent(share)),
        Fact::new("processes", "processes", Value::Count(processes)),
    ];
    let compared = match earlier {
        Some(earlier) => {
            let (since, until) = earlier.window_unix_ns;
            format!("{} to {}", format::time(since), format::time(until))
        }
        None => "nothing; no digest or recording is of the time before".to_owned(),
    };
    facts.push(Fact::new(
        "compared",
        "compared with",
        Value::Text(compared),
    ));
    for error in &account.errors {
        let text = crate::cli::one_line(error);
        facts.push(Fact::new("unreadable", "unreadable", Value::Text(text)));
    }
    if account.unread > 0 {
        let text = format!(
            "{} processes that held little are told from the index alone",
            account.unread
        );
        facts.push(Fact::new("unread", "not read", Value::Text(text)));
    }
    Section::new("digest", "Digest", Body::Facts(facts))
}

fn answer(account: &Account<'_>) -> String {
    let plural = |count: usize, one: &str, many: &str| match count {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let leaks = plural(account.leak_count, "leak", "leaks");
    let grown = plural(
        account.grown_count,
        "call stack that grew",
        "call stacks that grew",
    );
    let killed: u64 = account.programs.values().map(|it| it.killed).sum();
    let killed = plural(killed as usize, "process killed", "processes killed");
    format!("{leaks}, {grown}, {killed}")
}

/// The things worth doing, each with the command that tells more.
pub fn worth_doing(things: &[Thing]) -> Section {
    let mut facts = Vec::new();
    for (place, thing) in things.iter().enumerate() {
        let number = (place + 1).to_string();
        let name = format!("thing_{number}");
        facts.push(Fact::new(name, number, Value::text(&*thing.what)));
        let name = format!("command_{}", place + 1);
        let command = format!("memshim-reader {}", thing.command);
        facts.push(Fact::new(name, "more", Value::Text(command)));
    }
    if facts.is_empty() {
        let text = "nothing: no leak, no growth, no death and no loss asks for it";
        facts.push(Fact::new("nothing", "", Value::text(text)));
    }
    Section::new("worth_doing", "Worth doing", Body::Facts(facts))
}

/// A row for each version of each program, those that gained most first.
pub fn programs(account: &Account<'_>, rows_max: usize) -> Section {
    let mut table = Table::new(vec![
        Column::new("program", "program", Unit::Text),
        Column::new("build", "build", Unit::Text),
        Column::derived("build_id", "build-id", Unit::Text),
        Column::new("processes", "processes", Unit::Count),
        Column::new("ended", "ended", Unit::Text),
        Column::derived("running", "running", Unit::Count),
        Column::derived("exited", "exited", Unit::Count),
        Column::derived("killed", "killed", Unit::Count),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::change("growth_bytes", "growth", Unit::Bytes),
        Column::new("leak_rate_bytes_per_second", "leaks", Unit::BytesPerSecond),
        Column::new("peak_bytes", "peak", Unit::Bytes),
        Column::new(
            "allocated_bytes_per_second",
            "allocates",
            Unit::BytesPerSecond,
        ),
        Column::new("resident_bytes", "in memory", Unit::Bytes),
        Column::new("seen_ns", "seen", Unit::Duration),
        Column::derived("first_unix_ns", "first", Unit::Time),
        Column::derived("last_unix_ns", "last", Unit::Time),
        Column::new("losses", "lost", Unit::Count),
        Column::new("own_cost_percent", "own cost", Unit::Percent),
        Column::derived("left_bytes", "memory left", Unit::Bytes),
    ]);
    let mut programs: Vec<(&Version, &Program)> = account.programs.iter().collect();
    programs.sort_by(|(_, left), (_, right)| {
        let by_growth = right.growth().value.total_cmp(&left.growth().value);
        by_growth.then(right.peak_bytes.cmp(&left.peak_bytes))
    });
    programs.truncate(rows_max);
    let rows = programs.iter();
    table.rows = rows
        .map(|(version, program)| program_row(account, version, program))
        .collect();
    let note = match table.rows.len() < account.programs.len() {
        true => format!(
            "{} of {} programs and builds, those that grew most or held most; --top shows more",
            table.rows.len(),
            account.programs.len()
        ),
        false => String::new(),
    };
    Section::new("programs", "Programs", Body::Table(table)).with_note(note)
}

fn program_row(account: &Account<'_>, version: &Version, program: &Program) -> Vec<Value> {
    let rates = account.leaks.iter().filter(|row| row.version == *version);
    let rate: f64 = rates
        .filter_map(|row| row.rate)
        .map(|rate| rate.value)
        .sum();
    let per_second = |bytes: f64| Value::from(Estimate::exact(bytes, Unit::BytesPerSecond));
    let (own, used) = program.cost_seconds;
    let time = |unix_ns: Option<u64>| unix_ns.map_or(Value::Unknown, Value::Time);
    vec![
        Value::text(&*version.program),
        Value::text(version.short_build()),
        Value::text(&*version.build_id),
        Value::Count(program.processes),
        Value::Text(ended(program)),
        Value::Count(program.running),
        Value::Count(program.exited),
        Value::Count(program.killed),
        Value::Bytes(program.live_bytes),
        program.growth().into(),
        // The sum of nothing would be minus zero.
        per_second(rate + 0.0),
        Value::Bytes(program.peak_bytes),
        program
            .allocated_per_second()
            .map_or(Value::Unknown, per_second),
        Value::Bytes(program.resident_bytes),
        Value::Duration(program.seen_ns),
        time(program.seen_unix_ns.map(|seen| seen.0)),
        time(program.seen_unix_ns.map(|seen| seen.1)),
        Value::Count(program.losses),
        match used > 0.0 {
            true => Value::Percent(own / used * 100.0),
            false => Value::Unknown,
        },
        program.left_bytes.map_or(Value::Unknown, Value::Bytes),
    ]
}

/// How the processes of a program ended: `2 exited, 1 killed`.
fn ended(program: &Program) -> String {
    let counts = [(program.exited, "exited"), (program.killed, "killed")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = counts
        .map(|(count, how)| format!("{count} {how}"))
        .collect();
    match texts.is_empty() {
        true => "-".to_owned(),
        false => texts.join(", "),
    }
}

/// What is different from the earlier digest; no section where there is none.
pub fn changes(account: &Account<'_>, earlier: Option<&Earlier>) -> Option<Section> {
    let changes = earlier?.changes(account);
    let mut table = Table::new(vec![
        Column::new("program", "program", Unit::Text),
        Column::new("change", "change", Unit::Text),
        Column::new("before", "before", Unit::Text),
        Column::new("now", "now", Unit::Text),
    ]);
    let rows = changes.into_iter().map(|change| {
        vec![
            Value::Text(change.program),
            Value::text(change.what),
            Value::Text(change.before),
            Value::Text(change.now),
        ]
    });
    table.rows = rows.collect();
    Some(Section::new(
        "changes",
        "New or different since the last digest",
        Body::Table(table),
    ))
}

/// What leaks, with the evidence.
pub fn leaks(account: &Account<'_>, earlier: Option<&Earlier>) -> Section {
    let mut table = Table::new(vec![
        Column::new("program", "program", Unit::Text),
        Column::new("build", "build", Unit::Text),
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("rate_bytes_per_second", "rate", Unit::BytesPerSecond),
        Column::new("limit_in_ns", "limit in", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("news", "since before", Unit::Text),
        Column::new("processes", "processes", Unit::Count),
        Column::new("pid", "pid", Unit::Id),
        Column::new("survivors", "survivors", Unit::Text),
        Column::new("survivor_age_ns", "older than", Unit::Duration),
        Column::new("chance_percent", "chance", Unit::Percent),
        Column::derived("function", "function", Unit::Text),
        Column::derived("stack_id", "stack id", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let rows = account.leaks.iter().map(|row| {
        let news = earlier.and_then(|earlier| earlier.news(row));
        let place = row.place.as_ref();
        let [survivors, survivor_age, chance] = evidence(row);
        vec![
            Value::text(&*row.version.program),
            Value::text(row.version.short_build()),
            Value::text(row.verdict.name()),
            row.rate.map_or(Value::Unknown, Value::from),
            row.limit_in_ns.map_or(Value::Unknown, Value::Duration),
            row.live.into(),
            news.map_or(Value::Unknown, |news| Value::text(news.name())),
            Value::Count(row.processes),
            Value::Id(row.pid.into()),
            survivors,
            survivor_age,
            chance,
            place.map_or(Value::Unknown, |place| Value::text(&*place.function)),
            place.map_or(Value::Unknown, |place| Value::text(&*place.stack)),
            row.stack.clone().into(),
        ]
    });
    table.rows = rows.collect();
    let note = shown(table.rows.len(), account.leak_count);
    Section::new("leaks", "What leaks", Body::Table(table)).with_note(note)
}

/// What speaks for a leak: survivors by when they were born, from which age on, and the chance of as
/// much without one.
fn evidence(row: &Row) -> [Value; 3] {
    let found = row.suspicion.filter(|_| row.verdict == Class::Leak);
    let Some(found) = found else {
        return [const { Value::Unknown }; 3];
    };
    let [first, middle, last] = found.cohorts;
    [
        Value::Text(format!("{first} {middle} {last}")),
        Value::Duration((found.cut * 1e9) as u64),
        Value::Percent(found.p_adjusted * 100.0),
    ]
}

/// What grew, call stack by call stack.
pub fn growth(account: &Account<'_>) -> Section {
    let mut table = Table::new(vec![
        Column::new("program", "program", Unit::Text),
        Column::new("build", "build", Unit::Text),
        Column::change("net_bytes", "growth", Unit::Bytes),
        Column::change("net_bytes_per_second", "rate", Unit::BytesPerSecond),
        Column::new("span_ns", "over", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("processes", "processes", Unit::Count),
        Column::new("pid", "pid", Unit::Id),
        Column::derived("function", "function", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let rows = account.grown.iter().map(|row| {
        vec![
            Value::text(&*row.version.program),
            Value::text(row.version.short_build()),
            row.growth.into(),
            row.growth_per_second().map_or(Value::Unknown, Value::from),
            Value::Duration(row.span_ns),
            row.live.into(),
            Value::Count(row.processes),
            Value::Id(row.pid.into()),
            Value::text(row.function()),
            row.stack.clone().into(),
        ]
    });
    table.rows = rows.collect();
    let note = shown(table.rows.len(), account.grown_count);
    Section::new("growth", "What grew", Body::Table(table)).with_note(note)
}

fn shown(rows: usize, all: usize) -> String {
    match rows < all {
        true => format!("{rows} of {all} call stacks; --top shows more"),
        false => String::new(),
    }
}

/// Who is gone without a word, the last first; no section where nobody is. Those who went through
/// exit are counted with their programs.
pub fn deaths(account: &Account<'_>) -> Option<Section> {
    let deaths = account.deaths.iter();
    let mut deaths: Vec<&Death> = deaths.filter(|it| it.state == State::Killed).collect();
    deaths.sort_by_key(|death| std::cmp::Reverse(death.unix_ns));
    let all = deaths.len();
    deaths.truncate(DEATHS_MAX);
    let mut table = Table::new(vec![
        Column::new("unix_ns", "last seen", Unit::Time),
        Column::new("program", "program", Unit::Text),
        Column::new("pid", "pid", Unit::Id),
        Column::new("live_bytes", "live then", Unit::Bytes),
        Column::new("resident_bytes", "in memory", Unit::Bytes),
        Column::new("age_ns", "age", Unit::Duration),
    ]);
    let rows = deaths.iter().map(|death| {
        let resident = death.resident_bytes;
        vec![
            Value::Time(death.unix_ns),
            Value::Text(death.version.label()),
            Value::Id(death.pid.into()),
            Value::Bytes(death.live_bytes),
            resident.map_or(Value::Unknown, Value::Bytes),
            Value::Duration(death.age_ns),
        ]
    });
    table.rows = rows.collect();
    let note = match table.rows.len() < all {
        true => format!("{} of {all}", table.rows.len()),
        false => String::new(),
    };
    (all > 0).then(|| {
        let title = "Who was killed, or left without exit";
        Section::new("deaths", title, Body::Table(table)).with_note(note)
    })
}

/// When nobody recorded, and what of the recording cannot be read; no section where all is there.
pub fn gaps(account: &Account<'_>) -> Option<Section> {
    let mut table = Table::new(vec![
        Column::new("since_unix_ns", "from", Unit::Time),
        Column::new("until_unix_ns", "until", Unit::Time),
        Column::new("missing_ns", "missing", Unit::Duration),
        Column::new("reason", "reason", Unit::Text),
    ]);
    let rows = account.coverage.gaps.iter().map(|gap| {
        vec![
            Value::Time(gap.since_unix_ns),
            Value::Time(gap.until_unix_ns),
            Value::Duration(gap.ns()),
            Value::text(match gap.is_restart {
                true => "the recorder was not running; another was started then",
                false => "nothing was recorded: no room, no process, or a sleeping machine",
            }),
        ]
    });
    table.rows = rows.collect();
    (!table.rows.is_empty())
        .then(|| Section::new("gaps", "Gaps in the recording", Body::Table(table)))
}
