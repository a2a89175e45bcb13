//! What was never freed, by who allocated it, with its age.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject, stack_of};
use crate::history::{History, Site, SiteIndex};
use crate::report::{Body, Column, Section, Table, Unit, Value};
use crate::source::{Slot, Weight};

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
    let blocks = blocks_by_site(history);
    let rows = sites.iter().map(|(index, site)| {
        let blocks = blocks.get(index).map_or(&[][..], Vec::as_slice);
        row(history, site, blocks)
    });
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

fn row(history: &History, site: &Site, blocks: &[&Slot]) -> Vec<Value> {
    let sampling = Sampling::of(history);
    let live = site.live();
    let age = |ticks: Option<u64>| {
        let age_ns = ticks.and_then(|ticks| history.age_ns(ticks));
        age_ns.map_or(Value::Unknown, Value::Duration)
    };
    let births = blocks.iter().map(|block| block.birth_ticks);
    vec![
        sampling.bytes(&live),
        sampling.objects(&live, site.smallest_bytes()),
        age(births.clone().min()),
        age(median_birth(blocks)),
        age(births.max()),
        Value::text("still-live"),
        stack_of(history, site).into(),
    ]
}

fn blocks_by_site(history: &History) -> HashMap<SiteIndex, Vec<&Slot>> {
    let mut blocks: HashMap<SiteIndex, Vec<&Slot>> = HashMap::new();
    for block in &history.blocks {
        if let Some(index) = history.sites.index_of_row(u64::from(block.site)) {
            blocks.entry(index).or_default().push(block);
        }
    }
    blocks
}

/// The birth before which half of the blocks were born, each counted for those it stands for.
fn median_birth(blocks: &[&Slot]) -> Option<u64> {
    let weight = |block: &Slot| u128::from(Weight::of(block.size_bytes, block.interval).objects);
    let mut births: Vec<(u64, u128)> = blocks
        .iter()
        .map(|block| (block.birth_ticks, weight(block)))
        .collect();
    births.sort_unstable();
    let total: u128 = births.iter().map(|(_, weight)| weight).sum();
    let mut seen = 0;
    let median = births.iter().find(|(_, weight)| {
        seen += weight;
        seen * 2 >= total
    });
    median.map(|(birth, _)| *birth)
}
