//! The call stacks that hold most, and those that leak or grow: bounded, with the rest as one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::metrics::families::{Detail, Groups};
use crate::metrics::{Family, Kind, Place};

/// Sites that leak or grow with a series of their own, for each program.
const GROWING_MAX: usize = 20;

/// What lives at the largest sites of each program, and all the rest of it as one.
pub(super) fn sites(groups: &Groups<'_>, detail: Detail) -> Vec<Family> {
    let mut bytes = Family::new(
        "memshim_site_live_bytes",
        Kind::Gauge,
        "Bytes in live blocks of the call stacks with most, and of all others together.",
    );
    let mut objects = Family::new(
        "memshim_site_live_objects",
        Kind::Gauge,
        "Live blocks of the call stacks with most live bytes, and of all others together.",
    );
    for (key, group) in groups.iter().filter(|(_, group)| !group.alive.is_empty()) {
        let mut sums: BTreeMap<&Place, (f64, f64)> = BTreeMap::new();
        for site in group.alive.iter().flat_map(|figures| &figures.largest) {
            let sum = sums.entry(&site.place).or_default();
            *sum = (sum.0 + site.live_bytes, sum.1 + site.live_objects);
        }
        let mut order: Vec<_> = sums.into_iter().collect();
        order.sort_by(|(_, left), (_, right)| right.0.total_cmp(&left.0));
        order.truncate(detail.sites_max);
        let mut rest = (
            group.sum(|figures| figures.live_bytes),
            group.sum(|figures| figures.live_objects),
        );
        for (_, sum) in &order {
            rest = ((rest.0 - sum.0).max(0.0), (rest.1 - sum.1).max(0.0));
        }
        let other = Place::other();
        order.push((&other, rest));
        for (place, (live_bytes, live_objects)) in order {
            let labels = key.and(&place.labels());
            bytes.add(&labels, live_bytes);
            objects.add(&labels, live_objects);
        }
    }
    vec![bytes, objects]
}

pub(super) fn leaks(groups: &Groups<'_>) -> Vec<Family> {
    let mut candidates = Family::new(
        "memshim_leak_candidates",
        Kind::Gauge,
        "Call stacks that leak or grow, by verdict.",
    );
    let mut live = Family::new(
        "memshim_leak_live_bytes",
        Kind::Gauge,
        "Bytes in live blocks of call stacks that leak or grow, by verdict.",
    );
    let mut rate = Family::new(
        "memshim_leak_rate_bytes_per_second",
        Kind::Gauge,
        "Bytes a second by which call stacks that leak or grow do so, by verdict.",
    );
    let mut by_site = Family::new(
        "memshim_leak_site_rate_bytes_per_second",
        Kind::Gauge,
        "Bytes a second of each call stack that leaks or grows, of those that do so fastest.",
    );
    for (key, group) in groups {
        let growing = || group.alive.iter().flat_map(|figures| &figures.growing);
        for verdict in ["leak", "growing-container"] {
            let labels = key.and(&[("verdict", verdict)]);
            let of_verdict = || growing().filter(|site| site.verdict == verdict);
            candidates.add(&labels, of_verdict().count() as f64);
            live.add(&labels, of_verdict().map(|site| site.live_bytes).sum());
            let rates = of_verdict().map(|site| site.bytes_per_second);
            rate.add(&labels, rates.sum());
        }
        let mut sums: BTreeMap<(&Place, &str), f64> = BTreeMap::new();
        for site in growing() {
            *sums.entry((&site.place, &site.verdict)).or_default() += site.bytes_per_second;
        }
        let mut order: Vec<_> = sums.into_iter().collect();
        order.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        for ((place, verdict), bytes_per_second) in order.into_iter().take(GROWING_MAX) {
            let [function, stack] = place.labels();
            let labels = key.and(&[("verdict", verdict), function, stack]);
            by_site.add(&labels, bytes_per_second);
        }
    }
    vec![candidates, live, rate, by_site]
}
