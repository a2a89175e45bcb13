//! What an unsampled call costs in instructions, counted by callgrind: no noise, so a ceiling.
//!
//! Needs the Debian package valgrind.

use memshim_tests::{Launch, Scene, is_installed, program, skip};

/// Rounds by which the two functions of a pair differ.
const ROUNDS: u64 = 1000;

/// Instructions that memshim may add to a round; what it really adds, so every one more fails.
const CEILINGS: &[(&str, u64)] = &[
    ("malloc_free", 9),
    ("calloc_free", 12),
    ("realloc_same", 8),
    ("realloc_growing", 8),
];

#[cfg(target_arch = "x86_64")]
#[test]
fn an_unsampled_call_costs_no_more_than_its_ceiling() {
    if !is_installed("valgrind") {
        return skip("valgrind is not installed");
    }
    let scene = Scene::new();
    let source = program("instructions.c");
    // An interval that no sample falls into within so few bytes; the seed makes that certain.
    let shimmed = scene.preloaded(&source).interval("1T");
    let plain = profile(&scene, scene.plain(&source), "plain");
    let shimmed = profile(&scene, shimmed.env("MEMSHIM_SEED", "1"), "shimmed");
    for (name, ceiling) in CEILINGS {
        let added = rounds(&shimmed, name).saturating_sub(rounds(&plain, name));
        println!("{name}: {added} instructions added to {ROUNDS} rounds");
        // Nothing added would mean that the library was not there.
        let allowed = 1..=ceiling * ROUNDS;
        assert!(
            allowed.contains(&added),
            "{name}: {added} instructions added to {ROUNDS} rounds, not {allowed:?}"
        );
    }
}

/// Runs the program under callgrind and gives its output file.
fn profile(scene: &Scene, launch: Launch, name: &str) -> String {
    let file = scene.scratch_dir().join(name);
    let out = format!("--callgrind-out-file={}", file.display());
    let tool = [
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--compress-strings=no",
        "--compress-pos=no",
        &out,
    ];
    launch.wrapped_in(tool).run().success();
    std::fs::read_to_string(&file).expect("callgrind has written its counts")
}

/// Instructions that `ROUNDS` rounds of `name` take.
fn rounds(counts: &str, name: &str) -> u64 {
    let [few, many] = ["few", "many"].map(|size| inclusive(counts, &format!("{name}_{size}")));
    many - few
}

/// What the one call of a function cost, with all that it called.
///
/// A call stands in three lines: `cfn=name`, `calls=...`, and `line instructions`.
fn inclusive(counts: &str, function: &str) -> u64 {
    let mut lines = counts.lines();
    let is_call = |line: &&str| line.strip_prefix("cfn=") == Some(function);
    lines
        .find(is_call)
        .unwrap_or_else(|| panic!("{function} was not called"));
    let cost = lines.nth(1).and_then(|line| line.split(' ').nth(1));
    let cost = cost.unwrap_or_else(|| panic!("no cost of {function}"));
    cost.parse()
        .expect("callgrind counts in whole instructions")
}
