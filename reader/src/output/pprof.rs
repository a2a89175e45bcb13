//! The report as a pprof profile, which `go tool pprof`, Perfetto, speedscope, Grafana Pyroscope
//! and Parca open.
//!
//! ```text
//! column of the report       sample type                 column of a comparison
//!   allocated_objects          alloc_objects/count         ..._change, ..._before, ..._after
//!   allocated_bytes            alloc_space/bytes
//!   live_objects               inuse_objects/count
//!   live_bytes                 inuse_space/bytes           (shown first)
//!   peak_live_..., temporary_..., leaked_...               and what else counts bytes or things
//! ```
//!
//! The first four are those of Go's own heap profiles, in their order. Tools that know only these
//! find them by name or by place, and `go tool pprof` and Parca take any further ones.
//! Names are written as memshim found them, with the name in the symbol table left empty: where
//! the two are equal, pprof takes the name for a mangled one and cuts off what stands in brackets.

#![forbid(unsafe_code)]

mod proto;
mod tables;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::output::pprof::proto::{Label, Profile, Sample, ValueType};
use crate::output::pprof::tables::{Tables, Texts};
use crate::output::rounding::whole;
use crate::output::{Options, Output, about, format, measure};
use crate::report::{Body, Column, Kind, Report, Section, Table, Unit, Value};

/// Columns whose sample types have a name and a place of their own: Go's, then ours.
const NAMED: &[(&str, &str)] = &[
    ("allocated_objects", "alloc_objects"),
    ("allocated_bytes", "alloc_space"),
    ("live_objects", "inuse_objects"),
    ("live_bytes", "inuse_space"),
    ("peak_live_objects", "peak_objects"),
    ("peak_live_bytes", "peak_space"),
    ("temporary_objects", "temporary_objects"),
    ("temporary_bytes", "temporary_space"),
    ("leaked_objects", "leaked_objects"),
    ("leaked_bytes", "leaked_space"),
];

/// Columns that follow from those of [`NAMED`] and would only make the file larger.
const LEFT_OUT: &[&str] = &["freed_objects", "freed_bytes"];

/// What a comparison adds to the names of columns; the change is what it is asked for.
const SUFFIXES: &[&str] = &["", "_change", "_before", "_after"];

/// A gzipped `profile.proto` with every stack of the report and all its measures.
///
/// The stacks are those of the first `stacks` section, or else of the first table with stacks,
/// which may hold only the largest. Columns of text become labels.
pub struct Pprof;

impl Output for Pprof {
    fn name(&self) -> &'static str {
        "pprof"
    }

    fn about(&self) -> &'static str {
        "all measures of all stacks, for go tool pprof, Perfetto, Pyroscope and Parca"
    }

    fn media_type(&self) -> &'static str {
        "application/gzip"
    }

    fn extension(&self) -> &'static str {
        "pb.gz"
    }

    fn other_extensions(&self) -> &'static [&'static str] {
        &["pprof"]
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        let table = section.table().filter(|_| measure::has_stacks(section));
        table.is_some_and(|table| !sample_types(table).is_empty())
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let mut compressed = GzEncoder::new(out, Compression::default());
        compressed.write_all(&profile(report, options).encode_to_vec())?;
        compressed.finish()?.flush()
    }
}

/// The whole file.
fn profile(report: &Report, options: &Options) -> Profile {
    let mut tables = Tables::default();
    let mut profile = Profile::default();
    let section = measure::section_with_stacks(report);
    if let Some(table) = section.and_then(Section::table) {
        let types = sample_types(table);
        profile.sample_type = types
            .iter()
            .map(|sample_type| sample_type.message(&mut tables.texts))
            .collect();
        let default = default_type(table, &types, options);
        profile.default_sample_type = tables.texts.place(default.map_or("", |found| &found.name));
        profile.sample = samples(table, &types, &mut tables);
        if let Some(executable) = about::target_text(report, "executable") {
            tables.put_first(&executable);
        }
    }
    profile.time_nanos = number(report, "as_of_unix_ns");
    profile.duration_nanos = number(report, "age_ns");
    let texts = &mut tables.texts;
    profile.period_type = Some(ValueType {
        r#type: texts.place("space"),
        unit: texts.place("bytes"),
    });
    profile.period = interval_bytes(report);
    let comments = comments(report).into_iter();
    profile.comment = comments.map(|comment| texts.place(&comment)).collect();
    profile.function = tables.functions;
    profile.mapping = tables.mappings;
    profile.location = tables.locations;
    profile.string_table = tables.texts.all;
    profile
}

/// A measure of every stack.
struct SampleType {
    name: String,
    unit: &'static str,
    column_index: usize,
}

impl SampleType {
    fn message(&self, texts: &mut Texts) -> ValueType {
        ValueType {
            r#type: texts.place(&self.name),
            unit: texts.place(self.unit),
        }
    }
}

