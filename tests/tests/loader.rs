//! Libraries that come and go are found, named and unlocked as without a profiler.

use std::time::Duration;

use memshim_tests::{Scene, library, program, program_with};

#[test]
fn allocating_under_the_loader_lock_never_blocks() {
    let sites = Scene::new().profile(program("loader_lock.c"), &[&path_of("plugin_a.c")]);
    let in_callback = sites.through("in_callback");
    assert_eq!((in_callback.allocated, in_callback.live), (2_000, 0));
    let blocks = sites.through("load").allocated;
    assert!(blocks >= 300, "{blocks} blocks between loads");
}

#[test]
fn a_library_in_the_runpath_of_its_loader_is_found() {
    let scene = Scene::new();
    let dir = scene.scratch_dir().join("beside");
    std::fs::create_dir(&dir).expect("a scene is writable");
    let copy = scene.scratch_dir().join("runpath");
    let built = program_with(
        "runpath.c",
        &["-Wl,--enable-new-dtags,-rpath,$ORIGIN/beside"],
    );
    std::fs::copy(built, &copy).expect("a program can be copied");
    std::fs::copy(library("plugin_a.c"), dir.join("libplugin_a.so")).expect("a library too");
    let sites = scene.profile(&copy, &[]);
    assert_eq!(sites.through("plugin_a_allocate").allocated, 1_000);
}

#[test]
fn two_libraries_at_one_address_keep_their_own_names() {
    check_turns(&["plugin_a.c", "plugin_b.c"], 1_000, 2_000);
}

#[test]
fn libraries_that_take_turns_at_one_address_keep_their_own_names() {
    check_turns(
        &["plugin_a.c", "plugin_b.c", "plugin_a.c", "plugin_b.c"],
        2_000,
        4_000,
    );
}

#[test]
fn a_library_closed_before_death_is_still_named() {
    let sites = Scene::new().profile(program("load_in_turn.c"), &[&path_of("plugin_b.c")]);
    let functions = sites.sites_through("plugin_b_allocate")[0].functions();
    assert_eq!(functions[..3], ["plugin_b_allocate", "plugin_run", "main"]);
}

#[test]
fn a_stripped_library_gives_its_module() {
    let stripped = memshim_tests::programs::library_with("plugin_a.c", &["-shared", "-fPIC", "-s"]);
    let path = stripped.to_string_lossy().into_owned();
    let sites = Scene::new().profile(program("load_in_turn.c"), &[&path]);
    let blocks: u64 = sites
        .sites()
        .filter(|site| {
            let leaf = &site.frames()[0];
            leaf["module"].as_str() == Some(&path) && !leaf["build_id"].is_null()
        })
        .map(|site| site.count("allocated_objects"))
        .sum();
    assert_eq!(blocks, 1_000);
}

#[test]
fn a_plugin_bound_to_libc_may_exchange_blocks_with_its_host() {
    let plugin = path_of("deepbind_plugin.c");
    for interval in ["exact", "256"] {
        let scene = Scene::new();
        let launch = scene
            .preloaded(program("deepbind.c"))
            .interval(interval)
            .arg(&plugin);
        let outcome = launch.run().success();
        assert_eq!(outcome.stdout, "exchanged\n");
        let made = scene
            .sites(&scene.segment_of(outcome.pid))
            .through("host_make");
        // The plugin's frees are out of sight, but an address seen twice betrays its first block.
        assert!(interval != "exact" || made.allocated == 2_000, "{made:?}");
        assert!(interval != "exact" || made.live <= 2, "{made:?}");
    }
}

fn check_turns(sources: &[&str], a_blocks: u64, b_blocks: u64) {
    let libraries: Vec<String> = sources.iter().map(|source| path_of(source)).collect();
    let args: Vec<&str> = libraries.iter().map(String::as_str).collect();
    let scene = Scene::new();
    let outcome = scene
        .preloaded(program("load_in_turn.c"))
        .args(&args)
        .run()
        .success();
    if outcome.stdout != "same address\n" {
        memshim_tests::skip("this time the libraries came to different addresses");
    }
    let sites = scene.sites(&scene.segment_of(outcome.pid));
    assert_eq!(sites.through("plugin_a_allocate").allocated, a_blocks);
    assert_eq!(sites.through("plugin_b_allocate").allocated, b_blocks);
}

fn path_of(source: &str) -> String {
    library(source).to_string_lossy().into_owned()
}

#[test]
fn the_first_allocation_may_come_while_the_c_library_holds_a_lock() {
    let scene = Scene::new();
    let behind = library("early_locale.c");
    // The constructors of the last library preloaded run first, before the shim's own.
    let launch = scene.preloaded_with(&[&behind], program("locale_user.c"));
    let outcome = launch.limit(Duration::from_secs(10)).run().success();
    assert_eq!(outcome.stdout, "loader: no error\nlocale: set\n");
    assert_eq!(outcome.stderr, "");
}
