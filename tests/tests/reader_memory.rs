//! What the reader needs to answer: a fixed amount of memory, and 32 bytes for a live block.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use memshim_tests::processes::resident_bytes_max;
use memshim_tests::{Scene, program};

const MIB: u64 = 1 << 20;

/// What the reader may need whatever the heap holds.
const FIXED_BYTES: u64 = 100 * MIB;

/// What it keeps of one live block.
const BLOCK_BYTES: u64 = 32;

/// What it needs beside that while it makes a table of all blocks: the time and weight of each.
const ROW_BYTES: u64 = 16;

#[test]
fn ten_million_events_and_a_million_live_blocks_are_reported_in_little_memory() {
    let scene = Scene::new();
    // 5.5 million births and 4.5 million deaths, and the other way round a tenth of that.
    let large = Profiled::new(&scene, 5_600_000, 5);
    let small = Profiled::new(&scene, 560_000, 5);
    assert_eq!((large.events, large.alive), (10_080_000, 1_120_000));

    let bytes = large.resident_bytes(&scene, "report", "text");
    let bound = FIXED_BYTES + BLOCK_BYTES * large.alive;
    assert!(bytes <= bound, "{bytes} bytes, more than {bound}");

    for (analysis, format, each_max) in [
        ("report", "text", BLOCK_BYTES),
        ("sites", "json", BLOCK_BYTES),
        ("sizes", "json", BLOCK_BYTES),
        ("leaks", "json", BLOCK_BYTES + ROW_BYTES),
    ] {
        let more = large
            .resident_bytes(&scene, analysis, format)
            .saturating_sub(small.resident_bytes(&scene, analysis, format));
        let each = more as f64 / (large.alive - small.alive) as f64;
        // Two runs of one program differ by some pages.
        assert!(
            each <= each_max as f64 + 2.0,
            "{analysis} as {format} takes {each:.1} bytes for a live block"
        );
    }
}

/// A program that has ended, with blocks from a thousand call stacks still alive.
struct Profiled {
    segment: PathBuf,
    events: u64,
    alive: u64,
}

impl Profiled {
    /// Keeps one block of `step` of all that it allocates.
    fn new(scene: &Scene, allocated: u64, step: u64) -> Profiled {
        let launch = scene.preloaded(program("call_tree.c"));
        let launch = launch.args([allocated.to_string(), step.to_string()]);
        let outcome = launch.limit(Duration::from_secs(120)).run().success();
        let alive = allocated / step;
        assert_eq!(outcome.stdout, format!("{allocated} {alive}\n"));
        let segment = scene.segment_of(outcome.pid);
        let report = scene.report(&segment);
        assert!(report.fact("live_objects").value as u64 >= alive);
        Profiled {
            segment: segment.path,
            events: allocated + (allocated - alive),
            alive,
        }
    }

    fn resident_bytes(&self, scene: &Scene, analysis: &str, format: &str) -> u64 {
        let reader = scene.reader([analysis, "--format", format, "--no-symbols"]);
        let words = reader.arg(Path::new(&self.segment)).words();
        resident_bytes_max(Command::new(&words[0]).args(&words[1..]))
    }
}
