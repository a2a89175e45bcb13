//! A report of an invented map server, with every section that an export can have.

use memshim_reader::report::{
    Body, Bucket, Column, Estimate, Fact, Histogram, Report, Section, Table, Unit, Value,
};

use crate::sites::{SITES, Site, stack};

const MIB: f64 = 1024.0 * 1024.0;
const SECOND_NS: u64 = 1_000_000_000;

/// When the invented program started: 2026-11-22 07:10:33 UTC.
const START_UNIX_NS: u64 = 1_795_331_433_000_000_000;

/// The report; always the same.
pub fn report() -> Report {
    let mut report = Report::new("export");
    report.target = target();
    report.losses = vec![
        Fact::new(
            "events_overwritten",
            "× events overwritten before they were read",
            Value::Count(1024),
        ),
        Fact::new(
            "slots_refused",
            "× sampled blocks without a slot",
            Value::Count(0),
        ),
    ];
    report.sections = vec![
        heap(),
        sites(),
        heap_over_time(),
        sizes("sizes", "Sizes of what was allocated", 90_000.0),
        sizes("live_sizes", "Sizes of what is live", 1_200.0),
        lifetimes(),
        leaks(),
        growth(),
        blocks(),
        checks(),
        own_cost(),
    ];
    report
}

/// The same program before and after a change.
pub fn difference() -> Report {
    let mut report = Report::new("diff");
    report.target = target();
    report.losses = vec![Fact::new("lost", "× events lost", Value::Count(0))];
    report.sections = vec![diff()];
    report
}

fn target() -> Vec<Fact> {
    let fact = Fact::new;
    vec![
        fact("pid", "process", Value::Id(4242)),
        fact("parent_pid", "parent", Value::Id(1)),
        fact("program", "program", Value::text("mapserver")),
        fact(
            "executable",
            "executable",
            Value::text("/usr/bin/mapserver"),
        ),
        fact(
            "command_line",
            "command",
            Value::text("mapserver --listen 0.0.0.0:8080 --tiles '/srv/map tiles'"),
        ),
        fact("state", "state", Value::text("running")),
        fact("started_unix_ns", "started", Value::Time(START_UNIX_NS)),
        fact("age_ns", "age", Value::Duration(5_400 * SECOND_NS)),
        fact(
            "as_of_unix_ns",
            "as of",
            Value::Time(START_UNIX_NS + 5_400 * SECOND_NS),
        ),
        fact("interval", "interval", Value::text("512 KiB")),
        fact("own_cost_percent", "own cost", Value::Percent(0.42)),
        fact(
            "segment",
            "segment",
            Value::text("/dev/shm/memshim-0/4242-1-0.seg"),
        ),
    ]
}

fn heap() -> Section {
    let facts = vec![
        Fact::new("allocated_bytes", "allocated", bytes(1500.0)),
        Fact::new("allocated_objects", "objects", objects(1_800_000.0)),
        Fact::new("freed_bytes", "freed", bytes(1400.0)),
        Fact::new("freed_objects", "freed objects", objects(1_790_000.0)),
        Fact::new("live_bytes", "live", bytes(100.0)),
        Fact::new("live_objects", "live objects", objects(10_400.0)),
        Fact::new("peak_live_bytes", "live at peak", bytes(149.0)),
        Fact::new(
            "peak_unix_ns",
            "peak at",
            Value::Time(START_UNIX_NS + 2_700 * SECOND_NS),
        ),
    ];
    Section::new("heap", "Heap", Body::Facts(facts))
}

fn sites() -> Section {
    let families = [
        "live",
        "allocated",
        "freed",
        "peak_live",
        "temporary",
        "leaked",
    ];
    let mut columns = Vec::new();
    for family in families {
        let title = family.replace('_', " ");
        columns.push(Column::new(format!("{family}_bytes"), &title, Unit::Bytes));
        columns.push(Column::new(
            format!("{family}_objects"),
            format!("{title} objects"),
            Unit::Count,
        ));
    }
    columns.push(Column::new("verdict", "verdict", Unit::Text));
    columns.push(Column::new("stack", "stack", Unit::Stack));
    let mut table = Table::new(columns);
    table.rows = SITES.iter().map(site_row).collect();
    Section::new("sites", "Who allocates", Body::Stacks(table))
}

