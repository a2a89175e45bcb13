//! Blocks that are known one by one, from birth to death.

#![forbid(unsafe_code)]

use crate::output::contents::{places, quantity, text};
use crate::report::{Kind, Report, Section, Stack, Value};

/// One block.
#[derive(Debug, Clone, Copy)]
pub(in crate::output) struct Block<'a> {
    /// Who allocated it, leaf first.
    pub stack: &'a Stack,
    /// When, since the process started.
    pub birth_ns: f64,
    /// When it was freed; nothing while it is live.
    pub death_ns: Option<f64>,
    /// How many bytes it stands for; its own where every block was recorded.
    pub bytes: f64,
    /// The thread that allocated it.
    pub tid: u64,
    /// That thread's name.
    pub thread: &'a str,
}

/// Whether the section lists blocks.
pub(in crate::output) fn has_blocks(section: &Section) -> bool {
    let has_columns = section.table().is_some_and(|table| {
        let needed = places(table, ["birth_ns", "bytes"]);
        needed.iter().all(Option::is_some) && table.stack_index().is_some()
    });
    section.name == "blocks" && section.kind() == Kind::Series && has_columns
}

/// The blocks of the report, by birth; none where it has no such section.
pub(in crate::output) fn blocks(report: &Report) -> Vec<Block<'_>> {
    let section = report.sections.iter().find(|section| has_blocks(section));
    let Some(table) = section.and_then(Section::table) else {
        return Vec::new();
    };
    let columns = Columns {
        stack: table.stack_index(),
        figures: places(table, ["birth_ns", "death_ns", "bytes", "tid", "thread"]),
    };
    let rows = table.rows.iter();
    let mut blocks: Vec<Block> = rows.filter_map(|row| columns.block(row)).collect();
    blocks.sort_by(|left, right| left.birth_ns.total_cmp(&right.birth_ns));
    blocks
}

/// Where each figure of a block stands in its row.
struct Columns {
    stack: Option<usize>,
    /// Birth, death, bytes, thread id and the thread's name.
    figures: [Option<usize>; 5],
}

impl Columns {
    fn block<'a>(&self, row: &'a [Value]) -> Option<Block<'a>> {
        let Value::Stack(stack) = row.get(self.stack?)? else {
            return None;
        };
        let [birth, death, bytes, tid, thread] = self.figures;
        let birth_ns = quantity(row, birth)?;
        Some(Block {
            stack,
            birth_ns,
            death_ns: quantity(row, death).map(|death_ns| death_ns.max(birth_ns)),
            bytes: quantity(row, bytes)?,
            tid: match tid.and_then(|tid| row.get(tid)) {
                Some(Value::Id(tid)) => *tid,
                _ => 0,
            },
            thread: text(row, thread),
        })
    }
}
