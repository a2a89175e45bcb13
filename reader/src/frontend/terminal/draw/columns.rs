//! Tables that fit any width: columns leave in turn, the least wanted first.

#![forbid(unsafe_code)]

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::frontend::terminal::draw::{bold, reversed};
use crate::output::clean::clean;

/// Blanks between two columns.
const GAP: usize = 1;

/// A column of rows of `R`.
pub(super) struct Column<R: ?Sized> {
    pub(super) title: &'static str,
    /// Characters; 0 for the one column that takes what is left.
    pub(super) width: usize,
    /// Columns with a higher number leave first; those with 0 stay.
    pub(super) leaves: u8,
    /// Whether its texts begin at its left.
    pub(super) is_left: bool,
    pub(super) text: fn(&R) -> String,
}

/// A table with a line that is chosen.
pub(super) struct Lines<'a, R: ?Sized> {
    pub(super) columns: &'a [Column<R>],
    pub(super) rows: &'a [&'a R],
    pub(super) chosen: usize,
    /// The title of the column that the rows are ordered by.
    pub(super) sorted_by: &'static str,
}

/// The column that takes what is left is at least so wide, else others leave.
const REST_MIN: usize = 14;

impl<R: ?Sized> Lines<'_, R> {
    /// Draws the titles and as many rows as there is room for, the chosen one among them.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, style: impl Fn(&R) -> Style) {
        let columns = fitting(self.columns, usize::from(area.width));
        let title = |column: &Column<R>| match column.title == self.sorted_by {
            true => format!("{}\u{25bc}", column.title),
            false => column.title.to_owned(),
        };
        let mut lines = vec![Line::styled(line(&columns, title), bold())];
        let room = usize::from(area.height).saturating_sub(1);
        let first = (self.chosen + 1).saturating_sub(room);
        for (place, row) in self.rows.iter().enumerate().skip(first).take(room) {
            let text = line(&columns, |column| clean(&(column.text)(row)).into_owned());
            let style = style(row);
            let style = match place == self.chosen {
                true => style.patch(reversed()),
                false => style,
            };
            // The whole line is reversed, not only what is written on it.
            let blanks = usize::from(area.width).saturating_sub(text.chars().count());
            let spans = vec![Span::raw(text), Span::raw(" ".repeat(blanks))];
            lines.push(Line::from(spans).style(style));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// The columns that there is room for, with their widths.
fn fitting<R: ?Sized>(columns: &[Column<R>], width: usize) -> Vec<(&Column<R>, usize)> {
    let mut kept: Vec<&Column<R>> = columns.iter().collect();
    let needed = |kept: &[&Column<R>]| -> usize {
        let widths = kept.iter().map(|column| match column.width {
            0 => REST_MIN,
            width => width,
        });
        widths.sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    while needed(&kept) > width {
        let Some(least) = kept.iter().map(|column| column.leaves).max() else {
            break;
        };
        if least == 0 {
            break;
        }
        kept.retain(|column| column.leaves < least);
    }
    let rest = REST_MIN + width.saturating_sub(needed(&kept));
    let widths = kept.into_iter().map(|column| match column.width {
        0 => (column, rest),
        width => (column, width),
    });
    widths.collect()
}

fn line<R: ?Sized>(columns: &[(&Column<R>, usize)], text: impl Fn(&Column<R>) -> String) -> String {
    let cells = columns.iter().map(|(column, width)| {
        let text = cut(&text(column), *width);
        match column.is_left {
            true => format!("{text:<width$}"),
            false => format!("{text:>width$}"),
        }
    });
    cells.collect::<Vec<_>>().join(&" ".repeat(GAP))
}

/// As much of a text as fits, with a sign where some is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "\u{2026}"
}
