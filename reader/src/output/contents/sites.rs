//! What each call stack has allocated, holds, and held at the peak.

#![forbid(unsafe_code)]

use crate::output::contents::{places, quantity};
use crate::report::{Kind, Report, Section, Stack, Table, Value};

/// One call stack that allocates.
#[derive(Debug, Clone, Copy)]
pub(in crate::output) struct Site<'a> {
    /// Leaf first.
    pub stack: &'a Stack,
    /// All that was ever allocated.
    pub allocated: Amount,
    /// What was live when the whole process held most.
    pub peak: Amount,
    /// What is live.
    pub live: Amount,
    /// What was freed directly after it was allocated.
    pub temporary: Amount,
    /// How long all its blocks lived together, those that are live until now.
    pub lifetimes_ns: Option<f64>,
}

/// Some blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::output) struct Amount {
    /// How many, which is no whole number where it was estimated.
    pub objects: f64,
    /// How many bytes they have together.
    pub bytes: f64,
}

impl Amount {
    /// The mean size of a block; nothing where there is none.
    fn mean_bytes(self) -> Option<f64> {
        (self.objects > 0.0).then(|| self.bytes / self.objects)
    }
}

/// Whether the section says of call stacks how often they allocated.
pub(in crate::output) fn has_sites(section: &Section) -> bool {
    let is_listed = matches!(section.kind(), Kind::Stacks | Kind::Table);
    let is_complete = |table: &Table| {
        let keys = ["allocated_objects", "allocated_bytes"];
        places(table, keys).iter().all(Option::is_some) && table.stack_index().is_some()
    };
    section.name == "sites" && is_listed && section.table().is_some_and(is_complete)
}

/// The call stacks of the report, in its order; none where it has no such section.
pub(in crate::output) fn sites(report: &Report) -> Vec<Site<'_>> {
    let section = report.sections.iter().find(|section| has_sites(section));
    section
        .and_then(Section::table)
        .map_or_else(Vec::new, of_table)
}

fn of_table(table: &Table) -> Vec<Site<'_>> {
    let columns = Columns::of(table);
    let rows = table.rows.iter();
    rows.filter_map(|row| columns.site(row)).collect()
}

/// Where each figure of a site stands in its row.
struct Columns {
    stack: Option<usize>,
    /// Objects and bytes.
    allocated: [Option<usize>; 2],
    live: [Option<usize>; 2],
    peak: [Option<usize>; 2],
    temporary: [Option<usize>; 2],
    lifetimes: Option<usize>,
}

impl Columns {
    fn of(table: &Table) -> Columns {
        Columns {
            stack: table.stack_index(),
            allocated: places(table, ["allocated_objects", "allocated_bytes"]),
            live: places(table, ["live_objects", "live_bytes"]),
            peak: places(table, ["peak_live_objects", "peak_live_bytes"]),
            temporary: places(table, ["temporary_objects", "temporary_bytes"]),
            lifetimes: table.index("lifetimes_ns"),
        }
    }

    fn site<'a>(&self, row: &'a [Value]) -> Option<Site<'a>> {
        let Value::Stack(stack) = row.get(self.stack?)? else {
            return None;
        };
        let amount = |[objects, bytes]: [Option<usize>; 2]| Amount {
            objects: quantity(row, objects).unwrap_or(0.0),
            bytes: quantity(row, bytes).unwrap_or(0.0),
        };
        let (allocated, live, mut peak) =
            (amount(self.allocated), amount(self.live), amount(self.peak));
        if quantity(row, self.peak[0]).is_none() {
            peak.objects = likely_objects(peak.bytes, &[live, allocated]);
        }
        Some(Site {
            stack,
            allocated,
            peak,
            live,
            temporary: amount(self.temporary),
            lifetimes_ns: quantity(row, self.lifetimes),
        })
    }
}

/// How many blocks `bytes` are, if they are as large as those of the first amount that has any.
fn likely_objects(bytes: f64, like: &[Amount]) -> f64 {
    let mean = like.iter().find_map(|amount| amount.mean_bytes());
    let mean = mean.filter(|mean| *mean > 0.0 && bytes > 0.0);
    mean.map_or(0.0, |mean| (bytes / mean).max(1.0))
}
