//! Rows in aligned columns; what does not fit beside is drawn below, never left out.

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::format::{self, Cell};
use crate::output::text::line::{Line, Style, shorten_end, width};
use crate::output::text::stack;
use crate::report::{Table, Value};

/// Blanks between two columns.
const GAP: usize = 2;

/// Words are not cut below this to save a line.
const TEXT_WIDTH_MIN: usize = 24;

/// At most `rows_max` rows, each with its stack below it.
///
/// Columns that are too many for one line follow below the row, each with its title.
pub(crate) fn draw(table: &Table, rows_max: usize, options: &Options) -> Vec<Line> {
    if table.rows.is_empty() {
        return vec![Line::indented(2).and(Style::Faint, "none")];
    }
    let rows = &table.rows[..rows_max.min(table.rows.len())];
    let columns = columns(table, rows, options.width);
    let (beside, below) = columns.split_at(count_beside(&columns, options.width));
    let stack_index = table.stack_index();
    let is_spaced = !below.is_empty() || stack_index.is_some();

    let mut lines = vec![heading(beside)];
    for (row_number, row) in rows.iter().enumerate() {
        if is_spaced && row_number > 0 {
            lines.push(Line::default());
        }
        lines.push(row_line(beside, row_number));
        lines.extend(lines_below(below, row_number, options.width));
        if let Some(Value::Stack(stack)) = stack_index.and_then(|index| row.get(index)) {
            lines.extend(stack::draw(stack, 6, options));
        }
    }
    let hidden = table.rows.len() - rows.len();
    if hidden > 0 {
        lines.push(Line::indented(2).and(Style::Faint, &format!("... {hidden} more rows")));
    }
    lines
}

/// A column ready to be drawn: its cells, and how wide their two parts are, gap included.
///
/// Values end under the end of their title; intervals stand to the right of both.
struct Drawn<'a> {
    title: &'a str,
    is_right_aligned: bool,
    cells: Vec<Cell>,
    main_width: usize,
    interval_width: usize,
}

impl Drawn<'_> {
    fn width(&self) -> usize {
        self.main_width + self.interval_width
    }

    fn main(&self, text: &str) -> String {
        let width = self.main_width;
        if self.is_right_aligned {
            format!("{text:>width$}")
        } else {
            format!("{text:width$}")
        }
    }

    fn interval(&self, text: &str) -> String {
        let gap = if text.is_empty() { "" } else { " " };
        format!("{:1$}", format!("{gap}{text}"), self.interval_width)
    }
}

/// Every column but the stacks' and those that follow from others, its words cut so far that it fits in a line.
fn columns<'a>(table: &'a Table, rows: &[Vec<Value>], width_max: usize) -> Vec<Drawn<'a>> {
    let stack_index = table.stack_index();
    let visible = table
        .columns
        .iter()
        .enumerate()
        .filter(|(index, column)| Some(*index) != stack_index && !column.is_derived);
    let mut columns: Vec<Drawn<'_>> = visible
        .map(|(index, column)| {
            let value = |row: &Vec<Value>| {
                row.get(index)
                    .map_or(Cell::default(), |v| format::cell(v, column.is_change))
            };
            let cells: Vec<Cell> = rows.iter().map(value).collect();
            Drawn {
                title: &column.title,
                is_right_aligned: column.is_right_aligned(),
                main_width: widest(&cells, |cell| &cell.main).max(width(&column.title)),
                interval_width: match widest(&cells, |cell| &cell.interval) {
                    0 => 0,
                    widest => 1 + widest,
                },
                cells,
            }
        })
        .collect();
    shorten_words(&mut columns, width_max);
    columns
}

fn widest(cells: &[Cell], part: impl Fn(&Cell) -> &str) -> usize {
    cells
        .iter()
        .map(|cell| width(part(cell)))
        .max()
        .unwrap_or(0)
}

/// Cuts the columns of words, where all columns together are wider than the line.
fn shorten_words(columns: &mut [Drawn<'_>], width_max: usize) {
    let total: usize = columns.iter().map(|column| column.width() + GAP).sum();
    let mut surplus = total.saturating_sub(width_max);
    for column in columns.iter_mut().filter(|column| !column.is_right_aligned) {
        let width_new = column
            .main_width
            .saturating_sub(surplus)
            .max(TEXT_WIDTH_MIN);
        if width_new >= column.main_width {
            continue;
        }
        surplus = surplus.saturating_sub(column.main_width - width_new);
        column.main_width = width_new;
        for cell in &mut column.cells {
            cell.main = shorten_end(&cell.main, width_new);
        }
    }
}

/// How many columns fit in one line; at least one.
fn count_beside(columns: &[Drawn<'_>], width_max: usize) -> usize {
    let ends = columns.iter().scan(0, |end, column| {
        *end += GAP + column.width();
        Some(*end)
    });
    ends.take_while(|end| *end <= width_max)
        .count()
        .clamp(1.min(columns.len()), columns.len())
}

fn heading(columns: &[Drawn<'_>]) -> Line {
    columns.iter().fold(Line::default(), |line, column| {
        line.and(Style::Plain, &" ".repeat(GAP))
            .and(Style::Faint, &column.main(column.title))
            .and(Style::Faint, &column.interval(""))
    })
}

fn row_line(columns: &[Drawn<'_>], row_number: usize) -> Line {
    columns.iter().fold(Line::default(), |line, column| {
        let cell = &column.cells[row_number];
        line.and(Style::Plain, &" ".repeat(GAP))
            .and(Style::Plain, &column.main(&cell.main))
            .and(Style::Faint, &column.interval(&cell.interval))
    })
}

/// The columns that did not fit, as `title value [interval]`, as many a line as fit; what is not
/// known of this row is no news there.
fn lines_below(columns: &[Drawn<'_>], row_number: usize, width_max: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut used = 0;
    for column in columns {
        let cell = &column.cells[row_number];
        if cell.is_unknown() {
            continue;
        }
        let gap = if cell.interval.is_empty() { "" } else { " " };
        let length =
            width(column.title) + 1 + width(&cell.main) + width(gap) + width(&cell.interval);
        let line = match lines.pop() {
            Some(line) if used + GAP + length <= width_max => {
                used += GAP + length;
                line.and(Style::Plain, &" ".repeat(GAP))
            }
            full => {
                lines.extend(full);
                used = 2 * GAP + length;
                Line::indented(2 * GAP)
            }
        };
        lines.push(
            line.and(Style::Faint, &format!("{} ", column.title))
                .and(Style::Plain, &cell.main)
                .and(Style::Faint, &format!("{gap}{}", cell.interval)),
        );
    }
    lines
}
