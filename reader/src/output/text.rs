//! The report for people at a terminal.

#![forbid(unsafe_code)]

mod chart;
mod facts;
pub(crate) mod line;
mod plot;
pub(crate) mod stack;
mod table;

use std::io::{self, Write};

use crate::output::text::line::{Line, Style};
use crate::output::{Options, Output, format};
use crate::report::{Body, Fact, Kind, Report, Section};

/// The report that says everything about its target.
const FULL_TARGET: &str = "report";

/// What every other report says of it.
const BRIEF_TARGET: &[&str] = &[
    "program",
    "pid",
    "state",
    "age_ns",
    "as_of_unix_ns",
    "interval",
    "own_cost_percent",
    "origin",
];

/// Aligned text: what is asked first, losses next, then one block a section.
pub struct Text;

impl Output for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn about(&self) -> &'static str {
        "aligned text for people"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        for line in lines(report, options) {
            line.write(options.is_coloured, out)?;
        }
        Ok(())
    }
}

/// The whole report, line by line.
fn lines(report: &Report, options: &Options) -> Vec<Line> {
    let mut lines = vec![Line::of(Style::Title, &format!("memshim {}", report.name))];
    lines.extend(match report.name == FULL_TARGET {
        true => facts::draw(&report.target, options),
        false => target(&report.target, options),
    });
    lines.extend(losses(report));
    for section in &report.sections {
        lines.push(Line::default());
        lines.extend(section_lines(section, options));
    }
    lines
}

/// Whom the answer is about, in a line or two: who asks a second question knows the rest.
fn target(facts: &[Fact], options: &Options) -> Vec<Line> {
    let named = |name: &&str| facts.iter().find(|fact| fact.name == **name);
    let words: Vec<String> = BRIEF_TARGET
        .iter()
        .filter_map(named)
        .map(|fact| {
            let value = format::cell(&fact.value, false).main;
            match fact.name.as_str() {
                "program" | "state" => value,
                _ => format!("{} {value}", fact.title),
            }
        })
        .collect();
    let lines = line::wrap(&words.join(", "), options.width.saturating_sub(2));
    let draw = |text: &String| Line::indented(2).and(Style::Plain, text);
    lines.iter().map(draw).collect()
}

/// What is missing from the answer, or that nothing is; it qualifies every number below it.
fn losses(report: &Report) -> Vec<Line> {
    if report.losses.is_empty() {
        // It is about no process, so there was nothing to lose.
        return Vec::new();
    }
    if !report.has_losses() {
        return vec![Line::indented(2).and(Style::Plain, "nothing lost")];
    }
    let lost = report.losses.iter().filter(|loss| !loss.value.is_zero());
    lost.map(|loss| {
        let amount = format::cell(&loss.value, false).main;
        Line::indented(2)
            .and(Style::Warning, &format!("lost: {amount}"))
            .and(Style::Plain, &format!(" {}", loss.title))
    })
    .collect()
}

fn section_lines(section: &Section, options: &Options) -> Vec<Line> {
    let mut lines = vec![Line::of(Style::Title, &section.title)];
    for part in line::wrap(&section.note, options.width.saturating_sub(2)) {
        lines.push(Line::indented(2).and(Style::Faint, &part));
    }
    lines.extend(body_lines(&section.body, options));
    lines
}

/// What a section has to say, without its title; other outputs show its charts too.
pub(crate) fn body_lines(body: &Body, options: &Options) -> Vec<Line> {
    match body {
        Body::Facts(facts) => facts::draw(facts, options),
        Body::Table(table) => table::draw(table, table.rows.len(), options),
        Body::Stacks(table) => table::draw(table, options.rows_max, options),
        Body::Histogram(histogram) => chart::draw_histogram(histogram, options),
        Body::Series(table) => plot::draw(table, options),
    }
}
