//! How long blocks live.

#![forbid(unsafe_code)]

mod allocations;
mod histogram;
mod temporary;
mod watch;

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject};
use crate::history::{Site, SiteIndex, Sum};
use crate::quantity;
use crate::report::{Body, Column, Estimate, Fact, Section, Table, Unit, Value};
use crate::source::Clock;
use crate::statistics::survival::{Bounds, Curve};

use allocations::Allocations;
use watch::{Lifetimes as Watched, Watch};

pub(crate) use histogram::section as histogram;
pub(crate) use temporary::Temporaries;
pub(crate) use watch::{By, bounds};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// The shares of blocks whose lifetimes are told.
const QUANTILES: [(f64, &str, &str); 3] = [
    (0.5, "median", "median"),
    (0.9, "p90", "p90"),
    (0.99, "p99", "p99"),
];

/// How long blocks live, by call stack, with those that are still alive taken into account
///
/// Method: the Kaplan-Meier estimator. A block that is alive has lived at least as long as its age,
/// so it counts until then and leaves without having died; leaving it out would make lifetimes look
/// short. A sampled block counts for the blocks it stands for. Intervals are log-log ones with the
/// variance of Xie and Liu (2005) for weighted samples; those of quantiles are where these cross
/// the share (Brookmeyer and Crowley 1982). `> X` says that fewer than that share have died yet.
///
/// How many died at which lifetime is known of each call stack since the start, in buckets of a
/// factor of two. The lives known one by one, which are the last ones, give the shape inside each
/// bucket (post-stratification); where none is known, a bucket is filled evenly on a logarithmic
/// scale. Blocks whose death nobody saw are left out and counted as `unseen_deaths`. Lifetimes are
/// kept to one part in 4,096. With a filter by thread, size or age, only blocks count that were
/// born since everything is known one by one.
///
/// `mean` is the restricted mean: no block counts for more than the longest time that any was
/// watched. `alive` is the estimated share that outlives that time. In exact mode lifetimes are
/// also counted in allocations of the whole process, from a block's own, which counts, to its
/// death: one that is freed before anything else is allocated has the lifetime 1.
///
/// A block is called temporary that lived shorter than `--temporary-below`; in exact mode those are
/// counted too that were freed within `--temporary-within` calls: 1 is by the very next call of
/// malloc or free in the process.
///
/// A block that is recorded lives as much longer as recording it takes, some tenths of a
/// microsecond up to one: the report's `own_time_per_event_ns` says how long. The intervals do not
/// know of that, so read lifetimes below some microseconds as that much shorter.
///
/// Assumption: how long a block lives does not depend on when it was born. Where a program changes
/// its ways, its lifetimes are a mixture of all of them.
#[derive(Debug, Args)]
pub struct Lifetimes {
    /// Call blocks temporary that live shorter than this
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = quantity::duration_ns)]
    temporary_below: u64,
    /// In exact mode, call blocks temporary that are freed within this many calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    temporary_within: u64,
    /// What a block counts for in the quantiles
    #[arg(long, value_enum, default_value_t = By::Objects)]
    by: By,
}

impl Analysis for Lifetimes {
    const NAME: &'static str = "lifetimes";
    const NEEDS_BLOCKS: Option<&'static str> = Some("How long blocks live is");

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let watch = Watch::new(subject, self.by);
        let temporaries = Temporaries::new(subject.history, self.temporary_below);
        let order = order(subject, self.by);
        let rows_max = subject.rows_max(USUAL_ROWS);
        let mut all = Watched::default();
        let mut table = Table::new(columns());
        for (place, (index, site)) in order.iter().enumerate() {
            let watched = watch.site(*index);
            all.add(&watched);
            if place < rows_max {
                let row = row(subject, (*index, site), &watched, &temporaries);
                table.rows.push(row);
            }
        }
        let note = shown(table.rows.len(), order.len(), "sites");
        let sites = Section::new("site_lifetimes", "By call stack", Body::Table(table));
        let mut sections = vec![
            self.overall(subject, &all, &temporaries),
            histogram(subject),
        ];
        sections.extend(self.in_allocations(subject));
        sections.push(sites.with_note(note));
        sections
    }
}

