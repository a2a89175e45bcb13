//! Invented reports whose figures are known, as the analysis `export` makes them.

#![forbid(unsafe_code)]

use memshim_reader::report::{
    Body, Column, Estimate, Fact, Frame, Report, Section, Stack, Table, Unit, Value,
};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

/// When the invented process started, and how old it is.
pub const START_UNIX_NS: u64 = 1_795_331_433_000_000_000;
pub const AGE_NS: u64 = 10_000_000_000;
pub const PEAK_AGE_NS: u64 = 4_000_000_000;

/// Some blocks of one size.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blocks {
    pub objects: u64,
    pub bytes: u64,
}

/// What one call stack did, by when its blocks lived.
#[derive(Debug, Clone)]
pub struct Site {
    /// Freed directly.
    pub temporary: Blocks,
    /// Freed before the peak.
    pub passing: Blocks,
    /// Live at the peak only.
    pub until_peak: Blocks,
    /// Live at the peak and at the end.
    pub surviving: Blocks,
    /// Live at the end only.
    pub since_peak: Blocks,
    /// Functions of its stack, by number, leaf first.
    pub functions: Vec<u8>,
}

/// What a site holds or did in all, as the report says it.
pub fn sum(parts: &[Blocks]) -> Blocks {
    Blocks {
        objects: parts.iter().map(|part| part.objects).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
    }
}

impl Site {
    pub fn allocated(&self) -> Blocks {
        sum(&[self.temporary, self.passing, self.peak(), self.since_peak])
    }

    pub fn peak(&self) -> Blocks {
        sum(&[self.until_peak, self.surviving])
    }

    pub fn live(&self) -> Blocks {
        sum(&[self.surviving, self.since_peak])
    }
}

/// What all sites add up to.
pub fn total(sites: &[Site], part: impl Fn(&Site) -> Blocks) -> Blocks {
    sum(&sites.iter().map(part).collect::<Vec<_>>())
}

fn blocks() -> impl Strategy<Value = Blocks> {
    let count = prop_oneof![0..3u64, 0..200u64];
    (count, 0..10_000u64).prop_map(|(objects, size)| Blocks {
        objects,
        bytes: objects * size,
    })
}

/// Sites that a program could have.
pub fn sites() -> impl Strategy<Value = Vec<Site>> {
    let site = (
        [blocks(), blocks(), blocks(), blocks(), blocks()],
        vec(0..6u8, 0..6),
    );
    let site = site.prop_map(|(parts, functions)| {
        let [temporary, passing, until_peak, surviving, since_peak] = parts;
        Site {
            temporary,
            passing,
            until_peak,
            surviving,
            since_peak,
            functions,
        }
    });
    vec(site, 0..12)
}

/// Figures that no program could have; now and then such as no machine could have either.
pub fn nonsense() -> impl Strategy<Value = Report> {
    let odd = || prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>()];
    let small = || -1e2..1e3;
    let with = |number| rows_of(number).prop_map(report_of_rows);
    prop_oneof![
        15 => with(small().boxed()),
        1 => with(prop_oneof![odd(), small()].boxed()),
    ]
}

type Row = (Vec<Option<f64>>, Vec<u8>);

fn rows_of(number: BoxedStrategy<f64>) -> impl Strategy<Value = Vec<Row>> {
    let figures = vec(proptest::option::of(number), 9);
    vec((figures, vec(0..6u8, 0..4)), 0..8)
}

fn report_of_rows(rows: Vec<Row>) -> Report {
    let value = |figure: Option<f64>| match figure {
        Some(value) => Estimate::sampled(value, 0.0, value, Unit::Count).into(),
        None => Value::Unknown,
    };
    let row = |(figures, functions): Row| {
        let values = figures.into_iter().map(value);
        let stack = Value::Stack(stack(&functions));
        values.chain([stack]).collect()
    };
    let mut table = sites_table(&[]);
    table.rows = rows.into_iter().map(row).collect();
    let mut report = of(&[], 3);
    report.sections[1] = Section::new("sites", "Who allocates", Body::Stacks(table));
    report
}

/// A report of these sites, and of `block_count` blocks of which every third is live.
pub fn of(sites: &[Site], block_count: u64) -> Report {
    let mut report = Report::new("export");
    report.target = vec![
        Fact::new("pid", "process", Value::Id(4242)),
        Fact::new("program", "program", Value::text("inventory")),
        Fact::new(
            "command_line",
            "command",
            Value::text("inventory '#' --all\u{1b}[2J"),
        ),
        Fact::new("started_unix_ns", "started", Value::Time(START_UNIX_NS)),
        Fact::new("age_ns", "age", Value::Duration(AGE_NS)),
        Fact::new("interval", "interval", Value::text("exact")),
    ];
    let peak_unix_ns = Value::Time(START_UNIX_NS + PEAK_AGE_NS);
    let heap = vec![Fact::new("peak_unix_ns", "peak at", peak_unix_ns)];
    report.sections = vec![
        Section::new("heap", "Heap", Body::Facts(heap)),
        Section::new("sites", "Who allocates", Body::Stacks(sites_table(sites))),
        Section::new("heap_over_time", "Heap", Body::Series(curve(sites))),
        Section::new("blocks", "Blocks", Body::Series(block_table(block_count))),
    ];
    report
}

