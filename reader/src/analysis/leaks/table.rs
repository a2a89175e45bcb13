//! The table of what is still live: leaks first, each row with its evidence.

#![forbid(unsafe_code)]

use std::cmp::Reverse;

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::{Suspicion, Verdict};
use crate::analysis::leaks::rate;
use crate::analysis::sites::shown;
use crate::history::{History, Site, SiteIndex};
use crate::report::{Body, Column, Estimate, Report, Section, Table, Unit, Value};
use crate::source::limit;
use crate::statistics::rare;

/// Which rows to show.
pub(super) struct Choice {
    /// At most so many rows.
    pub rows_max: usize,
    /// Whether what leaks or grows has its row nevertheless, until [`shorten`] has been called.
    pub has_all_alarms: bool,
    /// Only sites with as many live bytes.
    pub at_least: u64,
    /// Only these kinds; all where there is none.
    pub classes: Vec<Class>,
}

impl Choice {
    fn takes(&self, site: &Site, class: Class) -> bool {
        let live = site.live();
        let is_wanted = self.classes.is_empty() || self.classes.contains(&class);
        live.object_parts > 0 && live.bytes >= u128::from(self.at_least) && is_wanted
    }
}

/// The sites with live blocks: leaks, then containers that grow, by rate, and then the others by
/// what is live; the ages are of the blocks that were sampled.
pub(super) fn section(subject: &Subject<'_>, verdicts: &[Verdict], choice: &Choice) -> Section {
    let history = subject.history;
    let rates = rate::of_all(subject, verdicts);
    let wanted = |(index, site): &(SiteIndex, &Site)| choice.takes(site, verdicts[*index].class);
    let mut sites: Vec<(SiteIndex, &Site)> = subject.sites().filter(wanted).collect();
    sites.sort_by_cached_key(|(index, site)| {
        let group = verdicts[*index].class.min(Class::TooLittleData);
        let rate = rates[*index].map_or(0.0, |rate| rate.value);
        (group, Reverse((rate as u64, site.live().bytes)), site.row)
    });
    let all = sites.len();
    let is_alarm = |(index, _): &&(SiteIndex, &Site)| verdicts[*index].class < Class::TooLittleData;
    let alarms = match choice.has_all_alarms {
        true => sites.iter().filter(is_alarm).count(),
        false => 0,
    };
    sites.truncate(choice.rows_max.max(alarms));
    let left_bytes = left_bytes(history);
    let births = births(history, &sites);
    let rows = sites.iter().zip(births).map(|((index, site), births)| {
        let rate = rates[*index];
        row(subject, site, &verdicts[*index], rate, left_bytes, births)
    });
    let table = Table {
        columns: columns(),
        rows: rows.collect(),
    };
    let note = shown(table.rows.len().min(choice.rows_max), all, SITES);
    Section::new("leaks", "What is still live", Body::Table(table)).with_note(note)
}

/// What the rows are.
const SITES: &str = "sites with live blocks";

