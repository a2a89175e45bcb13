//! What was never freed, by who allocated it, with its age.

#![forbid(unsafe_code)]

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject};
use crate::history::{History, Site, SiteIndex};
use crate::report::{Body, Column, Section, Table, Unit, Value};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// Blocks that are alive, by call stack, with their ages
#[derive(Debug, Args)]
pub struct Leaks {
    /// Leave out sites with fewer live bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    at_least: u64,
}

impl Analysis for Leaks {
    const NAME: &'static str = "leaks";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        vec![section(
            subject,
            subject.rows_max(USUAL_ROWS),
            self.at_least,
        )]
    }
}

/// The sites with the most live bytes; the ages are of the blocks that were sampled.
pub(crate) fn section(subject: &Subject<'_>, rows_max: usize, at_least: u64) -> Section {
    let history = subject.history;
    let is_large = |site: &Site| {
        let live = site.live();
        live.object_parts > 0 && live.bytes >= u128::from(at_least)
    };
    let mut sites: Vec<(SiteIndex, &Site)> =
        subject.sites().filter(|(_, site)| is_large(site)).collect();
    sites.sort_by_cached_key(|(_, site)| (std::cmp::Reverse(site.live().bytes), site.row));
    let all = sites.len();
    sites.truncate(rows_max);
    let births = births(history, &sites);
    let rows = sites.iter().zip(births);
    let rows = rows.map(|((_, site), births)| row(subject, site, births));
    let table = Table {
        columns: columns(),
        rows: rows.collect(),
    };
    let note = shown(table.rows.len(), all, "sites with live blocks");
    Section::new("leaks", "What is still live", Body::Table(table)).with_note(note)
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("oldest_age_ns", "oldest", Unit::Duration),
        Column::new("median_age_ns", "median", Unit::Duration),
        Column::new("youngest_age_ns", "youngest", Unit::Duration),
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

fn row(subject: &Subject<'_>, site: &Site, mut births: Vec<Birth>) -> Vec<Value> {
    let history = subject.history;
    let sampling = Sampling::of(history);
    let live = site.live();
    let age = |ticks: Option<u64>| {
        let age_ns = ticks.and_then(|ticks| history.age_ns(ticks));
        age_ns.map_or(Value::Unknown, Value::Duration)
    };
    births.sort_unstable();
    let ticks = |birth: Option<&Birth>| birth.map(|(ticks, _)| *ticks);
    vec![
        sampling.bytes(&live),
        sampling.objects(&live, site.smallest_bytes()),
        age(ticks(births.first())),
        age(ticks(median(&births))),
        age(ticks(births.last())),
        Value::text("still-live"),
        subject.stacks.of(site).into(),
    ]
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
