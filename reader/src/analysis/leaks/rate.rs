//! How fast a site grows.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::collected;
use crate::analysis::leaks::detector::Verdict;
use crate::analysis::leaks::evidence::{last_active_ticks, seconds};
use crate::history::{Site, SiteIndex};
use crate::report::{Estimate, Unit};
use crate::statistics::interval::Sums;

/// A container that doubles is half to wholly filled.
const FILLED: (f64, f64, f64) = (0.5, 0.75, 1.0);

/// The growth of every site that leaks or grows, in bytes a second; `None` for all others.
pub(super) fn of_all(subject: &Subject<'_>, verdicts: &[Verdict]) -> Vec<Option<Estimate>> {
    let history = subject.history;
    if history.process.identity.go.is_some() {
        let sites = verdicts.iter().zip(&history.sites.all);
        let rate = |(verdict, site): (&Verdict, &Site)| {
            let is_alarm = verdict.class < Class::TooLittleData;
            is_alarm.then(|| collected::rate(history, site)).flatten()
        };
        return sites.map(rate).collect();
    }
    let unseen_weight = history.intervals.coarsest().bytes().unwrap_or(0) as f64;
    let mut sums: Vec<Option<Sums>> = verdicts
        .iter()
        .map(|verdict| (verdict.class == Class::Leak).then(|| Sums::new(unseen_weight)))
        .collect();
    let until_ticks = last_active_ticks(history);
    for block in &history.blocks {
        let suspicion = verdicts
            .get(block.site())
            .and_then(|verdict| verdict.suspicion);
        let (Some(suspicion), Some(Some(sums))) = (suspicion, sums.get_mut(block.site())) else {
            continue;
        };
        let age = seconds(history, until_ticks.saturating_sub(block.birth_ticks));
        if age > suspicion.cut && age <= suspicion.age_max {
            let weight = block.weight();
            sums.total += weight.bytes as f64;
            sums.variance += weight.bytes_variance;
            sums.seen += block.size_bytes as f64;
        }
    }
    let rates = verdicts.iter().zip(sums).enumerate();
    let rate = |(site, (verdict, sums)): (SiteIndex, (&Verdict, Option<Sums>))| match (
        verdict.class,
        verdict.suspicion,
        sums,
    ) {
        (Class::Leak, Some(suspicion), Some(sums)) => Some(scaled(
            sums.estimate(Unit::BytesPerSecond),
            1.0 / suspicion.span(),
        )),
        (Class::GrowingContainer, ..) => container(subject, site),
        _ => None,
    };
    rates.map(rate).collect()
}

/// A container has grown to what it is since its first generation; how much of it is in use
/// nobody sees.
fn container(subject: &Subject<'_>, site: SiteIndex) -> Option<Estimate> {
    let history = subject.history;
    let site = history.sites.all.get(site)?;
    let since = history.now_ticks().saturating_sub(site.identity.made_ticks);
    let per_second = site.live().bytes as f64 / seconds(history, since);
    let (low, value, high) = FILLED;
    let unit = Unit::BytesPerSecond;
    per_second.is_finite().then(|| {
        Estimate::sampled(
            value * per_second,
            low * per_second,
            high * per_second,
            unit,
        )
    })
}

/// The estimate times a certain number.
fn scaled(estimate: Estimate, factor: f64) -> Estimate {
    Estimate {
        value: estimate.value * factor,
        low: estimate.low * factor,
        high: estimate.high * factor,
        ..estimate
    }
}

/// Several independent estimates together; their distances to the ends add up as variances do.
pub(super) fn sum(estimates: impl Iterator<Item = Estimate>) -> Estimate {
    let mut sum = Estimate::exact(0.0, Unit::BytesPerSecond);
    let (mut down, mut up) = (0.0, 0.0);
    for estimate in estimates {
        sum.value += estimate.value;
        sum.exact &= estimate.exact;
        down += (estimate.value - estimate.low).powi(2);
        up += (estimate.high - estimate.value).powi(2);
    }
    sum.low = sum.value - down.sqrt();
    sum.high = sum.value + up.sqrt();
    sum
}