impl Lifetimes {
    /// All selected blocks together.
    fn overall(
        &self,
        subject: &Subject<'_>,
        all: &Watched,
        temporaries: &Temporaries<'_>,
    ) -> Section {
        let mut facts = of_curve(&subject.history.clock, all.curve().as_ref());
        let sites = || subject.sites();
        let sum: Option<Sum> = sites().map(|(index, _)| temporaries.of(index)).sum();
        let born: Sum = sites().map(|(_, site)| site.born()).sum();
        let smallest = sites().filter_map(|(_, site)| site.smallest_bytes()).min();
        let figures = temporary_figures(subject, sum, &born, smallest);
        let names = [
            ("temporary_objects", "temporary"),
            ("temporary_bytes", "their bytes"),
            ("temporary_percent", "of all objects"),
        ];
        for ((name, title), value) in names.into_iter().zip(figures) {
            facts.push(Fact::new(name, title, value));
        }
        facts.extend(coverage(subject));
        let note = format!(
            "Temporary blocks lived shorter than {}.",
            short_duration(self.temporary_below)
        );
        Section::new("lifetime", "Lifetimes of all blocks", Body::Facts(facts)).with_note(note)
    }

    /// The same with the process's allocations as the clock.
    fn in_allocations(&self, subject: &Subject<'_>) -> Option<Section> {
        let allocations = Allocations::of(subject.history)?;
        let observations = allocations.observations(subject);
        let curve = (!observations.is_empty()).then(|| observations.curve());
        let mut facts: Vec<Fact> = Vec::new();
        for (share, name, title) in QUANTILES {
            let bounds = curve.as_ref().map(|curve| curve.quantile(share));
            let value = bounds.map_or(Value::Unknown, |bounds| figure(bounds, 1.0, Unit::Count));
            facts.push(Fact::new(format!("{name}_allocations"), title, value));
        }
        let lives = subject.history.lives.all.iter();
        let young = lives.filter(|life| {
            let calls = allocations.calls(life);
            let is_young = calls.is_some_and(|calls| calls <= self.temporary_within);
            is_young && subject.is_selected(life.site())
        });
        facts.extend([
            Fact::new(
                "temporary_within_objects",
                "temporary",
                Value::Count(young.count() as u64),
            ),
            Fact::new(
                "watched_objects",
                "allocations looked at",
                Value::Count(allocations.len() as u64),
            ),
        ]);
        let note = format!(
            "Counted from a block's own allocation, which is the first; temporary is what was freed \
             within {} calls of malloc or free. Blocks born since all are known one by one.",
            self.temporary_within
        );
        let title = "Lifetimes in allocations of the process";
        let section = Section::new("lifetime_in_allocations", title, Body::Facts(facts));
        Some(section.with_note(note))
    }
}

