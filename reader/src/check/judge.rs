//! From figures and limits to verdicts.

#![forbid(unsafe_code)]

use crate::analysis::suppressions::Suppressions;
use crate::check::budget::Budget;
use crate::check::limit::{Growth, Limits, Size};
use crate::check::trial::Trial;
use crate::comparison::{
    Change, Comparison, Evidence, Level, Measure, Quantity, are_significant, describe, estimate,
    exceeds, growth, place_of,
};
use crate::output::format;
use crate::report::{Estimate, Stack, Unit};

/// Call stacks that are named of one check; more would be read by nobody.
const NAMED_MAX: usize = 10;

/// What is compared with the baseline.
const GROWING: [Measure; 4] = [
    Measure::AllocatedBytes,
    Measure::AllocatedObjects,
    Measure::PeakBytes,
    Measure::LiveBytes,
];

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the limit.
    Ok,
    /// Above it, and not by chance.
    Broken,
    /// Above it, but that may be chance.
    Uncertain,
}

impl Verdict {
    /// The stable name, as it stands in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Broken => "broken",
            Verdict::Uncertain => "uncertain",
        }
    }

    /// Whether `after` is above `limit`, and whether chance explains that.
    fn of(limit: &Evidence, after: &Evidence) -> Verdict {
        if after.quantity.total <= limit.quantity.total {
            return Verdict::Ok;
        }
        match Level::BROKEN.refutes(exceeds(limit, after)) {
            true => Verdict::Broken,
            false => Verdict::Uncertain,
        }
    }
}

/// One limit and what was found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) limit: String,
    pub(crate) measured: Estimate,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) stack: Option<Stack>,
}

/// All limits against one trial; `comparison` is with the baseline, or with nothing where there
/// is none.
pub(crate) fn judge(
    limits: &Limits,
    budget: &Budget,
    trial: &Trial,
    comparison: &Comparison,
    has_baseline: bool,
    suppressions: &Suppressions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sizes = [
        ("max-peak", Measure::PeakBytes, limits.max_peak),
        ("max-live", Measure::LiveBytes, limits.max_live),
        (
            "max-allocated",
            Measure::AllocatedBytes,
            limits.max_allocated,
        ),
    ];
    for (name, measure, limit) in sizes {
        findings.extend(limit.map(|Size(bytes)| absolute(name, measure, bytes, comparison)));
    }
    findings.extend(limits.max_allocations.map(|count| {
        absolute(
            "max-allocations",
            Measure::AllocatedObjects,
            count as f64,
            comparison,
        )
    }));
    findings.extend(
        limits
            .max_leak
            .map(|Size(bytes)| leak(bytes, trial, comparison, suppressions)),
    );
    if let Some(limit) = limits.max_growth.filter(|_| has_baseline) {
        for measure in GROWING {
            findings.extend(growing(measure, limit, comparison));
        }
    }
    for site in &budget.sites {
        let rows: Vec<&Change> = comparison
            .rows
            .iter()
            .filter(|row| site.matches(&row.stack))
            .collect();
        for (measure, limit) in site.limits() {
            findings.push(part(&site.title(), measure, limit, &rows));
        }
    }
    findings
}

/// A total against a constant.
fn absolute(name: &str, measure: Measure, limit: f64, comparison: &Comparison) -> Finding {
    let total = comparison.total.after(measure);
    let measured = estimate(total, measure.unit());
    let verdict = Verdict::of(&Evidence::certain(limit), total);
    let most = comparison.rows.iter().max_by(|a, b| {
        let size = |row: &Change| row.after(measure).quantity.total;
        size(a).total_cmp(&size(b))
    });
    let limit = text(limit, measure.unit());
    let mut message = format!(
        "{} is {}, the limit is {limit}{}",
        noun(measure),
        interval_text(&measured),
        doubt(verdict)
    );
    if let Some(place) = most.and_then(place_of).filter(|_| verdict != Verdict::Ok) {
        message.push_str(&format!("; most of it in {place}"));
    }
    Finding {
        check: name.to_owned(),
        limit,
        measured,
        verdict,
        message,
        stack: culprit(verdict, most),
    }
}

