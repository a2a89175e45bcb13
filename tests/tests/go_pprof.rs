//! The heap profile that a Go program writes of itself, as `go tool pprof` shows it, is what we say
//! of the same process: stack by stack, every function, file and line, and every figure.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use memshim_tests::go::{Linked, go_program, toolchain};
use memshim_tests::{Answer, Scene, find_installed, skip};

/// A function, its file and its line.
type Call = (String, String, u64);

/// Calls, leaf first.
type Stack = Vec<Call>;

/// What Go and we call the same, in Go's order.
const COLUMNS: [&str; 4] = [
    "allocated_objects",
    "allocated_bytes",
    "live_objects",
    "live_bytes",
];

/// What each stack has of these.
type Profile = BTreeMap<Stack, [u64; 4]>;

/// What the program allocates to write its profile and afterwards.
const LATER: [&str; 2] = ["main.tell", "main.wait"];

#[test]
fn names_lines_and_figures_are_those_of_go_tool_pprof() {
    if toolchain().is_none() {
        return skip("there is no Go compiler");
    }
    for linked in Linked::ALL {
        let scene = Scene::new();
        let written = scene.scratch_dir().join("written.pb.gz");
        let exported = scene.scratch_dir().join("exported.pb.gz");
        let program = go_program(&["variety.go", "writing.go"], linked);
        let mut running = scene.plain(program).env("HEAP_PROFILE", &written).start();
        running.wait_for("quiet");
        let pid = running.pid.to_string();
        let ask = scene.reader(["sites", "--top", "100000", "--format", "json", &pid]);
        let answer = Answer::parse(&ask.run().success().stdout);
        let export = scene.reader(["export", &pid, "-o"]).arg(&exported);
        export.run().success();
        running.finish().success();
        let written = profile(&written, &scene);
        assert!(written.len() > 100, "{linked:?}: {} stacks", written.len());
        check_same(&written, &sites(&answer), &format!("{linked:?}, JSON"));
        let exported = profile(&exported, &scene);
        check_same(&written, &exported, &format!("{linked:?}, export"));
        // Before Go 1.21 the first moments of a program pass unseen, so of stacks that allocate only
        // then some may be missing.
        let twin = unwritten(linked);
        let of_main: Vec<&Stack> = twin.keys().filter(|stack| is_of_main(stack)).collect();
        assert!(of_main.len() > 20, "{linked:?}: {of_main:#?}");
        for stack in of_main {
            assert!(written.contains_key(stack), "{linked:?}: {stack:#?}");
        }
    }
}

/// What we say of the same program when it has nothing of runtime/pprof in it.
fn unwritten(linked: Linked) -> Profile {
    let scene = Scene::new();
    let told = scene.scratch_dir().join("sites.json");
    let program = go_program(&["variety.go", "silent.go"], linked);
    let options = [
        "run",
        "--report",
        "sites",
        "--top",
        "100000",
        "--go-rate",
        "1",
    ];
    let launch = scene.reader(options).arg("-o").arg(&told).arg("--");
    launch.arg(program).run().success();
    let text = std::fs::read_to_string(told).expect("a report");
    sites(&Answer::parse(&text))
}

/// Whether nothing but the program's own function allocated.
fn is_of_main(stack: &Stack) -> bool {
    let is_own = |name: &str| name.starts_with("main.") || name == "runtime.main";
    stack.iter().all(|(function, _, _)| is_own(function))
}

fn check_same(go: &Profile, ours: &Profile, what: &str) {
    for stack in go.keys().chain(ours.keys()) {
        assert_eq!(ours.get(stack), go.get(stack), "{what}: {stack:#?}");
    }
}

/// Our own answer.
fn sites(answer: &Answer) -> Profile {
    let mut profile = Profile::new();
    for site in answer.sites() {
        let calls = site.frames().iter().map(|frame| {
            let text = |key: &str| frame[key].as_str().unwrap_or("?").to_owned();
            let line = frame["line"].as_u64().unwrap_or(0);
            (text("function"), text("file"), line)
        });
        let figures = COLUMNS.map(|column| site.count(column));
        add(&mut profile, calls.collect(), figures);
    }
    profile
}

fn add(profile: &mut Profile, stack: Stack, figures: [u64; 4]) {
    let is_later = |call: &Call| LATER.contains(&call.0.as_str());
    // The runtime's own goroutines go on while nobody else does.
    let is_quiet = stack.iter().any(|call| call.0.starts_with("main."));
    if !is_quiet || stack.iter().any(is_later) || figures == [0; 4] {
        return;
    }
    let sums = profile.entry(stack).or_default();
    for (sum, figure) in sums.iter_mut().zip(figures) {
        *sum += figure;
    }
}

/// What `go tool pprof` reads in a file: first a line of values and places for each sample, then for
/// each place its calls, inlined ones first.
///
/// ```text
///           2       8192          1       4096: 3 1
///                 bytes:[4096]
/// Locations
///      1: 0x48bf3a M=1 main.main /main.go:23:0 s=10
///              main.outer /main.go:11:0 s=9
/// Mappings
/// ```
fn profile(file: &Path, scene: &Scene) -> Profile {
    // Debian's, since newer toolchains have to compile theirs first.
    let go = find_installed("go").or_else(toolchain);
    let mut tool = Command::new(go.expect("asked for before"));
    tool.args(["tool", "pprof", "-raw"]).arg(file);
    tool.env("HOME", scene.scratch_dir()).env_remove("GOROOT");
    let done = tool.output().expect("it starts");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && errors.is_empty(), "{errors}");
    let raw = String::from_utf8_lossy(&done.stdout);
    let (samples, rest) = raw.split_once("Locations\n").expect("places");
    let (places, _) = rest.split_once("Mappings\n").expect("mappings");
    let places = places_of(places);
    let mut profile = Profile::new();
    for line in samples.lines() {
        let Some((values, ids)) = line.split_once(": ") else {
            continue;
        };
        let values = values.split_whitespace().map(|value| value.parse().ok());
        let Some(values) = values.collect::<Option<Vec<u64>>>() else {
            continue;
        };
        let calls = ids.split_whitespace().flat_map(|id| places[id].clone());
        // Ours has more columns behind the four of Go.
        let figures = values[..4].try_into().expect("four columns");
        add(&mut profile, calls.collect(), figures);
    }
    profile
}

fn places_of(text: &str) -> BTreeMap<&str, Stack> {
    let mut places: BTreeMap<&str, Stack> = BTreeMap::new();
    let mut id = "";
    for line in text.lines() {
        let mut call = line.trim();
        if let Some((number, rest)) = call.split_once(": 0x") {
            id = number;
            let words = rest.splitn(3, ' ');
            call = words.last().unwrap_or("");
        }
        let (named, start) = call.rsplit_once(" s=").expect("a function");
        let (function, place) = named.rsplit_once(' ').expect("a file");
        // What looks like C++ to it loses what is in parentheses, and stands behind in full.
        let whole = start
            .split_once('(')
            .map(|(_, name)| &name[..name.len() - 1]);
        let function = whole.filter(|name| !name.is_empty()).unwrap_or(function);
        let mut parts = place.split(':');
        let file = parts.next().unwrap_or_default().to_owned();
        let line = parts.next().and_then(|line| line.parse().ok());
        let call = (function.to_owned(), file, line.expect("a line"));
        places.entry(id).or_default().push(call);
    }
    places
}
