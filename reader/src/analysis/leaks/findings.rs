//! The answer at one glance: how many leaks, how fast, and until when; or how small a leak could
//! still hide.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::collected;
use crate::analysis::leaks::detector::{FALSE_LEAKS, OBJECTS_MIN, RUN_MIN, SURVIVORS_MIN, WARM_UP};
use crate::analysis::leaks::evidence::seconds;
use crate::analysis::leaks::{rate, table};
use crate::history::History;
use crate::report::{Body, Estimate, Fact, Report, Section, Unit, Value};

/// What the table of leaks holds once nothing is suppressed in it any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// Rows in all.
    pub rows: usize,
    /// Rows that are leaks.
    pub leaks: usize,
    /// Rows that are growing containers.
    pub growing: usize,
    rates: Vec<Estimate>,
}

impl Found {
    /// Counts the rows of a report that are not suppressed.
    pub fn of(report: &Report) -> Found {
        let table = report.section("leaks").and_then(Section::table);
        let Some(table) = table else {
            return Found::default();
        };
        let [verdict, rate] = ["verdict", "rate_bytes_per_second"].map(|key| table.index(key));
        let mut found = Found {
            rows: table.rows.len(),
            ..Found::default()
        };
        for row in &table.rows {
            let is = |class: Class| {
                let value = verdict.and_then(|index| row.get(index));
                matches!(value, Some(Value::Text(text)) if text == class.name())
            };
            found.leaks += usize::from(is(Class::Leak));
            found.growing += usize::from(is(Class::GrowingContainer));
            if let Some(Value::Estimate(rate)) = rate.and_then(|index| row.get(index)) {
                found.rates.push(*rate);
            }
        }
        found
    }

    /// What was found; `too_short` says why nothing could be.
    fn answer(&self, too_short: Option<&str>) -> String {
        let number = |count: usize, thing: &str| match count {
            1 => format!("one {thing}"),
            _ => format!("{count} {thing}s"),
        };
        match (self.leaks, self.growing) {
            (0, 0) => too_short.unwrap_or("no leak found").to_owned(),
            (leaks, 0) => number(leaks, "leak"),
            (0, growing) => number(growing, "growing container"),
            (leaks, growing) => {
                let containers = number(growing, "growing container");
                format!("{} and {containers}", number(leaks, "leak"))
            }
        }
    }
}

/// The answer as facts, which go on top.
pub(super) fn section(subject: &Subject<'_>, found: &Found) -> Section {
    let history = subject.history;
    let run = seconds(
        history,
        history
            .now_ticks()
            .saturating_sub(history.clock.start_ticks),
    );
    let is_go = history.process.identity.go.is_some();
    let too_short = match is_go {
        true => collected::too_little(history),
        false if run < RUN_MIN => Some("too short a run to tell a leak by the age of blocks"),
        _ => None,
    };
    let mut facts = vec![
        Fact::new("answer", "answer", Value::Text(found.answer(too_short))),
        Fact::new("leaks", "leaks", Value::Count(found.leaks as u64)),
        Fact::new(
            "growing_containers",
            "growing containers",
            Value::Count(found.growing as u64),
        ),
    ];
    if !found.rates.is_empty() {
        let rate = rate::sum(found.rates.iter().copied());
        let left_bytes = table::left_bytes(history);
        let left = table::time_left(left_bytes, Some(rate));
        facts.push(Fact::new("rate_bytes_per_second", "together", rate.into()));
        if let Some(left_bytes) = left_bytes {
            facts.push(Fact::new(
                "left_bytes",
                "memory left",
                Value::Bytes(left_bytes),
            ));
            facts.push(Fact::new("limit_in_ns", "used up in", left));
        }
    }
    facts.push(Fact::new(
        "sites_with_live_blocks",
        "sites with live blocks",
        Value::Count(
            subject
                .sites()
                .filter(|(_, site)| site.live().object_parts > 0)
                .count() as u64,
        ),
    ));
    if too_short.is_none() && !is_go {
        let smallest = smallest_rate(history, run);
        facts.push(Fact::new(
            "smallest_rate_bytes_per_second",
            "a leak would be found from about",
            Estimate::exact(smallest, Unit::BytesPerSecond).into(),
        ));
    }
    Section::new("findings", "Leaks", Body::Facts(facts))
}

/// The rate from which on a leak that began with the program would have been found by now.
///
/// Each survivor multiplies the chance of so much evidence without a leak by the share of blocks
/// that would die meanwhile, which over a run is about e to the -2.3; this must stand up to the
/// number of sites and of age cuts.
fn smallest_rate(history: &History, run: f64) -> f64 {
    const CUTS: f64 = 5.0;
    const FOLDS: f64 = 2.3;
    let sites = history.sites.all.iter();
    let tested = sites
        .filter(|site| site.live().raw_objects >= u128::from(SURVIVORS_MIN))
        .count();
    let survivors = ((tested.max(1) as f64 * CUTS / FALSE_LEAKS).ln() / FOLDS).ceil();
    let survivors = survivors.max(f64::from(SURVIVORS_MIN));
    let born: crate::history::Sum = history.sites.all.iter().map(|site| site.born()).sum();
    let mean_bytes = born.bytes as f64 / born.objects().max(1.0);
    let sampled_bytes = history.intervals.coarsest().bytes().unwrap_or(0) as f64;
    let bytes = (survivors * sampled_bytes).max(survivors.max(OBJECTS_MIN) * mean_bytes);
    bytes / (run * (1.0 - WARM_UP))
}
