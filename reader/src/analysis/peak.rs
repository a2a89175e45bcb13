//! The heap when it was largest.

#![forbid(unsafe_code)]

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject};
use crate::history::{History, Site, Sum};
use crate::report::{Body, Column, Estimate, Fact, Section, Table, Unit, Value};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// The heap at its largest: when that was, how much, and who held it
///
/// The profiled process itself keeps what every call stack held at the peak, so this needs nobody
/// who watched: at each new maximum of the live bytes the sites that change next note what they
/// held. `share` is of all bytes at the peak; `change` is what came and went since, of which the
/// interval is as wide as if the two were measured apart. In exact mode with several threads each
/// may hide a 4,096th of the peak. Nothing is known of the peak of a part of the blocks.
#[derive(Debug, Args)]
pub struct Peak {}

impl Analysis for Peak {
    const NAME: &'static str = "peak";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let sites = Holders::of(subject);
        vec![moment(subject, &sites), sites.table(subject)]
    }
}

/// The selected sites that held something, the largest first.
struct Holders<'a> {
    all: Vec<&'a Site>,
    at_peak: Sum,
    now: Sum,
}

impl<'a> Holders<'a> {
    fn of(subject: &Subject<'a>) -> Holders<'a> {
        let selected = || subject.sites().map(|(_, site)| site);
        let mut all: Vec<&Site> = selected()
            .filter(|site| site.at_peak().object_parts > 0)
            .collect();
        all.sort_by_cached_key(|site| (std::cmp::Reverse(site.at_peak().bytes), site.row));
        Holders {
            at_peak: all.iter().map(|site| site.at_peak()).sum(),
            now: selected().map(Site::live).sum(),
            all,
        }
    }

    /// One row a site: then, and since.
    fn table(&self, subject: &Subject<'_>) -> Section {
        let sampling = Sampling::of(subject.history);
        let mut table = Table::new(vec![
            Column::new("peak_live_bytes", "at peak", Unit::Bytes),
            Column::new("peak_live_objects", "objects at peak", Unit::Count),
            Column::new("share_percent", "share", Unit::Percent),
            Column::new("live_bytes", "now", Unit::Bytes),
            Column::change("change_bytes", "change", Unit::Bytes),
            Column::new("stack", "stack", Unit::Stack),
        ]);
        let all_bytes = self.at_peak.bytes;
        for site in self.all.iter().take(subject.rows_max(USUAL_ROWS)) {
            let (at_peak, now) = (site.at_peak(), site.live());
            table.rows.push(vec![
                sampling.bytes(&at_peak),
                sampling.objects(&at_peak, site.smallest_bytes()),
                Value::Percent(at_peak.bytes as f64 / all_bytes as f64 * 100.0),
                sampling.bytes(&now),
                change(&sampling.bytes(&at_peak), &sampling.bytes(&now)),
                subject.stacks.of(site).into(),
            ]);
        }
        let note = shown(table.rows.len(), self.all.len(), "sites");
        Section::new("peak_sites", "Who held it", Body::Table(table)).with_note(note)
    }
}

/// When it was, and all of it then and now.
fn moment(subject: &Subject<'_>, sites: &Holders<'_>) -> Section {
    let history = subject.history;
    let sampling = Sampling::of(history);
    let smallest = sites
        .all
        .iter()
        .filter_map(|site| site.smallest_bytes())
        .min();
    let mut at_peak = sites.at_peak;
    if subject.selected.is_none() && history.part.is_none() {
        // The header's figure was written at the peak itself.
        at_peak.bytes = history.peak.bytes.into();
    }
    let ticks = Some(history.peak.ticks).filter(|ticks| *ticks > 0 && history.part.is_none());
    let (bytes, now) = (sampling.bytes(&at_peak), sampling.bytes(&sites.now));
    let since_start = |ticks: u64| {
        let clock = &history.clock;
        clock.ns(ticks.saturating_sub(clock.start_ticks))
    };
    let value = |number: Option<u64>, kind: fn(u64) -> Value| number.map_or(Value::Unknown, kind);
    let known = |value: Value| {
        if history.part.is_none() {
            value
        } else {
            Value::Unknown
        }
    };
    let facts = vec![
        Fact::new("peak_live_bytes", "at peak", known(bytes.clone())),
        Fact::new(
            "peak_live_objects",
            "objects at peak",
            known(sampling.objects(&at_peak, smallest)),
        ),
        Fact::new(
            "peak_unix_ns",
            "when",
            value(
                ticks.and_then(|ticks| history.clock.unix_ns(ticks)),
                Value::Time,
            ),
        ),
        Fact::new(
            "peak_after_ns",
            "after its start",
            value(ticks.and_then(since_start), Value::Duration),
        ),
        Fact::new(
            "peak_age_ns",
            "ago",
            value(age_ns(history, ticks), Value::Duration),
        ),
        Fact::new("live_bytes", "now", now.clone()),
        Fact::new("change_bytes", "change since", known(change(&bytes, &now))),
    ];
    Section::new("peak", "The heap at its largest", Body::Facts(facts))
}

fn age_ns(history: &History, ticks: Option<u64>) -> Option<u64> {
    ticks.and_then(|ticks| history.age_ns(ticks))
}

/// What came since; the blocks that were there both times count in both, so it is no wider than
/// said.
fn change(before: &Value, after: &Value) -> Value {
    let (Value::Estimate(before), Value::Estimate(after)) = (before, after) else {
        return Value::Unknown;
    };
    let value = after.value - before.value;
    if before.exact && after.exact {
        return Estimate::exact(value, Unit::Bytes).into();
    }
    let down = (after.value - after.low).hypot(before.high - before.value);
    let up = (after.high - after.value).hypot(before.value - before.low);
    Estimate::sampled(value, value - down, value + up, Unit::Bytes).into()
}
