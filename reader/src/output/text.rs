//! The report for people at a terminal.

#![forbid(unsafe_code)]

mod chart;
mod facts;
pub(crate) mod line;
pub(crate) mod stack;
mod table;

use std::io::{self, Write};

use crate::output::text::line::{Line, Style};
use crate::output::{Options, Output, format};
use crate::report::{Body, Kind, Report, Section};

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
    lines.extend(facts::draw(&report.target, options));
    lines.extend(losses(report));
    for section in &report.sections {
        lines.push(Line::default());
        lines.extend(section_lines(section, options));
    }
    lines
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
        Body::Series(table) => chart::draw_series(table, options),
    }
}
