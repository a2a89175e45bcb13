//! Memory that the allocator gave beyond what was asked for: by its size classes and by call stack.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analysis::Subject;
use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::sizes::live::{blocks, usable_bytes};
use crate::history::{Block, SiteIndex, Sum};
use crate::report::{Body, Column, Fact, Section, Table, Unit, Value};
use crate::source::OBJECT_UNIT;
use crate::statistics::interval::Sums;

/// Rows that people want to see.
const USUAL_ROWS: usize = 10;

/// Above this size classes are a sixty-fourth of their size wide, as many as glibc has or fewer.
const CLASS_EXACT_BYTES: u64 = 1024;

/// Blocks with their slack.
#[derive(Debug, Clone, Default)]
struct Slack {
    blocks: Sum,
    slack: Sums,
}

impl Slack {
    fn add(&mut self, block: &Block, is_exact: bool) {
        let weight = block.weight();
        self.blocks = self.blocks.plus(&Sum::of_block(block.size_bytes, &weight));
        let slack = f64::from(block.slack_bytes);
        let stands_for = weight.objects as f64 / OBJECT_UNIT as f64;
        self.slack.total += slack * stands_for;
        self.slack.variance += slack * slack * weight.objects_variance;
        self.slack.seen += slack;
        if !is_exact {
            // One more sample would be like the largest that was drawn.
            self.slack.unseen_weight = self.slack.unseen_weight.max(slack * stands_for);
        }
    }

    fn bytes(&self) -> Value {
        self.slack.estimate(Unit::Bytes).into()
    }

    /// The slack of what was asked for and it together.
    fn percent(&self) -> Value {
        percent(self.slack.total, self.blocks.bytes as f64)
    }
}

/// All slack, the size classes with the most of it, and the sites.
pub(super) fn sections(subject: &Subject<'_>) -> Vec<Section> {
    let is_exact = subject.history.intervals.are_exact();
    let mut all = Slack::default();
    let mut classes: BTreeMap<u64, Slack> = BTreeMap::new();
    let mut sites: BTreeMap<SiteIndex, Slack> = BTreeMap::new();
    for block in blocks(subject) {
        all.add(block, is_exact);
        let class = class(usable_bytes(block));
        classes.entry(class).or_default().add(block, is_exact);
        sites.entry(block.site()).or_default().add(block, is_exact);
    }
    vec![
        total(&all),
        by_class(subject, &all, classes),
        by_site(subject, sites),
    ]
}

fn total(all: &Slack) -> Section {
    let facts = vec![
        Fact::new("slack_bytes", "slack", all.bytes()),
        Fact::new("slack_percent", "of the live bytes", all.percent()),
    ];
    Section::new("slack", "Slack", Body::Facts(facts))
        .with_note("Slack is what the allocator gave to live blocks beyond what was asked for.")
}

/// One row a usable size, those that waste most first.
fn by_class(subject: &Subject<'_>, all: &Slack, classes: BTreeMap<u64, Slack>) -> Section {
    let sampling = Sampling::of(subject.history);
    let mut table = Table::new(vec![
        Column::new("usable_bytes", "block of", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("requested_bytes", "mean asked for", Unit::Bytes),
        Column::new("slack_bytes", "slack", Unit::Bytes),
        Column::new("share_percent", "of all slack", Unit::Percent),
    ]);
    let rows_max = subject.rows_max(USUAL_ROWS);
    let count = classes.len();
    let mut largest: Vec<(u64, Slack)> = classes.into_iter().collect();
    largest.sort_by(|(_, left), (_, right)| right.slack.total.total_cmp(&left.slack.total));
    for (usable, class) in largest.iter().take(rows_max) {
        let mean = class.blocks.bytes as f64 / class.blocks.objects().max(1.0);
        table.rows.push(vec![
            Value::Bytes(*usable),
            sampling.objects(&class.blocks, Some(*usable)),
            Value::Bytes(mean.round() as u64),
            class.bytes(),
            percent(class.slack.total, all.slack.total),
        ]);
    }
    let note = shown(table.rows.len(), count, "sizes");
    Section::new(
        "size_classes",
        "Slack by the allocator's sizes",
        Body::Table(table),
    )
    .with_note(note)
}

/// One row a site with slack, those that waste most first.
fn by_site(subject: &Subject<'_>, sites: BTreeMap<SiteIndex, Slack>) -> Section {
    let sampling = Sampling::of(subject.history);
    let mut table = Table::new(vec![
        Column::new("slack_bytes", "slack", Unit::Bytes),
        Column::new("slack_percent", "of its live bytes", Unit::Percent),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let mut largest: Vec<(SiteIndex, Slack)> = sites.into_iter().collect();
    largest.retain(|(_, site)| site.slack.total > 0.0);
    largest.sort_by_cached_key(|(index, site)| (Reverse(site.slack.total as u64), *index));
    for (index, slack) in largest.iter().take(subject.rows_max(USUAL_ROWS)) {
        let site = &subject.history.sites.all[*index];
        table.rows.push(vec![
            slack.bytes(),
            slack.percent(),
            sampling.bytes(&slack.blocks),
            sampling.objects(&slack.blocks, site.smallest_bytes()),
            subject.stacks.of(site).into(),
        ]);
    }
    let note = shown(table.rows.len(), largest.len(), "sites");
    Section::new("slack_sites", "Slack by call stack", Body::Table(table)).with_note(note)
}

/// The class of a usable size: the largest size in it.
fn class(usable_bytes: u64) -> u64 {
    if usable_bytes <= CLASS_EXACT_BYTES {
        return usable_bytes;
    }
    let step = 1 << (usable_bytes.ilog2() - 6);
    usable_bytes.div_ceil(step).saturating_mul(step)
}

fn percent(part: f64, whole: f64) -> Value {
    match whole > 0.0 {
        true => Value::Percent(part / whole * 100.0),
        false => Value::Unknown,
    }
}
