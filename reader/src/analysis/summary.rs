//! The whole picture on one screen.

#![forbid(unsafe_code)]

use clap::Args;

use crate::analysis::estimate::{Sampling, at_peak};
use crate::analysis::target::interval_text;
use crate::analysis::{Analysis, Subject, cost, leaks, resident, sites, timeline};
use crate::history::{History, Sum};
use crate::report::{Body, Column, Fact, Section, Table, Unit, Value};

/// Sites that people want to see in a summary.
const USUAL_SITES: usize = 10;

/// Leaks that people want to see in a summary.
const USUAL_LEAKS: usize = 5;

/// The summary: totals, peak, top sites, what is still live, own cost
#[derive(Debug, Args)]
pub struct Summary {}

impl Analysis for Summary {
    const NAME: &'static str = "report";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let mut sections = vec![
            heap(subject),
            timeline::section(subject.history, subject.is_filtered()),
            sites::section(subject, subject.rows_max(USUAL_SITES)),
            leaks::section(subject, subject.rows_max(USUAL_LEAKS), 0),
            storage(subject.history),
        ];
        if subject.history.process.identity.go.is_none() {
            sections.insert(4, cost::section(subject.history));
        }
        if subject.history.process.is_alive() {
            sections.splice(2..2, resident::sections(subject.history));
        }
        sections.extend(intervals(subject.history));
        sections
    }
}

/// The totals over all selected sites.
pub(crate) fn heap(subject: &Subject<'_>) -> Section {
    let history = subject.history;
    let sampling = Sampling::of(history);
    let selected = || subject.sites().map(|(_, site)| site);
    let smallest = selected().filter_map(|site| site.smallest_bytes()).min();
    let born: Sum = selected().map(|site| site.born()).sum();
    let died: Sum = selected().map(|site| site.died()).sum();
    let live: Sum = selected().map(|site| site.live()).sum();
    let mut peak: Sum = selected().map(|site| site.at_peak()).sum();
    if subject.selected.is_none() {
        // The header's figure was written at the peak; the sum over sites may be off by the calls
        // that were in flight then.
        peak.bytes = history.peak.bytes.into();
    }
    let peak_ns = history
        .clock
        .unix_ns(history.peak.ticks)
        .filter(|_| history.peak.ticks > 0);
    let facts = vec![
        Fact::new("allocated_bytes", "allocated", sampling.bytes(&born)),
        Fact::new(
            "allocated_objects",
            "objects",
            sampling.objects(&born, smallest),
        ),
        Fact::new("freed_bytes", "freed", sampling.bytes(&died)),
        Fact::new(
            "freed_objects",
            "freed objects",
            sampling.objects(&died, smallest),
        ),
        Fact::new("live_bytes", "live", sampling.bytes(&live)),
        Fact::new(
            "live_objects",
            "live objects",
            sampling.objects(&live, smallest),
        ),
        Fact::new("peak_live_bytes", "peak", at_peak(history, &peak)),
        Fact::new(
            "peak_unix_ns",
            "peak at",
            peak_ns.map_or(Value::Unknown, Value::Time),
        ),
    ];
    Section::new("heap", "Heap", Body::Facts(facts))
}

/// What the segment takes and what it remembers.
fn storage(history: &History) -> Section {
    let events = &history.events;
    let oldest_ns = events.oldest_ticks.and_then(|ticks| history.age_ns(ticks));
    let facts = vec![
        Fact::new(
            "segment_bytes",
            "segment",
            Value::Bytes(history.stored_bytes),
        ),
        Fact::new(
            "sites",
            "sites",
            Value::Count(history.sites.all.len() as u64),
        ),
        Fact::new(
            "complete_stacks_percent",
            "stacks walked to their root",
            complete_stacks(history),
        ),
        Fact::new(
            "threads",
            "threads",
            Value::Count(history.threads.len() as u64),
        ),
        Fact::new(
            "modules",
            "loaded objects",
            Value::Count(history.modules.all.len() as u64),
        ),
        Fact::new("events_kept", "events kept", Value::Count(events.events)),
        Fact::new(
            "oldest_event_age_ns",
            "oldest of them",
            oldest_ns.map_or(Value::Unknown, Value::Duration),
        ),
        Fact::new(
            "chunks_overwritten",
            "chunks of older events overwritten",
            Value::Count(events.chunks_missed),
        ),
    ];
    Section::new("storage", "What is kept", Body::Facts(facts))
}

/// How many of the stacks that were walked, or should have been, lead down to their thread's first
/// function, in percent; unknown before the first.
///
/// One whose middle was left out for lack of room counts as whole: its two ends are there.
fn complete_stacks(history: &History) -> Value {
    let complete = history.counter("complete_stacks") as f64;
    let cut = ["stacks_truncated", "stacks_missing"].map(|name| history.counter(name) as f64);
    match complete + cut.iter().sum::<f64>() {
        0.0 => Value::Unknown,
        all => Value::Percent(complete / all * 100.0),
    }
}

/// The history of the sampling interval, where it has one.
fn intervals(history: &History) -> Option<Section> {
    let changes = &history.intervals.changes;
    if changes.len() < 2 {
        return None;
    }
    let mut table = Table::new(vec![
        Column::new("after_ns", "after", Unit::Duration),
        Column::derived("since_unix_ns", "since", Unit::Time),
        Column::new("interval", "interval", Unit::Text),
    ]);
    for (ticks, interval) in changes {
        let clock = &history.clock;
        let after = clock.ns(ticks.saturating_sub(clock.start_ticks));
        table.rows.push(vec![
            after.map_or(Value::Unknown, Value::Duration),
            clock.unix_ns(*ticks).map_or(Value::Unknown, Value::Time),
            Value::Text(interval_text(*interval)),
        ]);
    }
    Some(Section::new(
        "intervals",
        "Sampling intervals",
        Body::Table(table),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::segment;
    use crate::source::{Interval, Segment};

    fn check(change: impl Fn(&mut History), expected: Value) {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let mut history = History::of(&segment);
        change(&mut history);
        let subject = Subject::new(&history);
        let sections = Summary {}.sections(&subject);
        let facts = sections.iter().filter_map(|section| match &section.body {
            Body::Facts(facts) => Some(facts),
            _ => None,
        });
        let mut facts = facts.flatten();
        let found = facts.find(|fact| fact.name == "complete_stacks_percent");
        assert_eq!(found.map(|fact| &fact.value), Some(&expected));
    }

    #[test]
    fn cut_and_missing_stacks_lower_the_share_of_complete_ones() {
        // 36 complete, 3 cut and 1 missing.
        check(|_| {}, Value::Percent(90.0));
    }

    #[test]
    fn a_program_without_stacks_has_no_share_of_complete_ones() {
        check(|history| history.counters.clear(), Value::Unknown);
    }
}
