//! The report for speedscope, <https://www.speedscope.app>: one profile a measure.
//!
//! The form is the `sampled` kind of its own file format, whose schema is in its npm package:
//! frames are shared, a sample is a stack from the root to the leaf, and its weight is its number.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::output::clean::clean;
use crate::output::rounding::whole;
use crate::output::{Options, Output, about, format, measure};
use crate::report::{Frame, Kind, Report, Section, Table, Unit, Value};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// Frames of all stacks of all profiles together: about 50 MB of text, where a tab of a browser
/// does not survive some hundred.
const FRAMES_MAX: usize = 12_000_000;

/// The name of what stands for the stacks that were too many.
const OTHER: &str = "[other]";

/// JSON with a profile for each column of bytes, or of things where there are no bytes.
///
/// The stacks are those of the first `stacks` section, or else of the first table with stacks,
/// which may hold only the largest. What shrank cannot be drawn beside what grew, so a change
/// becomes two profiles.
pub struct Speedscope;

impl Output for Speedscope {
    fn name(&self) -> &'static str {
        "speedscope"
    }

    fn about(&self) -> &'static str {
        "one profile a measure, for speedscope.app"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "speedscope.json"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        let table = section.table().filter(|_| measure::has_stacks(section));
        table.is_some_and(|table| !measures(table).is_empty())
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let section = measure::section_with_stacks(report);
        let none = Table::default();
        let table = section.and_then(Section::table).unwrap_or(&none);
        let stacks = Stacks::of(table);
        serde_json::to_writer(&mut *out, &file(report, table, &stacks, options))?;
        out.write_all(b"\n")
    }
}

/// The whole document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: &'static str,
    active_profile_index: usize,
    profiles: Vec<Profile<'a>>,
    shared: Shared<'a>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: &'a [SharedFrame],
}

/// A line of a function.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct SharedFrame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    col: Option<u32>,
}

/// One measure of all stacks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile<'a> {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: i64,
    end_value: i64,
    samples: Vec<&'a [u32]>,
    weights: Vec<i64>,
}

fn file<'a>(report: &Report, table: &Table, stacks: &'a Stacks, options: &Options) -> File<'a> {
    let columns = measures(table);
    let asked = options.measure.as_deref();
    let asked = asked.and_then(|name| measure::column(table, Some(name)));
    let frames_max = FRAMES_MAX / columns.len().max(1);
    let losses = losses(report);
    let mut profiles = Vec::new();
    let mut active_profile_index = 0;
    for index in columns {
        if Some(index) == asked {
            active_profile_index = profiles.len();
        }
        let column = &table.columns[index];
        for (name, weights) in weights(table, index) {
            let mut profile = profile(name, column.unit, &weights, stacks, frames_max);
            profile.name.push_str(&losses);
            profiles.push(profile);
        }
    }
    File {
        schema: SCHEMA,
        name: name(report),
        exporter: concat!("memshim ", env!("CARGO_PKG_VERSION")),
        active_profile_index,
        profiles,
        shared: Shared {
            frames: &stacks.frames,
        },
    }
}

/// The numbers of a column, under the name of their profile; of a change what grew and, turned
/// around, what shrank.
fn weights(table: &Table, index: usize) -> Vec<(String, Vec<i64>)> {
    let column = &table.columns[index];
    let number = |row: &Vec<Value>| row.get(index)?.number();
    let numbers = table.rows.iter().map(|row| number(row).unwrap_or(0.0));
    let weights = whole(&numbers.collect::<Vec<f64>>());
    if !column.is_change {
        return vec![(column.title.clone(), weights)];
    }
    let turned = weights.iter().map(|weight| weight.saturating_neg());
    let shrunk = turned.collect();
    vec![
        (format!("{}, grown", column.title), weights),
        (format!("{}, shrunk", column.title), shrunk),
    ]
}

/// The columns that become profiles: those of bytes, or else those of things.
fn measures(table: &Table) -> Vec<usize> {
    let of_unit = |unit: Unit| {
        let columns = table.columns.iter().enumerate();
        let found = columns.filter(move |(_, column)| column.unit == unit && !column.is_derived);
        found.map(|(index, _)| index).collect::<Vec<usize>>()
    };
    match of_unit(Unit::Bytes) {
        bytes if bytes.is_empty() => of_unit(Unit::Count),
        bytes => bytes,
    }
}

