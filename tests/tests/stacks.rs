//! Stacks are whole, named and placed on the right lines, or say exactly what is known.

use std::path::Path;
use std::process::Command;

use memshim_tests::{Answer, Scene, Site, program, program_with};
use serde_json::Value;

#[test]
fn a_stack_of_200_frames_is_complete() {
    let sites = Scene::new().profile(program("recursion.c"), &["199"]);
    let functions = deepest(&sites, "recurse").functions();
    assert_eq!(
        functions.iter().filter(|name| **name == "recurse").count(),
        200
    );
    assert!(functions.contains(&"main"), "{functions:?}");
}

#[test]
fn a_stack_of_10_000_frames_keeps_leaf_and_main() {
    let sites = Scene::new().profile(program("recursion.c"), &["10000"]);
    let functions = deepest(&sites, "recurse").functions();
    assert_eq!(functions[0], "recurse");
    assert!(functions.contains(&"main"), "{:?}", functions.last());
    assert!(functions.len() >= 256, "{} frames", functions.len());
}

#[test]
fn the_stack_begins_with_the_caller_of_malloc() {
    let sites = Scene::new().profile(program("fifo.c"), &[]);
    let functions = sites.sites_through("fifo_allocate")[0].functions();
    assert_eq!(functions[..2], ["fifo_allocate", "main"]);
}

#[test]
fn an_inlined_function_has_its_own_frame_and_line() {
    let sites = Scene::new().profile(program("inlined.c"), &[]);
    let site = sites.sites_through("inlined_allocate")[0];
    let inlined = site.frame_of("inlined_allocate");
    assert_eq!(inlined["inlined"], true, "{inlined:#}");
    assert_eq!(
        inlined["line"],
        line_of("inlined.c", "// HERE"),
        "{inlined:#}"
    );
    assert!(text(inlined, "file").ends_with("inlined.c"), "{inlined:#}");
    assert_eq!(site.frame_of("outer_allocate")["inlined"], false);
    assert_eq!(sites.through("inlined_allocate").allocated, 10);
}

#[test]
fn cpp_names_are_demangled() {
    let sites = Scene::new().profile(program("demangled.cpp"), &[]);
    assert_eq!(sites.through("add_animal").allocated, 5);
    let name = text(
        sites.sites_through("add_animal")[0].frame_of("add_animal"),
        "function",
    );
    assert!(name.starts_with("zoo::Cage<int>::add_animal"), "{name}");
    let operators = sites.sites().filter(|site| {
        site.functions()
            .iter()
            .any(|name| name.starts_with("zoo::operator+"))
    });
    assert_eq!(
        operators
            .map(|site| site.count("allocated_objects"))
            .sum::<u64>(),
        3
    );
}

#[test]
fn rust_names_are_demangled_without_their_hashes() {
    let sites = Scene::new().profile(program("rust_threads.rs"), &[]);
    let found = sites.sites_through("build_map");
    assert!(!found.is_empty());
    for site in found {
        let name = text(site.frame_of("build_map"), "function");
        assert_eq!(name, "rust_threads::build_map");
    }
}

#[test]
fn a_stripped_program_gives_module_offset_and_build_id() {
    let stripped = program_with("recursion.c", &["-s"]);
    let sites = Scene::new().profile(&stripped, &["5"]);
    check_unnamed_frames(&sites, &stripped, &build_id(&stripped));
}

#[test]
fn a_program_deleted_since_gives_module_offset_and_build_id() {
    let scene = Scene::new();
    let copy = scene.scratch_dir().join("short-lived");
    std::fs::copy(program("recursion.c"), &copy).expect("a program can be copied");
    let id = build_id(&copy);
    let outcome = scene.preloaded(&copy).arg("5").run().success();
    std::fs::remove_file(&copy).expect("a copy can be removed");
    check_unnamed_frames(&scene.sites(&scene.segment_of(outcome.pid)), &copy, &id);
}

#[test]
fn a_program_replaced_since_is_never_named_after_its_successor() {
    let scene = Scene::new();
    let path = scene.scratch_dir().join("replaced");
    std::fs::copy(program("recursion.c"), &path).expect("a program can be copied");
    let outcome = scene.preloaded(&path).arg("5").run().success();
    std::fs::remove_file(&path).expect("a copy can be removed");
    std::fs::copy(program("fifo.c"), &path).expect("a program can be copied");
    let sites = scene.sites(&scene.segment_of(outcome.pid));
    assert!(sites.sites_through("fifo_allocate").is_empty());
    assert!(sites.sites_through("main").is_empty());
}

#[test]
fn a_dead_and_a_living_process_are_named_alike() {
    let scene = Scene::new();
    let mut running = scene.preloaded(program("churn.c")).start();
    running.wait_for("tick 1 ");
    let living = scene.ask("sites", running.pid.to_string());
    let outcome = running.kill();
    let dead = scene.sites(&scene.segment_of(outcome.pid));
    let names = |answer: &Answer| answer.sites_through("churn_block")[0].functions().join(" ");
    assert_eq!(names(&living), names(&dead));
}

/// The site whose stack has most frames of `function`.
fn deepest<'a>(sites: &'a Answer, function: &str) -> Site<'a> {
    let found = sites.sites_through(function).into_iter();
    found
        .max_by_key(|site| site.frames().len())
        .expect("the function allocates")
}

fn check_unnamed_frames(sites: &Answer, module: &Path, build_id: &str) {
    let frames = sites.sites().flat_map(|site| site.frames());
    let name = module
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a plain file name");
    let own: Vec<&Value> = frames
        .filter(|frame| frame["module"].as_str().is_some_and(|m| m.contains(name)))
        .collect();
    assert!(own.len() >= 6, "five calls and their main, not {own:#?}");
    for frame in own {
        assert!(!frame["offset"].is_null(), "{frame:#}");
        assert_eq!(text(frame, "build_id"), build_id);
    }
}

fn text<'a>(frame: &'a Value, key: &str) -> &'a str {
    frame[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {frame:#}"))
}

fn line_of(source: &str, mark: &str) -> usize {
    let path = memshim_tests::programs::sources().join(source);
    let source = std::fs::read_to_string(path).expect("the source is there");
    source
        .lines()
        .position(|line| line.contains(mark))
        .expect("the line is marked")
        + 1
}

fn build_id(file: &Path) -> String {
    let output = Command::new("readelf")
        .arg("-n")
        .arg(file)
        .output()
        .expect("readelf starts");
    let notes = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = notes
        .lines()
        .find_map(|line| line.trim().strip_prefix("Build ID: "));
    line.expect("test programs have build-ids").to_string()
}
