//! Unusual control flow is survived, and its stacks are right as far as they can be.

use memshim_tests::{Scene, program};

#[test]
fn two_thousand_exceptions_leave_one_block() {
    let sites = Scene::new().profile(program("exceptions.cpp"), &[]);
    assert_eq!(sites.through("leak_one").live, 1);
    assert_eq!(sites.through("leak_one").live_bytes, 333);
    let thrown = sites.through("throw_deep");
    assert!(thrown.allocated >= 2_000 * 11, "{thrown:?}");
    assert_eq!(thrown.live, 0);
}

#[test]
fn stacks_left_by_longjmp_are_forgotten() {
    let sites = Scene::new().profile(program("longjmp.c"), &[]);
    assert_eq!(sites.through("before_jump").live, 1_000);
    assert_eq!(sites.through("after_jump").live, 1_000);
    for site in sites.sites_through("after_jump") {
        assert!(!site.passes("before_jump"), "{:?}", site.functions());
    }
}

#[test]
fn a_handler_on_an_alternate_stack_may_allocate() {
    let sites = Scene::new().profile(program("signal_altstack.c"), &[]);
    assert_eq!(sites.through("in_handler").live, 1_000);
}

#[test]
fn the_stack_of_a_handler_goes_on_to_what_it_interrupted() {
    let sites = Scene::new().profile(program("signal_altstack.c"), &[]);
    let functions = sites.sites_through("in_handler")[0].functions();
    assert!(functions.contains(&"interrupted"), "{functions:?}");
    assert_eq!(
        functions.iter().rfind(|name| !name.starts_with('_')),
        Some(&"main")
    );
}

#[test]
fn fibers_with_small_stacks_may_allocate() {
    let sites = Scene::new().profile(program("fibers.c"), &[]);
    let fibers = sites.through("in_fiber");
    assert_eq!((fibers.live, fibers.live_bytes), (1_000, 70_000));
}

#[test]
fn destructors_of_thread_locals_may_free_and_allocate() {
    let sites = Scene::new().profile(program("tls_destructors.cpp"), &[]);
    let filled = sites.through("fill_local");
    assert_eq!((filled.allocated, filled.live), (1_000, 0));
    assert_eq!(sites.through("in_destructor").live, 100);
}

#[test]
fn destructors_of_keys_may_allocate_in_the_last_moments_of_a_thread() {
    let sites = Scene::new().profile(program("key_destructors.c"), &[]);
    let late = sites.through("in_key_destructor");
    assert_eq!((late.allocated, late.freed, late.live), (300, 200, 100));
}

#[test]
fn a_program_that_waits_for_its_signals_gets_all_of_them() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("sigwait.c")).run().success();
    assert_eq!(outcome.stdout, "100 received, 1 thread\n");
}

#[test]
fn sampling_survives_the_same_programs() {
    for source in [
        "exceptions.cpp",
        "longjmp.c",
        "signal_altstack.c",
        "fibers.c",
        "tls_destructors.cpp",
        "key_destructors.c",
    ] {
        let scene = Scene::new();
        let sampled = scene.preloaded(program(source)).interval("256").run();
        sampled.assert_same_as(&scene.plain(program(source)).run());
        scene.report(&scene.segment_of(sampled.pid));
    }
}
