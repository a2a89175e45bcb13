//! Named values, one a line, with the values under each other.

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::format;
use crate::output::text::line::{Line, Style, width, wrap};
use crate::output::text::stack;
use crate::report::{Fact, Value};

/// Titles to the left, values in a column; long words of the value continue below it.
pub(crate) fn draw(facts: &[Fact], options: &Options) -> Vec<Line> {
    let title_width = facts
        .iter()
        .map(|fact| width(&fact.title))
        .max()
        .unwrap_or(0);
    facts
        .iter()
        .flat_map(|fact| draw_one(fact, title_width, options))
        .collect()
}

fn draw_one(fact: &Fact, title_width: usize, options: &Options) -> Vec<Line> {
    let title = Line::indented(2).and(Style::Faint, &format!("{:title_width$}  ", fact.title));
    if let Value::Stack(stack) = &fact.value {
        let mut lines = vec![title];
        lines.extend(stack::draw(stack, 4, options));
        return lines;
    }
    let cell = format::cell(&fact.value, false);
    let indent = 2 + title_width + 2;
    let mut words = wrap(&cell.main, options.width.saturating_sub(indent)).into_iter();
    let mut first = title.and(Style::Plain, &words.next().unwrap_or_default());
    if !cell.interval.is_empty() {
        first = first.and(Style::Faint, &format!(" {}", cell.interval));
    }
    let rest = words.map(|line| Line::indented(indent).and(Style::Plain, &line));
    std::iter::once(first).chain(rest).collect()
}
