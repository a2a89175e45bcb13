//! The report as GitHub's Markdown, for issues, pull requests and chat.
//!
//! Short enough to be read in passing: tables have the largest rows, with the innermost frames of
//! each; whole stacks stand in a part that is folded away. What was lost stands first.

#![forbid(unsafe_code)]

mod escape;
mod table;

use std::io::{self, Write};

use crate::output::markdown::escape::{code, fence, prose};
use crate::output::{Options, Output, about, measure, text};
use crate::report::{Body, Fact, Kind, Report, Section, Value};

/// Facts about the target that say something only on its own machine, or twice.
const LEFT_OUT: &[&str] = &["parent_pid", "executable", "segment", "interval_bytes"];

/// Headings, tables and folded stacks, in GitHub's flavour.
///
/// Where a measure was asked for, the rows are those with most of it.
pub struct Markdown;

impl Output for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "tables for issues, pull requests and chat, with the largest rows"
    }

    fn media_type(&self) -> &'static str {
        "text/markdown; charset=utf-8; variant=GFM"
    }

    fn extension(&self) -> &'static str {
        "md"
    }

    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }

    fn picks_rows(&self) -> bool {
        true
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "## {}", prose(&title(report)))?;
        write_losses(report, out)?;
        let is_shown = |fact: &&Fact| !LEFT_OUT.contains(&fact.name.as_str());
        let target: Vec<&Fact> = report.target.iter().filter(is_shown).collect();
        write_facts(&target, code, options, out)?;
        for section in &report.sections {
            write_section(section, options, out)?;
        }
        Ok(())
    }
}

/// `memshim sites: sqlite3, process 42`, as far as it is known.
fn title(report: &Report) -> String {
    let mut title = format!("memshim {}", report.name);
    if let Some(program) = about::target_text(report, "program") {
        title.push_str(&format!(": {program}"));
    }
    if let Some(pid) = about::target_text(report, "pid") {
        title.push_str(&format!(", process {pid}"));
    }
    title
}

/// What is missing from the answer; it qualifies every number below it.
fn write_losses(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (place, loss) in about::losses(report).iter().enumerate() {
        // A quoted line without words makes each loss a paragraph of one quotation.
        writeln!(out, "{}", if place == 0 { "" } else { ">" })?;
        writeln!(out, "> **Lost:** {}", prose(loss))?;
    }
    Ok(())
}

/// Facts as a table without a heading; `words` is how their texts are written.
fn write_facts(
    facts: &[&Fact],
    words: fn(&str) -> String,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| | |\n| :-- | :-- |")?;
    for fact in facts {
        let value = match &fact.value {
            Value::Stack(stack) => table::innermost(stack, options),
            Value::Text(text) => words(text),
            value => table::cell(value, false),
        };
        writeln!(out, "| {} | {value} |", prose(&fact.title))?;
    }
    Ok(())
}

fn write_section(section: &Section, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n### {}", prose(&section.title))?;
    if !section.note.is_empty() {
        writeln!(out, "\n{}", prose(&section.note))?;
    }
    match &section.body {
        Body::Facts(facts) => {
            let facts: Vec<&Fact> = facts.iter().collect();
            write_facts(&facts, prose, options, out)
        }
        Body::Table(table) | Body::Stacks(table) => {
            let asked = options.measure.as_deref();
            let by = asked.and_then(|name| measure::find(table, name));
            table::write(table, by, options, out)
        }
        Body::Histogram(_) | Body::Series(_) => {
            let mut chart = Vec::new();
            for line in text::body_lines(&section.body, options) {
                line.write(false, &mut chart)?;
            }
            write!(out, "\n{}", fence(&String::from_utf8_lossy(&chart)))
        }
    }
}

#[cfg(test)]
mod tests;
