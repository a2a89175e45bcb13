//! Stacks that are hard to walk lead to main all the same, or say that they do not.

use std::path::{Path, PathBuf};

use memshim_tests::programs::library_with;
use memshim_tests::{Answer, Scene, Site, library, program, program_with};

/// What the reader puts in place of callers that were not found.
const CALLERS_UNKNOWN: &str = "[callers unknown]";

#[test]
fn a_frame_that_is_found_by_reading_memory_is_crossed() {
    let sites = Scene::new().profile(program("cfa_expression.c"), &[]);
    check(&sites, 10, &["in_leaf", "through_memory", "main"]);
}

#[test]
fn frames_that_are_aligned_are_crossed_with_and_without_alloca() {
    let sites = Scene::new().profile(program("realigned.c"), &[]);
    check(
        &sites,
        10,
        &["in_leaf", "aligned", "aligned_with_alloca", "main"],
    );
}

#[test]
fn a_call_that_ends_its_function_belongs_to_that_function() {
    // Functions follow each other without a gap, and in the order in which they are written.
    let packed = ["-falign-functions=1", "-fno-toplevel-reorder"];
    let built = program_with("noreturn_call.c", &packed);
    let outcome = Scene::new().plain(&built).run().success();
    assert_eq!(outcome.stdout, "into the neighbour\n");
    let sites = Scene::new().profile(&built, &[]);
    check(&sites, 10, &["give_up", "call_is_last", "main"]);
}

#[test]
fn a_tail_call_leaves_no_frame_and_breaks_no_stack() {
    let built = program_with("tail_call.c", &["-foptimize-sibling-calls"]);
    let sites = Scene::new().profile(built, &[]);
    check(&sites, 10, &["in_leaf", "caller", "main"]);
}

#[test]
fn a_function_that_was_interrupted_in_its_first_instruction_is_crossed() {
    let sites = Scene::new().profile(program("signal_fault.c"), &[]);
    let site = the_site(&sites, "in_handler", 10);
    let functions = complete_functions(&site);
    // Between them are the code that the handler returns to and the interrupted function. The name
    // of the latter is not checked: readers take every address for one that a call returns to, and
    // look up the byte before it, which here belongs to another function.
    assert_eq!(functions[3], "main", "{functions:?}");
}

#[test]
fn a_fiber_ends_at_its_first_function() {
    let sites = Scene::new().profile(program("fibers.c"), &[]);
    for site in sites.sites_through("in_fiber") {
        let functions = complete_functions(&site);
        assert_eq!(functions[..2], ["in_fiber", "run"]);
        assert!(!site.passes("main"), "{functions:?}");
    }
}

#[test]
fn a_handler_on_a_stack_of_its_own_leads_back_to_the_other() {
    let sites = Scene::new().profile(program("signal_altstack.c"), &[]);
    let site = the_site(&sites, "in_handler", 1_000);
    let functions = complete_functions(&site);
    assert!(functions.contains(&"interrupted"), "{functions:?}");
    assert!(functions.contains(&"main"), "{functions:?}");
}

#[test]
fn a_resolver_that_the_loader_calls_at_a_first_call_has_the_caller_below_it() {
    let sites = Scene::new().profile(bound_lazily("lazy_binding.c", "plugin_lazy.c"), &[]);
    let site = the_site(&sites, "plugin_choose", 10);
    let functions = complete_functions(&site);
    let caller = functions.iter().position(|name| *name == "first_call");
    let caller = caller.unwrap_or_else(|| panic!("no caller in {functions:?}"));
    assert!(caller >= 3, "the loader is in between: {functions:?}");
    assert_eq!(functions[caller + 1], "main");
}

#[test]
fn every_instruction_of_a_first_call_may_be_interrupted() {
    let sites = Scene::new().profile(bound_lazily("single_step.c", "plugin_stepped.c"), &[]);
    let found = sites.sites_through("in_handler");
    assert!(found.len() > 500, "{} places", found.len());
    for site in &found {
        let functions = complete_functions(site);
        let below = functions.iter().position(|name| *name == "stepped");
        let below = below.unwrap_or_else(|| panic!("lost its caller: {functions:?}"));
        assert_eq!(functions[below + 1], "main", "{functions:?}");
    }
    let is_through = |text: &str| {
        let of_frame = |frame: &serde_json::Value| {
            let module = frame["module"].as_str();
            module.is_some_and(|module| module.contains(text))
        };
        found.iter().any(|site| site.frames().iter().any(of_frame))
    };
    assert!(
        is_through("ld-linux"),
        "nothing was bound at its first call"
    );
    assert!(found.iter().any(|site| site.passes("add_up")));
}