fn sites_table(sites: &[Site]) -> Table {
    let bytes = |key| Column::new(key, key, Unit::Bytes);
    let count = |key| Column::new(key, key, Unit::Count);
    let mut table = Table::new(vec![
        bytes("live_bytes"),
        count("live_objects"),
        bytes("allocated_bytes"),
        count("allocated_objects"),
        bytes("peak_live_bytes"),
        count("peak_live_objects"),
        bytes("temporary_bytes"),
        count("temporary_objects"),
        Column::new("lifetimes_ns", "lifetimes", Unit::Duration),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = sites.iter().map(site_row).collect();
    table
}

fn site_row(site: &Site) -> Vec<Value> {
    let parts = [site.live(), site.allocated(), site.peak(), site.temporary];
    let exact = |number: u64, unit| Value::from(Estimate::exact(number as f64, unit));
    let figures = parts.iter().flat_map(|part| {
        [
            exact(part.bytes, Unit::Bytes),
            exact(part.objects, Unit::Count),
        ]
    });
    let lifetimes = exact(site.live().objects * 1_000_000, Unit::Duration);
    let rest = [lifetimes, Value::Stack(stack(&site.functions))];
    figures.chain(rest).collect()
}

/// A stack of numbered functions; every third is inlined, and the fifth has no name.
fn stack(functions: &[u8]) -> Stack {
    let frames = functions.iter().enumerate().map(|(depth, number)| {
        let is_last = depth + 1 == functions.len();
        let frame = Frame {
            module: Some("/usr/bin/inventory".into()),
            build_id: Some("0123456789abcdef0123456789abcdef01234567".into()),
            offset: Some(0x1000 + u64::from(*number) * 16),
            ..Frame::new(0x5555_0000_1000 + u64::from(*number) * 16, Some(0))
        };
        match number {
            5 => frame,
            _ => Frame {
                function: Some(format!("f{number}<a; b>\n{{closure#0}}").into()),
                file: Some("src/a b.rs".into()),
                line: Some(u32::from(*number) + 1),
                inlined: number % 3 == 0 && !is_last,
                ..frame
            },
        }
    });
    frames.collect()
}

/// From nothing to the peak and then to the end.
fn curve(sites: &[Site]) -> Table {
    let mut table = Table::new(vec![
        Column::new("unix_ns", "time", Unit::Time),
        Column::new("age_ns", "age", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "objects", Unit::Count),
    ]);
    let (peak, live) = (total(sites, Site::peak), total(sites, Site::live));
    let point = |age_ns: u64, part: Blocks, share: f64| {
        let exact = |number: u64, unit| Value::from(Estimate::exact(number as f64 * share, unit));
        vec![
            Value::Time(START_UNIX_NS + age_ns),
            Value::Duration(age_ns),
            exact(part.bytes, Unit::Bytes),
            exact(part.objects, Unit::Count),
        ]
    };
    let rising = (0..200).map(|step| {
        let share = step as f64 / 200.0;
        point((PEAK_AGE_NS as f64 * share) as u64, peak, share)
    });
    let rest = [point(PEAK_AGE_NS, peak, 1.0), point(AGE_NS, live, 1.0)];
    table.rows = rising.chain(rest).collect();
    table
}

fn block_table(count: u64) -> Table {
    let mut table = Table::new(vec![
        Column::new("birth_ns", "born", Unit::Duration),
        Column::new("death_ns", "died", Unit::Duration),
        Column::new("size_bytes", "size", Unit::Bytes),
        Column::new("objects", "objects", Unit::Count),
        Column::new("bytes", "bytes", Unit::Bytes),
        Column::new("thread", "thread", Unit::Text),
        Column::new("tid", "tid", Unit::Id),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let block = |number: u64| {
        let birth_ns = number * 1_000;
        let death_ns = match number % 3 {
            0 => Value::Unknown,
            shift => Value::Duration(birth_ns + (7 - shift) * 500),
        };
        vec![
            Value::Duration(birth_ns),
            death_ns,
            Value::Bytes(64),
            Estimate::sampled(8.0, 1.0, 20.0, Unit::Count).into(),
            Estimate::sampled(512.0, 64.0, 900.0, Unit::Bytes).into(),
            Value::text("worker"),
            Value::Id(4242 + number % 2),
            Value::Stack(stack(&[number as u8 % 6, 1, 3, 2])),
        ]
    };
    table.rows = (0..count).map(block).collect();
    table
}
