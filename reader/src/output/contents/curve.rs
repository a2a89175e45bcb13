//! How much was live at which moment.

#![forbid(unsafe_code)]

use crate::output::contents::{places, quantity};
use crate::report::{Report, Section};

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::output) struct Point {
    /// Since the process started.
    pub age_ns: f64,
    /// Bytes live.
    pub live_bytes: f64,
    /// Blocks live.
    pub live_objects: f64,
}

/// The moments of the series `heap_over_time`, the earliest first; none where it is not there.
pub(in crate::output) fn curve(report: &Report) -> Vec<Point> {
    let section = report.section("heap_over_time");
    let Some(table) = section.and_then(Section::table) else {
        return Vec::new();
    };
    let keys = ["age_ns", "live_bytes", "live_objects"];
    let [age, bytes, objects] = places(table, keys);
    let point = |row| {
        Some(Point {
            age_ns: quantity(row, age)?,
            live_bytes: quantity(row, bytes)?,
            live_objects: quantity(row, objects).unwrap_or(0.0),
        })
    };
    let rows = table.rows.iter().map(Vec::as_slice);
    let mut points: Vec<Point> = rows.filter_map(point).collect();
    points.sort_by(|left, right| left.age_ns.total_cmp(&right.age_ns));
    points
}