/// One measure: the stacks with most of it, and what the others have together.
///
/// Sorted by path, so that the chart in the order of samples is a flame graph already.
fn profile<'a>(
    mut name: String,
    unit: Unit,
    weights: &[i64],
    stacks: &'a Stacks,
    frames_max: usize,
) -> Profile<'a> {
    let mut rows: Vec<usize> = (0..weights.len()).filter(|row| weights[*row] > 0).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(weights[*row]), *row));
    let mut frames = 0;
    let is_within = |row: &&usize| {
        frames += stacks.paths[**row].len();
        frames <= frames_max
    };
    let kept = rows.iter().take_while(is_within).count();
    let others = rows.split_off(kept);
    rows.sort_by(|left, right| stacks.paths[*left].cmp(&stacks.paths[*right]));
    let mut samples: Vec<&[u32]> = rows.iter().map(|row| &*stacks.paths[*row]).collect();
    let mut kept_weights: Vec<i64> = rows.iter().map(|row| weights[*row]).collect();
    if !others.is_empty() {
        let count = format::count(others.len() as f64);
        name.push_str(&format!(" ({count} small stacks in {OTHER})"));
        samples.push(&stacks.other);
        kept_weights.push(sum(others.iter().map(|row| weights[*row])));
    }
    Profile {
        r#type: "sampled",
        name,
        unit: if unit == Unit::Bytes { "bytes" } else { "none" },
        start_value: 0,
        end_value: sum(kept_weights.iter().copied()),
        samples,
        weights: kept_weights,
    }
}

fn sum(weights: impl Iterator<Item = i64>) -> i64 {
    weights.fold(0, i64::saturating_add)
}

/// Whom the file is about.
fn name(report: &Report) -> String {
    let mut name = format!("memshim {}", report.name);
    for part in ["program", "pid"] {
        if let Some(text) = about::target_text(report, part) {
            name.push_str(&format!(", {text}"));
        }
    }
    clean(&name).into_owned()
}

/// What is missing from every profile; the viewer shows only the names of profiles, so it stands
/// there.
fn losses(report: &Report) -> String {
    let losses = about::losses(report).into_iter();
    let losses: String = losses.map(|loss| format!(", lost: {loss}")).collect();
    clean(&losses).into_owned()
}

/// The stacks of a table as places in one list of frames.
struct Stacks {
    frames: Vec<SharedFrame>,
    /// By row, root first.
    paths: Vec<Box<[u32]>>,
    /// The path of [`OTHER`].
    other: [u32; 1],
}

impl Stacks {
    fn of(table: &Table) -> Stacks {
        let mut names = Names::default();
        let other = [names.of_frame(&Frame::marker(OTHER))];
        let path = |row: &Vec<Value>| match row.get(table.stack_index()?)? {
            Value::Stack(stack) if !stack.0.is_empty() => {
                let frames = stack.0.iter().rev();
                Some(frames.map(|frame| names.of_shared(frame)).collect())
            }
            _ => Some([names.of_frame(&Frame::marker("[no stack]"))].into()),
        };
        let paths = table.rows.iter().map(path);
        Stacks {
            paths: paths.map(Option::unwrap_or_default).collect(),
            frames: names.all,
            other,
        }
    }
}

/// Frames, each once.
#[derive(Default)]
struct Names {
    all: Vec<SharedFrame>,
    places: HashMap<SharedFrame, u32>,
    /// By the place in memory of frames, which stacks share and which outlive this.
    known: HashMap<*const Frame, u32>,
}

impl Names {
    fn of_shared(&mut self, frame: &Arc<Frame>) -> u32 {
        if let Some(known) = self.known.get(&Arc::as_ptr(frame)) {
            return *known;
        }
        let place = self.of_frame(frame);
        self.known.insert(Arc::as_ptr(frame), place);
        place
    }

    fn of_frame(&mut self, frame: &Frame) -> u32 {
        let new = SharedFrame {
            name: clean(&frame.label()).into_owned(),
            file: frame.file.as_deref().map(|file| clean(file).into_owned()),
            line: frame.line,
            col: frame.column,
        };
        let next = self.all.len() as u32;
        let place = *self.places.entry(new.clone()).or_insert(next);
        if place == next {
            self.all.push(new);
        }
        place
    }
}

#[cfg(test)]
mod tests;