/// Some rows together against a constant.
fn part(title: &str, measure: Measure, limit: f64, rows: &[&Change]) -> Finding {
    let sum = sum_of(rows.iter().map(|row| row.after(measure)));
    let measured = estimate(&sum, measure.unit());
    let verdict = Verdict::of(&Evidence::certain(limit), &sum);
    let most = rows.iter().copied().max_by(|a, b| {
        let size = |row: &Change| row.after(measure).quantity.total;
        size(a).total_cmp(&size(b))
    });
    let limit = text(limit, measure.unit());
    Finding {
        check: format!("budget of {title}: {}", measure.title()),
        message: format!(
            "{} of {title} is {} in {} call stacks, the limit is {limit}{}",
            noun(measure),
            interval_text(&measured),
            rows.len(),
            doubt(verdict)
        ),
        limit,
        measured,
        verdict,
        stack: culprit(verdict, most),
    }
}

/// What is left at the end, row by row, against a constant.
fn leak(
    limit: f64,
    trial: &Trial,
    comparison: &Comparison,
    suppressions: &Suppressions,
) -> Finding {
    let measure = Measure::LiveBytes;
    let is_left = |row: &&Change| {
        row.difference(measure) > 0.0 && suppressions.suppressed(&row.stack).is_none()
    };
    let mut left: Vec<&Change> = comparison.rows.iter().filter(is_left).collect();
    left.sort_by(|a, b| b.difference(measure).total_cmp(&a.difference(measure)));
    let chance = |row: &&Change| exceeds(row.lost(measure), row.gained(measure));
    let chances: Vec<f64> = left.iter().map(chance).collect();
    let is_certain = are_significant(&chances, Level::BROKEN);
    let certain: Vec<&Change> = left
        .iter()
        .zip(&is_certain)
        .filter_map(|(row, is_certain)| is_certain.then_some(*row))
        .collect();
    let before = sum_of(certain.iter().map(|row| row.lost(measure)));
    let after = sum_of(certain.iter().map(|row| row.gained(measure)));
    let maybe: f64 = left.iter().map(|row| row.difference(measure)).sum();
    let measured = growth(&before, &after, Unit::Bytes);
    let verdict = match Verdict::of(&before.plus(limit), &after) {
        _ if !trial.has_ended => Verdict::Uncertain,
        Verdict::Ok if maybe > limit && certain.len() < left.len() => Verdict::Uncertain,
        verdict => verdict,
    };
    let limit = text(limit, Unit::Bytes);
    let worst = left.first().copied();
    let place = worst.and_then(place_of);
    let message = match (verdict, place) {
        (_, _) if !trial.has_ended => {
            "the process still runs, so nothing is known to be leaked".to_owned()
        }
        (Verdict::Ok, _) => format!("{} leaked, the limit is {limit}", interval_text(&measured)),
        (Verdict::Uncertain, place) => format!(
            "{} may have leaked, the limit is {limit}; more runs would tell; most of it in {}",
            format::bytes(maybe),
            place.unwrap_or_else(|| "code without names".to_owned())
        ),
        (Verdict::Broken, place) => format!(
            "{} leaked in {}, the limit is {limit}; most of it in {}",
            interval_text(&measured),
            stacks(certain.len()),
            place.unwrap_or_else(|| "code without names".to_owned())
        ),
    };
    Finding {
        check: "max-leak".to_owned(),
        limit,
        measured,
        verdict,
        message,
        stack: culprit(verdict, worst),
    }
}

