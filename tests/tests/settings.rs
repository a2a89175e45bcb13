//! Each setting does what the README's table says, and a wrong one never harms the program.

use memshim_tests::{Estimate, Outcome, Scene, program};

#[test]
fn a_disabled_shim_leaves_no_trace() {
    let scene = Scene::new();
    let outcome = run_with(&scene, &[("MEMSHIM_DISABLE", "1")]);
    assert!(outcome.stdout.starts_with("sum "), "{}", outcome.stdout);
    assert!(scene.segments().is_empty());
}

#[test]
fn a_pattern_that_matches_lets_a_program_be_profiled() {
    for pattern in ["many_sites", "many_*", "nothing,*_sites", "*"] {
        let scene = Scene::new();
        run_with(&scene, &[("MEMSHIM_PROGRAMS", pattern)]);
        assert_eq!(scene.segments().len(), 1, "{pattern}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_leaves_a_program_alone() {
    for pattern in ["many", "other,*_site", "sites"] {
        let scene = Scene::new();
        run_with(&scene, &[("MEMSHIM_PROGRAMS", pattern)]);
        assert!(scene.segments().is_empty(), "{pattern}");
    }
}

#[test]
fn a_pattern_selects_among_the_programs_of_a_chain() {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("spawn.c"))
        .env("MEMSHIM_PROGRAMS", "die");
    launch.arg("fork").arg(program("die.c")).run().success();
    let segments = scene.segments();
    assert_eq!(segments.len(), 1, "{segments:?}");
    assert_eq!(
        scene.sites(&segments[0]).through("allocate_block").live,
        5_000
    );
}

#[test]
fn one_seed_gives_one_result() {
    let first = estimate_with_seed("7");
    assert_eq!(first, estimate_with_seed("7"));
    assert!(!first.exact, "{first:?}");
}

#[test]
fn different_seeds_give_different_results() {
    let found = ["1", "2", "3", "4", "5"].map(|seed| estimate_with_seed(seed).value);
    assert!(found.iter().any(|value| *value != found[0]), "{found:?}");
}

#[test]
fn the_interval_takes_suffixes() {
    for (interval, is_exact) in [
        ("exact", true),
        ("auto", false),
        ("4096", false),
        ("4K", false),
        ("1M", false),
        ("1G", false),
    ] {
        let scene = Scene::new();
        let outcome = run_with(&scene, &[("MEMSHIM_INTERVAL", interval)]);
        let report = scene.report(&scene.segment_of(outcome.pid));
        assert_eq!(
            report.fact("allocated_objects").exact,
            is_exact,
            "{interval}"
        );
    }
}

#[test]
fn a_setting_that_makes_no_sense_never_harms_the_program() {
    for (name, value) in [
        ("MEMSHIM_INTERVAL", "soon"),
        ("MEMSHIM_INTERVAL", "-5"),
        ("MEMSHIM_INTERVAL", "0"),
        ("MEMSHIM_INTERVAL", "99999999999999999999999"),
        ("MEMSHIM_INTERVAL", ""),
        ("MEMSHIM_BUDGET", "0"),
        ("MEMSHIM_BUDGET", "101"),
        ("MEMSHIM_BUDGET", "cheap"),
        ("MEMSHIM_BUDGET", ""),
        ("MEMSHIM_MAX_SEGMENT", "1"),
        ("MEMSHIM_MAX_SEGMENT", "all"),
        ("MEMSHIM_MAX_SEGMENT", "17179869184G"),
        ("MEMSHIM_SEED", "x"),
        ("MEMSHIM_DIR", ""),
        ("MEMSHIM_DIR", "relative/path"),
        ("MEMSHIM_PROGRAMS", "[*"),
        ("MEMSHIM_PROGRAMS", ",,,"),
    ] {
        let scene = Scene::new();
        let outcome = run_with(&scene, &[(name, value)]);
        assert!(
            outcome.stdout.starts_with("sum "),
            "{name}={value}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn a_setting_that_was_not_understood_is_named_in_the_report() {
    for (name, value, is_named) in [
        ("MEMSHIM_INTERVAL", "soon", true),
        ("MEMSHIM_BUDGET", "0", true),
        ("MEMSHIM_BUDGET", "0.25", false),
        ("MEMSHIM_MAX_SEGMENT", "all", true),
        ("MEMSHIM_SEED", "x", true),
        ("MEMSHIM_SEED", "7", false),
    ] {
        let scene = Scene::new();
        let outcome = run_with(&scene, &[(name, value)]);
        let report = scene.report(&scene.segment_of(outcome.pid));
        let sections = report.json["sections"].as_array().into_iter().flatten();
        let mut notices = sections.filter_map(|section| section["facts"]["settings"].as_str());
        let is_said = notices.any(|notice| notice.contains(name));
        assert_eq!(is_said, is_named, "{name}={value}");
    }
}

#[test]
fn a_small_limit_bounds_the_segment() {
    let scene = Scene::new();
    let outcome = run_with(&scene, &[("MEMSHIM_MAX_SEGMENT", "1M")]);
    let segment = scene.segment_of(outcome.pid);
    let metadata = std::fs::metadata(&segment.path).expect("the segment is there");
    let used = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    assert!(used <= 1 << 20, "{used} bytes used");
    let report = scene.report(&segment);
    assert!(
        report.admits_loss(),
        "20,000 exact blocks do not fit: {:#}",
        report.json["losses"]
    );
    assert!(
        report.fact("allocated_objects").covers(20_001.0),
        "totals survive lost details"
    );
}

#[test]
fn a_segment_is_for_its_owner_alone() {
    let scene = Scene::new();
    let segment = scene.segment_of(run_with(&scene, &[]).pid);
    let metadata = std::fs::metadata(&segment.path).expect("the segment is there");
    let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}

fn run_with(scene: &Scene, settings: &[(&str, &str)]) -> Outcome {
    let mut launch = scene.preloaded(program("many_sites.c"));
    for (name, value) in settings {
        launch = launch.env(name, value);
    }
    let outcome = launch.run();
    outcome.assert_same_as(&scene.plain(program("many_sites.c")).run());
    outcome
}

fn estimate_with_seed(seed: &str) -> Estimate {
    let scene = Scene::new();
    let outcome = run_with(
        &scene,
        &[("MEMSHIM_INTERVAL", "16K"), ("MEMSHIM_SEED", seed)],
    );
    scene
        .report(&scene.segment_of(outcome.pid))
        .fact("allocated_objects")
}
