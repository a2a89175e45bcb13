//! Other allocators work underneath, and programs out of reach are left alone and explained.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memshim_tests::processes::is_root;
use memshim_tests::{Outcome, Scene, program, program_with, skip};

#[test]
fn jemalloc_works_underneath() {
    check_underneath("libjemalloc.so.2");
}

#[test]
fn tcmalloc_works_underneath() {
    check_underneath("libtcmalloc.so.4");
}

#[test]
fn mimalloc_works_underneath() {
    check_underneath("libmimalloc.so.2");
}

#[test]
fn a_static_program_runs_and_the_reader_says_why_it_is_silent() {
    let scene = Scene::new();
    let fixed = program_with("die.c", &["-static"]);
    let outcome = run_by_reader(&scene, &fixed, &["_exit"]);
    assert_eq!(outcome.status.code(), Some(7), "the status of the program");
    assert!(
        outcome.one_error_line().contains("static"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_program_with_its_own_malloc_runs_and_the_reader_says_why_it_is_silent() {
    let scene = Scene::new();
    let outcome = run_by_reader(&scene, &program("own_malloc.c"), &[]);
    assert!(
        outcome.stdout.starts_with("1000 own calls\n"),
        "{}",
        outcome.stdout
    );
    assert_eq!(outcome.status.code(), Some(0));
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("own malloc"), "{said}");
}

#[test]
fn a_program_at_a_fixed_address_is_not_taken_for_one_with_its_own_malloc() {
    let scene = Scene::new();
    let fixed = program_with("fixed_address.c", &["-no-pie", "-fno-pie"]);
    let outcome = run_by_reader(&scene, &fixed, &[]);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(!said.contains("own malloc"), "{said}");
}

#[test]
fn a_setuid_program_runs_and_the_reader_says_why_it_is_silent() {
    if !is_root() {
        return skip("only root can make a program that runs as somebody else");
    }
    let scene = Scene::new();
    let privileged = scene.scratch_dir().join("privileged");
    std::fs::copy(program("die.c"), &privileged).expect("a program can be copied");
    std::os::unix::fs::chown(&privileged, Some(65_534), None).expect("root may give a file away");
    let mode = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(&privileged, mode).expect("root may change a mode");
    let outcome = run_by_reader(&scene, &privileged, &["_exit"]);
    assert_eq!(outcome.status.code(), Some(7), "the status of the program");
    assert!(
        outcome.one_error_line().contains("setuid"),
        "{}",
        outcome.stderr
    );
}

fn run_by_reader(scene: &Scene, program: &Path, args: &[&str]) -> Outcome {
    let launch = scene.reader(["run", "--"]).arg(program).args(args);
    // A launcher that waits for a program it cannot reach would hang (heaptrack does).
    launch.limit(Duration::from_secs(10)).run()
}

fn check_underneath(name: &str) {
    let Some(allocator) = find_library(name) else {
        return skip(&format!("{name} is not installed"));
    };
    for (source, function, blocks, live) in [
        ("many_sites.c", "branch", 20_000, 10_000),
        ("aligned_entry_points.c", "allocate_aligned", 50, 50),
        ("realloc_chain.c", "grow_chain", 1_000, 0),
        ("cross_thread_frees.c", "produce_block", 20_000, 0),
        ("exceptions.cpp", "leak_one", 1, 1),
    ] {
        let scene = Scene::new();
        let outcome = scene.preloaded_with(&[&allocator], program(source)).run();
        let plain = scene
            .plain(program(source))
            .env("LD_PRELOAD", &allocator)
            .run();
        outcome.assert_same_as(&plain);
        let totals = scene
            .sites(&scene.segment_of(outcome.pid))
            .through(function);
        // These libraries answer operator new themselves: its blocks may be out of sight.
        if totals.allocated == 0 && source.ends_with(".cpp") {
            continue;
        }
        assert_eq!(
            (totals.allocated, totals.live),
            (blocks, live),
            "{source} over {name}"
        );
    }
}

fn find_library(name: &str) -> Option<PathBuf> {
    let machine = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let dirs = [machine.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"];
    dirs.iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|file| file.exists())
}
