//! The heap over time, for every answer that shows it.

#![forbid(unsafe_code)]

use crate::analysis::estimate::Sampling;
use crate::history::{History, Point};
use crate::report::{Body, Column, Section, Table, Unit, Value};

/// What was live at each moment that is known, the peak and the last moment among them.
///
/// The table remembers the whole program: a filter does not reach into it, and it says so.
pub(crate) fn section(history: &History, is_filtered: bool) -> Section {
    let mut table = Table::new(vec![
        Column::new("unix_ns", "time", Unit::Time),
        Column::derived("age_ns", "age", Unit::Duration),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
    ]);
    let rows = history.timeline.iter();
    table.rows = rows.filter_map(|point| row(history, point)).collect();
    let section = Section::new("heap_over_time", "Heap over time", Body::Series(table));
    match is_filtered {
        true => section.with_note("of the whole program, whatever the filter"),
        false => section,
    }
}

/// One point; none where nobody knows how ticks become time.
fn row(history: &History, point: &Point) -> Option<Vec<Value>> {
    let clock = &history.clock;
    let sampling = Sampling::of(history);
    Some(vec![
        Value::Time(clock.unix_ns(point.ticks)?),
        Value::Duration(clock.ns(point.ticks.saturating_sub(clock.start_ticks))?),
        sampling.bytes(&point.live),
        sampling.objects_of_usual_size(&point.live),
    ])
}
