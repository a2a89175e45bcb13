//! Exact mode counts to the last call, in one thread and in many.

use std::path::PathBuf;

use memshim_tests::{Scene, Totals, count_calls, library, program};

#[test]
fn a_queue_of_blocks_leaves_nothing_alive() {
    let scene = Scene::new();
    let sites = scene.profile(program("fifo.c"), &[]);
    check_ended(sites.through("fifo_allocate"), 100_000);
}

#[test]
fn the_peak_of_a_queue_is_what_was_alive_together() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("fifo.c")).run();
    let report = scene.report(&scene.segment_of(outcome.pid));
    assert_eq!(report.exact_fact("peak_live_bytes"), 64_000);
    assert_eq!(report.exact_fact("live_bytes"), 0);
}

#[test]
fn pairs_in_one_thread_are_all_counted() {
    check_pairs(1);
}

#[test]
fn pairs_in_two_threads_are_all_counted() {
    check_pairs(2);
}

#[test]
fn pairs_in_sixteen_threads_are_all_counted() {
    check_pairs(16);
}

#[test]
fn frees_on_another_thread_end_their_blocks() {
    let sites = Scene::new().profile(program("cross_thread_frees.c"), &[]);
    check_ended(sites.through("produce_block"), 20_000);
}

#[test]
fn a_realloc_never_ends_the_block_of_another_thread() {
    let sites = Scene::new().profile(program("realloc_threads.c"), &[]);
    check_ended(sites.through("move_blocks"), 4 * 5_001);
}

#[test]
fn each_size_is_charged_to_its_own_site() {
    let sites = Scene::new().profile(program("size_steps.c"), &[]);
    for (function, allocated, size) in [
        ("small_blocks", 100, 16),
        ("middle_blocks", 200, 100),
        ("large_blocks", 300, 5_000),
    ] {
        let totals = sites.through(function);
        assert_eq!(
            (totals.allocated, totals.live),
            (allocated, allocated / 2),
            "{function}"
        );
        assert_eq!(totals.allocated_bytes, allocated * size, "{function}");
        assert_eq!(totals.live_bytes, allocated / 2 * size, "{function}");
    }
}

#[test]
fn sites_add_up_to_the_summary() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("many_sites.c")).run().success();
    let segment = scene.segment_of(outcome.pid);
    let (report, sites) = (scene.report(&segment), scene.sites(&segment));
    for fact in [
        "allocated_objects",
        "allocated_bytes",
        "freed_objects",
        "live_bytes",
    ] {
        let sum: u64 = sites.sites().map(|site| site.count(fact)).sum();
        assert_eq!(sum, report.exact_fact(fact), "{fact}");
    }
}

#[test]
fn totals_equal_those_of_an_independent_counter() {
    for source in [
        "fifo.c",
        "aligned_entry_points.c",
        "realloc_edges.c",
        "realloc_chain.c",
        "realloc_threads.c",
        "cross_thread_frees.c",
        "thread_pairs.c",
        "many_sites.c",
        "mixed_sizes.c",
        "exceptions.cpp",
        "tls_destructors.cpp",
        "key_destructors.c",
        "early.cpp",
        "rust_threads.rs",
    ] {
        check_against_counter(program(source), &[]);
    }
}

#[test]
fn totals_with_loaded_libraries_equal_those_of_an_independent_counter() {
    let (first, second) = (library("plugin_a.c"), library("plugin_b.c"));
    check_against_counter(program("load_in_turn.c"), &[first, second]);
}

#[test]
fn a_counter_behind_the_shim_sees_the_same_calls() {
    // The shim's own look-ups of functions that libc lacks make dlsym allocate: always the same.
    let (allocations, frees) = surplus_behind_the_shim("many_sites.c");
    assert_eq!((allocations, frees), surplus_behind_the_shim("die.c"));
    assert!(
        allocations <= 8,
        "{allocations} blocks that the program never asked for"
    );
}

/// Allocations and frees that reach the next allocator beyond those that the shim reports.
fn surplus_behind_the_shim(source: &str) -> (u64, u64) {
    let scene = Scene::new();
    let counter = library("counting_preload.c");
    let counts = scene.scratch_dir().join("counts");
    std::fs::create_dir(&counts).expect("a scene is writable");
    let launch = scene.preloaded_with(&[&counter], program(source));
    let outcome = launch
        .env("COUNT_FILE", counts.join("count"))
        .run()
        .success();
    let count = memshim_tests::counting::counts_in(&counts)[0];
    let report = scene.report(&scene.segment_of(outcome.pid));
    let allocations = count.allocations - report.exact_fact("allocated_objects");
    (
        allocations,
        count.frees - report.exact_fact("freed_objects"),
    )
}

fn check_pairs(threads: u64) {
    let sites = Scene::new().profile(program("thread_pairs.c"), &[&threads.to_string()]);
    check_ended(sites.through("churn_pairs"), threads * 20_000);
}

fn check_ended(totals: Totals, blocks: u64) {
    assert_eq!(
        (totals.allocated, totals.freed, totals.live),
        (blocks, blocks, 0)
    );
    assert_eq!(totals.live_bytes, 0);
}

fn check_against_counter(program: PathBuf, args: &[PathBuf]) {
    let scene = Scene::new();
    let (_, count) = count_calls(&scene, scene.plain(&program).args(args));
    let outcome = scene.preloaded(&program).args(args).run().success();
    let report = scene.report(&scene.segment_of(outcome.pid));
    let found = [
        "allocated_objects",
        "freed_objects",
        "allocated_bytes",
        "live_objects",
    ]
    .map(|fact| report.exact_fact(fact));
    let wanted = [
        count.allocations,
        count.frees,
        count.allocated_bytes,
        count.live(),
    ];
    assert_eq!(
        found,
        wanted,
        "{}: allocated, freed, bytes, live",
        program.display()
    );
}
