//! Every site with every figure there is of it.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::analysis::estimate::{Sampling, columns, figures};
use crate::analysis::leaks::class::Class;
use crate::analysis::leaks::{self, detector::Verdict};
use crate::analysis::lifetimes::{Temporaries, bounds};
use crate::history::{History, Site, SiteIndex, Sum};
use crate::report::{Body, Column, Section, Table, Unit, Value};
use crate::source::OBJECT_UNIT;

/// Below this lifetime a block is temporary, as `lifetimes` has it by default.
const TEMPORARY_NS: u64 = 1_000_000;

/// One row a site, the largest first.
pub(super) fn section(subject: &Subject<'_>) -> Section {
    let history = subject.history;
    let mut table = Table::new(columns());
    let place = table.columns.len() - 1;
    table.columns.splice(place..place, more_columns());
    let mut counted: Vec<(SiteIndex, &Site)> = subject.sites().collect();
    counted.sort_by_cached_key(|(_, site)| (std::cmp::Reverse(site.live().bytes), site.row));
    counted.truncate(subject.rows_max(usize::MAX));
    let more = More::of(subject);
    for (index, site) in counted {
        let mut row = figures(history, site);
        row.extend(more.of_site(history, index, site));
        row.push(subject.stacks.of(site).into());
        table.rows.push(row);
    }
    Section::new("sites", "Who allocates", Body::Stacks(table)).with_note(
        "Temporary blocks lived shorter than 1 ms; leaked are the live blocks of sites whose \
         verdict is leak or growing-container.",
    )
}

/// What stands behind the usual figures, in the order of [`More::of_site`].
fn more_columns() -> Vec<Column> {
    vec![
        Column::derived("peak_live_objects", "objects at peak", Unit::Count),
        Column::derived("temporary_bytes", "temporary", Unit::Bytes),
        Column::derived("temporary_objects", "temporary objects", Unit::Count),
        Column::derived("leaked_bytes", "leaked", Unit::Bytes),
        Column::derived("leaked_objects", "leaked objects", Unit::Count),
        Column::derived("lifetimes_ns", "lifetimes together", Unit::Duration),
        Column::derived("verdict", "verdict", Unit::Text),
    ]
}

/// What takes one look at all blocks.
struct More<'a> {
    temporaries: Temporaries<'a>,
    verdicts: Vec<Verdict>,
    /// The ages of the live blocks of each site together, ticks.
    live_ticks: Vec<f64>,
}

impl<'a> More<'a> {
    fn of(subject: &Subject<'a>) -> More<'a> {
        let history = subject.history;
        let now_ticks = history.now_ticks();
        let mut live_ticks = vec![0.0; history.sites.all.len()];
        for block in &history.blocks {
            let age_ticks = now_ticks.saturating_sub(block.birth_ticks) as f64;
            let objects = block.weight().objects as f64 / OBJECT_UNIT as f64;
            live_ticks[block.site()] += age_ticks * objects;
        }
        More {
            temporaries: Temporaries::new(history, TEMPORARY_NS),
            verdicts: leaks::verdicts(subject),
            live_ticks,
        }
    }

    fn of_site(&self, history: &History, index: SiteIndex, site: &Site) -> [Value; 7] {
        let sampling = Sampling::of(history);
        let smallest = site.smallest_bytes();
        let objects = |sum: &Sum| sampling.objects(sum, smallest);
        let temporary = self.temporaries.of(index);
        let class = self.verdicts[index].class;
        let leaked = match class {
            Class::Leak | Class::GrowingContainer => site.live(),
            _ => Sum::default(),
        };
        let peak_objects = match history.part {
            None => objects(&site.at_peak()),
            Some(_) => Value::Unknown,
        };
        let lifetimes_ns = history.clock.ns(self.lifetimes_ticks(index, site) as u64);
        [
            peak_objects,
            temporary.map_or(Value::Unknown, |sum| sampling.bytes(&sum)),
            temporary.map_or(Value::Unknown, |sum| objects(&sum)),
            sampling.bytes(&leaked),
            objects(&leaked),
            lifetimes_ns.map_or(Value::Unknown, Value::Duration),
            Value::text(class.name()),
        ]
    }

    /// How long all blocks of a site have lived together; a dead one as long as the geometric mean
    /// of its bucket.
    fn lifetimes_ticks(&self, index: SiteIndex, site: &Site) -> f64 {
        let dead = site.lifetimes.iter().map(|(bucket, objects)| {
            let (low, high) = bounds(bucket);
            (low.max(1) as f64 * high as f64).sqrt() * objects as f64 / OBJECT_UNIT as f64
        });
        dead.sum::<f64>() + self.live_ticks[index]
    }
}
