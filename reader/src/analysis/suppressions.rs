//! What to leave out of a list of leaks: rules in LeakSanitizer's syntax, and a few of our own.
//!
//! ```text
//! # a comment
//! leak:pattern      matched against function, source file and module of every frame
//!      *            anything       ^ at its start, $ at its end: the ends of the name
//! ```
//!
//! The rules match names, so they are applied once frames have them.

#![forbid(unsafe_code)]

mod builtin;

use std::sync::Arc;

use crate::report::{Body, Column, Estimate, Frame, Report, Section, Stack, Table, Unit, Value};
use builtin::BUILTIN;

/// A list of rules; the first that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Suppressions {
    rules: Vec<Arc<Rule>>,
}

#[derive(Debug)]
enum Rule {
    Pattern(Pattern),
    Builtin(&'static builtin::Builtin),
}

impl Suppressions {
    /// The rules in the text of a file.
    ///
    /// # Errors
    ///
    /// The line that is no rule, as a phrase.
    pub fn parse(text: &str) -> Result<Suppressions, String> {
        let mut rules = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pattern = line
                .strip_prefix("leak:")
                .filter(|pattern| !pattern.is_empty());
            let Some(pattern) = pattern else {
                return Err(format!("line {} is no `leak:PATTERN`: {line}", number + 1));
            };
            rules.push(Arc::new(Rule::Pattern(Pattern::of(pattern))));
        }
        Ok(Suppressions { rules })
    }

    /// What the C and C++ libraries and the loader keep for as long as the program runs.
    pub fn builtin() -> Suppressions {
        let rules = BUILTIN.iter().map(|rule| Arc::new(Rule::Builtin(rule)));
        Suppressions {
            rules: rules.collect(),
        }
    }

    /// These rules and then the others.
    pub fn and(mut self, others: &Suppressions) -> Suppressions {
        self.rules.extend(others.rules.iter().cloned());
        self
    }

    /// The first rule that leaves out a stack whose frames have names.
    pub fn suppressed(&self, stack: &Stack) -> Option<usize> {
        self.rules.iter().position(|rule| rule.matches(stack))
    }
}

impl Rule {
    fn matches(&self, stack: &Stack) -> bool {
        match self {
            Rule::Pattern(pattern) => stack.0.iter().any(|frame| pattern.matches_frame(frame)),
            Rule::Builtin(builtin) => builtin.matches(stack),
        }
    }

    fn text(&self) -> String {
        match self {
            Rule::Pattern(pattern) => pattern.text.clone(),
            Rule::Builtin(builtin) => format!("built in: {}", builtin.what),
        }
    }
}

/// The rules in a file, for the command line.
pub fn read(path: &str) -> Result<Suppressions, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Suppressions::parse(&text)
}

/// Takes the rows whose stacks are suppressed out of the table `name` of a report, and tells by
/// which rule; no section where none was.
///
/// What is called a leak stays, whatever the built-in rules say.
pub(super) fn apply(rules: &Suppressions, report: &mut Report, name: &str) -> Option<Section> {
    let section = report
        .sections
        .iter_mut()
        .find(|section| section.name == name)?;
    let Body::Table(table) = &mut section.body else {
        return None;
    };
    let stack_index = table.stack_index()?;
    let [verdict, bytes] = ["verdict", "live_bytes"].map(|key| table.index(key));
    let mut used: Vec<(u64, f64)> = vec![(0, 0.0); rules.rules.len()];
    table.rows.retain(|row| {
        let Some(Value::Stack(stack)) = row.get(stack_index) else {
            return true;
        };
        let Some(rule) = rules.suppressed(stack) else {
            return true;
        };
        let verdict = verdict.and_then(|index| row.get(index));
        let is_leak = matches!(verdict, Some(Value::Text(text)) if text == "leak");
        if is_leak && matches!(*rules.rules[rule], Rule::Builtin(_)) {
            return true;
        }
        let bytes = bytes.and_then(|index| row.get(index)?.number());
        used[rule].0 += 1;
        used[rule].1 += bytes.unwrap_or(0.0);
        false
    });
    let used = rules
        .rules
        .iter()
        .zip(used)
        .filter(|(_, (sites, _))| *sites > 0);
    let rows: Vec<Vec<Value>> = used
        .map(|(rule, (sites, bytes))| {
            vec![
                Value::Count(sites),
                Estimate::exact(bytes, Unit::Bytes).into(),
                Value::Text(rule.text()),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| suppressed(rows))
}

fn suppressed(rows: Vec<Vec<Value>>) -> Section {
    let columns = vec![
        Column::new("matches", "sites", Unit::Count),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("pattern", "suppressed by", Unit::Text),
    ];
    let table = Table { columns, rows };
    Section::new("suppressions", "Left out", Body::Table(table))
}

/// A pattern of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    parts: Vec<String>,
    is_from_start: bool,
    is_to_end: bool,
}

impl Pattern {
    fn of(text: &str) -> Pattern {
        let (inner, is_from_start) = match text.strip_prefix('^') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (inner, is_to_end) = match inner.strip_suffix('$') {
            Some(rest) => (rest, true),
            None => (inner, false),
        };
        Pattern {
            text: text.to_owned(),
            parts: inner.split('*').map(str::to_owned).collect(),
            is_from_start,
            is_to_end,
        }
    }

    fn matches_frame(&self, frame: &Frame) -> bool {
        let names = [&frame.function, &frame.file, &frame.module];
        names.into_iter().flatten().any(|name| self.matches(name))
    }

    /// Each part is taken where it comes first, which leaves most room for those after it; only
    /// the last one may have to stand at the end.
    fn matches(&self, name: &str) -> bool {
        let Some((last, before)) = self.parts.split_last() else {
            return true;
        };
        let mut rest = name;
        let mut must_start = self.is_from_start;
        for part in before {
            let found = if must_start {
                rest.starts_with(&**part).then_some(0)
            } else {
                rest.find(&**part)
            };
            let Some(start) = found else {
                return false;
            };
            rest = &rest[start + part.len()..];
            must_start = false;
        }
        match (must_start, self.is_to_end) {
            (true, true) => rest == last,
            (true, false) => rest.starts_with(&**last),
            (false, true) => rest.ends_with(&**last),
            (false, false) => rest.contains(&**last),
        }
    }
}

#[cfg(test)]
mod tests;
