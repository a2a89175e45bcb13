//! Which threads allocate, and which free what others allocated.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject};
use crate::history::{Life, Sum};
use crate::report::{Body, Column, Section, Table, Unit, Value};
use crate::source::{Thread, Weight};

/// Rows that people want to see.
const USUAL_ROWS: usize = 20;

/// Pairs of threads that people want to see.
const USUAL_PAIRS: usize = 10;

/// Who allocated or freed where that is forgotten.
const UNKNOWN: &str = "[unknown]";

/// Allocations, live blocks and frees by thread, and which threads free the blocks of which others
///
/// `allocated` is counted by each thread itself, for all its calls and exactly, up to its last
/// sampled one. `live` are blocks by the thread that allocated them. Who freed a block is known of
/// the blocks that died last, so `freed by itself` and `freed by others`, and the table of pairs,
/// are about those; `foreign samples` counts since the start the samples that a thread freed for
/// others. Threads of one name are one row, unless `--each` is given.
#[derive(Debug, Args)]
pub struct Threads {
    /// One row for each thread, and not for each name
    #[arg(long)]
    each: bool,
}

impl Analysis for Threads {
    const NAME: &'static str = "threads";
    const NEEDS_BLOCKS: Option<&'static str> = Some("Which thread allocates and frees is");

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let groups = Groups::of(subject, self.each);
        vec![groups.table(subject, self.each), groups.pairs(subject)]
    }
}

/// Threads that share a row.
#[derive(Debug, Clone, Default)]
struct Group {
    name: String,
    tid: Option<u64>,
    running: u64,
    ended: u64,
    allocated_bytes: u64,
    foreign_samples: u64,
    live: Amount,
    freed_by_itself: Amount,
    freed_by_others: Amount,
}

/// Blocks, and the smallest of them, which says how much one more sample could tell.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    sum: Sum,
    smallest_bytes: Option<u64>,
}

impl Amount {
    fn add(&mut self, size_bytes: u64, weight: &Weight) {
        self.sum = self.sum.plus(&Sum::of_block(size_bytes, weight));
        let smallest = self.smallest_bytes.unwrap_or(u64::MAX);
        self.smallest_bytes = Some(smallest.min(size_bytes));
    }

    fn objects(&self, sampling: &Sampling) -> Value {
        sampling.objects(&self.sum, self.smallest_bytes)
    }
}

/// All threads in their groups.
struct Groups {
    all: Vec<Group>,
    /// Who allocated, who freed, whether these were two threads, and how much.
    pairs: BTreeMap<(usize, usize, bool), Amount>,
}

impl Groups {
    fn of(subject: &Subject<'_>, each: bool) -> Groups {
        let history = subject.history;
        let mut all: Vec<Group> = Vec::new();
        let mut by_row: HashMap<u64, usize> = HashMap::new();
        let mut by_key: HashMap<(String, u64), usize> = HashMap::new();
        let mut place_of = |thread: &Thread, all: &mut Vec<Group>| {
            let key = (thread.name.clone(), if each { thread.row } else { 0 });
            *by_key.entry(key).or_insert_with(|| {
                all.push(Group {
                    name: thread.name.clone(),
                    tid: Some(thread.tid),
                    ..Group::default()
                });
                all.len() - 1
            })
        };
        for thread in &history.threads {
            let place = place_of(thread, &mut all);
            all[place].add(thread, history.process.is_alive());
            by_row.insert(thread.row, place);
        }
        all.push(Group {
            name: UNKNOWN.to_owned(),
            ..Group::default()
        });
        let unknown = all.len() - 1;
        let place = |row: Option<u32>| {
            let known = row.and_then(|row| by_row.get(&u64::from(row)));
            known.copied().unwrap_or(unknown)
        };
        for block in &history.blocks {
            if subject.is_selected(block.site()) {
                let live = &mut all[place(Some(block.thread))].live;
                live.add(block.size_bytes, &block.weight());
            }
        }
        let mut pairs = BTreeMap::new();
        let lives = history.lives.all.iter();
        for life in lives.filter(|life| subject.is_selected(life.site())) {
            let (size_bytes, weight) = (life.size_bytes, life.weight());
            let born_in = &mut all[place(life.thread)];
            let Some(is_foreign) = is_foreign(life) else {
                continue;
            };
            match is_foreign {
                true => born_in.freed_by_others.add(size_bytes, &weight),
                false => born_in.freed_by_itself.add(size_bytes, &weight),
            }
            let pair = (place(life.thread), place(Some(life.freed_by)), is_foreign);
            let amount: &mut Amount = pairs.entry(pair).or_default();
            amount.add(size_bytes, &weight);
        }
        Groups { all, pairs }
    }

