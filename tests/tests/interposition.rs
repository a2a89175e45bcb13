//! Every entry point of the allocator is seen, and nothing is recorded that did not happen.

use memshim_tests::{Answer, Scene, Totals, program};

#[test]
fn every_aligned_entry_point_is_counted() {
    let sites = profile("aligned_entry_points.c");
    let all = sites.through("allocate_aligned");
    check_blocks(all, 50, 0);
    assert_eq!(all.allocated_bytes, 50 << 20);
    for entry in [
        "posix_memalign",
        "aligned_alloc",
        "memalign",
        "valloc",
        "pvalloc",
    ] {
        check_blocks(sites.through(&format!("by_{entry}")), 10, 0);
    }
}

#[test]
fn realloc_to_nothing_is_a_free() {
    check_blocks(
        profile("realloc_edges.c").through("release_by_realloc"),
        100,
        100,
    );
}

#[test]
fn realloc_that_fails_ends_nothing() {
    check_blocks(profile("realloc_edges.c").through("fail_to_grow"), 1, 0);
}

#[test]
fn calls_that_return_null_begin_nothing() {
    let sites = profile("realloc_edges.c");
    check_blocks(sites.through("overflow_calloc"), 0, 0);
    check_blocks(sites.through("ask_too_much"), 0, 0);
}

#[test]
fn malloc_of_zero_bytes_is_a_block() {
    let nothing = profile("realloc_edges.c").through("allocate_nothing");
    check_blocks(nothing, 1, 1);
    assert_eq!(nothing.allocated_bytes, 0);
}

#[test]
fn free_of_null_records_nothing() {
    check_blocks(profile("realloc_edges.c").through("free_null"), 0, 0);
}

#[test]
fn realloc_of_null_begins_a_block() {
    check_blocks(profile("realloc_edges.c").through("grow_from_null"), 1, 1);
}

#[test]
fn reallocarray_is_counted_once() {
    check_blocks(profile("realloc_edges.c").through("grow_array"), 2, 2);
}

#[test]
fn a_successful_realloc_ends_one_block_and_begins_another() {
    check_blocks(profile("realloc_chain.c").through("grow_chain"), 1000, 1000);
}

#[test]
fn sized_frees_are_counted() {
    check_blocks(profile("sized_free.c").through("sized_pairs"), 200, 200);
}

#[test]
fn blocks_before_and_after_main_are_counted() {
    let sites = profile("early.cpp");
    check_blocks(sites.through("before_main"), 30, 10);
    check_blocks(sites.through("after_main"), 20, 10);
}

#[test]
fn errno_is_kept_in_exact_mode() {
    check_errno_is_kept("exact");
}

#[test]
fn errno_is_kept_when_every_few_calls_are_sampled() {
    check_errno_is_kept("1K");
}

#[test]
fn errno_is_kept_at_the_default_interval() {
    check_errno_is_kept("auto");
}

fn profile(source: &str) -> Answer {
    Scene::new().profile(program(source), &[])
}

fn check_blocks(totals: Totals, allocated: u64, freed: u64) {
    let found = (totals.allocated, totals.freed, totals.live);
    assert_eq!(
        found,
        (allocated, freed, allocated - freed),
        "allocated, freed, live"
    );
}

fn check_errno_is_kept(interval: &str) {
    let scene = Scene::new();
    let outcome = scene
        .preloaded(program("errno_kept.c"))
        .interval(interval)
        .run();
    assert_eq!(outcome.stdout, "0 changed\n");
    assert_eq!(outcome.status.code(), Some(0));
}
