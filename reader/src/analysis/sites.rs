//! Who allocates: every call stack with what it has done.

#![forbid(unsafe_code)]

use clap::Args;

use crate::analysis::estimate::{columns, figures};
use crate::analysis::{Analysis, Subject};
use crate::history::Site;
use crate::report::{Body, Section, Table};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// Call stacks that allocate, with what is live, allocated and freed
#[derive(Debug, Args)]
pub struct Sites {}

impl Analysis for Sites {
    const NAME: &'static str = "sites";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        vec![section(subject, subject.rows_max(USUAL_ROWS))]
    }
}

/// The largest sites, by what is live and then by what they allocated.
pub(crate) fn section(subject: &Subject<'_>, rows_max: usize) -> Section {
    let mut sites: Vec<&Site> = subject.sites().map(|(_, site)| site).collect();
    sites.sort_by_cached_key(|site| {
        let size = (site.live().bytes, site.born().bytes);
        (std::cmp::Reverse(size), site.row)
    });
    let all = sites.len();
    sites.truncate(rows_max);
    let row = |site: &&Site| {
        let mut row = figures(subject.history, site);
        row.push(subject.stacks.of(site).into());
        row
    };
    let table = Table {
        columns: columns(),
        rows: sites.iter().map(row).collect(),
    };
    let note = shown(table.rows.len(), all, "sites");
    Section::new("sites", "Who allocates", Body::Table(table)).with_note(note)
}

/// Says that there are more rows than are shown; nothing when all are.
pub(crate) fn shown(rows: usize, all: usize, things: &str) -> String {
    match rows < all {
        true => format!("{rows} of {all} {things}; --top shows more"),
        false => String::new(),
    }
}
