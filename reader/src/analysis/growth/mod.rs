//! What the heap gained between two moments, by who allocated it, and whether that goes on.

#![forbid(unsafe_code)]

mod change;
mod facts;
mod trend;
mod window;

use std::cmp::Reverse;
use std::time::Duration;

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject, resident, timeline};
use crate::moment::Moment;
use crate::quantity;
use crate::report::{Body, Column, Estimate, Section, Table, Unit, Value};

pub(in crate::analysis) use change::{Change, Changes};
pub(in crate::analysis) use window::Window;

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// Rows beside the end of a process.
const ROWS_AT_END: usize = 3;

/// What the heap gained between two moments, by call stack, and since when it grows
///
/// Method: growth is what was born within the window and is still alive at its end, minus what was
/// older and was freed within it. Both are sums over samples that have no block in common, so their
/// variances add, and what stayed alive all the time adds nothing; the difference of two estimates
/// of the heap would be far less sure.
///
/// Assumptions: births are known for all blocks that are alive. Deaths are known one by one only as
/// far back as the segment remembers them; a window that begins earlier says so, and gives net
/// growth as an upper bound. By default the window is the last half of the run, or as much of it as
/// all deaths are known of. --for takes two readings of a running process and compares them block
/// by block, which needs no memory of deaths.
///
/// The trend is of the whole life: the heap grows when the least that it will ever be again rises
/// evenly up to the end, and above all that was there before. A cache that fills, a saw-tooth, a
/// step and a day's load are no such growth. What frees everything within the last fiftieth of a
/// program that went through exit does not count against it.
#[derive(Debug, Args)]
pub struct Growth {
    /// Begin the window here: 90s after the start, -5m before the end, @14:05 in UTC
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    since: Option<Moment>,
    /// End the window here
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    until: Option<Moment>,
    /// Watch a running process for so long, and compare the two ends block by block
    #[arg(
        long = "for",
        value_name = "DURATION",
        value_parser = quantity::duration_ns,
        conflicts_with_all = ["since", "until"]
    )]
    watched_ns: Option<u64>,
}

impl Analysis for Growth {
    const NAME: &'static str = "growth";

    fn watched(&self) -> Option<Duration> {
        self.watched_ns.map(Duration::from_nanos)
    }

    fn window(&self) -> Option<crate::analysis::Window> {
        Some((self.since, self.until))
    }

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let history = subject.history;
        let (window, changes) = match subject.earlier {
            Some(earlier) => (
                Window::between(earlier, history),
                Changes::between(earlier, history),
            ),
            None => {
                let window = Window::of(history, self.since, self.until);
                (window, Changes::within(history, &window))
            }
        };
        let mut sections = vec![
            facts::section(subject, &window, &changes),
            table(subject, &window, &changes, subject.rows_max(USUAL_ROWS)),
            timeline::section(history, subject.is_filtered()),
        ];
        sections.extend(resident::sections(history));
        sections
    }
}

/// Who grew most at the end of a life, of which nobody asks for more.
pub(in crate::analysis) fn last(subject: &Subject<'_>) -> Section {
    let window = Window::of(subject.history, None, None);
    let changes = Changes::within(subject.history, &window);
    let section = table(subject, &window, &changes, ROWS_AT_END);
    Section {
        title: "What had grown last".to_owned(),
        ..section
    }
}

/// The sites that changed, those that grew most first.
fn table(subject: &Subject<'_>, window: &Window, changes: &Changes, rows_max: usize) -> Section {
    let mut changed: Vec<(usize, &Change)> = changes
        .of_sites(subject)
        .filter(|(_, change)| !change.is_nothing())
        .collect();
    // What grew comes first, and of what shrank that which shrank most.
    changed.sort_by_cached_key(|(site, change)| {
        let net = change.net_bytes();
        (net < 0, Reverse(net.unsigned_abs()), *site)
    });
    let all = changed.len();
    let grown: i128 = changed
        .iter()
        .map(|(_, change)| change.net_bytes().max(0))
        .sum();
    changed.truncate(rows_max);
    let rows = changed.iter().map(|(site, change)| {
        let mut row = figures(subject, window, *site, change, grown);
        let site = &subject.history.sites.all[*site];
        row.push(subject.stacks.of(site).into());
        row
    });
    let table = Table {
        columns: columns(),
        rows: rows.collect(),
    };
    let note = [
        window.note(subject.history),
        shown(table.rows.len(), all, "sites that changed"),
    ];
    let note: Vec<String> = note.into_iter().filter(|part| !part.is_empty()).collect();
    Section::new("growth", "Who grew", Body::Table(table)).with_note(note.join("; "))
}

fn columns() -> Vec<Column> {
    vec![
        Column::change("net_bytes", "growth", Unit::Bytes),
        Column::change("net_objects", "objects", Unit::Count),
        Column::change("net_bytes_per_second", "rate", Unit::BytesPerSecond),
        Column::new("share_percent", "of all growth", Unit::Percent),
        Column::new("new_bytes", "new, alive", Unit::Bytes),
        Column::new("freed_bytes", "old, freed", Unit::Bytes),
        Column::derived("new_objects", "new objects", Unit::Count),
        Column::derived("freed_objects", "freed objects", Unit::Count),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

/// What one site gained, in the order of [`columns`].
fn figures(
    subject: &Subject<'_>,
    window: &Window,
    site: usize,
    change: &Change,
    grown: i128,
) -> Vec<Value> {
    let history = subject.history;
    let net = change.net(history, Unit::Bytes, window);
    let sampling = Sampling::of(history);
    let smallest = history.sites.all[site].smallest_bytes();
    let share = (grown > 0 && change.net_bytes() > 0)
        .then(|| Value::Percent(change.net_bytes() as f64 / grown as f64 * 100.0));
    vec![
        net.into(),
        change.net(history, Unit::Count, window).into(),
        rate(&net, window).map_or(Value::Unknown, Value::from),
        share.unwrap_or(Value::Unknown),
        sampling.bytes(&change.gained),
        sampling.bytes(&change.lost),
        sampling.objects(&change.gained, smallest),
        sampling.objects(&change.lost, smallest),
    ]
}

/// A change by the second of the window; none where its length is not known.
pub(in crate::analysis) fn rate(net: &Estimate, window: &Window) -> Option<Estimate> {
    let seconds = window.ns? as f64 / 1e9;
    let by_second = |figure: f64| figure / seconds;
    (seconds > 0.0).then(|| Estimate {
        value: by_second(net.value),
        low: by_second(net.low),
        high: by_second(net.high),
        exact: net.exact,
        unit: Unit::BytesPerSecond,
    })
}
