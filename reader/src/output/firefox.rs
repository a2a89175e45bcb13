//! The report as a profile for <https://profiler.firefox.com>: who holds memory, at any time.
//!
//! The form is its "processed profile" in version 55, described by its `src/types/profile.ts` and
//! `docs-developer/CHANGELOG-formats.md`; newer viewers take older versions. Blocks are "native
//! allocations" with the address of each, from which the viewer finds what is retained in a
//! stretch of time; the heap over time is a memory counter.

#![forbid(unsafe_code)]

mod allocations;
mod library;
mod tables;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::output::clean::clean;
use crate::output::contents::{Block, Point, Process, blocks, curve, has_blocks};
use crate::output::{Options, Output};
use crate::report::{Kind, Report, Section};
use allocations::Allocations;
use library::Library;
use tables::Tables;

/// One thread with the births and deaths of blocks, and one counter.
pub struct Firefox;

impl Output for Firefox {
    fn name(&self) -> &'static str {
        "firefox"
    }

    fn about(&self) -> &'static str {
        "blocks by birth and death, for profiler.firefox.com"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "firefox.json"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Series]
    }

    fn draws(&self, section: &Section) -> bool {
        has_blocks(section)
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let process = Process::of(report);
        let blocks = blocks(report);
        let mut tables = Tables::new(process.program);
        let allocations = Allocations::of(&blocks, &process, &mut tables);
        let profile = Profile {
            meta: meta(&process),
            libs: tables.libraries.all().to_vec(),
            counters: counter(&process, &curve(report)).into_iter().collect(),
            threads: [Thread {
                about: thread(&process, &blocks),
                native_allocations: allocations,
                tables: tables.into_json(),
            }],
        };
        serde_json::to_writer(&mut *out, &profile)?;
        out.write_all(b"\n")
    }
}

/// The version of the form, and that of the recordings of Firefox from the same time.
const PROFILE_VERSION: u32 = 55;
const GECKO_VERSION: u32 = 31;

/// The place of the only thread: the viewer shows the allocations of a process where its first
/// thread is.
const MAIN_THREAD: u32 = 0;

/// The whole file.
#[derive(Serialize)]
struct Profile {
    meta: Json,
    libs: Vec<Library>,
    counters: Vec<Json>,
    threads: [Thread; 1],
}

/// The events, which may be millions and so are not made a [`Json`] first, with all around them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    #[serde(flatten)]
    about: Json,
    native_allocations: Allocations,
    #[serde(flatten)]
    tables: Json,
}

fn milliseconds(nanoseconds: f64) -> f64 {
    nanoseconds / 1e6
}

fn meta(process: &Process<'_>) -> Json {
    let end_ms = milliseconds(process.age_ns as f64);
    json!({
        "interval": 1,
        "startTime": milliseconds(process.started_unix_ns as f64),
        "profilingStartTime": 0,
        "profilingEndTime": end_ms,
        "processType": 0,
        "product": clean(process.program),
        "arguments": clean(process.command_line),
        "importedFrom": "memshim",
        "platform": "Linux",
        "stackwalk": 1,
        "version": GECKO_VERSION,
        "preprocessedProfileVersion": PROFILE_VERSION,
        "symbolicated": true,
        "sampleUnits": { "time": "ms", "eventDelay": "ms", "threadCPUDelta": "ns" },
        "categories": tables::categories(),
        "markerSchema": [],
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "initialVisibleThreads": [MAIN_THREAD],
        "initialSelectedThreads": [MAIN_THREAD],
        "keepProfileThreadOrder": true,
        "extra": extra(process),
    })
}

/// What must be known to read the profile right, where the viewer shows more about it.
fn extra(process: &Process<'_>) -> Json {
    let entry =
        |label: &str, value: &str| json!({ "label": label, "format": "string", "value": value });
    let mut entries = vec![
        entry(
            "Blocks",
            "all that are live, and of the freed ones the most recent; earlier ones are missing",
        ),
        entry(
            "Frees",
            "shown at the stack that allocated, since who freed is not recorded",
        ),
        entry(
            "Addresses",
            "number the blocks; they are not those in memory",
        ),
    ];
    if process.is_sampled {
        entries.push(entry(
            "Bytes",
            "estimated: each recorded block has the bytes of all that it stands for",
        ));
    }
    json!([{ "label": "memshim", "entries": entries }])
}

fn thread(process: &Process<'_>, blocks: &[Block<'_>]) -> Json {
    let main = blocks.iter().find(|block| block.tid == process.pid);
    let name = main.map_or(process.program, |block| block.thread);
    let name = if name.is_empty() {
        process.program
    } else {
        name
    };
    json!({
        "processType": "default",
        "processName": clean(process.program),
        "processStartupTime": 0,
        "processShutdownTime": null,
        "registerTime": 0,
        "unregisterTime": null,
        "pausedRanges": [],
        "name": clean(name),
        "isMainThread": true,
        "pid": process.pid.to_string(),
        "tid": process.pid,
        // Time on the processor is not recorded.
        "samples": { "stack": [], "time": [], "weight": null, "weightType": "samples", "length": 0 },
        "markers": {
            "data": [], "name": [], "startTime": [], "endTime": [], "phase": [], "category": [],
            "length": 0,
        },
    })
}

/// The memory track; its samples are differences to the one before.
fn counter(process: &Process<'_>, curve: &[Point]) -> Option<Json> {
    if curve.is_empty() {
        return None;
    }
    let times = curve.iter().map(|point| milliseconds(point.age_ns));
    let mut before = 0;
    let differences = curve.iter().map(|point| {
        let now = point.live_bytes.round() as i64;
        now - std::mem::replace(&mut before, now)
    });
    Some(json!({
        "name": "malloc",
        "category": "Memory",
        "description": "Bytes that were allocated and not yet freed",
        "pid": process.pid.to_string(),
        "mainThreadIndex": MAIN_THREAD,
        "samples": {
            "time": times.collect::<Vec<f64>>(),
            "count": differences.collect::<Vec<i64>>(),
            "length": curve.len(),
        },
    }))
}
