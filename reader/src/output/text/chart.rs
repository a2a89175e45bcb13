//! Histograms as bars.

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::format::{self, Cell};
use crate::output::text::line::{Line, Style, width};
use crate::report::{Bucket, Estimate, Histogram, Unit};

/// Bars longer than this say nothing more.
const CHART_WIDTH_MAX: usize = 50;

/// A bar shorter than this could not be compared with another.
const CHART_WIDTH_MIN: usize = 10;

/// Eighths of a character, empty to full, from the left.
const BAR_EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

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

/// What a line has left for a chart.
fn chart_width(line_width: usize, used: usize) -> usize {
    line_width
        .saturating_sub(used)
        .clamp(CHART_WIDTH_MIN, CHART_WIDTH_MAX)
}
