//! Tables with the largest rows, and below them the stacks that did not fit.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use crate::output::markdown::escape::{code, fence, prose};
use crate::output::text::stack::shorten_name;
use crate::output::{Options, format, text};
use crate::report::{Column, Frame, Stack, Table, Value};

/// Frames of a stack in a cell; more would make rows that no one can compare.
const FRAMES_IN_CELL: usize = 3;

/// Characters of a name in a cell; the whole name stands with the whole stack.
const NAME_WIDTH_MAX: usize = 70;

/// At most `options.rows_max` rows: the first, or those with most in the column `by`.
pub(crate) fn write(
    table: &Table,
    by: Option<usize>,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    if table.rows.is_empty() {
        return writeln!(out, "\nnone");
    }
    let rows = largest(table, by, options.rows_max);
    let is_shown = |column: &&(usize, &Column)| !column.1.is_derived;
    let mut columns: Vec<(usize, &Column)> = table.columns.iter().enumerate().collect();
    columns.retain(|column| is_shown(&column) || Some(column.0) == by);
    if let Some(by) = by {
        // What the rows are sorted by is what is looked for.
        columns.sort_by_key(|(index, _)| *index != by);
    }
    let is_numbered = table.stack_index().is_some();
    write_heading(&columns, is_numbered, out)?;
    for (place, row) in rows.iter().enumerate() {
        if is_numbered {
            write!(out, "| {} ", place + 1)?;
        }
        for (index, column) in &columns {
            let cell = match row.get(*index) {
                Some(Value::Stack(stack)) => innermost(stack, options),
                Some(value) => cell(value, column.is_change),
                None => String::new(),
            };
            write!(out, "| {cell} ")?;
        }
        writeln!(out, "|")?;
    }
    if rows.len() < table.rows.len() {
        let counts = [rows.len(), table.rows.len()].map(|count| format::count(count as f64));
        writeln!(out, "\n{} of {} rows", counts[0], counts[1])?;
    }
    write_whole_stacks(table, &rows, options, out)
}

/// The first rows, or those with most in the column `by`, whichever way it points.
fn largest(table: &Table, by: Option<usize>, rows_max: usize) -> Vec<&Vec<Value>> {
    let mut rows: Vec<&Vec<Value>> = table.rows.iter().collect();
    if let Some(by) = by {
        let size = |row: &Vec<Value>| row.get(by).and_then(Value::number).unwrap_or(0.0).abs();
        rows.sort_by(|left, right| size(right).total_cmp(&size(left)));
    }
    rows.truncate(rows_max);
    rows
}

fn write_heading(
    columns: &[(usize, &Column)],
    is_numbered: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mut titles, mut sides) = (String::from("\n"), String::new());
    if is_numbered {
        titles.push_str("| # ");
        sides.push_str("| --: ");
    }
    for (_, column) in columns {
        titles.push_str(&format!("| {} ", prose(&column.title)));
        sides.push_str(if column.is_right_aligned() {
            "| --: "
        } else {
            "| :-- "
        });
    }
    writeln!(out, "{titles}|\n{sides}|")
}

/// A value with its interval.
pub(crate) fn cell(value: &Value, is_change: bool) -> String {
    let cell = format::cell(value, is_change);
    match cell.interval.as_str() {
        "" => prose(&cell.main),
        interval => format!("{} {interval}", prose(&cell.main)),
    }
}

/// The innermost frames of a stack, one a line, and how many more there are.
pub(crate) fn innermost(stack: &Stack, options: &Options) -> String {
    if stack.0.is_empty() {
        return "no stack was recorded".to_owned();
    }
    let frames_max = FRAMES_IN_CELL.min(options.frames_max.max(1));
    let frames = stack.0.iter().take(frames_max);
    let name = |frame: &Frame| code(&shorten_name(frame, &frame.label(), NAME_WIDTH_MAX));
    let mut lines: Vec<String> = frames.map(|frame| name(frame)).collect();
    let hidden = stack.0.len().saturating_sub(frames_max);
    if hidden > 0 {
        lines.push(format!("… {hidden} more"));
    }
    lines.join("<br>")
}

/// The stacks of the shown rows with files and lines, folded away, where a cell had no room.
fn write_whole_stacks(
    table: &Table,
    rows: &[&Vec<Value>],
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let stack_of = |row: &&Vec<Value>| match row.get(table.stack_index()?)? {
        Value::Stack(stack) => Some(stack.clone()),
        _ => None,
    };
    let stacks: Vec<Stack> = rows
        .iter()
        .map(|row| stack_of(row).unwrap_or_default())
        .collect();
    if stacks.iter().all(|stack| stack.0.len() <= FRAMES_IN_CELL) {
        return Ok(());
    }
    writeln!(
        out,
        "\n<details><summary>Stacks with files and lines</summary>"
    )?;
    for (place, stack) in stacks.iter().enumerate() {
        let mut lines = Vec::new();
        for line in text::stack::draw(stack, 0, options) {
            line.write(false, &mut lines)?;
        }
        let lines = fence(&String::from_utf8_lossy(&lines));
        write!(out, "\nRow {}\n\n{lines}", place + 1)?;
    }
    writeln!(out, "\n</details>")
}