#[test]
fn code_without_unwind_data_is_crossed_by_its_frame_pointers() {
    let sites = Scene::new().profile(without_unwind_data("-fno-omit-frame-pointer"), &[]);
    check(&sites, 10, &["in_leaf", "in_the_middle", "main"]);
    assert!(!is_any_truncated(&sites));
}

#[test]
fn code_with_neither_unwind_data_nor_frame_pointers_is_marked() {
    let sites = Scene::new().profile(without_unwind_data("-fomit-frame-pointer"), &[]);
    let site = the_site(&sites, "in_leaf", 10);
    assert_eq!(site.functions(), ["in_leaf", CALLERS_UNKNOWN]);
    assert!(is_any_truncated(&sites));
}

#[test]
fn a_library_with_other_frames_at_the_address_of_one_that_was_closed_is_crossed() {
    let library = |room: &str| {
        let room = format!("-DROOM={room}");
        let built = library_with("plugin_frame.c", &["-shared", "-fPIC", &room]);
        built.to_string_lossy().into_owned()
    };
    let [small, large] = ["200", "4000"].map(library);
    let scene = Scene::new();
    let launch = scene.preloaded(program("load_in_turn.c"));
    let launch = launch.args([&small, &large, &small]);
    let outcome = launch.run().success();
    if outcome.stdout != "same address\n" {
        memshim_tests::skip("this time the libraries came to different addresses");
    }
    let sites = scene.sites(&scene.segment_of(outcome.pid));
    let found = sites.sites_through("plugin_frame_allocate");
    let blocks: u64 = found
        .iter()
        .map(|site| site.count("allocated_objects"))
        .sum();
    assert_eq!(blocks, 30);
    for site in found {
        let functions = complete_functions(&site);
        assert_eq!(
            functions[..3],
            ["plugin_frame_allocate", "plugin_run", "main"]
        );
    }
}

/// Holds that `expected[0]` allocated so many blocks, by way of exactly these functions.
fn check(sites: &Answer, blocks: u64, expected: &[&str]) {
    let site = the_site(sites, expected[0], blocks);
    let functions = complete_functions(&site);
    assert_eq!(&functions[..expected.len()], expected, "{functions:?}");
}

/// The only site of a function that allocates.
fn the_site<'a>(sites: &'a Answer, function: &str, blocks: u64) -> Site<'a> {
    let found = sites.sites_through(function);
    let of_all: Vec<_> = found.iter().map(Site::functions).collect();
    assert_eq!(found.len(), 1, "one stack of {function}, not {of_all:?}");
    assert_eq!(found[0].count("allocated_objects"), blocks);
    found[0]
}

/// The functions of a stack that was walked down to its root.
fn complete_functions<'a>(site: &Site<'a>) -> Vec<&'a str> {
    let functions = site.functions();
    assert!(!functions.contains(&CALLERS_UNKNOWN), "{functions:?}");
    functions
}

fn is_any_truncated(sites: &Answer) -> bool {
    let losses = sites.losses();
    losses.iter().any(|(name, _)| name == "/stacks_truncated")
}

fn without_unwind_data(frame_pointers: &str) -> PathBuf {
    let flags = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    program_with("no_unwind_data.c", &[flags[0], flags[1], frame_pointers])
}

/// A program that is linked to a library such that its functions are bound at their first calls.
fn bound_lazily(source: &str, plugin: &str) -> PathBuf {
    let plugin = library(plugin);
    let dir = plugin.parent().map(Path::display);
    let path = format!("-Wl,-rpath,{}", dir.expect("a library lies in a folder"));
    program_with(source, &["-Wl,-z,lazy", &path, &plugin.to_string_lossy()])
}
