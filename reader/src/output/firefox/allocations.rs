//! Births and deaths of blocks in the order in which they happened.

#![forbid(unsafe_code)]

use serde::Serialize;

use crate::output::contents::{Block, Process};
use crate::output::firefox::milliseconds;
use crate::output::firefox::tables::Tables;

/// The table `nativeAllocations`: one row an event, in columns of equal length.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Allocations {
    /// Since the process started, rising.
    time: Vec<f64>,
    /// Bytes; negative where a block ends.
    weight: Vec<i64>,
    weight_type: &'static str,
    stack: Vec<Option<usize>>,
    /// The same for the birth and the death of a block, and for no other.
    memory_address: Vec<u64>,
    thread_id: Vec<u64>,
    length: usize,
}

/// One row before it is sorted in.
struct Event {
    time_ns: f64,
    weight: i64,
    stack: Option<usize>,
    address: u64,
    tid: u64,
}

/// Addresses are as far apart as malloc's, which lets nobody take them for sizes.
const ADDRESS_STEP: u64 = 16;

impl Allocations {
    /// One row for each birth, and one for each death.
    pub fn of(blocks: &[Block<'_>], process: &Process<'_>, tables: &mut Tables<'_>) -> Allocations {
        let mut events = Vec::with_capacity(blocks.len() * 2);
        for (number, block) in (1..).zip(blocks) {
            let birth = Event {
                time_ns: block.birth_ns,
                weight: block.bytes.round() as i64,
                stack: tables.stack(block.stack),
                address: number * ADDRESS_STEP,
                tid: if block.tid == 0 {
                    process.pid
                } else {
                    block.tid
                },
            };
            events.extend(block.death_ns.map(|death_ns| Event {
                time_ns: death_ns,
                weight: -birth.weight,
                ..birth
            }));
            events.push(birth);
        }
        // Of one moment births come first: no block ends before it began.
        events.sort_by(|left, right| {
            let by_time = left.time_ns.total_cmp(&right.time_ns);
            by_time.then_with(|| (left.weight < 0).cmp(&(right.weight < 0)))
        });
        Allocations::in_order(&events)
    }

    fn in_order(events: &[Event]) -> Allocations {
        Allocations {
            time: events
                .iter()
                .map(|event| milliseconds(event.time_ns))
                .collect(),
            weight: events.iter().map(|event| event.weight).collect(),
            weight_type: "bytes",
            stack: events.iter().map(|event| event.stack).collect(),
            memory_address: events.iter().map(|event| event.address).collect(),
            thread_id: events.iter().map(|event| event.tid).collect(),
            length: events.len(),
        }
    }
}