/// The sample types of a table, those with a name and a place first.
fn sample_types(table: &Table) -> Vec<SampleType> {
    if table.stack_index().is_none() {
        return Vec::new();
    }
    let mut types: Vec<SampleType> = Vec::new();
    for suffix in SUFFIXES {
        for (key, name) in NAMED {
            let column_index = table.index(&format!("{key}{suffix}"));
            let found = column_index.and_then(|index| sample_type(table, index));
            types.extend(found.map(|found| SampleType {
                name: format!("{name}{suffix}"),
                ..found
            }));
        }
    }
    for (index, column) in table.columns.iter().enumerate() {
        let is_taken = types.iter().any(|found| found.column_index == index);
        if !is_taken && !column.is_derived && !is_left_out(column) {
            types.extend(sample_type(table, index));
        }
    }
    types
}

/// A column as a sample type of its own name; none where its values do not add up over stacks.
fn sample_type(table: &Table, column_index: usize) -> Option<SampleType> {
    let column = &table.columns[column_index];
    let unit = match column.unit {
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        _ => return None,
    };
    Some(SampleType {
        name: column.key.clone(),
        unit,
        column_index,
    })
}

fn is_left_out(column: &Column) -> bool {
    let is_suffix = |rest: &str| SUFFIXES.contains(&rest);
    let mut names = LEFT_OUT.iter();
    names.any(|name| column.key.strip_prefix(name).is_some_and(is_suffix))
}

/// The measure that was asked for, else what is in use, or what that changed by.
fn default_type<'a>(
    table: &Table,
    types: &'a [SampleType],
    options: &Options,
) -> Option<&'a SampleType> {
    let asked = options.measure.as_deref();
    let asked = asked.and_then(|name| measure::column(table, Some(name)));
    let by_column = types.iter().find(|found| Some(found.column_index) == asked);
    let by_name = |name| types.iter().find(|found| found.name == name);
    by_column
        .or_else(|| by_name("inuse_space"))
        .or_else(|| by_name("inuse_space_change"))
        .or(types.first())
}

/// One sample for each row that has a stack and any number but zeros.
fn samples(table: &Table, types: &[SampleType], tables: &mut Tables) -> Vec<Sample> {
    let columns: Vec<Vec<i64>> = types
        .iter()
        .map(|sample_type| {
            let value = |row: &Vec<Value>| row.get(sample_type.column_index)?.number();
            let values = table.rows.iter().map(|row| value(row).unwrap_or(0.0));
            whole(&values.collect::<Vec<f64>>())
        })
        .collect();
    let mut samples = Vec::with_capacity(table.rows.len());
    for (row_number, row) in table.rows.iter().enumerate() {
        let stack = table.stack_index().and_then(|index| row.get(index));
        let value: Vec<i64> = columns.iter().map(|column| column[row_number]).collect();
        if value.iter().all(|value| *value == 0) {
            continue;
        }
        samples.push(Sample {
            location_id: match stack {
                Some(Value::Stack(stack)) => tables.stack(stack),
                _ => tables.stack(&Default::default()),
            },
            value,
            label: labels(table, row, &mut tables.texts),
        });
    }
    samples
}

/// What a row says in words, such as its verdict.
fn labels(table: &Table, row: &[Value], texts: &mut Texts) -> Vec<Label> {
    let mut labels = Vec::new();
    for (column, value) in table.columns.iter().zip(row) {
        let Value::Text(text) = value else {
            continue;
        };
        let label = Label {
            key: texts.place(&column.key),
            str: texts.place(text),
        };
        // A label without a text would be one of a number.
        if label.key != 0 && label.str != 0 {
            labels.push(label);
        }
    }
    labels
}

/// What people should know: whom it is about, what is missing, and that figures are estimates.
fn comments(report: &Report) -> Vec<String> {
    let target = |name: &str| about::target_text(report, name).unwrap_or_default();
    let mut comments = vec![format!(
        "memshim {} of {}, process {}",
        report.name,
        target("program"),
        target("pid")
    )];
    let losses = about::losses(report).into_iter();
    comments.extend(losses.map(|loss| format!("lost: {loss}")));
    if let Some(Body::Facts(notices)) = report.section("notices").map(|section| &section.body) {
        comments.extend(notices.iter().map(|notice| {
            let text = format::cell(&notice.value, false).main;
            format!("{}: {text}", notice.title)
        }));
    }
    if interval_bytes(report) > 1 {
        comments.push("figures are estimates; --format json has their 95 % intervals".to_owned());
    }
    comments
}

/// Mean bytes between two samples; 1 where every block was recorded.
fn interval_bytes(report: &Report) -> i64 {
    number(report, "interval_bytes").max(1)
}

/// A whole number among the facts about the target; 0, which stands for nothing, where it is
/// unknown.
fn number(report: &Report, name: &str) -> i64 {
    let found = about::target_number(report, name).unwrap_or(0);
    i64::try_from(found).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
