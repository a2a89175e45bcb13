//! The call stacks that leak or grew, those of all processes of a version together, with names.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};

use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::detector::Suspicion;
use crate::digest::program::{Version, keeps_growth, version_of};
use crate::digest::reading::Reading;
use crate::digest::window::Trace;
use crate::history::SiteIndex;
use crate::metrics::Place;
use crate::report::{Estimate, Stack, Unit};
use crate::session::{Request, Session};
use crate::statistics::interval::{Sums, difference};

/// One call stack of one version.
#[derive(Debug, Clone)]
pub struct Row {
    /// Whose it is.
    pub version: Version,
    /// Processes in which it leaks or grew.
    pub processes: u64,
    /// The process that shows it best, to ask more about.
    pub pid: u32,
    /// The worst verdict that it has in any of them.
    pub verdict: Class,
    /// How fast it leaks in all of them.
    pub rate: Option<Estimate>,
    /// What speaks for a leak, in the process where most does.
    pub suspicion: Option<Suspicion>,
    /// When the memory is used up at this rate, in the process that meets its limit first, ns.
    pub limit_in_ns: Option<u64>,
    /// What it gained in the window, less what it lost.
    pub growth: Estimate,
    /// The longest time that this was counted over, ns.
    pub span_ns: u64,
    /// What lives of it.
    pub live: Estimate,
    /// Its frames, with their names once [`name`] was here.
    pub stack: Stack,
    /// Its function, and what is the same for it in every build.
    pub place: Option<Place>,
    gained: Sums,
    lost: Sums,
    lives: Sums,
    representative: (usize, SiteIndex),
}

impl Row {
    fn new(version: Version, pid: u32, representative: (usize, SiteIndex)) -> Row {
        let nothing = Estimate::exact(0.0, Unit::Bytes);
        Row {
            version,
            processes: 0,
            pid,
            verdict: Class::Churn,
            rate: None,
            suspicion: None,
            limit_in_ns: None,
            growth: nothing,
            span_ns: 0,
            live: nothing,
            stack: Stack::default(),
            place: None,
            gained: Sums::default(),
            lost: Sums::default(),
            lives: Sums::default(),
            representative,
        }
    }

    /// Whether it leaks or grows by its verdict.
    pub fn is_leak(&self) -> bool {
        self.verdict < Class::TooLittleData
    }

    /// Its growth each second; `None` where that was counted over no time.
    pub fn growth_per_second(&self) -> Option<Estimate> {
        let seconds = self.span_ns as f64 / 1e9;
        (seconds > 0.0).then(|| Estimate {
            value: self.growth.value / seconds,
            low: self.growth.low / seconds,
            high: self.growth.high / seconds,
            exact: self.growth.exact,
            unit: Unit::BytesPerSecond,
        })
    }

    /// The function that one can change, once it has a name.
    pub fn function(&self) -> &str {
        self.place.as_ref().map_or("?", |place| &place.function)
    }

    fn finish(&mut self) {
        self.growth = difference(&self.gained, &self.lost, Unit::Bytes);
        self.live = self.lives.estimate(Unit::Bytes);
    }
}

/// Every call stack that leaks or changed, without names.
pub fn rows(traces: &[Trace<'_>], readings: &[Option<Reading>]) -> Vec<Row> {
    let mut rows: HashMap<(Version, u64), Row> = HashMap::new();
    for (place, (trace, reading)) in traces.iter().zip(readings).enumerate() {
        let Some(reading) = reading else {
            continue;
        };
        let version = version_of(trace, Some(reading));
        for site in &reading.sites {
            let key = (version.clone(), site.stack_id);
            let pid = trace.process.key.pid;
            let row = rows
                .entry(key)
                .or_insert_with(|| Row::new(version.clone(), pid, (place, site.site)));
            row.processes += 1;
            if keeps_growth(reading.state) {
                row.gained.merge(&site.gained);
                row.lost.merge(&site.lost);
                row.span_ns = row.span_ns.max(reading.span_ns.unwrap_or(0));
            }
            row.lives.merge(&site.live);
            if !site.is_leak() {
                continue;
            }
            let worst = row.rate.map_or(0.0, |rate| rate.value);
            if site.rate.map_or(0.0, |rate| rate.value) >= worst {
                (row.pid, row.representative) = (pid, (place, site.site));
                row.suspicion = site.suspicion;
            }
            row.verdict = row.verdict.min(site.verdict);
            row.rate = plus(row.rate, site.rate);
            let limit_in_ns = time_left(reading.left_bytes, site.rate);
            row.limit_in_ns = row.limit_in_ns.into_iter().chain(limit_in_ns).min();
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.iter_mut().for_each(Row::finish);
    rows
}

/// Two rates of independent samples together.
fn plus(one: Option<Estimate>, other: Option<Estimate>) -> Option<Estimate> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let value = one.value + other.value;
    let down = (one.value - one.low).hypot(other.value - other.low);
    let up = (one.high - one.value).hypot(other.high - other.value);
    Some(Estimate {
        value,
        low: value - down,
        high: value + up,
        exact: one.exact && other.exact,
        unit: one.unit,
    })
}

/// When what is left is used up at this rate.
fn time_left(left_bytes: Option<u64>, rate: Option<Estimate>) -> Option<u64> {
    let ns = left_bytes? as f64 / rate?.value * 1e9;
    (ns.is_finite() && ns < u64::MAX as f64).then_some(ns as u64)
}

/// The largest `rows_max` rows that leak, those that leak fastest first.
pub fn leaks(rows: &[Row], rows_max: usize) -> Vec<Row> {
    let mut leaks: Vec<&Row> = rows.iter().filter(|row| row.is_leak()).collect();
    let rate = |row: &Row| row.rate.map_or(0.0, |rate| rate.value);
    leaks.sort_by(|left, right| {
        let by_class = left.verdict.cmp(&right.verdict);
        by_class
            .then(rate(right).total_cmp(&rate(left)))
            .then(left.version.cmp(&right.version))
    });
    leaks.into_iter().take(rows_max).cloned().collect()
}

/// The `rows_max` rows that grew most, of those that surely grew.
pub fn grown(rows: &[Row], rows_max: usize) -> Vec<Row> {
    let mut grown: Vec<&Row> = rows.iter().filter(|row| row.growth.low > 0.0).collect();
    grown.sort_by(|left, right| {
        let by_growth = right.growth.value.total_cmp(&left.growth.value);
        by_growth.then(left.version.cmp(&right.version))
    });
    grown.into_iter().take(rows_max).cloned().collect()
}

/// Gives the stacks of rows their names; each process is opened once, whatever it has.
///
/// One whose snapshot cannot be read any more leaves its rows without.
pub fn name(rows: &mut [&mut [Row]], traces: &[Trace<'_>], request: &Request) {
    let mut by_trace: BTreeMap<usize, Vec<&mut Row>> = BTreeMap::new();
    for row in rows.iter_mut().flat_map(|rows| rows.iter_mut()) {
        by_trace.entry(row.representative.0).or_default().push(row);
    }
    for (place, rows) in by_trace {
        let segment = traces[place].last().map(|last| last.segment());
        let Some(Ok(segment)) = segment else {
            continue;
        };
        let mut session = Session::of(&segment, request);
        let sites: Vec<SiteIndex> = rows.iter().map(|row| row.representative.1).collect();
        let stacks = session.stacks_of(&sites);
        for (row, stack) in rows.into_iter().zip(stacks) {
            row.place = Some(Place::of(&stack));
            row.stack = stack;
        }
    }
}
