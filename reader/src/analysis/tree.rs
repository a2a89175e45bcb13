//! The stacks as one tree: from the root down, from the leaves up, or around one function.

#![forbid(unsafe_code)]

mod nodes;

use clap::{Args, ValueEnum};
use regex::Regex;

use crate::analysis::estimate::{Sampling, at_peak};
use crate::analysis::tree::nodes::{Direction, Nodes, Shown};
use crate::analysis::{Analysis, Subject};
use crate::history::{History, Site, Sum};
use crate::report::{Body, Column, Fact, Frame, Report, Section, Stack, Table, Unit, Value};

/// Rows that people want to see.
const USUAL_ROWS: usize = 60;

/// The section that carries the stacks until they have names.
const STACKS: &str = "stacks";

/// Call tree of the heap, from main down, inverted, or around one function
///
/// Every stack adds its site's figure to the nodes on its way. A function is its name and its
/// module; the line is that of its most costly stack. Of a function that calls itself, `--of`
/// takes the outermost call, so that nothing counts twice.
/// Intervals are those of the sum over all sites below a node. A chain of functions that only call
/// one another is drawn without indentation.
#[derive(Debug, Args)]
pub struct Tree {
    /// What to add up
    #[arg(long, value_enum, default_value_t = Measure::Live)]
    by: Measure,
    /// Begin with the functions that allocate, and show their callers below them
    #[arg(long)]
    inverted: bool,
    /// Show the callers and the callees of the functions whose name matches
    #[arg(long, value_name = "REGEX", conflicts_with = "inverted")]
    of: Option<Regex>,
    /// Leave out what has less than this share of all, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    min_share: f64,
    /// Go no deeper than this
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    depth: usize,
}

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Bytes that are live
    Live,
    /// Blocks that are live
    LiveObjects,
    /// Bytes that were ever allocated
    Allocated,
    /// Blocks that were ever allocated
    AllocatedObjects,
    /// Bytes that were live at the peak
    Peak,
}

impl Measure {
    fn title(self) -> &'static str {
        match self {
            Measure::Live => "live",
            Measure::LiveObjects => "live objects",
            Measure::Allocated => "allocated",
            Measure::AllocatedObjects => "objects",
            Measure::Peak => "at peak",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Measure::Live => "live_bytes",
            Measure::LiveObjects => "live_objects",
            Measure::Allocated => "allocated_bytes",
            Measure::AllocatedObjects => "allocated_objects",
            Measure::Peak => "peak_live_bytes",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Measure::Live | Measure::Allocated | Measure::Peak => Unit::Bytes,
            Measure::LiveObjects | Measure::AllocatedObjects => Unit::Count,
        }
    }

    fn sum(self, site: &Site) -> Sum {
        match self {
            Measure::Live | Measure::LiveObjects => site.live(),
            Measure::Allocated | Measure::AllocatedObjects => site.born(),
            Measure::Peak => site.at_peak(),
        }
    }

    /// The bare number, for sorting and shares.
    fn number(self, sum: &Sum) -> f64 {
        match self.unit() {
            Unit::Count => sum.objects(),
            _ => sum.bytes as f64,
        }
    }

    fn estimate(self, history: &History, total: &Total) -> Value {
        match self {
            Measure::Live | Measure::Allocated => Sampling::of(history).bytes(&total.sum),
            Measure::LiveObjects | Measure::AllocatedObjects => {
                Sampling::of(history).objects(&total.sum, total.smallest_bytes)
            }
            Measure::Peak => at_peak(history, &total.sum),
        }
    }
}

/// What a number of sites come to.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    sum: Sum,
    smallest_bytes: Option<u64>,
}

impl Total {
    fn add(&mut self, other: &Total) {
        self.sum = self.sum.plus(&other.sum);
        let smallest = [self.smallest_bytes, other.smallest_bytes];
        self.smallest_bytes = smallest.into_iter().flatten().min();
    }
}

impl Analysis for Tree {
    const NAME: &'static str = "tree";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let mut table = Table::new(vec![
            Column::new("site", "site", Unit::Id),
            Column::new("stack", "stack", Unit::Stack),
        ]);
        let counted = subject.sites();
        let counted = counted.filter(|(_, site)| self.by.number(&self.by.sum(site)) > 0.0);
        table.rows = counted
            .map(|(index, site)| {
                vec![
                    Value::Id(index as u64),
                    Value::Stack(subject.stacks.of(site)),
                ]
            })
            .collect();
        vec![Section::new(STACKS, STACKS, Body::Stacks(table))]
    }

    fn finish(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(place) = report.sections.iter().position(|one| one.name == STACKS) else {
            return;
        };
        let stacks = report.sections.remove(place);
        let rows = stacks.table().map_or(&[][..], |table| &table.rows);
        let mut named: Vec<(&Stack, Total)> = rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [Value::Id(index), Value::Stack(stack)] => {
                    let site = subject.history.sites.all.get(*index as usize)?;
                    Some((stack, self.total(site)))
                }
                _ => None,
            })
            .collect();
        // The first stack of a node gives it its line.
        let number = |total: &Total| self.by.number(&total.sum);
        named.sort_by(|(_, left), (_, right)| number(right).total_cmp(&number(left)));
        let sections = self.draw(subject, &named);
        report.sections.splice(place..place, sections);
    }
}

