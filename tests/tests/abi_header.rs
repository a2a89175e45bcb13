//! include/memshim.h says the same as the crate that defines the segment.

use std::path::Path;
use std::process::Command;

use memshim_abi::header::{self, at};
use memshim_abi::modules::MODULE_WORDS;
use memshim_abi::region::{REGION_COUNT, REGION_WORDS, Region};
use memshim_abi::ring::{CHUNK_EVENTS, CHUNK_WORDS};
use memshim_abi::sites::SITE_WORDS;
use memshim_abi::slots::SLOT_WORDS;
use memshim_abi::threads::THREAD_WORDS;
use memshim_abi::timeline::POINT_WORDS;
use memshim_tests::{target_dir, workspace_root};

/// Every number of the header that the crate defines too, as a C expression and its value here.
fn numbers() -> Vec<(&'static str, u64)> {
    [places(), shapes()].concat()
}

/// Versions, places of the header's words, and the order of the regions.
fn places() -> Vec<(&'static str, u64)> {
    vec![
        ("MEMSHIM_LAYOUT_VERSION", memshim_abi::LAYOUT_VERSION),
        ("MEMSHIM_MAGIC", header::MAGIC),
        ("MEMSHIM_BYTE_ORDER", header::BYTE_ORDER),
        ("MEMSHIM_HEADER_WORDS", header::HEADER_WORDS),
        ("MEMSHIM_AT_MAGIC", at::MAGIC as u64),
        ("MEMSHIM_AT_BYTE_ORDER", at::BYTE_ORDER as u64),
        ("MEMSHIM_AT_SEGMENT_BYTES", at::SEGMENT_BYTES as u64),
        ("MEMSHIM_AT_PIDS", at::PIDS as u64),
        ("MEMSHIM_AT_START_TIME", at::START_TIME as u64),
        ("MEMSHIM_AT_BOOT_ID", at::BOOT_ID as u64),
        ("MEMSHIM_AT_IDS", at::IDS as u64),
        ("MEMSHIM_AT_ORIGIN", at::ORIGIN as u64),
        ("MEMSHIM_AT_STATE", at::STATE as u64),
        ("MEMSHIM_AT_CLOCK_KIND", at::CLOCK_KIND as u64),
        ("MEMSHIM_AT_PAIR_COUNT", at::PAIR_COUNT as u64),
        ("MEMSHIM_AT_FIRST_PAIR", at::FIRST_PAIR as u64),
        ("MEMSHIM_AT_PAIRS", at::PAIRS as u64),
        ("MEMSHIM_AT_HEARTBEAT", at::HEARTBEAT as u64),
        ("MEMSHIM_AT_INTERVAL", at::INTERVAL as u64),
        ("MEMSHIM_AT_LIVE_BYTES", at::LIVE_BYTES as u64),
        ("MEMSHIM_AT_LIVE_OBJECTS", at::LIVE_OBJECTS as u64),
        ("MEMSHIM_AT_PEAK_EPOCH", at::PEAK_EPOCH as u64),
        ("MEMSHIM_AT_PEAK_BYTES", at::PEAK_BYTES as u64),
        ("MEMSHIM_AT_CPU_NS", at::CPU_NS as u64),
        ("MEMSHIM_AT_COST_NS", at::COST_NS as u64),
        ("MEMSHIM_AT_BUDGET", at::BUDGET as u64),
        ("MEMSHIM_AT_REJECTED", at::REJECTED as u64),
        ("MEMSHIM_AT_TIMELINE", at::TIMELINE as u64),
        ("MEMSHIM_AT_GO", at::GO as u64),
        ("MEMSHIM_AT_GO_RATE", at::GO_RATE as u64),
        ("MEMSHIM_AT_REGIONS", at::REGIONS as u64),
        ("MEMSHIM_AT_COUNTERS", at::COUNTERS as u64),
        ("MEMSHIM_AT_INTERVALS", at::INTERVALS as u64),
        ("MEMSHIM_AT_LIMIT_BYTES", at::LIMIT_BYTES as u64),
        ("MEMSHIM_AT_LIMIT_WHOSE", at::LIMIT_WHOSE as u64),
        ("MEMSHIM_AT_RESIDENT_BYTES", at::RESIDENT_BYTES as u64),
        ("MEMSHIM_AT_MAPPED_BYTES", at::MAPPED_BYTES as u64),
        ("MEMSHIM_AT_GO_SET", at::GO_SET as u64),
        ("MEMSHIM_AT_GO_COLLECTIONS", at::GO_COLLECTIONS as u64),
        ("MEMSHIM_AT_GO_LAST_PAUSE", at::GO_LAST_PAUSE as u64),
        ("MEMSHIM_AT_GO_PAUSES", at::GO_PAUSES as u64),
        (
            "MEMSHIM_AT_GO_LAST_COLLECTION",
            at::GO_LAST_COLLECTION as u64,
        ),
        ("MEMSHIM_AT_GO_GOAL", at::GO_GOAL as u64),
        ("MEMSHIM_AT_GO_GOROUTINES", at::GO_GOROUTINES as u64),
        ("MEMSHIM_STRINGS", Region::Strings as u64),
        ("MEMSHIM_MODULES", Region::Modules as u64),
        ("MEMSHIM_THREADS", Region::Threads as u64),
        ("MEMSHIM_TIMELINE", Region::Timeline as u64),
        ("MEMSHIM_SITES", Region::Sites as u64),
        ("MEMSHIM_FRAMES", Region::Frames as u64),
        ("MEMSHIM_RING", Region::Ring as u64),
        ("MEMSHIM_SLOTS", Region::Slots as u64),
        ("MEMSHIM_REGION_COUNT", REGION_COUNT as u64),
    ]
}