/// The selected sites that had blocks, those with the most first.
fn order<'a>(subject: &Subject<'a>, by: By) -> Vec<(SiteIndex, &'a Site)> {
    let mut order: Vec<(SiteIndex, &Site)> = subject
        .sites()
        .filter(|(_, site)| site.born().object_parts > 0)
        .collect();
    order.sort_by_cached_key(|(_, site)| {
        let born = site.born();
        let amount = match by {
            By::Objects => born.object_parts,
            By::Bytes => born.bytes,
        };
        (std::cmp::Reverse(amount), site.row)
    });
    order
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("allocated_objects", "objects", Unit::Count),
        Column::derived("allocated_bytes", "allocated", Unit::Bytes),
        Column::new("median_ns", "median", Unit::Duration),
        Column::new("p90_ns", "p90", Unit::Duration),
        Column::new("p99_ns", "p99", Unit::Duration),
        Column::derived("mean_ns", "mean", Unit::Duration),
        Column::new("alive_percent", "alive", Unit::Percent),
        Column::derived("temporary_objects", "temporary objects", Unit::Count),
        Column::derived("temporary_bytes", "temporary bytes", Unit::Bytes),
        Column::new("temporary_percent", "temporary", Unit::Percent),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

fn row(
    subject: &Subject<'_>,
    (index, site): (SiteIndex, &Site),
    watched: &Watched,
    temporaries: &Temporaries<'_>,
) -> Vec<Value> {
    let clock = &subject.history.clock;
    let sampling = Sampling::of(subject.history);
    let curve = watched.curve();
    let curve = curve.as_ref();
    let (born, smallest) = (site.born(), site.smallest_bytes());
    let mut row = vec![sampling.objects(&born, smallest), sampling.bytes(&born)];
    row.extend(QUANTILES.map(|(share, ..)| quantile_ns(clock, curve, share)));
    row.extend([mean_ns(clock, curve), alive(curve)]);
    row.extend(temporary_figures(
        subject,
        temporaries.of(index),
        &born,
        smallest,
    ));
    row.push(subject.stacks.of(site).into());
    row
}

/// How many blocks were temporary, their bytes, and which share of all that were born.
fn temporary_figures(
    subject: &Subject<'_>,
    temporary: Option<Sum>,
    born: &Sum,
    smallest_bytes: Option<u64>,
) -> [Value; 3] {
    let Some(temporary) = temporary else {
        return [Value::Unknown, Value::Unknown, Value::Unknown];
    };
    let sampling = Sampling::of(subject.history);
    let objects = sampling.objects(&temporary, smallest_bytes);
    let share = match (&objects, born.objects()) {
        (Value::Estimate(objects), born) if born > 0.0 => {
            let percent = |part: f64| (part / born * 100.0).clamp(0.0, 100.0);
            let (low, high) = (percent(objects.low), percent(objects.high));
            let value = percent(objects.value);
            let share = Estimate {
                value,
                low,
                high,
                unit: Unit::Percent,
                ..*objects
            };
            Value::Estimate(share)
        }
        _ => Value::Unknown,
    };
    [objects, sampling.bytes(&temporary), share]
}

/// What the curve of all blocks says.
fn of_curve(clock: &Clock, curve: Option<&Curve>) -> Vec<Fact> {
    let quantiles = QUANTILES.map(|(share, name, title)| {
        let value = quantile_ns(clock, curve, share);
        Fact::new(format!("{name}_ns"), title, value)
    });
    let longest = curve.and_then(|curve| clock.ns(curve.longest()));
    let rest = [
        Fact::new("mean_ns", "mean", mean_ns(clock, curve)),
        Fact::new(
            "watched_ns",
            "longest watched",
            longest.map_or(Value::Unknown, Value::Duration),
        ),
        Fact::new("alive_percent", "alive after that", alive(curve)),
    ];
    quantiles.into_iter().chain(rest).collect()
}

/// How much of what died is known one by one, and how much without its lifetime.
fn coverage(subject: &Subject<'_>) -> Vec<Fact> {
    let history = subject.history;
    let known = history
        .lives
        .all
        .iter()
        .filter(|life| subject.is_selected(life.site()) && life.lifetime_ticks().is_some());
    let died: Sum = subject.sites().map(|(_, site)| site.died()).sum();
    let timed = subject.sites().flat_map(|(_, site)| site.lifetimes.iter());
    let timed: u128 = timed.map(|(_, parts)| u128::from(parts)).sum();
    let unseen = Sum {
        object_parts: died.object_parts.saturating_sub(timed),
        ..Sum::default()
    };
    vec![
        Fact::new(
            "lives_known",
            "samples known one by one",
            Value::Count(known.count() as u64),
        ),
        Fact::new(
            "unseen_deaths",
            "deaths that nobody saw",
            Value::Count(unseen.objects().round() as u64),
        ),
    ]
}

fn quantile_ns(clock: &Clock, curve: Option<&Curve>, share: f64) -> Value {
    in_ns(clock, curve.map(|curve| curve.quantile(share)))
}

fn mean_ns(clock: &Clock, curve: Option<&Curve>) -> Value {
    in_ns(
        clock,
        curve.map(|curve| curve.restricted_mean(curve.longest())),
    )
}

fn alive(curve: Option<&Curve>) -> Value {
    let bounds = curve.map(|curve| curve.survival(curve.longest()));
    bounds.map_or(Value::Unknown, |bounds| {
        figure(bounds, 100.0, Unit::Percent)
    })
}

fn in_ns(clock: &Clock, bounds: Option<Bounds>) -> Value {
    match (bounds, clock.ns_per_tick) {
        (Some(bounds), Some(ns_per_tick)) => figure(bounds, ns_per_tick, Unit::Duration),
        _ => Value::Unknown,
    }
}

/// A figure of a curve in the unit of the report.
fn figure(bounds: Bounds, scale: f64, unit: Unit) -> Value {
    let Bounds { value, low, high } = bounds;
    let is_exact = low == value && value == high && value.is_finite();
    let figure = match (is_exact, low.is_finite()) {
        (true, _) => Estimate::exact(value * scale, unit),
        (false, true) => Estimate::sampled(value * scale, low * scale, high * scale, unit),
        // Not even the lower end was reached.
        (false, false) => return Value::Unknown,
    };
    figure.into()
}

/// A duration as it is written on the command line.
fn short_duration(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let whole = units
        .iter()
        .find(|(size, _)| ns > 0 && ns.is_multiple_of(*size));
    whole.map_or_else(
        || format!("{ns} ns"),
        |(size, unit)| format!("{} {unit}", ns / size),
    )
}