impl Tree {
    fn total(&self, site: &Site) -> Total {
        Total {
            sum: self.by.sum(site),
            smallest_bytes: site.smallest_bytes(),
        }
    }

    fn draw(&self, subject: &Subject<'_>, named: &[(&Stack, Total)]) -> Vec<Section> {
        let mut all = Total::default();
        named.iter().for_each(|(_, total)| all.add(total));
        let Some(pattern) = &self.of else {
            let (name, title, direction) = match self.inverted {
                true => (
                    "inverted_tree",
                    "Who allocates, and who calls them",
                    Direction::Out,
                ),
                false => (
                    "tree",
                    "Where it is allocated, from the root down",
                    Direction::In,
                ),
            };
            let mut nodes = Nodes::default();
            for (stack, total) in named {
                nodes.add(stack.0.iter().map(|frame| &**frame), direction, total);
            }
            return vec![self.section(subject, name, title, &nodes, &all)];
        };
        let (mut callers, mut callees) = (Nodes::default(), Nodes::default());
        let mut found = Total::default();
        for (stack, total) in named {
            let is_match = |frame: &Frame| pattern.is_match(&frame.label());
            // The outermost of its frames: a function that calls itself is one.
            let Some(place) = stack.0.iter().rposition(|frame| is_match(frame)) else {
                continue;
            };
            found.add(total);
            let frames = || stack.0.iter().map(|frame| &**frame);
            callers.add(frames().skip(place), Direction::Out, total);
            callees.add(frames().take(place + 1), Direction::In, total);
        }
        let share = self.by.number(&found.sum) / self.by.number(&all.sum) * 100.0;
        let facts = vec![
            Fact::new("function", "functions", Value::text(pattern.as_str())),
            Fact::new(
                self.by.key(),
                self.by.title(),
                self.by.estimate(subject.history, &found),
            ),
            Fact::new("share_percent", "of all", percent(share)),
        ];
        vec![
            Section::new("function", "Through these functions", Body::Facts(facts)),
            self.section(subject, "callers", "Called from", &callers, &found),
            self.section(subject, "callees", "Allocates through", &callees, &found),
        ]
    }

    fn section(
        &self,
        subject: &Subject<'_>,
        name: &str,
        title: &str,
        nodes: &Nodes,
        all: &Total,
    ) -> Section {
        let whole = self.by.number(&all.sum);
        let least = whole * self.min_share / 100.0;
        let is_shown =
            |total: &Total, depth: usize| depth < self.depth && self.by.number(&total.sum) >= least;
        let mut table = Table::new(self.columns(subject.is_for_people));
        let shown = nodes.shown(is_shown, |total| self.by.number(&total.sum));
        let rows_max = subject.rows_max(USUAL_ROWS);
        for node in shown.iter().take(rows_max) {
            table.rows.push(self.row(subject, node, whole));
        }
        let mut note = format!(
            "{} of {} functions in their places",
            table.rows.len(),
            nodes.len()
        );
        if shown.len() > rows_max {
            note.push_str("; --top shows more");
        } else if nodes.len() > shown.len() {
            note.push_str("; --min-share 0 shows all");
        }
        Section::new(name, title, Body::Table(table)).with_note(note)
    }

    fn columns(&self, is_for_people: bool) -> Vec<Column> {
        let (key, title, unit) = (self.by.key(), self.by.title(), self.by.unit());
        let mut columns = vec![
            Column::new(key, title, unit),
            Column::new("share_percent", "share", Unit::Percent),
            Column::new(format!("self_{key}"), "itself", unit),
            Column::new("function", "function", Unit::Text),
        ];
        if !is_for_people {
            columns.extend([
                Column::new("depth", "depth", Unit::Count),
                Column::new("file", "file", Unit::Text),
                Column::new("line", "line", Unit::Id),
                Column::new("module", "module", Unit::Text),
            ]);
        }
        columns
    }

    fn row(&self, subject: &Subject<'_>, node: &Shown<'_>, whole: f64) -> Vec<Value> {
        let history = subject.history;
        let itself = match node.itself.sum.object_parts {
            0 => Value::Unknown,
            _ => self.by.estimate(history, node.itself),
        };
        let text = |text: Option<&str>| text.map_or(Value::Unknown, Value::text);
        let frame = node.frame;
        let label = match subject.is_for_people {
            true => format!(
                "{:width$}{}",
                "",
                described(frame),
                width = 2 * node.indentation
            ),
            false => frame.label(),
        };
        let mut row = vec![
            self.by.estimate(history, node.total),
            percent(self.by.number(&node.total.sum) / whole * 100.0),
            itself,
            Value::Text(label),
        ];
        if !subject.is_for_people {
            row.extend([
                Value::Count(node.depth as u64),
                text(frame.file.as_deref()),
                frame
                    .line
                    .map_or(Value::Unknown, |line| Value::Id(line.into())),
                text(frame.module.as_deref()),
            ]);
        }
        row
    }
}

/// A function with the place of its most costly call.
fn described(frame: &Frame) -> String {
    let base_name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{}  {}:{line}", frame.label(), base_name(file)),
        _ => frame.label(),
    }
}

fn percent(share: f64) -> Value {
    match share.is_finite() {
        true => Value::Percent(share),
        false => Value::Unknown,
    }
}