fn site_row(site: &Site) -> Vec<Value> {
    let figures = [
        site.live,
        site.allocated,
        site.allocated - site.live,
        site.peak,
        site.temporary,
        site.leaked,
    ];
    let mut row = Vec::new();
    for figure in figures {
        row.push(estimate(figure * MIB, site.is_exact, Unit::Bytes));
        row.push(estimate(figure * 100.0, site.is_exact, Unit::Count));
    }
    row.push(Value::text(site.verdict));
    row.push(Value::Stack(stack(site.calls)));
    row
}

fn heap_over_time() -> Section {
    let mut table = Table::new(vec![
        Column::new("unix_ns", "time", Unit::Time),
        Column::new("age_ns", "age", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
    ]);
    table.rows = (0..=180u64)
        .map(|step| {
            let age_ns = step * 30 * SECOND_NS;
            let rise = 20.0 + step as f64 * 0.45;
            let wave = (step as f64 / 6.0).sin() * 6.0;
            let burst = if (85..=92).contains(&step) { 85.0 } else { 0.0 };
            let mib = rise + wave + burst;
            vec![
                Value::Time(START_UNIX_NS + age_ns),
                Value::Duration(age_ns),
                bytes(mib),
                objects(mib * 104.0),
            ]
        })
        .collect();
    Section::new("heap_over_time", "Heap over time", Body::Series(table))
}

fn sizes(name: &str, title: &str, largest: f64) -> Section {
    let shares = [0.08, 0.45, 1.0, 0.62, 0.3, 0.0, 0.04, 0.2, 0.01];
    let buckets = shares.iter().enumerate().map(|(place, share)| Bucket {
        low: 8 << place,
        high: (place + 1 < shares.len()).then_some(16 << place),
        value: objects(largest * share),
    });
    let histogram = Histogram {
        unit: Unit::Bytes,
        measure: "objects".to_owned(),
        buckets: buckets.collect(),
    };
    Section::new(name, title, Body::Histogram(histogram))
}

fn lifetimes() -> Section {
    let shares = [0.5, 1.0, 0.4, 0.1, 0.02, 0.3];
    let buckets = shares.iter().enumerate().map(|(place, share)| Bucket {
        low: if place == 0 {
            0
        } else {
            10u64.pow(place as u32 + 3)
        },
        high: (place + 1 < shares.len()).then_some(10u64.pow(place as u32 + 4)),
        value: objects(800_000.0 * share),
    });
    let histogram = Histogram {
        unit: Unit::Duration,
        measure: "objects".to_owned(),
        buckets: buckets.collect(),
    };
    Section::new("lifetimes", "Lifetimes", Body::Histogram(histogram))
        .with_note("By Kaplan and Meier: blocks that are alive count as long as they lived.")
}

fn leaks() -> Section {
    let mut table = Table::new(vec![
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("survivors_percent", "older than 10 min", Unit::Percent),
        Column::new("rate_bytes_per_second", "rate", Unit::BytesPerSecond),
        Column::new("p_value", "chance of error", Unit::Percent),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let rate = |kib: f64| {
        Value::Estimate(Estimate::sampled(
            kib * 1024.0,
            kib * 700.0,
            kib * 1500.0,
            Unit::BytesPerSecond,
        ))
    };
    table.rows = [
        (0, 92.0, 7.6),
        (3, 31.0, 0.9),
        (1, 60.0, 0.0),
        (6, 0.0, 0.0),
    ]
    .iter()
    .map(|(index, survivors, kib): &(usize, f64, f64)| {
        let site = &SITES[*index];
        vec![
            Value::text(site.verdict),
            bytes(site.live),
            Value::Percent(*survivors),
            rate(*kib),
            Value::Percent(0.1 * (1 + index) as f64),
            Value::Stack(stack(site.calls)),
        ]
    })
    .collect();
    Section::new("leaks", "Leaks, with evidence", Body::Table(table))
        .with_note("A leak is a site whose old blocks stay and whose new ones keep coming.")
}

fn growth() -> Section {
    let mut table = Table::new(vec![
        Column::change("growth_bytes", "growth", Unit::Bytes),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = [(0, 31.0), (3, 2.25), (2, -0.5)]
        .iter()
        .map(|(index, mib): &(usize, f64)| {
            let change =
                Estimate::sampled(mib * MIB, mib * MIB * 0.8, mib * MIB * 1.3, Unit::Bytes);
            vec![change.into(), Value::Stack(stack(SITES[*index].calls))]
        })
        .collect();
    Section::new("growth", "Growth in the last hour", Body::Table(table))
}

fn blocks() -> Section {
    let mut table = Table::new(vec![
        Column::new("birth_ns", "birth", Unit::Duration),
        Column::new("death_ns", "death", Unit::Duration),
        Column::new("size_bytes", "size", Unit::Bytes),
        Column::new("objects", "objects", Unit::Count),
        Column::new("bytes", "bytes", Unit::Bytes),
        Column::new("thread", "thread", Unit::Text),
        Column::new("tid", "tid", Unit::Id),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = (0..130u64)
        .map(|number| {
            let birth_ns = number * 40 * SECOND_NS;
            let is_dead = number % 3 == 0;
            vec![
                Value::Duration(birth_ns),
                match is_dead {
                    true => Value::Duration(birth_ns + (1 + number % 7) * SECOND_NS),
                    false => Value::Unknown,
                },
                Value::Bytes(16 << (number % 14)),
                objects(1.0 + (number % 5) as f64),
                bytes(0.5),
                Value::text(if number % 2 == 0 { "main" } else { "worker" }),
                Value::Id(4242 + number % 2),
                Value::Stack(stack(SITES[number as usize % SITES.len()].calls)),
            ]
        })
        .collect();
    Section::new("blocks", "Blocks known one by one", Body::Series(table))
}

fn checks() -> Section {
    let mut table = Table::new(vec![
        Column::new("check", "check", Unit::Text),
        Column::new("limit", "limit", Unit::Text),
        Column::new("measured", "measured", Unit::Bytes),
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("message", "message", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let row = |check: &str, limit: &str, mib, verdict: &str, message: &str, stack| {
        vec![
            Value::text(check),
            Value::text(limit),
            bytes(mib),
            Value::text(verdict),
            Value::text(message),
            stack,
        ]
    };
    table.rows = vec![
        row(
            "max_leaked_bytes",
            "1 MiB",
            38.0,
            "broken",
            "38 times over the limit",
            Value::Stack(stack(SITES[0].calls)),
        ),
        row(
            "max_peak_live_bytes",
            "150 MiB",
            149.0,
            "uncertain",
            "the limit lies in the interval; sample more",
            Value::Unknown,
        ),
        row("max_live_bytes", "200 MiB", 100.0, "ok", "", Value::Unknown),
    ];
    Section::new("checks", "Checks", Body::Table(table))
}

fn own_cost() -> Section {
    let facts = vec![
        Fact::new(
            "slow_calls",
            "calls that took the slow path",
            Value::Count(601),
        ),
        Fact::new("own_time_ns", "time in them", Value::Duration(3_200_000)),
    ];
    Section::new("own_cost", "What memshim cost", Body::Facts(facts))
}

fn diff() -> Section {
    let mut columns = Vec::new();
    for family in ["live", "allocated"] {
        for moment in ["before", "after"] {
            let key = format!("{family}_bytes_{moment}");
            columns.push(Column::new(key, format!("{family} {moment}"), Unit::Bytes));
        }
        let key = format!("{family}_bytes_change");
        columns.push(Column::change(key, family, Unit::Bytes));
    }
    columns.push(Column::new("p_value", "p", Unit::Percent));
    columns.push(Column::new("verdict", "verdict", Unit::Text));
    columns.push(Column::new("stack", "stack", Unit::Stack));
    let mut table = Table::new(columns);
    let before = [10.0, 25.0, 2.0, 4.5, 10.0, 20.0, 6.0];
    table.rows = SITES
        .iter()
        .zip(before)
        .map(|(site, before)| {
            let verdict = match site.live - before {
                change if change > 0.0 => "grew",
                change if change < 0.0 => "shrank",
                _ => "same",
            };
            vec![
                bytes(before),
                bytes(site.live),
                bytes(site.live - before),
                bytes(site.allocated),
                bytes(site.allocated),
                bytes(0.0),
                Value::Percent(0.2),
                Value::text(verdict),
                Value::Stack(stack(site.calls)),
            ]
        })
        .collect();
    Section::new("diff", "What changed", Body::Stacks(table))
}

fn bytes(mib: f64) -> Value {
    estimate(mib * MIB, false, Unit::Bytes)
}

fn objects(count: f64) -> Value {
    estimate(count, false, Unit::Count)
}

/// Where it is not exact, with an interval from four fifths to six fifths.
fn estimate(value: f64, is_exact: bool, unit: Unit) -> Value {
    let estimate = match is_exact {
        true => Estimate::exact(value, unit),
        false => {
            let (low, high) = (value * 0.8, value * 1.2);
            Estimate::sampled(value, low.min(high), low.max(high), unit)
        }
    };
    estimate.into()
}
