//! Series as a small plot of the first quantity, with one-line curves of the others.
//!
//! ```text
//!                        ▼ 80.3 MiB after 5.0 min
//!   80.3 MiB ┤         ▁▄███▆▃
//!            │        ▅████████▂
//!        0 B ┼▁▁▁▂▂▃▄███████████▅▃▂▂▂▂▂
//!             from 2026-11-22 07:10:33 UTC, over 9.0 min; last 12.3 MiB
//! ```

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::format;
use crate::output::text::line::{Line, Style, width};
use crate::report::{Column, Estimate, Table, Unit, Value};

/// Eighths of a line's height.
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lines of a plot: enough to tell a slope from a step, few enough to stay out of the way.
const PLOT_LINES: usize = 6;

/// Wider plots say nothing more; narrower ones say nothing at all.
const PLOT_WIDTHS: (usize, usize) = (10, 72);

/// Curves beside which their figures must fit.
const CURVE_WIDTHS: (usize, usize) = (10, 50);

/// One quantity at the moments of the table.
struct Curve<'a> {
    column: &'a Column,
    times: &'a [f64],
    points: Vec<f64>,
}

/// The first quantity as a plot, the others as one line each; all begin at zero.
pub(crate) fn draw(table: &Table, options: &Options) -> Vec<Line> {
    let time = |row: &Vec<Value>| row.first().and_then(Value::number);
    let times: Vec<f64> = table.rows.iter().filter_map(time).collect();
    if times.is_empty() || times.len() < table.rows.len() {
        return vec![Line::indented(2).and(Style::Faint, "none")];
    }
    let columns = table.columns.iter().enumerate().skip(1);
    let drawn = columns.filter(|(_, column)| column.unit.is_number() && !column.is_derived);
    let curves: Vec<Curve> = drawn
        .map(|(index, column)| Curve {
            column,
            times: &times,
            points: table.rows.iter().map(|row| number(row, index)).collect(),
        })
        .collect();
    let title_width = curves.iter().map(|curve| width(&curve.column.title)).max();
    let mut lines = Vec::new();
    for (index, curve) in curves.iter().enumerate() {
        match index {
            0 => lines.extend(curve.plot(table, options)),
            _ => lines.push(curve.one_line(title_width.unwrap_or(0), options)),
        }
    }
    lines
}

fn number(row: &[Value], index: usize) -> f64 {
    row.get(index).and_then(Value::number).unwrap_or(0.0)
}