    /// One row a group, those that allocated most first.
    fn table(&self, subject: &Subject<'_>, each: bool) -> Section {
        let sampling = Sampling::of(subject.history);
        // Threads count for themselves only what all their call stacks did.
        let is_whole = subject.selected.is_none() && subject.history.part.is_none();
        let mut groups: Vec<&Group> = self.all.iter().filter(|group| !group.is_empty()).collect();
        groups.sort_by_key(|group| {
            let live = (group.allocated_bytes, group.live.sum.bytes);
            std::cmp::Reverse(live)
        });
        let mut table = Table::new(columns(each));
        for group in groups.iter().take(subject.rows_max(USUAL_ROWS)) {
            let mut row = vec![Value::text(&*group.name), group.number(each)];
            row.extend([
                if is_whole {
                    Value::Bytes(group.allocated_bytes)
                } else {
                    Value::Unknown
                },
                sampling.bytes(&group.live.sum),
                group.live.objects(&sampling),
                group.freed_by_itself.objects(&sampling),
                group.freed_by_others.objects(&sampling),
                Value::Count(group.foreign_samples),
                Value::text(group.state()),
            ]);
            table.rows.push(row);
        }
        let note = shown(table.rows.len(), groups.len(), "threads");
        Section::new("threads", "Threads", Body::Table(table)).with_note(note)
    }

    /// One row a pair of groups, those with the most blocks first.
    fn pairs(&self, subject: &Subject<'_>) -> Section {
        let sampling = Sampling::of(subject.history);
        let mut table = Table::new(vec![
            Column::new("allocated_by", "allocated by", Unit::Text),
            Column::new("freed_by", "freed by", Unit::Text),
            Column::new("freed_objects", "objects", Unit::Count),
            Column::new("freed_bytes", "bytes", Unit::Bytes),
            Column::new("share_percent", "share", Unit::Percent),
        ]);
        let rows_max = subject.rows_max(USUAL_PAIRS);
        let all: f64 = self.pairs.values().map(|amount| amount.sum.objects()).sum();
        let mut pairs: Vec<(&(usize, usize, bool), &Amount)> = self.pairs.iter().collect();
        pairs.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.sum.object_parts));
        for ((born_in, freed_in, is_foreign), amount) in pairs.iter().take(rows_max) {
            let freed_by = &self.all[*freed_in].name;
            let freed_by = match is_foreign {
                true if born_in == freed_in => format!("another {freed_by}"),
                true => freed_by.clone(),
                false => String::from("itself"),
            };
            table.rows.push(vec![
                Value::text(&*self.all[*born_in].name),
                Value::text(freed_by),
                amount.objects(&sampling),
                sampling.bytes(&amount.sum),
                Value::Percent(amount.sum.objects() / all * 100.0),
            ]);
        }
        let hidden = shown(table.rows.len(), pairs.len(), "pairs");
        let note = format!("Of the blocks that died last, as far as both are known. {hidden}");
        Section::new("thread_pairs", "Who frees whose blocks", Body::Table(table))
            .with_note(note.trim_end())
    }
}

impl Group {
    fn add(&mut self, thread: &Thread, is_alive: bool) {
        match is_alive && !thread.is_ended {
            true => self.running += 1,
            false => self.ended += 1,
        }
        self.allocated_bytes = self.allocated_bytes.saturating_add(thread.bytes);
        self.foreign_samples = self.foreign_samples.saturating_add(thread.foreign_frees);
    }

    /// Whether nothing is known of it.
    fn is_empty(&self) -> bool {
        let amounts = [&self.live, &self.freed_by_itself, &self.freed_by_others];
        let has_blocks = amounts.iter().any(|amount| amount.sum.raw_objects > 0);
        !has_blocks && self.allocated_bytes == 0 && self.foreign_samples == 0
    }

    /// Its thread id, or how many threads it has.
    fn number(&self, each: bool) -> Value {
        match (each, self.tid) {
            (true, Some(tid)) => Value::Id(tid),
            (true, None) => Value::Unknown,
            (false, _) => Value::Count(self.running + self.ended),
        }
    }

    fn state(&self) -> String {
        match (self.running, self.ended) {
            (0, 0) => String::from("-"),
            (0, _) => String::from("ended"),
            (_, 0) => String::from("running"),
            (running, ended) => format!("{running} running, {ended} ended"),
        }
    }
}

fn columns(each: bool) -> Vec<Column> {
    let number = match each {
        true => Column::new("tid", "tid", Unit::Id),
        false => Column::new("threads", "threads", Unit::Count),
    };
    vec![
        Column::new("thread", "thread", Unit::Text),
        number,
        Column::new("allocated_bytes", "allocated", Unit::Bytes),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("live_objects", "live objects", Unit::Count),
        Column::new("freed_by_itself_objects", "freed by itself", Unit::Count),
        Column::new("freed_by_others_objects", "freed by others", Unit::Count),
        Column::new("foreign_samples", "foreign samples", Unit::Count),
        Column::new("state", "state", Unit::Text),
    ]
}

/// Whether another thread freed a block; `None` where one of the two is not known.
fn is_foreign(life: &Life) -> Option<bool> {
    let thread = life.thread.filter(|_| life.is_death_seen)?;
    Some(thread != life.freed_by)
}
