//! The blocks that are known one by one, for what shows them over time.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::analysis::Subject;
use crate::history::{Block, Life, SiteIndex};
use crate::report::{Body, Column, Estimate, Section, Table, Unit, Value};
use crate::source::{OBJECT_UNIT, Thread, Weight};

/// A block that is known by itself.
struct Known {
    birth_ticks: u64,
    death_ticks: Option<u64>,
    size_bytes: u64,
    weight: Weight,
    thread: Option<u32>,
    site: SiteIndex,
}

impl Known {
    fn alive(block: &Block) -> Known {
        Known {
            birth_ticks: block.birth_ticks,
            death_ticks: None,
            size_bytes: block.size_bytes,
            weight: block.weight(),
            thread: Some(block.thread),
            site: block.site(),
        }
    }

    /// `None` for one whose birth is forgotten.
    fn dead(life: &Life) -> Option<Known> {
        Some(Known {
            birth_ticks: life.birth_ticks?,
            death_ticks: Some(life.death_ticks),
            size_bytes: life.size_bytes,
            weight: life.weight(),
            thread: life.thread,
            site: life.site(),
        })
    }
}

/// One row a block that is known by itself, by birth.
pub(super) fn section(subject: &Subject<'_>, most: usize) -> Section {
    let history = subject.history;
    let alive = history.blocks.iter().map(Known::alive);
    let dead = history.lives.all.iter().filter_map(Known::dead);
    let mut known: Vec<Known> = alive
        .chain(dead)
        .filter(|block| subject.is_selected(block.site))
        .collect();
    known.sort_by_key(|block| (block.birth_ticks, block.site));
    let left_out = known.len().saturating_sub(most);
    let mut table = Table::new(vec![
        Column::new("birth_ns", "born", Unit::Duration),
        Column::new("death_ns", "died", Unit::Duration),
        Column::new("size_bytes", "size", Unit::Bytes),
        Column::new("objects", "stands for", Unit::Count),
        Column::new("bytes", "bytes", Unit::Bytes),
        Column::new("thread", "thread", Unit::Text),
        Column::new("tid", "tid", Unit::Id),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    let threads = history.threads.iter().map(|thread| (thread.row, thread));
    let threads: HashMap<u64, &Thread> = threads.collect();
    let start_ticks = history.clock.start_ticks;
    let since_start = |ticks: Option<u64>| {
        let ns = ticks.and_then(|ticks| history.clock.ns(ticks.saturating_sub(start_ticks)));
        ns.map_or(Value::Unknown, Value::Duration)
    };
    for block in &known[left_out..] {
        let thread = block.thread.and_then(|row| threads.get(&u64::from(row)));
        let objects = block.weight.objects as f64 / OBJECT_UNIT as f64;
        table.rows.push(vec![
            since_start(Some(block.birth_ticks)),
            since_start(block.death_ticks),
            Value::Bytes(block.size_bytes),
            Estimate::exact(objects, Unit::Count).into(),
            Value::Bytes(block.weight.bytes),
            thread.map_or(Value::Unknown, |thread| Value::text(&thread.name)),
            thread.map_or(Value::Unknown, |thread| Value::Id(thread.tid)),
            subject.stacks.of(&history.sites.all[block.site]).into(),
        ]);
    }
    let note = match left_out {
        0 => String::new(),
        _ => format!("{left_out} that were born earlier are left out; --blocks gives more"),
    };
    Section::new("blocks", "Single blocks", Body::Series(table)).with_note(note)
}