impl Curve<'_> {
    fn plot(&self, table: &Table, options: &Options) -> Vec<Line> {
        let (floor, ceiling) = self.range();
        let (top, bottom) = (self.shown(ceiling), self.shown(floor));
        let label_width = width(&top).max(width(&bottom));
        let used = 2 + label_width + 2;
        let (least, most) = PLOT_WIDTHS;
        let plot_width = options.width.saturating_sub(used).clamp(least, most);
        let eighths: Vec<usize> = self
            .heights(plot_width)
            .map(|share| (share * (PLOT_LINES * 8 - 1) as f64).round() as usize + 1)
            .collect();
        let mut lines = vec![self.peak_mark(used, plot_width)];
        for below in (0..PLOT_LINES).rev() {
            let (label, axis) = match below {
                0 => (bottom.as_str(), '┼'),
                _ if below == PLOT_LINES - 1 => (top.as_str(), '┤'),
                _ => ("", '│'),
            };
            let cells = eighths.iter().map(|height| {
                let left = height.saturating_sub(below * 8).min(8);
                left.checked_sub(1).map_or(' ', |eighth| EIGHTHS[eighth])
            });
            lines.push(
                Line::indented(2)
                    .and(Style::Faint, &format!("{label:>label_width$} {axis}"))
                    .and(Style::Name, cells.collect::<String>().trim_end()),
            );
        }
        let last = self.points.last().copied().unwrap_or(0.0);
        let legend = format!("{}; last {}", span(table, self.times), self.shown(last));
        lines.push(Line::indented(used).and(Style::Faint, &legend));
        lines
    }

    /// Where the largest point is, and how large.
    fn peak_mark(&self, used: usize, plot_width: usize) -> Line {
        let mut largest = 0;
        for (index, point) in self.points.iter().enumerate() {
            if *point > self.points[largest] {
                largest = index;
            }
        }
        let after = format::duration(self.times[largest] - self.times[0]);
        let text = format!("{} after {after}", self.shown(self.points[largest]));
        let step = self.step(self.times[largest], plot_width);
        if step + 2 + width(&text) <= plot_width {
            return Line::indented(used + step)
                .and(Style::Plain, "▼ ")
                .and(Style::Faint, &text);
        }
        let before = (used + step).saturating_sub(width(&text) + 1);
        Line::indented(before)
            .and(Style::Faint, &text)
            .and(Style::Plain, " ▼")
    }

    fn one_line(&self, title_width: usize, options: &Options) -> Line {
        let (least, most) = CURVE_WIDTHS;
        let left = options.width.saturating_sub(2 + title_width + 2 + 40);
        let steps = left.clamp(least, most).min(self.points.len());
        let cell = |share: f64| EIGHTHS[((share * 7.0).round() as usize).min(7)];
        let curve: String = self.heights(steps).map(cell).collect();
        let extreme = |pick: fn(f64, f64) -> f64| self.points.iter().copied().reduce(pick);
        let figures = [
            extreme(f64::min),
            extreme(f64::max),
            self.points.last().copied(),
        ];
        let [smallest, largest, last] = figures.map(|figure| self.shown(figure.unwrap_or(0.0)));
        Line::indented(2)
            .and(
                Style::Plain,
                &format!("{:title_width$}  ", self.column.title),
            )
            .and(Style::Name, &curve)
            .and(
                Style::Plain,
                &format!("  {smallest} .. {largest}, last {last}"),
            )
    }

    /// The ends of the axis, between which zero always is.
    fn range(&self) -> (f64, f64) {
        let points = || self.points.iter().copied();
        (points().fold(0.0, f64::min), points().fold(0.0, f64::max))
    }

    /// The step of the plot that a moment falls into.
    fn step(&self, time: f64, steps: usize) -> usize {
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let share = match last > first {
            true => (time - first) / (last - first),
            false => 0.0,
        };
        ((share * steps as f64) as usize).min(steps - 1)
    }

    /// The largest point of each step, as a share of the axis; a step without points goes on where
    /// the one before it ended.
    fn heights(&self, steps: usize) -> impl Iterator<Item = f64> {
        let (floor, ceiling) = self.range();
        let mut largest: Vec<Option<f64>> = vec![None; steps];
        let mut ends = largest.clone();
        for (time, point) in self.times.iter().zip(&self.points) {
            let step = self.step(*time, steps);
            largest[step] = Some(largest[step].map_or(*point, |known| known.max(*point)));
            ends[step] = Some(*point);
        }
        let mut previous = self.points[0];
        largest.into_iter().zip(ends).map(move |(largest, end)| {
            let height = largest.unwrap_or(previous);
            previous = end.unwrap_or(previous);
            match ceiling > floor {
                true => (height - floor) / (ceiling - floor),
                false => 0.0,
            }
        })
    }

    fn shown(&self, number: f64) -> String {
        format::estimate(&Estimate::exact(number, self.column.unit)).main
    }
}

/// When the plot begins and how long it is.
fn span(table: &Table, times: &[f64]) -> String {
    let (first, last) = (times[0], times[times.len() - 1]);
    let length = format::duration(last - first);
    let start = match table.columns.first().map(|column| column.unit) {
        Some(Unit::Time) => format::time(first as u64),
        _ => format::duration(first),
    };
    format!("from {start}, over {length}")
}