/// Cuts the table to what people read, once it needs no more rows than that; `is_whole` says that
/// it had every row until now.
pub(super) fn shorten(report: &mut Report, rows_max: usize, is_whole: bool) {
    let section = report
        .sections
        .iter_mut()
        .find(|section| section.name == "leaks");
    if let Some(section) = section
        && let Body::Table(table) = &mut section.body
        && table.rows.len() > rows_max
    {
        if is_whole {
            section.note = shown(rows_max, table.rows.len(), SITES);
        }
        table.rows.truncate(rows_max);
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("rate_bytes_per_second", "rate", Unit::BytesPerSecond),
        Column::new("limit_in_ns", "limit in", Unit::Duration),
        Column::new("oldest_age_ns", "oldest", Unit::Duration),
        Column::new("median_age_ns", "median", Unit::Duration),
        Column::new("youngest_age_ns", "youngest", Unit::Duration),
        Column::new("survivors", "survivors", Unit::Text),
        Column::new("survivor_age_ns", "older than", Unit::Duration),
        Column::new("early_life_ns", "younger live", Unit::Duration),
        Column::new("late_life_min_ns", "older at least", Unit::Duration),
        Column::new("chance_percent", "chance", Unit::Percent),
        Column::derived(
            "late_deaths_per_second",
            "late hazard",
            Unit::CountPerSecond,
        ),
        Column::derived(
            "early_deaths_per_second",
            "early hazard",
            Unit::CountPerSecond,
        ),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

fn row(
    subject: &Subject<'_>,
    site: &Site,
    verdict: &Verdict,
    rate: Option<Estimate>,
    left_bytes: Option<u64>,
    mut births: Vec<Birth>,
) -> Vec<Value> {
    let history = subject.history;
    let sampling = Sampling::of(history);
    let live = site.live();
    let age = |birth: Option<&Birth>| {
        let age_ns = birth.and_then(|(ticks, _)| history.age_ns(*ticks));
        age_ns.map_or(Value::Unknown, Value::Duration)
    };
    births.sort_unstable();
    let mut row = vec![
        Value::text(verdict.class.name()),
        sampling.bytes(&live),
        sampling.objects(&live, site.smallest_bytes()),
        rate.map_or(Value::Unknown, Value::Estimate),
        time_left(left_bytes, rate),
        age(births.first()),
        age(median(&births)),
        age(births.last()),
    ];
    row.extend(evidence(verdict.suspicion.as_ref()));
    row.push(subject.stacks.of(site).into());
    row
}

/// What speaks for a leak, in the order of the columns; all unknown where too few survive.
fn evidence(suspicion: Option<&Suspicion>) -> [Value; 7] {
    let Some(found) = suspicion else {
        return [const { Value::Unknown }; 7];
    };
    let duration = |seconds: f64| match (seconds * 1e9).round() {
        ns if ns.is_finite() && ns < u64::MAX as f64 => Value::Duration(ns as u64),
        _ => Value::Unknown,
    };
    let late_most = rare::rate_at_most(found.late.deaths, found.late.seconds);
    let late = found.late.hazard().unwrap_or(0.0);
    let early = found.early.hazard();
    let [first, middle, last] = found.cohorts;
    let unit = Unit::CountPerSecond;
    [
        Value::Text(format!("{first} {middle} {last}")),
        duration(found.cut),
        early.map_or(Value::Unknown, |hazard| duration(1.0 / hazard)),
        duration(1.0 / late_most),
        Value::Percent(found.p_adjusted * 100.0),
        Estimate::sampled(late, 0.0, late_most.max(late), unit).into(),
        early.map_or(Value::Unknown, |hazard| {
            // Deaths before the cut are many, so that their number is nearly normal.
            let spread = 1.96 * hazard / found.early.deaths.max(1.0).sqrt();
            let low = (hazard - spread).max(0.0);
            Estimate::sampled(hazard, low, hazard + spread, unit).into()
        }),
    ]
}

/// Bytes that the process may still use, while it runs, or might at the moment of a recording.
pub(super) fn left_bytes(history: &History) -> Option<u64> {
    if history.process.is_past {
        return history.process.left_bytes;
    }
    let is_alive = history.process.is_alive();
    let limit = is_alive.then(|| limit::of(history.process.identity.pid));
    limit.flatten().map(|limit| limit.left_bytes())
}

/// When that is used up at this rate; only where it will be.
pub(super) fn time_left(left_bytes: Option<u64>, rate: Option<Estimate>) -> Value {
    let (Some(left), Some(rate)) = (left_bytes, rate) else {
        return Value::Unknown;
    };
    match left as f64 / rate.value * 1e9 {
        ns if ns.is_finite() && ns < u64::MAX as f64 => Value::Duration(ns as u64),
        _ => Value::Unknown,
    }
}

/// When a block was born, and how many blocks it stands for.
type Birth = (u64, u64);

/// The births of the live blocks of these sites, in their order; nothing is kept of other sites.
fn births(history: &History, sites: &[(SiteIndex, &Site)]) -> Vec<Vec<Birth>> {
    let mut places = vec![None; history.sites.all.len()];
    for (place, (index, _)) in sites.iter().enumerate() {
        places[*index] = Some(place);
    }
    let placed = || {
        let blocks = history.blocks.iter();
        blocks.filter_map(|block| Some((places[block.site()]?, block)))
    };
    // Counted first, since lists that grow take up to twice what they hold.
    let mut counts = vec![0; sites.len()];
    placed().for_each(|(place, _)| counts[place] += 1);
    let mut births: Vec<Vec<Birth>> = counts.into_iter().map(Vec::with_capacity).collect();
    for (place, block) in placed() {
        births[place].push((block.birth_ticks, block.weight().objects));
    }
    births
}

/// The birth up to which half of the blocks were born, each counted for those it stands for.
fn median(births: &[Birth]) -> Option<&Birth> {
    let total: u128 = births.iter().map(|(_, weight)| u128::from(*weight)).sum();
    let mut seen = 0;
    births.iter().find(|(_, weight)| {
        seen += u128::from(*weight);
        seen * 2 >= total
    })
}
