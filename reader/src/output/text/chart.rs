//! Histograms as bars and series as one-line curves.

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::format::{self, Cell};
use crate::output::text::line::{Line, Style, width};
use crate::report::{Bucket, Estimate, Histogram, Table, Unit, Value};

/// Bars and curves longer than this say nothing more.
const CHART_WIDTH_MAX: usize = 50;

/// A bar shorter than this could not be compared with another.
const CHART_WIDTH_MIN: usize = 10;

/// Eighths of a character, empty to full, from the left.
const BAR_EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Eighths of a line's height.
const CURVE_EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One line a bucket: its bounds, its value, and a bar as long as its share of the largest.
pub(crate) fn draw_histogram(histogram: &Histogram, options: &Options) -> Vec<Line> {
    if histogram.buckets.is_empty() {
        return vec![Line::indented(2).and(Style::Faint, "none")];
    }
    let ranges: Vec<String> = histogram
        .buckets
        .iter()
        .map(|bucket| range(bucket, histogram.unit))
        .collect();
    let cells: Vec<Cell> = histogram
        .buckets
        .iter()
        .map(|bucket| format::cell(&bucket.value, false))
        .collect();
    let range_width = ranges.iter().map(|range| width(range)).max().unwrap_or(0);
    let main_width = cells
        .iter()
        .map(|cell| width(&cell.main))
        .max()
        .unwrap_or(0);
    let main_width = main_width.max(width(&histogram.measure));
    let interval_width = cells
        .iter()
        .map(|cell| width(&cell.interval))
        .max()
        .unwrap_or(0);

    let used = 2 + range_width + 2 + main_width + 1 + interval_width + 2;
    let bar_width = chart_width(options.width, used);
    let value = |bucket: &Bucket| bucket.value.number().unwrap_or(0.0);
    let largest = histogram.buckets.iter().map(value).fold(0.0, f64::max);

    let mut lines = vec![
        Line::indented(2 + range_width + 2)
            .and(Style::Faint, &format!("{:>main_width$}", histogram.measure)),
    ];
    for ((bucket, range), cell) in histogram.buckets.iter().zip(&ranges).zip(&cells) {
        lines.push(
            Line::indented(2)
                .and(
                    Style::Plain,
                    &format!("{range:>range_width$}  {:>main_width$} ", cell.main),
                )
                .and(
                    Style::Faint,
                    &format!("{:interval_width$}  ", cell.interval),
                )
                .and(Style::Name, &bar(value(bucket), largest, bar_width)),
        );
    }
    lines
}

/// `16 B .. 32 B`; the upper bound does not belong to the bucket.
fn range(bucket: &Bucket, unit: Unit) -> String {
    let bound = |number: u64| format::estimate(&Estimate::exact(number as f64, unit)).main;
    match bucket.high {
        Some(high) => format!("{} .. {:>9}", bound(bucket.low), bound(high)),
        None => format!("{} .. {:9}", bound(bucket.low), ""),
    }
}

/// A bar in steps of an eighth of a character; something is never drawn as nothing.
fn bar(value: f64, largest: f64, bar_width: usize) -> String {
    if value <= 0.0 || largest <= 0.0 {
        return String::new();
    }
    let eighths = (value / largest * (bar_width * 8) as f64).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + BAR_EIGHTHS[eighths % 8]
}

/// One line a quantity: its curve from zero to its maximum, then its range and its last value.
pub(crate) fn draw_series(table: &Table, options: &Options) -> Vec<Line> {
    let times: Vec<f64> = table
        .rows
        .iter()
        .filter_map(|row| row.first()?.number())
        .collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return vec![Line::indented(2).and(Style::Faint, "none")];
    };
    let curves = table
        .columns
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, c)| c.unit.is_number());
    let title_width = curves
        .clone()
        .map(|(_, column)| width(&column.title))
        .max()
        .unwrap_or(0);
    let chart_width = chart_width(options.width, 2 + title_width + 2 + 40);

    let mut lines = Vec::new();
    for (index, column) in curves {
        let points: Vec<f64> = table
            .rows
            .iter()
            .map(|row| row.get(index).and_then(Value::number).unwrap_or(0.0))
            .collect();
        let shown = |number: f64| format::estimate(&Estimate::exact(number, column.unit)).main;
        let largest = points.iter().copied().fold(f64::MIN, f64::max);
        let smallest = points.iter().copied().fold(f64::MAX, f64::min);
        let last = points.last().copied().unwrap_or(0.0);
        let figures = format!(
            "  {} .. {}, last {}",
            shown(smallest),
            shown(largest),
            shown(last)
        );
        lines.push(
            Line::indented(2)
                .and(Style::Plain, &format!("{:title_width$}  ", column.title))
                .and(Style::Name, &curve(&times, &points, chart_width))
                .and(Style::Plain, &figures),
        );
    }
    lines.push(Line::indented(2).and(Style::Faint, &span(table, *first, *last)));
    lines
}

/// When the curves begin and how long they are.
fn span(table: &Table, first: f64, last: f64) -> String {
    let length = format::duration(last - first);
    match table.columns.first().map(|column| column.unit) {
        Some(Unit::Time) => format!("from {}, over {length}", format::time(first as u64)),
        _ => format!("from {}, over {length}", format::duration(first)),
    }
}

/// The largest point of each step of time; a step without points repeats the one before.
fn curve(times: &[f64], points: &[f64], chart_width: usize) -> String {
    let (first, last) = (times[0], times[times.len() - 1]);
    let steps = chart_width.min(points.len());
    let mut heights: Vec<Option<f64>> = vec![None; steps];
    for (time, point) in times.iter().zip(points) {
        let share = if last > first {
            (time - first) / (last - first)
        } else {
            0.0
        };
        let step = ((share * steps as f64) as usize).min(steps - 1);
        heights[step] = Some(heights[step].map_or(*point, |height| height.max(*point)));
    }
    let floor = points.iter().copied().fold(0.0, f64::min);
    let ceiling = points.iter().copied().fold(0.0, f64::max);
    let mut previous = points[0];
    let heights = heights.into_iter().map(|height| {
        previous = height.unwrap_or(previous);
        let share = if ceiling > floor {
            (previous - floor) / (ceiling - floor)
        } else {
            0.0
        };
        CURVE_EIGHTHS[((share * 7.0).round() as usize).min(7)]
    });
    heights.collect()
}

/// What a line has left for a chart.
fn chart_width(line_width: usize, used: usize) -> usize {
    line_width
        .saturating_sub(used)
        .clamp(CHART_WIDTH_MIN, CHART_WIDTH_MAX)
}
