//! The day before, as a recording knows it: what a recorder that starts anew measures against.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::alert::series::{Sample, Series};
use crate::alert::watch::Program;
use crate::recording::{ProcessKey, Recording};

/// How far back anything matters, ns: a day and the hour that is not part of it.
const PAST_NS: u64 = 26 * 3_600_000_000_000;

/// Snapshots of one program that are closer than this are one look.
const STEP_NS: u64 = 60_000_000_000;

/// What one process had at its last snapshot.
#[derive(Clone, Copy, Default)]
struct Last {
    live_bytes: u64,
    allocated_bytes: u64,
    resident_bytes: u64,
}

/// Every program of the last day, with what its snapshots say.
///
/// The index alone is read. A process without a snapshot in some minute had not changed, or was
/// gone; it counts until its last one.
pub fn programs(recording: &Recording) -> BTreeMap<String, Program> {
    let life = recording.life();
    let end_ns = life.start_unix_ns.saturating_add(life.age_ns);
    let first_step = end_ns.saturating_sub(PAST_NS) / STEP_NS;
    let mut snapshots: BTreeMap<String, Vec<(u64, ProcessKey, Last)>> = BTreeMap::new();
    for file in &recording.files {
        for entry in &file.index.entries {
            let Some(process) = file.index.processes.get(entry.process as usize) else {
                continue;
            };
            let step = entry.unix_ns / STEP_NS;
            if step < first_step {
                continue;
            }
            let last = Last {
                live_bytes: entry.live_bytes,
                allocated_bytes: entry.allocated_bytes,
                resident_bytes: entry.resident_bytes.unwrap_or(0),
            };
            let of_program = snapshots.entry(process.program.clone()).or_default();
            of_program.push((step, process.key, last));
        }
    }
    let program = |(name, snapshots): (String, Vec<_>)| {
        let program = Program {
            series: series(snapshots),
            ..Program::default()
        };
        (name, program)
    };
    snapshots.into_iter().map(program).collect()
}

fn series(mut snapshots: Vec<(u64, ProcessKey, Last)>) -> Series {
    snapshots.sort_by_key(|(step, ..)| *step);
    let mut final_step: BTreeMap<ProcessKey, u64> = BTreeMap::new();
    for (step, key, _) in &snapshots {
        final_step.insert(*key, *step);
    }
    let (Some((first, ..)), Some((end, ..))) = (snapshots.first(), snapshots.last()) else {
        return Series::default();
    };
    let (first, end) = (*first, *end);
    let mut now: BTreeMap<ProcessKey, Last> = BTreeMap::new();
    let mut rest = snapshots.into_iter().peekable();
    let mut series = Series::default();
    for step in first..=end {
        let mut allocated = 0u64;
        while let Some((_, key, last)) = rest.next_if(|(at, ..)| *at == step) {
            let before = now.insert(key, last);
            // What a process had allocated before its first snapshot may be older than this step.
            let more = before.map(|it| last.allocated_bytes.saturating_sub(it.allocated_bytes));
            allocated = allocated.saturating_add(more.unwrap_or(0));
        }
        now.retain(|key, _| final_step.get(key).is_some_and(|it| *it >= step));
        let sum = |figure: fn(&Last) -> u64| now.values().map(figure).sum::<u64>() as f64;
        series.push(Sample {
            // The end of the step, so that the next look of the recorder is later than all.
            unix_ns: (step + 1) * STEP_NS - 1,
            live_bytes: sum(|it| it.live_bytes),
            resident_bytes: sum(|it| it.resident_bytes),
            time_ns: STEP_NS,
            allocated_bytes: allocated as f64,
            ..Sample::default()
        });
    }
    series
}