/// Sizes of structures, and places in them.
fn shapes() -> Vec<(&'static str, u64)> {
    let words = |count: usize| 8 * count as u64;
    vec![
        ("sizeof(struct memshim_region)", words(REGION_WORDS)),
        ("sizeof(struct memshim_module)", words(MODULE_WORDS)),
        ("offsetof(struct memshim_module, build_id)", words(8)),
        ("sizeof(struct memshim_thread)", words(THREAD_WORDS)),
        (
            "offsetof(struct memshim_thread, bytes)",
            words(memshim_abi::threads::at::BYTES),
        ),
        ("offsetof(struct memshim_thread, pending_bytes)", words(8)),
        ("sizeof(struct memshim_point)", words(POINT_WORDS)),
        ("offsetof(struct memshim_point, asked_bytes)", words(3)),
        ("sizeof(struct memshim_site)", words(SITE_WORDS)),
        ("offsetof(struct memshim_site, peak_epoch)", words(2)),
        ("offsetof(struct memshim_site, certain_born)", words(4)),
        ("offsetof(struct memshim_site, writer)", words(8) + 4),
        ("offsetof(struct memshim_site, peak_bytes)", words(12)),
        ("offsetof(struct memshim_site, drawn_born)", words(16)),
        ("offsetof(struct memshim_site, drawn_died)", words(22)),
        ("offsetof(struct memshim_site, sizes)", words(28)),
        ("offsetof(struct memshim_site, lifetimes)", words(56)),
        ("sizeof(struct memshim_slot)", words(SLOT_WORDS)),
        ("offsetof(struct memshim_slot, slack_bytes)", words(6)),
        ("sizeof(struct memshim_chunk)", words(CHUNK_WORDS)),
        (
            "sizeof(((struct memshim_chunk *)0)->events) / 32",
            CHUNK_EVENTS as u64,
        ),
    ]
}

fn compile_and_run(source: &str, directory: &Path) -> String {
    std::fs::create_dir_all(directory).expect("a directory for the program");
    let (file, program) = (directory.join("numbers.c"), directory.join("numbers"));
    std::fs::write(&file, source).expect("the source can be written");
    let status = Command::new("gcc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(workspace_root().join("include"))
        .args(["-o".as_ref(), program.as_os_str(), file.as_os_str()])
        .status();
    assert!(
        status.expect("gcc runs").success(),
        "memshim.h compiles without a warning"
    );
    let output = Command::new(&program).output().expect("the program runs");
    String::from_utf8(output.stdout).expect("numbers are text")
}

#[test]
fn every_number_of_the_c_header_is_the_one_of_the_crate() {
    let numbers = numbers();
    let lines: String = numbers
        .iter()
        .map(|(expression, _)| {
            format!("    printf(\"%llu\\n\", (unsigned long long)({expression}));\n")
        })
        .collect();
    let source = format!(
        "#include <stddef.h>\n#include <stdio.h>\n#include <memshim.h>\nint main(void) {{\n{lines}}}\n"
    );
    let printed = compile_and_run(&source, &target_dir().join("test-programs/abi_header"));
    let printed: Vec<u64> = printed
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    assert_eq!(printed.len(), numbers.len());
    for ((expression, expected), got) in numbers.iter().zip(printed) {
        assert_eq!(got, *expected, "{expression}");
    }
}