/// A total, and then each call stack, against what was.
fn growing(measure: Measure, limit: Growth, comparison: &Comparison) -> Vec<Finding> {
    let total = &comparison.total;
    let base = match measure {
        // Little or nothing is left of a program that cleans up, and a part of that is nothing.
        Measure::LiveBytes => {
            let part = |measure| total.before(measure).quantity.total;
            part(Measure::LiveBytes).max(part(Measure::PeakBytes))
        }
        _ => total.before(measure).quantity.total,
    };
    let margin = match (limit, measure.unit()) {
        (Growth::Share(share), _) => share * base,
        (Growth::Bytes(bytes), Unit::Bytes) => bytes,
        (Growth::Bytes(_), _) => return Vec::new(),
    };
    let verdict = Verdict::of(&total.before(measure).plus(margin), total.after(measure));
    let grown = grown(measure, margin, comparison);
    let worst = comparison
        .rows
        .iter()
        .max_by(|a, b| a.difference(measure).total_cmp(&b.difference(measure)));
    let mut message = format!("{}{}", describe(total, measure), percent_of(total, measure));
    message.push_str(&format!(", the limit is +{limit}{}", doubt(verdict)));
    if let Some(worst) = worst.filter(|_| verdict != Verdict::Ok) {
        message.push_str(&format!("; {}", where_of(worst, measure)));
    }
    let name = format!("max-growth of {}", measure.title());
    let mut findings = vec![Finding {
        check: name.clone(),
        limit: format!("+{limit}"),
        measured: growth(total.before(measure), total.after(measure), measure.unit()),
        verdict,
        message,
        stack: culprit(verdict, worst),
    }];
    let named = worst.filter(|_| verdict != Verdict::Ok);
    let is_new = |row: &&Change| named.is_none_or(|named| named.key != row.key);
    for row in grown.into_iter().filter(is_new).take(NAMED_MAX) {
        findings.push(Finding {
            check: format!(
                "{name} in {}",
                place_of(row).unwrap_or_else(|| "?".to_owned())
            ),
            limit: format!("+{limit} of all"),
            measured: growth(row.before(measure), row.after(measure), measure.unit()),
            verdict: Verdict::Broken,
            message: where_of(row, measure),
            stack: Some(row.stack.clone()),
        });
    }
    findings
}

/// The call stacks that alone grew by more than `margin`, the largest first.
fn grown(measure: Measure, margin: f64, comparison: &Comparison) -> Vec<&Change> {
    let is_above = |row: &&Change| row.difference(measure) > margin;
    let mut rows: Vec<&Change> = comparison.rows.iter().filter(is_above).collect();
    rows.sort_by(|a, b| b.difference(measure).total_cmp(&a.difference(measure)));
    let chance = |row: &&Change| exceeds(&row.before(measure).plus(margin), row.after(measure));
    let chances: Vec<f64> = rows.iter().map(chance).collect();
    let is_certain = are_significant(&chances, Level::BROKEN);
    let certain = rows.into_iter().zip(is_certain);
    certain
        .filter_map(|(row, is_certain)| is_certain.then_some(row))
        .collect()
}

/// Disjoint evidence added up.
fn sum_of<'a>(parts: impl Iterator<Item = &'a Evidence>) -> Evidence {
    parts.fold(Evidence::default(), |sum, part| Evidence {
        quantity: Quantity::plus(&sum.quantity, &part.quantity),
        runs: sum.runs.max(part.runs),
        unseen_weight: sum.unseen_weight.max(part.unseen_weight),
    })
}

fn culprit(verdict: Verdict, row: Option<&Change>) -> Option<Stack> {
    row.filter(|_| verdict != Verdict::Ok)
        .map(|row| row.stack.clone())
}

fn where_of(row: &Change, measure: Measure) -> String {
    let place = place_of(row).unwrap_or_else(|| "code without names".to_owned());
    format!("in {place}, {}", describe(row, measure))
}

fn percent_of(change: &Change, measure: Measure) -> String {
    let before = change.before(measure).quantity.total;
    match before > 0.0 {
        true => format!(" ({:+.1} %)", change.difference(measure) / before * 100.0),
        false => String::new(),
    }
}

fn doubt(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Uncertain => ", but that may be chance: more runs would tell",
        Verdict::Ok | Verdict::Broken => "",
    }
}

fn noun(measure: Measure) -> &'static str {
    match measure {
        Measure::LiveBytes => "what is left at the end",
        Measure::LiveObjects => "the number of blocks left at the end",
        Measure::AllocatedBytes => "what was allocated",
        Measure::AllocatedObjects => "the number of allocations",
        Measure::PeakBytes => "the peak",
        Measure::PeakObjects => "the number of blocks at the peak",
    }
}

fn stacks(count: usize) -> String {
    match count {
        1 => "1 call stack".to_owned(),
        count => format!("{count} call stacks"),
    }
}

fn text(amount: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format::bytes(amount),
        _ => format::count(amount),
    }
}

fn interval_text(estimate: &Estimate) -> String {
    let cell = format::estimate(estimate);
    match cell.interval.is_empty() {
        true => cell.main,
        false => format!("{} {}", cell.main, cell.interval),
    }
}
