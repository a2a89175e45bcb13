//! pprof files of real programs, as `go tool pprof` reads them: the totals and the top are those of
//! the JSON.
//!
//! Needs the Debian packages golang-go and sqlite3.

use std::collections::BTreeMap;

use memshim_tests::{Launch, Scene, Segment, is_installed, program, skip};
use serde_json::Value;

/// The sample types of pprof and the columns of the JSON that they must agree with.
const MEASURES: &[(&str, &str)] = &[
    ("alloc_objects", "allocated_objects"),
    ("alloc_space", "allocated_bytes"),
    ("inuse_objects", "live_objects"),
    ("inuse_space", "live_bytes"),
];

#[test]
fn pprof_agrees_with_the_json_about_sampled_sqlite() {
    if !is_installed("sqlite3") {
        return skip("sqlite3 is not installed");
    }
    check(|scene| {
        let mut script = String::from("CREATE TABLE t(a INTEGER, b TEXT);\nBEGIN;\n");
        for row in 0..5_000 {
            script.push_str(&format!("INSERT INTO t VALUES({row}, 'row {row}');\n"));
        }
        script.push_str("COMMIT;\nCREATE INDEX i ON t(b);\nSELECT count(*) FROM t;\n");
        let launch = scene.preloaded("sqlite3").interval("4K");
        let launch = launch.env("HOME", scene.scratch_dir());
        launch
            .args(["-batch", "-init", "/dev/null", ":memory:"])
            .input(script)
    });
}

#[test]
fn pprof_agrees_with_the_json_about_an_exact_cpp_program() {
    check(|scene| scene.preloaded(program("demangled.cpp")));
}

#[test]
fn pprof_shows_names_as_memshim_found_them_and_inlined_functions_apart() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let names = |source: &str| {
        let scene = Scene::new();
        let segment = profile(&scene, scene.preloaded(program(source)));
        let file = export(&scene, &segment);
        pprof(&scene, &file, &["-sample_index=alloc_objects", "-top"])
    };
    let top = names("demangled.cpp");
    assert!(top.contains("zoo::Cage<int>::add_animal(int)"), "{top}");
    let top = names("inlined.c");
    let flat = |name: &str| {
        let line = top.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{top}"));
        line.split_whitespace().next().map(str::to_owned)
    };
    assert_eq!(flat("inlined_allocate").as_deref(), Some("10"));
    assert_eq!(flat("outer_allocate").as_deref(), Some("0"));
}

/// Profiles a program, and compares what pprof and the JSON say about it.
fn check(launch: impl Fn(&Scene) -> Launch) {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let segment = profile(&scene, launch(&scene));
    let sites = scene.sites(&segment);
    let rows = sites.rows("sites");
    let summary = scene.report(&segment);
    let file = export(&scene, &segment);
    for (sample_type, column) in MEASURES {
        let index = format!("-sample_index={sample_type}");
        let top = pprof(
            &scene,
            &file,
            &[&index, "-unit=b", "-nodefraction=0", "-top"],
        );
        let total = summary.fact(column).value as u64;
        assert_eq!(total_of(&top), total, "{sample_type}:\n{top}");
        if total == 0 {
            continue;
        }
        let (number, name) = first_of(&top);
        let by_leaf = by_leaf(rows, column);
        let largest = by_leaf.values().max().copied().unwrap_or_default();
        let expected = by_leaf.get(&name).copied().unwrap_or_default();
        // The JSON rounds each row by itself, pprof's values are rounded together.
        let slack = rows.len() as u64;
        assert!(
            number.abs_diff(expected) <= slack,
            "{name} has {expected}:\n{top}"
        );
        assert!(expected + slack >= largest, "one has {largest}:\n{top}");
        let traces = pprof(&scene, &file, &[&index, "-traces"]);
        assert!(traces.contains(&name), "no {name} in\n{traces}");
    }
    let raw = pprof(&scene, &file, &["-raw"]);
    assert!(raw.contains("PeriodType: space bytes"), "{raw}");
    let peek = pprof(&scene, &file, &["-sample_index=alloc_space", "-peek=main"]);
    assert!(peek.contains("main"), "{peek}");
}

fn profile(scene: &Scene, launch: Launch) -> Segment {
    let outcome = launch.run().success();
    scene.segment_of(outcome.pid)
}

/// The pprof file of the sites of a segment, its format chosen by its name.
fn export(scene: &Scene, segment: &Segment) -> String {
    let file = scene.scratch_dir().join("heap.pb.gz");
    let launch = scene.reader(["export"]).arg(&segment.path).arg("-o");
    launch.arg(&file).run().success();
    file.display().to_string()
}

/// What `go tool pprof` prints; a complaint on standard error fails the test.
fn pprof(scene: &Scene, file: &str, args: &[&str]) -> String {
    let home = scene.scratch_dir();
    let launch = scene.plain("go").args(["tool", "pprof"]).args(args);
    // Go keeps its build cache, and pprof its settings, below these.
    let launch = launch.env("HOME", &home).env("XDG_CONFIG_HOME", &home);
    let outcome = launch.arg(file).run().success();
    assert_eq!(outcome.stderr, "", "{args:?}");
    outcome.stdout
}

/// The number behind `of` in pprof's `Showing nodes accounting for 10B, 100% of 10B total`.
fn total_of(top: &str) -> u64 {
    let line = top.lines().find(|line| line.contains("accounting for"));
    let line = line.unwrap_or_else(|| panic!("no total in\n{top}"));
    let total = line
        .split(" of ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    digits(total.unwrap_or_default())
}

/// The first function of the table, with its own number.
fn first_of(top: &str) -> (u64, String) {
    let mut lines = top.lines().skip_while(|line| !line.contains("flat%"));
    let line = lines
        .nth(1)
        .unwrap_or_else(|| panic!("no functions in\n{top}"));
    // flat, flat%, sum%, cum, cum%, and the name, in which there may be blanks.
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = words[5..].join(" ");
    let name = name.strip_suffix(" (inline)").unwrap_or(&name);
    (digits(words[0]), name.to_owned())
}

/// What the innermost functions have of a column, by the name that memshim gives them.
fn by_leaf(rows: &[Value], column: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let leaf = &row["stack"][0];
        let module = leaf["module"].as_str().unwrap_or_default();
        let module = module.rsplit('/').next().unwrap_or_default();
        let place = || {
            format!(
                "{module}+{:#x}",
                leaf["offset"].as_u64().unwrap_or_default()
            )
        };
        let name = leaf["function"].as_str().map_or_else(place, str::to_owned);
        *sums.entry(name).or_insert(0) += row[column]["value"].as_u64().unwrap_or_default();
    }
    sums
}

fn digits(text: &str) -> u64 {
    let number = text.trim_end_matches(|unit: char| unit.is_alphabetic());
    number
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}
